//! What `PostgreSQL` itself takes: COPY binary of the very rows that the program wrote, in the order in which they were
//! sent, into the same tables of a fresh database and into the table that one would make without thinking.

use std::time::Duration;

use fuelsync::clock::{Clock as _, SystemClock};
use futures_util::{StreamExt as _, future::join_all};
use sqlx::{Connection as _, PgConnection};

use crate::database::{Database, Server};

/// Rows as COPY binary: header, so many pieces, trailer.
#[derive(Debug)]
pub(crate) struct Copied {
    target: &'static str,
    pieces: Vec<Vec<u8>>,
}

/// Columns of the naive table beside `raw`: what a table of sales would have.
const NAIVE: &str = "source, account, source_transaction_id, line_id, kind, state, occurred_at, status_at, invoiced_at, \
    contract_no, site_id, site_name, terminal_id, card_number, driver_name, vehicle_no, license_plate, odometer_km, \
    receipt_no, invoice_no, product_code, product_name, product, quantity, unit, unit_price, net_amount, vat_rate, \
    vat_amount, gross_amount, currency";

/// Makes the naive table.
const MAKE_NAIVE: &str = "CREATE TABLE naive AS SELECT * FROM (SELECT source, account, source_transaction_id, line_id, \
    kind, state, occurred_at, status_at, invoiced_at, contract_no, site_id, site_name, terminal_id, card_number, \
    driver_name, vehicle_no, license_plate, odometer_km, receipt_no, invoice_no, product_code, product_name, product, \
    quantity, unit, unit_price, net_amount, vat_rate, vat_amount, gross_amount, currency FROM fuel.transaction) AS t \
    CROSS JOIN (SELECT NULL::jsonb AS raw) AS r WITH NO DATA; \
    ALTER TABLE naive ADD PRIMARY KEY (source, account, source_transaction_id, line_id); \
    CREATE INDEX ON naive (account, occurred_at); CREATE INDEX ON naive (card_number, occurred_at)";

/// The rows of a warehouse for its own tables: one set of both tables for each connection.
pub(crate) async fn same_tables(database: &Database, connections: u32) -> Vec<Vec<Copied>> {
    let mut sets = Vec::new();
    for part in 0..connections {
        let of = format!("abs(hashtext(t.source_transaction_id)) % {connections} = {part}");
        let lines =
            format!("SELECT t.* FROM fuel.transaction t WHERE {of} ORDER BY t.occurred_at, t.source_transaction_id");
        let records = format!(
            "SELECT r.* FROM fuel.record r JOIN (SELECT DISTINCT ON (source, account, source_transaction_id) * FROM \
             fuel.transaction t) AS t USING (source, account, source_transaction_id) WHERE {of} \
             ORDER BY t.occurred_at, t.source_transaction_id"
        );
        sets.push(vec![out(database, "fuel.transaction", &lines).await, out(database, "fuel.record", &records).await]);
    }
    sets
}

/// The rows of a warehouse for the naive table.
pub(crate) async fn naive(database: &Database, connections: u32) -> Vec<Vec<Copied>> {
    let mut sets = Vec::new();
    for part in 0..connections {
        let columns = NAIVE.split(", ").map(|name| format!("t.{name}")).collect::<Vec<_>>().join(", ");
        let rows = format!(
            "SELECT {columns}, fuel.as_jsonb(r.raw) FROM fuel.transaction t JOIN fuel.record r \
             ON r.source = t.source AND r.account = t.account AND r.source_transaction_id = t.source_transaction_id \
             AND r.line_id = CASE WHEN t.source = 'hecone' THEN '-' ELSE t.line_id END \
             WHERE abs(hashtext(t.source_transaction_id)) % {connections} = {part} \
             ORDER BY t.occurred_at, t.source_transaction_id"
        );
        sets.push(vec![out(database, "naive", &rows).await]);
    }
    sets
}

async fn out(database: &Database, target: &'static str, rows: &str) -> Copied {
    let mut connection = database.connect().await;
    let sql = format!("COPY ({rows}) TO STDOUT (FORMAT binary)");
    let mut stream = connection.copy_out_raw(&sql).await.expect("rows");
    let mut pieces = vec![Vec::new()];
    while let Some(piece) = stream.next().await {
        let piece = piece.expect("rows");
        if pieces.last().is_none_or(|last| last.len() >= 64 * 1024) {
            pieces.push(Vec::with_capacity(72 * 1024));
        }
        pieces.last_mut().expect("one").extend_from_slice(&piece);
    }
    Copied { target, pieces }
}

/// Copies the sets side by side, a connection and a transaction each, into a fresh database: how long it took.
pub(crate) async fn copy(server: &Server, sets: &[Vec<Copied>]) -> Duration {
    let database = server.migrated().await;
    let mut connection = database.connect().await;
    sqlx::raw_sql(MAKE_NAIVE).execute(&mut connection).await.expect("the naive table");
    sqlx::raw_sql("CHECKPOINT").execute(&mut connection).await.expect("a checkpoint");
    let mut connections = Vec::new();
    for _ in sets {
        connections.push(database.connect().await);
    }
    let begun = SystemClock.monotonic();
    join_all(sets.iter().zip(&mut connections).map(|(set, connection)| copy_set(connection, set))).await;
    let took = begun.elapsed();
    drop((connection, connections));
    database.drop().await;
    took
}

async fn copy_set(connection: &mut PgConnection, set: &[Copied]) {
    let mut tx = connection.begin().await.expect("a transaction");
    for copied in set {
        let sql = match copied.target {
            "naive" => format!("COPY naive ({NAIVE}, raw) FROM STDIN (FORMAT binary)"),
            target => format!("COPY {target} FROM STDIN (FORMAT binary)"),
        };
        let mut sink = tx.copy_in_raw(&sql).await.expect("a COPY");
        for piece in &copied.pieces {
            sink.send(piece.as_slice()).await.expect("rows");
        }
        sink.finish().await.expect("rows");
    }
    tx.commit().await.expect("a commit");
}
