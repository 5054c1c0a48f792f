-- The windows of a stream that touch a stretch. The digest of the last read is told only where the table had exactly what
-- that read brought, and had it when the read was written.
SELECT
    w.window_start, w.window_end, w.read_through, w.last_read_at, w.final_at IS NOT NULL, w.unstable,
    (
        SELECT count(*) FROM fuel.quarantine q
        WHERE q.source = w.source AND q.account = w.account AND q.partition = w.partition
            AND q.window_start >= w.window_start AND q.window_start < w.window_end AND q.resolved_at IS NULL
    ),
    w.fetched,
    CASE WHEN w.digest_seqs IS NOT NULL THEN w.digest END,
    CASE WHEN w.sums_at = w.last_read_at THEN w.sums::text END,
    -- What the last read left in quarantine and is neither there, be it with a window that this one overlaps or touches, nor a
    -- record. A window that is due is asked again for such, and of one without sums an earlier version may not have counted
    -- those alike.
    CASE WHEN w.quarantined = 0 OR w.full_read_at IS NULL OR w.sums_at IS DISTINCT FROM w.last_read_at THEN 0 ELSE greatest(w.quarantined - (
        SELECT coalesce(sum(q.copies), 0) FROM fuel.quarantine q
        WHERE q.source = w.source AND q.account = w.account AND q.partition = w.partition
            AND q.window_start IN (
                SELECT o.window_start FROM fuel.sync_window o
                WHERE o.source = w.source AND o.account = w.account AND o.partition = w.partition
                    AND o.window_start <= w.window_end AND o.window_end >= w.window_start
            )
            AND (q.resolved_at IS NULL OR q.dropped OR EXISTS (
                SELECT FROM fuel.record r
                WHERE r.source = q.source AND r.account = q.account AND r.source_transaction_id = q.source_transaction_id
            ))
    ), 0) END
FROM fuel.sync_window w
WHERE w.source = $1 AND w.account = $2 AND w.partition = $3 AND w.window_end > $4 AND w.window_start < $5
ORDER BY w.window_start
