-- The windows that these times lie in are due at the next pass, whatever their age.
UPDATE fuel.sync_window w SET
    full_read_at = NULL, final_at = NULL, state = CASE w.state WHEN 'final' THEN 'read' ELSE w.state END
WHERE w.source = $1 AND w.account = $2 AND w.partition = $3 AND w.read_through IS NOT NULL
    AND EXISTS (SELECT FROM unnest($4::timestamptz[]) AS at WHERE at >= w.window_start AND at < w.window_end)
RETURNING w.window_start, w.window_end
