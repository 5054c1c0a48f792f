-- Numbers are in order of time, so the oldest are found by the key.
DELETE FROM fuel.sync_run
WHERE run_id IN (
    SELECT run_id FROM (SELECT run_id, started_at FROM fuel.sync_run ORDER BY run_id LIMIT $1) AS oldest
    WHERE started_at < now() - interval '1 year'
)
