-- Of the next records those in which, or in whose lines, a value may stand that matches; and the last one, to go on from.
-- A text with escapes may hold it in another spelling: whoever can take it apart decides.
WITH chunk AS MATERIALIZED (
    SELECT r.source, r.account, r.source_transaction_id, r.line_id, r.raw::text AS raw
    FROM fuel.record r
    WHERE (r.source, r.account, r.source_transaction_id, r.line_id) > ($1, $2, $3, $4)
    ORDER BY r.source, r.account, r.source_transaction_id, r.line_id
    LIMIT $5
)
SELECT found.source, found.account, found.source_transaction_id, found.line_id, found.is_candidate
FROM (
    SELECT
        c.source, c.account, c.source_transaction_id, c.line_id,
        c.raw ~ $6 OR strpos(c.raw, '\') > 0 OR EXISTS (
            SELECT FROM fuel.transaction t
            WHERE t.source = c.source AND t.account = c.account AND t.source_transaction_id = c.source_transaction_id
                AND (t.line_id = c.line_id OR c.line_id = '-')
                AND concat_ws(' ', t.card_number, t.driver_name, t.driver_no, t.vehicle_no, t.license_plate) ~ $6
        ) AS is_candidate,
        row_number() OVER (ORDER BY c.source, c.account, c.source_transaction_id, c.line_id) = count(*) OVER () AS is_last
    FROM chunk c
) AS found
WHERE found.is_candidate OR found.is_last
ORDER BY found.source, found.account, found.source_transaction_id, found.line_id
