-- How many values of a column are hashed, by the id of their key, in lines and in their earlier images; but by one key. Hashes
-- of earlier versions of the program do not say their key.
SELECT substring(hashed.value FROM '^([0-9a-f]{8}):') AS key_id, count(*)
FROM (
    SELECT CASE $1 WHEN 'card_number' THEN t.card_number WHEN 'driver_name' THEN t.driver_name ELSE t.license_plate END AS value
    FROM fuel.transaction t
    UNION ALL
    SELECT v.row_before->>$1 FROM fuel.transaction_version v
) AS hashed
WHERE hashed.value ~ '^([0-9a-f]{8}:)?[0-9a-f]{64}$' AND ($2::text IS NULL OR NOT starts_with(hashed.value, $2 || ':'))
GROUP BY 1
ORDER BY 1 NULLS LAST
