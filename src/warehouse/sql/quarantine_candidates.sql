-- Of the next records in quarantine those in which a value may stand that matches; and the last one, to go on from.
SELECT found.id, found.source, found.account, found.partition, CASE WHEN found.is_candidate THEN found.record END
FROM (
    SELECT
        q.id, q.source, q.account, q.partition, q.record,
        q.record ~ $3 OR strpos(q.record, '\') > 0 AS is_candidate,
        row_number() OVER (ORDER BY q.id) = count(*) OVER () AS is_last
    FROM (
        SELECT q.id, q.source, q.account, q.partition, q.record::text AS record
        FROM fuel.quarantine q
        WHERE q.id > $1
        ORDER BY q.id
        LIMIT $2
    ) AS q
) AS found
WHERE found.is_candidate OR found.is_last
ORDER BY found.id
