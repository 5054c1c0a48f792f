//! Every earlier version's tables, with data, become those of this one: nothing of the data changes, and the program works on.
//!
//! For each migration N a database is made that has 1 to N applied. Into it comes what a warehouse holds: the rows of one
//! that read both vendors, as far as version N has their columns, and rows written by hand that use every table and column
//! (`tests/it/migrations/`: one file for each migration that brought some, by its number). Then it is migrated.

use std::sync::Arc;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use fuelsync::{
    clock::{Clock, SystemClock},
    sandbox::{self, Sandbox, WorldOptions, truth::Scope},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, migrate::Migrator};

use crate::support::{Fuelsync, TestDatabase, ends, fleet};

static FILES: Migrator = sqlx::migrate!("./migrations");

/// What was written by hand, by the number of the migration that brought the table or the column.
const BY_HAND: [(i64, &str); 8] = [
    (1, include_str!("migrations/0001.sql")),
    (2, include_str!("migrations/0002.sql")),
    (3, include_str!("migrations/0003.sql")),
    (6, include_str!("migrations/0006.sql")),
    (9, include_str!("migrations/0009.sql")),
    (10, include_str!("migrations/0010.sql")),
    (11, include_str!("migrations/0011.sql")),
    (16, include_str!("migrations/0016.sql")),
];

/// What reading fills, in the first version already.
const READ: [&str; 8] =
    ["transaction", "record", "transaction_version", "checkpoint", "sync_window", "sync_run", "quarantine", "gap"];

/// Databases at the same time.
const TOGETHER: usize = 3;

struct Vendors {
    sandbox: Sandbox,
    start: DateTime<Utc>,
    as_of: DateTime<Utc>,
}

impl Vendors {
    /// Twelve days of sales up to last midnight, standing still.
    async fn new() -> Self {
        let as_of = SystemClock.now().date_naive().and_time(NaiveTime::MIN).and_utc();
        let start = as_of - TimeDelta::days(12);
        let world = WorldOptions { sales: 900, from: start, to: as_of, as_of: Some(as_of), ..WorldOptions::default() };
        let options = sandbox::Options { world, clock: Arc::new(SystemClock), ..sandbox::Options::default() };
        Self { sandbox: sandbox::start(options).await.unwrap(), start, as_of }
    }

    fn call<'a>(&self, database: &TestDatabase, args: impl IntoIterator<Item = &'a str>) -> Fuelsync {
        let text = sandbox::configuration(&self.sandbox, database.url(), self.start);
        Fuelsync::new(args).config(&text.replace("migrate = true", "migrate = false"))
    }
}

/// Applies the migrations up to one, as `migrate` does.
async fn migrate_to(connection: &mut PgConnection, version: i64) {
    let mut migrator = Migrator { migrations: FILES.migrations.clone(), ..Migrator::DEFAULT };
    migrator.dangerous_set_table_name("fuel._migration");
    migrator.create_schema("fuel");
    migrator.run_direct(Some(version), connection, false).await.unwrap();
}

/// The tables of a database, each with its columns.
async fn tables(pool: &PgPool) -> Vec<(String, Vec<String>)> {
    sqlx::query_as(
        "SELECT c.relname::text, array_agg(quote_ident(a.attname) ORDER BY a.attnum) FROM pg_class c \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         WHERE c.relnamespace = 'fuel'::regnamespace AND c.relkind = 'r' AND c.relname <> '_migration' GROUP BY 1 ORDER BY 1",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

/// How many rows a table has, and what some columns of them come to, in the exact text.
async fn content(pool: &PgPool, table: &str, columns: &[String], of: &str) -> (i64, Option<String>) {
    let columns = columns.join(", ");
    let sql = format!(
        "SELECT count(*), md5(string_agg(t::text, chr(10) ORDER BY t::text COLLATE \"C\")) \
         FROM (SELECT {columns} FROM fuel.{table} {of}) AS t"
    );
    sqlx::query_as(AssertSqlSafe(sql)).fetch_one(pool).await.unwrap()
}

/// Copies what reading filled, as far as the other database has its columns, and the numbers that were drawn.
async fn copy(from: &PgPool, to: &PgPool) {
    let there = tables(to).await;
    let (mut reading, mut writing) = (from.acquire().await.unwrap(), to.acquire().await.unwrap());
    for table in READ {
        let (_, columns) = there.iter().find(|(name, _)| name == table).unwrap();
        let columns = columns.join(", ");
        let out = format!("COPY fuel.{table} ({columns}) TO STDOUT");
        let parts: Vec<_> = reading.copy_out_raw(&out).await.unwrap().try_collect().await.unwrap();
        let mut sink = writing.copy_in_raw(&format!("COPY fuel.{table} ({columns}) FROM STDIN")).await.unwrap();
        for part in parts {
            sink.send(&part[..]).await.unwrap();
        }
        sink.finish().await.unwrap();
    }
    for sequence in ["change_seq", "transaction_version_version_id_seq", "quarantine_id_seq"] {
        let drawn: i64 = sqlx::query_scalar(AssertSqlSafe(format!("SELECT last_value FROM fuel.{sequence}")))
            .fetch_one(from)
            .await
            .unwrap();
        let put = format!("SELECT setval('fuel.{sequence}', {drawn})");
        sqlx::query(AssertSqlSafe(put)).execute(to).await.unwrap();
    }
}

fn sum(summary: &Value, count: &str) -> u64 {
    summary["streams"].as_array().unwrap().iter().map(|stream| stream[count].as_u64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warehouse_of_every_earlier_version_keeps_its_data_and_works_on() {
    let vendors = Vendors::new().await;
    let newest = TestDatabase::new().await;
    vendors.call(&newest, ["migrate"]).run().await.ended_with(0);
    vendors.call(&newest, ["sync", "--json"]).run().await.ended_with(0);
    let full = newest.pool().await;
    let versions: Vec<i64> = FILES.iter().map(|file| file.version).collect();
    let last = *versions.last().unwrap();
    assert!(BY_HAND.iter().all(|(version, _)| versions.contains(version)));
    let (vendors, full) = (&vendors, &full);
    let each = stream::iter(versions.into_iter().filter(|version| *version < last));
    let done = each.map(|version| from_version(vendors, full, version)).buffer_unordered(TOGETHER).collect::<Vec<_>>();
    // They are dropped when the last one is done: the server drops no database while a connection is being made, and waiting
    // for that would keep the one that makes it, in this same task, from going on.
    drop(ends("every migration", Box::pin(done)).await);
}

async fn from_version(vendors: &Vendors, full: &PgPool, version: i64) -> TestDatabase {
    let database = TestDatabase::new().await;
    migrate_to(&mut database.connect().await, version).await;
    let pool = database.pool().await;
    copy(full, &pool).await;
    for (_, sql) in BY_HAND.iter().filter(|(of, _)| *of <= version) {
        sqlx::raw_sql(*sql).execute(&pool).await.unwrap();
    }
    let tables = tables(&pool).await;
    let mut before = Vec::new();
    for (table, columns) in &tables {
        let content = content(&pool, table, columns, "").await;
        assert!(content.0 > 0, "fuel.{table} of version {version} has no rows: tests/it/migrations/ lacks some");
        before.push(content);
    }

    vendors.call(&database, ["migrate"]).run().await.ended_with(0);
    for ((table, columns), before) in tables.iter().zip(&before) {
        let after = content(&pool, table, columns, "").await;
        assert_eq!(after, *before, "fuel.{table} of version {version}, migrated");
    }
    let checked = vendors.call(&database, ["check"]).run().await.ended_with(0);
    assert!(checked.stdout.contains("All is well."), "{}", checked.stdout);
    vendors.call(&database, ["migrate", "--check"]).run().await.ended_with(0);

    // All that was read is due again: the vendors have nothing new, so a pass finds each row as it is.
    sqlx::query(
        "UPDATE fuel.sync_window SET full_read_at = full_read_at - interval '3 days' WHERE account <> 'closed'",
    )
    .execute(&pool)
    .await
    .unwrap();
    let mut lasting = Vec::new();
    for (table, columns) in &tables {
        let of = match table.as_str() {
            "checkpoint" | "sync_window" | "quarantine" => "WHERE account = 'closed'",
            "sync_run" => "WHERE host = 'closed'",
            _ => "",
        };
        lasting.push((table, columns, of, content(&pool, table, columns, of).await));
    }
    let read = vendors.call(&database, ["sync", "--json"]).run().await.ended_with(0).json();
    assert_eq!(read["outcome"], "ok", "{read}");
    assert_eq!((sum(&read, "inserted"), sum(&read, "updated"), sum(&read, "missing")), (0, 0, 0), "{read}");
    assert!(sum(&read, "unchanged") > 500, "{read}");
    for (table, columns, of, before) in lasting {
        assert_eq!(content(&pool, table, columns, of).await, before, "fuel.{table} of version {version}, read again");
    }
    // Of the account that is read no more nothing is known to the sandbox.
    for table in ["transaction", "record", "quarantine"] {
        let sql = format!("DELETE FROM fuel.{table} WHERE account = 'closed'");
        sqlx::query(AssertSqlSafe(sql)).execute(&pool).await.unwrap();
    }
    let untrue = fleet::untrue(&pool, vendors.sandbox.world(), vendors.as_of, &Scope::from(vendors.start)).await;
    assert_eq!(untrue, None, "version {version}");
    pool.close().await;
    database
}
