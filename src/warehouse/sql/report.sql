SELECT
    c.source, c.account, c.partition, c.watermark,
    c.last_pass_at, c.last_outcome, c.last_error,
    (SELECT count(*) FROM fuel.transaction t
        WHERE t.source = c.source AND t.account = c.account AND t.partition = c.partition) AS rows,
    w.windows, w.failing,
    (SELECT count(*) FROM fuel.gap g
        WHERE g.source = c.source AND g.account = c.account AND g.partition = c.partition) AS gaps,
    (SELECT count(*) FROM fuel.quarantine q
        WHERE q.source = c.source AND q.account = c.account AND q.partition = c.partition AND q.resolved_at IS NULL) AS quarantine,
    CASE WHEN c.lease_expires_at > now() THEN c.lease_owner END AS lease_owner
FROM fuel.checkpoint c
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE read_through IS NOT NULL) AS windows, count(*) FILTER (WHERE state = 'failing') AS failing
    FROM fuel.sync_window w
    WHERE w.source = c.source AND w.account = c.account AND w.partition = c.partition
) AS w
ORDER BY c.source, c.account, c.partition
