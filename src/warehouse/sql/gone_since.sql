-- The lines that a stretch of a stream had when an earlier certificate was made, and no longer has. A transaction that began
-- a day before it at the most is looked for by its time. The columns are those of changed_since.sql.
SELECT
    v.source_transaction_id, v.line_id, v.occurred_at, v.replaced_at, v.changed_columns, ARRAY[v.operation],
    NULL::text, NULL::text, t.line_id IS NOT NULL, false, false
FROM (
    SELECT DISTINCT ON (v.source_transaction_id, v.line_id)
        v.source_transaction_id, v.line_id, (v.row_before ->> 'occurred_at')::timestamptz AS occurred_at, v.replaced_at,
        v.changed_columns, v.operation, (v.row_before ->> 'first_seen_at')::timestamptz AS first_seen_at
    FROM fuel.transaction_version v
    WHERE v.replaced_at > $7::timestamptz - interval '1 day' AND v.seq > $6 AND v.source = $1 AND v.account = $2
        AND v.row_before ->> 'partition' = $3
        AND (v.row_before ->> 'occurred_at')::timestamptz >= $4 AND (v.row_before ->> 'occurred_at')::timestamptz < $5
    ORDER BY v.source_transaction_id, v.line_id, v.version
) AS v
LEFT JOIN LATERAL (
    SELECT t.line_id, t.partition, t.occurred_at FROM fuel.transaction t
    WHERE t.source = $1 AND t.account = $2
        AND t.source_transaction_id = v.source_transaction_id AND t.line_id = v.line_id
    LIMIT 1
) AS t ON true
WHERE v.first_seen_at <= $7
    AND (t.line_id IS NULL OR t.partition <> $3 OR t.occurred_at < $4 OR t.occurred_at >= $5)
ORDER BY v.occurred_at, v.source_transaction_id, v.line_id
