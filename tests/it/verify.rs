//! `verify`: a stretch read again and held against the warehouse, through the real binary, for all four sources.

use std::sync::Arc;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use fuelsync::{
    clock::{Clock, ManualClock, SystemClock},
    domain::{SourceKind, Window},
    sandbox::{self, Sandbox, WorldOptions},
    sync::{
        summary::Outcome,
        verify::{self, Stretch, Verified},
    },
    warehouse::verify::What,
};
use serde_json::Value;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::support::{
    Fuelsync, TestDatabase,
    fleet::{Fleet, start},
};

/// Both vendors with twenty days of sales up to now, read whole by the program.
pub(crate) struct Shop {
    database: TestDatabase,
    sandbox: Sandbox,
    pub(crate) pool: PgPool,
    /// The first day.
    pub(crate) start: DateTime<Utc>,
}

impl Shop {
    pub(crate) async fn new(sales: u64) -> Self {
        let midnight = SystemClock.now().date_naive().and_time(NaiveTime::MIN).and_utc();
        let start = midnight - TimeDelta::days(20);
        let world = WorldOptions { sales, from: start, to: midnight, ..WorldOptions::default() };
        // The vendors' time stands still: nothing changes there between two commands.
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let options = sandbox::Options { world, clock, ..sandbox::Options::default() };
        let database = TestDatabase::new().await;
        let shop =
            Self { sandbox: sandbox::start(options).await.unwrap(), pool: database.pool().await, database, start };
        shop.call(["sync"]).run().await.ended_with(0);
        shop
    }

    pub(crate) fn call<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Fuelsync {
        let text = sandbox::configuration(&self.sandbox, self.database.url(), self.start);
        Fuelsync::new(args).config(&text)
    }

    /// Verifies all twenty days, with more arguments.
    async fn verify(&self, more: &[&str], code: i32) -> Value {
        let day = |at: DateTime<Utc>| at.format("%Y-%m-%d").to_string();
        let (from, to) = (day(self.start), day(self.start + TimeDelta::days(21)));
        let args = ["verify", "--from", &from, "--to", &to, "--json"].into_iter().chain(more.iter().copied());
        self.call(args).run().await.ended_with(code).json()
    }

    pub(crate) async fn run(&self, sql: &'static str) -> u64 {
        sqlx::query(sql).execute(&self.pool).await.unwrap().rows_affected()
    }
}

/// One line of each source altered, one deleted, one invented, none of them the same.
pub(crate) const BY_HAND: [&str; 3] = [
    "WITH one AS (SELECT DISTINCT ON (source) source, source_transaction_id, line_id FROM fuel.transaction \
         WHERE quantity IS NOT NULL AND source_transaction_id NOT IN \
             (SELECT source_transaction_id FROM fuel.transaction GROUP BY source, source_transaction_id HAVING count(*) > 1) \
         ORDER BY source, source_transaction_id) \
     UPDATE fuel.transaction t SET quantity = t.quantity + 1 FROM one \
     WHERE (t.source, t.source_transaction_id, t.line_id) = (one.source, one.source_transaction_id, one.line_id)",
    "WITH one AS (SELECT DISTINCT ON (source) source, source_transaction_id, line_id FROM fuel.transaction \
         WHERE occurred_at < now() - interval '2 days' ORDER BY source, source_transaction_id DESC, line_id DESC) \
     DELETE FROM fuel.transaction t USING one \
     WHERE (t.source, t.source_transaction_id, t.line_id) = (one.source, one.source_transaction_id, one.line_id)",
    "INSERT INTO fuel.transaction (source, account, source_transaction_id, line_id, partition, kind, state, occurred_at, gross_amount, currency, \
         quality, content_hash) \
     SELECT DISTINCT ON (source) source, account, '00000000-0000-0000-0000-00000000cafe', line_id, partition, kind, state, occurred_at, 100, 'EUR', \
         quality, content_hash FROM fuel.transaction WHERE occurred_at > now() - interval '15 days' ORDER BY source, occurred_at",
];

fn sum(document: &Value, count: &str) -> u64 {
    document["streams"].as_array().unwrap().iter().map(|stream| stream[count].as_u64().unwrap()).sum()
}

/// Source, how, columns of each line that is named, but for the quarantine.
fn named(document: &Value) -> Vec<(String, String, String, bool)> {
    let mut named = Vec::new();
    for stream in document["streams"].as_array().unwrap() {
        for row in stream["rows"].as_array().unwrap().iter().filter(|row| row["what"] != "quarantined") {
            let columns = row["columns"].as_array().map_or_else(String::new, |columns| {
                columns.iter().map(|column| column.as_str().unwrap()).collect::<Vec<_>>().join(",")
            });
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            named.push((text(&stream["source"]), text(&row["what"]), columns, row["altered_here"] == true));
        }
    }
    named.sort();
    named.dedup();
    named
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_warehouse_has_what_the_sources_have() {
    let shop = Shop::new(3_000).await;
    let tables = "SELECT (SELECT count(*) FROM fuel.transaction_version) + (SELECT sum(seq) FROM fuel.transaction)::bigint \
                      + (SELECT sum(attempts + extract(epoch FROM last_read_at)::bigint) FROM fuel.sync_window)::bigint";
    let before: i64 = sqlx::query_scalar(tables).fetch_one(&shop.pool).await.unwrap();
    let document = shop.verify(&[], 0).await;
    assert_eq!(document["outcome"], "ok", "{document:#}");
    let differing = ["missing_here", "missing_at_source", "different"].map(|count| sum(&document, count));
    assert_eq!(differing, [0; 3], "{document:#}");
    assert!(sum(&document, "quarantined") > 0, "records in quarantine are said, and are no difference");
    let streams = document["streams"].as_array().unwrap();
    assert!(streams.len() >= 6);
    for stream in streams {
        assert!(stream["transactions"].as_u64() > Some(0), "{stream:#}");
        for product in stream["products"].as_array().unwrap() {
            assert_eq!(product["source"], product["warehouse"], "{stream:#}");
        }
        assert!(stream["not_compared"].as_array().unwrap().iter().any(|left| left["why"] == "after_watermark"));
    }
    let hecone = streams.iter().find(|stream| stream["source"] == "hecone").unwrap();
    assert_eq!(hecone["totals"]["count"], hecone["totals"]["count_read"], "{hecone:#}");
    assert!(hecone["totals"]["unused"].as_array().unwrap().iter().any(|name| name == "by_state"), "{hecone:#}");
    let after: i64 = sqlx::query_scalar(tables).fetch_one(&shop.pool).await.unwrap();
    assert_eq!(before, after, "nothing was written");
    let (mode, outcome, fetched): (String, String, i64) =
        sqlx::query_as("SELECT mode, outcome, fetched FROM fuel.sync_run ORDER BY run_id DESC LIMIT 1")
            .fetch_one(&shop.pool)
            .await
            .unwrap();
    assert_eq!((mode.as_str(), outcome.as_str()), ("verify", "ok"));
    assert!(fetched > 2_000, "{fetched}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_by_hand_is_named_and_a_repair_mends_it() {
    let shop = Shop::new(1_500).await;
    for sql in BY_HAND {
        assert_eq!(shop.run(sql).await, 4);
    }
    let document = shop.verify(&[], 6).await;
    let expected: Vec<_> = ["alexela_bonus", "alexela_card", "alexela_ev", "hecone"]
        .into_iter()
        .flat_map(|source| {
            [("different", "quantity", true), ("missing_at_source", "", true), ("missing_here", "", false)]
                .map(|(what, columns, altered)| (source.to_owned(), what.to_owned(), columns.to_owned(), altered))
        })
        .collect();
    assert_eq!(named(&document), expected, "{document:#}");
    assert_eq!(
        ["different", "missing_at_source", "missing_here"].map(|count| sum(&document, count)),
        [4, 4, 4],
        "each once"
    );

    let repaired = shop.verify(&["--repair"], 6).await;
    let windows: u64 =
        repaired["streams"].as_array().unwrap().iter().map(|s| s["repaired"]["windows"].as_u64().unwrap()).sum();
    assert!((4..=12).contains(&windows), "{repaired:#}");
    let after = shop.verify(&[], 6).await;
    let left = ["different", "missing_at_source", "missing_here"].map(|count| sum(&after, count));
    assert_eq!(left, [0, 4, 0], "what the source does not have was absent once: {after:#}");
    shop.verify(&["--repair"], 6).await;
    shop.verify(&[], 0).await;
    let marked: i64 = sqlx::query_scalar("SELECT count(*) FROM fuel.transaction WHERE missing_since IS NOT NULL")
        .fetch_one(&shop.pool)
        .await
        .unwrap();
    assert_eq!(marked, 4, "marked, not deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_a_wrong_stretch_and_a_vendor_that_is_down_end_as_the_contract_says() {
    let shop = Shop::new(400).await;
    let only = shop.verify(&["--source", "alexela_ev"], 0).await;
    assert_eq!(only["streams"].as_array().unwrap().len(), 1);
    let day = shop.start.format("%Y-%m-%d").to_string();
    shop.call(["verify", "--from", &day, "--to", &day]).run().await.ended_with(2);
    // Only looks whether the migrations are applied, whatever the configuration says.
    let empty = TestDatabase::new().await;
    let text = sandbox::configuration(&shop.sandbox, empty.url(), shop.start);
    assert!(text.contains("migrate = true"));
    let asked = Fuelsync::new(["verify", "--from", &day, "--to", "2030-01-01"]).config(&text).run().await.ended_with(4);
    assert!(asked.stderr.contains("fuelsync migrate"), "{}", asked.stderr);
    let there: bool =
        sqlx::query_scalar("SELECT to_regnamespace('fuel') IS NOT NULL").fetch_one(&empty.pool().await).await.unwrap();
    assert!(!there, "nothing was made");
    shop.call(["verify", "--from", &day, "--to", "tomorrow"]).run().await.ended_with(2);
    let before = (shop.start - TimeDelta::days(400)).format("%Y-%m-%d").to_string();
    let lost = shop.call(["verify", "--from", &before, "--to", &day, "--json"]).run().await.ended_with(0).json();
    let whys: Vec<_> =
        lost["streams"].as_array().unwrap().iter().map(|s| s["not_compared"][0]["why"].clone()).collect();
    assert!(whys.contains(&"not_served".into()) && whys.contains(&"before_start".into()), "{lost:#}");
    shop.sandbox.faults().status("EvTransactions", 1_000, 500, Some("0"));
    let down = shop.verify(&[], 3).await;
    let failed = down["streams"].as_array().unwrap().iter().filter(|stream| stream["outcome"] == "failed").count();
    assert_eq!((failed, &down["outcome"]), (1, &"partial".into()), "{down:#}");
}

/// Verifies in this process, by the fleet's clock.
async fn verified(fleet: &Fleet, repair: bool) -> Verified {
    let window = Window::new(start(), start() + TimeDelta::days(60)).unwrap();
    let asked = Stretch { window, repair, workers: 3 };
    verify::run(&fleet.process(), asked, &CancellationToken::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_source_changed_since_is_a_difference_and_is_told_apart_where_that_can_be_known() {
    let fleet = Fleet::new(2_000, |_| {}).await;
    fleet.pass().await;
    let same = verified(&fleet, false).await;
    assert_eq!((same.outcome, same.tally.differing()), (Outcome::Ok, 0), "{same:#?}");
    fleet.clock.advance(std::time::Duration::from_hours(24 * 5));
    let later = verified(&fleet, false).await;
    assert!(later.tally.different > 0, "{later:#?}");
    let rows = || later.streams.iter().flat_map(|stream| &stream.rows);
    assert!(rows().all(|row| !row.altered_here), "nobody altered anything here");
    let cards = later.streams.iter().filter(|stream| stream.stream.source == SourceKind::AlexelaCard);
    let different: Vec<_> = cards.flat_map(|s| &s.rows).filter(|row| row.what == What::Different).collect();
    assert!(
        !different.is_empty()
            && different.iter().any(|row| row.why.as_deref().is_some_and(|why| why.contains("after the last read"))),
        "{different:#?}"
    );
    let watermark = fleet.first_read;
    assert!(rows().all(|row| row.occurred_at.is_none_or(|at| at < watermark)), "what was sold since is not compared");
    verified(&fleet, true).await;
    let mended = verified(&fleet, false).await;
    assert_eq!(mended.tally.differing(), 0, "{mended:#?}");
    fleet.pass().await;
    fleet.is_the_truth().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_names_each_row_and_shows_both_sides() {
    let fleet = Fleet::new(300, |_| {}).await;
    fleet.pass().await;
    sqlx::query("UPDATE fuel.transaction SET gross_amount = gross_amount + 1, driver_name = 'x' WHERE (source, source_transaction_id) = \
            (SELECT source, source_transaction_id FROM fuel.transaction WHERE source = 'alexela_card' ORDER BY occurred_at, source_transaction_id LIMIT 1)")
        .execute(&fleet.pool)
        .await
        .unwrap();
    sqlx::query("DELETE FROM fuel.transaction WHERE source_transaction_id = \
            (SELECT source_transaction_id FROM fuel.transaction WHERE source = 'alexela_ev' ORDER BY occurred_at, source_transaction_id LIMIT 1)")
        .execute(&fleet.pool)
        .await
        .unwrap();
    let done = verified(&fleet, false).await;
    insta::assert_snapshot!(fuelsync::cli::verify::text(&done, std::time::Duration::from_millis(1_500)));
}
