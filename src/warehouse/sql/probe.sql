-- What the table has of a stretch: one range scan, whatever the number of rows asked about.
SELECT source_transaction_id, line_id, content_hash, absent_reads, missing_since IS NOT NULL, occurred_at, seq
FROM fuel.transaction
WHERE source = $1 AND account = $2 AND partition = $3 AND occurred_at >= $4 AND occurred_at < $5
