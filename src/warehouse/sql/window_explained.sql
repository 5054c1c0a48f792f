-- Whether lines of a window came, went or changed after its last read ($6), or shortly before it in a transaction that may
-- have been committed later ($7).
SELECT EXISTS (
    SELECT FROM fuel.transaction t
    WHERE t.source = $1 AND t.account = $2 AND t.partition = $3 AND t.occurred_at >= $4 AND t.occurred_at < $5
        AND (t.changed_at > $7 AND t.changed_at <> $6 OR t.first_seen_at > $7 AND t.first_seen_at <> $6)
) OR EXISTS (
    SELECT FROM fuel.transaction_version v
    WHERE v.replaced_at > $7 AND v.replaced_at <> $6 AND v.source = $1 AND v.account = $2
        AND v.row_before ->> 'partition' = $3
        AND (v.row_before ->> 'occurred_at')::timestamptz >= $4 AND (v.row_before ->> 'occurred_at')::timestamptz < $5
)
