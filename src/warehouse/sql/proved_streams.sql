-- Every stream that has a checkpoint, a window, a gap or a line, or had something when a certificate was made; those of lines by leaps over the index by time. How its last
-- pass ended, and up to when it has been read.
WITH RECURSIVE leap AS (
    (
        SELECT t.partition, t.source, t.account FROM fuel.transaction t
        ORDER BY t.partition, t.source, t.account LIMIT 1
    )
    UNION ALL
    SELECT next.* FROM leap
    CROSS JOIN LATERAL (
        SELECT t.partition, t.source, t.account FROM fuel.transaction t
        WHERE (t.partition, t.source, t.account) > (leap.partition, leap.source, leap.account)
        ORDER BY t.partition, t.source, t.account LIMIT 1
    ) AS next
), streams AS (
    SELECT source, account, partition FROM leap
    UNION
    -- How the list of an account's contracts was had is kept as one, and is no stream.
    SELECT source, account, partition FROM fuel.checkpoint WHERE NOT (source = 'alexela_card' AND partition = '-')
    UNION
    SELECT DISTINCT source, account, partition FROM fuel.sync_window
    UNION
    SELECT DISTINCT source, account, partition FROM fuel.gap
    UNION
    SELECT DISTINCT source, account, partition FROM fuel.certificate_window WHERE rows > 0
)
SELECT
    s.source, s.account, s.partition, c.watermark, c.last_outcome,
    (
        SELECT max(least(w.window_end, w.read_through)) FROM fuel.sync_window w
        WHERE w.source = s.source AND w.account = s.account AND w.partition = s.partition
            AND w.read_through > w.window_start
    )
FROM streams s
LEFT JOIN fuel.checkpoint c ON c.source = s.source AND c.account = s.account AND c.partition = s.partition
ORDER BY s.source COLLATE "C", s.account COLLATE "C", s.partition COLLATE "C"
