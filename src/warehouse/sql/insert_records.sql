COPY fuel.record (source_transaction_id, line_id, raw, source, account, normalizer) FROM STDIN (FORMAT binary)
