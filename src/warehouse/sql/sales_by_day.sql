-- Lines a day and source in [$1, $2). One range of the index by time for each stream, and nothing of the table itself
-- where the server knows its pages to be visible to all.
SELECT c.source, d.day, sum(d.lines)::bigint AS lines
FROM fuel.checkpoint c
CROSS JOIN LATERAL (
    SELECT t.occurred_at::date AS day, count(*) AS lines
    FROM fuel.transaction t
    WHERE t.partition = c.partition AND t.source = c.source AND t.account = c.account
        AND t.occurred_at >= $1 AND t.occurred_at < $2
    GROUP BY 1
) AS d
GROUP BY c.source, d.day
ORDER BY c.source, d.day
