-- The lines of some transactions, in the order of the key.
SELECT
    source_transaction_id, line_id, partition, missing_since IS NOT NULL AS is_missing, absent_reads > 0 AS is_absent,
    kind, state, source_state,
    occurred_at, started_at, status_at, invoiced_at, contract_no, site_id, site_code, site_name, terminal_id,
    terminal_name, point, card_number, driver_name, driver_no, vehicle_no, license_plate, odometer_km, receipt_no,
    authorization_code, invoice_no, session_id, product_code, product_name, product_type, product, quantity::text,
    unit, net_unit_price::text, unit_discount::text, unit_price::text, net_amount::text, vat_rate::text,
    vat_amount::text, gross_amount::text, paid_amount::text, payment_method, currency, quality
FROM fuel.transaction
WHERE source = $1 AND account = $2 AND source_transaction_id = ANY ($3)
ORDER BY source_transaction_id, line_id
