-- The newest windows of a stream since $4, and those that fail, however old: they are what is in the way. The states are
-- those of coverage.sql.
SELECT
    w.window_start, w.window_end,
    CASE
        WHEN w.state = 'failing' AND w.read_through IS NULL THEN 'failing_unread'
        WHEN w.state = 'failing' THEN 'failing'
        WHEN w.final_at IS NOT NULL THEN 'final'
        WHEN w.read_through IS NULL THEN 'unread'
        WHEN w.state = 'open' THEN 'open'
        WHEN w.first_read_at < w.last_read_at AND w.full_read_at >= w.window_end THEN 'read_again'
        ELSE 'read'
    END,
    w.fetched, w.inserted, w.updated, w.unchanged, w.quarantined, w.outside, w.duplicate, w.missing,
    w.attempts, w.last_error, w.last_read_at
FROM fuel.sync_window w
WHERE w.source = $1 AND w.account = $2 AND w.partition = $3 AND (w.window_end > $4 OR w.state = 'failing')
ORDER BY w.window_start DESC
LIMIT $5
