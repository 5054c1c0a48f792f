COPY fuel.transaction (
    source_transaction_id, line_id, kind, state, source_state, occurred_at, started_at, status_at,
    invoiced_at, contract_no, site_id, site_code, site_name, terminal_id, terminal_name, point, card_number,
    driver_name, driver_no, vehicle_no, license_plate, odometer_km, receipt_no, authorization_code,
    invoice_no, session_id, product_code, product_name, product_type, product, quantity, unit, net_unit_price,
    unit_discount, unit_price, net_amount, vat_rate, vat_amount, gross_amount, paid_amount, payment_method,
    currency, quality, content_hash, source, account, partition
) FROM STDIN (FORMAT binary)
