-- Of each stream the windows of the last certificate of a stretch that had it, and rather of one in which nothing was found: what was
-- found once is not taken for what it ought to be.
SELECT w.source, w.account, w.partition, c.certificate_id, c.made_at, c.through_seq, w.window_start, w.window_end, w.digest
FROM (
    SELECT DISTINCT ON (w.source, w.account, w.partition) w.source, w.account, w.partition, c.certificate_id
    FROM fuel.certificate c
    JOIN fuel.certificate_window w USING (certificate_id)
    WHERE c.stretch_start = $1 AND c.stretch_end = $2
    ORDER BY w.source, w.account, w.partition, c.findings = 0 DESC, c.made_at DESC, c.certificate_id DESC
) AS last
JOIN fuel.certificate c USING (certificate_id)
JOIN fuel.certificate_window w USING (certificate_id, source, account, partition)
ORDER BY w.source, w.account, w.partition, w.window_start
