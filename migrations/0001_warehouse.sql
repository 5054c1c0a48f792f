-- The warehouse of fuelsync. Migrations are only ever added; this one is never edited once it has shipped.
-- Works on PostgreSQL 14 and later.

CREATE SCHEMA IF NOT EXISTS fuel;
COMMENT ON SCHEMA fuel IS 'Fuel and charging sales of HecOne and Alexela, kept by fuelsync.';

-- Cache 1: a number is drawn when the row is written, which fuel.changes relies on.
CREATE SEQUENCE fuel.change_seq AS bigint CACHE 1;
COMMENT ON SEQUENCE fuel.change_seq IS 'Draws fuel.transaction.seq.';

CREATE TABLE fuel.transaction (
    source                text not null,
    account               text not null,
    source_transaction_id text not null,
    line_id               text not null,
    partition             text not null,
    kind                  text not null,
    state                 text not null,
    source_state          text,
    occurred_at           timestamptz not null,
    started_at            timestamptz,
    status_at             timestamptz,
    invoiced_at           timestamptz,
    contract_no           text,
    site_id               text,
    site_code             text,
    site_name             text,
    terminal_id           text,
    terminal_name         text,
    point                 text,
    card_number           text,
    driver_name           text,
    driver_no             text,
    vehicle_no            text,
    license_plate         text,
    odometer_km           bigint,
    receipt_no            text,
    authorization_code    text,
    invoice_no            text,
    session_id            text,
    product_code          text,
    product_name          text,
    product_type          text,
    product               text,
    quantity              numeric(18,4),
    unit                  text,
    net_unit_price        numeric(18,4),
    unit_discount         numeric(18,4),
    unit_price            numeric(18,4),
    net_amount            numeric(18,4),
    vat_rate              numeric(18,4),
    vat_amount            numeric(18,4),
    gross_amount          numeric(18,4),
    paid_amount           numeric(18,4),
    payment_method        text,
    currency              text,
    quality               text[] not null,
    content_hash          bytea not null,
    version               integer not null default 1,
    seq                   bigint not null default nextval('fuel.change_seq'),
    first_seen_at         timestamptz not null default now(),
    changed_at            timestamptz not null default now(),
    missing_since         timestamptz,
    absent_reads          smallint not null default 0,
    PRIMARY KEY (source, account, source_transaction_id, line_id)
);

COMMENT ON TABLE fuel.transaction IS 'One row for each product line of a sale, as the source has it now.';
COMMENT ON COLUMN fuel.transaction.source IS 'Vendor interface: hecone, alexela_card, alexela_bonus, alexela_ev. Part of the key.';
COMMENT ON COLUMN fuel.transaction.account IS 'Account in the configuration. Part of the key.';
COMMENT ON COLUMN fuel.transaction.source_transaction_id IS 'The source''s id of the transaction. Part of the key.';
COMMENT ON COLUMN fuel.transaction.line_id IS 'Line within the transaction. HecOne: the article''s id or place, - without articles. Alexela: the product code or -, 1 for charging; #2 and so on for a further line of the same product. Part of the key.';
COMMENT ON COLUMN fuel.transaction.partition IS 'Stream that read it: the contract number for alexela_card, - elsewhere.';
COMMENT ON COLUMN fuel.transaction.kind IS 'fuel, ev_charging, parking, car_wash, goods, service, fee or other.';
COMMENT ON COLUMN fuel.transaction.state IS 'provisional (will still change), posted, invoiced, cancelled, declined or error.';
COMMENT ON COLUMN fuel.transaction.source_state IS 'The source''s own word for the state.';
COMMENT ON COLUMN fuel.transaction.occurred_at IS 'When the sale took place.';
COMMENT ON COLUMN fuel.transaction.started_at IS 'When charging started.';
COMMENT ON COLUMN fuel.transaction.status_at IS 'When the source last changed the status.';
COMMENT ON COLUMN fuel.transaction.invoiced_at IS 'Date of the invoice.';
COMMENT ON COLUMN fuel.transaction.contract_no IS 'Contract that was asked for.';
COMMENT ON COLUMN fuel.transaction.site_id IS 'Place of sale: id at the source.';
COMMENT ON COLUMN fuel.transaction.site_code IS 'Place of sale: the source''s code.';
COMMENT ON COLUMN fuel.transaction.site_name IS 'Place of sale: name.';
COMMENT ON COLUMN fuel.transaction.terminal_id IS 'Device that sold: id or code.';
COMMENT ON COLUMN fuel.transaction.terminal_name IS 'Device that sold: name.';
COMMENT ON COLUMN fuel.transaction.point IS 'Pump, charging point or connector.';
COMMENT ON COLUMN fuel.transaction.card_number IS 'Card, after the privacy rule (masked by default).';
COMMENT ON COLUMN fuel.transaction.driver_name IS 'Driver, after the privacy rule.';
COMMENT ON COLUMN fuel.transaction.driver_no IS 'Number of the driver.';
COMMENT ON COLUMN fuel.transaction.vehicle_no IS 'Number of the vehicle.';
COMMENT ON COLUMN fuel.transaction.license_plate IS 'License plate, after the privacy rule.';
COMMENT ON COLUMN fuel.transaction.odometer_km IS 'Odometer in km, as entered at the pump.';
COMMENT ON COLUMN fuel.transaction.receipt_no IS 'Number of the receipt.';
COMMENT ON COLUMN fuel.transaction.authorization_code IS 'Value generated by the payment terminal.';
COMMENT ON COLUMN fuel.transaction.invoice_no IS 'Number of the invoice; NULL until it is invoiced.';
COMMENT ON COLUMN fuel.transaction.session_id IS 'Charging session (Hubject).';
COMMENT ON COLUMN fuel.transaction.product_code IS 'The source''s product code.';
COMMENT ON COLUMN fuel.transaction.product_name IS 'The source''s product name.';
COMMENT ON COLUMN fuel.transaction.product_type IS 'The source''s product type.';
COMMENT ON COLUMN fuel.transaction.product IS 'Canonical product, e.g. diesel, petrol_95, electricity_dc; NULL when no rule matches.';
COMMENT ON COLUMN fuel.transaction.quantity IS 'Quantity in unit.';
COMMENT ON COLUMN fuel.transaction.unit IS 'L, kWh, kg, m3, min or pcs.';
COMMENT ON COLUMN fuel.transaction.net_unit_price IS 'Price of one unit without tax, in currency.';
COMMENT ON COLUMN fuel.transaction.unit_discount IS 'Discount on one unit, in currency.';
COMMENT ON COLUMN fuel.transaction.unit_price IS 'Price of one unit, in currency.';
COMMENT ON COLUMN fuel.transaction.net_amount IS 'Amount of this line without tax, in currency.';
COMMENT ON COLUMN fuel.transaction.vat_rate IS 'VAT rate in per cent, as sent.';
COMMENT ON COLUMN fuel.transaction.vat_amount IS 'VAT of this line, in currency.';
COMMENT ON COLUMN fuel.transaction.gross_amount IS 'Amount of this line with tax, in currency.';
COMMENT ON COLUMN fuel.transaction.paid_amount IS 'Paid for the whole transaction, in currency: the same on each of its lines.';
COMMENT ON COLUMN fuel.transaction.payment_method IS 'How the whole transaction was paid.';
COMMENT ON COLUMN fuel.transaction.currency IS 'ISO 4217.';
COMMENT ON COLUMN fuel.transaction.quality IS 'What looked wrong, as flags; the row is loaded all the same. See docs/QUALITY.md.';
COMMENT ON COLUMN fuel.transaction.content_hash IS 'Digest of all columns before this one and of the record as sent: decides whether a row has changed.';
COMMENT ON COLUMN fuel.transaction.version IS '1, and one more at each change.';
COMMENT ON COLUMN fuel.transaction.seq IS 'New at every insert and change. Read it through fuel.changes, which never skips a row that committed late.';
COMMENT ON COLUMN fuel.transaction.first_seen_at IS 'When the row was first stored.';
COMMENT ON COLUMN fuel.transaction.changed_at IS 'When the row was last changed.';
COMMENT ON COLUMN fuel.transaction.missing_since IS 'Set when two complete reads in a row no longer had the row; cleared when it is back.';
COMMENT ON COLUMN fuel.transaction.absent_reads IS 'Complete reads in a row that did not have the row; 2 sets missing_since.';

CREATE INDEX transaction_stream_time ON fuel.transaction (source, account, partition, occurred_at);
CREATE INDEX transaction_seq ON fuel.transaction (seq);
-- The few rows that are looked up by what is unusual about them.
CREATE INDEX transaction_provisional ON fuel.transaction (source, account, partition, occurred_at) WHERE state = 'provisional';
CREATE INDEX transaction_invoice ON fuel.transaction (invoice_no) WHERE invoice_no IS NOT NULL;

CREATE TABLE fuel.record (
    source                text not null,
    account               text not null,
    source_transaction_id text not null,
    line_id               text not null,
    raw                   json not null,
    normalizer            integer not null,
    first_seen_at         timestamptz not null default now(),
    changed_at            timestamptz not null default now(),
    PRIMARY KEY (source, account, source_transaction_id, line_id)
);

COMMENT ON TABLE fuel.record IS 'Each record of a source as it was sent, after the privacy rules. Apart from fuel.transaction because it is most of the bytes.';
COMMENT ON COLUMN fuel.record.source IS 'Vendor interface.';
COMMENT ON COLUMN fuel.record.account IS 'Account in the configuration.';
COMMENT ON COLUMN fuel.record.source_transaction_id IS 'The source''s id of the transaction.';
COMMENT ON COLUMN fuel.record.line_id IS 'The line, or - when the record is a whole transaction with its lines inside (HecOne).';
COMMENT ON COLUMN fuel.record.raw IS 'The exact text: every field, unknown ones too, digits as sent.';
COMMENT ON COLUMN fuel.record.normalizer IS 'Version of the rules that made the row.';
COMMENT ON COLUMN fuel.record.first_seen_at IS 'When the record was first stored.';
COMMENT ON COLUMN fuel.record.changed_at IS 'When the record was last changed.';

CREATE TABLE fuel.transaction_version (
    version_id            bigint generated always as identity primary key,
    source                text not null,
    account               text not null,
    source_transaction_id text not null,
    line_id               text not null,
    version               integer not null,
    operation             text not null,
    changed_columns       text[] not null,
    row_before            jsonb not null,
    seq                   bigint not null default nextval('fuel.change_seq'),
    replaced_at           timestamptz not null default now(),
    CHECK (operation IN ('change', 'remove', 'return'))
);

COMMENT ON TABLE fuel.transaction_version IS 'Each image of a line that a change, a removal or a return replaced. With the current row it is the whole history.';
COMMENT ON COLUMN fuel.transaction_version.version_id IS 'Number of the image.';
COMMENT ON COLUMN fuel.transaction_version.source IS 'Vendor interface.';
COMMENT ON COLUMN fuel.transaction_version.account IS 'Account in the configuration.';
COMMENT ON COLUMN fuel.transaction_version.source_transaction_id IS 'The source''s id of the transaction.';
COMMENT ON COLUMN fuel.transaction_version.line_id IS 'Line within the transaction.';
COMMENT ON COLUMN fuel.transaction_version.version IS 'Version that was replaced.';
COMMENT ON COLUMN fuel.transaction_version.operation IS 'change (its content changed), remove (the source no longer has it) or return (it is back).';
COMMENT ON COLUMN fuel.transaction_version.changed_columns IS 'Columns that differ between this image and the next.';
COMMENT ON COLUMN fuel.transaction_version.row_before IS 'The image: the columns of fuel.transaction, with the record''s raw when that changed.';
COMMENT ON COLUMN fuel.transaction_version.seq IS 'Place among the changes.';
COMMENT ON COLUMN fuel.transaction_version.replaced_at IS 'When it was replaced.';

CREATE INDEX transaction_version_key ON fuel.transaction_version (source, account, source_transaction_id, line_id, version);
CREATE INDEX transaction_version_time ON fuel.transaction_version (replaced_at);

CREATE TABLE fuel.checkpoint (
    source           text not null,
    account          text not null,
    partition        text not null,
    watermark        timestamptz,
    epoch            bigint not null default 0,
    lease_owner      text,
    lease_expires_at timestamptz,
    updated_at       timestamptz not null default now(),
    last_pass_at     timestamptz,
    last_outcome     text,
    last_error       text,
    seen_at          timestamptz not null default now(),
    PRIMARY KEY (source, account, partition)
);

COMMENT ON TABLE fuel.checkpoint IS 'Each stream: how far it has been read, and who may write it.';
COMMENT ON COLUMN fuel.checkpoint.source IS 'Vendor interface.';
COMMENT ON COLUMN fuel.checkpoint.account IS 'Account in the configuration.';
COMMENT ON COLUMN fuel.checkpoint.partition IS 'Contract number, or -.';
COMMENT ON COLUMN fuel.checkpoint.watermark IS 'Every window up to here has been read at least once, with no gap but those in fuel.gap. Never moves back by itself.';
COMMENT ON COLUMN fuel.checkpoint.epoch IS 'Number of the lease: one more each time that it is taken. A process with an older one cannot write.';
COMMENT ON COLUMN fuel.checkpoint.lease_owner IS 'Who may write now: host, process and a random part.';
COMMENT ON COLUMN fuel.checkpoint.lease_expires_at IS 'Until when, by the database''s clock.';
COMMENT ON COLUMN fuel.checkpoint.updated_at IS 'When the watermark was last written.';
COMMENT ON COLUMN fuel.checkpoint.last_pass_at IS 'When the last pass over the stream ended.';
COMMENT ON COLUMN fuel.checkpoint.last_outcome IS 'How it ended: ok, failed, withdrawn, not_enabled.';
COMMENT ON COLUMN fuel.checkpoint.last_error IS 'Why it failed; NULL when it did not.';
COMMENT ON COLUMN fuel.checkpoint.seen_at IS 'When the stream was last taken up.';

CREATE TABLE fuel.sync_window (
    source           text not null,
    account          text not null,
    partition        text not null,
    window_start     timestamptz not null,
    window_end       timestamptz not null,
    state            text not null,
    read_through     timestamptz,
    fetched          bigint not null default 0,
    inserted         bigint not null default 0,
    updated          bigint not null default 0,
    unchanged        bigint not null default 0,
    quarantined      bigint not null default 0,
    outside          bigint not null default 0,
    duplicate        bigint not null default 0,
    missing          bigint not null default 0,
    digest           bytea,
    attempts         integer not null default 0,
    last_error       text,
    first_read_at    timestamptz,
    last_read_at     timestamptz,
    full_read_at     timestamptz,
    final_at         timestamptz,
    asked_at         timestamptz,
    unstable         boolean not null default false,
    claim_owner      text,
    claim_expires_at timestamptz,
    PRIMARY KEY (source, account, partition, window_start),
    CHECK (window_start < window_end),
    CHECK (state IN ('open', 'read', 'failing', 'final')),
    CONSTRAINT window_counts_add_up CHECK (fetched = inserted + updated + unchanged + quarantined + outside + duplicate)
);

COMMENT ON TABLE fuel.sync_window IS 'The ledger: each window of each stream, with the counts of its last read.';
COMMENT ON COLUMN fuel.sync_window.source IS 'Vendor interface.';
COMMENT ON COLUMN fuel.sync_window.account IS 'Account in the configuration.';
COMMENT ON COLUMN fuel.sync_window.partition IS 'Contract number, or -.';
COMMENT ON COLUMN fuel.sync_window.window_start IS 'First instant of the window.';
COMMENT ON COLUMN fuel.sync_window.window_end IS 'First instant after it.';
COMMENT ON COLUMN fuel.sync_window.state IS 'open (not yet read to its end), read, failing (its last read failed) or final (not read again).';
COMMENT ON COLUMN fuel.sync_window.read_through IS 'Source time up to which it was read.';
COMMENT ON COLUMN fuel.sync_window.fetched IS 'Lines that the last read brought; a record that cannot be normalized counts one.';
COMMENT ON COLUMN fuel.sync_window.inserted IS 'Lines new to the table.';
COMMENT ON COLUMN fuel.sync_window.updated IS 'Lines whose content changed.';
COMMENT ON COLUMN fuel.sync_window.unchanged IS 'Lines already as they are.';
COMMENT ON COLUMN fuel.sync_window.quarantined IS 'Records that could not be normalized.';
COMMENT ON COLUMN fuel.sync_window.outside IS 'Lines that lie outside the window: a neighbour''s.';
COMMENT ON COLUMN fuel.sync_window.duplicate IS 'Lines whose key an earlier answer of the same read had already brought.';
COMMENT ON COLUMN fuel.sync_window.missing IS 'Lines of the stretch that the source no longer has, marked missing_since. Not a part of fetched.';
COMMENT ON COLUMN fuel.sync_window.digest IS 'Digest over the rows of the last read.';
COMMENT ON COLUMN fuel.sync_window.attempts IS 'Reads that failed since the last good one.';
COMMENT ON COLUMN fuel.sync_window.last_error IS 'Why the last read failed.';
COMMENT ON COLUMN fuel.sync_window.first_read_at IS 'When it was first read.';
COMMENT ON COLUMN fuel.sync_window.last_read_at IS 'When it was last read, whole or in part.';
COMMENT ON COLUMN fuel.sync_window.full_read_at IS 'When it was last read whole, by the source''s clock.';
COMMENT ON COLUMN fuel.sync_window.final_at IS 'When it became final.';
COMMENT ON COLUMN fuel.sync_window.asked_at IS 'When the last read began, by the database''s clock: an answer asked for earlier does not replace it.';
COMMENT ON COLUMN fuel.sync_window.unstable IS 'Whether the source''s pages kept moving, so that the read was accepted without proof that it was whole.';
COMMENT ON COLUMN fuel.sync_window.claim_owner IS 'Backfill worker that is reading the window.';
COMMENT ON COLUMN fuel.sync_window.claim_expires_at IS 'Until when the claim holds.';

CREATE TABLE fuel.sync_run (
    run_id      uuid primary key,
    mode        text not null,
    version     text not null,
    host        text not null,
    started_at  timestamptz not null default now(),
    finished_at timestamptz,
    outcome     text,
    windows     bigint not null default 0,
    fetched     bigint not null default 0,
    inserted    bigint not null default 0,
    updated     bigint not null default 0,
    unchanged   bigint not null default 0,
    quarantined bigint not null default 0,
    outside     bigint not null default 0,
    duplicate   bigint not null default 0,
    missing     bigint not null default 0,
    CONSTRAINT run_counts_add_up CHECK (fetched = inserted + updated + unchanged + quarantined + outside + duplicate)
);

COMMENT ON TABLE fuel.sync_run IS 'Each pass, backfill and verification.';
COMMENT ON COLUMN fuel.sync_run.run_id IS 'Number of the run, in order of time.';
COMMENT ON COLUMN fuel.sync_run.mode IS 'run, sync, backfill, demo or verify.';
COMMENT ON COLUMN fuel.sync_run.version IS 'Version of fuelsync.';
COMMENT ON COLUMN fuel.sync_run.host IS 'Machine.';
COMMENT ON COLUMN fuel.sync_run.started_at IS 'Start.';
COMMENT ON COLUMN fuel.sync_run.finished_at IS 'End; NULL while it runs, or when it was killed.';
COMMENT ON COLUMN fuel.sync_run.outcome IS 'ok, partial, refused, no_database or stopped; NULL when it was killed.';
COMMENT ON COLUMN fuel.sync_run.windows IS 'Windows read.';
COMMENT ON COLUMN fuel.sync_run.fetched IS 'Lines that the last read brought; a record that cannot be normalized counts one.';
COMMENT ON COLUMN fuel.sync_run.inserted IS 'Lines new to the table.';
COMMENT ON COLUMN fuel.sync_run.updated IS 'Lines whose content changed.';
COMMENT ON COLUMN fuel.sync_run.unchanged IS 'Lines already as they are.';
COMMENT ON COLUMN fuel.sync_run.quarantined IS 'Records that could not be normalized.';
COMMENT ON COLUMN fuel.sync_run.outside IS 'Lines that lie outside the window: a neighbour''s.';
COMMENT ON COLUMN fuel.sync_run.duplicate IS 'Lines whose key an earlier answer of the same read had already brought.';
COMMENT ON COLUMN fuel.sync_run.missing IS 'Lines of the stretch that the source no longer has, marked missing_since. Not a part of fetched.';

CREATE TABLE fuel.quarantine (
    id                    bigint generated always as identity primary key,
    source                text not null,
    account               text not null,
    partition             text not null,
    source_transaction_id text,
    window_start          timestamptz,
    fingerprint           bytea not null,
    record                json not null,
    field                 text not null,
    reason                text not null,
    first_seen_at         timestamptz not null default now(),
    last_seen_at          timestamptz not null default now(),
    resolved_at           timestamptz,
    dropped               boolean not null default false,
    UNIQUE (source, account, partition, fingerprint)
);

COMMENT ON TABLE fuel.quarantine IS 'Each record of a source that cannot be normalized.';
COMMENT ON COLUMN fuel.quarantine.id IS 'Number for fuelsync quarantine.';
COMMENT ON COLUMN fuel.quarantine.source IS 'Vendor interface.';
COMMENT ON COLUMN fuel.quarantine.account IS 'Account in the configuration.';
COMMENT ON COLUMN fuel.quarantine.partition IS 'Contract number, or -.';
COMMENT ON COLUMN fuel.quarantine.source_transaction_id IS 'The source''s id of the transaction, when it could be read.';
COMMENT ON COLUMN fuel.quarantine.window_start IS 'Window that was being read; NULL for a single fetch.';
COMMENT ON COLUMN fuel.quarantine.fingerprint IS 'Digest of the record: the same record met again is the same row.';
COMMENT ON COLUMN fuel.quarantine.record IS 'The record, after the privacy rules.';
COMMENT ON COLUMN fuel.quarantine.field IS 'Field at fault.';
COMMENT ON COLUMN fuel.quarantine.reason IS 'What is wrong with it.';
COMMENT ON COLUMN fuel.quarantine.first_seen_at IS 'When it was first met.';
COMMENT ON COLUMN fuel.quarantine.last_seen_at IS 'When it was last met.';
COMMENT ON COLUMN fuel.quarantine.resolved_at IS 'When it went away: normalized, corrected at the source, or dropped by hand.';
COMMENT ON COLUMN fuel.quarantine.dropped IS 'Whether it was dropped by hand: met again, it stays resolved.';

CREATE INDEX quarantine_open ON fuel.quarantine (source, account, partition) WHERE resolved_at IS NULL;
CREATE INDEX quarantine_transaction ON fuel.quarantine (source, account, source_transaction_id) WHERE resolved_at IS NULL;

CREATE TABLE fuel.gap (
    source      text not null,
    account     text not null,
    partition   text not null,
    gap_start   timestamptz not null,
    gap_end     timestamptz not null,
    reason      text not null,
    recorded_at timestamptz not null default now(),
    PRIMARY KEY (source, account, partition, gap_start),
    CHECK (gap_start < gap_end)
);

COMMENT ON TABLE fuel.gap IS 'Each stretch that a source no longer serves and that was never read: lost at the source.';
COMMENT ON COLUMN fuel.gap.source IS 'Vendor interface.';
COMMENT ON COLUMN fuel.gap.account IS 'Account in the configuration.';
COMMENT ON COLUMN fuel.gap.partition IS 'Contract number, or -.';
COMMENT ON COLUMN fuel.gap.gap_start IS 'First instant.';
COMMENT ON COLUMN fuel.gap.gap_end IS 'First instant after it.';
COMMENT ON COLUMN fuel.gap.reason IS 'Why it is lost.';
COMMENT ON COLUMN fuel.gap.recorded_at IS 'When that was found.';

CREATE VIEW fuel.transaction_with_raw AS
SELECT t.*, r.raw, r.normalizer
FROM fuel.transaction t
LEFT JOIN fuel.record r
    ON r.source = t.source AND r.account = t.account AND r.source_transaction_id = t.source_transaction_id
    AND r.line_id = CASE WHEN t.source = 'hecone' THEN '-' ELSE t.line_id END;
COMMENT ON VIEW fuel.transaction_with_raw IS 'fuel.transaction with the record that each line came from.';

-- The view's columns mean what the table's do.
DO $$
DECLARE
    col record;
BEGIN
    FOR col IN
        SELECT v.attname, coalesce(col_description(t.attrelid, t.attnum), col_description(r.attrelid, r.attnum)) AS said
        FROM pg_attribute v
        LEFT JOIN pg_attribute t ON t.attrelid = 'fuel.transaction'::regclass AND t.attname = v.attname
        LEFT JOIN pg_attribute r ON r.attrelid = 'fuel.record'::regclass AND r.attname = v.attname
        WHERE v.attrelid = 'fuel.transaction_with_raw'::regclass AND v.attnum > 0
    LOOP
        EXECUTE format('COMMENT ON COLUMN fuel.transaction_with_raw.%I IS %L', col.attname, col.said);
    END LOOP;
    -- Made by the program before this file runs.
    IF to_regclass('fuel._migration') IS NOT NULL THEN
        COMMENT ON TABLE fuel._migration IS 'Which migrations of fuelsync are applied.';
        COMMENT ON COLUMN fuel._migration.version IS 'Number of the migration.';
        COMMENT ON COLUMN fuel._migration.description IS 'Its name.';
        COMMENT ON COLUMN fuel._migration.installed_on IS 'When it was applied.';
        COMMENT ON COLUMN fuel._migration.success IS 'Whether it was applied to its end.';
        COMMENT ON COLUMN fuel._migration.checksum IS 'Digest of its text.';
        COMMENT ON COLUMN fuel._migration.execution_time IS 'How long it took, in nanoseconds.';
    END IF;
END
$$;

-- A record may hold what json allows and jsonb does not (a number of a million digits): then its text is kept.
CREATE FUNCTION fuel.as_jsonb(raw json) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN raw::jsonb;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN to_jsonb(raw::text);
END
$$;
COMMENT ON FUNCTION fuel.as_jsonb(json) IS 'A record as jsonb, or as its text where jsonb cannot hold it.';

-- A writer announces, before it draws its first number, the last number drawn so far, as a shared advisory lock that its
-- transaction holds: all its numbers are greater. Whoever reads the sequence first and the locks second therefore knows
-- a bound below which nothing can still appear.
CREATE FUNCTION fuel.announce_writer() RETURNS void LANGUAGE sql VOLATILE AS $$
    SELECT pg_advisory_xact_lock_shared((1178944512::bigint << 32) | (last_value & 4294967295)) FROM fuel.change_seq
$$;
COMMENT ON FUNCTION fuel.announce_writer() IS 'Called by every transaction that writes fuel.transaction, before it does.';

CREATE FUNCTION fuel.changes(after bigint, max_rows integer) RETURNS SETOF fuel.transaction LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    last_drawn bigint;
    last_safe  bigint;
BEGIN
    -- In one older snapshot, or on a standby, what others are still writing cannot be seen.
    IF current_setting('transaction_isolation') <> 'read committed' OR pg_is_in_recovery() THEN
        RAISE EXCEPTION 'fuel.changes needs READ COMMITTED on the primary: elsewhere it would skip rows that commit late'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    SELECT last_value INTO last_drawn FROM fuel.change_seq;
    -- 1178944512 is announce_writer's half of the key; the other half holds the low 32 bits of a number that is at most
    -- last_drawn and far less than 2^32 behind it.
    SELECT min(last_drawn - ((last_drawn - l.objid::bigint) & 4294967295)) INTO last_safe
    FROM pg_locks l
    WHERE l.locktype = 'advisory' AND l.classid = 1178944512 AND l.objsubid = 1
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database());
    RETURN QUERY
        SELECT * FROM fuel.transaction t
        WHERE t.seq > after AND t.seq <= least(last_drawn, coalesce(last_safe, last_drawn))
        ORDER BY t.seq LIMIT max_rows;
END
$$;
COMMENT ON FUNCTION fuel.changes(bigint, integer) IS 'What changed after a seq, in order, never skipping a row that committed late: a consumer that remembers the last seq misses nothing. Lines of a HecOne transaction that went away are in fuel.transaction_version (operation remove), with a seq of their own.';
