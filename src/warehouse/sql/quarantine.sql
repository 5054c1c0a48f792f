INSERT INTO fuel.quarantine AS q
    (source, account, partition, source_transaction_id, window_start, fingerprint, record, field, reason, copies, nul_removed)
SELECT $1, $2, $3, id, $4, fingerprint, record::json, field, reason, copies, nul_removed
FROM unnest($5::text[], $6::bytea[], $7::text[], $8::text[], $9::text[], $10::integer[], $11::boolean[])
    AS new (id, fingerprint, record, field, reason, copies, nul_removed)
ORDER BY fingerprint
ON CONFLICT (source, account, partition, fingerprint) DO UPDATE SET
    last_seen_at = now(), field = excluded.field, reason = excluded.reason, window_start = excluded.window_start,
    copies = excluded.copies, nul_removed = excluded.nul_removed,
    -- What was dropped by hand stays dropped; what had been corrected and is back is open again.
    resolved_at = CASE WHEN q.dropped THEN q.resolved_at END
