-- Records of a stream that could not be normalized and are in no window of a stretch: open ones whose window is not
-- known or not in the ledger; and those dropped by hand, of the stretch or of no known time, that no line came of since.
SELECT q.id, q.source_transaction_id, q.reason, q.resolved_at, q.dropped
FROM fuel.quarantine q
WHERE q.source = $1 AND q.account = $2 AND q.partition = $3
    AND (q.window_start IS NULL OR q.window_start < $5 AND coalesce(
        (
            SELECT max(w.window_end) FROM fuel.sync_window w
            WHERE w.source = $1 AND w.account = $2 AND w.partition = $3
                AND w.window_start <= q.window_start AND w.window_end > q.window_start
        ),
        q.window_start + interval '1 microsecond'
    ) > $4)
    AND CASE WHEN q.resolved_at IS NULL THEN q.window_start IS NULL OR NOT EXISTS (
        SELECT FROM fuel.sync_window w
        WHERE w.source = $1 AND w.account = $2 AND w.partition = $3
            AND w.window_start <= q.window_start AND w.window_end > q.window_start
    ) ELSE q.dropped AND NOT EXISTS (
        SELECT FROM fuel.transaction t
        WHERE t.source = $1 AND t.account = $2 AND t.source_transaction_id = q.source_transaction_id
    ) END
ORDER BY q.id
