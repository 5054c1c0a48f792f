-- The records of some transactions, in the order of the key.
SELECT source_transaction_id, line_id, raw::text, normalizer
FROM fuel.record
WHERE source = $1 AND account = $2 AND source_transaction_id = ANY ($3)
ORDER BY source_transaction_id, line_id
