-- Of each stream of some interfaces the first instant from `wanted` on that was neither read nor recorded as a gap. Where
-- nothing of it was, the stream has no row here.
WITH asked AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[]) AS a (source, account, wanted, believed)
), piece AS (
    -- What was read in a time to come counts as not read: the source's clock was ahead.
    SELECT a.wanted, w.source, w.account, w.partition, w.window_start AS begins, least(w.window_end, w.read_through) AS ends
    FROM asked a
    JOIN fuel.sync_window w ON w.source = a.source AND w.account = a.account
    WHERE w.window_end > a.wanted AND w.read_through > w.window_start AND w.read_through <= a.believed
    UNION ALL
    SELECT a.wanted, g.source, g.account, g.partition, g.gap_start, g.gap_end
    FROM asked a
    JOIN fuel.gap g ON g.source = a.source AND g.account = a.account
    WHERE g.gap_end > a.wanted
), reached AS (
    SELECT *, greatest(wanted, max(ends) OVER (
        PARTITION BY source, account, partition ORDER BY begins ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )) AS before
    FROM piece
)
SELECT source, account, partition,
    coalesce(min(before) FILTER (WHERE begins > before), greatest(max(wanted), max(ends))) AS unread_from
FROM reached
GROUP BY source, account, partition
