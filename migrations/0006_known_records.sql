-- By what records are recognized that come again as they were, so that they need not be normalized again.

ALTER TABLE fuel.sync_window ADD COLUMN known_records bytea;
-- Digests do not get smaller by compressing them.
ALTER TABLE fuel.sync_window ALTER COLUMN known_records SET STORAGE EXTERNAL;

COMMENT ON COLUMN fuel.sync_window.known_records IS 'Of each record of the last whole read, a keyed digest of its text, its id, and its lines with digests of their contents: a record whose text is the same comes to the same. Holds no values. NULL: small windows, very large ones, and final ones.';
