-- One whose records are known by their text.
INSERT INTO fuel.sync_window (
    source, account, partition, window_start, window_end, state, read_through, fetched, unchanged, digest, known_records
)
VALUES ('alexela_bonus', 'closed', '-', '2025-11-13 00:00+00', '2025-11-20 00:00+00', 'read', '2025-11-20 00:00+00', 1, 1, '\xcafe',
    decode(repeat('0123456789abcdef', 500), 'hex'));
