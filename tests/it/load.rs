//! What writing a window leaves in the tables.

use std::{borrow::Cow, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use fuelsync::{
    config,
    domain::{Amount, Kind, Line, Outcome, Partition, Record, Rejection, SourceKind, State, StreamId, Window},
    warehouse::{
        Warehouse, WarehouseError,
        incoming::{Batch, Incoming},
        lease::{Lease, Taken},
        load::{Counts, WindowRead, Writer},
    },
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::support::TestDatabase;

const LIMIT: Duration = Duration::from_mins(1);
const LASTING: Duration = Duration::from_mins(1);

pub(crate) struct Stage {
    _database: TestDatabase,
    pub(crate) pool: PgPool,
    pub(crate) warehouse: Warehouse,
    pub(crate) stream: StreamId,
    lease: Lease,
}

pub(crate) fn at(hours: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000 - 1_790_000_000 % 86_400, 0).unwrap() + TimeDelta::hours(hours)
}

pub(crate) fn day() -> Window {
    Window::new(at(0), at(24)).unwrap()
}

/// A whole read of a window, at the end of the second day.
pub(crate) fn whole<'a>(
    stream: &'a StreamId,
    window: Window,
    asked_at: DateTime<Utc>,
    writer: Writer<'a>,
) -> WindowRead<'a> {
    WindowRead {
        stream,
        window,
        stretch: window,
        present: at(48),
        asked_at,
        horizon: None,
        complete: true,
        unstable: false,
        comes_again: true,
        writer,
    }
}

pub(crate) fn line(line_id: &str, hours: i64, quantity: i64) -> Line {
    Line {
        quantity: Amount::from_ten_thousandths(quantity * 10_000),
        ..Line::new(line_id, Kind::Fuel, State::Posted, at(hours))
    }
}

pub(crate) fn record(id: &str, lines: Vec<Line>) -> Record {
    Record {
        id: id.into(),
        raw: format!("{{\"id\":\"{id}\",\"lines\":{}}}", lines.len()).into(),
        outcome: Outcome::Lines(lines),
    }
}

pub(crate) fn rejected(id: &str) -> Record {
    let why = Rejection { field: "transactionTime".into(), reason: Cow::Borrowed("is missing"), nul_removed: false };
    Record { id: id.into(), raw: format!("{{\"id\":\"{id}\"}}").into(), outcome: Outcome::Rejected(why) }
}

impl Stage {
    pub(crate) async fn new(source: SourceKind) -> Self {
        Self::with(source, "").await
    }

    /// With these settings of `[database]`.
    pub(crate) async fn with(source: SourceKind, settings: &str) -> Self {
        let database = TestDatabase::new().await;
        let text = format!("[database]\nurl = \"postgres://x\"\n{settings}");
        let settings = config::Config::from_text("test.toml", &text, std::iter::empty()).unwrap().database;
        let warehouse = Warehouse::new(&settings, &database.url().into()).unwrap();
        warehouse.migrate().await.unwrap();
        let stream = StreamId::new(source, "fleet", Partition::whole());
        let Taken::Ours { lease, .. } = warehouse.take_lease(&stream, "test", LASTING).await.unwrap() else {
            panic!("held")
        };
        Self { pool: database.pool().await, _database: database, warehouse, stream, lease }
    }

    fn batch(&self, window: Window, records: Vec<Record>) -> Batch {
        let mut incoming = Incoming::new(self.stream.source, window);
        incoming.records(records).unwrap();
        incoming.complete().unwrap();
        incoming.finish()
    }

    pub(crate) async fn load(&self, records: Vec<Record>) -> Result<Counts, WarehouseError> {
        let asked_at = self.warehouse.renew_lease(&self.stream, &self.lease, LASTING).await?;
        self.load_asked_at(records, asked_at).await
    }

    async fn load_asked_at(&self, records: Vec<Record>, asked_at: DateTime<Utc>) -> Result<Counts, WarehouseError> {
        self.load_of(day(), records, asked_at).await
    }

    /// Loads the day after.
    pub(crate) async fn load_next_day(&self, records: Vec<Record>) -> Result<Counts, WarehouseError> {
        self.load_next_day_in(None, records).await
    }

    /// Loads the day after, in its turn.
    pub(crate) async fn load_next_day_in(
        &self,
        turn: Option<&CancellationToken>,
        records: Vec<Record>,
    ) -> Result<Counts, WarehouseError> {
        let asked_at = self.warehouse.renew_lease(&self.stream, &self.lease, LASTING).await?;
        let window = Window::new(at(24), at(48)).unwrap();
        let writer = Writer::Pass { lease: &self.lease, watermark: Some(window.end()), turn };
        let read = whole(&self.stream, window, asked_at, writer);
        self.warehouse.load(&read, &self.batch(window, records), LIMIT).await
    }

    async fn load_of(
        &self,
        window: Window,
        records: Vec<Record>,
        asked_at: DateTime<Utc>,
    ) -> Result<Counts, WarehouseError> {
        let writer = Writer::Pass { lease: &self.lease, watermark: Some(window.end()), turn: None };
        let read = whole(&self.stream, window, asked_at, writer);
        self.warehouse.load(&read, &self.batch(window, records), LIMIT).await
    }

    pub(crate) async fn run(&self, sql: &'static str) {
        sqlx::query(sql).execute(&self.pool).await.unwrap();
    }

    pub(crate) async fn rows(&self) -> Vec<(String, String, String, i32, bool)> {
        sqlx::query_as(
            "SELECT source_transaction_id, line_id, coalesce(quantity::text, '-'), version, missing_since IS NOT NULL FROM fuel.transaction ORDER BY 1, 2",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }

    pub(crate) async fn versions(&self) -> Vec<(String, String, i32, String, Vec<String>)> {
        sqlx::query_as("SELECT source_transaction_id, line_id, version, operation, changed_columns FROM fuel.transaction_version ORDER BY version_id")
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    pub(crate) async fn scalar(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }
}

fn row(id: &str, line_id: &str, quantity: &str, version: i32, missing: bool) -> (String, String, String, i32, bool) {
    (id.into(), line_id.into(), quantity.into(), version, missing)
}

#[tokio::test]
async fn a_second_read_that_finds_nothing_new_writes_no_row() {
    let stage = Stage::new(SourceKind::AlexelaCard).await;
    let records = || vec![record("1", vec![line("d", 1, 10)]), record("2", vec![line("d", 2, 20)])];
    let first = stage.load(records()).await.unwrap();
    assert_eq!(first, Counts { fetched: 2, inserted: 2, ..Counts::default() });
    let seq = stage.scalar("SELECT max(seq) FROM fuel.transaction").await;
    let second = stage.load(records()).await.unwrap();
    assert_eq!(second, Counts { fetched: 2, unchanged: 2, ..Counts::default() });
    assert_eq!(stage.scalar("SELECT max(seq) FROM fuel.transaction").await, seq);
    assert!(stage.versions().await.is_empty());
    let ledger: (String, i64, i64, i64) =
        sqlx::query_as("SELECT state, fetched, inserted, unchanged FROM fuel.sync_window")
            .fetch_one(&stage.pool)
            .await
            .unwrap();
    assert_eq!(ledger, ("read".into(), 2, 0, 2));
    assert_eq!(stage.warehouse.watermark(&stage.stream).await.unwrap(), Some(at(24)));
}

#[tokio::test]
async fn a_change_keeps_the_image_that_it_replaces() {
    let stage = Stage::new(SourceKind::AlexelaCard).await;
    stage.load(vec![record("1", vec![line("d", 1, 10)]), record("2", vec![line("d", 2, 20)])]).await.unwrap();
    let invoiced = Line { invoice_no: Some("7".into()), state: State::Invoiced, ..line("d", 1, 10) };
    let counts = stage
        .load(vec![
            record("1", vec![invoiced]),
            record("2", vec![line("d", 2, 20)]),
            record("3", vec![line("d", 3, 30)]),
        ])
        .await
        .unwrap();
    assert_eq!(counts, Counts { fetched: 3, inserted: 1, updated: 1, unchanged: 1, ..Counts::default() });
    assert_eq!(
        stage.rows().await,
        [row("1", "d", "10.0000", 2, false), row("2", "d", "20.0000", 1, false), row("3", "d", "30.0000", 1, false)]
    );
    assert_eq!(
        stage.versions().await,
        [("1".into(), "d".into(), 1, "change".into(), vec!["invoice_no".into(), "state".into()])]
    );
    let before: String = sqlx::query_scalar("SELECT row_before->>'state' FROM fuel.transaction_version")
        .fetch_one(&stage.pool)
        .await
        .unwrap();
    assert_eq!(before, "posted");
    let changes: Vec<String> = sqlx::query_scalar("SELECT source_transaction_id FROM fuel.changes(2, 10)")
        .fetch_all(&stage.pool)
        .await
        .unwrap();
    assert_eq!(changes.len(), 2, "the changed and the new row, and no other");
}

#[tokio::test]
async fn a_row_is_missing_after_two_complete_reads_without_it_and_comes_back() {
    let stage = Stage::new(SourceKind::AlexelaEv).await;
    let both = || vec![record("1", vec![line("1", 1, 10)]), record("2", vec![line("1", 2, 20)])];
    let one = || vec![record("1", vec![line("1", 1, 10)])];
    stage.load(both()).await.unwrap();
    assert_eq!(stage.load(one()).await.unwrap().missing, 0);
    stage.load(both()).await.unwrap();
    assert_eq!(stage.load(one()).await.unwrap().missing, 0, "seen in between: the count begins anew");
    assert_eq!(stage.load(one()).await.unwrap().missing, 1);
    assert_eq!(stage.load(one()).await.unwrap().missing, 1);
    assert_eq!(stage.rows().await, [row("1", "1", "10.0000", 1, false), row("2", "1", "20.0000", 2, true)]);
    assert_eq!(stage.load(Vec::new()).await.unwrap().missing, 1, "an empty answer proves nothing about the others");
    assert_eq!(stage.load(Vec::new()).await.unwrap().missing, 1);
    let back = stage.load(both()).await.unwrap();
    assert_eq!((back.updated, back.unchanged, back.missing), (1, 1, 0));
    assert_eq!(stage.rows().await, [row("1", "1", "10.0000", 1, false), row("2", "1", "20.0000", 3, false)]);
    let operations: Vec<_> = stage.versions().await.into_iter().map(|version| version.3).collect();
    assert_eq!(operations, ["remove", "return"]);
}

#[tokio::test]
async fn the_lines_of_a_hecone_transaction_are_replaced_as_a_set() {
    let stage = Stage::new(SourceKind::HecOne).await;
    stage.load(vec![record("t", vec![line("-", 1, 0)])]).await.unwrap();
    let counts = stage.load(vec![record("t", vec![line("a", 1, 5), line("b", 1, 6)])]).await.unwrap();
    assert_eq!(counts, Counts { fetched: 2, inserted: 2, ..Counts::default() });
    assert_eq!(stage.rows().await, [row("t", "a", "5.0000", 1, false), row("t", "b", "6.0000", 1, false)]);
    assert_eq!(stage.versions().await, [("t".into(), "-".into(), 1, "remove".into(), Vec::<String>::new())]);
    assert_eq!(stage.scalar("SELECT count(*) FROM fuel.record WHERE line_id = '-'").await, 1);
    assert_eq!(stage.scalar("SELECT count(*) FROM fuel.transaction_with_raw WHERE raw IS NOT NULL").await, 2);
}

#[tokio::test]
async fn a_sale_that_moved_to_another_window_is_changed_there_and_not_doubled() {
    let stage = Stage::new(SourceKind::AlexelaCard).await;
    stage.load(vec![record("1", vec![line("d", 1, 10)]), record("2", vec![line("d", 2, 20)])]).await.unwrap();
    // The window has nothing of it yet, and beside it a sale that is new.
    let moved = vec![record("3", vec![line("d", 25, 30)]), record("2", vec![line("d", 26, 20)])];
    let counts = stage.load_next_day(moved).await.unwrap();
    assert_eq!(counts, Counts { fetched: 2, inserted: 1, updated: 1, ..Counts::default() });
    let rows =
        [row("1", "d", "10.0000", 1, false), row("2", "d", "20.0000", 2, false), row("3", "d", "30.0000", 1, false)];
    assert_eq!(stage.rows().await, rows);
    let change = ("2".into(), "d".into(), 1, "change".into(), vec!["occurred_at".to_owned()]);
    assert_eq!(stage.versions().await, [change]);
    assert_eq!(stage.scalar("SELECT count(*) FROM fuel.transaction_with_raw WHERE raw IS NOT NULL").await, 3);
    assert_eq!(stage.scalar("SELECT count(*) FROM fuel.record").await, 3);
}

#[tokio::test]
async fn a_sale_that_went_to_another_contract_names_its_stream_among_what_changed() {
    let stage = Stage::new(SourceKind::AlexelaCard).await;
    stage.load(vec![record("1", vec![line("d", 1, 10)])]).await.unwrap();
    let moved = Line { contract_no: Some("2".into()), ..line("d", 1, 10) };
    let other = StreamId::new(SourceKind::AlexelaCard, "fleet", Partition::contract("2"));
    stage.load_into(other, vec![record("1", vec![moved])]).await;
    let change = ("1".into(), "d".into(), 1, "change".into(), vec!["contract_no".into(), "partition".into()]);
    assert_eq!(stage.versions().await, [change]);
    assert_eq!(stage.scalar("SELECT count(*) FROM fuel.transaction WHERE partition = '2'").await, 1);
}

#[tokio::test]
async fn a_transaction_that_moved_to_another_window_leaves_no_line_behind() {
    let stage = Stage::new(SourceKind::HecOne).await;
    stage.load(vec![record("t", vec![line("a", 1, 5), line("b", 1, 6)])]).await.unwrap();
    // Of other lines, so that no line's key is there yet.
    let moved = vec![record("u", vec![line("a", 25, 1)]), record("t", vec![line("c", 26, 7)])];
    let counts = stage.load_next_day(moved).await.unwrap();
    assert_eq!(counts, Counts { fetched: 2, inserted: 2, ..Counts::default() });
    assert_eq!(stage.rows().await, [row("t", "c", "7.0000", 1, false), row("u", "a", "1.0000", 1, false)]);
    let removed = |line: &str| ("t".into(), line.into(), 1, "remove".into(), Vec::<String>::new());
    assert_eq!(stage.versions().await, [removed("a"), removed("b")]);
    assert_eq!(stage.scalar("SELECT count(*) FROM fuel.record").await, 2);
}

#[tokio::test]
async fn a_window_half_there_gets_the_other_half_and_what_changed() {
    for source in [SourceKind::AlexelaCard, SourceKind::HecOne] {
        let stage = Stage::new(source).await;
        stage.load(vec![record("1", vec![line("d", 1, 10)]), record("2", vec![line("d", 2, 20)])]).await.unwrap();
        let all = || {
            let coffee = Record { raw: "{}".into(), ..record("5", vec![line("d", 5, 50)]) };
            vec![
                record("1", vec![line("d", 1, 10)]),
                record("4", vec![line("d", 4, 40)]),
                record("2", vec![line("d", 2, 21)]),
                coffee,
            ]
        };
        let counts = stage.load(all()).await.unwrap();
        assert_eq!(counts, Counts { fetched: 4, inserted: 2, updated: 1, unchanged: 1, ..Counts::default() });
        let counts = stage.load(all()).await.unwrap();
        assert_eq!(
            counts,
            Counts { fetched: 4, unchanged: 4, ..Counts::default() },
            "what was copied is what is staged"
        );
        let differing = "SELECT count(*) FROM fuel.transaction WHERE version <> 1 OR seq IS NULL OR source <> partition AND partition <> '-'";
        assert_eq!(stage.scalar(differing).await, 1);
        assert_eq!(stage.scalar("SELECT count(*) FROM fuel.transaction_with_raw WHERE raw IS NOT NULL").await, 4);
    }
}

#[tokio::test]
async fn a_neighbours_row_is_stored_once_and_left_to_its_own_window() {
    let stage = Stage::new(SourceKind::AlexelaCard).await;
    let counts =
        stage.load(vec![record("1", vec![line("d", 1, 10)]), record("9", vec![line("d", 24, 90)])]).await.unwrap();
    assert_eq!(counts, Counts { fetched: 2, inserted: 1, outside: 1, ..Counts::default() });
    let counts =
        stage.load(vec![record("1", vec![line("d", 1, 10)]), record("9", vec![line("d", 24, 91)])]).await.unwrap();
    assert_eq!(counts, Counts { fetched: 2, unchanged: 1, outside: 1, ..Counts::default() });
    assert_eq!(stage.rows().await, [row("1", "d", "10.0000", 1, false), row("9", "d", "90.0000", 1, false)]);
    assert_eq!(stage.scalar("SELECT count(*) FROM fuel.record").await, 2);
}

#[tokio::test]
async fn a_record_in_quarantine_is_kept_once_and_resolved_when_it_is_mended() {
    let stage = Stage::new(SourceKind::AlexelaCard).await;
    for _ in 0..2 {
        let counts = stage.load(vec![record("1", vec![line("d", 1, 10)]), rejected("2"), rejected("")]).await.unwrap();
        assert_eq!((counts.fetched, counts.quarantined), (3, 2));
    }
    assert_eq!(stage.scalar("SELECT count(*) FROM fuel.quarantine WHERE resolved_at IS NULL").await, 2);
    stage
        .load(vec![record("1", vec![line("d", 1, 10)]), record("2", vec![line("d", 2, 20)]), rejected("")])
        .await
        .unwrap();
    let open: Vec<Option<String>> =
        sqlx::query_scalar("SELECT source_transaction_id FROM fuel.quarantine WHERE resolved_at IS NULL")
            .fetch_all(&stage.pool)
            .await
            .unwrap();
    assert_eq!(open, [None]);
    let changed = Record { raw: "{\"confirmed\":true}".into(), ..rejected("") };
    stage.load(vec![record("1", vec![line("d", 1, 10)]), changed]).await.unwrap();
    let count = stage.scalar("SELECT count(*) FROM fuel.quarantine WHERE resolved_at IS NULL").await;
    assert_eq!(count, 1, "the record without an id as it is now, not as it was");
}

#[tokio::test]
async fn a_row_whose_record_no_longer_normalizes_is_not_missing() {
    let stage = Stage::new(SourceKind::AlexelaCard).await;
    stage.load(vec![record("1", vec![line("d", 1, 10)]), record("2", vec![line("d", 2, 20)])]).await.unwrap();
    for _ in 0..3 {
        stage.load(vec![record("1", vec![line("d", 1, 10)]), rejected("2")]).await.unwrap();
    }
    assert_eq!(stage.rows().await.last(), Some(&row("2", "d", "20.0000", 1, false)));
}

#[tokio::test]
async fn a_process_that_lost_its_lease_writes_nothing() {
    let stage = Stage::new(SourceKind::AlexelaCard).await;
    sqlx::query("UPDATE fuel.checkpoint SET lease_expires_at = now() - interval '1 second'")
        .execute(&stage.pool)
        .await
        .unwrap();
    let Taken::Ours { lease, .. } = stage.warehouse.take_lease(&stage.stream, "other", LASTING).await.unwrap() else {
        panic!("held")
    };
    assert_eq!(lease.epoch, stage.lease.epoch + 1);
    let error = stage.load_asked_at(vec![record("1", vec![line("d", 1, 10)])], at(48)).await.unwrap_err();
    assert!(matches!(error, WarehouseError::LeaseLost), "{error}");
    assert!(stage.rows().await.is_empty());
    assert_eq!(stage.scalar("SELECT count(*) FROM fuel.sync_window").await, 0);
    let Taken::Held { by, .. } = stage.warehouse.take_lease(&stage.stream, "test", LASTING).await.unwrap() else {
        panic!("taken")
    };
    assert_eq!(by, "other");
}

#[tokio::test]
async fn an_older_answer_never_replaces_a_younger_one() {
    let stage = Stage::new(SourceKind::AlexelaCard).await;
    let early = stage.warehouse.renew_lease(&stage.stream, &stage.lease, LASTING).await.unwrap();
    stage.load(vec![record("1", vec![line("d", 1, 11)])]).await.unwrap();
    let error = stage.load_asked_at(vec![record("1", vec![line("d", 1, 10)])], early).await.unwrap_err();
    assert!(matches!(error, WarehouseError::Overtaken), "{error}");
    assert_eq!(stage.rows().await, [row("1", "d", "11.0000", 1, false)]);
}

#[tokio::test]
async fn a_reader_of_changes_waits_for_a_writer_that_drew_its_numbers_first() {
    let stage = Stage::new(SourceKind::AlexelaCard).await;
    stage.load(vec![record("1", vec![line("d", 1, 10)])]).await.unwrap();
    let mut slow = stage.pool.begin_with("BEGIN").await.unwrap();
    sqlx::query("SELECT fuel.announce_writer()").execute(&mut *slow).await.unwrap();
    sqlx::query("UPDATE fuel.transaction SET seq = nextval('fuel.change_seq')").execute(&mut *slow).await.unwrap();
    stage.load_other(vec![record("2", vec![line("d", 2, 20)])]).await;
    let seen = async || -> Vec<String> {
        sqlx::query_scalar("SELECT source_transaction_id FROM fuel.changes(1, 10)")
            .fetch_all(&stage.pool)
            .await
            .unwrap()
    };
    assert!(seen().await.is_empty(), "row 2 has a higher number than the one still under way");
    slow.commit().await.unwrap();
    assert_eq!(seen().await, ["1", "2"]);
}

impl Stage {
    /// Writes rows of another stream, which no lock of this one holds up.
    async fn load_other(&self, records: Vec<Record>) {
        self.load_into(StreamId::new(SourceKind::AlexelaBonus, "fleet", Partition::whole()), records).await;
    }

    async fn load_into(&self, stream: StreamId, records: Vec<Record>) {
        let Taken::Ours { lease, .. } = self.warehouse.take_lease(&stream, "test", LASTING).await.unwrap() else {
            panic!("held")
        };
        let asked_at = self.warehouse.renew_lease(&stream, &lease, LASTING).await.unwrap();
        let writer = Writer::Pass { lease: &lease, watermark: None, turn: None };
        let read = whole(&stream, day(), asked_at, writer);
        self.warehouse.load(&read, &self.batch(day(), records), LIMIT).await.unwrap();
    }
}
