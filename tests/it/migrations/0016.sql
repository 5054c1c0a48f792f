-- One whose sales are summed up.
INSERT INTO fuel.sync_window (
    source, account, partition, window_start, window_end, state, read_through, fetched, unchanged, digest, sums, sums_at
)
VALUES ('alexela_bonus', 'closed', '-', '2025-11-20 00:00+00', '2025-11-27 00:00+00', 'read', '2025-11-27 00:00+00', 1, 1, '\xcafe',
    '[{"product": "diesel", "currency": "EUR", "unit": "L", "rows": 1, "quantity": "40.0000", "net": "50.0000", "vat": "11.0000", "gross": "61.0000"}]', '2025-11-27 00:05+00');
