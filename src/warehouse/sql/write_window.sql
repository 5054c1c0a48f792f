-- The window's counts, unless a read that began later has been written. What the table has of the window is looked at once,
-- and only where something is wanted of it.
INSERT INTO fuel.sync_window AS w (
    source, account, partition, window_start, window_end, state, read_through,
    fetched, inserted, updated, unchanged, quarantined, outside, duplicate, missing,
    digest, attempts, last_error, first_read_at, last_read_at, full_read_at, unstable, asked_at, digest_seqs,
    known_records, sums
)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0, NULL, now(), now(), $17, $18, $19,
    CASE
        WHEN $20 = 'compared' THEN $21::text::numeric
        -- Only while the window has no other rows, and nobody has written to those that were compared.
        WHEN $20 = 'written' AND has.lines = $8 AND has.seqs = $21::text::numeric THEN has.seqs
        -- All rows of the window are this transaction's, or there are more than it wrote.
        WHEN $20 = 'new' AND has.lines = $8 THEN has.seqs
    END,
    $23, CASE WHEN $24 THEN has.sums END
FROM (
    SELECT
        sum(g.lines) AS lines, sum(g.seqs) AS seqs,
        -- As `Sums` is written as JSON, in the same order.
        coalesce(
            jsonb_agg(
                jsonb_build_object(
                    'product', g.product, 'currency', g.currency, 'unit', g.unit, 'rows', g.lines,
                    'quantity', round(coalesce(g.quantity, 0), 4)::text, 'net', round(coalesce(g.net, 0), 4)::text,
                    'vat', round(coalesce(g.vat, 0), 4)::text, 'gross', round(coalesce(g.gross, 0), 4)::text
                )
                ORDER BY g.product COLLATE "C" NULLS FIRST, g.currency COLLATE "C" NULLS FIRST, g.unit COLLATE "C" NULLS FIRST
            ) FILTER (WHERE g.are_sales),
            '[]'
        ) AS sums
    FROM (
        SELECT
            t.product, t.currency, t.unit, t.state IN ('posted', 'invoiced') AND t.missing_since IS NULL AS are_sales,
            count(*) AS lines, sum(t.seq) AS seqs,
            sum(t.quantity) AS quantity, sum(t.net_amount) AS net, sum(t.vat_amount) AS vat, sum(t.gross_amount) AS gross
        FROM fuel.transaction t
        WHERE t.source = $1 AND t.account = $2 AND t.partition = $3 AND t.occurred_at >= $4 AND t.occurred_at < $5
            AND $24 AND (
                $20 <> 'as_it_was'
                OR EXISTS (
                    SELECT FROM fuel.sync_window k
                    WHERE k.source = $1 AND k.account = $2 AND k.partition = $3 AND k.window_start = $4 AND k.sums IS NULL
                )
            )
        GROUP BY 1, 2, 3, 4
    ) AS g
) AS has
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
    sums = CASE WHEN $20 = 'as_it_was' AND w.digest = excluded.digest AND w.sums IS NOT NULL THEN w.sums ELSE excluded.sums END
WHERE w.asked_at IS NULL OR w.asked_at <= excluded.asked_at
