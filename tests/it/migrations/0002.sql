-- A record that came twice, with a NUL in it.
INSERT INTO fuel.quarantine (
    source, account, partition, source_transaction_id, fingerprint, record, field, reason, first_seen_at, last_seen_at,
    copies, nul_removed
)
VALUES ('alexela_ev', 'closed', '-', 'q-2', '\x03', '{"transactionId":"q-2"}', 'quantity', 'is no number', '2025-11-05', '2025-11-06', 2, true);
