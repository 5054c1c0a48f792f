-- How each stream stands, as far as few rows tell: not one of a sale is looked at.
SELECT
    c.source, c.account, c.partition, c.watermark, c.last_pass_at, c.last_outcome,
    -- Somebody took note of it, and took its error away.
    c.last_outcome IS NOT DISTINCT FROM 'withdrawn' AND c.last_error IS NULL AS is_retired,
    coalesce(f.count, 0) AS failing, coalesce(g.count, 0) AS gaps, coalesce(q.count, 0) AS quarantine,
    g.recorded_at AS gap_recorded_at, q.met_at AS quarantined_at,
    coalesce(c.lease_owner = $1 AND c.lease_expires_at > clock_timestamp(), false) AS is_ours
FROM fuel.checkpoint c
LEFT JOIN (
    SELECT source, account, partition, count(*) FROM fuel.sync_window WHERE state = 'failing' GROUP BY 1, 2, 3
) AS f USING (source, account, partition)
LEFT JOIN (
    SELECT source, account, partition, count(*), max(recorded_at) AS recorded_at FROM fuel.gap GROUP BY 1, 2, 3
) AS g USING (source, account, partition)
LEFT JOIN (
    SELECT source, account, partition, count(*), max(first_seen_at) AS met_at FROM fuel.quarantine WHERE resolved_at IS NULL GROUP BY 1, 2, 3
) AS q USING (source, account, partition)
