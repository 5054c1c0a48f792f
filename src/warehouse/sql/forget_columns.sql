-- The personal columns of some lines as they shall be. No version is kept of them, for the source has changed nothing; but
-- whoever follows fuel.changes is told.
UPDATE fuel.transaction t SET
    card_number = new.card_number, driver_name = new.driver_name, driver_no = new.driver_no, vehicle_no = new.vehicle_no,
    license_plate = new.license_plate, seq = nextval('fuel.change_seq')
FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
    AS new (source_transaction_id, line_id, card_number, driver_name, driver_no, vehicle_no, license_plate)
WHERE t.source = $1 AND t.account = $2
    AND t.source_transaction_id = new.source_transaction_id AND t.line_id = new.line_id
