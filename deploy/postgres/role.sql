-- The daemon's role, with no more rights than it needs. Run by the owner of the schema fuel, after `fuelsync migrate`
-- (which wants a role that may create the schema).
--
--   psql -v role=fuelsync -f role.sql fleet
GRANT USAGE ON SCHEMA fuel TO :"role";
GRANT SELECT ON fuel._migration TO :"role";
GRANT SELECT, INSERT, UPDATE ON
    fuel.transaction, fuel.record, fuel.transaction_version, fuel.checkpoint, fuel.sync_window, fuel.sync_run,
    fuel.quarantine, fuel.gap
TO :"role";
GRANT DELETE ON fuel.transaction TO :"role";
GRANT USAGE, SELECT ON SEQUENCE fuel.change_seq TO :"role";
SELECT format('GRANT TEMPORARY ON DATABASE %I TO %I', current_database(), :'role') \gexec
