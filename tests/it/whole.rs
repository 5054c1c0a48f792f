//! The main job, end to end: both vendors' servers, real HTTP, a real database, and the whole table against the truth.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use fuelsync::{
    clock::Clock,
    domain::SourceKind,
    sandbox::{self, truth},
    sync::{
        backfill::{self, Stretch},
        summary::{Outcome, StreamOutcome},
    },
};
use tokio_util::sync::CancellationToken;

use crate::support::{
    fleet::{Fleet, start},
    until,
};

/// Sales of 40 days.
const SALES: u64 = 4_000;

/// Sales of the test that compares everything; `FUELSYNC_TEST_SALES` asks for more.
fn sales() -> u64 {
    std::env::var("FUELSYNC_TEST_SALES").ok().and_then(|sales| sales.parse().ok()).unwrap_or(SALES)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_is_the_truth_at_first_and_again_and_after_later_changes() {
    let fleet = Fleet::new(sales(), |_| {}).await;
    let first = fleet.pass().await;
    assert_eq!(first.outcome, Outcome::Ok, "{first:#?}");
    assert!(first.streams.len() >= 6 && first.streams.iter().all(|stream| stream.counts.inserted > 0), "{first:#?}");
    fleet.is_the_truth().await;
    let expected = fleet.clock.now() - Duration::from_mins(15);
    assert!(first.streams.iter().all(|stream| stream.watermark == Some(expected)), "{first:#?}");

    let second = fleet.pass().await;
    let (_, counts) = second.totals();
    assert_eq!(
        (second.outcome, counts.inserted, counts.updated, counts.missing),
        (Outcome::Ok, 0, 0, 0),
        "{second:#?}"
    );
    fleet.is_the_truth().await;

    for days in [1, 3, 5] {
        fleet.clock.advance(Duration::from_hours(24 * days));
        let later = fleet.pass().await;
        let (_, counts) = later.totals();
        assert_eq!(later.outcome, Outcome::Ok, "{later:#?}");
        assert!(counts.inserted > 0 && counts.updated > 0, "{later:#?}");
        fleet.is_the_truth().await;
    }
    let versions: i64 = sqlx::query_scalar("SELECT count(*) FROM fuel.transaction_version WHERE operation = 'change'")
        .fetch_one(&fleet.pool)
        .await
        .unwrap();
    let changes: i64 = sqlx::query_scalar("SELECT sum(version - 1)::bigint FROM fuel.transaction")
        .fetch_one(&fleet.pool)
        .await
        .unwrap();
    assert_eq!(versions, changes, "each change kept the image that it replaced");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_is_stopped_in_the_middle_leaves_nothing_half_written_and_the_next_one_ends_it() {
    let fleet = Fleet::new(SALES, |_| {}).await;
    for stops in 0..4u64 {
        let (stop, process) = (CancellationToken::new(), fleet.process());
        let progress = Arc::clone(&process.progress);
        let stopping = stop.clone();
        let stopper = tokio::spawn(async move {
            until("some windows are read", || progress.read().1 >= 2 + stops).await;
            stopping.cancel();
        });
        let stopped = process.pass(&stop).await;
        stopper.await.unwrap();
        assert_eq!(stopped.outcome, Outcome::Stopped);
        let astray: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM fuel.transaction t WHERE NOT EXISTS (SELECT FROM fuel.sync_window w WHERE w.source = t.source AND w.partition = t.partition \
             AND t.occurred_at >= w.window_start - interval '1 day' AND t.occurred_at < w.window_end + interval '1 day')",
        )
        .fetch_one(&fleet.pool)
        .await
        .unwrap();
        assert_eq!(astray, 0, "no row without its window");
    }
    assert_eq!(fleet.pass().await.outcome, Outcome::Ok);
    fleet.is_the_truth().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stricter_server_with_an_inclusive_end_and_an_envelope_comes_to_the_same_table() {
    let fleet = Fleet::new(SALES / 2, |options| {
        options.alexela.to_date_inclusive = true;
        options.alexela.envelope = true;
        options.hecone.end_inclusive = true;
        options.hecone.total = false;
        options.hecone.links = sandbox::Links::None;
        options.hecone.max_limit = 7;
        options.hecone.single_as_object = true;
    })
    .await;
    assert_eq!(fleet.pass().await.outcome, Outcome::Ok);
    fleet.is_the_truth().await;
    fleet.clock.advance(Duration::from_hours(26));
    assert_eq!(fleet.pass().await.outcome, Outcome::Ok);
    fleet.is_the_truth().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_goes_on_where_it_was_and_never_moves_the_watermark() {
    let mut fleet = Fleet::new(SALES, |_| {}).await;
    let late = start() + TimeDelta::days(25);
    for account in &mut fleet.config.alexela {
        account.start = late;
    }
    for account in &mut fleet.config.hecone {
        account.start = late;
    }
    let recent = fleet.pass().await;
    assert_eq!(recent.outcome, Outcome::Ok);
    let watermarks: Vec<_> = recent.streams.iter().map(|stream| stream.watermark).collect();

    let stretch = Stretch { from: start(), to: None, again: false, workers: 3 };
    let (stop, process) = (CancellationToken::new(), fleet.process());
    let (progress, stopping) = (Arc::clone(&process.progress), stop.clone());
    let stopper = tokio::spawn(async move {
        until("five windows are read", || progress.read().1 >= 5).await;
        stopping.cancel();
    });
    let stopped = backfill::run(&process, stretch, &stop).await;
    assert_eq!(stopped.outcome, Outcome::Stopped, "{stopped:#?}");
    stopper.await.unwrap();
    let read: i64 =
        sqlx::query_scalar("SELECT count(*) FROM fuel.sync_window WHERE read_through IS NOT NULL AND window_end <= $1")
            .bind(late)
            .fetch_one(&fleet.pool)
            .await
            .unwrap();

    let again = backfill::run(&fleet.process(), stretch, &CancellationToken::new()).await;
    assert_eq!(again.outcome, Outcome::Ok, "{again:#?}");
    let all: i64 = sqlx::query_scalar("SELECT count(*) FROM fuel.sync_window WHERE window_end <= $1")
        .bind(late)
        .fetch_one(&fleet.pool)
        .await
        .unwrap();
    let windows: u64 = again.streams.iter().map(|stream| stream.windows).sum();
    assert!(
        windows < u64::try_from(all).unwrap() + 12
            && windows + u64::try_from(read).unwrap() >= u64::try_from(all).unwrap(),
        "{windows} read now, {read} before, {all} in all"
    );
    assert_eq!(again.streams.iter().map(|stream| stream.watermark).collect::<Vec<_>>(), watermarks);
    fleet.is_the_truth().await;
    let third = backfill::run(&fleet.process(), stretch, &CancellationToken::new()).await;
    assert!(third.totals().0 <= 6, "only the windows that are still open: {third:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_contract_keeps_its_rows_and_the_others_go_on() {
    let fleet = Fleet::new(SALES / 4, |_| {}).await;
    fleet.pass().await;
    let before = fleet.table().await;
    let contract = fleet.sandbox.world().contracts().remove(0);
    fleet.sandbox.world().withdraw(&contract, true);
    fleet.clock.advance(Duration::from_hours(25));
    let after = fleet.pass().await;
    assert_eq!(after.outcome, Outcome::Ok, "{after:#?}");
    let withdrawn: Vec<_> = after.streams.iter().filter(|stream| stream.outcome == StreamOutcome::Withdrawn).collect();
    assert_eq!(withdrawn.len(), 1);
    assert_eq!(withdrawn[0].stream.partition.as_str(), contract);
    let table = fleet.table().await;
    assert!(before.keys().all(|key| table.contains_key(key)), "no row went away");
    let missing: i64 = sqlx::query_scalar("SELECT count(*) FROM fuel.transaction WHERE missing_since IS NOT NULL")
        .fetch_one(&fleet.pool)
        .await
        .unwrap();
    assert_eq!(missing, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_stop_their_account_without_a_storm_and_leave_the_other_alone() {
    let mut fleet = Fleet::new(SALES / 4, |_| {}).await;
    for account in &mut fleet.config.alexela {
        account.psk = "0".repeat(128).into();
    }
    let summary = fleet.pass().await;
    assert_eq!(summary.outcome, Outcome::Partial, "{summary:#?}");
    assert!(
        summary
            .streams
            .iter()
            .filter(|s| s.stream.source != SourceKind::HecOne)
            .all(|s| s.outcome == StreamOutcome::Refused)
    );
    assert!(fleet.sandbox.requests().count("/api/v1/") <= 4, "{:?}", fleet.sandbox.requests().all());
    for account in &mut fleet.config.hecone {
        account.client_secret = "wrong".to_owned().into();
    }
    assert_eq!(fleet.pass().await.outcome, Outcome::Refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_is_down_keeps_its_streams_waiting_and_says_so() {
    let mut fleet = Fleet::new(SALES / 4, |_| {}).await;
    fleet.config.http.max_retries = 1;
    fleet.sandbox.faults().status("EvTransactions", 1_000, 503, Some("0"));
    let summary = fleet.pass().await;
    assert_eq!(summary.outcome, Outcome::Partial);
    for stream in &summary.streams {
        let failed = stream.stream.source == SourceKind::AlexelaEv;
        assert_eq!(stream.outcome, if failed { StreamOutcome::Failed } else { StreamOutcome::Ok }, "{stream:#?}");
    }
    let (state, attempts, error): (String, i32, String) =
        sqlx::query_as("SELECT state, attempts, last_error FROM fuel.sync_window WHERE source = 'alexela_ev'")
            .fetch_one(&fleet.pool)
            .await
            .unwrap();
    assert_eq!((state.as_str(), attempts), ("failing", 1));
    assert!(error.contains("503"), "{error}");
    fleet.sandbox.faults().clear();
    assert_eq!(fleet.pass().await.outcome, Outcome::Ok);
    fleet.is_the_truth().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_that_the_source_withdraws_is_marked_missing_and_comes_back() {
    let fleet = Fleet::new(SALES / 4, |_| {}).await;
    fleet.pass().await;
    let id: String = sqlx::query_scalar(
        "SELECT source_transaction_id FROM fuel.transaction WHERE source = 'alexela_ev' ORDER BY occurred_at LIMIT 1",
    )
    .fetch_one(&fleet.pool)
    .await
    .unwrap();
    fleet.sandbox.world().hide(SourceKind::AlexelaEv, &id, true);
    for expected in [false, true] {
        fleet.clock.advance(Duration::from_hours(25));
        assert_eq!(fleet.pass().await.outcome, Outcome::Ok);
        let missing: bool = sqlx::query_scalar("SELECT missing_since IS NOT NULL FROM fuel.transaction WHERE source = 'alexela_ev' AND source_transaction_id = $1")
            .bind(&id)
            .fetch_one(&fleet.pool)
            .await
            .unwrap();
        assert_eq!(missing, expected);
    }
    fleet.is_the_truth().await;
    fleet.sandbox.world().hide(SourceKind::AlexelaEv, &id, false);
    fleet.clock.advance(Duration::from_hours(25));
    fleet.pass().await;
    fleet.is_the_truth().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_days_off_writes_nothing_and_a_clock_of_minutes_is_corrected() {
    let mut fleet = Fleet::new(SALES / 8, |_| {}).await;
    // Older than Alexela serves, by any clock: a gap, once the time is known.
    for account in &mut fleet.config.alexela {
        account.start = start() - TimeDelta::days(365);
    }
    fleet.sandbox.faults().set_clock_offset(TimeDelta::days(-2));
    let off = fleet.pass().await;
    assert_eq!(off.outcome, Outcome::Partial, "{off:#?}");
    assert!(
        off.streams.iter().all(|s| s.watermark.is_none() && s.error.as_deref().is_some_and(|e| e.contains("clock"))),
        "{off:#?}"
    );
    assert!(fleet.table().await.is_empty());
    let gaps =
        async || -> i64 { sqlx::query_scalar("SELECT count(*) FROM fuel.gap").fetch_one(&fleet.pool).await.unwrap() };
    assert_eq!(gaps().await, 0, "nothing is given up for lost by a clock that is off");

    fleet.sandbox.faults().set_clock_offset(TimeDelta::minutes(10));
    let corrected = fleet.pass().await;
    assert_eq!(corrected.outcome, Outcome::Ok, "{corrected:#?}");
    assert_eq!(gaps().await, 5, "each of Alexela's streams says what it lost");
    let lost: Vec<(DateTime<Utc>, DateTime<Utc>)> =
        sqlx::query_as("SELECT DISTINCT gap_start, gap_end FROM fuel.gap").fetch_all(&fleet.pool).await.unwrap();
    assert_eq!(lost, [(start() - TimeDelta::days(365), truth::alexela_horizon(fleet.clock.now()))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_and_column_says_what_it_means() {
    let fleet = Fleet::new(10, |_| {}).await;
    let mute: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
         WHERE c.relnamespace = 'fuel'::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped \
             AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)",
    )
    .fetch_all(&fleet.pool)
    .await
    .unwrap();
    assert!(mute.is_empty(), "{mute:?}");
}
