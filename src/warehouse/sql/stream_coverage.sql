-- What became of each day of one stream since $4: as coverage.sql, whose states these are. A statement of its own: of one
-- for both (`$1 IS NULL OR …`) the server may keep one plan, and the one that is good for all reads the whole ledger for one stream.
SELECT source, account, state, from_day, through_day, sum(pieces)::bigint AS pieces
FROM (
    SELECT
        w.source, w.account,
        CASE
            WHEN w.state = 'failing' AND w.read_through IS NULL THEN 'failing_unread'
            WHEN w.state = 'failing' THEN 'failing'
            WHEN w.final_at IS NOT NULL THEN 'final'
            WHEN w.read_through IS NULL THEN 'unread'
            WHEN w.state = 'open' THEN 'open'
            WHEN w.first_read_at < w.last_read_at AND w.full_read_at >= w.window_end THEN 'read_again'
            ELSE 'read'
        END AS state,
        greatest(w.window_start, $4)::date AS from_day,
        (w.window_end - interval '1 microsecond')::date AS through_day,
        1 AS pieces
    FROM fuel.sync_window w
    WHERE w.source = $1 AND w.account = $2 AND w.partition = $3 AND w.window_end > $4
    UNION ALL
    SELECT g.source, g.account, 'gap', greatest(g.gap_start, $4)::date, (g.gap_end - interval '1 microsecond')::date, 1
    FROM fuel.gap g
    WHERE g.source = $1 AND g.account = $2 AND g.partition = $3 AND g.gap_end > $4
    UNION ALL
    SELECT c.source, c.account, 'watermark', c.watermark::date, c.watermark::date, 1
    FROM fuel.checkpoint c
    WHERE c.source = $1 AND c.account = $2 AND c.partition = $3
        AND (c.watermark IS NOT NULL OR c.last_outcome IS NULL OR c.last_outcome NOT IN ('withdrawn', 'not_enabled'))
        AND NOT (c.last_outcome IS NOT DISTINCT FROM 'withdrawn' AND c.last_error IS NULL)
) AS piece
GROUP BY source, account, state, from_day, through_day
ORDER BY source, account, from_day
LIMIT $5
