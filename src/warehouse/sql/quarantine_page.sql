-- What is in quarantine, the newest first, without the records: they may hold personal data.
SELECT q.id, q.source, q.account, q.partition, q.field, q.reason, q.first_seen_at, q.last_seen_at
FROM fuel.quarantine q
WHERE q.resolved_at IS NULL
ORDER BY q.id DESC
LIMIT $1
