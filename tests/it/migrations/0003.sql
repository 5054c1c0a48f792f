-- A window whose rows are known to be what was read.
INSERT INTO fuel.sync_window (
    source, account, partition, window_start, window_end, state, read_through, fetched, unchanged, digest, digest_seqs
)
VALUES ('alexela_bonus', 'closed', '-', '2025-11-06 00:00+00', '2025-11-13 00:00+00', 'read', '2025-11-13 00:00+00', 1, 1, '\xcafe',
    123456789012345678901234567890);
