-- What `fuelsync prove` has certified, so that a later one can say what has changed since. New tables only: nothing that is
-- there is touched, and loading does not know of them.

CREATE TABLE fuel.certificate (
    certificate_id uuid primary key,
    stretch_start  timestamptz not null,
    stretch_end    timestamptz not null,
    made_at        timestamptz not null,
    version        text not null,
    host           text not null,
    through_seq    bigint not null,
    rows           bigint not null,
    findings       bigint not null,
    root           bytea not null,
    CHECK (stretch_start < stretch_end)
);

COMMENT ON TABLE fuel.certificate IS 'Each completeness certificate that fuelsync prove has made. See docs/PROVE.md.';
COMMENT ON COLUMN fuel.certificate.certificate_id IS 'Number of the certificate, in order of time.';
COMMENT ON COLUMN fuel.certificate.stretch_start IS 'First instant of what it is about.';
COMMENT ON COLUMN fuel.certificate.stretch_end IS 'First instant after it.';
COMMENT ON COLUMN fuel.certificate.made_at IS 'When, by the database''s clock: the tables as they were then.';
COMMENT ON COLUMN fuel.certificate.version IS 'Version of fuelsync.';
COMMENT ON COLUMN fuel.certificate.host IS 'Machine.';
COMMENT ON COLUMN fuel.certificate.through_seq IS 'Every change up to this seq was seen: what has a higher one has changed since.';
COMMENT ON COLUMN fuel.certificate.rows IS 'Lines of all its windows, without those marked missing.';
COMMENT ON COLUMN fuel.certificate.findings IS 'How many lines or windows were not what the records and the ledger say.';
COMMENT ON COLUMN fuel.certificate.root IS 'SHA-256 over the digests of its windows, in order of source, account, partition and time.';

CREATE INDEX certificate_stretch ON fuel.certificate (stretch_start, stretch_end, made_at);

CREATE TABLE fuel.certificate_window (
    certificate_id uuid not null REFERENCES fuel.certificate ON DELETE CASCADE,
    source         text not null,
    account        text not null,
    partition      text not null,
    window_start   timestamptz not null,
    window_end     timestamptz not null,
    state          text not null,
    quarantined    bigint not null,
    rows           bigint not null,
    missing        bigint not null,
    sums           jsonb not null,
    digest         bytea not null,
    PRIMARY KEY (certificate_id, source, account, partition, window_start),
    CHECK (window_start < window_end),
    CHECK (state IN ('final', 'provisional', 'quarantined', 'missing', 'not_covered'))
);

COMMENT ON TABLE fuel.certificate_window IS 'Each window of a certificate, cut to the stretch that it is about.';
COMMENT ON COLUMN fuel.certificate_window.certificate_id IS 'The certificate.';
COMMENT ON COLUMN fuel.certificate_window.source IS 'Vendor interface.';
COMMENT ON COLUMN fuel.certificate_window.account IS 'Account in the configuration.';
COMMENT ON COLUMN fuel.certificate_window.partition IS 'Contract number, or -.';
COMMENT ON COLUMN fuel.certificate_window.window_start IS 'First instant of the window, or of the part that lies in the stretch.';
COMMENT ON COLUMN fuel.certificate_window.window_end IS 'First instant after it.';
COMMENT ON COLUMN fuel.certificate_window.state IS 'final (not read again), provisional (may still change), quarantined (records of it cannot be normalized), missing (not read) or not_covered (a gap, before the start, after the watermark).';
COMMENT ON COLUMN fuel.certificate_window.quarantined IS 'Open records in quarantine of the window.';
COMMENT ON COLUMN fuel.certificate_window.rows IS 'Lines of the window, without those marked missing.';
COMMENT ON COLUMN fuel.certificate_window.missing IS 'Lines marked missing: the source no longer has them.';
COMMENT ON COLUMN fuel.certificate_window.sums IS 'Of the lines that count as sales (posted or invoiced): number, quantity, net, VAT and gross by product, currency and unit.';
COMMENT ON COLUMN fuel.certificate_window.digest IS 'SHA-256 over the lines of the window, in the order of their keys.';
