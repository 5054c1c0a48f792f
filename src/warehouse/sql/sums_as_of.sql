-- What the sales of some windows of a stream came to when each was read ($4: their starts, $5: their ends, $6: when), by the lines
-- that have stood since and the images of the others: of each line the first image that was replaced after the read, or what it is.
-- As fuel.transaction_as_of, with one look at the images for all windows.
--
-- Beside it, of how many lines nobody can say what they were: how many the ledger may have and these sums not, and how many the
-- other way round. Those that a transaction wrote which may have been under way at the same time as the read ($7: one that began
-- since then, or as shortly after it): nobody can say which of the two saw the other. And those of which the image bears a digest of
-- zeros alone, which is that of no content: they had been altered by hand, in a column that matters here, when a remap or a repair wrote
-- them again. What such a line was is not in its image, and neither is when it was, where that was altered.
WITH asked AS (
    SELECT a.n, a.window_start, a.window_end, a.read_at, a.since, a.read_at + (a.read_at - a.since) AS until
    FROM unnest($4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[])
        WITH ORDINALITY AS a (window_start, window_end, read_at, since, n)
), image AS MATERIALIZED (
    SELECT
        v.source_transaction_id, v.line_id, v.version_id, v.replaced_at,
        v.row_before ->> 'content_hash' ~ '^\\x(00)+$' AND v.changed_columns && ARRAY[
            'state', 'occurred_at', 'partition', 'missing_since', 'product', 'currency', 'unit', 'quantity', 'net_amount', 'vat_amount',
            'gross_amount'
        ] AS is_altered,
        r.*
    FROM fuel.transaction_version v
    CROSS JOIN LATERAL jsonb_to_record(v.row_before) AS r (
        occurred_at timestamptz, changed_at timestamptz, state text, missing_since timestamptz, product text,
        currency text, unit text, quantity numeric, net_amount numeric, vat_amount numeric, gross_amount numeric
    )
    WHERE v.source = $1 AND v.account = $2 AND v.row_before ->> 'partition' = $3
        AND v.replaced_at > (SELECT min(since) FROM asked)
), candidate AS MATERIALIZED (
    SELECT
        a.n, i.source_transaction_id, i.line_id, i.version_id,
        i.changed_at <= a.read_at AND i.replaced_at > a.read_at AS stood,
        i.changed_at > a.since AND i.changed_at < a.until AND i.changed_at <> a.read_at
            OR i.replaced_at > a.since AND i.replaced_at < a.until AND i.replaced_at <> a.read_at AS is_beside,
        i.is_altered,
        i.state, i.missing_since, i.product, i.currency, i.unit, i.quantity, i.net_amount, i.vat_amount, i.gross_amount
    FROM asked a
    JOIN image i ON i.occurred_at >= a.window_start AND i.occurred_at < a.window_end
    UNION ALL
    SELECT
        a.n, t.source_transaction_id, t.line_id, NULL,
        t.changed_at <= a.read_at,
        t.changed_at > a.since AND t.changed_at < a.until AND t.changed_at <> a.read_at,
        -- It has been put back here after its read.
        t.changed_at > a.read_at AND EXISTS (
            SELECT FROM fuel.transaction_version v
            WHERE v.source = $1 AND v.account = $2 AND v.source_transaction_id = t.source_transaction_id AND v.line_id = t.line_id
                AND v.replaced_at > a.read_at AND v.row_before ->> 'content_hash' ~ '^\\x(00)+$'
                AND v.changed_columns && ARRAY['occurred_at', 'partition']
        ),
        t.state, t.missing_since, t.product, t.currency, t.unit, t.quantity, t.net_amount, t.vat_amount, t.gross_amount
    FROM asked a
    -- By the index by time, whatever the statistics say.
    CROSS JOIN LATERAL (
        SELECT t.* FROM fuel.transaction t
        WHERE t.source = $1 AND t.account = $2 AND t.partition = $3
            AND t.occurred_at >= a.window_start AND t.occurred_at < a.window_end
        OFFSET 0
    ) AS t
), line AS (
    SELECT DISTINCT ON (c.n, c.source_transaction_id, c.line_id) c.*
    FROM candidate c
    WHERE c.stood
    ORDER BY c.n, c.source_transaction_id, c.line_id, c.version_id NULLS LAST
)
SELECT
    a.n, g.product, g.currency, g.unit, g.lines,
    round(coalesce(g.quantity, 0), 4)::text, round(coalesce(g.net, 0), 4)::text,
    round(coalesce(g.vat, 0), 4)::text, round(coalesce(g.gross, 0), 4)::text,
    coalesce(u.fewer, 0), coalesce(u.more, 0)
FROM asked a
LEFT JOIN (
    SELECT
        l.n, l.product, l.currency, l.unit, count(*) AS lines,
        sum(l.quantity) AS quantity, sum(l.net_amount) AS net, sum(l.vat_amount) AS vat, sum(l.gross_amount) AS gross
    FROM line l
    WHERE l.state IN ('posted', 'invoiced') AND l.missing_since IS NULL
    GROUP BY l.n, l.product, l.currency, l.unit
) AS g ON g.n = a.n
LEFT JOIN (
    SELECT b.n, count(*) FILTER (WHERE b.has_image OR NOT b.stood) AS fewer, count(*) FILTER (WHERE b.has_image OR b.stood) AS more
    FROM (
        SELECT
            c.n, bool_or(c.version_id IS NOT NULL) AS has_image, bool_or(c.stood) AS stood,
            bool_or(c.is_beside OR c.is_altered AND (c.stood OR c.version_id IS NULL)) AS is_unsure
        FROM candidate c
        GROUP BY c.n, c.source_transaction_id, c.line_id
    ) AS b
    WHERE b.is_unsure
    GROUP BY b.n
) AS u ON u.n = a.n
ORDER BY a.n
