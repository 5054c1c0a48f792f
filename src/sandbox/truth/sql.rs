//! How to read the warehouse so that it compares with the truth as text.

/// Every column of [`super::COLUMNS`] of every row, as text: times RFC 3339 with microseconds, flags in order.
pub const SELECT: &str = r#"
SELECT source, account, source_transaction_id, line_id, "partition", kind, state, source_state,
       to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS occurred_at,
       to_char(started_at  AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS started_at,
       to_char(status_at   AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS status_at,
       to_char(invoiced_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS invoiced_at,
       contract_no, site_id, site_code, site_name, terminal_id, terminal_name, point, card_number, driver_name,
       driver_no, vehicle_no, license_plate, odometer_km::text AS odometer_km, receipt_no, authorization_code,
       invoice_no, session_id, product_code, product_name, product_type, product, quantity::text AS quantity, unit,
       net_unit_price::text AS net_unit_price, unit_discount::text AS unit_discount, unit_price::text AS unit_price,
       net_amount::text AS net_amount, vat_rate::text AS vat_rate, vat_amount::text AS vat_amount,
       gross_amount::text AS gross_amount, paid_amount::text AS paid_amount, payment_method, currency,
       (SELECT '{' || coalesce(string_agg(flag, ',' ORDER BY flag COLLATE "C"), '') || '}'
          FROM unnest(quality) AS flag) AS quality
  FROM fuel.transaction
 WHERE missing_since IS NULL
"#;
