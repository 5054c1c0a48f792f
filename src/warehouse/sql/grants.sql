-- What the role of this connection lacks of what the daemon needs, and what it may do beyond it: one row for each object, with
-- the statement that mends it. Objects are found by their oid, so that it can also be asked without USAGE on the schema.
-- $1: whether the role is also the one that migrates, and so owns what it makes.
WITH me AS MATERIALIZED (
    SELECT * FROM pg_catalog.pg_roles WHERE rolname = current_user
), needed (kind, name, privilege) AS (
    SELECT 'table', name, privilege
    FROM unnest(ARRAY['transaction', 'record', 'checkpoint', 'sync_window', 'sync_run', 'quarantine', 'gap']) AS name,
        unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS privilege
    UNION ALL
    -- History and certificates are only added to.
    SELECT 'table', name, privilege
    FROM unnest(ARRAY['transaction_version', 'certificate', 'certificate_window']) AS name, unnest(ARRAY['SELECT', 'INSERT']) AS privilege
    UNION ALL
    -- Who is to be forgotten is heeded; `forget` itself is the owner's.
    SELECT 'table', name, 'SELECT' FROM unnest(ARRAY['_migration', 'forgotten', 'forgotten_key']) AS name
    UNION ALL
    SELECT 'function', name, 'EXECUTE' FROM unnest(ARRAY['announce_writer', 'as_jsonb', 'forgotten_number', 'window_sums']) AS name
    UNION ALL
    VALUES ('table', 'transaction', 'DELETE'), ('table', 'sync_run', 'DELETE'), ('sequence', 'change_seq', 'USAGE'), ('sequence', 'change_seq', 'SELECT'),
        ('schema', 'fuel', 'USAGE'), ('database', current_database()::text, 'CONNECT'),
        ('database', current_database()::text, 'TEMPORARY')
), object (kind, oid, name, label, owner, acl) AS MATERIALIZED (
    SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, c.oid, c.relname::text,
        CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE '' END || format('fuel.%I', c.relname), c.relowner, c.relacl
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'fuel' AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    -- Anybody may call a function, as PostgreSQL has it; they do nothing that their caller may not.
    SELECT 'function', p.oid, p.proname::text,
        format('FUNCTION fuel.%I(%s)', p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)), p.proowner, NULL
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = 'fuel'
    UNION ALL
    SELECT 'schema', n.oid, n.nspname::text, 'SCHEMA fuel', n.nspowner, n.nspacl
    FROM pg_catalog.pg_namespace n WHERE n.nspname = 'fuel'
    UNION ALL
    SELECT 'database', d.oid, d.datname::text, format('DATABASE %I', d.datname), d.datdba, d.datacl
    FROM pg_catalog.pg_database d WHERE d.datname = current_database()
), held (kind, name, label, owner, grantee, privilege, of_columns, is_grantable) AS (
    SELECT o.kind, o.name, o.label, o.owner, a.grantee, a.privilege_type, '', a.is_grantable
    FROM object o CROSS JOIN LATERAL pg_catalog.aclexplode(o.acl) AS a
    UNION ALL
    SELECT o.kind, o.name, o.label, o.owner, a.grantee, a.privilege_type, format(' (%I)', c.attname), a.is_grantable
    FROM object o
    JOIN pg_catalog.pg_attribute c ON c.attrelid = o.oid
    CROSS JOIN LATERAL pg_catalog.aclexplode(c.attacl) AS a
    WHERE o.kind = 'table' AND NOT c.attisdropped
), lacking AS (
    SELECT o.label, string_agg(n.privilege, ', ' ORDER BY n.privilege) AS privileges
    FROM needed n
    JOIN object o USING (kind, name)
    WHERE NOT CASE n.kind
        WHEN 'table' THEN has_table_privilege(o.oid, n.privilege)
        WHEN 'sequence' THEN has_sequence_privilege(o.oid, n.privilege)
        WHEN 'function' THEN has_function_privilege(o.oid, n.privilege)
        WHEN 'schema' THEN has_schema_privilege(o.oid, n.privilege)
        ELSE has_database_privilege(o.oid, n.privilege)
    END
    GROUP BY o.label
), beyond (who, label, how, privilege) AS (
    -- Its own, and what everybody may.
    SELECT CASE h.grantee WHEN 0 THEN 'PUBLIC' ELSE format('%I', me.rolname) END, h.label,
        CASE WHEN n.name IS NULL THEN '' ELSE 'GRANT OPTION FOR ' END, h.privilege || h.of_columns
    FROM held h
    CROSS JOIN me
    LEFT JOIN needed n ON h.grantee <> 0 AND n.kind = h.kind AND n.name = h.name AND n.privilege = h.privilege
    WHERE (h.grantee = me.oid AND h.owner <> me.oid
            OR h.grantee = 0 AND (h.kind IN ('table', 'sequence') OR h.privilege = 'CREATE'))
        AND (n.name IS NULL OR h.is_grantable)
        AND NOT ($1 AND h.grantee <> 0 AND h.privilege = 'CREATE')
    UNION ALL
    -- What others may write that is the program's to write; the last three tables are the user's. Who may write checkpoints is a
    -- daemon's role, too, and is held against the same list.
    SELECT format('%I', r.rolname), h.label, '', h.privilege || h.of_columns
    FROM held h
    CROSS JOIN me
    JOIN pg_catalog.pg_roles r ON r.oid = h.grantee
    WHERE h.grantee NOT IN (me.oid, h.owner) AND NOT r.rolsuper AND h.kind IN ('table', 'sequence') AND h.privilege <> 'SELECT'
        AND h.name NOT IN ('vehicle', 'site', 'site_distance')
        AND NOT (
            EXISTS (SELECT FROM needed n WHERE n.kind = h.kind AND n.name = h.name AND n.privilege = h.privilege)
            AND EXISTS (SELECT FROM held o WHERE o.grantee = h.grantee AND o.name = 'checkpoint' AND o.privilege = 'INSERT')
        )
), surplus (rank, said, mend) AS (
    SELECT 1, format(a.said, me.rolname), format('ALTER ROLE %I %s', me.rolname, a.mend)
    FROM me
    CROSS JOIN LATERAL (VALUES
        (me.rolsuper, '%I is a superuser: it may do everything, in every database', 'NOSUPERUSER'),
        (me.rolcreatedb AND NOT me.rolsuper, '%I may make databases (CREATEDB)', 'NOCREATEDB'),
        (me.rolcreaterole AND NOT me.rolsuper, '%I may make roles (CREATEROLE)', 'NOCREATEROLE'),
        (me.rolreplication AND NOT me.rolsuper, '%I may replicate all databases (REPLICATION)', 'NOREPLICATION'),
        (me.rolbypassrls AND NOT me.rolsuper, '%I passes row security by (BYPASSRLS)', 'NOBYPASSRLS')
    ) AS a (is_so, said, mend)
    WHERE a.is_so
    UNION ALL
    SELECT 2, format('%I owns %s', me.rolname, string_agg(o.label, ', ' ORDER BY o.kind, o.label)),
        format('REASSIGN OWNED BY %I TO the_owner', me.rolname)
    FROM object o JOIN me ON o.owner = me.oid
    -- Whoever owns the schema owns what is in it, as a rule.
    WHERE NOT $1 AND NOT me.rolsuper
        AND (o.kind IN ('schema', 'database') OR NOT EXISTS (
            SELECT FROM object s WHERE s.kind = 'schema' AND s.owner = me.oid
        ))
    GROUP BY me.rolname
    UNION ALL
    SELECT 3,
        format('%I is a member of %I', me.rolname, r.rolname)
            || CASE WHEN bool_or(m.admin_option) THEN ' and may let others in (ADMIN OPTION)' ELSE '' END
            || CASE WHEN r.rolsuper THEN ', a superuser'
                WHEN EXISTS (SELECT FROM object o WHERE o.owner = r.oid) THEN ', the owner of what is here' ELSE '' END,
        format('REVOKE %I FROM %I', r.rolname, me.rolname)
    FROM me
    JOIN pg_catalog.pg_auth_members m ON m.member = me.oid
    JOIN pg_catalog.pg_roles r ON r.oid = m.roleid
    WHERE NOT me.rolsuper
    GROUP BY me.rolname, r.oid, r.rolname, r.rolsuper
    UNION ALL
    SELECT 4 + (b.who = 'PUBLIC')::integer,
        format('%s may %s%s on %s', CASE b.who WHEN 'PUBLIC' THEN 'everybody (PUBLIC)' ELSE b.who END,
            CASE b.how WHEN '' THEN '' ELSE 'pass on ' END, string_agg(DISTINCT b.privilege, ', ' ORDER BY b.privilege), b.label),
        format('REVOKE %s%s ON %s FROM %s', b.how, string_agg(DISTINCT b.privilege, ', ' ORDER BY b.privilege), b.label, b.who)
    FROM beyond b
    GROUP BY b.who, b.label, b.how
)
SELECT true AS is_missing, format('%s on %s', l.privileges, l.label) AS said,
    format('GRANT %s ON %s TO %I', l.privileges, l.label, current_user) AS mend, 0 AS rank
FROM lacking l
UNION ALL
SELECT false, s.said, s.mend, s.rank FROM surplus s
ORDER BY rank, said
