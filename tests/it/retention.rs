//! What a source will forget is seen in `status`, and read first.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use fuelsync::{
    clock::{Clock, SystemClock},
    domain::SourceKind,
    sandbox::{self, WorldOptions},
    source,
};
use serde_json::Value;

use crate::support::{Fuelsync, TestDatabase};

const DAY: i64 = 86_400;

/// The streams of `status --json`, of one source.
fn of<'s>(status: &'s Value, source: &str) -> Vec<&'s Value> {
    let streams = status["streams"].as_array().unwrap();
    let of: Vec<_> = streams.iter().filter(|stream| stream["source"] == source).collect();
    assert!(!of.is_empty(), "{status}");
    of
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_read_has_an_age_and_a_time_left_and_is_read_before_all_else() {
    let now = SystemClock.now();
    let horizon = source::served_from(SourceKind::AlexelaEv, now).unwrap();
    // Served for three days more, and what is left of today.
    let start = horizon + TimeDelta::days(3);
    let world = WorldOptions { sales: 800, from: start, to: now, ..WorldOptions::default() };
    let options = sandbox::Options { world, clock: Arc::new(SystemClock), ..sandbox::Options::default() };
    let sandbox = sandbox::start(options).await.unwrap();
    let database = TestDatabase::new().await;
    let configuration = sandbox::configuration(&sandbox, database.url(), start)
        .replace("[[hecone]]\n", "[sync]\nworkers = 1\n\n[[hecone]]\nwindow = \"24h\"\n");
    let call = |args: &[&str]| Fuelsync::new(args.iter().copied()).config(&configuration);
    call(&["sync", "--json"]).run().await.ended_with(0);

    let all_read = call(&["status", "--json"]).run().await.ended_with(0).json();
    for source in ["alexela_card", "alexela_bonus", "alexela_ev"] {
        for stream in of(&all_read, source) {
            assert!(stream["unread_age_seconds"].as_i64() < Some(3_600), "{stream}");
            assert!(stream["unrecoverable_in_seconds"].as_i64() > Some(140 * DAY), "{stream}");
        }
    }
    let endless = of(&all_read, "hecone")[0];
    assert!(endless["unread_age_seconds"].as_i64() < Some(3_600), "{endless}");
    assert!(endless["unrecoverable_in_seconds"].is_null(), "{endless}");
    let said = call(&["status"]).run().await.ended_with(0).stdout;
    assert!(said.contains("lost in") && !said.contains("not read from"), "{said}");

    // The oldest is lost from the ledger, as where a first load was stopped, or `start` was set to an earlier day.
    let pool = database.pool().await;
    sqlx::query("DELETE FROM fuel.sync_window WHERE source = 'alexela_ev' AND window_start < $1")
        .bind(start + TimeDelta::days(10))
        .execute(&pool)
        .await
        .unwrap();
    let endangered = call(&["status", "--json"]).run().await.ended_with(0).json();
    let stream = of(&endangered, "alexela_ev")[0];
    assert_eq!(stream["unread_from"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap(), start, "{stream}");
    let (age, left) =
        (stream["unread_age_seconds"].as_i64().unwrap(), stream["unrecoverable_in_seconds"].as_i64().unwrap());
    assert!(age > 140 * DAY && left > 0 && left <= 8 * DAY, "{stream}");
    let said = call(&["status"]).run().await.ended_with(0).stdout;
    assert!(
        said.contains("alexela_ev/fleet/-: not read from") && !said.contains("alexela_bonus/fleet/-: not read"),
        "{said}"
    );

    // One stream at a time: what is lost soonest first, what is served for ever last.
    let before: DateTime<Utc> = sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&pool).await.unwrap();
    call(&["sync", "--json"]).run().await.ended_with(0);
    let order: Vec<String> = sqlx::query_scalar(
        "SELECT source FROM fuel.sync_window WHERE last_read_at > $1 GROUP BY source ORDER BY min(last_read_at)",
    )
    .bind(before)
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(
        (order[0].as_str(), order[order.len() - 1].as_str(), order.len()),
        ("alexela_ev", "hecone", 4),
        "{order:?}"
    );
    let mended = call(&["status", "--json"]).run().await.ended_with(0).json();
    assert!(of(&mended, "alexela_ev")[0]["unread_age_seconds"].as_i64() < Some(3_600));
}
