-- In the order of the key, as every writer does: no two can wait for each other.
SELECT count(*) FROM (
    SELECT FROM fuel.transaction t
    JOIN pg_temp.stage s ON t.source = $1 AND t.account = $2
    AND t.source_transaction_id = s.source_transaction_id AND t.line_id = s.line_id
    ORDER BY t.source_transaction_id, t.line_id
    FOR UPDATE OF t
) AS locked
