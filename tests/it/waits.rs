//! Who waits for the database waits in turn, for so long, and says for what.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use fuelsync::{
    config::Config,
    domain::{Kind, Line, Outcome, Partition, Record, SourceKind, State, StreamId, Window},
    warehouse::{
        Warehouse, WarehouseError,
        incoming::Incoming,
        lease::{Lease, Taken},
        load::{WindowRead, Writer},
    },
};
use sqlx::{Connection, Executor, PgConnection};
use tokio::{sync::watch, time::timeout};

use crate::support::{
    TestDatabase,
    dbproxy::{Act, At, DbProxy},
};

const LONG: Duration = Duration::from_mins(1);
const START: DateTime<Utc> = DateTime::UNIX_EPOCH;

/// A warehouse with these settings of `[database]`.
fn warehouse(database: &TestDatabase, settings: &str) -> Warehouse {
    warehouse_at(database.url(), settings)
}

fn warehouse_at(url: &str, settings: &str) -> Warehouse {
    let text = format!("[database]\nurl = \"postgres://x\"\n{settings}");
    let settings = Config::from_text("test.toml", &text, std::iter::empty()).unwrap().database;
    Warehouse::new(&settings, &url.to_owned().into()).unwrap()
}

fn stream(number: usize) -> StreamId {
    StreamId::new(SourceKind::AlexelaCard, "fleet", Partition::contract(number.to_string()))
}

async fn lease(warehouse: &Warehouse, stream: &StreamId) -> Lease {
    match warehouse.take_lease(stream, "test", LONG).await.unwrap() {
        Taken::Ours { lease, .. } => lease,
        Taken::Held { by, .. } => panic!("{by} holds it"),
    }
}

/// Writes one line of a stream.
async fn load(warehouse: &Warehouse, stream: &StreamId, lease: &Lease) -> Result<(), WarehouseError> {
    let window = Window::new(START, START + TimeDelta::hours(1)).unwrap();
    let asked_at = warehouse.renew_lease(stream, lease, LONG).await?;
    let mut incoming = Incoming::new(stream.source, window);
    let line = Line::new("d", Kind::Fuel, State::Posted, START);
    let id = stream.partition.as_str().into();
    incoming.records(vec![Record { id, raw: "{}".into(), outcome: Outcome::Lines(vec![line]) }])?;
    incoming.complete()?;
    let read = WindowRead {
        stream,
        window,
        stretch: window,
        present: window.end(),
        asked_at,
        horizon: None,
        complete: true,
        unstable: false,
        comes_again: true,
        writer: Writer::Pass { lease, watermark: None, turn: None },
    };
    warehouse.load(&read, &incoming.finish(), LONG).await.map(drop)
}

#[tokio::test]
async fn windows_that_wait_for_the_database_leave_a_connection_to_the_leases() {
    let database = TestDatabase::new().await;
    warehouse(&database, "").migrate().await.unwrap();
    for connections in [2, 3] {
        let warehouse = warehouse(
            &database,
            &format!("max_connections = {connections}\nconnect_timeout = \"2s\"\nlock_timeout = \"50s\"\n"),
        );
        let streams: Vec<_> = (0..4).map(|number| stream(connections * 10 + number)).collect();
        let mut leases = Vec::new();
        for stream in &streams {
            leases.push(lease(&warehouse, stream).await);
        }
        let mut other = database.connect().await;
        other.execute("BEGIN; LOCK TABLE fuel.transaction IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let loads = futures_util::future::join_all(
            streams.iter().zip(&leases).map(|(stream, lease)| load(&warehouse, stream, lease)),
        );
        let mut loads = Box::pin(loads);
        assert!(timeout(Duration::from_secs(1), &mut loads).await.is_err(), "they wait for the table");
        for (stream, lease) in streams.iter().zip(&leases) {
            let renewed = tokio::select! {
                renewed = warehouse.renew_lease(stream, lease, LONG) => renewed,
                _ = &mut loads => panic!("they wait for the table"),
            };
            renewed.unwrap();
        }
        other.execute("ROLLBACK").await.unwrap();
        for done in timeout(LONG, loads).await.unwrap() {
            done.unwrap();
        }
    }
}

#[tokio::test]
async fn a_peer_that_is_gone_without_a_word_does_not_keep_its_stream_for_a_minute() {
    let database = TestDatabase::new().await;
    let here = warehouse(&database, "");
    here.migrate().await.unwrap();
    let proxy = DbProxy::new(database.url()).await;
    let gone = warehouse_at(proxy.url(), "");
    let stream = stream(1);
    let lease = lease(&gone, &stream).await;
    // Its row of the checkpoint is locked by then, and the server hears nothing more.
    proxy.script(|message| if message.commits_sales() { Act::Freeze(At::Before) } else { Act::Pass });
    let mut load = Box::pin(load(&gone, &stream, &lease));
    let asked = async {
        while !proxy.is_frozen() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        while let Err(error) = here.take_lease(&stream, "another", LONG).await {
            assert!(matches!(&error, WarehouseError::Timeout(_)), "{error}");
        }
    };
    tokio::select! {
        asked = timeout(Duration::from_secs(30), asked) => asked.unwrap(),
        done = &mut load => panic!("nothing passes: {done:?}"),
    }
}

#[tokio::test]
async fn the_first_who_asks_after_every_connection_was_lost_without_a_word_is_answered() {
    let database = TestDatabase::new().await;
    let proxy = DbProxy::new(database.url()).await;
    let here = warehouse_at(proxy.url(), "max_connections = 4\n");
    here.migrate().await.unwrap();
    let streams: Vec<_> = (0..4).map(stream).collect();
    // At once, so that each has a connection.
    futures_util::future::join_all(streams.iter().map(|stream| lease(&here, stream))).await;
    proxy.strand();
    timeout(LONG, here.now()).await.unwrap().expect("the first");
    // Whatever else hangs is found by those who come behind, each by one.
    for stream in &streams {
        timeout(LONG, here.watermark(stream)).await.unwrap().expect("all others");
    }
}

#[tokio::test]
async fn connections_lost_on_their_way_back_do_not_keep_their_places() {
    let database = TestDatabase::new().await;
    let proxy = Arc::new(DbProxy::new(database.url()).await);
    let here = warehouse_at(proxy.url(), "max_connections = 2\nconnect_timeout = \"30s\"\n");
    here.migrate().await.unwrap();
    // Nothing passes any more once COMMIT was answered, where a connection tells the pool that it lives.
    let (wire, (lost, mut seen)) = (Arc::clone(&proxy), watch::channel(0));
    proxy.script(move |message| {
        if message.kind == 'S' && message.before.last().is_some_and(|sql| &**sql == "COMMIT") {
            wire.strand();
            lost.send_modify(|lost| *lost += 1);
        }
        Act::Pass
    });
    for nth in 1..=6 {
        timeout(LONG, here.now()).await.unwrap().expect("an answer");
        timeout(LONG, seen.wait_for(|lost| *lost == nth)).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_migration_that_another_process_makes_is_waited_for_only_so_long() {
    let database = TestDatabase::new().await;
    let warehouse = warehouse(&database, "lock_timeout = \"300ms\"\n");
    // Whatever number the driver draws for this database: the lock is the one that a migration holds.
    let mut other = database.connect().await;
    let name: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&mut other).await.unwrap();
    let number = 0x3d32_ad9e_i64 * i64::from(crc32(name.as_bytes()));
    sqlx::query("SELECT pg_advisory_lock($1)").bind(number).execute(&mut other).await.unwrap();
    let error = timeout(LONG, warehouse.migrate()).await.unwrap().unwrap_err();
    assert!(matches!(&error, WarehouseError::Timeout(_)), "{error}");
    assert!(error.to_string().contains("another process is migrating, or a pooler kept its lock"), "{error}");
    assert!(!warehouse.migration_state().await.unwrap().is_current());
    other.close().await.unwrap();
    warehouse.migrate().await.unwrap();
    assert!(warehouse.migration_state().await.unwrap().is_current());
}

#[tokio::test]
async fn a_migration_of_a_table_in_use_is_given_up_and_leaves_no_lock() {
    let database = TestDatabase::new().await;
    let warehouse = warehouse(&database, "lock_timeout = \"300ms\"\n");
    warehouse.migrate().await.unwrap();
    let mut other: PgConnection = database.connect().await;
    // As before the second migration, with a reader that does not end.
    other
        .execute(
            "ALTER TABLE fuel.quarantine DROP COLUMN copies, DROP COLUMN nul_removed; DELETE FROM fuel._migration WHERE version = 2",
        )
        .await
        .unwrap();
    other.execute("BEGIN; SELECT FROM fuel.quarantine").await.unwrap();
    let error = timeout(LONG, warehouse.migrate()).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("migration 2"), "{error}");
    other.execute("ROLLBACK").await.unwrap();
    warehouse.migrate().await.unwrap();
    assert!(warehouse.migration_state().await.unwrap().is_current());
}

/// As `zlib` does.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 })
    })
}
