-- What became of each day since $1, an account's interface at a time: windows by state, gaps, and where watermarks stand.
-- Thousands of contracts share the cells of one grid, so that what is left after grouping is a few rows a day.
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
        greatest(w.window_start, $1)::date AS from_day,
        (w.window_end - interval '1 microsecond')::date AS through_day,
        1 AS pieces
    FROM fuel.sync_window w
    WHERE w.window_end > $1
    UNION ALL
    SELECT g.source, g.account, 'gap', greatest(g.gap_start, $1)::date, (g.gap_end - interval '1 microsecond')::date, 1
    FROM fuel.gap g
    WHERE g.gap_end > $1
    UNION ALL
    SELECT c.source, c.account, 'watermark', c.watermark::date, c.watermark::date, 1
    FROM fuel.checkpoint c
    -- Nobody waits for what was never read and is not offered, or was withdrawn and is retired; a list of contracts is no
    -- stream.
    WHERE (c.watermark IS NOT NULL OR c.last_outcome IS NULL OR c.last_outcome NOT IN ('withdrawn', 'not_enabled'))
        AND NOT (c.last_outcome IS NOT DISTINCT FROM 'withdrawn' AND c.last_error IS NULL)
        AND NOT (c.source = 'alexela_card' AND c.partition = '-')
        -- What the configuration no longer asks for.
        AND NOT EXISTS (
            SELECT FROM unnest($3::text[], $4::text[], $5::text[]) AS left_out (source, account, partition)
            WHERE left_out.source = c.source AND left_out.account = c.account AND left_out.partition = c.partition
        )
) AS piece
GROUP BY source, account, state, from_day, through_day
ORDER BY source, account, from_day
LIMIT $2
