-- What the ledger keeps of the contents of these lines' windows no longer holds; the next whole read keeps it anew.
UPDATE fuel.sync_window w SET digest = NULL, digest_seqs = NULL, known_records = NULL
WHERE w.source = $1 AND w.account = $2 AND w.partition = $3
    AND (w.digest IS NOT NULL OR w.digest_seqs IS NOT NULL OR w.known_records IS NOT NULL)
    AND EXISTS (
        SELECT FROM unnest($4::timestamptz[]) AS at WHERE at >= w.window_start AND at < w.window_end
    )
