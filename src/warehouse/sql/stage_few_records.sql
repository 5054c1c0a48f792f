-- As copy_records.sql, in one statement: see columns.rs.
INSERT INTO pg_temp.stage_record (source_transaction_id, line_id, raw)
SELECT n.source_transaction_id, n.line_id, n.raw
FROM unnest($1::text[], $2::text[], $3::json[]) AS n (source_transaction_id, line_id, raw)
