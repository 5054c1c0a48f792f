-- Two accounts and two vendors number their sites, vehicles and transactions each for themselves: what is counted or looked up
-- by such a number is counted and looked up within its account. Columns are only added, to small tables that a user fills in
-- and behind those that a view has; no table that holds rows is touched.

ALTER TABLE fuel.vehicle ADD COLUMN account text;
COMMENT ON COLUMN fuel.vehicle.account IS 'The account whose vehicle_no it is; NULL: of any. Plates and cards are the same in all.';
ALTER TABLE fuel.vehicle DROP CONSTRAINT vehicle_of_number;
ALTER TABLE fuel.vehicle ADD CONSTRAINT vehicle_of_number EXCLUDE USING gist (
    fuel.point_of(vehicle_no) WITH &&, fuel.point_of(coalesce(account, '')) WITH &&, tstzrange(valid_from, valid_to) WITH &&
) WHERE (vehicle_no IS NOT NULL);

ALTER TABLE fuel.site ADD COLUMN vendor text, ADD COLUMN account text;
COMMENT ON COLUMN fuel.site.vendor IS 'alexela or hecone; NULL: of either.';
COMMENT ON COLUMN fuel.site.account IS 'The account whose site_id it is; NULL: of any. What is said of an account goes before what is said of a vendor, and that before what is said of neither.';
ALTER TABLE fuel.site DROP CONSTRAINT site_pkey;
ALTER TABLE fuel.site ADD CONSTRAINT site_of_one EXCLUDE USING gist (
    fuel.point_of(site_id) WITH &&, fuel.point_of(coalesce(vendor, '')) WITH &&, fuel.point_of(coalesce(account, '')) WITH &&
);

CREATE OR REPLACE VIEW fuel.daily_consumption AS
SELECT
    (s.occurred_at AT TIME ZONE 'UTC')::date AS day,
    s.source, s.site_id, max(s.site_code) AS site_code, max(s.site_name) AS site_name,
    s.kind, s.product, s.unit, s.currency,
    count(DISTINCT s.source_transaction_id) AS transactions, count(*) AS lines,
    sum(s.quantity) AS quantity, sum(s.net_amount) AS net_amount, sum(s.vat_amount) AS vat_amount, sum(s.gross_amount) AS gross_amount,
    count(*) FILTER (WHERE s.gross_amount IS NULL) AS lines_without_amount,
    s.account
FROM fuel.sale s
GROUP BY (s.occurred_at AT TIME ZONE 'UTC')::date, s.source, s.account, s.site_id, s.kind, s.product, s.unit, s.currency;
COMMENT ON COLUMN fuel.daily_consumption.account IS 'Account in the configuration: a site_id is its vendor''s and its account''s.';

CREATE OR REPLACE VIEW fuel.vehicle_month AS
WITH line AS (
    SELECT
        date_trunc('month', s.occurred_at AT TIME ZONE 'UTC')::date AS month, s.vehicle_key, s.occurred_at,
        s.source, s.account, s.source_transaction_id, s.license_plate, s.vehicle_no, s.card_number,
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
        count(DISTINCT (l.source, l.account, l.source_transaction_id)) FILTER (WHERE l.quantity > 0) AS fills,
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

CREATE OR REPLACE VIEW fuel.finding AS
WITH sale AS NOT MATERIALIZED (
    -- A time in the future is a wrong one, and what was given back was not filled.
    SELECT
        s.source, s.account, s.source_transaction_id, s.line_id, s.occurred_at, s.kind, s.product, s.unit, s.quantity,
        s.currency, coalesce(s.unit_price, round(s.gross_amount / s.quantity, 4)) AS price, s.contract_no, s.site_id, s.odometer_km,
        s.license_plate, s.vehicle_no, s.card_number, coalesce(s.license_plate, s.vehicle_no, s.card_number) AS vehicle,
        coalesce('plate:' || fuel.plate_key(s.license_plate), 'vehicle_no:' || s.account || '/' || s.vehicle_no) AS vehicle_key,
        coalesce(CASE WHEN s.driver_name NOT LIKE '%*%' THEN s.driver_name END, s.driver_no) AS driver
    FROM fuel.sale s
    WHERE s.kind IN ('fuel', 'ev_charging', 'car_wash') AND s.quantity > 0 AND NOT 'future_time' = ANY (s.quality)
),

-- over_tank, over_battery: what a vehicle took in one transaction, two tanks and two lines together.
owned AS (
    SELECT
        s.source, s.account, s.source_transaction_id, s.line_id, s.occurred_at, s.kind, s.product, s.unit, s.quantity, s.vehicle,
        coalesce(a.vehicle_id, b.vehicle_id, n.vehicle_id, c.vehicle_id) AS vehicle_id,
        CASE
            WHEN a.vehicle_id IS NOT NULL THEN 'plate' WHEN coalesce(b.vehicle_id, n.vehicle_id) IS NOT NULL THEN 'vehicle_no'
            WHEN s.card_number LIKE '%*%' THEN 'card_mask' ELSE 'card'
        END AS told_by
    FROM sale s
    -- The period is not asked for as a range: the constraints' indexes would be taken for it, and find every vehicle.
    LEFT JOIN fuel.vehicle a ON fuel.plate_key(a.license_plate) = fuel.plate_key(s.license_plate)
        AND s.occurred_at >= coalesce(a.valid_from, '-infinity') AND s.occurred_at < coalesce(a.valid_to, 'infinity')
    -- A number is its account's; one for which no account is said stands behind it.
    LEFT JOIN fuel.vehicle b ON b.vehicle_no = s.vehicle_no AND b.account = s.account
        AND s.occurred_at >= coalesce(b.valid_from, '-infinity') AND s.occurred_at < coalesce(b.valid_to, 'infinity')
    LEFT JOIN fuel.vehicle n ON n.vehicle_no = s.vehicle_no AND n.account IS NULL
        AND s.occurred_at >= coalesce(n.valid_from, '-infinity') AND s.occurred_at < coalesce(n.valid_to, 'infinity')
    LEFT JOIN fuel.vehicle c ON c.card_number = s.card_number
        AND s.occurred_at >= coalesce(c.valid_from, '-infinity') AND s.occurred_at < coalesce(c.valid_to, 'infinity')
), taken AS NOT MATERIALIZED (
    SELECT
        o.source, o.account, o.source_transaction_id, o.kind, v.name, v.tank_l, v.battery_kwh, o.told_by,
        min(o.occurred_at) AS occurred_at, (array_agg(o.line_id ORDER BY o.quantity DESC, o.line_id))[1] AS line_id,
        array_agg(o.line_id ORDER BY o.line_id) AS lines, max(o.vehicle) AS vehicle, sum(o.quantity) AS quantity
    FROM owned o
    JOIN fuel.vehicle v ON v.vehicle_id = o.vehicle_id
    WHERE (o.kind = 'ev_charging' AND o.unit = 'kWh' AND v.battery_kwh IS NOT NULL)
        OR (o.kind = 'fuel' AND o.unit = 'L' AND v.tank_l IS NOT NULL AND CASE
            WHEN v.fuel IS NULL OR o.product IS NULL THEN coalesce(o.product, '') NOT IN ('adblue', 'lpg', 'heating_oil')
            -- HVO goes into the tank for diesel, and E85 into that for petrol.
            ELSE split_part(o.product, '_', 1) = split_part(v.fuel, '_', 1)
        END)
    GROUP BY o.source, o.account, o.source_transaction_id, o.kind, v.vehicle_id, v.name, v.tank_l, v.battery_kwh, o.told_by
),

-- two_places: the vehicle, and apart from it the card, since one may be right and the other stolen. A masked card is one
-- only together with its driver.
seen AS (
    SELECT s.vehicle_key AS who, s.source, s.account, s.source_transaction_id, s.line_id, s.occurred_at, s.site_id, s.vehicle
    FROM sale s WHERE s.vehicle_key IS NOT NULL AND s.site_id IS NOT NULL
    UNION ALL
    SELECT CASE WHEN s.card_number LIKE '%*%' THEN 'card_mask:' || s.card_number || ' ' || s.driver ELSE 'card:' || s.card_number END,
        s.source, s.account, s.source_transaction_id, s.line_id, s.occurred_at, s.site_id, s.vehicle
    FROM sale s WHERE s.site_id IS NOT NULL AND (s.card_number NOT LIKE '%*%' OR s.driver IS NOT NULL AND s.card_number IS NOT NULL)
), followed AS (
    SELECT
        s.*, lag(s.source) OVER w AS other_source, lag(s.account) OVER w AS other_account,
        lag(s.source_transaction_id) OVER w AS other_transaction_id, lag(s.line_id) OVER w AS other_line_id,
        lag(s.site_id) OVER w AS other_site_id, s.occurred_at - lag(s.occurred_at) OVER w AS between
    FROM seen s
    WINDOW w AS (PARTITION BY s.who ORDER BY s.occurred_at, s.source, s.account, s.source_transaction_id, s.line_id)
), road AS (
    SELECT site_a, site_b, min(km) AS km
    FROM (SELECT site_a, site_b, km FROM fuel.site_distance UNION ALL SELECT site_b, site_a, km FROM fuel.site_distance) AS either
    GROUP BY site_a, site_b
), reach AS (
    -- No two sites are further apart than this many minutes at 130 km/h: what is not near in time needs no distance.
    SELECT greatest(2, coalesce(greatest((SELECT max(km) FROM road),
        (SELECT (max(latitude) - min(latitude) + max(longitude) - min(longitude)) * 112 FROM fuel.site)), 0) * 60 / 130) AS minutes
), apart AS (
    -- One id at two vendors, or at two accounts of one, may be two places.
    SELECT f.* FROM followed f
    WHERE (f.other_site_id <> f.site_id OR f.other_account <> f.account OR split_part(f.other_source, '_', 1) <> split_part(f.source, '_', 1))
        AND f.between <= (SELECT r.minutes FROM reach r) * interval '1 minute'
), place AS (
    -- What is said of an account's site goes before what is said of its vendor's, and that before what is said of any.
    SELECT DISTINCT ON (n.site_id, n.source, n.account) n.site_id, n.source, n.account, p.latitude, p.longitude
    FROM (
        SELECT a.site_id, a.source, a.account FROM apart a
        UNION
        SELECT a.other_site_id, a.other_source, a.other_account FROM apart a
    ) AS n
    JOIN fuel.site p ON p.site_id = n.site_id AND coalesce(p.vendor = split_part(n.source, '_', 1), true) AND coalesce(p.account = n.account, true)
    ORDER BY n.site_id, n.source, n.account, p.account NULLS LAST, p.vendor NULLS LAST
), moved AS (
    SELECT
        f.*, extract(epoch FROM f.between) / 60 AS minutes, coalesce(r.km, fuel.beeline_km(a.latitude, a.longitude, b.latitude, b.longitude)) AS km,
        CASE WHEN r.km IS NOT NULL THEN 'road' WHEN a.site_id IS NOT NULL AND b.site_id IS NOT NULL THEN 'beeline' END AS km_by
    FROM apart f
    LEFT JOIN road r ON r.site_a = f.other_site_id AND r.site_b = f.site_id
    LEFT JOIN place a ON a.site_id = f.other_site_id AND a.source = f.other_source AND a.account = f.other_account
    LEFT JOIN place b ON b.site_id = f.site_id AND b.source = f.source AND b.account = f.account
), places AS (
    SELECT DISTINCT ON (m.source, m.account, m.source_transaction_id, m.line_id, m.other_source, m.other_account, m.other_transaction_id, m.other_line_id) m.*
    FROM moved m
    WHERE CASE
        -- A minute for what two clocks differ.
        WHEN m.km IS NOT NULL THEN m.km * 60 / 130 > m.minutes + 1
        -- Two vendors may sell at one place.
        ELSE m.minutes <= 2 AND m.other_site_id <> m.site_id AND split_part(m.source, '_', 1) = split_part(m.other_source, '_', 1)
    END
    ORDER BY m.source, m.account, m.source_transaction_id, m.line_id, m.other_source, m.other_account, m.other_transaction_id, m.other_line_id, m.who
),

-- odometer_back: a card may go from vehicle to vehicle, so only where the vehicle is told.
reading AS (
    SELECT
        s.source, s.account, s.source_transaction_id, s.line_id, s.occurred_at, s.odometer_km, s.vehicle,
        lag(s.source) OVER w AS other_source, lag(s.account) OVER w AS other_account,
        lag(s.source_transaction_id) OVER w AS other_transaction_id, lag(s.line_id) OVER w AS other_line_id,
        lag(s.odometer_km) OVER w AS before_km, lag(s.occurred_at) OVER w AS before_at
    FROM sale s
    WHERE s.vehicle_key IS NOT NULL AND s.odometer_km >= 10
    WINDOW w AS (PARTITION BY s.vehicle_key ORDER BY s.occurred_at, s.source, s.account, s.source_transaction_id, s.line_id)
),

-- twice_at_both: the quantity to the hundredth and the time say that it is one fill, so that the end of a card's number is
-- enough to say whose, unless two plates say otherwise.
fill AS (
    SELECT
        s.vehicle_key AS who, s.source, s.account, s.source_transaction_id, s.line_id, s.occurred_at, s.product, s.unit, s.quantity, s.contract_no,
        s.license_plate, s.vehicle
    FROM sale s
    WHERE s.vehicle_key IS NOT NULL AND s.kind IN ('fuel', 'ev_charging') AND s.product IS NOT NULL
    UNION ALL
    SELECT
        coalesce('card_tail:' || fuel.card_tail(s.card_number), 'card:' || s.card_number),
        s.source, s.account, s.source_transaction_id, s.line_id, s.occurred_at, s.product, s.unit, s.quantity, s.contract_no,
        s.license_plate, s.vehicle
    FROM sale s
    WHERE s.card_number IS NOT NULL AND s.kind IN ('fuel', 'ev_charging') AND s.product IS NOT NULL
), refilled AS (
    SELECT
        f.*, lag(f.source) OVER w AS other_source, lag(f.account) OVER w AS other_account,
        lag(f.source_transaction_id) OVER w AS other_transaction_id, lag(f.line_id) OVER w AS other_line_id,
        lag(f.contract_no) OVER w AS other_contract_no, lag(f.license_plate) OVER w AS other_plate,
        extract(epoch FROM f.occurred_at - lag(f.occurred_at) OVER w) / 60 AS minutes
    FROM fill f
    WINDOW w AS (
        PARTITION BY f.who, f.product, f.unit, round(f.quantity, 2)
        ORDER BY f.occurred_at, f.source, f.account, f.source_transaction_id, f.line_id)
), twice AS (
    SELECT DISTINCT ON (r.source, r.account, r.source_transaction_id, r.line_id, r.other_source, r.other_account, r.other_transaction_id, r.other_line_id) r.*
    FROM refilled r
    WHERE r.minutes <= 10
        AND (r.source, r.account, r.contract_no) IS DISTINCT FROM (r.other_source, r.other_account, r.other_contract_no)
        AND coalesce(fuel.plate_key(r.license_plate) = fuel.plate_key(r.other_plate), true)
    -- By the vehicle before by the card.
    ORDER BY r.source, r.account, r.source_transaction_id, r.line_id, r.other_source, r.other_account, r.other_transaction_id, r.other_line_id,
        r.who LIKE 'card_tail:%' OR r.who LIKE 'card:%'
),

-- price_off_median: of fuel and of current whose kind is known; what else is sold has as many prices as it has sorts.
priced AS (
    SELECT
        (s.occurred_at AT TIME ZONE 'UTC')::date AS day, s.source, s.account, s.source_transaction_id, s.line_id, s.occurred_at,
        s.product, s.unit, s.currency, s.price, s.vehicle
    FROM sale s
    WHERE s.kind IN ('fuel', 'ev_charging') AND s.product <> 'electricity' AND s.price >= 0 AND s.currency IS NOT NULL
), median AS (
    -- The lower of the two in the middle: exact, where an average of floats is not.
    SELECT p.day, p.product, p.unit, p.currency, count(*) AS sales, percentile_disc(0.5) WITHIN GROUP (ORDER BY p.price) AS price
    FROM priced p
    GROUP BY p.day, p.product, p.unit, p.currency
    HAVING count(*) >= 5
)

SELECT
    'over_tank' AS rule,
    CASE WHEN t.told_by = 'card_mask' THEN 'info' WHEN t.quantity > t.tank_l * 1.1 THEN 'critical' ELSE 'warning' END AS severity,
    t.occurred_at, t.source, t.account, t.source_transaction_id, t.line_id,
    NULL::text AS other_source, NULL::text AS other_account, NULL::text AS other_transaction_id, NULL::text AS other_line_id,
    coalesce(t.name, t.vehicle) AS vehicle,
    format('%s took %s L at once; its tanks hold %s L.', coalesce(t.name, t.vehicle), trim_scale(t.quantity), trim_scale(t.tank_l)) AS sentence,
    jsonb_build_object('quantity', t.quantity, 'tank_l', t.tank_l, 'lines', t.lines, 'told_by', t.told_by) AS evidence
FROM taken t
WHERE t.kind = 'fuel' AND t.quantity > t.tank_l
UNION ALL
SELECT
    'over_battery', CASE WHEN t.told_by = 'card_mask' THEN 'info' WHEN t.quantity > t.battery_kwh * 1.3 THEN 'critical' ELSE 'warning' END,
    t.occurred_at, t.source, t.account, t.source_transaction_id, t.line_id, NULL, NULL, NULL, NULL, coalesce(t.name, t.vehicle),
    format('%s took %s kWh at once; its battery holds %s kWh.', coalesce(t.name, t.vehicle), trim_scale(t.quantity), trim_scale(t.battery_kwh)),
    jsonb_build_object('quantity', t.quantity, 'battery_kwh', t.battery_kwh, 'lines', t.lines, 'told_by', t.told_by)
FROM taken t
-- What the charger counts is more than what arrives.
WHERE t.kind = 'ev_charging' AND t.quantity > t.battery_kwh * 1.15
UNION ALL
SELECT
    'two_places', CASE WHEN p.who LIKE 'card_mask:%' THEN 'warning' ELSE 'critical' END,
    p.occurred_at, p.source, p.account, p.source_transaction_id, p.line_id,
    p.other_source, p.other_account, p.other_transaction_id, p.other_line_id, p.vehicle,
    format('%s was at two sites within %s minutes%s.', p.vehicle, round(p.minutes, 1),
        CASE WHEN p.km IS NOT NULL THEN format(', %s km apart: %s minutes at 130 km/h', round(p.km, 1), round(p.km * 60 / 130, 1)) ELSE '' END),
    jsonb_build_object('site_before', p.other_site_id, 'site', p.site_id, 'minutes', round(p.minutes, 1), 'km', p.km, 'km_by', p.km_by,
        'told_by', split_part(p.who, ':', 1))
FROM places p
UNION ALL
SELECT
    'odometer_back', 'info', r.occurred_at, r.source, r.account, r.source_transaction_id, r.line_id,
    r.other_source, r.other_account, r.other_transaction_id, r.other_line_id, r.vehicle,
    format('The odometer of %s stood at %s km, and at %s km before.', r.vehicle, r.odometer_km, r.before_km),
    jsonb_build_object('km', r.odometer_km, 'km_before', r.before_km, 'before_at', r.before_at)
FROM reading r
WHERE r.odometer_km < r.before_km - 10
UNION ALL
SELECT
    'twice_at_both', CASE WHEN t.who LIKE 'card_tail:%' THEN 'warning' ELSE 'critical' END,
    t.occurred_at, t.source, t.account, t.source_transaction_id, t.line_id,
    t.other_source, t.other_account, t.other_transaction_id, t.other_line_id, t.vehicle,
    format('%s %s of %s for %s stand at %s and at %s, %s minutes apart.', trim_scale(t.quantity), t.unit, t.product, t.vehicle,
        concat_ws(' ', t.other_source, t.other_account, t.other_contract_no), concat_ws(' ', t.source, t.account, t.contract_no), round(t.minutes, 1)),
    jsonb_build_object('product', t.product, 'quantity', t.quantity, 'unit', t.unit, 'minutes', round(t.minutes, 1), 'told_by', split_part(t.who, ':', 1),
        'contract_no', t.contract_no, 'other_contract_no', t.other_contract_no)
FROM twice t
UNION ALL
SELECT
    'price_off_median', 'warning', p.occurred_at, p.source, p.account, p.source_transaction_id, p.line_id,
    NULL, NULL, NULL, NULL, p.vehicle,
    format('%s cost %s %s for one %s; half of the day''s %s sales cost no more than %s.', p.product, trim_scale(p.price), p.currency, p.unit, m.sales, trim_scale(m.price)),
    jsonb_build_object('price', p.price, 'median', m.price, 'sales', m.sales, 'product', p.product, 'currency', p.currency,
        'off_percent', round((p.price - m.price) * 100 / nullif(m.price, 0), 1))
FROM priced p
JOIN median m ON m.day = p.day AND m.product = p.product AND m.unit = p.unit AND m.currency = p.currency
WHERE abs(p.price - m.price) > m.price * 0.25;
