-- How each stream stands, as far as few rows tell: not one of a sale is looked at.
SELECT
    c.source, c.account, c.partition, c.watermark, c.last_pass_at, c.last_outcome,
    coalesce(f.count, 0) AS failing, coalesce(g.count, 0) AS gaps, coalesce(q.count, 0) AS quarantine,
    coalesce(c.lease_owner = $1 AND c.lease_expires_at > clock_timestamp(), false) AS is_ours
FROM fuel.checkpoint c
LEFT JOIN (
    SELECT source, account, partition, count(*) FROM fuel.sync_window WHERE state = 'failing' GROUP BY 1, 2, 3
) AS f USING (source, account, partition)
LEFT JOIN (
    SELECT source, account, partition, count(*) FROM fuel.gap GROUP BY 1, 2, 3
) AS g USING (source, account, partition)
LEFT JOIN (
    SELECT source, account, partition, count(*) FROM fuel.quarantine WHERE resolved_at IS NULL GROUP BY 1, 2, 3
) AS q USING (source, account, partition)
