-- Whether a window could be written here: whether transactions are read only, and what the role lacks of the rights that each
-- pass needs. `grants.sql` has all rights, with those that only some commands need.
SELECT
    current_setting('transaction_read_only')::boolean,
    pg_is_in_recovery(),
    ARRAY(
        SELECT format('%s on %s', needed.privilege, needed.object)
        FROM (
            SELECT privilege, 'fuel.' || name AS object, has_table_privilege('fuel.' || name, privilege) AS granted
            FROM unnest(ARRAY['transaction', 'record', 'checkpoint', 'sync_window', 'quarantine', 'gap']) AS name,
                unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS privilege
            UNION ALL
            SELECT 'INSERT', 'fuel.transaction_version', has_table_privilege('fuel.transaction_version', 'INSERT')
            UNION ALL
            SELECT 'DELETE', 'fuel.transaction', has_table_privilege('fuel.transaction', 'DELETE')
            UNION ALL
            SELECT 'USAGE', 'fuel.change_seq', has_sequence_privilege('fuel.change_seq', 'USAGE')
            UNION ALL
            SELECT 'SELECT', 'fuel.' || name, has_table_privilege('fuel.' || name, 'SELECT')
            FROM unnest(ARRAY['forgotten', 'forgotten_key']) AS name
            UNION ALL
            SELECT 'EXECUTE', 'fuel.' || call, has_function_privilege('fuel.' || call, 'EXECUTE')
            FROM unnest(ARRAY['announce_writer()', 'forgotten_number()', 'as_jsonb(json)', 'window_sums(text, text, text, timestamptz, timestamptz)']) AS call
            UNION ALL
            SELECT 'TEMPORARY', 'the database', has_database_privilege(current_database(), 'TEMPORARY')
        ) AS needed
        WHERE NOT needed.granted
        ORDER BY needed.object, needed.privilege
    )
