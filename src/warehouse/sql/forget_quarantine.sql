-- Records in quarantine without what was forgotten, under the digests that they have when they are met again. Where one was
-- met again already, the older is settled, under a digest that no record has.
UPDATE fuel.quarantine q SET
    record = new.record::json,
    fingerprint = CASE WHEN twin.there THEN sha256(convert_to('twin ' || q.id, 'UTF8')) ELSE new.fingerprint END,
    resolved_at = CASE WHEN twin.there THEN coalesce(q.resolved_at, now()) ELSE q.resolved_at END
FROM (
    SELECT n.id, n.record, n.fingerprint,
        row_number() OVER (PARTITION BY o.source, o.account, o.partition, n.fingerprint ORDER BY n.id) > 1 AS is_again
    FROM unnest($1::bigint[], $2::text[], $3::bytea[]) AS n (id, record, fingerprint)
    JOIN fuel.quarantine o ON o.id = n.id
) AS new
JOIN fuel.quarantine old ON old.id = new.id
CROSS JOIN LATERAL (
    SELECT new.is_again OR EXISTS (
        SELECT FROM fuel.quarantine other
        WHERE other.source = old.source AND other.account = old.account AND other.partition = old.partition
            AND other.fingerprint = new.fingerprint AND other.id <> old.id
    ) AS there
) AS twin
WHERE q.id = new.id
