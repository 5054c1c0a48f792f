-- What the sales of some windows of a stream came to when each was read ($4: their starts, $5: their ends, $6: when), by the lines
-- that have stood since and the images of the others; and whether a transaction may have been
-- under way at the same time as that read ($7: one that began since then, or as shortly after it): then nobody can say which of the two
-- saw the other. As fuel.transaction_as_of, with one look at the images for all of them.
WITH asked AS (
    SELECT a.n, a.window_start, a.window_end, a.read_at, a.since
    FROM unnest($4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[])
        WITH ORDINALITY AS a (window_start, window_end, read_at, since, n)
), image AS MATERIALIZED (
    SELECT v.source_transaction_id, v.line_id, v.version_id, v.replaced_at, r.*
    FROM fuel.transaction_version v
    CROSS JOIN LATERAL jsonb_to_record(v.row_before) AS r (
        partition text, occurred_at timestamptz, changed_at timestamptz, state text, missing_since timestamptz, product text,
        currency text, unit text, quantity numeric, net_amount numeric, vat_amount numeric, gross_amount numeric
    )
    WHERE v.source = $1 AND v.account = $2 AND v.replaced_at > (SELECT min(since) FROM asked) AND r.partition = $3
), stood AS (
    SELECT DISTINCT ON (a.n, i.source_transaction_id, i.line_id) a.n, i.*
    FROM asked a
    JOIN image i ON i.occurred_at >= a.window_start AND i.occurred_at < a.window_end
        AND i.changed_at <= a.read_at AND i.replaced_at > a.read_at
    ORDER BY a.n, i.source_transaction_id, i.line_id, i.version_id
), line AS (
    SELECT n, state, missing_since, product, currency, unit, quantity, net_amount, vat_amount, gross_amount FROM stood
    UNION ALL
    SELECT a.n, t.state, t.missing_since, t.product, t.currency, t.unit, t.quantity, t.net_amount, t.vat_amount, t.gross_amount
    FROM asked a
    JOIN fuel.transaction t ON t.source = $1 AND t.account = $2 AND t.partition = $3
        AND t.occurred_at >= a.window_start AND t.occurred_at < a.window_end AND t.changed_at <= a.read_at
    WHERE NOT EXISTS (
        SELECT FROM stood s
        WHERE s.n = a.n AND s.source_transaction_id = t.source_transaction_id AND s.line_id = t.line_id
    )
)
SELECT
    a.n, g.product, g.currency, g.unit, g.lines,
    round(coalesce(g.quantity, 0), 4)::text, round(coalesce(g.net, 0), 4)::text,
    round(coalesce(g.vat, 0), 4)::text, round(coalesce(g.gross, 0), 4)::text,
    EXISTS (
        SELECT FROM fuel.transaction t
        WHERE t.source = $1 AND t.account = $2 AND t.partition = $3
            AND t.occurred_at >= a.window_start AND t.occurred_at < a.window_end
            AND t.changed_at > a.since AND t.changed_at < a.read_at + (a.read_at - a.since) AND t.changed_at <> a.read_at
    ) OR EXISTS (
        SELECT FROM image i
        WHERE i.occurred_at >= a.window_start AND i.occurred_at < a.window_end
            AND (
                i.replaced_at > a.since AND i.replaced_at < a.read_at + (a.read_at - a.since) AND i.replaced_at <> a.read_at
                OR i.changed_at > a.since AND i.changed_at < a.read_at + (a.read_at - a.since) AND i.changed_at <> a.read_at
            )
    )
FROM asked a
LEFT JOIN (
    SELECT
        l.n, l.product, l.currency, l.unit, count(*) AS lines,
        sum(l.quantity) AS quantity, sum(l.net_amount) AS net, sum(l.vat_amount) AS vat, sum(l.gross_amount) AS gross
    FROM line l
    WHERE l.state IN ('posted', 'invoiced') AND l.missing_since IS NULL
    GROUP BY l.n, l.product, l.currency, l.unit
) AS g ON g.n = a.n
ORDER BY a.n
