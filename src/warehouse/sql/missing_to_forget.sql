-- What forgetting needs and the role does not have: rights that nobody has who only reads vendors.
SELECT format('%s ON fuel.%s', needed.privilege, needed.name)
FROM (
    VALUES ('transaction', 'UPDATE'), ('record', 'UPDATE'), ('transaction_version', 'UPDATE'), ('quarantine', 'UPDATE'),
        ('sync_window', 'UPDATE'), ('checkpoint', 'UPDATE'), ('forgotten', 'INSERT'), ('vehicle', 'UPDATE'), ('vehicle', 'DELETE'),
        ('site', 'UPDATE')
) AS needed (name, privilege)
WHERE NOT has_table_privilege('fuel.' || needed.name, needed.privilege)
ORDER BY needed.name, needed.privilege
