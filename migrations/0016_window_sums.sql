-- What the sales of each window come to, kept when the window is read, so that it can be told later by how much they differ.
-- Windows that were read before have none until they are read again.

-- The sums last: most reads find them as they are, and what is alike at the end of a row is not written to the log again.
ALTER TABLE fuel.sync_window ADD COLUMN sums_at timestamptz, ADD COLUMN sums jsonb;

COMMENT ON COLUMN fuel.sync_window.sums IS 'What the lines of the window that count as sales (posted or invoiced, not missing) came to when it was last read: number, quantity, net, VAT and gross by product, currency and unit, as in fuel.certificate_window. NULL: not known; the last read was not of the whole window, or by a version that kept none.';
COMMENT ON COLUMN fuel.sync_window.sums_at IS 'When they were added up, or found to be what they were, by the database''s clock: last_read_at. Another time: a version that does not know of them read the window since, and they say nothing.';

-- Of a table that grows and was never analysed the server believes that a window has one row, and would sort all of them to
-- put a handful of products together; of a large one, that compiling the statement for one window pays. Neither does.
CREATE FUNCTION fuel.window_sums(
    source text, account text, partition text, window_start timestamptz, window_end timestamptz,
    OUT lines bigint, OUT seqs numeric, OUT sums jsonb
)
LANGUAGE sql STABLE
SET enable_sort = off
SET jit = off
AS $$
    SELECT
        coalesce(sum(g.lines), 0)::bigint, sum(g.seqs),
        coalesce(
            jsonb_agg(
                jsonb_build_object(
                    'product', g.product, 'currency', g.currency, 'unit', g.unit, 'rows', g.lines,
                    'quantity', round(coalesce(g.quantity, 0), 4)::text, 'net', round(coalesce(g.net, 0), 4)::text,
                    'vat', round(coalesce(g.vat, 0), 4)::text, 'gross', round(coalesce(g.gross, 0), 4)::text
                )
                ORDER BY g.product COLLATE "C" NULLS FIRST, g.currency COLLATE "C" NULLS FIRST, g.unit COLLATE "C" NULLS FIRST
            ) FILTER (WHERE g.are_sales),
            '[]'
        )
    FROM (
        SELECT
            t.product, t.currency, t.unit, t.state IN ('posted', 'invoiced') AND t.missing_since IS NULL AS are_sales,
            count(*) AS lines, sum(t.seq) AS seqs,
            sum(t.quantity) AS quantity, sum(t.net_amount) AS net, sum(t.vat_amount) AS vat, sum(t.gross_amount) AS gross
        FROM fuel.transaction t
        WHERE t.source = $1 AND t.account = $2 AND t.partition = $3 AND t.occurred_at >= $4 AND t.occurred_at < $5
        GROUP BY 1, 2, 3, 4
    ) AS g
$$;

COMMENT ON FUNCTION fuel.window_sums IS 'Of the lines of a stretch of a stream: how many there are, the sum of their seq, and what those that count as sales come to, as in fuel.sync_window.sums.';
