-- What the daemon needs and the role does not have, one statement to grant it each.
SELECT format('GRANT %s ON %s TO %I', needed.privilege, needed.object, current_user)
FROM (
    SELECT privilege, 'fuel.' || name AS object, has_table_privilege('fuel.' || name, privilege) AS granted
    FROM unnest(ARRAY['transaction', 'record', 'transaction_version', 'checkpoint', 'sync_window', 'sync_run', 'quarantine', 'gap', 'forgotten']) AS name,
        unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS privilege
    -- History is only added to.
    WHERE (name, privilege) <> ('transaction_version', 'UPDATE')
    UNION ALL
    SELECT privilege, 'fuel.' || name, has_table_privilege('fuel.' || name, privilege)
    FROM unnest(ARRAY['certificate', 'certificate_window']) AS name, unnest(ARRAY['SELECT', 'INSERT']) AS privilege
    UNION ALL
    SELECT 'SELECT', 'fuel.forgotten_key', has_table_privilege('fuel.forgotten_key', 'SELECT')
    UNION ALL
    SELECT 'DELETE', 'fuel.transaction', has_table_privilege('fuel.transaction', 'DELETE')
    UNION ALL
    SELECT 'USAGE', 'SEQUENCE fuel.change_seq', has_sequence_privilege('fuel.change_seq', 'USAGE')
    UNION ALL
    SELECT 'SELECT', 'SEQUENCE fuel.change_seq', has_sequence_privilege('fuel.change_seq', 'SELECT')
    UNION ALL
    SELECT 'EXECUTE', 'FUNCTION fuel.' || signature, has_function_privilege('fuel.' || signature, 'EXECUTE')
    FROM unnest(ARRAY['announce_writer()', 'as_jsonb(json)']) AS signature
    UNION ALL
    SELECT 'TEMPORARY', format('DATABASE %I', current_database()), has_database_privilege(current_database(), 'TEMPORARY')
) AS needed
WHERE NOT needed.granted
ORDER BY needed.object, needed.privilege
