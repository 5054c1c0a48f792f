-- As insert_lines.sql, in one statement: see columns.rs. How many, and the sum of their seq.
WITH written AS (
    INSERT INTO fuel.transaction (
        source_transaction_id, line_id, kind, state, source_state, occurred_at, started_at, status_at, invoiced_at,
        contract_no, site_id, site_code, site_name, terminal_id, terminal_name, point, card_number, driver_name,
        driver_no, vehicle_no, license_plate, odometer_km, receipt_no, authorization_code, invoice_no, session_id,
        product_code, product_name, product_type, product, quantity, unit, net_unit_price, unit_discount,
        unit_price, net_amount, vat_rate, vat_amount, gross_amount, paid_amount, payment_method, currency, quality,
        content_hash, source, account, partition
    )
    SELECT
        n.source_transaction_id, n.line_id, n.kind, n.state, n.source_state, n.occurred_at, n.started_at,
        n.status_at, n.invoiced_at, n.contract_no, n.site_id, n.site_code, n.site_name, n.terminal_id,
        n.terminal_name, n.point, n.card_number, n.driver_name, n.driver_no, n.vehicle_no, n.license_plate,
        n.odometer_km, n.receipt_no, n.authorization_code, n.invoice_no, n.session_id, n.product_code,
        n.product_name, n.product_type, n.product, n.quantity, n.unit, n.net_unit_price, n.unit_discount,
        n.unit_price, n.net_amount, n.vat_rate, n.vat_amount, n.gross_amount, n.paid_amount, n.payment_method,
        n.currency, n.quality::text[], n.content_hash, $45, $46, $47
    FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
        $8::timestamptz[], $9::timestamptz[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[],
        $15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::bigint[],
        $23::text[], $24::text[], $25::text[], $26::text[], $27::text[], $28::text[], $29::text[], $30::text[],
        $31::numeric[], $32::text[], $33::numeric[], $34::numeric[], $35::numeric[], $36::numeric[], $37::numeric[],
        $38::numeric[], $39::numeric[], $40::numeric[], $41::text[], $42::text[], $43::text[], $44::bytea[]
    ) AS n (
        source_transaction_id, line_id, kind, state, source_state, occurred_at, started_at, status_at, invoiced_at,
        contract_no, site_id, site_code, site_name, terminal_id, terminal_name, point, card_number, driver_name,
        driver_no, vehicle_no, license_plate, odometer_km, receipt_no, authorization_code, invoice_no, session_id,
        product_code, product_name, product_type, product, quantity, unit, net_unit_price, unit_discount,
        unit_price, net_amount, vat_rate, vat_amount, gross_amount, paid_amount, payment_method, currency, quality,
        content_hash
    )
    RETURNING seq
)
SELECT count(*), coalesce(sum(seq), 0)::text FROM written
