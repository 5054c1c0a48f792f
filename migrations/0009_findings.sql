-- What rows say about each other: rules over the sales, and the tables that a user fills in for them. docs/QUALITY.md has
-- each rule in words. None of it is used by a load.

-- Equality for a GiST index, which knows it of ranges; the extension btree_gist is not everywhere.
CREATE FUNCTION fuel.point_of(told text) RETURNS int8range LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT int8range(hashtextextended(told, 0), hashtextextended(told, 0), '[]')
$$;
COMMENT ON FUNCTION fuel.point_of(text) IS 'A range that overlaps that of the same text and no other.';

CREATE TABLE fuel.vehicle (
    vehicle_id    bigint generated always as identity primary key,
    name          text,
    license_plate text,
    vehicle_no    text,
    card_number   text,
    fuel          text,
    tank_l        numeric(18,4),
    battery_kwh   numeric(18,4),
    valid_from    timestamptz,
    valid_to      timestamptz,
    CONSTRAINT vehicle_is_told CHECK (coalesce(license_plate, vehicle_no, card_number) IS NOT NULL),
    CONSTRAINT vehicle_sizes CHECK (tank_l > 0 AND battery_kwh > 0),
    CONSTRAINT vehicle_period CHECK (valid_from < valid_to),
    -- A plate, a number, a card is one vehicle's at a time.
    CONSTRAINT vehicle_of_plate EXCLUDE USING gist (
        fuel.point_of(fuel.plate_key(license_plate)) WITH &&, tstzrange(valid_from, valid_to) WITH &&
    ) WHERE (fuel.plate_key(license_plate) IS NOT NULL),
    CONSTRAINT vehicle_of_number EXCLUDE USING gist (
        fuel.point_of(vehicle_no) WITH &&, tstzrange(valid_from, valid_to) WITH &&
    ) WHERE (vehicle_no IS NOT NULL),
    CONSTRAINT vehicle_of_card EXCLUDE USING gist (
        fuel.point_of(card_number) WITH &&, tstzrange(valid_from, valid_to) WITH &&
    ) WHERE (card_number IS NOT NULL)
);

COMMENT ON TABLE fuel.vehicle IS 'Vehicles, filled in by the user: how much they hold. Only fuel.finding reads it. A sale belongs to the vehicle of its plate, else of its number, else of its card.';
COMMENT ON COLUMN fuel.vehicle.vehicle_id IS 'Number of the row.';
COMMENT ON COLUMN fuel.vehicle.name IS 'What findings call it.';
COMMENT ON COLUMN fuel.vehicle.license_plate IS 'Its plate, as fuel.transaction has it (hashed where the privacy rule hashes); spaces, hyphens and case do not matter.';
COMMENT ON COLUMN fuel.vehicle.vehicle_no IS 'Its number, as fuel.transaction has it.';
COMMENT ON COLUMN fuel.vehicle.card_number IS 'Its card, as fuel.transaction has it. A masked one only where no other of the fleet''s cards looks the same: then it says whose it is.';
COMMENT ON COLUMN fuel.vehicle.fuel IS 'Canonical product that goes into the tank; NULL: any liquid fuel but AdBlue, LPG and heating oil.';
COMMENT ON COLUMN fuel.vehicle.tank_l IS 'Litres that its tanks hold together.';
COMMENT ON COLUMN fuel.vehicle.battery_kwh IS 'Kilowatt hours that its battery holds.';
COMMENT ON COLUMN fuel.vehicle.valid_from IS 'From when; NULL: always. A plate, number or card stands in one row at a time.';
COMMENT ON COLUMN fuel.vehicle.valid_to IS 'Until when, not included; NULL: still.';

CREATE TABLE fuel.site (
    site_id   text primary key,
    name      text,
    latitude  numeric(9,6) not null,
    longitude numeric(9,6) not null,
    CONSTRAINT site_is_on_earth CHECK (latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180)
);

COMMENT ON TABLE fuel.site IS 'Where sites are, filled in by the user: no vendor sends it. Only fuel.finding reads it.';
COMMENT ON COLUMN fuel.site.site_id IS 'The site_id of fuel.transaction.';
COMMENT ON COLUMN fuel.site.name IS 'For whoever fills it in.';
COMMENT ON COLUMN fuel.site.latitude IS 'Degrees north.';
COMMENT ON COLUMN fuel.site.longitude IS 'Degrees east.';

CREATE TABLE fuel.site_distance (
    site_a text not null,
    site_b text not null,
    km     numeric(9,3) not null,
    PRIMARY KEY (site_a, site_b),
    CONSTRAINT distance_of_two CHECK (site_a <> site_b AND km >= 0)
);

COMMENT ON TABLE fuel.site_distance IS 'How far two sites are apart by road, filled in by the user where the beeline is too short (a bay, a border). Stands above fuel.site.';
COMMENT ON COLUMN fuel.site_distance.site_a IS 'The site_id of one; the order does not matter.';
COMMENT ON COLUMN fuel.site_distance.site_b IS 'The site_id of the other.';
COMMENT ON COLUMN fuel.site_distance.km IS 'Kilometres by road.';

CREATE FUNCTION fuel.beeline_km(latitude_a numeric, longitude_a numeric, latitude_b numeric, longitude_b numeric)
RETURNS numeric LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT round((2 * 6371 * asin(least(1, sqrt(
        sind((latitude_b - latitude_a)::float8 / 2) ^ 2
        + cosd(latitude_a::float8) * cosd(latitude_b::float8) * sind((longitude_b - longitude_a)::float8 / 2) ^ 2
    ))))::numeric, 3)
$$;
COMMENT ON FUNCTION fuel.beeline_km(numeric, numeric, numeric, numeric) IS 'Kilometres between two places over the great circle: never more than by road.';

-- Two sales of a pair are found by sorting, never by holding each sale against each: a sale and the one before it of the
-- same vehicle or card. That costs a sort, however many sales there are.
CREATE VIEW fuel.finding AS
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
        coalesce(a.vehicle_id, b.vehicle_id, c.vehicle_id) AS vehicle_id,
        CASE
            WHEN a.vehicle_id IS NOT NULL THEN 'plate' WHEN b.vehicle_id IS NOT NULL THEN 'vehicle_no'
            WHEN s.card_number LIKE '%*%' THEN 'card_mask' ELSE 'card'
        END AS told_by
    FROM sale s
    -- The period is not asked for as a range: the constraints' indexes would be taken for it, and find every vehicle.
    LEFT JOIN fuel.vehicle a ON fuel.plate_key(a.license_plate) = fuel.plate_key(s.license_plate)
        AND s.occurred_at >= coalesce(a.valid_from, '-infinity') AND s.occurred_at < coalesce(a.valid_to, 'infinity')
    LEFT JOIN fuel.vehicle b ON b.vehicle_no = s.vehicle_no
        AND s.occurred_at >= coalesce(b.valid_from, '-infinity') AND s.occurred_at < coalesce(b.valid_to, 'infinity')
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
), moved AS (
    SELECT
        f.*, extract(epoch FROM f.between) / 60 AS minutes, coalesce(r.km, fuel.beeline_km(a.latitude, a.longitude, b.latitude, b.longitude)) AS km,
        CASE WHEN r.km IS NOT NULL THEN 'road' WHEN a.site_id IS NOT NULL AND b.site_id IS NOT NULL THEN 'beeline' END AS km_by
    FROM followed f
    LEFT JOIN road r ON r.site_a = f.other_site_id AND r.site_b = f.site_id
    LEFT JOIN fuel.site a ON a.site_id = f.other_site_id
    LEFT JOIN fuel.site b ON b.site_id = f.site_id
    WHERE f.other_site_id <> f.site_id AND f.between <= (SELECT r.minutes FROM reach r) * interval '1 minute'
), places AS (
    SELECT DISTINCT ON (m.source, m.account, m.source_transaction_id, m.line_id, m.other_source, m.other_account, m.other_transaction_id, m.other_line_id) m.*
    FROM moved m
    WHERE CASE
        -- A minute for what two clocks differ.
        WHEN m.km IS NOT NULL THEN m.km * 60 / 130 > m.minutes + 1
        -- Two vendors may sell at one place.
        ELSE m.minutes <= 2 AND split_part(m.source, '_', 1) = split_part(m.other_source, '_', 1)
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
COMMENT ON VIEW fuel.finding IS 'What rows say about each other that should be looked at: one rule each, with what it rests on. Nothing is changed by it. See docs/QUALITY.md.';
COMMENT ON COLUMN fuel.finding.rule IS 'over_tank, over_battery, two_places, odometer_back, twice_at_both or price_off_median.';
COMMENT ON COLUMN fuel.finding.severity IS 'critical (money or a vehicle may be gone), warning (look at it) or info (mostly a typing error).';
COMMENT ON COLUMN fuel.finding.occurred_at IS 'When the sale took place: the later of two.';
COMMENT ON COLUMN fuel.finding.source IS 'Vendor interface of the line that shows it.';
COMMENT ON COLUMN fuel.finding.account IS 'Its account.';
COMMENT ON COLUMN fuel.finding.source_transaction_id IS 'Its transaction.';
COMMENT ON COLUMN fuel.finding.line_id IS 'Its line: of several, the largest.';
COMMENT ON COLUMN fuel.finding.other_source IS 'Vendor interface of the earlier line that it is held against; NULL where there is none.';
COMMENT ON COLUMN fuel.finding.other_account IS 'Its account.';
COMMENT ON COLUMN fuel.finding.other_transaction_id IS 'Its transaction.';
COMMENT ON COLUMN fuel.finding.other_line_id IS 'Its line.';
COMMENT ON COLUMN fuel.finding.vehicle IS 'The name in fuel.vehicle, else plate, number or card as stored.';
COMMENT ON COLUMN fuel.finding.sentence IS 'What was found.';
COMMENT ON COLUMN fuel.finding.evidence IS 'The figures that it rests on.';
