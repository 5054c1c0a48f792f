//! What a pass promises while time goes on, a source forgets, and a lease cannot be kept.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use fuelsync::{
    clock::Clock as _,
    sandbox::faults::{Fault, Script},
    sync::{
        backfill::{self, Stretch},
        summary::{Outcome, StreamOutcome},
    },
};
use tokio_util::sync::CancellationToken;

use crate::support::{
    ends,
    fleet::{Fleet, start},
    until,
};

/// `end_date` or `toDate` of every request to a path, as far as the query shows it.
fn asked_ends(fleet: &Fleet, path: &str, name: &str) -> Vec<DateTime<Utc>> {
    let seen = fleet.sandbox.requests().all();
    let queries = seen.iter().filter(|seen| seen.path.ends_with(path) && seen.status == 200);
    queries
        .flat_map(|seen| url::form_urlencoded::parse(seen.query.as_bytes()).into_owned().collect::<Vec<_>>())
        .filter(|(key, _)| key == name)
        .map(|(_, value)| value.parse().unwrap())
        .collect()
}

#[tokio::test]
async fn the_watermark_never_passes_what_was_asked_for_however_long_the_pass() {
    let mut fleet = Fleet::new(200, |_| {}).await;
    fleet.config.alexela.clear();
    fleet.config.sync.publish_delay = Duration::ZERO;
    // Within a window: at noon one ends.
    fleet.clock.advance(Duration::from_hours(1));
    let planned = fleet.clock.now();
    let fleet = Arc::new(fleet);
    // While the windows before it are read, the head's time goes on.
    fleet.sandbox.faults().script(Script {
        path: "/transactions".into(),
        after: 0,
        times: 8,
        fault: Fault::Latency(Duration::from_millis(120)),
    });
    let going_on = tokio::spawn({
        let fleet = Arc::clone(&fleet);
        async move {
            for _ in 0..9 {
                tokio::time::sleep(Duration::from_millis(90)).await;
                fleet.clock.advance(Duration::from_secs(601));
            }
        }
    });
    let summary = fleet.pass().await;
    going_on.await.unwrap();
    assert_eq!(summary.outcome, Outcome::Ok, "{summary:?}");
    let asked = asked_ends(&fleet, "/transactions", "end_date").into_iter().max().unwrap();
    let (watermark, read_through): (DateTime<Utc>, DateTime<Utc>) = sqlx::query_as(
        "SELECT (SELECT watermark FROM fuel.checkpoint), (SELECT max(least(read_through, window_end)) FROM fuel.sync_window)",
    )
    .fetch_one(&fleet.pool)
    .await
    .unwrap();
    assert!(watermark <= asked, "read up to {asked}, the watermark is {watermark}");
    assert!(read_through <= asked, "read up to {asked}, the ledger says {read_through}");
    assert!(asked > planned, "what came while the pass went on is asked for, too");
}

/// Alexela alone, asked for five months of which it serves so many days less.
async fn forgetful(days: i64) -> Fleet {
    let mut fleet = Fleet::new(100, |options| options.alexela.horizon_extra_days = 1 + days).await;
    fleet.config.hecone.clear();
    for account in &mut fleet.config.alexela {
        account.start = start() - TimeDelta::days(125);
    }
    fleet
}

async fn gaps(fleet: &Fleet) -> Vec<(String, String, DateTime<Utc>, DateTime<Utc>)> {
    sqlx::query_as("SELECT source, partition, gap_start, gap_end FROM fuel.gap ORDER BY 1, 2, 3")
        .fetch_all(&fleet.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn days_that_the_source_refused_are_a_gap_and_are_not_asked_for_again() {
    for days in [2, 6] {
        let fleet = forgetful(days).await;
        let summary = fleet.pass().await;
        assert_eq!(summary.outcome, Outcome::Ok, "{summary:?}");
        // 20 October, five months back, and a day: what is served begins so many days later.
        let served_from = "2026-05-21T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::days(days);
        let lost = gaps(&fleet).await;
        assert!(!lost.is_empty() && lost.iter().all(|(.., end)| *end <= served_from), "{lost:?}");
        for stream in &summary.streams {
            let of_it = lost.iter().filter(|(source, partition, ..)| {
                (source.as_str(), partition.as_str())
                    == (stream.stream.source.as_str(), stream.stream.partition.as_str())
            });
            let last = of_it.map(|(.., end)| *end).max();
            assert_eq!(last, Some(served_from), "{days} days: {}", stream.stream);
            assert!(!stream.gaps.is_empty(), "the summary says so: {stream:?}");
        }
        // The next pass asks for nothing that was refused, and reads none of the old windows.
        fleet.sandbox.requests().clear();
        let again = fleet.process();
        again.pass(&CancellationToken::new()).await;
        fleet.sandbox.requests().clear();
        let summary = again.pass(&CancellationToken::new()).await;
        let refused = fleet.sandbox.requests().all().into_iter().filter(|seen| seen.status == 400).count();
        assert_eq!((refused, gaps(&fleet).await), (0, lost), "{days} days");
        let windows: u64 = summary.streams.iter().map(|stream| stream.windows).sum();
        assert!(windows <= 2 * summary.streams.len() as u64, "only heads are read again: {windows}");
    }
}

#[tokio::test]
async fn a_backfill_of_what_the_source_no_longer_serves_ends() {
    let fleet = forgetful(9).await;
    let stretch = Stretch { from: start() - TimeDelta::days(125), to: None, again: false, workers: 2 };
    for again in [false, true] {
        let stretch = Stretch { again, ..stretch };
        let passes = fleet.process();
        let stop = CancellationToken::new();
        let running = backfill::run(&passes, stretch, &stop);
        let summary = tokio::time::timeout(Duration::from_mins(1), running).await.expect("it ends");
        assert_eq!(summary.outcome, Outcome::Ok, "{summary:?}");
    }
    let served_from = "2026-05-30T00:00:00Z".parse::<DateTime<Utc>>().unwrap();
    let ends: Vec<_> = gaps(&fleet).await.into_iter().map(|(.., end)| end).collect();
    assert_eq!(ends.into_iter().max(), Some(served_from));
}

#[tokio::test]
async fn a_lease_that_cannot_be_kept_is_a_failure_and_not_somebody_elses_stream() {
    let fleet = Arc::new(Fleet::new(50, |_| {}).await);
    let expiring = tokio::spawn({
        let pool = fleet.pool.clone();
        async move {
            loop {
                sqlx::query("UPDATE fuel.checkpoint SET lease_expires_at = clock_timestamp() - interval '1 second' WHERE lease_owner IS NOT NULL AND source = 'hecone'")
                    .execute(&pool)
                    .await
                    .unwrap();
            }
        }
    });
    let summary = fleet.pass().await;
    expiring.abort();
    let hecone = summary.streams.iter().find(|stream| stream.stream.source.as_str() == "hecone").unwrap();
    assert_eq!((summary.outcome, hecone.outcome), (Outcome::Partial, StreamOutcome::Failed), "{hecone:?}");
    assert!(hecone.error.as_deref().unwrap().contains("no other process holds it"), "{hecone:?}");
    let noted: Option<String> = sqlx::query_scalar("SELECT last_outcome FROM fuel.checkpoint WHERE source = 'hecone'")
        .fetch_one(&fleet.pool)
        .await
        .unwrap();
    assert_eq!(noted.as_deref(), Some("failed"));
    // Nothing stands in the next one's way.
    assert_eq!(fleet.pass().await.outcome, Outcome::Ok);
    fleet.is_the_truth().await;
}

/// Sales can be read and not written.
struct NobodyWrites(sqlx::PgConnection);

impl NobodyWrites {
    async fn any_sale(fleet: &Fleet) -> Self {
        let mut other = fleet.database.connect().await;
        sqlx::raw_sql("BEGIN; LOCK TABLE fuel.transaction IN SHARE MODE").execute(&mut other).await.unwrap();
        Self(other)
    }

    async fn goes_on(mut self) {
        sqlx::raw_sql("COMMIT").execute(&mut self.0).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_new_windows_wait_to_be_written_two_at_a_time_the_next_one_is_read_and_no_fourth() {
    let mut fleet = Fleet::new(800, |_| {}).await;
    // All streams at once: none waits behind one that waits for us.
    fleet.config.sync.workers = 8;
    let writing = NobodyWrites::any_sale(&fleet).await;
    let process = fleet.process();
    let passing = tokio::spawn(async move { process.pass(&CancellationToken::new()).await });
    let asked = || fleet.sandbox.requests().count("/EvTransactions");
    until("three windows are read", || asked() >= 3).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(asked(), 3);
    writing.goes_on().await;
    let pass = ends("the pass", passing).await.unwrap();
    assert_eq!(pass.outcome, Outcome::Ok, "{pass:#?}");
    assert!(asked() > 4, "{} windows", asked());
    fleet.is_the_truth().await;
}

/// The second one is copied already, or about to be: it is taken back, and its turn comes in the next pass.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_two_windows_are_being_written_leaves_the_second_one_to_the_next_pass() {
    let mut fleet = Fleet::new(800, |_| {}).await;
    fleet.config.sync.workers = 8;
    let writing = NobodyWrites::any_sale(&fleet).await;
    let (process, stop) = (fleet.process(), CancellationToken::new());
    let passing = tokio::spawn({
        let stop = stop.clone();
        async move { process.pass(&stop).await }
    });
    let asked = || fleet.sandbox.requests().count("/EvTransactions");
    until("three windows are read", || asked() >= 3).await;
    stop.cancel();
    writing.goes_on().await;
    let pass = ends("the pass", passing).await.unwrap();
    assert_eq!(pass.outcome, Outcome::Stopped, "{pass:#?}");
    // A window without a sale writes none, and so waited for nobody.
    let written: Vec<(String, i64)> = sqlx::query_as(
        "SELECT concat_ws('/', source, account, partition), count(*) FROM fuel.sync_window \
         WHERE read_through IS NOT NULL AND fetched > 0 GROUP BY 1",
    )
    .fetch_all(&fleet.pool)
    .await
    .unwrap();
    assert!(written.iter().all(|(_, windows)| *windows == 1), "written after the stop: {written:?}");
    assert_eq!(fleet.pass().await.outcome, Outcome::Ok);
    fleet.is_the_truth().await;
}
