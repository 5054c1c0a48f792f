-- The lines of a stretch of time that carry the number of an invoice and count. There is no index by it: each stream is
-- scanned by its index over time.
SELECT
    t.source, t.account, t.source_transaction_id, t.line_id, t.invoice_no, t.occurred_at, t.receipt_no, t.card_number,
    t.product_code, t.product_name, t.product, t.quantity::text, t.unit_price::text, t.gross_amount::text,
    t.net_amount::text, t.vat_amount::text, t.currency
FROM (
    SELECT c.partition, c.source, c.account FROM fuel.checkpoint c
    UNION
    SELECT w.partition, w.source, w.account FROM fuel.sync_window w
) AS stream
CROSS JOIN LATERAL (
    SELECT t.* FROM fuel.transaction t
    WHERE t.partition = stream.partition AND t.source = stream.source AND t.account = stream.account
        AND t.occurred_at >= $4 AND t.occurred_at < $5
    OFFSET 0
) AS t
WHERE t.invoice_no = ANY ($1)
    AND (cardinality($2::text[]) = 0 OR t.source = ANY ($2))
    AND (cardinality($3::text[]) = 0 OR t.account = ANY ($3))
    AND t.state NOT IN ('cancelled', 'declined', 'error') AND t.missing_since IS NULL
