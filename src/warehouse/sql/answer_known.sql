-- Whether the table has exactly what was read: the answer is that of an earlier whole read, and since then no row of the
-- window has come, gone, or been given other content (each writing of content gives a row a higher seq), and none is
-- missing or was absent from a read.
SELECT EXISTS (
    SELECT
    FROM fuel.sync_window w
    CROSS JOIN LATERAL (
        SELECT
            count(*) AS lines,
            count(*) FILTER (WHERE t.missing_since IS NULL AND t.absent_reads = 0) AS present,
            coalesce(sum(t.seq), 0) AS seqs
        FROM fuel.transaction t
        WHERE t.source = w.source AND t.account = w.account AND t.partition = w.partition
            AND t.occurred_at >= w.window_start AND t.occurred_at < w.window_end
    ) AS has
    WHERE w.source = $1 AND w.account = $2 AND w.partition = $3 AND w.window_start = $4 AND w.window_end = $5
        AND w.digest = $6 AND w.digest_seqs IS NOT NULL
        AND has.lines = $7 AND has.present = $7 AND has.seqs = w.digest_seqs
)
