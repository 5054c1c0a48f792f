//! Stored records, normalized again, come to what a read of them comes to; and a read finds nothing to do after that.

use std::{sync::Arc, time::Duration};

use fuelsync::{
    app::App,
    clock::Clock,
    config::Rule,
    privacy::Person,
    sandbox,
    sync::{
        backfill::{self, Stretch},
        remap,
    },
    warehouse::{
        load::Counts,
        remap::{Remap, Remapped},
    },
};
use tokio_util::sync::CancellationToken;

use crate::support::{
    Fuelsync, ends,
    fleet::{Fleet, start},
};

pub(crate) async fn remap_with(fleet: &Fleet, dry_run: bool) -> Remapped {
    let clock: Arc<dyn Clock> = fleet.clock.clone();
    let app = App::new(fleet.config.clone(), clock).unwrap();
    fleet.warehouse.heed(&app.forgotten).await.unwrap();
    let work = Remap {
        sources: &[],
        accounts: &[],
        normalizer: &|stream| app.normalizer(stream),
        guard: &app.guard(),
        forgotten: &app.forgotten,
        // Long after the reads: what they said of the future stays said.
        present: fleet.clock.now() + chrono::TimeDelta::days(365),
        dry_run,
        limit: Duration::from_mins(2),
    };
    let (done, stopped, ended) = ends("a remap", remap::run(&fleet.warehouse, &work, &CancellationToken::new())).await;
    ended.unwrap();
    assert!(!stopped);
    done
}

/// A full re-read of everything, every row compared.
async fn read_again(fleet: &Fleet) -> Counts {
    let again = Stretch { from: start(), to: None, again: true, workers: 2 };
    ends("a re-read", backfill::run(&fleet.process(), again, &CancellationToken::new())).await.totals().1
}

async fn numbers(fleet: &Fleet) -> (i64, i64, i64) {
    sqlx::query_as(
        "SELECT (SELECT count(*) FROM fuel.transaction_version), (SELECT max(seq) FROM fuel.transaction), \
             (SELECT sum(version) FROM fuel.transaction)::bigint",
    )
    .fetch_one(&fleet.pool)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_are_as_they_were_change_nothing() {
    let fleet = Fleet::new(1_500, |_| {}).await;
    fleet.pass().await;
    let before = numbers(&fleet).await;
    for dry_run in [true, false] {
        let done = remap_with(&fleet, dry_run).await;
        assert!(done.looked_at > 1_500, "{done:?}");
        assert_eq!((done.changed, done.inserted, done.removed, done.unreadable), (0, 0, 0, 0), "{done:?}");
    }
    assert_eq!(numbers(&fleet).await, before);
    fleet.is_the_truth().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pointer_set_right_mends_what_is_stored_as_versions_and_a_read_finds_it_done() {
    let mut fleet = Fleet::new(1_500, |_| {}).await;
    let wrong = vec!["/nowhere".to_owned()];
    fleet.config.hecone[0].fields.insert("unit_price".to_owned(), wrong.clone());
    fleet.config.hecone[0].fields.insert("articles".to_owned(), wrong);
    fleet.config.privacy.license_plate = Rule::Keep;
    fleet.pass().await;
    let before = numbers(&fleet).await;

    fleet.config.hecone[0].fields.clear();
    fleet.config.privacy.license_plate = Rule::Drop;
    let tried = remap_with(&fleet, true).await;
    assert_eq!(numbers(&fleet).await, before, "nothing was written");
    assert!(tried.inserted > 100 && tried.removed > 100, "lines are replaced as a set: {tried:?}");
    let plates = &tried.columns["license_plate"];
    assert!(plates.lines > 100 && plates.examples.len() == 3 && tried.columns.contains_key("raw"), "{tried:?}");
    let done = remap_with(&fleet, false).await;
    assert_eq!(done, tried, "what it said is what it did");
    let (versions, seq, _) = numbers(&fleet).await;
    assert!(versions > before.0 && seq > before.1, "as ordinary versions");
    assert_eq!(remap_with(&fleet, false).await.changed, 0, "made again it finds it done");

    let counts = read_again(&fleet).await;
    assert_eq!((counts.inserted, counts.updated, counts.missing), (0, 0, 0), "{counts:?}");
    assert!(counts.unchanged > 1_500, "{counts:?}");
    let (_, counts) = fleet.pass().await.totals();
    assert_eq!((counts.inserted, counts.updated), (0, 0), "{counts:?}");
}

/// Alters a line of two sources by hand, at Alexela one with a driver.
const BY_HAND: &str = "WITH one AS (SELECT DISTINCT ON (source) source, source_transaction_id, line_id FROM fuel.transaction \
         WHERE quantity IS NOT NULL AND (source = 'hecone' OR source = 'alexela_card' AND driver_name IS NOT NULL) \
         ORDER BY source, source_transaction_id, line_id) \
     UPDATE fuel.transaction t SET quantity = t.quantity + 1 FROM one \
     WHERE (t.source, t.source_transaction_id, t.line_id) = (one.source, one.source_transaction_id, one.line_id)";

/// Lines that bear no digest of their own.
async fn told_as_altered(fleet: &Fleet) -> i64 {
    let sql = "SELECT count(*) FROM fuel.transaction WHERE content_hash = decode(repeat('00', 16), 'hex')";
    sqlx::query_scalar(sql).fetch_one(&fleet.pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_altered_by_hand_are_said_and_written_by_their_records_as_versions() {
    let fleet = Fleet::new(1_500, |_| {}).await;
    fleet.pass().await;
    assert_eq!(sqlx::query(BY_HAND).execute(&fleet.pool).await.unwrap().rows_affected(), 2);
    let before = numbers(&fleet).await;
    let tried = remap_with(&fleet, true).await;
    assert_eq!(numbers(&fleet).await, before, "nothing was written");
    assert_eq!((tried.changed, tried.altered.lines, tried.columns["quantity"].lines), (2, 2, 2), "{tried:?}");
    assert_eq!(tried.altered.examples.len(), 2, "{tried:?}");
    let told =
        |column: &fuelsync::warehouse::remap::Column| column.examples.iter().any(|example| example.contains(" → "));
    assert!(tried.columns.values().any(told), "what they were and what they will be: {tried:?}");
    let personal = ["card_number", "driver_name", "license_plate"];
    assert!(!tried.columns.iter().any(|(name, column)| personal.contains(&name.as_str()) && told(column)), "{tried:?}");
    let done = remap_with(&fleet, false).await;
    assert_eq!(done, tried, "what it said is what it did");
    fleet.is_the_truth().await;
    let images: Vec<Vec<String>> =
        sqlx::query_scalar("SELECT changed_columns FROM fuel.transaction_version WHERE operation = 'change'")
            .fetch_all(&fleet.pool)
            .await
            .unwrap();
    assert_eq!(images, [["quantity"], ["quantity"]], "what was there by hand is kept as an image");
    let again = remap_with(&fleet, false).await;
    assert_eq!((again.changed, again.altered.lines, told_as_altered(&fleet).await), (0, 0, 0), "{again:?}");
    let counts = read_again(&fleet).await;
    assert_eq!((counts.inserted, counts.updated, counts.missing), (0, 0, 0), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_altered_by_hand_stay_told_as_altered_where_other_rules_make_something_else_of_them() {
    let mut fleet = Fleet::new(1_500, |_| {}).await;
    fleet.pass().await;
    assert_eq!(sqlx::query(BY_HAND).execute(&fleet.pool).await.unwrap().rows_affected(), 2);
    fleet.config.privacy.driver_name = Rule::Drop;
    let tried = remap_with(&fleet, true).await;
    assert!(tried.altered.lines == 2 && tried.changed > 2, "{tried:?}");
    let done = remap_with(&fleet, false).await;
    assert_eq!((done.doubtful, Remapped { doubtful: 0, ..done }), (1, tried), "what it said is what it did");
    // The other one came to what was once written: its record is what was sent.
    assert_eq!(told_as_altered(&fleet).await, 1, "whether its record is what was sent, nothing says any more");
    assert_eq!(remap_with(&fleet, false).await.changed, 0, "made again it finds it done");
    // The source says it.
    let counts = read_again(&fleet).await;
    assert_eq!((counts.updated, told_as_altered(&fleet).await), (1, 0), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_forgotten_does_not_come_back() {
    let mut fleet = Fleet::new(1_500, |_| {}).await;
    fleet.pass().await;
    let plate: String = sqlx::query_scalar(
        "SELECT license_plate FROM fuel.transaction WHERE source = 'hecone' AND octet_length(license_plate) > 5 GROUP BY 1 ORDER BY count(*) DESC LIMIT 1",
    )
    .fetch_one(&fleet.pool)
    .await
    .unwrap();
    let digest = fleet.warehouse.forgotten().await.unwrap().digest(&plate).unwrap();
    fleet.warehouse.forget(Person::Plate, &[digest]).await.unwrap();
    fleet.config.privacy.driver_name = Rule::Drop;
    let done = remap_with(&fleet, false).await;
    assert!(done.columns.contains_key("driver_name") && done.columns.contains_key("license_plate"), "{done:?}");
    let left: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM fuel.transaction_with_raw WHERE raw::text LIKE '%' || $1 || '%' OR license_plate = $1",
    )
    .bind(&plate)
    .fetch_one(&fleet.pool)
    .await
    .unwrap();
    assert_eq!(left, 0, "a remap applies it, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_shows_what_would_change_and_then_changes_it() {
    let fleet = Fleet::new(300, |_| {}).await;
    fleet.pass().await;
    let text = sandbox::configuration(&fleet.sandbox, fleet.database.url(), start());
    let call = |args: &[&str]| {
        Fuelsync::new(["remap"].iter().chain(args).copied())
            .config(&format!("{text}\n[privacy]\ndriver_name = \"drop\"\n"))
    };
    let tried = call(&["--dry-run", "--json"]).run().await.ended_with(0).json();
    assert!(tried["columns"]["driver_name"]["lines"].as_u64() > Some(0), "{tried}");
    let said = call(&["--dry-run", "--source", "alexela_card"]).run().await.ended_with(0).stdout;
    assert!(said.contains("Nothing was written.") && said.contains("driver_name"), "{said}");
    insta::assert_snapshot!(said);
    let done = call(&["--json"]).run().await.ended_with(0).json();
    assert_eq!((&done["changed"], &done["dry_run"]), (&tried["changed"], &false.into()), "{done}");
    let again = call(&["--json"]).run().await.ended_with(0).json();
    assert_eq!(again["changed"], 0, "{again}");
    call(&["--account", "nobody"]).run().await.ended_with(2);
    let nowhere = text.replace(fleet.database.url(), "postgres://nobody@127.0.0.1:1/nothing");
    Fuelsync::new(["remap"]).config(&nowhere).run().await.ended_with(4);
}
