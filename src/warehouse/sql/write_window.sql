-- The window's counts, unless a read that began later has been written.
INSERT INTO fuel.sync_window AS w (
    source, account, partition, window_start, window_end, state, read_through,
    fetched, inserted, updated, unchanged, quarantined, outside, duplicate, missing,
    digest, attempts, last_error, first_read_at, last_read_at, full_read_at, unstable, asked_at, digest_seqs,
    known_records
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0, NULL, now(), now(), $17, $18, $19,
    CASE $20
        WHEN 'compared' THEN $21::text::numeric
        -- Only while the window has no other rows, and nobody has written to those that were compared.
        WHEN 'written' THEN (
            SELECT CASE WHEN count(*) = $8 AND sum(t.seq) = $21::text::numeric THEN sum(t.seq) END
            FROM fuel.transaction t
            WHERE t.source = $1 AND t.account = $2 AND t.partition = $3 AND t.occurred_at >= $4 AND t.occurred_at < $5
        )
        -- All rows of the window are this transaction's, or there are more than it wrote.
        WHEN 'new' THEN (
            SELECT CASE WHEN count(*) = $8 THEN sum(t.seq) END
            FROM fuel.transaction t
            WHERE t.source = $1 AND t.account = $2 AND t.partition = $3 AND t.occurred_at >= $4 AND t.occurred_at < $5
        )
    END, $23)
ON CONFLICT (source, account, partition, window_start) DO UPDATE SET
    window_end = excluded.window_end, state = excluded.state, read_through = excluded.read_through,
    fetched = excluded.fetched, inserted = excluded.inserted, updated = excluded.updated, unchanged = excluded.unchanged,
    quarantined = excluded.quarantined, outside = excluded.outside, duplicate = excluded.duplicate, missing = excluded.missing,
    digest = excluded.digest, attempts = 0, last_error = NULL,
    first_read_at = coalesce(w.first_read_at, now()), last_read_at = now(),
    full_read_at = coalesce(excluded.full_read_at, w.full_read_at), final_at = NULL,
    unstable = excluded.unstable, asked_at = excluded.asked_at,
    digest_seqs = CASE WHEN $20 = 'as_it_was' AND w.digest = excluded.digest THEN w.digest_seqs ELSE excluded.digest_seqs END,
    known_records = CASE WHEN $22 THEN w.known_records ELSE excluded.known_records END
WHERE w.asked_at IS NULL OR w.asked_at <= excluded.asked_at
