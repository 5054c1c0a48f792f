-- Lines of a stretch that are marked missing, and of which no image was kept when they were: no read has marked them.
SELECT t.source_transaction_id, t.line_id, t.occurred_at
FROM fuel.transaction t
WHERE t.source = $1 AND t.account = $2 AND t.partition = $3 AND t.occurred_at >= $4 AND t.occurred_at < $5
    AND t.missing_since IS NOT NULL
    AND NOT EXISTS (
        SELECT FROM fuel.transaction_version v
        WHERE v.source = t.source AND v.account = t.account AND v.source_transaction_id = t.source_transaction_id
            AND v.line_id = t.line_id AND v.version = t.version - 1 AND v.operation = 'remove'
    )
ORDER BY t.occurred_at, t.source_transaction_id, t.line_id
