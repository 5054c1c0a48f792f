-- A single fetch, or a repair, of no window that is known, only says anew what is wrong with an open record: by which read it was met, and how often
-- that counted it, stays.
INSERT INTO fuel.quarantine AS q
    (source, account, partition, source_transaction_id, window_start, fingerprint, record, field, reason, copies, nul_removed)
SELECT $1, $2, $3, id, $4, fingerprint, record::json, field, reason, copies, nul_removed
FROM unnest($5::text[], $6::bytea[], $7::text[], $8::text[], $9::text[], $10::integer[], $11::boolean[])
    AS new (id, fingerprint, record, field, reason, copies, nul_removed)
ORDER BY fingerprint
ON CONFLICT (source, account, partition, fingerprint) DO UPDATE SET
    field = excluded.field, reason = excluded.reason,
    last_seen_at = CASE WHEN excluded.window_start IS NULL AND q.resolved_at IS NULL THEN q.last_seen_at ELSE now() END,
    window_start = CASE WHEN excluded.window_start IS NULL AND q.resolved_at IS NULL THEN q.window_start ELSE excluded.window_start END,
    copies = CASE WHEN excluded.window_start IS NULL AND q.resolved_at IS NULL THEN q.copies ELSE excluded.copies END,
    nul_removed = CASE WHEN excluded.window_start IS NULL AND q.resolved_at IS NULL THEN q.nul_removed ELSE excluded.nul_removed END,
    -- What was dropped by hand stays dropped; what had been corrected and is back is open again.
    resolved_at = CASE WHEN q.dropped THEN q.resolved_at END
