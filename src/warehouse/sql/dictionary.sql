-- docs/DICTIONARY.md, line by line, from the comments: psql -XAt -f src/warehouse/sql/dictionary.sql fleet
WITH relation AS (
    SELECT
        c.oid, c.relname::text AS name, CASE c.relkind WHEN 'v' THEN 'view' ELSE 'table' END AS kind,
        obj_description(c.oid, 'pg_class') AS said, CASE c.relkind WHEN 'v' THEN 1 ELSE 0 END AS part,
        c.relname IN ('sale', 'transaction_with_raw') AS is_like_transaction
    FROM pg_class c
    -- What begins with _ is the program's own.
    WHERE c.relnamespace = 'fuel'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND c.relname NOT LIKE '\_%'
), routine AS (
    SELECT
        p.oid, format('%s(%s)', p.proname, pg_get_function_identity_arguments(p.oid)) AS name,
        pg_get_function_result(p.oid) AS result, obj_description(p.oid, 'pg_proc') AS said
    FROM pg_proc p
    WHERE p.pronamespace = 'fuel'::regnamespace
), line AS (
    SELECT 0 AS part, '' AS name, n AS place, text
    FROM unnest(ARRAY[
        '# Data dictionary', '',
        'Schema `fuel`, made from the comments in the database by `src/warehouse/sql/dictionary.sql`: what stands here is what',
        '`\d+ fuel.transaction` says in psql. Times are `timestamptz`, amounts and quantities `numeric`; unknown is `NULL`.', '',
        '## Tables'
    ]) WITH ORDINALITY AS head (text, n)
    UNION ALL
    SELECT 1, '', h.n, h.text FROM unnest(ARRAY['', '## Views']) WITH ORDINALITY AS h (text, n)
    UNION ALL
    SELECT r.part, r.name, h.n, h.text
    FROM relation r
    CROSS JOIN LATERAL unnest(ARRAY[
        '', format('### `fuel.%s`', r.name), '',
        coalesce(r.said, '') || CASE WHEN r.is_like_transaction THEN ' Its columns are those of `fuel.transaction`, and:' ELSE '' END, '', '| column | type | meaning |', '|---|---|---|'
    ]) WITH ORDINALITY AS h (text, n)
    UNION ALL
    SELECT
        r.part, r.name, 100 + a.attnum,
        format('| `%s` | %s%s | %s |', a.attname, replace(format_type(a.atttypid, a.atttypmod), 'timestamp with time zone', 'timestamptz'),
            CASE WHEN a.attnotnull THEN ' not null' ELSE '' END, replace(coalesce(col_description(r.oid, a.attnum), ''), '|', '\|'))
    FROM relation r
    JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE NOT (r.is_like_transaction AND EXISTS (
        SELECT FROM pg_attribute t WHERE t.attrelid = 'fuel.transaction'::regclass AND t.attname = a.attname
    ))
    UNION ALL
    SELECT 2, '', h.n, h.text
    FROM unnest(ARRAY['', '## Functions', '', '| function | gives | meaning |', '|---|---|---|']) WITH ORDINALITY AS h (text, n)
    UNION ALL
    SELECT
        2, f.name, 0, format('| `fuel.%s` | %s | %s |', replace(f.name, 'timestamp with time zone', 'timestamptz'),
            f.result, replace(coalesce(f.said, ''), '|', '\|'))
    FROM routine f
)
SELECT text FROM line ORDER BY part, name COLLATE "C", place
