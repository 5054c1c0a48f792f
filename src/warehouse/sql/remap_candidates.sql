-- The next transactions that have a record, of the sources and accounts that are selected; all of those where none is.
SELECT DISTINCT r.source, r.account, r.source_transaction_id
FROM fuel.record r
WHERE (r.source, r.account, r.source_transaction_id) > ($1, $2, $3)
    AND (cardinality($4::text[]) = 0 OR r.source = ANY ($4))
    AND (cardinality($5::text[]) = 0 OR r.account = ANY ($5))
ORDER BY r.source, r.account, r.source_transaction_id
LIMIT $6
