-- What users fill in.
INSERT INTO fuel.vehicle (name, license_plate, vehicle_no, card_number, fuel, tank_l, battery_kwh, valid_from, valid_to)
VALUES
    ('Van', '123 ABC', NULL, NULL, 'diesel', 80.5, NULL, '2025-01-01', '2026-01-01'),
    ('Van', '123 ABC', NULL, NULL, 'diesel', 90, NULL, '2026-01-01', NULL),
    ('Car', NULL, 'V9', '700012******0017', NULL, NULL, 77.4, NULL, NULL);
INSERT INTO fuel.site (site_id, name, latitude, longitude) VALUES ('17', 'Õismäe', 59.4123, 24.6512);
INSERT INTO fuel.site_distance (site_a, site_b, km) VALUES ('17', '18', 12.345);
