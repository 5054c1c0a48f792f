-- A plate spelt in two ways with a tidy odometer and fills in two currencies, a number of two accounts, cards, a line without
-- amounts; and what does not count.
SELECT count(public.make(said::jsonb)) FROM (VALUES
('{"id": "a1", "at": "2026-05-03T08:00Z", "license_plate": "123 ABC", "odometer_km": 1000, "quantity": 40, "net_amount": 50, "vat_amount": 10, "gross_amount": 60, "site_id": "1", "site_name": "North"}'),
('{"id": "a1", "line_id": "2", "at": "2026-05-03T08:00Z", "license_plate": "123 ABC", "odometer_km": 1000, "quantity": 2, "kind": "goods", "product": null, "unit": "pcs", "net_amount": 4, "vat_amount": 1, "gross_amount": 5, "site_id": "1", "site_name": "North"}'),
('{"id": "a2", "at": "2026-05-13T23:30Z", "license_plate": "123-abc", "odometer_km": 1500, "quantity": 30, "net_amount": 40, "vat_amount": 8, "gross_amount": 48, "site_id": "1"}'),
('{"id": "a3", "at": "2026-05-23T08:00Z", "license_plate": "123 ABC", "odometer_km": 2000, "quantity": 45, "net_amount": 200, "vat_amount": 40, "gross_amount": 240, "currency": "PLN", "site_id": "2"}'),
('{"id": "a4", "at": "2026-05-25T08:00Z", "license_plate": "123 ABC", "quantity": -5, "net_amount": -5, "vat_amount": -1, "gross_amount": -6, "site_id": "1"}'),
('{"id": "a5", "at": "2026-06-01T00:00Z", "license_plate": "123 ABC", "odometer_km": 2500, "quantity": 20, "state": "invoiced", "invoice_no": "7", "site_id": "1"}'),
('{"id": "b1", "at": "2026-05-03T09:00Z", "source": "hecone", "account": "north", "vehicle_no": "7", "odometer_km": 500, "quantity": 10, "gross_amount": 15, "site_id": "1"}'),
('{"id": "b2", "at": "2026-05-04T09:00Z", "source": "hecone", "account": "north", "vehicle_no": "7", "odometer_km": 400, "quantity": 10, "gross_amount": 15, "site_id": "1"}'),
('{"id": "b3", "at": "2026-05-05T09:00Z", "source": "hecone", "account": "south", "vehicle_no": "7", "odometer_km": 900, "quantity": 11, "gross_amount": 16, "site_id": "1"}'),
('{"id": "c1", "at": "2026-05-03T10:00Z", "card_number": "703301******0001", "license_plate": "J***", "odometer_km": 100, "quantity": 12, "site_id": "1"}'),
('{"id": "c2", "at": "2026-05-03T11:00Z", "source": "alexela_ev", "kind": "ev_charging", "product": "electricity", "unit": "kWh", "currency": null, "quantity": 20, "site_id": "1"}'),
('{"id": "x1", "at": "2026-05-03T12:00Z", "state": "provisional", "quantity": 1}'),
('{"id": "x2", "at": "2026-05-03T12:00Z", "state": "declined", "quantity": 1}'),
('{"id": "x3", "at": "2026-05-03T12:00Z", "state": "cancelled", "quantity": 1}'),
('{"id": "x4", "at": "2026-05-03T12:00Z", "state": "error", "quantity": 1}'),
('{"id": "x5", "at": "2026-05-03T12:00Z", "missing_since": "2026-05-09T00:00Z", "quantity": 1}'),
('{"id": "x6", "at": "2026-05-03T12:00Z", "source": "alexela_bonus", "quantity": 3, "site_id": "3"}')
) AS line (said);
