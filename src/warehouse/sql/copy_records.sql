COPY pg_temp.stage_record (source_transaction_id, line_id, raw) FROM STDIN (FORMAT binary)
