-- A window past the last re-read rule is worth a look only while it holds a row that can still change.
SELECT
    w.window_start, w.window_end, w.read_through, w.full_read_at, w.final_at IS NOT NULL,
    coalesce(w.claim_expires_at > clock_timestamp(), false),
    CASE
        WHEN w.final_at IS NOT NULL THEN false
        WHEN w.window_end > $4 THEN true
        ELSE EXISTS (
            SELECT FROM fuel.transaction t
            WHERE t.source = w.source AND t.account = w.account AND t.partition = w.partition
                AND t.occurred_at >= w.window_start AND t.occurred_at < w.window_end
                AND t.state = ANY ($5) AND t.missing_since IS NULL
        )
    END,
    w.state = 'failing'
FROM fuel.sync_window w
WHERE w.source = $1 AND w.account = $2 AND w.partition = $3
ORDER BY w.window_start
