-- As insert_records.sql, in one statement: see columns.rs.
INSERT INTO fuel.record (source_transaction_id, line_id, raw, source, account, normalizer)
SELECT n.source_transaction_id, n.line_id, n.raw, $4, $5, $6
FROM unnest($1::text[], $2::text[], $3::json[]) AS n (source_transaction_id, line_id, raw)
