-- Lines that were absent once and are there again.
UPDATE fuel.transaction t SET absent_reads = 0
FROM unnest($3::text[], $4::text[]) AS seen (source_transaction_id, line_id)
WHERE t.source = $1 AND t.account = $2 AND t.source_transaction_id = seen.source_transaction_id AND t.line_id = seen.line_id
    AND t.missing_since IS NULL AND t.absent_reads > 0
