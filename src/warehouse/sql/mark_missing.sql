-- Lines that a complete read did not have: the second time in a row they are marked, with their image kept.
WITH absent AS (
    SELECT t.*
    FROM (
        SELECT source_transaction_id, line_id FROM unnest($3::text[], $4::text[]) AS a (source_transaction_id, line_id)
        ORDER BY source_transaction_id, line_id
    ) AS a
    CROSS JOIN LATERAL (
        SELECT t.* FROM fuel.transaction t
        WHERE t.source = $1 AND t.account = $2
            AND t.source_transaction_id = a.source_transaction_id AND t.line_id = a.line_id
            AND t.missing_since IS NULL
        LIMIT 1
        FOR UPDATE
    ) AS t
), kept AS (
    INSERT INTO fuel.transaction_version
        (source, account, source_transaction_id, line_id, version, operation, changed_columns, row_before)
    SELECT source, account, source_transaction_id, line_id, version, 'remove', '{missing_since}', to_jsonb(absent) - 'absent_reads'
    FROM absent WHERE absent_reads + 1 >= 2
)
UPDATE fuel.transaction t SET
    absent_reads = absent.absent_reads + 1,
    missing_since = CASE WHEN absent.absent_reads + 1 >= 2 THEN now() END,
    version = t.version + CASE WHEN absent.absent_reads + 1 >= 2 THEN 1 ELSE 0 END,
    seq = CASE WHEN absent.absent_reads + 1 >= 2 THEN nextval('fuel.change_seq') ELSE t.seq END,
    changed_at = CASE WHEN absent.absent_reads + 1 >= 2 THEN now() ELSE t.changed_at END
FROM absent
WHERE t.source = absent.source AND t.account = absent.account
    AND t.source_transaction_id = absent.source_transaction_id AND t.line_id = absent.line_id
RETURNING t.missing_since IS NOT NULL
