//! What the pages ask of a real warehouse, against what its tables hold.

use chrono::{TimeDelta, Utc};
use fuelsync::{
    clock::Clock,
    domain::{Partition, SourceKind, StreamId, Window},
    warehouse::{coverage::Standing, load::Counts},
};
use sqlx::Row;

use crate::support::fleet::{Fleet, start};

#[tokio::test(flavor = "multi_thread")]
async fn days_windows_and_sales_are_those_of_the_tables() {
    let fleet = Fleet::new(600, |_| {}).await;
    fleet.pass().await;
    let since = start() - TimeDelta::days(1);
    let streams: Vec<(String, String, String)> =
        sqlx::query_as("SELECT source, account, partition FROM fuel.checkpoint").fetch_all(&fleet.pool).await.unwrap();
    let mut windows = 0;
    for (source, account, partition) in &streams {
        let partition = if partition == "-" { Partition::whole() } else { Partition::contract(partition.as_str()) };
        let stream = StreamId::new(source.parse().unwrap(), account.as_str(), partition);
        let found = fleet.warehouse.windows(&stream, since).await.unwrap();
        assert!(!found.is_empty() && found.windows(2).all(|pair| pair[0].window.start() > pair[1].window.start()));
        for one in &found {
            let counted = one.inserted + one.updated + one.unchanged + one.quarantined + one.outside + one.duplicate;
            assert_eq!(one.fetched, counted);
        }
        windows += i64::try_from(found.len()).unwrap();
    }
    // The strips' statement counts each of them once, as what it is.
    let spans = fleet.warehouse.coverage(since, &[]).await.unwrap();
    let in_ledger = spans.iter().filter(|span| !matches!(span.standing, Standing::Watermark | Standing::Gap));
    assert_eq!(in_ledger.map(|span| span.pieces).sum::<i64>(), windows);
    let marks = spans.iter().filter(|span| span.standing == Standing::Watermark).map(|span| span.pieces).sum::<i64>();
    assert_eq!(marks, i64::try_from(streams.len()).unwrap());

    let all = Window::new(since, fleet.clock.now() + TimeDelta::days(2)).unwrap();
    let sales = fleet.warehouse.sales_by_day(all).await.unwrap();
    let rows = sqlx::query(
        "SELECT source, (occurred_at AT TIME ZONE 'UTC')::date, count(*) FROM fuel.transaction \
         WHERE occurred_at >= $1 AND occurred_at < $2 GROUP BY 1, 2 ORDER BY 1, 2",
    )
    .bind(all.start())
    .bind(all.end())
    .fetch_all(&fleet.pool)
    .await
    .unwrap();
    let table: Vec<(String, chrono::NaiveDate, i64)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let sales: Vec<_> = sales.iter().map(|day| (day.source.as_str().to_owned(), day.day, day.lines)).collect();
    assert!(!sales.is_empty());
    assert_eq!(sales, table);

    for (fingerprint, resolved) in [(1_u8, false), (2, false), (3, true)] {
        sqlx::query(
            "INSERT INTO fuel.quarantine (source, account, partition, fingerprint, record, field, reason, resolved_at) \
             VALUES ('hecone', 'north', '-', $1, '{\"driver\": \"Mari\"}', 'created_at', 'is missing', CASE WHEN $2 THEN now() END)",
        )
        .bind(vec![fingerprint])
        .bind(resolved)
        .execute(&fleet.pool)
        .await
        .unwrap();
    }
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM fuel.quarantine WHERE resolved_at IS NULL")
        .fetch_one(&fleet.pool)
        .await
        .unwrap();
    let found = fleet.warehouse.in_quarantine(1_000).await.unwrap();
    assert_eq!(i64::try_from(found.len()).unwrap(), open);
    assert!(found[0].id > found[1].id && !format!("{found:?}").contains("Mari"), "the newest first, no record");
    assert_eq!(fleet.warehouse.in_quarantine(1).await.unwrap(), found[..1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_standing_of_a_window_is_told_from_the_others() {
    let fleet = Fleet::new(10, |_| {}).await;
    let stream = StreamId::new(SourceKind::AlexelaCard, "fleet", Partition::contract("1"));
    let day = |number: i64| start() + TimeDelta::days(number);
    let cases = [
        ("final", Some(day(9)), Some(0), Some(day(9)), Standing::Final),
        ("read", Some(day(9)), Some(1), None, Standing::ReadAgain),
        ("read", Some(day(9)), Some(0), None, Standing::Read),
        ("open", Some(day(9)), Some(0), None, Standing::Open),
        ("open", None, None, None, Standing::Unread),
        ("failing", Some(day(9)), Some(0), None, Standing::Failing),
        ("failing", None, None, None, Standing::FailingUnread),
    ];
    for (number, (state, read_through, again, final_at, _)) in (0..).zip(cases) {
        sqlx::query(
            "INSERT INTO fuel.sync_window (source, account, partition, window_start, window_end, state, read_through, \
                 first_read_at, last_read_at, full_read_at, final_at) \
             VALUES ('alexela_card', 'fleet', '1', $1, $2, $3, $4, $5, $6, $6, $7)",
        )
        .bind(day(number))
        .bind(day(number + 1))
        .bind(state)
        .bind(read_through)
        .bind(again.map(|_: i64| day(9)))
        .bind(again.map(|hours| day(9) + TimeDelta::hours(hours)))
        .bind(final_at)
        .execute(&fleet.pool)
        .await
        .unwrap();
    }
    sqlx::query("INSERT INTO fuel.gap (source, account, partition, gap_start, gap_end, reason) VALUES ('alexela_card', 'fleet', '1', $1, $2, 'old')")
        .bind(day(-3))
        .bind(day(-1))
        .execute(&fleet.pool)
        .await
        .unwrap();
    let mut windows = fleet.warehouse.windows(&stream, start()).await.unwrap();
    windows.reverse();
    let standings: Vec<_> = windows.iter().map(|one| one.standing).collect();
    assert_eq!(standings, cases.map(|(.., standing)| standing));
    let spans = fleet.warehouse.coverage(day(-2), &[]).await.unwrap();
    for (window, (.., standing)) in windows.iter().zip(cases) {
        let at = Some(window.window.start().date_naive());
        assert!(spans.iter().any(|span| (span.from, span.through, span.standing) == (at, at, standing)), "{spans:?}");
    }
    let gap = spans.iter().find(|span| span.standing == Standing::Gap).unwrap();
    // Cut to what is shown; its end is the first instant after it.
    assert_eq!((gap.from, gap.through), (Some(day(-2).date_naive()), Some(day(-2).date_naive())));
    assert_eq!(fleet.warehouse.gap_reports(&stream).await.unwrap()[0].reason, "old");

    // What fails is in the way, however old.
    let later = fleet.warehouse.windows(&stream, day(300)).await.unwrap();
    let standings: Vec<_> = later.iter().map(|one| one.standing).collect();
    assert_eq!(standings, [Standing::FailingUnread, Standing::Failing]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_rests_and_one_never_read_are_told_apart() {
    let fleet = Fleet::new(10, |_| {}).await;
    sqlx::query(
        "INSERT INTO fuel.checkpoint (source, account, partition, last_outcome) \
         VALUES ('alexela_card', 'fleet', '1', 'withdrawn'), ('alexela_ev', 'fleet', '-', NULL)",
    )
    .execute(&fleet.pool)
    .await
    .unwrap();
    let spans = fleet.warehouse.coverage(start(), &[]).await.unwrap();
    assert_eq!(spans.len(), 1, "nobody waits for the one that was withdrawn");
    assert_eq!((spans[0].source, spans[0].standing, spans[0].from), (SourceKind::AlexelaEv, Standing::Watermark, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_summed_up_by_the_hour_once_they_have_ended() {
    let fleet = Fleet::new(10, |_| {}).await;
    let counts = Counts { fetched: 10, inserted: 3, updated: 1, unchanged: 6, ..Counts::default() };
    for _ in 0..2 {
        let run = fleet.warehouse.begin_run("run", "host").await.unwrap();
        fleet.warehouse.end_run(run, "ok", 2, &counts).await.unwrap();
    }
    fleet.warehouse.begin_run("run", "host").await.unwrap();
    let since: chrono::DateTime<Utc> =
        sqlx::query_scalar("SELECT now() - interval '1 hour'").fetch_one(&fleet.pool).await.unwrap();
    let hours = fleet.warehouse.runs_by_hour(since).await.unwrap();
    // Over the turn of an hour there are two.
    let sum = |of: fn(&fuelsync::warehouse::activity::HourOfRuns) -> i64| hours.iter().map(of).sum::<i64>();
    assert_eq!((sum(|h| h.runs), sum(|h| h.windows), sum(|h| h.fetched)), (2, 4, 20));
    assert_eq!((sum(|h| h.changed), sum(|h| h.unchanged)), (8, 12));
    assert!(hours.len() <= 2 && sum(|h| h.busy_ms) >= 0);
    let later = since + TimeDelta::hours(2);
    assert!(fleet.warehouse.runs_by_hour(later).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_that_the_ledger_tells_are_those_of_the_table() {
    let fleet = Fleet::new(1_500, |_| {}).await;
    for days in [0, 1, 0, 3, 9] {
        fleet.clock.advance(std::time::Duration::from_hours(24 * days));
        fleet.pass().await;
        let mut told: Vec<(String, String, String, i64)> = fleet
            .warehouse
            .streams()
            .await
            .unwrap()
            .into_iter()
            .map(|stream| (stream.source, stream.account, stream.partition, stream.rows))
            .collect();
        told.sort();
        let there: Vec<(String, String, String, i64)> = sqlx::query_as(
            "SELECT source, account, partition, count(*) FROM fuel.transaction GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        )
        .fetch_all(&fleet.pool)
        .await
        .unwrap();
        let told: Vec<_> = told.into_iter().filter(|(.., rows)| *rows > 0).collect();
        assert_eq!(told, there, "after {days} days");
    }
    let from_ledger: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM fuel.sync_window w JOIN fuel.checkpoint c USING (source, account, partition) \
         WHERE w.full_read_at >= w.window_end AND w.window_end <= c.watermark - interval '2 days'",
    )
    .fetch_one(&fleet.pool)
    .await
    .unwrap();
    assert!(from_ledger > 50, "{from_ledger} windows are not counted in the table");
}
