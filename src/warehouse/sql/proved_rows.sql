-- What the table has of a stretch of a stream, column by column, with each line's record, in the order of the bytes of the
-- key. Sorted before the records are looked up: they are most of the bytes.
SELECT
    t.source_transaction_id, t.line_id, t.kind, t.state, t.source_state, t.occurred_at, t.started_at, t.status_at,
    t.invoiced_at, t.contract_no, t.site_id, t.site_code, t.site_name, t.terminal_id, t.terminal_name, t.point,
    t.card_number, t.driver_name, t.driver_no, t.vehicle_no, t.license_plate, t.odometer_km, t.receipt_no,
    t.authorization_code, t.invoice_no, t.session_id, t.product_code, t.product_name, t.product_type, t.product,
    t.quantity, t.unit, t.net_unit_price, t.unit_discount, t.unit_price, t.net_amount, t.vat_rate, t.vat_amount,
    t.gross_amount, t.paid_amount, t.payment_method, t.currency, t.quality, t.content_hash,
    t.missing_since IS NOT NULL, r.raw
FROM (
    SELECT t.* FROM fuel.transaction t
    WHERE t.source = $1 AND t.account = $2 AND t.partition = $3 AND t.occurred_at >= $4 AND t.occurred_at < $5
    ORDER BY t.source_transaction_id COLLATE "C", t.line_id COLLATE "C"
) AS t
LEFT JOIN LATERAL (
    SELECT r.raw FROM fuel.record r
    WHERE r.source = $1 AND r.account = $2 AND r.source_transaction_id = t.source_transaction_id
        AND r.line_id = CASE WHEN $1 = 'hecone' THEN '-' ELSE t.line_id END
    LIMIT 1
) AS r ON true
ORDER BY t.source_transaction_id COLLATE "C", t.line_id COLLATE "C"
