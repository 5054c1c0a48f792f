-- A neighbour's row that the table does not have yet: stored, and from then on its own window's concern.
INSERT INTO fuel.transaction (
    source, account, partition,
    source_transaction_id, line_id, kind, state, source_state, occurred_at, started_at, status_at,
    invoiced_at, contract_no, site_id, site_code, site_name, terminal_id, terminal_name, point, card_number,
    driver_name, driver_no, vehicle_no, license_plate, odometer_km, receipt_no, authorization_code,
    invoice_no, session_id, product_code, product_name, product_type, product, quantity, unit, net_unit_price,
    unit_discount, unit_price, net_amount, vat_rate, vat_amount, gross_amount, paid_amount, payment_method,
    currency, quality, content_hash
)
SELECT
    $1, $2, $3,
    s.source_transaction_id, s.line_id, s.kind, s.state, s.source_state, s.occurred_at, s.started_at,
    s.status_at, s.invoiced_at, s.contract_no, s.site_id, s.site_code, s.site_name, s.terminal_id,
    s.terminal_name, s.point, s.card_number, s.driver_name, s.driver_no, s.vehicle_no, s.license_plate,
    s.odometer_km, s.receipt_no, s.authorization_code, s.invoice_no, s.session_id, s.product_code,
    s.product_name, s.product_type, s.product, s.quantity, s.unit, s.net_unit_price, s.unit_discount,
    s.unit_price, s.net_amount, s.vat_rate, s.vat_amount, s.gross_amount, s.paid_amount, s.payment_method,
    s.currency, s.quality, s.content_hash
FROM pg_temp.stage s
WHERE s.outside
ORDER BY s.source_transaction_id, s.line_id
ON CONFLICT (source, account, source_transaction_id, line_id) DO NOTHING
