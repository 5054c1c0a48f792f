INSERT INTO fuel.record AS r (source, account, source_transaction_id, line_id, raw, normalizer)
SELECT $1, $2, s.source_transaction_id, s.line_id, s.raw, $3
FROM pg_temp.stage_record s
ORDER BY s.source_transaction_id, s.line_id
ON CONFLICT (source, account, source_transaction_id, line_id) DO UPDATE SET
    raw = excluded.raw, normalizer = excluded.normalizer, changed_at = now()
WHERE r.raw::text <> excluded.raw::text OR r.normalizer <> excluded.normalizer
