-- What was read, hour by hour. The number of a run is in order of time, so its key is the index by time: $1 is the least
-- number of the time $2.
SELECT
    date_trunc('hour', r.started_at) AS hour, count(*) AS runs, sum(r.windows)::bigint, sum(r.fetched)::bigint,
    sum(r.inserted + r.updated)::bigint, sum(r.unchanged)::bigint,
    coalesce(sum(extract(epoch FROM r.finished_at - r.started_at) * 1000), 0)::bigint
FROM fuel.sync_run r
WHERE r.run_id >= $1 AND r.started_at >= $2 AND r.finished_at IS NOT NULL
GROUP BY 1
ORDER BY 1
