-- What the sales of each window come to, kept when the window is read, so that it can be told later by how much they differ.
-- Windows that were read before have none until they are read again.

ALTER TABLE fuel.sync_window ADD COLUMN sums jsonb;

COMMENT ON COLUMN fuel.sync_window.sums IS 'What the lines of the window that count as sales (posted or invoiced, not missing) came to when it was last read: number, quantity, net, VAT and gross by product, currency and unit, as in fuel.certificate_window. NULL: not known; the last read was not of the whole window, or by a version that kept none.';
