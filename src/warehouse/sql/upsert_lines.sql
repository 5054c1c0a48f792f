-- One upsert, in the order of the key, that touches only what differs.
WITH written AS (
    INSERT INTO fuel.transaction AS t (
        source, account, partition,
        source_transaction_id, line_id, kind, state, source_state, occurred_at, started_at, status_at,
        invoiced_at, contract_no, site_id, site_code, site_name, terminal_id, terminal_name, point,
        card_number, driver_name, driver_no, vehicle_no, license_plate, odometer_km, receipt_no,
        authorization_code, invoice_no, session_id, product_code, product_name, product_type, product,
        quantity, unit, net_unit_price, unit_discount, unit_price, net_amount, vat_rate, vat_amount,
        gross_amount, paid_amount, payment_method, currency, quality, content_hash
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
    WHERE NOT s.outside
    ORDER BY s.source_transaction_id, s.line_id
    ON CONFLICT (source, account, source_transaction_id, line_id) DO UPDATE SET
        partition = excluded.partition, kind = excluded.kind, state = excluded.state,
        source_state = excluded.source_state, occurred_at = excluded.occurred_at,
        started_at = excluded.started_at, status_at = excluded.status_at, invoiced_at = excluded.invoiced_at,
        contract_no = excluded.contract_no, site_id = excluded.site_id, site_code = excluded.site_code,
        site_name = excluded.site_name, terminal_id = excluded.terminal_id,
        terminal_name = excluded.terminal_name, point = excluded.point, card_number = excluded.card_number,
        driver_name = excluded.driver_name, driver_no = excluded.driver_no, vehicle_no = excluded.vehicle_no,
        license_plate = excluded.license_plate, odometer_km = excluded.odometer_km,
        receipt_no = excluded.receipt_no, authorization_code = excluded.authorization_code,
        invoice_no = excluded.invoice_no, session_id = excluded.session_id,
        product_code = excluded.product_code, product_name = excluded.product_name,
        product_type = excluded.product_type, product = excluded.product, quantity = excluded.quantity,
        unit = excluded.unit, net_unit_price = excluded.net_unit_price,
        unit_discount = excluded.unit_discount, unit_price = excluded.unit_price,
        net_amount = excluded.net_amount, vat_rate = excluded.vat_rate, vat_amount = excluded.vat_amount,
        gross_amount = excluded.gross_amount, paid_amount = excluded.paid_amount,
        payment_method = excluded.payment_method, currency = excluded.currency, quality = excluded.quality,
        content_hash = excluded.content_hash,
        version = t.version + 1, seq = nextval('fuel.change_seq'), changed_at = now(),
        missing_since = NULL, absent_reads = 0
    WHERE t.content_hash <> excluded.content_hash OR t.missing_since IS NOT NULL
    RETURNING t.version = 1 AS inserted, t.seq
)
SELECT count(*) FILTER (WHERE inserted), count(*) FILTER (WHERE NOT inserted), coalesce(sum(seq), 0)::text FROM written
