-- A certificate with its windows.
INSERT INTO fuel.certificate (
    certificate_id, stretch_start, stretch_end, made_at, version, host, through_seq, rows, findings, root
)
VALUES ('01930000-0000-7000-8000-000000000003', '2025-11-01', '2025-12-01', '2025-12-02', '0.1.0', 'closed', 7, 6, 1, '\xabcd');
INSERT INTO fuel.certificate_window (
    certificate_id, source, account, partition, window_start, window_end, state, quarantined, rows, missing, sums, digest
)
SELECT '01930000-0000-7000-8000-000000000003', 'hecone', 'closed', '-', start, start + interval '6 hours', state, 1, 2, 3,
    '[{"product": "diesel", "gross": "56.1000"}]', '\x0102'
FROM (VALUES
    (timestamptz '2025-11-03 06:00+00', 'provisional'), (timestamptz '2025-11-03 12:00+00', 'final'),
    (timestamptz '2025-11-03 18:00+00', 'missing'), (timestamptz '2025-11-04 00:00+00', 'quarantined'),
    (timestamptz '2025-11-04 06:00+00', 'not_covered')
) AS cut (start, state);
