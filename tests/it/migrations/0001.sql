-- An account that is read no more, as the first version left it: every table, every column, every state.
INSERT INTO fuel.transaction (
    source, account, source_transaction_id, line_id, partition, kind, state, source_state, occurred_at, started_at,
    status_at, invoiced_at, contract_no, site_id, site_code, site_name, terminal_id, terminal_name, point, card_number,
    driver_name, driver_no, vehicle_no, license_plate, odometer_km, receipt_no, authorization_code, invoice_no, session_id,
    product_code, product_name, product_type, product, quantity, unit, net_unit_price, unit_discount, unit_price,
    net_amount, vat_rate, vat_amount, gross_amount, paid_amount, payment_method, currency, quality, content_hash, version,
    first_seen_at, changed_at, missing_since, absent_reads
)
SELECT
    source, 'closed', id, line, partition, kind, state, 'as it said', timestamptz '2025-11-03 07:15:00.25+00' + n * interval '7 hours',
    timestamptz '2025-11-03 06:00+00', timestamptz '2025-11-04 00:00+00', timestamptz '2025-11-30 00:00+00', partition, '17', 'S17',
    E'Õismäe "tankla"\n2. rida \\ lõpp', 'T1', 'OPT', '4', '700012******0017', 'Jüri Õun', 'D7', 'V9', '123 ABC',
    987654321012, 'R-1', 'A-1', 'INV-2025-11', 'HBJ-1', '01', 'Diislikütus B0', 'FUEL', 'diesel', 99999999999999.9999,
    'L', 1.2345, -0.0150, 1.5000, -0.0001, 22, 12.3400, 56.1000, 60.0000, 'card', 'EUR', '{vat_mismatch,"with, comma"}',
    '\x00ff10', n, '2025-11-05 01:02:03.456789+00', '2025-11-06 01:02:03.456789+00',
    CASE WHEN n = 5 THEN timestamptz '2025-12-01 00:00+00' END, CASE WHEN n = 5 THEN 2 ELSE 0 END
FROM (VALUES
    (1, 'hecone', 'a-1', '1', '-', 'fuel', 'provisional'),
    (2, 'hecone', 'a-1', '2', '-', 'goods', 'posted'),
    (3, 'alexela_card', '900', '01', '10001', 'car_wash', 'invoiced'),
    (4, 'alexela_card', '900', '01#2', '10001', 'other', 'cancelled'),
    (5, 'alexela_bonus', '901', '-', '-', 'parking', 'declined'),
    (6, 'alexela_ev', '902', '1', '-', 'ev_charging', 'error')
) AS line (n, source, id, line, partition, kind, state);

-- One that is nothing but its key.
INSERT INTO fuel.transaction (
    source, account, source_transaction_id, line_id, partition, kind, state, occurred_at, quality, content_hash
)
VALUES ('hecone', 'closed', 'a-2', '-', '-', 'other', 'posted', '2025-12-31 23:59:59.999999+00', '{}', '\x');

INSERT INTO fuel.record (source, account, source_transaction_id, line_id, raw, normalizer, first_seen_at, changed_at)
VALUES
    ('hecone', 'closed', 'a-1', '-', '{ "id":"a-1",  "digits": 1.50, "digits": 12345678901234567890.10, "nul": "" }', 1, '2025-11-05', '2025-11-06'),
    ('hecone', 'closed', 'a-2', '-', '{}', 1, '2025-11-05', '2025-11-06'),
    ('alexela_card', 'closed', '900', '01', '{"transactionId":900}', 1, '2025-11-05', '2025-11-06'),
    ('alexela_card', 'closed', '900', '01#2', '{"transactionId":900,"second":true}', 1, '2025-11-05', '2025-11-06'),
    ('alexela_bonus', 'closed', '901', '-', '{"transactionId":901}', 1, '2025-11-05', '2025-11-06'),
    ('alexela_ev', 'closed', '902', '1', '{"transactionId":902}', 1, '2025-11-05', '2025-11-06');

INSERT INTO fuel.transaction_version (
    source, account, source_transaction_id, line_id, version, operation, changed_columns, row_before, replaced_at
)
SELECT t.source, t.account, t.source_transaction_id, t.line_id, t.version - 1, operation, columns,
    (to_jsonb(t) - 'absent_reads') || '{"state": "provisional", "quantity": 1.0000}', timestamptz '2025-11-06 01:02:03+00'
FROM fuel.transaction t
JOIN (VALUES ('a-1', '1', 'change', '{quantity,state}'::text[]), ('901', '-', 'remove', '{missing_since}'), ('902', '1', 'return', '{missing_since,raw}'))
    AS image (id, line, operation, columns) ON t.source_transaction_id = image.id AND t.line_id = image.line
WHERE t.account = 'closed';
INSERT INTO fuel.transaction_version (
    source, account, source_transaction_id, line_id, version, operation, changed_columns, row_before, replaced_at
)
VALUES ('hecone', 'closed', 'a-1', '3', 1, 'remove', '{}', '{"line_id": "3", "raw": {"id": "a-1"}}', '2025-11-06 01:02:03+00');

INSERT INTO fuel.checkpoint (
    source, account, partition, watermark, epoch, lease_owner, lease_expires_at, updated_at, last_pass_at, last_outcome,
    last_error, seen_at
)
VALUES
    ('hecone', 'closed', '-', '2025-12-31 00:00+00', 17, NULL, NULL, '2026-01-01', '2026-01-01', 'ok', NULL, '2026-01-01'),
    ('alexela_card', 'closed', '10001', '2025-12-24 00:00+00', 3, 'old:1:00000000', '2026-01-01', '2026-01-01', '2026-01-01',
        'withdrawn', 'the vendor no longer lists this contract; its rows stay as they are', '2026-01-01'),
    ('alexela_bonus', 'closed', '-', NULL, 1, NULL, NULL, '2026-01-01', NULL, NULL, NULL, '2026-01-01'),
    ('alexela_ev', 'closed', '-', '2025-12-31 00:00+00', 2, NULL, NULL, '2026-01-01', '2026-01-01', 'failed', 'HTTP 503', '2026-01-01');

INSERT INTO fuel.sync_window (
    source, account, partition, window_start, window_end, state, read_through, fetched, inserted, updated, unchanged,
    quarantined, outside, duplicate, missing, digest, attempts, last_error, first_read_at, last_read_at, full_read_at,
    final_at, asked_at, unstable, claim_owner, claim_expires_at
)
VALUES
    ('hecone', 'closed', '-', '2025-11-03 06:00+00', '2025-11-03 12:00+00', 'read', '2025-11-03 12:00+00', 21, 1, 2, 3, 4, 5, 6,
        1, '\xdead', 0, NULL, '2025-11-05', '2025-11-06', '2025-11-06', NULL, '2025-11-06', true, NULL, NULL),
    ('hecone', 'closed', '-', '2025-11-03 12:00+00', '2025-11-03 18:00+00', 'final', '2025-11-03 18:00+00', 1, 1, 0, 0, 0, 0, 0,
        0, '\xbeef', 0, NULL, '2025-11-05', '2025-11-06', '2025-11-06', '2025-12-20', '2025-11-06', false, NULL, NULL),
    ('hecone', 'closed', '-', '2025-11-03 18:00+00', '2025-11-04 00:00+00', 'failing', NULL, 0, 0, 0, 0, 0, 0, 0,
        0, NULL, 3, 'HTTP 503', NULL, NULL, NULL, NULL, '2025-11-06', false, NULL, NULL),
    ('alexela_ev', 'closed', '-', '2025-11-06 00:00+00', '2025-11-13 00:00+00', 'open', NULL, 0, 0, 0, 0, 0, 0, 0,
        0, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, false, 'old:1:00000000', '2025-11-06');

INSERT INTO fuel.sync_run (
    run_id, mode, version, host, started_at, finished_at, outcome, windows, fetched, inserted, updated, unchanged,
    quarantined, outside, duplicate, missing
)
VALUES
    ('01930000-0000-7000-8000-000000000001', 'run', '0.1.0', 'closed', '2025-11-05', '2025-11-05 00:01+00', 'partial', 3, 21, 1, 2, 3, 4, 5, 6, 7),
    ('01930000-0000-7000-8000-000000000002', 'verify', '0.1.0', 'closed', '2025-11-05', NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0);

INSERT INTO fuel.quarantine (
    source, account, partition, source_transaction_id, window_start, fingerprint, record, field, reason, first_seen_at,
    last_seen_at, resolved_at, dropped
)
VALUES
    ('hecone', 'closed', '-', 'q-1', '2025-11-03 06:00+00', '\x01', '{ "id": "q-1", "created_at": 7 }', 'created_at', 'is no time', '2025-11-05', '2025-11-06', NULL, false),
    ('alexela_card', 'closed', '10001', NULL, NULL, '\x02', '{}', 'transactionId', 'is missing', '2025-11-05', '2025-11-06', '2025-11-07', true);

INSERT INTO fuel.gap (source, account, partition, gap_start, gap_end, reason, recorded_at)
VALUES ('alexela_card', 'closed', '10001', '2025-05-01 00:00+00', '2025-06-11 00:00+00', 'the source serves five months', '2025-11-05');
