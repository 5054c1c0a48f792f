-- By what a read is told whose answer the table has already: then not a row of it is compared.

ALTER TABLE fuel.sync_window ADD COLUMN digest_seqs numeric;

COMMENT ON COLUMN fuel.sync_window.digest_seqs IS 'Sum of the seq of the window''s rows when the table had exactly what the digest is of. While it is still that, no content of theirs was written since. NULL: not known.';
