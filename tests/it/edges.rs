//! `verify` at the very edges of what is asked for: `HecOne` does not say to which side a sale there belongs, so the sandbox
//! takes each.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use fuelsync::{
    app::App,
    clock::{Clock, ManualClock},
    domain::{SourceKind, Window},
    sandbox::HecOneOptions,
    source::hecone::write::{ArticleInput, ArticleState, Content, NewTransaction},
    sync::{
        summary::Outcome,
        verify::{self, StreamVerified, Stretch},
    },
    warehouse::verify::What,
};
use tokio_util::sync::CancellationToken;

use crate::support::fleet::{Fleet, start};

/// Verifies a stretch of `HecOne`.
async fn verified(fleet: &Fleet, from: DateTime<Utc>, to: DateTime<Utc>, repair: bool) -> StreamVerified {
    let asked = Stretch { window: Window::new(from, to).unwrap(), repair, workers: 3 };
    let done = verify::run(&fleet.process(), asked, &CancellationToken::new()).await;
    assert_eq!(done.outcome, Outcome::Ok, "{done:#?}");
    done.streams.into_iter().find(|stream| stream.stream.source == SourceKind::HecOne).unwrap()
}

/// A fleet that has been read, half a day after a sale of noon: where one window ends and the next one begins.
async fn with_a_sale_at_noon(start_exclusive: bool, end_inclusive: bool) -> (Fleet, DateTime<Utc>) {
    let hecone = HecOneOptions { start_exclusive, end_inclusive, ..HecOneOptions::default() };
    with_a_sale(hecone, Duration::ZERO, Content::default()).await
}

/// The same of a sale so long after noon, and its time.
async fn with_a_sale(hecone: HecOneOptions, after_noon: Duration, content: Content) -> (Fleet, DateTime<Utc>) {
    let fleet = Fleet::new(1_500, |options| options.hecone = hecone).await;
    assert_eq!(fleet.clock.now(), start() + TimeDelta::hours(30 * 24 + 12));
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&fleet.clock);
    let source = App::new(fleet.config.clone(), clock).unwrap().hecone(&fleet.config.hecone[0]);
    assert_eq!(fleet.pass().await.outcome, Outcome::Ok);
    let site_id = scalar(&fleet, "SELECT site_id FROM fuel.transaction WHERE source = 'hecone' LIMIT 1").await;
    fleet.clock.advance(after_noon);
    let at = fleet.clock.now();
    source.create(&NewTransaction { site_id, content }).await.unwrap();
    fleet.clock.advance(Duration::from_hours(13));
    assert_eq!(fleet.pass().await.outcome, Outcome::Ok);
    (fleet, at)
}

async fn scalar<T>(fleet: &Fleet, sql: &'static str) -> T
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
{
    sqlx::query_scalar(sql).fetch_one(&fleet.pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_at_the_very_edge_of_two_windows_is_counted_once_whichever_side_has_it() {
    for (start_exclusive, end_inclusive) in [(false, false), (false, true), (true, true)] {
        let (fleet, noon) = with_a_sale_at_noon(start_exclusive, end_inclusive).await;
        let said = format!("start_exclusive {start_exclusive}, end_inclusive {end_inclusive}");
        let all = verified(&fleet, start(), start() + TimeDelta::days(60), false).await;
        assert_eq!(all.tally.differing(), 0, "{said}: {all:#?}");
        let totals = all.totals.clone().unwrap();
        assert_eq!((totals.count, totals.at_start), (Some(totals.count_read), 0), "{said}: {all:#?}");
        // At the ends of what is verified it may be in the source's totals or not, as it pleases.
        for (from, to, ends) in
            [(start(), noon, (0, u64::from(end_inclusive))), (noon, noon + TimeDelta::hours(12), (1, 0))]
        {
            let part = verified(&fleet, from, to, false).await;
            let totals = part.totals.clone().unwrap();
            assert_eq!((totals.at_start, totals.at_end), ends, "{said}: {part:#?}");
            assert!(part.tally.differing() == 0 && !part.count_differs(), "{said}: {part:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_that_the_source_gives_to_neither_of_two_windows_is_named_and_repaired() {
    let (fleet, noon) = with_a_sale_at_noon(true, false).await;
    let all = verified(&fleet, start(), start() + TimeDelta::days(60), true).await;
    let named: Vec<_> = all.rows.iter().filter(|row| row.what != What::Quarantined).collect();
    assert_eq!(
        named.iter().map(|row| (row.what, row.occurred_at)).collect::<Vec<_>>(),
        [(What::MissingHere, Some(noon))]
    );
    let mended = verified(&fleet, start(), start() + TimeDelta::days(60), false).await;
    assert_eq!(mended.tally.differing(), 0, "{mended:#?}");
}

/// Puts lines of `HecOne` into the table that no source has.
async fn invent(fleet: &Fleet, at: &[DateTime<Utc>]) {
    let invented = sqlx::query(
        "INSERT INTO fuel.transaction (source, account, source_transaction_id, line_id, partition, kind, state, occurred_at, quality, content_hash) \
         SELECT source, account, 'invented ' || at, '-', partition, kind, state, at, quality, content_hash \
         FROM unnest($1::timestamptz[]) AS at, (SELECT * FROM fuel.transaction WHERE source = 'hecone' LIMIT 1) AS t",
    );
    let written = invented.bind(at).execute(&fleet.pool).await.unwrap().rows_affected();
    assert_eq!(written, at.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_invented_at_the_very_start_of_windows_are_named_and_a_repair_marks_them() {
    for start_exclusive in [false, true] {
        let fleet = Fleet::new(1_500, |options| {
            options.hecone =
                HecOneOptions { start_exclusive, end_inclusive: start_exclusive, ..HecOneOptions::default() };
            // Beside a record without an id nothing is marked: it may be the one.
            options.world.dirt = false;
        })
        .await;
        assert_eq!(fleet.pass().await.outcome, Outcome::Ok);
        // At the very first instant that is verified, and at the start of a window amidst others; by day, for an answer
        // without any sale marks nothing.
        let at = [5, 10].map(|days| start() + TimeDelta::hours(24 * days + 12)).to_vec();
        invent(&fleet, &at).await;
        let (from, to) = (at[0], start() + TimeDelta::days(60));
        let done = verified(&fleet, from, to, true).await;
        assert!(!done.count_differs(), "{done:#?}");
        let named: Vec<_> = done.rows.iter().filter(|row| row.what != What::Quarantined).collect();
        let said: Vec<_> = named.iter().map(|row| (row.what, row.occurred_at.unwrap())).collect();
        assert_eq!(said, at.iter().map(|at| (What::MissingAtSource, *at)).collect::<Vec<_>>(), "{done:#?}");
        // The first read that has not got a line says so, the second one marks it.
        assert_eq!(verified(&fleet, from, to, true).await.tally.missing_at_source, 2);
        let mended = verified(&fleet, from, to, false).await;
        assert_eq!(mended.tally.differing(), 0, "start_exclusive {start_exclusive}: {mended:#?}");
        let marked: i64 = sqlx::query_scalar("SELECT count(*) FROM fuel.transaction WHERE missing_since IS NOT NULL")
            .fetch_one(&fleet.pool)
            .await
            .unwrap();
        assert_eq!(marked, 2, "marked, and nothing else");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_counts_the_absence_of_a_line_for_the_window_that_it_is_in_alone() {
    let fleet = Fleet::new(1_500, |options| options.world.dirt = false).await;
    assert_eq!(fleet.pass().await.outcome, Outcome::Ok);
    // Both windows differ, so that both are read: the earlier line lies in the second that is read with the later window, too.
    let noon = start() + TimeDelta::hours(24 * 10 + 12);
    let at = vec![noon - TimeDelta::milliseconds(500), noon + TimeDelta::hours(1)];
    invent(&fleet, &at).await;
    assert_eq!(verified(&fleet, start(), start() + TimeDelta::days(60), true).await.tally.missing_at_source, 2);
    let absent: Vec<(i16, bool)> = sqlx::query_as(
        "SELECT absent_reads, missing_since IS NOT NULL FROM fuel.transaction WHERE source_transaction_id LIKE 'invented %'",
    )
    .fetch_all(&fleet.pool)
    .await
    .unwrap();
    assert_eq!(absent, [(1, false); 2], "each was missed by one read of its window");
}

/// What no rule can make a line of.
fn unreadable() -> Content {
    let article = ArticleInput {
        id: None,
        quantity: None,
        price: None,
        state: ArticleState::Done,
        more: [("discount".to_owned(), serde_json::json!(1e25))].into_iter().collect(),
    };
    let terminal_transaction_number = Some("NOT-READABLE".to_owned());
    Content { articles: vec![article], terminal_transaction_number, ..Content::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_record_of_the_second_before_what_is_verified_makes_no_other_count() {
    let (fleet, noon) = with_a_sale(HecOneOptions::default(), Duration::ZERO, unreadable()).await;
    let there = "SELECT count(*) FROM fuel.quarantine WHERE source = 'hecone' AND window_start = '2026-10-20 12:00+00'";
    assert_eq!(scalar::<i64>(&fleet, there).await, 1);
    for (from, at_start) in [(noon, 1), (noon + TimeDelta::seconds(1), 1), (noon + TimeDelta::seconds(2), 0)] {
        let done = verified(&fleet, from, noon + TimeDelta::hours(12), false).await;
        let totals = done.totals.clone().unwrap();
        assert_eq!(totals.at_start, at_start, "from {from}: {done:#?}");
        assert!(!done.count_differs(), "from {from}: {done:#?}");
    }
}

/// A second before six in the evening, where the next window begins.
const BEFORE_SIX: Duration = Duration::from_secs(6 * 3_600 - 1);

/// In the next window, which a repair reads again, from a second before.
const AT_SEVEN: &str = "2026-10-20T19:00:00Z";

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_leaves_an_unreadable_record_with_the_window_that_it_is_of() {
    let (fleet, at) = with_a_sale(HecOneOptions::default(), BEFORE_SIX, unreadable()).await;
    let met = "SELECT concat_ws(' ', window_start AT TIME ZONE 'UTC', copies, resolved_at, last_seen_at) \
         FROM fuel.quarantine WHERE source = 'hecone' AND record::text LIKE '%NOT-READABLE%'";
    let before: String = scalar(&fleet, met).await;
    assert!(before.starts_with("2026-10-20 12:00:00 1 "), "{before}");
    invent(&fleet, &[AT_SEVEN.parse().unwrap()]).await;
    let done = verified(&fleet, at + TimeDelta::seconds(1), at + TimeDelta::hours(6), true).await;
    assert_eq!(done.repaired.unwrap().windows, 1, "{done:#?}");
    assert_eq!(done.repaired.unwrap().counts.quarantined, 1, "it came with the second before: {done:#?}");
    assert_eq!(scalar::<String>(&fleet, met).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_reads_nothing_from_before_the_start_of_the_account() {
    let (mut fleet, at) = with_a_sale(HecOneOptions::default(), BEFORE_SIX, Content::default()).await;
    let begin = at + TimeDelta::seconds(1);
    for starts_later in [false, true] {
        if starts_later {
            fleet.config.hecone[0].start = begin;
        }
        sqlx::query("TRUNCATE fuel.transaction, fuel.record, fuel.quarantine, fuel.sync_window, fuel.transaction_version, fuel.checkpoint")
            .execute(&fleet.pool)
            .await
            .unwrap();
        assert_eq!(fleet.pass().await.outcome, Outcome::Ok);
        let earlier =
            "SELECT count(*) FROM fuel.transaction WHERE source = 'hecone' AND occurred_at < '2026-10-20 18:00+00'";
        assert_eq!(scalar::<i64>(&fleet, earlier).await == 0, starts_later);
        let of_second =
            "DELETE FROM fuel.transaction WHERE source = 'hecone' AND occurred_at = '2026-10-20 17:59:59+00'";
        sqlx::query(of_second).execute(&fleet.pool).await.unwrap();
        invent(&fleet, &[AT_SEVEN.parse().unwrap()]).await;
        let done = verified(&fleet, begin, begin + TimeDelta::hours(6), true).await;
        assert_eq!(done.repaired.unwrap().windows, 1, "{done:#?}");
        let there =
            "SELECT count(*) FROM fuel.transaction WHERE source = 'hecone' AND occurred_at = '2026-10-20 17:59:59+00'";
        assert_eq!(scalar::<i64>(&fleet, there).await, i64::from(!starts_later), "later: {starts_later}");
    }
}
