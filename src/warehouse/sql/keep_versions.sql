-- The image that each changed or returned line is about to lose, with the record's text when that changes, too.
INSERT INTO fuel.transaction_version
    (source, account, source_transaction_id, line_id, version, operation, changed_columns, row_before)
SELECT
    t.source, t.account, t.source_transaction_id, t.line_id, t.version,
    CASE WHEN t.missing_since IS NULL THEN 'change' ELSE 'return' END,
    coalesce(changed.columns, '{}') || CASE WHEN t.missing_since IS NULL THEN '{}'::text[] ELSE '{missing_since}' END
        || CASE WHEN r.raw::text IS DISTINCT FROM sr.raw::text THEN '{raw}'::text[] ELSE '{}' END,
    (to_jsonb(t) - 'absent_reads')
        || CASE WHEN r.raw::text IS DISTINCT FROM sr.raw::text THEN jsonb_build_object('raw', fuel.as_jsonb(r.raw)) ELSE '{}' END
FROM pg_temp.stage s
CROSS JOIN LATERAL (
    SELECT t.* FROM fuel.transaction t
    WHERE t.source = $1 AND t.account = $2
        AND t.source_transaction_id = s.source_transaction_id AND t.line_id = s.line_id
    LIMIT 1
) AS t
LEFT JOIN pg_temp.stage_record sr ON sr.source_transaction_id = s.source_transaction_id
    AND sr.line_id = CASE WHEN $3 THEN '-' ELSE s.line_id END
LEFT JOIN LATERAL (
    SELECT r.raw FROM fuel.record r
    WHERE r.source = $1 AND r.account = $2 AND r.source_transaction_id = s.source_transaction_id
        AND r.line_id = CASE WHEN $3 THEN '-' ELSE s.line_id END
    LIMIT 1
) AS r ON true
CROSS JOIN LATERAL (
    SELECT array_agg(key ORDER BY key) AS columns
    FROM jsonb_each(to_jsonb(t)) AS old (key, value)
    JOIN jsonb_each(to_jsonb(s)) AS new (key, value) USING (key)
    WHERE key <> 'content_hash' AND old.value IS DISTINCT FROM new.value
) AS changed
WHERE t.content_hash <> s.content_hash OR t.missing_since IS NOT NULL
