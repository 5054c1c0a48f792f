-- The image that each changed or returned line is about to lose, with the record's text when that changes, too. The columns
-- are compared one by one: taking both rows apart as jsonb and joining the parts took nearly twice as long.
INSERT INTO fuel.transaction_version
    (source, account, source_transaction_id, line_id, version, operation, changed_columns, row_before)
SELECT
    t.source, t.account, t.source_transaction_id, t.line_id, t.version,
    CASE WHEN t.missing_since IS NULL THEN 'change' ELSE 'return' END,
    array_remove(ARRAY[
        CASE WHEN t.authorization_code IS DISTINCT FROM s.authorization_code THEN 'authorization_code' END,
        CASE WHEN t.card_number IS DISTINCT FROM s.card_number THEN 'card_number' END,
        CASE WHEN t.contract_no IS DISTINCT FROM s.contract_no THEN 'contract_no' END,
        CASE WHEN t.currency IS DISTINCT FROM s.currency THEN 'currency' END,
        CASE WHEN t.driver_name IS DISTINCT FROM s.driver_name THEN 'driver_name' END,
        CASE WHEN t.driver_no IS DISTINCT FROM s.driver_no THEN 'driver_no' END,
        CASE WHEN t.gross_amount IS DISTINCT FROM s.gross_amount THEN 'gross_amount' END,
        CASE WHEN t.invoice_no IS DISTINCT FROM s.invoice_no THEN 'invoice_no' END,
        CASE WHEN t.invoiced_at IS DISTINCT FROM s.invoiced_at THEN 'invoiced_at' END,
        CASE WHEN t.kind IS DISTINCT FROM s.kind THEN 'kind' END,
        CASE WHEN t.license_plate IS DISTINCT FROM s.license_plate THEN 'license_plate' END,
        CASE WHEN t.net_amount IS DISTINCT FROM s.net_amount THEN 'net_amount' END,
        CASE WHEN t.net_unit_price IS DISTINCT FROM s.net_unit_price THEN 'net_unit_price' END,
        CASE WHEN t.occurred_at IS DISTINCT FROM s.occurred_at THEN 'occurred_at' END,
        CASE WHEN t.odometer_km IS DISTINCT FROM s.odometer_km THEN 'odometer_km' END,
        CASE WHEN t.paid_amount IS DISTINCT FROM s.paid_amount THEN 'paid_amount' END,
        CASE WHEN t.partition <> $4 THEN 'partition' END,
        CASE WHEN t.payment_method IS DISTINCT FROM s.payment_method THEN 'payment_method' END,
        CASE WHEN t.point IS DISTINCT FROM s.point THEN 'point' END,
        CASE WHEN t.product IS DISTINCT FROM s.product THEN 'product' END,
        CASE WHEN t.product_code IS DISTINCT FROM s.product_code THEN 'product_code' END,
        CASE WHEN t.product_name IS DISTINCT FROM s.product_name THEN 'product_name' END,
        CASE WHEN t.product_type IS DISTINCT FROM s.product_type THEN 'product_type' END,
        CASE WHEN t.quality IS DISTINCT FROM s.quality THEN 'quality' END,
        CASE WHEN t.quantity IS DISTINCT FROM s.quantity THEN 'quantity' END,
        CASE WHEN t.receipt_no IS DISTINCT FROM s.receipt_no THEN 'receipt_no' END,
        CASE WHEN t.session_id IS DISTINCT FROM s.session_id THEN 'session_id' END,
        CASE WHEN t.site_code IS DISTINCT FROM s.site_code THEN 'site_code' END,
        CASE WHEN t.site_id IS DISTINCT FROM s.site_id THEN 'site_id' END,
        CASE WHEN t.site_name IS DISTINCT FROM s.site_name THEN 'site_name' END,
        CASE WHEN t.source_state IS DISTINCT FROM s.source_state THEN 'source_state' END,
        CASE WHEN t.started_at IS DISTINCT FROM s.started_at THEN 'started_at' END,
        CASE WHEN t.state IS DISTINCT FROM s.state THEN 'state' END,
        CASE WHEN t.status_at IS DISTINCT FROM s.status_at THEN 'status_at' END,
        CASE WHEN t.terminal_id IS DISTINCT FROM s.terminal_id THEN 'terminal_id' END,
        CASE WHEN t.terminal_name IS DISTINCT FROM s.terminal_name THEN 'terminal_name' END,
        CASE WHEN t.unit IS DISTINCT FROM s.unit THEN 'unit' END,
        CASE WHEN t.unit_discount IS DISTINCT FROM s.unit_discount THEN 'unit_discount' END,
        CASE WHEN t.unit_price IS DISTINCT FROM s.unit_price THEN 'unit_price' END,
        CASE WHEN t.vat_amount IS DISTINCT FROM s.vat_amount THEN 'vat_amount' END,
        CASE WHEN t.vat_rate IS DISTINCT FROM s.vat_rate THEN 'vat_rate' END,
        CASE WHEN t.vehicle_no IS DISTINCT FROM s.vehicle_no THEN 'vehicle_no' END
    ], NULL) || CASE WHEN t.missing_since IS NULL THEN '{}'::text[] ELSE '{missing_since}' END
        || CASE WHEN r.raw::text IS DISTINCT FROM sr.raw::text THEN '{raw}'::text[] ELSE '{}' END,
    (to_jsonb(t) - 'absent_reads')
        || CASE WHEN r.raw::text IS DISTINCT FROM sr.raw::text THEN jsonb_build_object('raw', fuel.as_jsonb(r.raw)) ELSE '{}' END
FROM pg_temp.stage s
CROSS JOIN LATERAL (
    SELECT t.* FROM fuel.transaction t
    WHERE t.source = $1 AND t.account = $2
        AND t.source_transaction_id = s.source_transaction_id AND t.line_id = s.line_id
    LIMIT 1
) AS t
LEFT JOIN pg_temp.stage_record sr ON sr.source_transaction_id = s.source_transaction_id
    AND sr.line_id = CASE WHEN $3 THEN '-' ELSE s.line_id END
LEFT JOIN LATERAL (
    SELECT r.raw FROM fuel.record r
    WHERE r.source = $1 AND r.account = $2 AND r.source_transaction_id = s.source_transaction_id
        AND r.line_id = CASE WHEN $3 THEN '-' ELSE s.line_id END
    LIMIT 1
) AS r ON true
WHERE t.content_hash <> s.content_hash OR t.missing_since IS NOT NULL
