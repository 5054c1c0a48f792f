-- The personal columns of some lines, locked in the order of the key, as every writer does.
SELECT t.source_transaction_id, t.line_id, t.card_number, t.driver_name, t.driver_no, t.vehicle_no, t.license_plate
FROM fuel.transaction t
JOIN unnest($3::text[], $4::text[]) AS k (source_transaction_id, line_id) USING (source_transaction_id, line_id)
WHERE t.source = $1 AND t.account = $2
ORDER BY t.source_transaction_id, t.line_id
FOR UPDATE OF t
