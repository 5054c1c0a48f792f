//! What is shown when not all is well: nothing looks healthy that is not.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use fuelsync::{
    clock::{Clock, ManualClock},
    domain::SourceKind,
    status::{StreamView, meter::Meter, metrics::render, picture::Camera},
    sync::{
        daemon,
        pass::Passes,
        summary::{Outcome, StreamOutcome},
    },
    warehouse::{Warehouse, coverage::Standing, standing::LastPass},
};
use tokio_util::sync::CancellationToken;

use crate::support::{
    ends,
    fleet::{Fleet, start},
};

/// A process that looks at a warehouse.
struct Watcher {
    passes: Arc<Passes>,
    camera: Camera,
    meter: Meter,
}

impl Watcher {
    fn new(fleet: &Fleet, warehouse: &Warehouse) -> Self {
        let passes = Arc::new(fleet.process());
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&fleet.clock);
        let camera = Camera {
            warehouse: warehouse.clone(),
            clock: Arc::clone(&clock),
            started_at: clock.now(),
            accounts: passes.accounts.clone(),
            publish_delay: fleet.config.sync.publish_delay,
            passes: Some(Arc::clone(&passes)),
        };
        let meter = Meter::new(warehouse.clone(), clock, Arc::clone(&passes));
        Self { passes, camera, meter }
    }

    async fn pass(&self) -> Outcome {
        ends("a pass", self.passes.pass(&CancellationToken::new())).await.outcome
    }

    /// The streams of an interface.
    async fn streams(&self, source: SourceKind) -> Vec<StreamView> {
        self.camera.take().await.streams.into_iter().filter(|stream| stream.source == source).collect()
    }

    async fn metric(&self, name: &str, source: &str) -> Option<i64> {
        let text = render(&self.meter.read().await, true);
        let line = text.lines().find(|line| line.starts_with(&format!("fuelsync_{name}{{source=\"{source}\"")))?;
        line.rsplit_once(' ')?.1.parse().ok()
    }
}

/// The fleet's warehouse over connections with settings of their own.
fn with_options(fleet: &Fleet, options: &str) -> Warehouse {
    let mut url = url::Url::parse(fleet.database.url()).unwrap();
    url.query_pairs_mut().append_pair("options", options);
    Warehouse::new(&fleet.config.database, &String::from(url).into()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_can_only_be_read_is_not_ready_and_what_it_holds_is_shown() {
    let fleet = Fleet::new(60, |_| {}).await;
    assert_eq!(Watcher::new(&fleet, &fleet.warehouse).pass().await, Outcome::Ok);
    let warehouse = with_options(&fleet, "-c default_transaction_read_only=on");
    let watcher = Watcher::new(&fleet, &warehouse);
    let database = watcher.meter.database().await;
    assert!(!database.is_ready() && database.reachable && database.migrated && database.is_readable(), "{database:?}");
    assert!(database.problem.unwrap().contains("can only be read"));
    assert_eq!(watcher.metric("watermark_lag_seconds", "hecone").await, Some(0), "what is known is told");
    assert!(render(&watcher.meter.read().await, true).contains("\nfuelsync_ready 0\n"));
    assert!(!watcher.camera.take().await.streams.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_write_is_not_ready_and_the_stream_says_why() {
    let fleet = Fleet::new(60, |_| {}).await;
    let role = format!("{}_weak", fleet.database.name());
    let grants = format!(
        "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA fuel TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA fuel TO {role}; \
         GRANT INSERT, UPDATE ON fuel.checkpoint TO {role}"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(grants)).execute(&fleet.pool).await.unwrap();
    let warehouse = with_options(&fleet, &format!("-c role={role}"));
    let watcher = Watcher::new(&fleet, &warehouse);
    let database = watcher.meter.database().await;
    let problem = database.problem.clone().unwrap();
    assert!(!database.is_ready() && database.is_readable() && !database.writable, "{database:?}");
    assert!(problem.contains("may not write") && problem.contains("role.sql"), "{problem}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP OWNED BY {role}; DROP ROLE {role}")))
        .execute(&fleet.pool)
        .await
        .unwrap();
    assert!(Watcher::new(&fleet, &fleet.warehouse).meter.database().await.is_ready());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_lacks_one_right_of_a_pass_is_not_ready() {
    let fleet = Fleet::new(60, |_| {}).await;
    let role = format!("{}_new", fleet.database.name());
    let run = async |sql: String| {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&fleet.pool).await.unwrap();
    };
    run(format!(
        "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA fuel TO {role}; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA fuel TO {role}; GRANT USAGE ON SEQUENCE fuel.change_seq TO {role}"
    ))
    .await;
    let warehouse = with_options(&fleet, &format!("-c role={role}"));
    let watcher = Watcher::new(&fleet, &warehouse);
    assert!(watcher.meter.database().await.is_ready());
    // As after an upgrade whose migration brought a table, and without role.sql.
    for right in [
        "SELECT ON fuel.forgotten",
        "SELECT ON fuel.forgotten_key",
        "INSERT ON fuel.transaction_version",
        "UPDATE ON fuel.sync_window",
        "DELETE ON fuel.transaction",
        "USAGE ON SEQUENCE fuel.change_seq",
    ] {
        run(format!("REVOKE {right} FROM {role}")).await;
        let database = watcher.meter.database().await;
        let object = right.rsplit(' ').next().unwrap();
        assert!(
            !database.is_ready() && database.problem.as_ref().is_some_and(|said| said.contains(object)),
            "{right}: {database:?}"
        );
        run(format!("GRANT {right} TO {role}")).await;
    }
    assert!(watcher.meter.database().await.is_ready());
    run(format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_a_later_version_migrated_is_told_from_one_that_lacks_migrations() {
    let fleet = Fleet::new(60, |_| {}).await;
    let watcher = Watcher::new(&fleet, &fleet.warehouse);
    watcher.pass().await;
    sqlx::raw_sql(
        "INSERT INTO fuel._migration SELECT 9999, 'later', now(), true, checksum, 1 FROM fuel._migration WHERE version = 1",
    )
    .execute(&fleet.pool)
    .await
    .unwrap();
    let newer = watcher.meter.database().await;
    assert!(!newer.is_ready() && newer.is_readable() && !newer.writable, "{newer:?}");
    let problem = newer.problem.unwrap();
    assert!(problem.contains("newer than this program") && !problem.contains("fuelsync migrate"), "{problem}");
    assert_eq!(watcher.metric("watermark_lag_seconds", "hecone").await, Some(0));
    sqlx::raw_sql("DELETE FROM fuel._migration WHERE version IN (1, 9999)").execute(&fleet.pool).await.unwrap();
    let older = watcher.meter.database().await;
    assert!(!older.is_readable() && older.problem.unwrap().contains("fuelsync migrate"));
    assert_eq!(watcher.metric("watermark_lag_seconds", "hecone").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_configured_and_was_never_read_is_shown_and_late_once_it_was_due() {
    let mut fleet = Fleet::new(60, |_| {}).await;
    fleet.config.alexela[0].contracts = vec!["7001".to_owned(), "7002".to_owned()];
    let watcher = Watcher::new(&fleet, &fleet.warehouse);
    let cards = watcher.streams(SourceKind::AlexelaCard).await;
    assert_eq!(cards.iter().map(|card| card.partition.as_str()).collect::<Vec<_>>(), ["7001", "7002"]);
    assert!(cards.iter().all(|card| card.watermark.is_none() && !card.late && card.configured), "{cards:?}");
    assert_eq!(watcher.streams(SourceKind::HecOne).await.len(), 1);
    // Two rings later nobody has read.
    fleet.clock.advance(Duration::from_mins(40));
    assert!(watcher.streams(SourceKind::AlexelaCard).await.iter().all(|card| card.late));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_contracts_that_cannot_be_had_is_shown_and_the_passes_that_go_on_do_not_hide_it() {
    let fleet = Fleet::new(60, |_| {}).await;
    let watcher = Watcher::new(&fleet, &fleet.warehouse);
    // Nothing was ever listed: the account is there all the same.
    let unlisted = watcher.streams(SourceKind::AlexelaCard).await;
    assert!(unlisted.len() == 1 && unlisted[0].is_list() && unlisted[0].last_error.is_none(), "{unlisted:?}");
    fleet.sandbox.faults().status("/ContractNumbers", u64::MAX, 400, None);
    assert_eq!(watcher.pass().await, Outcome::Partial);
    let unlisted = watcher.streams(SourceKind::AlexelaCard).await;
    assert_eq!((unlisted.len(), unlisted[0].last_outcome), (1, Some(LastPass::Failed)));
    assert!(unlisted[0].last_error.as_deref().unwrap().contains("the list of contracts could not be had"));
    assert_eq!(watcher.metric("contract_list_failing", "alexela_card").await, Some(1));

    fleet.sandbox.faults().clear();
    fleet.clock.advance(Duration::from_mins(2));
    assert_eq!(watcher.pass().await, Outcome::Ok);
    let listed = watcher.streams(SourceKind::AlexelaCard).await;
    assert!(!listed.is_empty() && listed.iter().all(|card| !card.is_list()), "{listed:?}");
    assert_eq!(watcher.metric("contract_list_failing", "alexela_card").await, Some(0));
    assert_eq!(watcher.metric("streams", "alexela_card").await, i64::try_from(listed.len()).ok());

    // Contracts that are known are read all the same, and end well; the list does not.
    fleet.sandbox.faults().status("/ContractNumbers", u64::MAX, 400, None);
    assert_eq!(watcher.pass().await, Outcome::Partial);
    let known = watcher.streams(SourceKind::AlexelaCard).await;
    assert_eq!(known.len(), listed.len() + 1);
    for card in &known {
        let expected = if card.is_list() { LastPass::Failed } else { LastPass::Ok };
        assert_eq!(card.last_outcome, Some(expected), "{card:?}");
    }
    assert_eq!(watcher.metric("contract_list_failing", "alexela_card").await, Some(1));
    assert_eq!(watcher.metric("streams_failing", "alexela_card").await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_configured_is_said_to_be_that() {
    let mut fleet = Fleet::new(60, |_| {}).await;
    assert_eq!(fleet.pass().await.outcome, Outcome::Ok);
    let kept = fleet.sandbox.world().contracts()[0].clone();
    fleet.config.alexela[0].contracts = vec![kept.clone()];
    fleet.config.hecone.clear();
    let watcher = Watcher::new(&fleet, &fleet.warehouse);
    let streams = watcher.camera.take().await.streams;
    for stream in &streams {
        let asked_for = match stream.source {
            SourceKind::HecOne => false,
            SourceKind::AlexelaCard => stream.partition.as_str() == kept,
            SourceKind::AlexelaBonus | SourceKind::AlexelaEv => true,
        };
        assert_eq!(stream.configured, asked_for, "{stream:?}");
    }
    assert!(streams.iter().any(|stream| !stream.configured && stream.source == SourceKind::AlexelaCard), "{streams:?}");
    // Their watermarks make no day of a strip unread.
    let left_out: Vec<_> = streams.iter().filter(|stream| !stream.configured).map(StreamView::id).collect();
    let spans = fleet.warehouse.coverage(start(), &left_out).await.unwrap();
    let marks = spans.iter().filter(|span| span.standing == Standing::Watermark).map(|span| span.pieces).sum::<i64>();
    assert_eq!(marks, i64::try_from(streams.len() - left_out.len()).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interface_that_is_no_longer_offered_stays_behind_and_is_asked_again_after_a_day() {
    let fleet = Fleet::new(60, |_| {}).await;
    let watcher = Watcher::new(&fleet, &fleet.warehouse);
    assert_eq!(watcher.pass().await, Outcome::Ok);
    fleet.sandbox.faults().status("/EvTransactions", u64::MAX, 403, None);
    let asked = || fleet.sandbox.requests().count("/EvTransactions");
    fleet.clock.advance(Duration::from_hours(3));
    watcher.pass().await;
    let refused = asked();
    fleet.clock.advance(Duration::from_hours(20));
    watcher.pass().await;
    assert_eq!(asked(), refused, "not within a day");
    let charging = watcher.streams(SourceKind::AlexelaEv).await;
    assert_eq!((charging[0].last_outcome, charging[0].late), (Some(LastPass::NotEnabled), true), "{charging:?}");
    assert_eq!(watcher.metric("streams_off", "alexela_ev").await, Some(1));
    assert!(watcher.metric("watermark_lag_seconds", "alexela_ev").await > Some(20 * 3_600));
    assert!(watcher.metric("unrecoverable_in_seconds", "alexela_ev").await.is_some());
    fleet.sandbox.faults().clear();
    fleet.clock.advance(Duration::from_hours(5));
    assert_eq!(watcher.pass().await, Outcome::Ok);
    assert_eq!(watcher.metric("streams_off", "alexela_ev").await, Some(0));
    assert_eq!(watcher.metric("watermark_lag_seconds", "alexela_ev").await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_not_asked_because_of_a_refusal_say_so() {
    let mut fleet = Fleet::new(60, |_| {}).await;
    fleet.config.hecone.clear();
    fleet.config.sync.workers = 1;
    assert_eq!(fleet.pass().await.outcome, Outcome::Ok);
    fleet.sandbox.faults().status("Transactions", u64::MAX, 401, None);
    fleet.clock.advance(Duration::from_hours(1));
    let summary = fleet.pass().await;
    assert_eq!(summary.outcome, Outcome::Refused, "{summary:?}");
    let not_asked = summary.streams.iter().filter(|stream| stream.error.as_deref().unwrap().starts_with("not asked"));
    assert!(not_asked.count() > 0 && summary.streams.iter().all(|one| one.outcome == StreamOutcome::Refused));
    let well: i64 = sqlx::query_scalar("SELECT count(*) FROM fuel.checkpoint WHERE last_outcome <> 'refused'")
        .fetch_one(&fleet.pool)
        .await
        .unwrap();
    assert_eq!(well, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_left_to_another_process_is_no_run_and_old_runs_are_forgotten() {
    let mut fleet = Fleet::new(60, |_| {}).await;
    fleet.config.alexela.clear();
    sqlx::raw_sql(
        "INSERT INTO fuel.sync_run (run_id, mode, version, host, started_at) VALUES \
             ('01000000-0000-7000-8000-000000000000', 'run', '0', 'old', now() - interval '366 days'), \
             ('01000000-0000-7000-8000-000000000001', 'run', '0', 'young', now() - interval '364 days'); \
         INSERT INTO fuel.checkpoint (source, account, partition, lease_owner, lease_expires_at, epoch) \
             VALUES ('hecone', 'north', '-', 'another', now() + interval '1 hour', 1)",
    )
    .execute(&fleet.pool)
    .await
    .unwrap();
    let passes = Arc::new(fleet.process());
    let (ring, bell) = tokio::sync::mpsc::channel(1);
    let stop = CancellationToken::new();
    let daemon = tokio::spawn(daemon::run(Arc::clone(&passes), vec![bell], Arc::from("host"), stop.clone()));
    let hosts = async || -> Vec<(String, Option<String>)> {
        sqlx::query_as("SELECT host, outcome FROM fuel.sync_run ORDER BY run_id").fetch_all(&fleet.pool).await.unwrap()
    };
    let held = || passes.tallies.read().map(|(.., tallied)| tallied.passes[StreamOutcome::Held as usize]).sum::<u64>();
    ring.send(()).await.unwrap();
    ends("it is left to its owner", async {
        while held() == 0 || hosts().await.len() > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(hosts().await, vec![("young".to_owned(), None::<String>)]);
    sqlx::raw_sql("UPDATE fuel.checkpoint SET lease_owner = NULL, lease_expires_at = NULL")
        .execute(&fleet.pool)
        .await
        .unwrap();
    ring.send(()).await.unwrap();
    ends("it is read", async {
        while hosts().await.last().is_none_or(|(_, outcome)| outcome.as_deref() != Some("ok")) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(hosts().await.last().unwrap().0, "host");
    stop.cancel();
    ends("it stops", daemon).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_strip_of_a_stream_has_all_of_its_windows_however_short_they_are() {
    let fleet = Fleet::new(10, |_| {}).await;
    // Three minutes each: 4,800 windows in ten days.
    sqlx::raw_sql(
        "INSERT INTO fuel.sync_window (source, account, partition, window_start, window_end, state, read_through, final_at) \
         SELECT 'hecone', 'north', '-', at, at + interval '3 minutes', 'final', at + interval '1 day', now() \
         FROM generate_series('2026-10-01Z'::timestamptz, '2026-10-10 23:57Z', interval '3 minutes') AS at; \
         INSERT INTO fuel.checkpoint (source, account, partition, watermark, last_outcome) \
             VALUES ('hecone', 'north', '-', '2026-10-11Z', 'ok'), ('hecone', 'south', '-', '2026-09-21Z', 'ok')",
    )
    .execute(&fleet.pool)
    .await
    .unwrap();
    let stream = fuelsync::domain::StreamId::new(SourceKind::HecOne, "north", fuelsync::domain::Partition::whole());
    let spans = fleet.warehouse.coverage_of(&stream, start()).await.unwrap();
    let read: Vec<_> = spans.iter().filter(|span| span.standing == Standing::Final).collect();
    assert_eq!((read.len(), read.iter().map(|span| span.pieces).sum::<i64>()), (10, 4_800));
    let marks: Vec<_> = spans.iter().filter(|span| span.standing == Standing::Watermark).collect();
    assert_eq!(marks.len(), 1, "no other stream's: {marks:?}");
    assert_eq!(marks[0].from, Some((start() + TimeDelta::days(21)).date_naive()));
}
