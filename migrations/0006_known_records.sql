-- By what records are recognized that come again as they were, so that they need not be normalized again.

ALTER TABLE fuel.sync_window ADD COLUMN known_records bytea;
-- Digests do not get smaller by compressing them.
ALTER TABLE fuel.sync_window ALTER COLUMN known_records SET STORAGE EXTERNAL;

COMMENT ON COLUMN fuel.sync_window.known_records IS 'Of records that a whole read brought: a keyed digest of the text, the id, and the keys of the lines with digests of their contents. A record whose text is the same comes to the same, and is not normalized again. May be set to NULL at any time. NULL: small windows and final ones.';
