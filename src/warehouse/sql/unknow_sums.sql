-- Where lines alike are about to change their numbers, their contents change places and no image says so. Where they were written at
-- different times, or lie at different ones, it can no longer be added up what their windows came to at a time between: the next
-- whole read keeps it anew.
WITH moving AS (
    SELECT t.source_transaction_id, t.partition, t.occurred_at, t.changed_at, t.version, s.occurred_at AS will_be_at
    FROM pg_temp.stage s
    JOIN fuel.transaction t USING (source_transaction_id, line_id)
    WHERE t.source = $1 AND t.account = $2
        AND (t.state, t.occurred_at, t.product, t.currency, t.unit, t.quantity, t.net_amount, t.vat_amount, t.gross_amount)
            IS DISTINCT FROM (s.state, s.occurred_at, s.product, s.currency, s.unit, s.quantity, s.net_amount, s.vat_amount, s.gross_amount)
), spoilt AS (
    SELECT source_transaction_id FROM moving
    GROUP BY source_transaction_id
    HAVING max(version) > 1 OR min(changed_at) <> max(changed_at) OR min(occurred_at) <> max(occurred_at) OR min(partition) <> max(partition)
)
UPDATE fuel.sync_window w SET sums = NULL, sums_at = NULL
FROM moving t JOIN spoilt USING (source_transaction_id)
WHERE w.source = $1 AND w.account = $2 AND w.partition = t.partition AND w.sums IS NOT NULL
    AND (t.occurred_at >= w.window_start AND t.occurred_at < w.window_end
        OR t.will_be_at >= w.window_start AND t.will_be_at < w.window_end)
