-- Which windows fail is asked at every scrape of the metrics; there are few of them among many.
CREATE INDEX sync_window_failing ON fuel.sync_window (source, account, partition) WHERE state = 'failing';

COMMENT ON COLUMN fuel.checkpoint.last_outcome IS 'How it ended: ok, failed, refused (credentials), withdrawn, not_enabled.';
