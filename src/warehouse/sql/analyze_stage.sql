ANALYZE pg_temp.stage (source_transaction_id, line_id);
ANALYZE pg_temp.stage_record (source_transaction_id, line_id)
