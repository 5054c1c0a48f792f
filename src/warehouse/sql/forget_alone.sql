-- Of the next lines those without a record in whose personal columns a value may stand that matches; and the last one, to go on
-- from.
WITH chunk AS MATERIALIZED (
    SELECT t.source, t.account, t.source_transaction_id, t.line_id,
        concat_ws(' ', t.card_number, t.driver_name, t.driver_no, t.vehicle_no, t.license_plate) ~ $6 AS matches
    FROM fuel.transaction t
    WHERE (t.source, t.account, t.source_transaction_id, t.line_id) > ($1, $2, $3, $4)
    ORDER BY t.source, t.account, t.source_transaction_id, t.line_id
    LIMIT $5
)
SELECT found.source, found.account, found.source_transaction_id, found.line_id, found.is_candidate
FROM (
    SELECT
        c.source, c.account, c.source_transaction_id, c.line_id,
        c.matches AND NOT EXISTS (
            SELECT FROM fuel.record r
            WHERE r.source = c.source AND r.account = c.account AND r.source_transaction_id = c.source_transaction_id
                AND r.line_id IN (c.line_id, '-')
        ) AS is_candidate,
        row_number() OVER (ORDER BY c.source, c.account, c.source_transaction_id, c.line_id) = count(*) OVER () AS is_last
    FROM chunk c
) AS found
WHERE found.is_candidate OR found.is_last
ORDER BY found.source, found.account, found.source_transaction_id, found.line_id
