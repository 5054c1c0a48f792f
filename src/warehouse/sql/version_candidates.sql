-- Of the next images those in which a value may stand that matches; and the last one, to go on from.
SELECT found.version_id, found.source, found.account, found.is_candidate,
    CASE WHEN found.is_candidate THEN found.image END, found.partition
FROM (
    SELECT
        v.version_id, v.source, v.account, v.image, coalesce(v.partition, '-') AS partition,
        v.image ~ $3 OR strpos(v.image, '\') > 0 AS is_candidate,
        row_number() OVER (ORDER BY v.version_id) = count(*) OVER () AS is_last
    FROM (
        SELECT v.version_id, v.source, v.account, v.row_before::text AS image, v.row_before->>'partition' AS partition
        FROM fuel.transaction_version v
        WHERE v.version_id > $1
        ORDER BY v.version_id
        LIMIT $2
    ) AS v
) AS found
WHERE found.is_candidate OR found.is_last
ORDER BY found.version_id
