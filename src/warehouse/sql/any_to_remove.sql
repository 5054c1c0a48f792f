-- Whether remove_lines.sql, which has the same condition, would find a line that its transaction's new image no longer
-- has: mostly there is none.
SELECT EXISTS (
    SELECT
    FROM (SELECT DISTINCT source_transaction_id FROM pg_temp.stage) AS whole
    CROSS JOIN LATERAL (
        SELECT t.line_id FROM fuel.transaction t
        WHERE t.source = $1 AND t.account = $2 AND t.source_transaction_id = whole.source_transaction_id
        OFFSET 0
    ) AS t
    WHERE NOT EXISTS (
        SELECT FROM pg_temp.stage s
        WHERE s.source_transaction_id = whole.source_transaction_id AND s.line_id = t.line_id
    )
)
