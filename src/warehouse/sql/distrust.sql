-- No content has this digest. In the order of the key, as every writer.
WITH locked AS (
    SELECT t.source_transaction_id, t.line_id
    FROM fuel.transaction t
    JOIN unnest($3::text[], $4::text[]) AS k (source_transaction_id, line_id) USING (source_transaction_id, line_id)
    WHERE t.source = $1 AND t.account = $2
    ORDER BY t.source_transaction_id, t.line_id
    FOR UPDATE OF t
)
UPDATE fuel.transaction t SET content_hash = '\x00'
FROM locked
WHERE t.source = $1 AND t.account = $2
    AND t.source_transaction_id = locked.source_transaction_id AND t.line_id = locked.line_id
