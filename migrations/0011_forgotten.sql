-- Who is to be forgotten, told by nothing but keyed digests: a record that is met again with such a value loses it before
-- anything of it is stored. Two small tables and a function; no table that holds rows is touched.

CREATE TABLE fuel.forgotten_key (
    one     boolean primary key default true check (one),
    key     bytea not null,
    made_at timestamptz not null default now()
);

COMMENT ON TABLE fuel.forgotten_key IS 'The key of the digests in fuel.forgotten: one row. It stands here, and not in a configuration, so that every process has it and nobody who was forgotten comes back when a configured key is changed. Who may read it can try out values against fuel.forgotten: grant it to the program alone.';
COMMENT ON COLUMN fuel.forgotten_key.one IS 'There is one row.';
COMMENT ON COLUMN fuel.forgotten_key.key IS 'Random; made when the table was.';
COMMENT ON COLUMN fuel.forgotten_key.made_at IS 'When it was made.';

INSERT INTO fuel.forgotten_key (key) VALUES (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

CREATE TABLE fuel.forgotten (
    number       bigint generated always as identity primary key,
    kind         text not null,
    digest       bytea not null,
    forgotten_at timestamptz not null default now(),
    CHECK (kind IN ('card', 'plate', 'driver')),
    UNIQUE (kind, digest)
);

COMMENT ON TABLE fuel.forgotten IS 'What fuelsync forget was asked to forget. Read at the beginning of every pass and held against every record that is read.';
COMMENT ON COLUMN fuel.forgotten.number IS 'Number, in the order of being forgotten.';
COMMENT ON COLUMN fuel.forgotten.kind IS 'card, plate or driver.';
COMMENT ON COLUMN fuel.forgotten.digest IS 'HMAC-SHA256 of the value, or of what a privacy rule leaves of it, under the key in fuel.forgotten_key; without blanks and hyphens, in small letters. Never the value.';
COMMENT ON COLUMN fuel.forgotten.forgotten_at IS 'When it was forgotten.';

-- A writer asks which persons are forgotten, and no further one can be until its transaction ends: so whatever was read
-- before is either written before, and found when the tables are searched, or refused and read again. (1178944513 is the
-- neighbour of the half key that fuel.announce_writer uses.) Two sets of persons never have the same number: numbers are
-- never given twice.
CREATE FUNCTION fuel.forgotten_number() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1178944513::bigint << 32);
    RETURN (SELECT (coalesce(max(f.number), 0) << 20) + count(*) FROM fuel.forgotten f);
END
$$;
COMMENT ON FUNCTION fuel.forgotten_number() IS 'Which persons are forgotten, as one number; nobody is added to them until the transaction ends.';
