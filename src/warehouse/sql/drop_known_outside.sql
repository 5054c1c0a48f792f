-- A neighbour's row that the table has already is left to its own window's read.
WITH known AS (
    DELETE FROM pg_temp.stage s
    WHERE s.outside AND (
        SELECT true FROM fuel.transaction t
        WHERE t.source = $1 AND t.account = $2 AND t.source_transaction_id = s.source_transaction_id
            AND (t.line_id = s.line_id OR $3)
        LIMIT 1
    )
    RETURNING s.source_transaction_id, CASE WHEN $3 THEN '-' ELSE s.line_id END AS line_id
)
DELETE FROM pg_temp.stage_record r USING known
WHERE r.source_transaction_id = known.source_transaction_id AND r.line_id = known.line_id
