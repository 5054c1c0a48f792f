-- Lines without what was forgotten. No version is kept of them and none is counted, for the source has changed nothing; but
-- whoever follows fuel.changes is told.
UPDATE fuel.transaction t SET
    source_state = s.source_state, contract_no = s.contract_no, site_id = s.site_id, site_code = s.site_code,
    site_name = s.site_name, terminal_id = s.terminal_id, terminal_name = s.terminal_name, point = s.point,
    card_number = s.card_number, driver_name = s.driver_name, driver_no = s.driver_no, vehicle_no = s.vehicle_no,
    license_plate = s.license_plate, odometer_km = s.odometer_km, receipt_no = s.receipt_no,
    authorization_code = s.authorization_code, invoice_no = s.invoice_no, session_id = s.session_id,
    product_name = s.product_name, product_type = s.product_type, payment_method = s.payment_method,
    -- Where lines alike in id and product changed their numbers, one's content goes to the other's key.
    kind = s.kind, state = s.state, occurred_at = s.occurred_at, started_at = s.started_at, status_at = s.status_at,
    invoiced_at = s.invoiced_at, product_code = s.product_code, product = s.product, quantity = s.quantity, unit = s.unit,
    net_unit_price = s.net_unit_price, unit_discount = s.unit_discount, unit_price = s.unit_price,
    net_amount = s.net_amount, vat_rate = s.vat_rate, vat_amount = s.vat_amount, gross_amount = s.gross_amount,
    paid_amount = s.paid_amount, currency = s.currency, quality = s.quality,
    content_hash = s.content_hash, seq = nextval('fuel.change_seq')
FROM pg_temp.stage s
WHERE t.source = $1 AND t.account = $2 AND t.source_transaction_id = s.source_transaction_id AND t.line_id = s.line_id
    -- What was put into a personal column by hand is in no digest.
    AND (t.content_hash <> s.content_hash
        OR (t.card_number, t.driver_name, t.driver_no, t.vehicle_no, t.license_plate)
            IS DISTINCT FROM (s.card_number, s.driver_name, s.driver_no, s.vehicle_no, s.license_plate))
