-- A consumer of fuel.changes that keeps its place in the same transaction as what it does, so that every change is worked
-- on exactly once, in its latest form, whenever it is stopped, killed or cut off. What it does here is keep a copy of some
-- columns in follower.sale: put your own work in its place. May be run again at any time: nothing that is there is lost.
--
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f follower.sql
--
-- The role needs CREATE on the database for this file, and of fuel only what follow() reads:
--
--   GRANT USAGE ON SCHEMA fuel TO follower;
--   GRANT SELECT ON fuel.transaction, fuel.change_seq TO follower;

CREATE SCHEMA IF NOT EXISTS follower;

-- How far it has come: one row. 0 is before the first change. Another consumer has a schema, and so a place, of its own.
CREATE TABLE IF NOT EXISTS follower.position (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq bigint NOT NULL
);
INSERT INTO follower.position (seq) VALUES (0) ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS follower.sale (
    source                text NOT NULL,
    account               text NOT NULL,
    source_transaction_id text NOT NULL,
    line_id               text NOT NULL,
    seq                   bigint NOT NULL,
    occurred_at           timestamptz NOT NULL,
    counts                boolean NOT NULL,
    license_plate         text,
    product               text,
    quantity              numeric(18,4),
    unit                  text,
    gross_amount          numeric(18,4),
    currency              text,
    PRIMARY KEY (source, account, source_transaction_id, line_id)
);

-- Works on at most max_rows changes and says how many there were: fewer than max_rows means that nothing is left for now.
-- Call it in a transaction of its own, at READ COMMITTED (the default); fuel.changes refuses anything else.
CREATE OR REPLACE FUNCTION follower.follow(max_rows integer DEFAULT 1000) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    place bigint;
    line  record;
    told  integer := 0;
BEGIN
    -- A second follower waits here for the COMMIT of the first, and goes on from where that one has come to.
    SELECT p.seq INTO STRICT place FROM follower.position p FOR UPDATE;

    FOR line IN SELECT * FROM fuel.changes(place, max_rows) LOOP
        INSERT INTO follower.sale AS s (
            source, account, source_transaction_id, line_id, seq, occurred_at, counts, license_plate, product, quantity,
            unit, gross_amount, currency
        )
        VALUES (
            line.source, line.account, line.source_transaction_id, line.line_id, line.seq, line.occurred_at,
            -- As fuel.sale does: posted or invoiced, and still at the source.
            line.state IN ('posted', 'invoiced') AND line.missing_since IS NULL,
            line.license_plate, line.product, line.quantity, line.unit, line.gross_amount, line.currency
        )
        ON CONFLICT (source, account, source_transaction_id, line_id) DO UPDATE SET
            seq = excluded.seq, occurred_at = excluded.occurred_at, counts = excluded.counts,
            license_plate = excluded.license_plate, product = excluded.product, quantity = excluded.quantity,
            unit = excluded.unit, gross_amount = excluded.gross_amount, currency = excluded.currency;

        -- The lines of a HecOne transaction are replaced as a set: one that went away is told by the change of another
        -- line of its transaction. (Everywhere else what goes away stays, with missing_since.)
        IF line.source = 'hecone' THEN
            DELETE FROM follower.sale s
            WHERE s.source = line.source AND s.account = line.account
                AND s.source_transaction_id = line.source_transaction_id
                AND NOT EXISTS (
                    SELECT FROM fuel.transaction t
                    WHERE t.source = s.source AND t.account = s.account
                        AND t.source_transaction_id = s.source_transaction_id AND t.line_id = s.line_id
                );
        END IF;

        place := line.seq;
        told := told + 1;
    END LOOP;

    UPDATE follower.position p SET seq = place WHERE p.seq < place;
    RETURN told;
END
$$;
