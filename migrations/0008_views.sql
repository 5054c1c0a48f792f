-- What people ask the warehouse with: views over its tables, the tables that they fill in themselves, and the past.
-- Nothing here waits for or holds up a load: a view takes no lock but the lightest, and no index is added, because each
-- costs every load its time.

-- Plates are written in as many ways as there are terminals. A masked one (K***) is that of many vehicles.
CREATE FUNCTION fuel.plate_key(plate text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN plate LIKE '%*%' THEN NULL
        WHEN length(plate) = 64 THEN plate
        ELSE nullif(translate(upper(plate), ' -.', ''), '')
    END
$$;
COMMENT ON FUNCTION fuel.plate_key(text) IS 'A license plate in capitals without spaces, hyphens and dots, by which it is compared; a hash as it is; NULL for a masked one, which is not one vehicle''s.';

-- Hashes have no end that says anything.
CREATE FUNCTION fuel.card_tail(card text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN length(card) BETWEEN 8 AND 32 AND right(card, 4) NOT LIKE '%*%' THEN right(card, 4) END
$$;
COMMENT ON FUNCTION fuel.card_tail(text) IS 'The last four characters of a card''s number, which masking leaves; NULL for a hash or a short one.';

CREATE VIEW fuel.sale AS
SELECT
    t.source, t.account, t.source_transaction_id, t.line_id, t.partition, t.kind, t.state, t.source_state, t.occurred_at,
    t.started_at, t.status_at, t.invoiced_at, t.contract_no, t.site_id, t.site_code, t.site_name, t.terminal_id,
    t.terminal_name, t.point, t.card_number, t.driver_name, t.driver_no, t.vehicle_no, t.license_plate, t.odometer_km,
    t.receipt_no, t.authorization_code, t.invoice_no, t.session_id, t.product_code, t.product_name, t.product_type,
    t.product, t.quantity, t.unit, t.net_unit_price, t.unit_discount, t.unit_price, t.net_amount, t.vat_rate, t.vat_amount,
    t.gross_amount, t.paid_amount, t.payment_method, t.currency, t.quality, t.version, t.seq, t.first_seen_at, t.changed_at,
    coalesce(
        'plate:' || fuel.plate_key(t.license_plate),
        'vehicle_no:' || t.account || '/' || t.vehicle_no,
        CASE WHEN t.card_number LIKE '%*%' THEN 'card_mask:' || t.account || '/' || t.card_number ELSE 'card:' || t.card_number END
    ) AS vehicle_key
FROM fuel.transaction t
WHERE t.state IN ('posted', 'invoiced') AND t.missing_since IS NULL;
COMMENT ON VIEW fuel.sale IS 'The lines that count: posted or invoiced, and not missing at the source.';

-- The view's columns mean what the table's do.
DO $$
DECLARE
    col record;
BEGIN
    FOR col IN
        SELECT v.attname, col_description(t.attrelid, t.attnum) AS said
        FROM pg_attribute v
        JOIN pg_attribute t ON t.attrelid = 'fuel.transaction'::regclass AND t.attname = v.attname
        WHERE v.attrelid = 'fuel.sale'::regclass AND v.attnum > 0
    LOOP
        EXECUTE format('COMMENT ON COLUMN fuel.sale.%I IS %L', col.attname, col.said);
    END LOOP;
END
$$;
COMMENT ON COLUMN fuel.sale.vehicle_key IS 'What tells the vehicle from others: plate:…, else vehicle_no:account/number, else card:…; card_mask:account/… where there is only a masked card, which may be several cards.';

CREATE VIEW fuel.daily_consumption AS
SELECT
    (s.occurred_at AT TIME ZONE 'UTC')::date AS day,
    s.source, s.site_id, max(s.site_code) AS site_code, max(s.site_name) AS site_name,
    s.kind, s.product, s.unit, s.currency,
    count(DISTINCT s.source_transaction_id) AS transactions, count(*) AS lines,
    sum(s.quantity) AS quantity, sum(s.net_amount) AS net_amount, sum(s.vat_amount) AS vat_amount, sum(s.gross_amount) AS gross_amount,
    count(*) FILTER (WHERE s.gross_amount IS NULL) AS lines_without_amount
FROM fuel.sale s
GROUP BY (s.occurred_at AT TIME ZONE 'UTC')::date, s.source, s.site_id, s.kind, s.product, s.unit, s.currency;
COMMENT ON VIEW fuel.daily_consumption IS 'What was sold in a day (UTC) at a site, by product, unit and currency. By source too: the same fill may stand at several, see fuel.finding, rule twice_at_both.';
COMMENT ON COLUMN fuel.daily_consumption.day IS 'Day of the sale, UTC.';
COMMENT ON COLUMN fuel.daily_consumption.source IS 'Vendor interface.';
COMMENT ON COLUMN fuel.daily_consumption.site_id IS 'Place of sale: id at the source.';
COMMENT ON COLUMN fuel.daily_consumption.site_code IS 'Place of sale: the source''s code.';
COMMENT ON COLUMN fuel.daily_consumption.site_name IS 'Place of sale: name.';
COMMENT ON COLUMN fuel.daily_consumption.kind IS 'fuel, ev_charging, parking, car_wash, goods, service, fee or other.';
COMMENT ON COLUMN fuel.daily_consumption.product IS 'Canonical product; NULL when no rule matches.';
COMMENT ON COLUMN fuel.daily_consumption.unit IS 'L, kWh, kg, m3, min or pcs.';
COMMENT ON COLUMN fuel.daily_consumption.currency IS 'ISO 4217.';
COMMENT ON COLUMN fuel.daily_consumption.transactions IS 'Transactions that the lines stand in. One with several products counts at each.';
COMMENT ON COLUMN fuel.daily_consumption.lines IS 'Lines.';
COMMENT ON COLUMN fuel.daily_consumption.quantity IS 'Quantity in unit, returns taken off.';
COMMENT ON COLUMN fuel.daily_consumption.net_amount IS 'Amount without tax, in currency, of the lines that have one.';
COMMENT ON COLUMN fuel.daily_consumption.vat_amount IS 'VAT, in currency, of the lines that have one.';
COMMENT ON COLUMN fuel.daily_consumption.gross_amount IS 'Amount with tax, in currency, of the lines that have one; NULL when none has (charging at Alexela).';
COMMENT ON COLUMN fuel.daily_consumption.lines_without_amount IS 'Lines whose amount is not known: not in gross_amount.';

-- Kilometres are told by the month's first and last odometer, and only where no reading goes back: one typing error would
-- make any number of it. What was filled at the first reading was burnt before it.
CREATE VIEW fuel.vehicle_month AS
WITH line AS (
    SELECT
        date_trunc('month', s.occurred_at AT TIME ZONE 'UTC')::date AS month, s.vehicle_key, s.occurred_at,
        s.source_transaction_id, s.license_plate, s.vehicle_no, s.card_number,
        s.kind, s.product, s.unit, s.currency, s.quantity, s.net_amount, s.vat_amount, s.gross_amount,
        CASE WHEN s.odometer_km >= 10 AND (s.vehicle_key LIKE 'plate:%' OR s.vehicle_key LIKE 'vehicle_no:%') THEN s.odometer_km END AS odometer_km
    FROM fuel.sale s
), reading AS (
    SELECT
        month, vehicle_key, min(occurred_at) AS first_at, max(occurred_at) AS last_at,
        (array_agg(odometer_km ORDER BY occurred_at, odometer_km))[1] AS odometer_first_km,
        (array_agg(odometer_km ORDER BY occurred_at DESC, odometer_km DESC))[1] AS odometer_last_km,
        bool_or(odometer_km < before_km) AS goes_back
    FROM (
        SELECT l.month, l.vehicle_key, l.occurred_at, l.odometer_km,
            lag(l.odometer_km) OVER (PARTITION BY l.month, l.vehicle_key ORDER BY l.occurred_at, l.odometer_km) AS before_km
        FROM line l WHERE l.odometer_km IS NOT NULL
    ) AS read
    GROUP BY month, vehicle_key
), filled AS (
    SELECT
        l.month, l.vehicle_key, max(l.license_plate COLLATE "C") AS license_plate, max(l.vehicle_no) AS vehicle_no, max(l.card_number) AS card_number,
        l.kind, l.product, l.unit, l.currency,
        count(DISTINCT l.source_transaction_id) FILTER (WHERE l.quantity > 0) AS fills,
        sum(l.quantity) AS quantity, sum(l.net_amount) AS net_amount, sum(l.vat_amount) AS vat_amount, sum(l.gross_amount) AS gross_amount,
        sum(l.quantity) FILTER (WHERE l.occurred_at > r.first_at AND l.occurred_at <= r.last_at) AS burnt,
        r.odometer_first_km, r.odometer_last_km,
        CASE WHEN r.odometer_last_km > r.odometer_first_km AND NOT r.goes_back THEN r.odometer_last_km - r.odometer_first_km END AS driven_km
    FROM line l
    LEFT JOIN reading r ON r.month = l.month AND r.vehicle_key = l.vehicle_key
    GROUP BY l.month, l.vehicle_key, l.kind, l.product, l.unit, l.currency, r.odometer_first_km, r.odometer_last_km, r.goes_back
)
SELECT
    f.month,
    CASE split_part(f.vehicle_key, ':', 1)
        WHEN 'plate' THEN max(f.license_plate) OVER (PARTITION BY f.month, f.vehicle_key)
        WHEN 'vehicle_no' THEN f.vehicle_no ELSE f.card_number
    END AS vehicle,
    split_part(f.vehicle_key, ':', 1) AS identified_by,
    f.vehicle_key, f.kind, f.product, f.unit, f.currency, f.fills, f.quantity, f.net_amount, f.vat_amount, f.gross_amount,
    f.odometer_first_km, f.odometer_last_km, f.driven_km,
    CASE WHEN f.kind IN ('fuel', 'ev_charging') THEN
        round(nullif(sum(f.burnt) OVER (PARTITION BY f.month, f.vehicle_key, f.kind, f.product, f.unit), 0) * 100 / f.driven_km, 2)
    END AS per_100_km
FROM filled f;
COMMENT ON VIEW fuel.vehicle_month IS 'What a vehicle bought in a month (UTC), by product, unit and currency, how far it drove and what it used.';
COMMENT ON COLUMN fuel.vehicle_month.month IS 'First day of the month, UTC.';
COMMENT ON COLUMN fuel.vehicle_month.vehicle IS 'The plate, else the vehicle''s number, else the card; NULL where the source tells none of them.';
COMMENT ON COLUMN fuel.vehicle_month.identified_by IS 'plate, vehicle_no, card, or card_mask: a masked card, which may be several.';
COMMENT ON COLUMN fuel.vehicle_month.vehicle_key IS 'As in fuel.sale: a plate counts as the same however it is spaced, a vehicle''s number within its account.';
COMMENT ON COLUMN fuel.vehicle_month.kind IS 'fuel, ev_charging, parking, car_wash, goods, service, fee or other.';
COMMENT ON COLUMN fuel.vehicle_month.product IS 'Canonical product; NULL when no rule matches.';
COMMENT ON COLUMN fuel.vehicle_month.unit IS 'L, kWh, kg, m3, min or pcs.';
COMMENT ON COLUMN fuel.vehicle_month.currency IS 'ISO 4217.';
COMMENT ON COLUMN fuel.vehicle_month.fills IS 'Transactions that brought some of the product.';
COMMENT ON COLUMN fuel.vehicle_month.quantity IS 'Quantity in unit, returns taken off.';
COMMENT ON COLUMN fuel.vehicle_month.net_amount IS 'Amount without tax, in currency, of the lines that have one.';
COMMENT ON COLUMN fuel.vehicle_month.vat_amount IS 'VAT, in currency, of the lines that have one.';
COMMENT ON COLUMN fuel.vehicle_month.gross_amount IS 'Amount with tax, in currency, of the lines that have one.';
COMMENT ON COLUMN fuel.vehicle_month.odometer_first_km IS 'The vehicle''s first reading of the month, at whatever it bought; NULL without one, or where only a card is known. Less than 10 km counts as not given.';
COMMENT ON COLUMN fuel.vehicle_month.odometer_last_km IS 'The vehicle''s last reading of the month.';
COMMENT ON COLUMN fuel.vehicle_month.driven_km IS 'Kilometres between the two; NULL when there is one reading only, or one goes back.';
COMMENT ON COLUMN fuel.vehicle_month.per_100_km IS 'Units of the product for 100 km, over all currencies: what was bought after the first reading and up to the last, for the kilometres between. Right when both fills were full.';

CREATE VIEW fuel.open_invoice AS
SELECT
    t.source, t.account, t.source_transaction_id, t.line_id, t.contract_no, t.occurred_at,
    now() - t.occurred_at AS age, floor(extract(epoch FROM now() - t.occurred_at) / 86400)::integer AS age_days,
    t.site_id, t.card_number, t.driver_name, t.license_plate, t.receipt_no, t.product_name, t.product, t.quantity, t.unit,
    t.net_amount, t.vat_amount, t.gross_amount, t.currency, t.first_seen_at
FROM fuel.transaction t
WHERE t.source = 'alexela_card' AND t.state = 'posted' AND t.invoice_no IS NULL AND t.missing_since IS NULL;
COMMENT ON VIEW fuel.open_invoice IS 'Alexela''s card sales that stand on no invoice yet. Bonus cards and charging carry none, HecOne neither.';
COMMENT ON COLUMN fuel.open_invoice.source IS 'alexela_card.';
COMMENT ON COLUMN fuel.open_invoice.account IS 'Account in the configuration.';
COMMENT ON COLUMN fuel.open_invoice.source_transaction_id IS 'The source''s id of the transaction.';
COMMENT ON COLUMN fuel.open_invoice.line_id IS 'Line within the transaction.';
COMMENT ON COLUMN fuel.open_invoice.contract_no IS 'Contract that will be invoiced.';
COMMENT ON COLUMN fuel.open_invoice.occurred_at IS 'When the sale took place.';
COMMENT ON COLUMN fuel.open_invoice.age IS 'How long ago that is.';
COMMENT ON COLUMN fuel.open_invoice.age_days IS 'The same in whole days.';
COMMENT ON COLUMN fuel.open_invoice.site_id IS 'Place of sale: id at the source.';
COMMENT ON COLUMN fuel.open_invoice.card_number IS 'Card, after the privacy rule.';
COMMENT ON COLUMN fuel.open_invoice.driver_name IS 'Driver, after the privacy rule.';
COMMENT ON COLUMN fuel.open_invoice.license_plate IS 'License plate, after the privacy rule.';
COMMENT ON COLUMN fuel.open_invoice.receipt_no IS 'Number of the receipt.';
COMMENT ON COLUMN fuel.open_invoice.product_name IS 'The source''s product name.';
COMMENT ON COLUMN fuel.open_invoice.product IS 'Canonical product; NULL when no rule matches.';
COMMENT ON COLUMN fuel.open_invoice.quantity IS 'Quantity in unit.';
COMMENT ON COLUMN fuel.open_invoice.unit IS 'L, kWh, kg, m3, min or pcs.';
COMMENT ON COLUMN fuel.open_invoice.net_amount IS 'Amount of this line without tax, in currency.';
COMMENT ON COLUMN fuel.open_invoice.vat_amount IS 'VAT of this line, in currency.';
COMMENT ON COLUMN fuel.open_invoice.gross_amount IS 'Amount of this line with tax, in currency.';
COMMENT ON COLUMN fuel.open_invoice.currency IS 'ISO 4217.';
COMMENT ON COLUMN fuel.open_invoice.first_seen_at IS 'When the row was first stored: a late one may miss its month''s invoice.';

CREATE VIEW fuel.freshness AS
SELECT
    c.source, c.account, c.partition, c.watermark, now() - c.watermark AS behind,
    c.last_pass_at, c.last_outcome, c.last_error,
    coalesce(w.failing, 0) AS failing_windows, w.failing_from,
    coalesce(g.gaps, 0) AS gaps, g.lost, coalesce(q.open, 0) AS quarantine
FROM fuel.checkpoint c
LEFT JOIN (
    SELECT source, account, partition, count(*) AS failing, min(window_start) AS failing_from
    FROM fuel.sync_window WHERE state = 'failing' GROUP BY source, account, partition
) AS w ON w.source = c.source AND w.account = c.account AND w.partition = c.partition
LEFT JOIN (
    SELECT source, account, partition, count(*) AS gaps, sum(gap_end - gap_start) AS lost
    FROM fuel.gap GROUP BY source, account, partition
) AS g ON g.source = c.source AND g.account = c.account AND g.partition = c.partition
LEFT JOIN (
    SELECT source, account, partition, count(*) AS open
    FROM fuel.quarantine WHERE resolved_at IS NULL GROUP BY source, account, partition
) AS q ON q.source = c.source AND q.account = c.account AND q.partition = c.partition;
COMMENT ON VIEW fuel.freshness IS 'Each stream: how far it has been read, and what is wrong with it.';
COMMENT ON COLUMN fuel.freshness.source IS 'Vendor interface.';
COMMENT ON COLUMN fuel.freshness.account IS 'Account in the configuration.';
COMMENT ON COLUMN fuel.freshness.partition IS 'Contract number, or -.';
COMMENT ON COLUMN fuel.freshness.watermark IS 'Every window up to here has been read at least once; NULL before the first.';
COMMENT ON COLUMN fuel.freshness.behind IS 'How far that is behind the present. sync.publish_delay and the schedule''s period are normal.';
COMMENT ON COLUMN fuel.freshness.last_pass_at IS 'When the last pass over the stream ended.';
COMMENT ON COLUMN fuel.freshness.last_outcome IS 'How it ended: ok, failed, withdrawn, not_enabled.';
COMMENT ON COLUMN fuel.freshness.last_error IS 'Why it failed; NULL when it did not.';
COMMENT ON COLUMN fuel.freshness.failing_windows IS 'Windows whose last read failed.';
COMMENT ON COLUMN fuel.freshness.failing_from IS 'Start of the oldest of them.';
COMMENT ON COLUMN fuel.freshness.gaps IS 'Stretches lost at the source, see fuel.gap.';
COMMENT ON COLUMN fuel.freshness.lost IS 'How long they are together; NULL without one.';
COMMENT ON COLUMN fuel.freshness.quarantine IS 'Records that cannot be normalized, open.';

-- Windows are cut into days, so that days and windows meet by equality and not each with each.
CREATE VIEW fuel.coverage AS
WITH piece AS (
    SELECT
        w.source, w.account, w.partition, w.window_start AS piece_start, w.window_end AS piece_end,
        least(w.window_end, w.read_through) AS known_until, false AS is_gap, w.state = 'failing' AS is_failing, w.state = 'final' AS is_final,
        w.full_read_at >= w.window_end AND w.last_read_at > w.first_read_at AS is_reread,
        w.fetched, w.quarantined, w.missing
    FROM fuel.sync_window w
    UNION ALL
    SELECT g.source, g.account, g.partition, g.gap_start, g.gap_end, g.gap_end, true, false, false, false, 0, 0, 0
    FROM fuel.gap g
), span AS (
    SELECT
        p.source, p.account, p.partition, min(p.piece_start) AS first_at,
        -- What is no longer read at all ends where its reading ended.
        CASE WHEN c.last_outcome IN ('withdrawn', 'not_enabled') THEN least(now(), max(p.known_until)) ELSE now() END AS last_at
    FROM piece p
    LEFT JOIN fuel.checkpoint c ON c.source = p.source AND c.account = p.account AND c.partition = p.partition
    GROUP BY p.source, p.account, p.partition, c.last_outcome
), expected AS (
    SELECT
        s.source, s.account, s.partition, d.day::date AS day,
        CASE WHEN greatest(s.first_at, d.day AT TIME ZONE 'UTC') < least(s.last_at, (d.day + interval '1 day') AT TIME ZONE 'UTC')
            THEN tstzrange(greatest(s.first_at, d.day AT TIME ZONE 'UTC'), least(s.last_at, (d.day + interval '1 day') AT TIME ZONE 'UTC'))
            ELSE 'empty'
        END AS stretch
    FROM span s
    CROSS JOIN LATERAL generate_series(
        date_trunc('day', s.first_at AT TIME ZONE 'UTC'), s.last_at AT TIME ZONE 'UTC', interval '1 day'
    ) AS d (day)
), known AS (
    SELECT
        p.source, p.account, p.partition, d.day::date AS day,
        range_agg(cut.part) FILTER (WHERE NOT p.is_gap) AS read_parts, range_agg(cut.part) FILTER (WHERE p.is_gap) AS lost_parts,
        count(*) FILTER (WHERE NOT p.is_gap) AS windows, count(*) FILTER (WHERE p.is_failing) AS windows_failing,
        count(*) FILTER (WHERE p.is_final) AS windows_final, count(*) FILTER (WHERE p.is_final OR p.is_reread) AS windows_reread,
        sum(p.fetched) AS fetched, sum(p.quarantined) AS quarantined, sum(p.missing) AS missing
    FROM piece p
    CROSS JOIN LATERAL generate_series(
        date_trunc('day', p.piece_start AT TIME ZONE 'UTC'), (p.piece_end - interval '1 microsecond') AT TIME ZONE 'UTC', interval '1 day'
    ) AS d (day)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN greatest(p.piece_start, d.day AT TIME ZONE 'UTC') < least(p.known_until, (d.day + interval '1 day') AT TIME ZONE 'UTC')
            AND p.known_until IS NOT NULL
            THEN tstzrange(greatest(p.piece_start, d.day AT TIME ZONE 'UTC'), least(p.known_until, (d.day + interval '1 day') AT TIME ZONE 'UTC'))
        END AS part
    ) AS cut
    GROUP BY p.source, p.account, p.partition, d.day
), held AS (
    SELECT
        e.source, e.account, e.partition, e.day, k.windows, k.windows_failing, k.windows_final, k.windows_reread,
        k.fetched, k.quarantined, k.missing,
        tstzmultirange(e.stretch) - coalesce(k.read_parts, '{}') - coalesce(k.lost_parts, '{}') AS unread,
        coalesce(k.lost_parts, '{}') AS lost
    FROM expected e
    LEFT JOIN known k ON k.source = e.source AND k.account = e.account AND k.partition = e.partition AND k.day = e.day
)
SELECT
    h.source, h.account, h.partition, h.day,
    CASE
        WHEN h.windows_failing > 0 THEN 'failing'
        WHEN NOT isempty(h.unread) THEN 'open'
        WHEN NOT isempty(h.lost) THEN 'gap'
        WHEN h.windows_final = h.windows THEN 'final'
        WHEN h.windows_reread = h.windows THEN 're-read'
        ELSE 'read'
    END AS state,
    lower(h.unread) AS unread_from,
    (SELECT sum(upper(r) - lower(r)) FROM unnest(h.unread) AS r) AS unread,
    (SELECT sum(upper(r) - lower(r)) FROM unnest(h.lost) AS r) AS lost,
    coalesce(h.windows, 0) AS windows, coalesce(h.windows_failing, 0) AS windows_failing, coalesce(h.windows_final, 0) AS windows_final,
    h.fetched, h.quarantined, h.missing
FROM held h;
COMMENT ON VIEW fuel.coverage IS 'Each stream and day (UTC) from its first window or gap up to today: whether the day has been read.';
COMMENT ON COLUMN fuel.coverage.source IS 'Vendor interface.';
COMMENT ON COLUMN fuel.coverage.account IS 'Account in the configuration.';
COMMENT ON COLUMN fuel.coverage.partition IS 'Contract number, or -.';
COMMENT ON COLUMN fuel.coverage.day IS 'Day, UTC.';
COMMENT ON COLUMN fuel.coverage.state IS 'The worst that is so of any part of the day: failing (the last read of a window failed), open (not read; today always), gap (lost at the source), read, re-read (each of its windows read whole once more after it had ended), final (not read again).';
COMMENT ON COLUMN fuel.coverage.unread_from IS 'From when it has not been read; NULL when all of it has, or is lost.';
COMMENT ON COLUMN fuel.coverage.unread IS 'How much of it has not been read, of today only up to the present.';
COMMENT ON COLUMN fuel.coverage.lost IS 'How much of it is lost at the source.';
COMMENT ON COLUMN fuel.coverage.windows IS 'Windows that lie over the day.';
COMMENT ON COLUMN fuel.coverage.windows_failing IS 'Those whose last read failed.';
COMMENT ON COLUMN fuel.coverage.windows_final IS 'Those that are final.';
COMMENT ON COLUMN fuel.coverage.fetched IS 'Lines that the last reads of these windows brought. A window longer than a day says the same on each of its days, so days do not add up.';
COMMENT ON COLUMN fuel.coverage.quarantined IS 'Records of these windows that could not be normalized.';
COMMENT ON COLUMN fuel.coverage.missing IS 'Lines of these windows that the source no longer has.';

-- An image stood from its changed_at until it was replaced. Both are the beginning of the transaction that wrote them: of two
-- that wrote the same line at once, the one that waited may have begun first, and then an image seems to be replaced before
-- it began. That is why the current row does not count where an older image still stands.
CREATE FUNCTION fuel.transaction_as_of(t timestamptz) RETURNS SETOF fuel.transaction LANGUAGE sql STABLE AS $$
    WITH replaced AS (
        SELECT DISTINCT ON (v.source, v.account, v.source_transaction_id, v.line_id)
            v.source, v.account, v.source_transaction_id, v.line_id, v.row_before
        FROM fuel.transaction_version v
        WHERE v.replaced_at > $1 AND (v.row_before ->> 'changed_at')::timestamptz <= $1
        ORDER BY v.source, v.account, v.source_transaction_id, v.line_id, v.version_id
    )
    SELECT image.*
    FROM replaced r CROSS JOIN LATERAL jsonb_populate_record(NULL::fuel.transaction, r.row_before) AS image
    UNION ALL
    SELECT c.*
    FROM fuel.transaction c
    WHERE c.changed_at <= $1 AND NOT EXISTS (
        SELECT FROM replaced r
        WHERE r.source = c.source AND r.account = c.account
            AND r.source_transaction_id = c.source_transaction_id AND r.line_id = c.line_id
    )
$$;
COMMENT ON FUNCTION fuel.transaction_as_of(timestamptz) IS 'fuel.transaction as it was known at a time: what was written by transactions that began up to then. The missing are in it, with missing_since. absent_reads has no history: NULL in an image, today''s in a row that still stands.';
