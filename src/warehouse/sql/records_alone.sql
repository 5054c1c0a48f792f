-- The records of an account that have no line. $3: a record is a whole transaction, with its lines inside.
SELECT r.source_transaction_id, r.line_id, r.raw
FROM fuel.record r
WHERE r.source = $1 AND r.account = $2
    AND NOT EXISTS (
        SELECT FROM fuel.transaction t
        WHERE t.source = $1 AND t.account = $2 AND t.source_transaction_id = r.source_transaction_id
            AND ($3 OR t.line_id = r.line_id)
    )
ORDER BY r.source_transaction_id, r.line_id
