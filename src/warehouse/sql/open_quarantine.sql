-- Ids of open records of a stream, in order, from behind one on.
SELECT DISTINCT source_transaction_id FROM fuel.quarantine
WHERE source = $1 AND account = $2 AND partition = $3 AND resolved_at IS NULL AND source_transaction_id > $4
ORDER BY source_transaction_id
LIMIT $5
