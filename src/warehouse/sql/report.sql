-- Each stream, for people. How many lines it has comes from the ledger: a window that was read whole after its end, and that no
-- head read meets any more, has what that read counted and what it marked missing. Only the others are counted in the table, a
-- range of the index by time each: so this stays as fast as the table grows.
SELECT
    c.source, c.account, c.partition, c.watermark,
    c.last_pass_at, c.last_outcome, c.last_error,
    w.rows, w.windows, w.failing,
    coalesce(g.count, 0) AS gaps, coalesce(q.count, 0) AS quarantine,
    CASE WHEN c.lease_expires_at > now() THEN c.lease_owner END AS lease_owner
FROM fuel.checkpoint c
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE w.read_through IS NOT NULL) AS windows,
        count(*) FILTER (WHERE w.state = 'failing') AS failing,
        coalesce(sum(CASE
            WHEN w.full_read_at >= w.window_end AND (c.watermark IS NULL OR w.window_end <= c.watermark - interval '2 days')
            THEN w.inserted + w.updated + w.unchanged + w.missing
            ELSE (
                SELECT count(*) FROM fuel.transaction t
                WHERE t.partition = w.partition AND t.source = w.source AND t.account = w.account
                    AND t.occurred_at >= w.window_start AND t.occurred_at < w.window_end
            )
        END), 0)::bigint AS rows
    FROM fuel.sync_window w
    WHERE w.source = c.source AND w.account = c.account AND w.partition = c.partition
) AS w
LEFT JOIN (
    SELECT source, account, partition, count(*) FROM fuel.gap GROUP BY 1, 2, 3
) AS g USING (source, account, partition)
LEFT JOIN (
    SELECT source, account, partition, count(*) FROM fuel.quarantine WHERE resolved_at IS NULL GROUP BY 1, 2, 3
) AS q USING (source, account, partition)
ORDER BY c.source, c.account, c.partition
