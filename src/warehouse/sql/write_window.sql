-- The window's counts, unless a read that began later has been written. What the table has of the window is looked at once,
-- and only where something is wanted of it.
INSERT INTO fuel.sync_window AS w (
    source, account, partition, window_start, window_end, state, read_through,
    fetched, inserted, updated, unchanged, quarantined, outside, duplicate, missing,
    digest, attempts, last_error, first_read_at, last_read_at, full_read_at, unstable, asked_at, digest_seqs,
    known_records, sums, sums_at
)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0, NULL, now(), now(), $17, $18, $19,
    CASE
        WHEN $20 = 'compared' THEN $21::text::numeric
        -- Only while the window has no other rows, and nobody has written to those that were compared.
        WHEN $20 = 'written' AND has.lines = $8 AND has.seqs = $21::text::numeric THEN has.seqs
        -- All rows of the window are this transaction's, or there are more than it wrote.
        WHEN $20 = 'new' AND has.lines = $8 THEN has.seqs
    END,
    $23, has.sums, CASE WHEN has.sums IS NOT NULL THEN now() END
FROM (VALUES (1)) AS one
LEFT JOIN LATERAL (
    SELECT * FROM fuel.window_sums($1, $2, $3, $4, $5)
    WHERE $24 AND (
        $20 <> 'as_it_was'
        OR EXISTS (
            SELECT FROM fuel.sync_window k
            WHERE k.source = $1 AND k.account = $2 AND k.partition = $3 AND k.window_start = $4
                AND k.sums_at IS DISTINCT FROM k.last_read_at
        )
    )
) AS has ON true
ON CONFLICT (source, account, partition, window_start) DO UPDATE SET
    window_end = excluded.window_end, state = excluded.state, read_through = excluded.read_through,
    fetched = excluded.fetched, inserted = excluded.inserted, updated = excluded.updated, unchanged = excluded.unchanged,
    quarantined = excluded.quarantined, outside = excluded.outside, duplicate = excluded.duplicate, missing = excluded.missing,
    digest = excluded.digest, attempts = 0, last_error = NULL,
    first_read_at = coalesce(w.first_read_at, now()), last_read_at = now(),
    full_read_at = coalesce(excluded.full_read_at, w.full_read_at), final_at = NULL,
    unstable = excluded.unstable, asked_at = excluded.asked_at,
    digest_seqs = CASE WHEN $20 = 'as_it_was' AND w.digest = excluded.digest THEN w.digest_seqs ELSE excluded.digest_seqs END,
    known_records = CASE WHEN $22 THEN w.known_records ELSE excluded.known_records END,
    sums = CASE WHEN $20 = 'as_it_was' AND w.digest = excluded.digest AND w.sums_at = w.last_read_at THEN w.sums ELSE excluded.sums END,
    sums_at = CASE WHEN $20 = 'as_it_was' AND w.digest = excluded.digest AND w.sums_at = w.last_read_at THEN now() ELSE excluded.sums_at END
WHERE w.asked_at IS NULL OR w.asked_at <= excluded.asked_at
