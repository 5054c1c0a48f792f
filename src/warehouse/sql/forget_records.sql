-- Their records without it.
UPDATE fuel.record r SET raw = s.raw
FROM pg_temp.stage_record s
WHERE r.source = $1 AND r.account = $2 AND r.source_transaction_id = s.source_transaction_id AND r.line_id = s.line_id
    AND r.raw::text <> s.raw::text
