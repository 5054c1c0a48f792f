-- The daemon's role and, if asked for, the analysts', each with exactly the rights that it needs: what was granted before and
-- is not listed here is taken back. Run it after `fuelsync migrate`, by the role that migrated, and again after each upgrade:
-- a migration may bring a table or a view.
--
--   psql -d fleet -v role=fuelsync -v readers=fuel_readers -f role.sql
--
--   role      the daemon's. Made with LOGIN when it is not there; give it a password: \password fuelsync
--   readers   optional: a group without a login, who may query sales and what is known of their completeness. Made when it is
--             not there; then GRANT fuel_readers TO anna
--   raw=yes   optional: the readers see also what the vendors sent, as far as [privacy] lets it be: fuel.record, the history,
--             the quarantine
--
-- Making a role needs CREATEROLE, or an administrator who has made it before. Migrating is not the daemon's: with
-- database.migrate = true it must own the schema, and this file is of no use.
\set ON_ERROR_STOP on
\if :{?role}
\else
  DO $$ BEGIN RAISE EXCEPTION 'say whose rights these are: psql -d fleet -v role=fuelsync -f role.sql'; END $$;
\endif
\if :{?raw}
\else
  \set raw no
\endif

BEGIN;

SELECT format('CREATE ROLE %I LOGIN', :'role') WHERE to_regrole(quote_ident(:'role')) IS NULL \gexec

REVOKE ALL ON SCHEMA fuel FROM :"role";
REVOKE ALL ON ALL TABLES IN SCHEMA fuel FROM :"role";
REVOKE ALL ON ALL SEQUENCES IN SCHEMA fuel FROM :"role";
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA fuel FROM :"role";

SELECT format('REVOKE ALL ON DATABASE %I FROM %I', current_database(), :'role') \gexec
-- A pass sorts what it read in temporary tables.
SELECT format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', current_database(), :'role') \gexec
GRANT USAGE ON SCHEMA fuel TO :"role";
GRANT SELECT ON fuel._migration TO :"role";
GRANT SELECT, INSERT, UPDATE ON
    fuel.transaction, fuel.record, fuel.checkpoint, fuel.sync_window, fuel.sync_run, fuel.quarantine, fuel.gap
TO :"role";
-- The lines of a HecOne transaction are replaced as a set; runs are kept for a year.
GRANT DELETE ON fuel.transaction, fuel.sync_run TO :"role";
-- History and certificates are added to; nobody who reads vendors can rewrite them.
GRANT SELECT, INSERT ON fuel.transaction_version, fuel.certificate, fuel.certificate_window TO :"role";
-- Who is forgotten is heeded. `fuelsync forget` and `fuelsync remap` themselves alter history: they are the owner's, as
-- `fuelsync migrate`.
GRANT SELECT ON fuel.forgotten, fuel.forgotten_key TO :"role";
GRANT USAGE, SELECT ON SEQUENCE fuel.change_seq TO :"role";
GRANT EXECUTE ON FUNCTION
    fuel.announce_writer(), fuel.as_jsonb(json), fuel.forgotten_number(), fuel.window_sums(text, text, text, timestamptz, timestamptz)
TO :"role";

\if :{?readers}
  SELECT format('CREATE ROLE %I NOLOGIN', :'readers') WHERE to_regrole(quote_ident(:'readers')) IS NULL \gexec

  REVOKE ALL ON SCHEMA fuel FROM :"readers";
  REVOKE ALL ON ALL TABLES IN SCHEMA fuel FROM :"readers";
  REVOKE ALL ON ALL SEQUENCES IN SCHEMA fuel FROM :"readers";
  REVOKE ALL ON ALL FUNCTIONS IN SCHEMA fuel FROM :"readers";

  SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), :'readers') \gexec
  GRANT USAGE ON SCHEMA fuel TO :"readers";
  GRANT SELECT ON
      fuel.transaction, fuel.gap, fuel.checkpoint, fuel.sync_window, fuel.sync_run, fuel.certificate, fuel.certificate_window
  TO :"readers";
  -- What is in quarantine, without a word of what it is.
  GRANT SELECT (id, source, account, partition, window_start, copies, first_seen_at, last_seen_at, resolved_at, dropped)
  ON fuel.quarantine TO :"readers";
  -- fuel.changes goes by the sequence; it has no owner's rights of its own.
  GRANT SELECT ON SEQUENCE fuel.change_seq TO :"readers";
  GRANT EXECUTE ON FUNCTION fuel.changes(bigint, integer) TO :"readers";
  -- What a view calls is called by who asks it.
  GRANT EXECUTE ON FUNCTION
      fuel.plate_key(text), fuel.card_tail(text), fuel.point_of(text), fuel.beeline_km(numeric, numeric, numeric, numeric)
  TO :"readers";
  -- Views show with their owner's rights, and none but this one shows what the vendors sent.
  SELECT format('GRANT SELECT ON fuel.%I TO %I', viewname, :'readers')
    FROM pg_views WHERE schemaname = 'fuel' AND viewname <> 'transaction_with_raw' ORDER BY viewname \gexec
  \if :raw
    GRANT SELECT ON fuel.record, fuel.transaction_version, fuel.quarantine, fuel.transaction_with_raw TO :"readers";
    GRANT EXECUTE ON FUNCTION fuel.as_jsonb(json), fuel.transaction_as_of(timestamptz) TO :"readers";
  \endif
\endif

COMMIT;
