-- The lines of a stretch of a stream that changed after an earlier certificate ($6: all changes up to this seq were seen by
-- it; $7: when it was made): what changed, from which state to which, and how. A line is new by the time at which it was first
-- seen. One that was being written while the certificate was made has an earlier one and no version since; so has one out of which
-- a person was taken, and it is that where anybody was forgotten since.
SELECT
    t.source_transaction_id, t.line_id, t.occurred_at, t.changed_at,
    coalesce(v.columns, '{}'), coalesce(v.operations, '{}'),
    t.state, v.state_before, t.missing_since IS NOT NULL, t.first_seen_at > $7
        OR t.version = 1 AND v.operations IS NULL AND t.first_seen_at > $7::timestamptz - interval '10 minutes'
            AND NOT EXISTS (SELECT FROM fuel.forgotten f WHERE f.forgotten_at > $7),
    EXISTS (
        SELECT FROM fuel.transaction_version gone
        WHERE gone.source = t.source AND gone.account = t.account
            AND gone.source_transaction_id = t.source_transaction_id AND gone.line_id <> t.line_id
            AND gone.operation = 'remove' AND gone.changed_columns = '{}' AND gone.seq > $6
    )
FROM fuel.transaction t
LEFT JOIN LATERAL (
    SELECT
        array_agg(DISTINCT v.operation) AS operations,
        (array_agg(v.row_before ->> 'state' ORDER BY v.version))[1] AS state_before,
        (
            SELECT array_agg(DISTINCT name ORDER BY name)
            FROM fuel.transaction_version c, unnest(c.changed_columns) AS name
            WHERE c.source = t.source AND c.account = t.account
                AND c.source_transaction_id = t.source_transaction_id AND c.line_id = t.line_id AND c.seq > $6
        ) AS columns
    FROM fuel.transaction_version v
    WHERE v.source = t.source AND v.account = t.account
        AND v.source_transaction_id = t.source_transaction_id AND v.line_id = t.line_id AND v.seq > $6
) AS v ON true
WHERE t.source = $1 AND t.account = $2 AND t.partition = $3 AND t.occurred_at >= $4 AND t.occurred_at < $5
    AND t.seq > $6
ORDER BY t.occurred_at, t.source_transaction_id, t.line_id
