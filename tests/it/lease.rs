//! Who may write, where a stream stands, and what is known of its windows: each against a real database.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use fuelsync::{
    config::Config,
    domain::{Kind, Line, Outcome, Partition, Record, SourceKind, State, StreamId, Window},
    warehouse::{
        Warehouse, WarehouseError,
        checkpoint::PassEnd,
        incoming::Incoming,
        lease::{Lease, Taken},
        ledger::Entry,
        load::{WindowRead, Writer},
    },
};
use sqlx::PgPool;

use crate::support::TestDatabase;

const LONG: Duration = Duration::from_mins(10);
const SHORT: Duration = Duration::from_millis(40);

struct Stage {
    _database: TestDatabase,
    pool: PgPool,
    warehouse: Warehouse,
    stream: StreamId,
}

fn at(hours: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000 - 1_790_000_000 % 86_400, 0).unwrap() + TimeDelta::hours(hours)
}

fn window(start: i64, end: i64) -> Window {
    Window::new(at(start), at(end)).unwrap()
}

impl Stage {
    async fn new(source: SourceKind) -> Self {
        let database = TestDatabase::new().await;
        let text = "[database]\nurl = \"postgres://x\"\n";
        let settings = Config::from_text("test.toml", text, std::iter::empty()).unwrap().database;
        let warehouse = Warehouse::new(&settings, &database.url().into()).unwrap();
        warehouse.migrate().await.unwrap();
        let stream = StreamId::new(source, "fleet", Partition::whole());
        Self { pool: database.pool().await, _database: database, warehouse, stream }
    }

    async fn take(&self, owner: &str, lasting: Duration) -> Taken {
        self.warehouse.take_lease(&self.stream, owner, lasting).await.unwrap()
    }

    async fn lease(&self, owner: &str, lasting: Duration) -> Lease {
        match self.take(owner, lasting).await {
            Taken::Ours { lease, .. } => lease,
            Taken::Held { by, .. } => panic!("{by} holds it"),
        }
    }

    /// Whether everything that asks for the lease is refused, and nothing else is.
    async fn is_lost(&self, lease: &Lease) -> bool {
        let renewed = self.warehouse.renew_lease(&self.stream, lease, LONG).await.map(drop);
        let checked = self.warehouse.check_lease(&self.stream, lease).await.map(drop);
        let moved = self.warehouse.advance_watermark(&self.stream, lease, at(-1_000)).await;
        let lost = [renewed, checked, moved].map(|done| match done {
            Ok(()) => false,
            Err(WarehouseError::LeaseLost) => true,
            Err(other) => panic!("{other}"),
        });
        assert!(lost.iter().all(|each| *each == lost[0]), "{lost:?}");
        lost[0]
    }

    async fn watermark(&self) -> Option<DateTime<Utc>> {
        self.warehouse.watermark(&self.stream).await.unwrap()
    }

    /// The database's time.
    async fn now(&self) -> DateTime<Utc> {
        sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&self.pool).await.unwrap()
    }

    async fn load(
        &self,
        window: Window,
        present: i64,
        lines: Vec<Line>,
        writer: Writer<'_>,
    ) -> Result<(), WarehouseError> {
        let mut incoming = Incoming::new(self.stream.source, window);
        let record = |(n, line)| Record { id: format!("t{n}"), raw: "{}".into(), outcome: Outcome::Lines(vec![line]) };
        incoming.records(lines.into_iter().enumerate().map(record).collect()).unwrap();
        incoming.complete().unwrap();
        let read = WindowRead {
            stream: &self.stream,
            window,
            stretch: window,
            present: at(present),
            asked_at: self.now().await,
            horizon: None,
            complete: true,
            unstable: false,
            comes_again: true,
            writer,
        };
        self.warehouse.load(&read, &incoming.finish(), LONG).await.map(drop)
    }

    async fn ledger(&self) -> Vec<Entry> {
        self.warehouse.ledger(&self.stream, at(10_000)).await.unwrap()
    }

    async fn states(&self) -> Vec<(String, i32, Option<String>)> {
        sqlx::query_as("SELECT state, attempts, last_error FROM fuel.sync_window ORDER BY window_start")
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }
}

fn sale(state: State, hours: i64) -> Line {
    Line::new("1", Kind::Fuel, state, at(hours))
}

#[tokio::test]
async fn a_stream_has_one_writer_and_the_others_are_told_which() {
    let stage = Stage::new(SourceKind::HecOne).await;
    let before = stage.now().await;
    let lease = stage.lease("one", LONG).await;
    let Taken::Held { by, until, left } = stage.take("other", LONG).await else { panic!("two writers") };
    assert_eq!(by, "one");
    assert!(until >= before + LONG && until <= stage.now().await + LONG);
    assert!(left <= LONG && left > LONG / 2, "{left:?}");
    assert!(!stage.is_lost(&lease).await);
    let stranger = Lease { owner: "other".to_owned(), epoch: lease.epoch };
    assert!(stage.is_lost(&stranger).await);

    let other = StreamId { account: "another".to_owned(), ..stage.stream.clone() };
    let taken = stage.warehouse.take_lease(&other, "other", LONG).await.unwrap();
    assert!(matches!(taken, Taken::Ours { watermark: None, .. }), "each stream has its own: {taken:?}");
}

#[tokio::test]
async fn each_taking_ends_the_one_before_it() {
    let stage = Stage::new(SourceKind::HecOne).await;
    let first = stage.lease("one", LONG).await;
    let again = stage.lease("one", LONG).await;
    assert!(again.epoch > first.epoch);
    assert!(stage.is_lost(&first).await, "a process that was frozen does not know that it has started again");
    assert!(!stage.is_lost(&again).await);
}

#[tokio::test]
async fn a_lease_that_expired_is_lost_and_may_be_taken() {
    let stage = Stage::new(SourceKind::HecOne).await;
    let first = stage.lease("one", SHORT).await;
    tokio::time::sleep(SHORT * 2).await;
    assert!(stage.is_lost(&first).await, "though nobody took it");
    assert_eq!(stage.warehouse.lease_left(&stage.stream).await.unwrap(), Some(Duration::ZERO));
    let second = stage.lease("other", LONG).await;
    assert!(second.epoch > first.epoch && stage.is_lost(&first).await && !stage.is_lost(&second).await);

    stage.warehouse.release_lease(&stage.stream, &first).await.unwrap();
    assert!(!stage.is_lost(&second).await, "who lost it gives nothing back");
    stage.warehouse.release_lease(&stage.stream, &second).await.unwrap();
    assert!(stage.is_lost(&second).await);
    assert_eq!(stage.warehouse.lease_left(&stage.stream).await.unwrap(), None);
    stage.lease("third", LONG).await;
}

#[tokio::test]
async fn a_lease_lasts_as_long_as_it_is_renewed() {
    let stage = Stage::new(SourceKind::HecOne).await;
    assert_eq!(stage.warehouse.lease_left(&stage.stream).await.unwrap(), None);
    let lease = stage.lease("one", Duration::from_mins(1)).await;
    let left = stage.warehouse.lease_left(&stage.stream).await.unwrap().unwrap();
    assert!(left > Duration::from_secs(30) && left <= Duration::from_mins(1), "{left:?}");

    let before = stage.now().await;
    let told = stage.warehouse.check_lease(&stage.stream, &lease).await.unwrap();
    assert!(before <= told && told <= stage.now().await, "the database's time");
    assert!(stage.warehouse.lease_left(&stage.stream).await.unwrap().unwrap() <= left, "a look does not renew it");

    let told = stage.warehouse.renew_lease(&stage.stream, &lease, LONG).await.unwrap();
    assert!(before <= told && told <= stage.now().await);
    let left = stage.warehouse.lease_left(&stage.stream).await.unwrap().unwrap();
    assert!(left > Duration::from_mins(5) && left <= LONG, "{left:?}");
}

#[tokio::test]
async fn a_watermark_moves_forward_only_and_only_under_the_lease() {
    let stage = Stage::new(SourceKind::HecOne).await;
    assert_eq!(stage.watermark().await, None);
    let lease = stage.lease("one", LONG).await;
    assert_eq!(stage.watermark().await, None);
    let moved = async |to| stage.warehouse.advance_watermark(&stage.stream, &lease, to).await;
    moved(at(5)).await.unwrap();
    assert_eq!(stage.watermark().await, Some(at(5)));
    moved(at(3)).await.unwrap();
    assert_eq!(stage.watermark().await, Some(at(5)), "never back");
    moved(at(7)).await.unwrap();
    let Taken::Ours { watermark, .. } = stage.take("one", LONG).await else { panic!("held") };
    assert_eq!(watermark, Some(at(7)));
    assert!(matches!(moved(at(9)).await, Err(WarehouseError::LeaseLost)));
    assert_eq!(stage.watermark().await, Some(at(7)));
}

#[tokio::test]
async fn how_a_pass_ended_is_known_of_each_partition() {
    let stage = Stage::new(SourceKind::AlexelaCard).await;
    let known = async |source| stage.warehouse.known_partitions(source, "fleet").await.unwrap();
    assert_eq!(known(SourceKind::AlexelaCard).await, []);
    let contract = |number: &str| StreamId { partition: Partition::contract(number), ..stage.stream.clone() };
    for (number, end) in [
        ("1", PassEnd::Ok),
        ("2", PassEnd::Failed("no answer")),
        ("3", PassEnd::Withdrawn("not listed")),
        ("4", PassEnd::NotEnabled("403")),
        ("5", PassEnd::Refused("401")),
        ("1", PassEnd::Failed("later")),
    ] {
        stage.warehouse.note_pass(&contract(number), None, end).await.unwrap();
    }
    stage.warehouse.take_lease(&stage.stream, "one", LONG).await.unwrap();
    let elsewhere = StreamId { account: "another".to_owned(), ..contract("5") };
    stage.warehouse.note_pass(&elsewhere, None, PassEnd::Ok).await.unwrap();

    let ended = |outcome: &str| Some(outcome.to_owned());
    assert_eq!(
        known(SourceKind::AlexelaCard).await,
        [
            (Partition::whole(), None),
            (Partition::contract("1"), ended("failed")),
            (Partition::contract("2"), ended("failed")),
            (Partition::contract("3"), ended("withdrawn")),
            (Partition::contract("4"), ended("not_enabled")),
            (Partition::contract("5"), ended("refused")),
        ]
    );
    assert_eq!(known(SourceKind::AlexelaBonus).await, []);
    let errors: Vec<(String, Option<String>)> = sqlx::query_as(
        "SELECT partition, last_error FROM fuel.checkpoint WHERE last_pass_at IS NOT NULL AND account = 'fleet' ORDER BY 1",
    )
    .fetch_all(&stage.pool)
    .await
    .unwrap();
    let said = |number: &str, error: &str| (number.to_owned(), Some(error.to_owned()));
    assert_eq!(
        errors,
        [said("1", "later"), said("2", "no answer"), said("3", "not listed"), said("4", "403"), said("5", "401")]
    );
    stage.warehouse.note_pass(&contract("1"), None, PassEnd::Ok).await.unwrap();
    assert_eq!(known(SourceKind::AlexelaCard).await[1], (Partition::contract("1"), ended("ok")));
    // One whose lease was taken over meanwhile has no say any more.
    stage.warehouse.note_pass(&contract("1"), Some(7), PassEnd::Failed("frozen")).await.unwrap();
    assert_eq!(known(SourceKind::AlexelaCard).await[1], (Partition::contract("1"), ended("ok")));
}

#[tokio::test]
async fn a_gap_is_news_once_and_grows() {
    let stage = Stage::new(SourceKind::AlexelaBonus).await;
    let record = async |gap| stage.warehouse.record_gap(&stage.stream, gap, "five months").await.unwrap();
    let gaps = async || stage.warehouse.gaps(&stage.stream).await.unwrap();
    assert_eq!(gaps().await, []);
    assert!(record(window(0, 24)).await);
    assert!(!record(window(0, 24)).await, "known");
    assert!(!record(window(5, 9)).await, "known as part of another");
    assert_eq!(gaps().await, [window(0, 24)]);
    assert!(record(window(12, 48)).await, "its second day is news");
    assert!(record(window(100, 124)).await);
    assert_eq!(gaps().await, [window(0, 24), window(24, 48), window(100, 124)]);
    assert!(record(window(100, 148)).await, "a horizon that moved on");
    assert!(record(window(12, 60)).await, "it goes on where the others end");
    assert!(!record(window(12, 60)).await && !record(window(12, 50)).await);
    assert_eq!(gaps().await, [window(0, 24), window(24, 60), window(100, 124), window(124, 148)]);
    let other = StreamId { account: "another".to_owned(), ..stage.stream.clone() };
    assert_eq!(stage.warehouse.gaps(&other).await.unwrap(), []);
}

#[tokio::test]
async fn a_window_is_claimed_by_one_backfill_until_it_is_written_or_given_up() {
    let stage = Stage::new(SourceKind::AlexelaBonus).await;
    let claim = async |owner, lasting| {
        stage.warehouse.claim_window(&stage.stream, window(0, 24), owner, lasting).await.unwrap()
    };
    let before = stage.now().await;
    let (mine, told) = claim("one", LONG).await.unwrap();
    assert!(mine.owner == "one" && before <= told && told <= stage.now().await);
    assert_eq!(claim("other", LONG).await, None);
    assert!(claim("one", LONG).await.is_some(), "its owner may begin again");
    assert!(stage.ledger().await[0].is_claimed);
    let Some((other, _)) = stage.warehouse.claim_window(&stage.stream, window(24, 48), "other", LONG).await.unwrap()
    else {
        panic!("another window is another claim")
    };
    stage.warehouse.release_claim(&stage.stream, window(0, 24), &other).await.unwrap();
    assert_eq!(claim("other", LONG).await, None, "nobody gives back what is not his");
    stage.warehouse.release_claim(&stage.stream, window(0, 24), &mine).await.unwrap();
    assert!(!stage.ledger().await[0].is_claimed);

    let (expired, _) = claim("slow", SHORT).await.unwrap();
    tokio::time::sleep(SHORT * 2).await;
    assert!(!stage.ledger().await[0].is_claimed);
    let lost = stage.load(window(0, 24), 48, vec![], Writer::Backfill(&expired)).await;
    assert!(matches!(lost, Err(WarehouseError::LeaseLost)), "{lost:?}");
    let (next, _) = claim("next", LONG).await.unwrap();
    let lost = stage.load(window(0, 24), 48, vec![], Writer::Backfill(&expired)).await;
    assert!(matches!(lost, Err(WarehouseError::LeaseLost)), "{lost:?}");
    stage.load(window(0, 24), 48, vec![], Writer::Backfill(&next)).await.unwrap();
    assert!(!stage.ledger().await[0].is_claimed, "written, it is free");
    assert_eq!(stage.watermark().await, None, "a backfill moves none");
}

#[tokio::test]
async fn the_ledger_knows_what_was_read_and_what_may_change() {
    let stage = Stage::new(SourceKind::HecOne).await;
    assert_eq!(stage.ledger().await, []);
    let lease = stage.lease("one", LONG).await;
    let pass = Writer::Pass { lease: &lease, watermark: None, turn: None };
    stage.load(window(0, 24), 24, vec![sale(State::Posted, 1)], pass).await.unwrap();
    stage.load(window(24, 48), 47, vec![sale(State::Provisional, 30)], pass).await.unwrap();
    stage.warehouse.note_failure(&stage.stream, window(48, 72), at(49), "no answer").await.unwrap();
    stage.warehouse.note_failure(&stage.stream, window(48, 72), at(49), "cut off").await.unwrap();

    // One that was frozen meanwhile says so too late: the window has been read since.
    stage.warehouse.note_failure(&stage.stream, window(0, 24), at(-1), "frozen").await.unwrap();

    let entry = |start, end, read: Option<i64>, can_change| Entry {
        window: window(start, end),
        read_through: read.map(at),
        full_read_at: read.map(at),
        is_final: false,
        is_failing: read.is_none(),
        is_claimed: false,
        can_change,
    };
    assert_eq!(
        stage.ledger().await,
        [entry(0, 24, Some(24), false), entry(24, 48, Some(47), true), entry(48, 72, None, false)]
    );
    let plain = |state: &str| (state.to_owned(), 0, None);
    assert_eq!(
        stage.states().await,
        [plain("read"), plain("open"), ("failing".to_owned(), 2, Some("cut off".to_owned()))],
        "a window is open while its end is to come"
    );

    // What was read once, and what does not fail, is not given up whatever is asked.
    stage.warehouse.give_up(&stage.stream, &[window(0, 24), window(24, 48), window(48, 72)]).await.unwrap();
    assert_eq!(stage.states().await, [plain("read"), plain("open"), ("open".to_owned(), 2, None)]);
    assert_eq!(stage.ledger().await[2].read_through, None, "it counts as read by nothing");

    stage.warehouse.mark_final(&stage.stream, &[]).await.unwrap();
    assert!(stage.ledger().await.iter().all(|entry| !entry.is_final));
    stage.warehouse.mark_final(&stage.stream, &[window(0, 24), window(48, 72)]).await.unwrap();
    assert_eq!(stage.ledger().await.iter().map(|entry| entry.is_final).collect::<Vec<_>>(), [true, false, true]);
    stage.load(window(24, 48), 49, vec![], pass).await.unwrap();
    assert_eq!(stage.states().await[1], plain("read"));
}

#[tokio::test]
async fn a_window_can_change_while_its_source_has_not_decided() {
    for (source, state, can_change) in [
        (SourceKind::AlexelaCard, State::Posted, true),
        (SourceKind::AlexelaCard, State::Invoiced, false),
        (SourceKind::AlexelaBonus, State::Posted, false),
        (SourceKind::AlexelaEv, State::Provisional, true),
        (SourceKind::AlexelaEv, State::Posted, false),
        (SourceKind::AlexelaEv, State::Cancelled, false),
        (SourceKind::HecOne, State::Provisional, true),
        (SourceKind::HecOne, State::Posted, false),
        (SourceKind::HecOne, State::Declined, false),
    ] {
        let stage = Stage::new(source).await;
        let lease = stage.lease("one", LONG).await;
        let pass = Writer::Pass { lease: &lease, watermark: None, turn: None };
        stage.load(window(0, 24), 24, vec![sale(state, 1)], pass).await.unwrap();
        assert_eq!(stage.ledger().await[0].can_change, can_change, "{source} {state:?}");
        let settled = stage.warehouse.ledger(&stage.stream, at(23)).await.unwrap();
        assert!(settled[0].can_change, "not looked at before its time");
    }
}

#[tokio::test]
async fn what_a_stretch_holds_is_asked_by_time() {
    let stage = Stage::new(SourceKind::HecOne).await;
    let lease = stage.lease("one", LONG).await;
    let pass = Writer::Pass { lease: &lease, watermark: None, turn: None };
    let sales = vec![
        sale(State::Provisional, 20),
        sale(State::Posted, 3),
        sale(State::Provisional, 2),
        sale(State::Provisional, 5),
    ];
    stage.load(window(0, 24), 24, sales, pass).await.unwrap();

    let has = async |start, end| stage.warehouse.has_rows(&stage.stream, window(start, end)).await.unwrap();
    assert!(has(0, 24).await && has(3, 4).await && has(20, 21).await);
    assert!(!has(6, 20).await && !has(21, 24).await && !has(24, 48).await);

    let open = async |since, before, limit| {
        stage.warehouse.open_transactions(&stage.stream, at(since), at(before), limit).await.unwrap()
    };
    let named = |n: u32, hours| (format!("t{n}"), at(hours));
    assert_eq!(open(0, 24, 10).await, [named(2, 2), named(3, 5), named(0, 20)], "oldest first, the posted one not");
    assert_eq!(open(0, 24, 2).await, [named(2, 2), named(3, 5)]);
    assert_eq!(open(5, 20, 10).await, [named(3, 5)]);
    let other = StreamId { account: "another".to_owned(), ..stage.stream.clone() };
    assert_eq!(stage.warehouse.open_transactions(&other, at(0), at(24), 9).await.unwrap(), []);
    assert!(!stage.warehouse.has_rows(&other, window(0, 24)).await.unwrap());
}
