-- Up to which seq nothing can still appear, of the numbers drawn so far: see fuel.changes, which knows it the same way.
SELECT least($1, coalesce(min($1 - (($1 - l.objid::bigint) & 4294967295)), $1))
FROM pg_locks l
WHERE l.locktype = 'advisory' AND l.classid = 1178944512 AND l.objsubid = 1
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
