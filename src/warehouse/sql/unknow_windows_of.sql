-- As unknow_windows.sql, of lines of which only the keys are at hand.
UPDATE fuel.sync_window w SET digest = NULL, digest_seqs = NULL, known_records = NULL
FROM (
    SELECT DISTINCT t.partition, t.occurred_at
    FROM fuel.transaction t
    JOIN unnest($3::text[], $4::text[]) AS k (source_transaction_id, line_id) USING (source_transaction_id, line_id)
    WHERE t.source = $1 AND t.account = $2
) AS t
WHERE w.source = $1 AND w.account = $2 AND w.partition = t.partition
    AND w.window_start <= t.occurred_at AND w.window_end > t.occurred_at
    AND (w.digest IS NOT NULL OR w.digest_seqs IS NOT NULL OR w.known_records IS NOT NULL)
