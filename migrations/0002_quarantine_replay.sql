-- What a record in quarantine needs to come to the same rows when it is normalized again as when it is read again.

ALTER TABLE fuel.quarantine
    ADD COLUMN copies      integer not null default 1,
    ADD COLUMN nul_removed boolean not null default false;

COMMENT ON COLUMN fuel.quarantine.copies IS 'How often the last read that met it brought it, alike in everything: each counts in fuel.sync_window.';
COMMENT ON COLUMN fuel.quarantine.nul_removed IS 'Whether a NUL was taken out of its text, which flags the lines that come of it.';
COMMENT ON COLUMN fuel.sync_window.digest IS 'Digest over the rows of the last read; NULL once a replay has added to them.';
COMMENT ON COLUMN fuel.sync_window.full_read_at IS 'When it was last read whole, by the source''s clock; NULL also where a replay asks for the next read.';
COMMENT ON COLUMN fuel.sync_run.mode IS 'run, sync, backfill, demo, verify or replay.';
COMMENT ON TABLE fuel.sync_run IS 'Each pass, backfill, verification and replay of the quarantine.';
