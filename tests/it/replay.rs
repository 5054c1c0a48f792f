//! Records in quarantine, normalized again: what comes of them is what a read would have made of them, or nothing.

use std::{borrow::Cow, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use fuelsync::{
    app::App,
    clock::Clock,
    config::{self, Rule},
    domain::{Amount, Kind, Line, Outcome, Partition, Record, Rejection, SourceKind, State, StreamId, Window},
    sync::{
        backfill::{self, Stretch},
        replay::{Replay, Replayed},
        summary,
    },
    warehouse::{
        Warehouse, WarehouseError,
        incoming::Incoming,
        lease::{Lease, Taken},
        load::{
            Counts, Writer,
            replay::{Again, Verdicts, Why},
        },
    },
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    load::whole,
    support::{
        TestDatabase,
        fleet::{Fleet, start},
    },
};

const LIMIT: Duration = Duration::from_mins(1);

/// Replays all that is open, with the configuration as it is now.
async fn replay(fleet: &Fleet) -> Replayed {
    let clock: Arc<dyn Clock> = fleet.clock.clone();
    let app = App::new(fleet.config.clone(), clock).unwrap();
    let replay = Replay {
        warehouse: &fleet.warehouse,
        settings: &fleet.config.sync,
        owner: &app.owner,
        normalizer: &|stream| app.normalizer(stream),
        present: fleet.clock.now(),
    };
    let open = fleet.warehouse.open_quarantine().await.unwrap();
    let (done, ended) = replay.run(&open, &CancellationToken::new()).await;
    ended.unwrap();
    done
}

async fn lines_of_hecone(fleet: &Fleet) -> Vec<(String, String, String, String)> {
    sqlx::query_as(
        "SELECT t.source_transaction_id, t.line_id, encode(t.content_hash, 'hex'), r.raw::text \
         FROM fuel.transaction t JOIN fuel.record r USING (source, account, source_transaction_id) \
         WHERE t.source = 'hecone' ORDER BY 1, 2",
    )
    .fetch_all(&fleet.pool)
    .await
    .unwrap()
}

/// Window, fetched, quarantined, outside, duplicate, and what stands in the table.
async fn ledger_of_hecone(fleet: &Fleet) -> Vec<(DateTime<Utc>, i64, i64, i64, i64, i64)> {
    sqlx::query_as(
        "SELECT window_start, fetched, quarantined, outside, duplicate, inserted + updated + unchanged FROM fuel.sync_window \
         WHERE source = 'hecone' ORDER BY 1",
    )
    .fetch_all(&fleet.pool)
    .await
    .unwrap()
}

/// Source, transaction, field and reason of all that is open, and its text.
async fn in_quarantine(fleet: &Fleet) -> Vec<(String, Option<String>, String, String, String)> {
    sqlx::query_as(
        "SELECT source, source_transaction_id, field, reason, record::text FROM fuel.quarantine WHERE resolved_at IS NULL \
         ORDER BY fingerprint",
    )
    .fetch_all(&fleet.pool)
    .await
    .unwrap()
}

async fn as_a_fresh_read_does(private: impl Fn(&mut config::Privacy)) {
    let mut fleet = Fleet::new(3_000, |_| {}).await;
    let mut fresh = Fleet::new(3_000, |_| {}).await;
    private(&mut fleet.config.privacy);
    private(&mut fresh.config.privacy);
    let wrong = vec!["/nowhere".to_owned()];
    fleet.config.hecone[0].fields.insert("occurred_at".to_owned(), wrong);
    fleet.pass().await;
    fresh.pass().await;
    assert!(lines_of_hecone(&fleet).await.is_empty(), "nothing can be placed in time");
    let by_nothing = replay(&fleet).await;
    assert!(by_nothing.replayed.is_empty() && by_nothing.still.len() > 500, "the same rules come to the same");

    fleet.config.hecone[0].fields.clear();
    let done = replay(&fleet).await;
    assert!(done.replayed.len() > 500 && done.left.is_empty(), "{:?}", done.left);
    assert!(!done.still.is_empty(), "what has no time stays");
    assert_eq!(in_quarantine(&fleet).await, in_quarantine(&fresh).await, "and for the reason that a fresh read gives");
    let lines = lines_of_hecone(&fleet).await;
    assert_eq!(done.counts.inserted + done.counts.outside, lines.len() as u64);
    assert!(lines == lines_of_hecone(&fresh).await, "every line, column and record is what a fresh read writes");
    assert_eq!(ledger_of_hecone(&fleet).await, ledger_of_hecone(&fresh).await, "and so are the counts of every window");

    let again = Stretch { from: start(), to: None, again: true, workers: 2 };
    let (_, counts) = backfill::run(&fleet.process(), again, &CancellationToken::new()).await.totals();
    assert_eq!((counts.inserted, counts.updated), (0, 0), "{counts:?}");
    assert!(counts.unchanged > lines.len() as u64, "{counts:?}");
    assert_eq!(lines_of_hecone(&fleet).await, lines);
    let (mut open, mut still): (Vec<i64>, Vec<i64>) = (
        fleet.warehouse.open_quarantine().await.unwrap().iter().map(|open| open.id).collect(),
        done.still.iter().map(|still| still.id).collect(),
    );
    open.sort_unstable();
    still.sort_unstable();
    assert_eq!(open, still, "nothing is quarantined again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pointer_set_right_brings_records_as_a_fresh_read_does() {
    as_a_fresh_read_does(|_| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_whose_personal_values_are_hashed_comes_to_the_same_line() {
    as_a_fresh_read_does(|privacy| {
        privacy.card_number = Rule::Hash;
        privacy.driver_name = Rule::Hash;
        privacy.license_plate = Rule::Hash;
        privacy.receipt_email = Rule::Hash;
        privacy.hash_key = Some("a long random text".to_owned().into());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_table_is_the_truth_after_a_replay() {
    let mut fleet = Fleet::new(3_000, |_| {}).await;
    fleet.config.hecone[0].fields.insert("quantity".to_owned(), vec!["/product/name".to_owned()]);
    assert_eq!(fleet.pass().await.outcome, summary::Outcome::Ok);
    fleet.config.hecone[0].fields.clear();
    let done = replay(&fleet).await;
    assert!(!done.replayed.is_empty() && done.left.is_empty(), "{:?}", done.left);
    fleet.is_the_truth().await;
}

/// Windows written by hand, of records that a word decides on.
pub(crate) struct Stage {
    _database: TestDatabase,
    pub(crate) pool: PgPool,
    pub(crate) warehouse: Warehouse,
    stream: StreamId,
    lease: Lease,
}

pub(crate) fn at(hours: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000 - 1_790_000_000 % 86_400, 0).unwrap() + TimeDelta::hours(hours)
}

fn day() -> Window {
    Window::new(at(0), at(24)).unwrap()
}

/// A record whose text says what it is: id, product, hour, quantity.
pub(crate) fn text(id: &str, product: &str, hours: i64, quantity: i64) -> String {
    format!(r#"{{"id":"{id}","product":"{product}","hours":{hours},"quantity":{quantity}}}"#)
}

pub(crate) fn good(text: &str) -> Record {
    let told: serde_json::Value = serde_json::from_str(text).unwrap();
    let number = |name: &str| told[name].as_i64().unwrap();
    let line = Line {
        quantity: Amount::from_ten_thousandths(number("quantity") * 10_000),
        ..Line::new(told["product"].as_str().unwrap(), Kind::Fuel, State::Posted, at(number("hours")))
    };
    Record { id: told["id"].as_str().unwrap().into(), raw: text.into(), outcome: Outcome::Lines(vec![line]) }
}

pub(crate) fn bad(text: &str) -> Record {
    let why = Rejection { field: "hours".into(), reason: Cow::Borrowed("are not known"), nul_removed: false };
    Record { outcome: Outcome::Rejected(why), ..good(text) }
}

impl Stage {
    pub(crate) async fn new(source: SourceKind) -> Self {
        let database = TestDatabase::new().await;
        let text = "[database]\nurl = \"postgres://x\"\n";
        let settings = config::Config::from_text("test.toml", text, std::iter::empty()).unwrap().database;
        let warehouse = Warehouse::new(&settings, &database.url().into()).unwrap();
        warehouse.migrate().await.unwrap();
        let stream = StreamId::new(source, "fleet", Partition::whole());
        let Taken::Ours { lease, .. } = warehouse.take_lease(&stream, "test", LIMIT).await.unwrap() else {
            panic!("held")
        };
        Self { pool: database.pool().await, _database: database, warehouse, stream, lease }
    }

    pub(crate) async fn load(&self, records: Vec<Record>) -> Counts {
        self.load_window(day(), records).await
    }

    /// Writes records of the first day that were read when these persons were forgotten.
    pub(crate) async fn write_heeding(&self, forgotten: i64, records: Vec<Record>) -> Result<Counts, WarehouseError> {
        let asked_at = self.warehouse.renew_lease(&self.stream, &self.lease, LIMIT).await?;
        let writer = Writer::Pass { lease: &self.lease, watermark: Some(at(24)), turn: None };
        let read = whole(&self.stream, day(), asked_at, writer);
        let mut incoming = Incoming::new(self.stream.source, day()).heeding(forgotten);
        incoming.records(records)?;
        incoming.complete()?;
        self.warehouse.load(&read, &incoming.finish(), LIMIT).await
    }

    pub(crate) async fn load_window(&self, window: Window, records: Vec<Record>) -> Counts {
        let asked_at = self.warehouse.renew_lease(&self.stream, &self.lease, LIMIT).await.unwrap();
        let writer = Writer::Pass { lease: &self.lease, watermark: Some(at(24)), turn: None };
        let read = whole(&self.stream, window, asked_at, writer);
        let mut incoming = Incoming::new(self.stream.source, window);
        incoming.records(records).unwrap();
        incoming.complete().unwrap();
        self.warehouse.load(&read, &incoming.finish(), LIMIT).await.unwrap()
    }

    pub(crate) async fn open(&self) -> Vec<i64> {
        self.warehouse.open_quarantine().await.unwrap().iter().map(|open| open.id).collect()
    }

    /// Replays records of one read, every one of which can be normalized now.
    pub(crate) async fn replay(&self, ids: &[i64]) -> Result<Verdicts, WarehouseError> {
        self.replay_served_from(None, ids).await
    }

    pub(crate) async fn replay_served_from(
        &self,
        horizon: Option<DateTime<Utc>>,
        ids: &[i64],
    ) -> Result<Verdicts, WarehouseError> {
        let open = self.warehouse.open_quarantine().await.unwrap();
        let met = open.iter().find(|open| ids.contains(&open.id)).unwrap().met;
        let again =
            Again { stream: &self.stream, lease: &self.lease, ids, met, horizon, forgotten: 0, normalize: &good };
        self.warehouse.replay(&again, LIMIT).await
    }

    async fn rows(&self) -> Vec<(String, String, String)> {
        sqlx::query_as("SELECT source_transaction_id, line_id, quantity::text FROM fuel.transaction ORDER BY 1, 2")
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    /// Fetched, inserted, updated, unchanged, quarantined, outside, duplicate of the window.
    pub(crate) async fn ledger(&self) -> [i64; 7] {
        let counts: Vec<i64> = sqlx::query_scalar(
            "SELECT unnest(ARRAY[fetched, inserted, updated, unchanged, quarantined, outside, duplicate]) FROM fuel.sync_window \
             WHERE window_start = $1",
        )
        .bind(at(0))
        .fetch_all(&self.pool)
        .await
        .unwrap();
        counts.try_into().unwrap()
    }

    /// Writes a transaction fetched by its id.
    pub(crate) async fn load_single(&self, record: Record) {
        let mut incoming = Incoming::unbounded(self.stream.source);
        incoming.records(vec![record]).unwrap();
        incoming.complete().unwrap();
        self.warehouse.load_single(&self.stream, &self.lease, &incoming.finish(), LIMIT).await.unwrap();
    }

    async fn is_due(&self) -> bool {
        sqlx::query_scalar("SELECT full_read_at IS NULL AND final_at IS NULL FROM fuel.sync_window")
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }
}

fn row(id: &str, line_id: &str, quantity: i64) -> (String, String, String) {
    (id.into(), line_id.into(), format!("{quantity}.0000"))
}

#[tokio::test]
async fn the_lines_of_one_receipt_are_numbered_as_in_one_answer_and_two_alike_are_two() {
    let stage = Stage::new(SourceKind::AlexelaCard).await;
    let (coffee, fuel) = (text("1", "coffee", 1, 2), text("1", "coffee", 1, 3));
    let read = || [&coffee, &fuel, &coffee].map(Clone::clone);
    stage.load(read().iter().map(|text| bad(text)).chain([good(&text("2", "d", 2, 9))]).collect()).await;
    assert_eq!(stage.ledger().await, [4, 1, 0, 0, 3, 0, 0]);
    let ids = stage.open().await;
    assert_eq!(ids.len(), 2, "records alike in everything are one row of the quarantine");

    let one = stage.replay(&ids[..1]).await.unwrap();
    assert_eq!(one.left, [(ids[0], Why::Sibling(ids[1]))], "they are numbered together or not at all");
    assert!(one.replayed.is_empty() && !stage.is_due().await);

    let both = stage.replay(&ids).await.unwrap();
    assert_eq!(both.replayed, ids);
    assert_eq!(stage.ledger().await, [4, 4, 0, 0, 0, 0, 0]);
    let rows = stage.rows().await;
    assert_eq!(rows.len(), 4);
    let read = stage.load(read().iter().map(|text| good(text)).chain([good(&text("2", "d", 2, 9))]).collect()).await;
    assert_eq!(read, Counts { fetched: 4, unchanged: 4, ..Counts::default() }, "as a read numbers them");
    assert_eq!(stage.rows().await, rows);
}

#[tokio::test]
async fn whether_a_line_is_new_or_a_newer_image_is_not_guessed_and_the_next_read_tells() {
    let stage = Stage::new(SourceKind::AlexelaCard).await;
    let (first, second) = (text("1", "d", 1, 10), text("1", "d", 1, 11));
    stage.load(vec![good(&first), bad(&second)]).await;
    sqlx::query("UPDATE fuel.sync_window SET state = 'final', final_at = now()").execute(&stage.pool).await.unwrap();
    let ids = stage.open().await;
    let done = stage.replay(&ids).await.unwrap();
    assert_eq!(done.left, [(ids[0], Why::LineThere)]);
    assert_eq!(stage.rows().await, [row("1", "d", 10)]);
    assert_eq!(stage.ledger().await, [2, 1, 0, 0, 1, 0, 0]);
    assert_eq!(stage.open().await, ids);
    assert!(stage.is_due().await, "its window is read again, at any age");
    stage.load(vec![good(&first), good(&second)]).await;
    assert_eq!(stage.rows().await.len(), 2);
    assert!(stage.open().await.is_empty() && !stage.is_due().await);
}

#[tokio::test]
async fn another_product_of_the_same_sale_is_no_sibling() {
    let stage = Stage::new(SourceKind::AlexelaCard).await;
    stage.load(vec![good(&text("1", "d", 1, 10)), bad(&text("1", "dx", 1, 11))]).await;
    let ids = stage.open().await;
    assert_eq!(stage.replay(&ids).await.unwrap().replayed, ids);
    assert_eq!(stage.rows().await, [row("1", "d", 10), row("1", "dx", 11)]);
}

#[tokio::test]
async fn a_transaction_is_replaced_as_a_set_by_the_image_that_could_not_be_read() {
    let stage = Stage::new(SourceKind::HecOne).await;
    stage.load(vec![good(&text("1", "a", 1, 10))]).await;
    stage.load(vec![bad(&text("1", "b", 1, 11))]).await;
    let ids = stage.open().await;
    assert_eq!(stage.replay(&ids).await.unwrap().replayed, ids);
    assert_eq!(stage.rows().await, [row("1", "b", 11)]);
    assert_eq!(stage.ledger().await, [1, 1, 0, 0, 0, 0, 0]);
}

#[tokio::test]
async fn of_two_images_of_a_transaction_none_is_taken_for_the_newer() {
    let stage = Stage::new(SourceKind::HecOne).await;
    stage.load(vec![bad(&text("1", "a", 1, 10)), bad(&text("1", "a", 1, 11))]).await;
    let ids = stage.open().await;
    let done = stage.replay(&ids).await.unwrap();
    assert_eq!(done.left, [(ids[0], Why::Images(ids[1])), (ids[1], Why::Images(ids[0]))]);
    assert!(stage.rows().await.is_empty() && stage.is_due().await);
}

#[tokio::test]
async fn a_line_of_another_window_is_a_neighbours_and_counts_as_one() {
    let stage = Stage::new(SourceKind::AlexelaCard).await;
    stage.load(vec![bad(&text("1", "d", 30, 10)), bad(&text("2", "d", 3, 10))]).await;
    stage.replay(&stage.open().await).await.unwrap();
    assert_eq!(stage.ledger().await, [2, 1, 0, 0, 0, 1, 0]);
    assert_eq!(stage.rows().await.len(), 2);
}

#[tokio::test]
async fn counts_of_a_read_that_did_not_bring_the_record_are_left_alone() {
    let stage = Stage::new(SourceKind::AlexelaCard).await;
    stage.load(vec![bad(&text("1", "d", 1, 10)), good(&text("2", "d", 2, 20))]).await;
    // A later read of only the window's end does not meet the record.
    sqlx::query(
        "UPDATE fuel.sync_window SET last_read_at = now(), fetched = 1, unchanged = 1, inserted = 0, quarantined = 0",
    )
    .execute(&stage.pool)
    .await
    .unwrap();
    let ids = stage.open().await;
    assert_eq!(stage.replay(&ids).await.unwrap().replayed, ids);
    assert_eq!(stage.ledger().await, [1, 0, 0, 1, 0, 0, 0]);
    assert_eq!(stage.rows().await.len(), 2);
}

#[tokio::test]
async fn a_process_that_lost_the_lease_replays_nothing() {
    let stage = Stage::new(SourceKind::AlexelaCard).await;
    stage.load(vec![bad(&text("1", "d", 1, 10))]).await;
    sqlx::query("UPDATE fuel.checkpoint SET epoch = epoch + 1, lease_owner = 'other'")
        .execute(&stage.pool)
        .await
        .unwrap();
    let ids = stage.open().await;
    let error = stage.replay(&ids).await.unwrap_err();
    assert!(matches!(error, WarehouseError::LeaseLost), "{error}");
    assert!(stage.rows().await.is_empty());
    assert_eq!((stage.open().await, stage.ledger().await), (ids, [1, 0, 0, 0, 1, 0, 0]));
}
