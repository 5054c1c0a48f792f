-- The text of records under today's privacy rules. Where the quarantine has the same text already the older one is left:
-- the next read settles it.
UPDATE fuel.quarantine q SET record = new.record::json, fingerprint = new.fingerprint
FROM (
    SELECT DISTINCT ON (fingerprint) id, record, fingerprint
    FROM unnest($1::bigint[], $2::text[], $3::bytea[]) AS all_of (id, record, fingerprint)
    WHERE fingerprint IS NOT NULL
    ORDER BY fingerprint, id
) AS new
WHERE q.id = new.id AND q.resolved_at IS NULL AND q.last_seen_at = $4
    AND NOT EXISTS (
        SELECT FROM fuel.quarantine other
        WHERE other.source = q.source AND other.account = q.account AND other.partition = q.partition
            AND other.fingerprint = new.fingerprint
    )
