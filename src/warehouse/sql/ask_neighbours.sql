-- The windows beside one are due at the next pass, as far as the source serves them, that count more records in
-- quarantine than their last read left there.
UPDATE fuel.sync_window w SET
    full_read_at = NULL, final_at = NULL, state = CASE w.state WHEN 'final' THEN 'read' ELSE w.state END
WHERE w.source = $1 AND w.account = $2 AND w.partition = $3 AND w.read_through IS NOT NULL
    AND (w.window_end = $4 OR w.window_start = $5)
    AND ($6::timestamptz IS NULL OR w.window_end > $6)
    AND w.quarantined > (
        SELECT coalesce(sum(q.copies), 0) FROM fuel.quarantine q
        WHERE q.source = w.source AND q.account = w.account AND q.partition = w.partition
            AND q.window_start = w.window_start AND q.last_seen_at = w.last_read_at
            AND (q.resolved_at IS NULL OR q.dropped)
    )
