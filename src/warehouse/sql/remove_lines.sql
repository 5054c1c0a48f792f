-- The lines of a HecOne transaction are replaced as a set: what a new image no longer has goes away. Whoever follows
-- fuel.changes is told by another line of the transaction, which is written after this in the same commit; one that is not
-- going to be, because its content is what it was, gets a number for that and nothing else.
WITH gone AS (
    DELETE FROM fuel.transaction t
    USING (SELECT DISTINCT source_transaction_id FROM pg_temp.stage) AS whole
    WHERE t.source = $1 AND t.account = $2 AND t.source_transaction_id = whole.source_transaction_id
        AND NOT EXISTS (
            SELECT FROM pg_temp.stage s
            WHERE s.source_transaction_id = t.source_transaction_id AND s.line_id = t.line_id
        )
    RETURNING t.*
), kept AS (
    INSERT INTO fuel.transaction_version
        (source, account, source_transaction_id, line_id, version, operation, changed_columns, row_before)
    SELECT
        gone.source, gone.account, gone.source_transaction_id, gone.line_id, gone.version, 'remove', '{}',
        (to_jsonb(gone) - 'absent_reads')
            || CASE WHEN r.raw IS NULL THEN '{}' ELSE jsonb_build_object('raw', fuel.as_jsonb(r.raw)) END
    FROM gone
    LEFT JOIN fuel.record r ON r.source = gone.source AND r.account = gone.account
        AND r.source_transaction_id = gone.source_transaction_id AND r.line_id = '-'
    ORDER BY gone.source_transaction_id, gone.line_id
)
UPDATE fuel.transaction t SET seq = nextval('fuel.change_seq')
FROM pg_temp.stage s
WHERE t.source = $1 AND t.account = $2
    AND t.source_transaction_id = s.source_transaction_id AND t.line_id = s.line_id
    AND t.content_hash = s.content_hash AND t.missing_since IS NULL
    AND s.source_transaction_id IN (SELECT gone.source_transaction_id FROM gone)
