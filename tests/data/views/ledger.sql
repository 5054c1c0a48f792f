-- Streams and their days, told from today: d(n, h) is so many days ago at an hour, UTC.
CREATE FUNCTION public.d(days integer, hours integer DEFAULT 0) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT date_trunc('day', now(), 'UTC') - days * interval '24 hours' + hours * interval '1 hour'
$$;
INSERT INTO fuel.checkpoint (source, account, partition, watermark, last_pass_at, last_outcome, last_error) VALUES
    ('hecone', 'north', '-', public.d(0), public.d(0), 'ok', NULL),
    ('alexela_card', 'fleet', '1', public.d(10), public.d(0), 'failed', 'HTTP 503'),
    ('alexela_card', 'fleet', '2', public.d(5), public.d(0), 'withdrawn', 'refused'),
    ('alexela_ev', 'fleet', '-', NULL, NULL, NULL, NULL);
INSERT INTO fuel.sync_window (source, account, partition, window_start, window_end, state, read_through, fetched, inserted, quarantined, missing, first_read_at, last_read_at, full_read_at, final_at) VALUES
    -- Six days ago final, five read again, four read once, of three a half not read, the day after not at all.
    ('hecone', 'north', '-', public.d(6), public.d(6, 12), 'final', public.d(6, 12), 3, 3, 0, 0, public.d(5), public.d(4), public.d(4), public.d(3)),
    ('hecone', 'north', '-', public.d(6, 12), public.d(5), 'final', public.d(5), 4, 4, 0, 1, public.d(5), public.d(4), public.d(4), public.d(3)),
    ('hecone', 'north', '-', public.d(5), public.d(5, 12), 'final', public.d(5, 12), 1, 1, 0, 0, public.d(4), public.d(3), public.d(3), public.d(3)),
    ('hecone', 'north', '-', public.d(5, 12), public.d(4), 'read', public.d(4), 2, 1, 1, 0, public.d(4), public.d(3), public.d(3), NULL),
    ('hecone', 'north', '-', public.d(4), public.d(3), 'read', public.d(3), 5, 5, 0, 0, public.d(3), public.d(3), public.d(3), NULL),
    ('hecone', 'north', '-', public.d(3), public.d(2), 'open', public.d(3, 12), 0, 0, 0, 0, public.d(3, 12), public.d(3, 12), NULL, NULL),
    ('hecone', 'north', '-', public.d(1), public.d(0), 'read', public.d(0), 6, 6, 0, 0, public.d(0), public.d(0), public.d(0), NULL),
    -- A week of which the first day and a half are lost, and a window that fails.
    ('alexela_card', 'fleet', '1', public.d(14), public.d(11), 'read', public.d(11), 9, 9, 0, 0, public.d(10), public.d(10), public.d(10), NULL),
    ('alexela_card', 'fleet', '1', public.d(11), public.d(10), 'failing', NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL),
    ('alexela_card', 'fleet', '2', public.d(7), public.d(4), 'open', public.d(5, 6), 0, 0, 0, 0, public.d(5, 6), public.d(5, 6), NULL, NULL);
INSERT INTO fuel.gap (source, account, partition, gap_start, gap_end, reason) VALUES
    ('alexela_card', 'fleet', '1', public.d(15), public.d(14, 12), 'not served'),
    ('hecone', 'north', '-', public.d(2), public.d(2, 6), 'not served'),
    ('hecone', 'north', '-', public.d(2, 6), public.d(1), 'not served');
INSERT INTO fuel.quarantine (source, account, partition, fingerprint, record, field, reason, resolved_at) VALUES
    ('hecone', 'north', '-', '\x01', '{}', 'id', 'is missing', NULL),
    ('hecone', 'north', '-', '\x02', '{}', 'id', 'is missing', now());
