-- Records that the window's last read had counted as quarantined are lines now; what was read is no longer what the
-- digest was made of.
UPDATE fuel.sync_window SET
    quarantined = quarantined - $6, fetched = fetched - $6 + $7,
    inserted = inserted + $8, updated = updated + $9, unchanged = unchanged + $10,
    outside = outside + $11, duplicate = duplicate + $12, digest = NULL
WHERE source = $1 AND account = $2 AND partition = $3 AND window_start = $4 AND last_read_at = $5 AND quarantined >= $6
