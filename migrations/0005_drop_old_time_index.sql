-- Apart from the building of the new one, which takes long on a large table: this needs the table to itself for a moment,
-- and may be tried again without building anew.
DROP INDEX fuel.transaction_stream_time;
