-- The index by time with the partition first. A line is looked up by its key, without its partition: an index that begins
-- as the key does is taken for that as well while the server has no statistics of an account, and then each lookup reads
-- all of the account. Writers wait while it is built; readers do not.
CREATE INDEX transaction_time ON fuel.transaction (partition, source, account, occurred_at);
