//! The wire that breaks does what it is told, and what the program makes of it, one place at a time.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use fuelsync::{
    domain::{Partition, SourceKind, StreamId, Window},
    sync::summary::Outcome,
    warehouse::Warehouse,
};
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

use crate::support::{
    TestDatabase,
    dbproxy::{Act, At, DbProxy, Message},
    fleet::Fleet,
};

const MOMENT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(20);

async fn one(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar("SELECT 1").fetch_one(connection).await
}

#[tokio::test]
async fn a_frozen_wire_holds_everything_and_passes_it_on_when_it_thaws() {
    let database = TestDatabase::new().await;
    let proxy = DbProxy::new(database.url()).await;
    let mut connection = PgConnection::connect(proxy.url()).await.unwrap();
    assert_eq!(one(&mut connection).await.unwrap(), 1);

    proxy.freeze();
    let (mut asked, mut connecting) = (Box::pin(one(&mut connection)), Box::pin(PgConnection::connect(proxy.url())));
    assert!(timeout(MOMENT, &mut asked).await.is_err(), "no answer");
    assert!(timeout(MOMENT, &mut connecting).await.is_err(), "accepted, and no answer");
    proxy.thaw();
    assert_eq!(timeout(LONG, asked).await.unwrap().unwrap(), 1);
    assert_eq!(one(&mut timeout(LONG, connecting).await.unwrap().unwrap()).await.unwrap(), 1);

    let mut left = 3;
    proxy.script(move |message| {
        left -= i32::from(message.kind == 'B');
        if left == 0 { Act::Freeze(At::Before) } else { Act::Pass }
    });
    for _ in 0..2 {
        assert_eq!(one(&mut connection).await.unwrap(), 1);
    }
    assert!(timeout(MOMENT, one(&mut connection)).await.is_err(), "frozen at the third");
    assert!(proxy.is_frozen());
    proxy.no_script();
    proxy.thaw();
}

#[tokio::test]
async fn a_restart_cuts_all_connections_refuses_new_ones_and_serves_again() {
    let database = TestDatabase::new().await;
    let proxy = DbProxy::new(database.url()).await;
    let mut connection = PgConnection::connect(proxy.url()).await.unwrap();
    proxy.refuse().await;
    assert!(matches!(one(&mut connection).await, Err(sqlx::Error::Io(_))));
    let refused = PgConnection::connect(proxy.url()).await;
    assert!(
        matches!(&refused, Err(sqlx::Error::Io(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused),
        "{refused:?}"
    );
    proxy.restart(MOMENT).await;
    let mut connection = PgConnection::connect(proxy.url()).await.unwrap();
    assert_eq!(one(&mut connection).await.unwrap(), 1);
    proxy.cut();
    assert!(one(&mut connection).await.is_err());
}

#[tokio::test]
async fn a_commit_is_cut_before_it_or_after_it() {
    let database = TestDatabase::new().await;
    let proxy = DbProxy::new(database.url()).await;
    let mut direct = database.connect().await;
    sqlx::query("CREATE TABLE written (n int)").execute(&mut direct).await.unwrap();
    for (at, written) in [(At::Before, 0_i64), (At::After, 1)] {
        proxy.script(move |message| if message.is_commit() { Act::Cut(at) } else { Act::Pass });
        let mut connection = PgConnection::connect(proxy.url()).await.unwrap();
        sqlx::raw_sql("BEGIN").execute(&mut connection).await.unwrap();
        sqlx::query("INSERT INTO written VALUES ($1)").bind(1).execute(&mut connection).await.unwrap();
        assert!(sqlx::raw_sql("COMMIT").execute(&mut connection).await.is_err(), "no answer");
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM written").fetch_one(&mut direct).await.unwrap();
        assert_eq!(count, written, "{at:?}");
    }
}

/// A fleet whose program reaches the database over a wire that breaks.
async fn over(fleet: &mut Fleet) -> DbProxy {
    let proxy = DbProxy::new(fleet.database.url()).await;
    fleet.config.database.connect_timeout = Duration::from_secs(3);
    fleet.warehouse = Warehouse::new(&fleet.config.database, &proxy.url().into()).unwrap();
    proxy
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_outlives_a_cut_before_in_and_after_the_commit_of_each_of_its_transactions() {
    let mut fleet = Fleet::new(800, |_| {}).await;
    let proxy = over(&mut fleet).await;
    let cut = Arc::new(Mutex::new(HashSet::new()));
    for at in [At::Before, At::In, At::After] {
        let seen = Arc::clone(&cut);
        seen.lock().unwrap().clear();
        // Each kind of transaction once: told by its statements.
        proxy.script(move |message| {
            let kind: Vec<_> = message.before.iter().skip(1).cloned().collect();
            if message.is_commit() && seen.lock().unwrap().insert(kind) { Act::Cut(at) } else { Act::Pass }
        });
        let pass = fleet.pass().await;
        assert_eq!(pass.outcome, Outcome::Ok, "{at:?}: {pass:#?}");
        assert!(pass.streams.iter().all(|stream| stream.error.is_none()), "{at:?}: {pass:#?}");
        let kinds = cut.lock().unwrap().len();
        assert!(kinds >= 9, "{kinds} kinds of transactions cut");
        proxy.no_script();
        fleet.is_the_truth().await;
        fleet.clock.advance(Duration::from_hours(24));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_goes_on_over_a_restart_of_the_database_and_ends_when_it_stays_away() {
    let mut fleet = Fleet::new(800, |_| {}).await;
    let proxy = over(&mut fleet).await;
    let (restart, mut restarting) = tokio::sync::mpsc::unbounded_channel();
    let mut writes = 0;
    proxy.script(move |message| {
        writes += u32::from(message.commits_sales());
        // In the middle of a later window's writing: the streams write side by side, so which one is chance.
        if writes >= 2 && message.sql.contains("announce_writer") {
            let _ = restart.send(());
        }
        Act::Pass
    });
    let watched = async {
        restarting.recv().await.expect("a window is written after two others");
        proxy.restart(Duration::from_secs(1)).await;
    };
    let passing = async {
        let pass = fleet.pass().await;
        // The script ends with the pass, and so does the wait for it.
        proxy.no_script();
        pass
    };
    let (pass, ()) = tokio::join!(passing, watched);
    assert_eq!(pass.outcome, Outcome::Ok, "{pass:#?}");
    fleet.is_the_truth().await;

    proxy.refuse().await;
    assert_eq!(fleet.pass().await.outcome, Outcome::NoDatabase);
    proxy.thaw();
    assert_eq!(fleet.pass().await.outcome, Outcome::Ok);
    fleet.is_the_truth().await;
}

/// Loses the answer to every second COMMIT, the first one's first.
fn every_second_answer_lost() -> impl FnMut(&Message<'_>) -> Act + Send + 'static {
    let mut next = true;
    move |message| {
        let cut = message.is_commit() && next;
        next ^= message.is_commit();
        if cut { Act::Cut(At::After) } else { Act::Pass }
    }
}

#[tokio::test]
async fn what_is_told_of_a_transaction_is_true_when_its_answer_was_lost() {
    let database = TestDatabase::new().await;
    let proxy = DbProxy::new(database.url()).await;
    let text = format!("[database]\nurl = \"{}\"\n", proxy.url());
    let config = fuelsync::config::Config::from_text("lost.toml", &text, std::iter::empty()).unwrap();
    let warehouse = Warehouse::new(&config.database, &proxy.url().into()).unwrap();
    warehouse.migrate().await.unwrap();
    proxy.script(every_second_answer_lost());
    let stream = StreamId::new(SourceKind::AlexelaEv, "fleet", Partition::whole());
    let to: DateTime<Utc> = "2026-10-01T00:00:00Z".parse().unwrap();
    let gap = Window::new(to - TimeDelta::days(9), to).unwrap();
    assert!(warehouse.record_gap(&stream, gap, "a test").await.unwrap(), "the gap is news, though told twice");
    assert_eq!(warehouse.gaps(&stream).await.unwrap().len(), 1);

    proxy.no_script();
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO fuel.quarantine (source, account, partition, fingerprint, record, field, reason) \
         VALUES ('alexela_ev', 'fleet', '-', '\\x01', '{}', 'transactionTime', 'is missing') RETURNING id",
    )
    .fetch_one(&mut database.connect().await)
    .await
    .unwrap();
    proxy.script(every_second_answer_lost());
    assert!(warehouse.drop_quarantined(id).await.unwrap(), "it was dropped, though told twice");
    assert!(!warehouse.drop_quarantined(id).await.unwrap(), "and is not open any more");
}
