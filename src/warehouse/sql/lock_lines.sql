-- In the order of the key, as every writer does: no two can wait for each other. LIMIT keeps
-- the lookups in that order, one by one: of a young table the server knows nothing yet, and would rather read all of the
-- account once.
SELECT count(*)
FROM (SELECT source_transaction_id, line_id FROM pg_temp.stage ORDER BY source_transaction_id, line_id) AS s
CROSS JOIN LATERAL (
    SELECT FROM fuel.transaction t
    WHERE t.source = $1 AND t.account = $2
        AND t.source_transaction_id = s.source_transaction_id AND t.line_id = s.line_id
    LIMIT 1
    FOR UPDATE
) AS locked
