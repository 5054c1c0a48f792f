//! Whoever follows `fuel.changes`: what it is told, and the consumer of `deploy/examples` against a real database.
//! That nothing is missed beside many writers is a figure (`tests/score/changes.rs`).

use std::{io::Write as _, time::Duration};

use fuelsync::domain::{Record, SourceKind};
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgPool};

use crate::{
    load::{Stage, line, record},
    support::Fuelsync,
};

const FOLLOWER: &str = include_str!("../../deploy/examples/changes/follower.sql");
const FOLLOW: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/examples/changes/follow.py");

/// Less than the example's timer: what is there by then was brought by a notification.
const BEFORE_ITS_TIMER: Duration = Duration::from_secs(12);

/// What of the follower's copy is not the table's.
const DIFFERS: &str = "\
SELECT count(*) FROM fuel.transaction t FULL JOIN follower.sale s USING (source, account, source_transaction_id, line_id) \
WHERE t.seq IS DISTINCT FROM s.seq OR t.quantity IS DISTINCT FROM s.quantity OR t.occurred_at IS DISTINCT FROM s.occurred_at \
    OR s.counts IS DISTINCT FROM (t.state IN ('posted', 'invoiced') AND t.missing_since IS NULL)";

async fn follow(pool: &PgPool, max_rows: i32) -> i32 {
    sqlx::query_scalar("SELECT follower.follow($1)").bind(max_rows).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn a_line_that_goes_away_alone_is_told_by_another_of_its_transaction() {
    let stage = Stage::new(SourceKind::HecOne).await;
    // The same text, of which other rules make one line less.
    let text = |lines| Record { raw: "{}".into(), ..record("t", lines) };
    stage.load(vec![text(vec![line("a", 1, 5), line("b", 1, 6)]), record("u", vec![line("a", 2, 1)])]).await.unwrap();
    let told = stage.scalar("SELECT max(seq) FROM fuel.changes(0, 10)").await;
    stage.load(vec![text(vec![line("a", 1, 5)]), record("u", vec![line("a", 2, 1)])]).await.unwrap();
    let after: Vec<(String, String, i32)> =
        sqlx::query_as("SELECT source_transaction_id, line_id, version FROM fuel.changes($1, 10)")
            .bind(told)
            .fetch_all(&stage.pool)
            .await
            .unwrap();
    assert_eq!(after, [("t".to_owned(), "a".to_owned(), 1)], "told, and no change of its content");
    assert_eq!(stage.versions().await, [("t".into(), "b".into(), 1, "remove".into(), vec![])]);
}

#[tokio::test]
async fn the_example_follows_whatever_happens_and_with_no_more_rights_than_it_says() {
    let stage = Stage::new(SourceKind::HecOne).await;
    let role = format!("follower_of_{}", stage.pool.connect_options().get_database().unwrap());
    let grants = format!(
        "CREATE ROLE {role}; GRANT CREATE ON DATABASE {database} TO {role}; GRANT USAGE ON SCHEMA fuel TO {role}; \
         GRANT SELECT ON fuel.transaction, fuel.change_seq TO {role}",
        database = stage.pool.connect_options().get_database().unwrap()
    );
    sqlx::raw_sql(AssertSqlSafe(grants)).execute(&stage.pool).await.unwrap();
    let as_role = AssertSqlSafe(format!("SET ROLE {role}"));
    let mut follower = stage.pool.acquire().await.unwrap().detach();
    sqlx::raw_sql(as_role).execute(&mut follower).await.unwrap();
    for _ in 0..2 {
        sqlx::raw_sql(FOLLOWER).execute(&mut follower).await.unwrap();
    }
    let mut follow = async |max_rows: i32, begin: &'static str, end: &'static str| -> Result<i32, sqlx::Error> {
        sqlx::raw_sql(begin).execute(&mut follower).await.unwrap();
        let told = sqlx::query_scalar("SELECT follower.follow($1)").bind(max_rows).fetch_one(&mut follower).await;
        sqlx::raw_sql(end).execute(&mut follower).await.unwrap();
        told
    };
    let records = |quantity| {
        vec![
            record("1", vec![line("a", 1, quantity), line("b", 1, 2)]),
            record("2", vec![line("a", 2, 3)]),
            record("3", vec![line("a", 3, 4)]),
        ]
    };
    stage.load(records(10)).await.unwrap();
    assert_eq!(
        follow(3, "BEGIN", "ROLLBACK").await.unwrap(),
        3,
        "nothing is kept of a transaction that was rolled back"
    );
    assert_eq!(stage.scalar("SELECT count(*) FROM follower.sale").await, 0);
    assert_eq!(follow(3, "BEGIN", "COMMIT").await.unwrap(), 3);
    assert_eq!(follow(3, "BEGIN", "COMMIT").await.unwrap(), 1);
    assert_eq!(stage.scalar(DIFFERS).await, 0);
    // A change, a line less, one more; then one that the source no longer has.
    stage.load(vec![record("1", vec![line("a", 1, 11)]), record("2", vec![line("c", 2, 3)])]).await.unwrap();
    follow(100, "BEGIN", "COMMIT").await.unwrap();
    assert_eq!(stage.scalar(DIFFERS).await, 0);
    stage.load(vec![record("1", vec![line("a", 1, 11)]), record("2", vec![line("c", 2, 3)])]).await.unwrap();
    follow(100, "BEGIN", "COMMIT").await.unwrap();
    assert_eq!(stage.scalar(DIFFERS).await, 0);
    assert_eq!(stage.scalar("SELECT count(*) FROM follower.sale WHERE NOT counts").await, 1, "the one of 3 is missing");
    assert_eq!(stage.scalar("SELECT count(*) FROM follower.sale").await, 3);
    assert_eq!(follow(100, "BEGIN", "COMMIT").await.unwrap(), 0);
    let refused = follow(100, "BEGIN ISOLATION LEVEL REPEATABLE READ", "ROLLBACK").await.unwrap_err();
    assert!(refused.to_string().contains("READ COMMITTED"), "{refused}");
    drop(follower);
    let gone = format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}");
    sqlx::raw_sql(AssertSqlSafe(gone)).execute(&stage.pool).await.unwrap();
}

#[tokio::test]
async fn the_example_in_python_is_woken_by_a_change() {
    let python = |args: &[&str]| {
        let call = Fuelsync::other("python3", args.iter().copied());
        match std::env::var("PYTHONPATH") {
            Ok(path) => call.env("PYTHONPATH", path),
            Err(_) => call,
        }
    };
    let wants = "import psycopg; assert tuple(map(int, psycopg.__version__.split('.')[:2])) >= (3, 2)";
    let there = std::process::Command::new("python3").args(["-c", wants]).output();
    if !there.is_ok_and(|there| there.status.success()) {
        // Not through the test's own capture: nobody would see it.
        let _ = writeln!(
            std::io::stderr(),
            "\n*** NOT CHECKED: deploy/examples/changes/follow.py. There is no python3 with psycopg 3.2 or later \
             (`pip install 'psycopg[binary]'`). ***\n"
        );
        return;
    }
    let stage = Stage::new(SourceKind::HecOne).await;
    sqlx::raw_sql(FOLLOWER).execute(&stage.pool).await.unwrap();
    // What the driver writes behind the address is its own, and libpq knows none of it.
    let mut url = stage.pool.connect_options().to_url_lossy();
    url.set_query(None);
    let url = url.to_string();
    stage.load(vec![record("1", vec![line("a", 1, 10)])]).await.unwrap();
    python(&[FOLLOW, "--once"]).env("DATABASE_URL", &url).run().await.ended_with(0);
    assert_eq!(stage.scalar(DIFFERS).await, 0);
    let _running = python(&[FOLLOW]).env("DATABASE_URL", &url).spawn();
    // It listens once its connection has been idle behind its first look.
    let listens = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle' \
                   AND query LIKE '%follower.follow%'";
    crate::support::ends("the example listens", async {
        while stage.scalar(listens).await == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    stage.load(vec![record("1", vec![line("a", 1, 11)]), record("2", vec![line("a", 2, 1)])]).await.unwrap();
    let rung = async {
        while stage.scalar(DIFFERS).await > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(BEFORE_ITS_TIMER, rung).await.expect("it was woken");
    assert_eq!(follow(&stage.pool, 10).await, 0);
}
