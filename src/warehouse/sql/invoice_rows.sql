-- The lines that carry the number of an invoice and count. There is no index by it, so all of the table is scanned.
SELECT
    t.source, t.account, t.source_transaction_id, t.line_id, t.invoice_no, t.occurred_at, t.receipt_no, t.card_number,
    t.product_code, t.product_name, t.product, t.quantity::text, t.unit_price::text, t.gross_amount::text,
    t.net_amount::text, t.vat_amount::text, t.currency
FROM fuel.transaction t
WHERE t.invoice_no = ANY ($1)
    AND (cardinality($2::text[]) = 0 OR t.source = ANY ($2))
    AND (cardinality($3::text[]) = 0 OR t.account = ANY ($3))
    AND t.state NOT IN ('cancelled', 'declined', 'error') AND t.missing_since IS NULL
