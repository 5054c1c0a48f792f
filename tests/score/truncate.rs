//! `truncate`: an answer that is cut off commits nothing, wherever it is cut and however its end is told.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use fuelsync::{
    app::App,
    clock::{Clock, ManualClock},
    domain::{SourceKind, StreamId, Window},
    sandbox::{
        self, Sandbox, WorldOptions,
        wire::{Act, Delivery, Framing, Length, Script, Wire},
    },
    source::{Known, SourceError},
    sync::{
        pass::{Account, Passes},
        plan::Read,
        summary::Outcome,
        window::{Hold, WindowDone, WindowError, Windows, read_window},
    },
    warehouse::{
        Warehouse,
        lease::{Lease, Taken},
    },
};
use futures_util::future::join_all;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    Measured, Run,
    support::fleet::{Fleet, start},
    wired::through,
};

/// From so many answers on every byte is cut; below, some.
const THOROUGH: u64 = 4;

/// Between the cuts of a run that is not thorough.
const STRIDE: u64 = 61;

/// Through whole passes only so many of the cuts go: a pass asks the database ten times.
const PASS_EVERY: usize = 200;

/// Rows of a `HecOne` page: more than one page, so that rows of a whole one wait for the next.
const PAGE: u32 = 3;

/// The Alexela sources in turn, after one of `HecOne` each.
const KINDS: [SourceKind; 6] = [
    SourceKind::AlexelaEv,
    SourceKind::HecOne,
    SourceKind::AlexelaCard,
    SourceKind::HecOne,
    SourceKind::AlexelaBonus,
    SourceKind::HecOne,
];

/// Cuts `size` answers, each at every byte and in every framing.
pub(crate) async fn measure(run: Run) -> Measured {
    let mut measured = Measured::default();
    let fleet = Fleet::new(0, |_| {}).await;
    let step = if run.size < THOROUGH { STRIDE } else { 1 };
    let mut all = Tally::default();
    let mut answers = HashMap::<&str, u64>::new();
    for number in 0..run.size {
        let kind = KINDS[usize::try_from(number).unwrap_or_default() % KINDS.len()];
        // `HecOne` comes every second time; of its answers every second one tells its total.
        let total = (number / 2).is_multiple_of(2);
        let bench = Bench::new(&fleet, kind, run.seed * 1000 + number, total).await;
        *answers.entry(kind.as_str()).or_default() += 1;
        all.add(bench.cut_everywhere(step, run.seed % step).await);
        // With rows committed that were never whole, what follows would be held against the wrong cut.
        if !all.faults.is_empty() {
            break;
        }
        bench.empty().await;
    }
    for fault in all.faults {
        measured.fault(fault);
    }
    measured
        .note("answers", answers.into_iter().map(|(k, n)| (k.to_owned(), n.into())).collect::<serde_json::Map<_, _>>())
        .note("bytes_between_cuts", step)
        .note("framings", Framing::ALL.len())
        .note("cuts", all.cuts)
        .note("cuts_through_whole_passes", all.passes)
        .note("rows_in_the_answers", all.rows)
        .note("accepted_behind_the_document", all.behind)
        .note("partial_windows", all.partial);
    measured
}

/// What the cuts came to.
#[derive(Debug, Default)]
struct Tally {
    cuts: u64,
    passes: u64,
    rows: u64,
    /// Cuts behind the last byte of the document after which it counted.
    behind: u64,
    partial: u64,
    faults: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.cuts += other.cuts;
        self.passes += other.passes;
        self.rows += other.rows;
        self.behind += other.behind;
        self.partial += other.partial;
        self.faults.extend(other.faults);
    }
}

/// One sandbox with few sales, of which a window is read over and over.
struct Bench<'a> {
    fleet: &'a Fleet,
    kind: SourceKind,
    sandbox: Sandbox,
    window: Window,
}

impl<'a> Bench<'a> {
    async fn new(fleet: &'a Fleet, kind: SourceKind, seed: u64, total: bool) -> Self {
        let mut shares = [0; 4];
        shares[kind as usize] = 1;
        let window = window_of(kind);
        // A handful of rows in the window.
        let windows = TimeDelta::days(40).num_minutes() / window.length().num_minutes();
        let sales = windows.unsigned_abs() * if kind == SourceKind::HecOne { 5 } else { 3 };
        let world = WorldOptions {
            seed,
            sales,
            shares,
            from: start(),
            to: start() + TimeDelta::days(40),
            contracts: 1,
            ..WorldOptions::default()
        };
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&fleet.clock);
        let mut options = sandbox::Options { world, clock, ..sandbox::Options::default() };
        // Without a total a page that lost its end looks like any other.
        options.hecone.total = total;
        let sandbox = sandbox::start(options).await.expect("a sandbox");
        Self { fleet, kind, sandbox, window }
    }

    /// Every cut of every framing.
    async fn cut_everywhere(&self, step: u64, first: u64) -> Tally {
        let lanes = join_all(Framing::ALL.map(|framing| self.lane(framing))).await;
        let mut tally = Tally::default();
        for done in join_all(lanes.iter().map(|lane| lane.cut(step, first))).await {
            tally.add(done);
        }
        for lane in &lanes {
            if tally.faults.is_empty() {
                tally.add(lane.pass_over(step).await);
            }
        }
        if tally.faults.is_empty()
            && let Some(lane) = lanes.first()
        {
            // The same window, not cut: what a cut could have lost.
            lane.wire.clear();
            let (lease, asked_at) = take(&self.fleet.warehouse, &lane.stream).await;
            let rows = lane.read_under(&lease, asked_at).await.map(|done| done.counts.fetched);
            tally.rows += *rows.as_ref().unwrap_or(&0);
            if !rows.as_ref().is_ok_and(|rows| *rows > 0) {
                tally.faults.push(format!("{} uncut brings {rows:?}", self.kind.as_str()));
            }
        }
        tally
    }

    async fn lane(&self, framing: Framing) -> Lane {
        let wire = Wire::start(self.sandbox.addr()).await.expect("a wire");
        let mut config = self.fleet.config.clone();
        through(&mut config, &wire);
        config.http.max_retries = 0;
        config.http.request_timeout = Duration::from_secs(20);
        for account in &mut config.hecone {
            (account.start, account.page_limit) = (self.window.start(), PAGE);
        }
        config.alexela.iter_mut().for_each(|account| account.start = self.window.start());
        // Lanes run side by side; each has streams of its own.
        let account = format!("{framing:?}").to_lowercase();
        config.hecone.iter_mut().for_each(|known| known.name.clone_from(&account));
        config.alexela.iter_mut().for_each(|known| known.name.clone_from(&account));
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.fleet.clock);
        let app = App::new(config, clock).expect("an app");
        let passes = app.passes(self.fleet.warehouse.clone(), |kind, _| kind == self.kind);
        let source = &passes.accounts[0].source;
        let partition = source.partitions(self.kind).await.expect("its partitions").remove(0);
        source.settle_clock().await.expect("its time");
        let stream = StreamId::new(self.kind, source.account(), partition);
        let (lease, asked_at) = take(&self.fleet.warehouse, &stream).await;
        let pool = self.fleet.pool.clone();
        Lane { wire, passes, stream, lease, asked_at, window: self.window, framing, pool }
    }

    /// Nothing was ever read.
    async fn empty(&self) {
        sqlx::query("TRUNCATE fuel.transaction, fuel.record, fuel.quarantine, fuel.sync_window, fuel.transaction_version, fuel.checkpoint")
            .execute(&self.fleet.pool)
            .await
            .expect("an empty warehouse");
    }
}

/// A window in the middle of the world.
fn window_of(kind: SourceKind) -> Window {
    let length = if kind == SourceKind::HecOne { TimeDelta::hours(6) } else { TimeDelta::days(7) };
    let from = DateTime::from_timestamp(1_790_812_800 / length.num_seconds() * length.num_seconds(), 0);
    from.and_then(|from| Window::new(from, from + length)).expect("a window")
}

/// A lease of the stream for an hour, and the database's time.
async fn take(warehouse: &Warehouse, stream: &StreamId) -> (Lease, DateTime<Utc>) {
    let hour = Duration::from_hours(1);
    let taken = warehouse.take_lease(stream, "truncate", hour).await.expect("a lease");
    let lease = match taken {
        Taken::Ours { lease, .. } => Some(lease),
        Taken::Held { .. } => None,
    };
    let lease = lease.expect("nobody else reads this stream");
    let asked_at = warehouse.renew_lease(stream, &lease, hour).await.expect("the database's time");
    (lease, asked_at)
}

/// One framing: a wire of its own, and a program that reads through it.
struct Lane {
    wire: Wire,
    passes: Passes,
    stream: StreamId,
    lease: Lease,
    asked_at: DateTime<Utc>,
    window: Window,
    framing: Framing,
    pool: PgPool,
}

impl Lane {
    fn account(&self) -> &Account {
        &self.passes.accounts[0]
    }

    /// A part of the path of the requests for rows.
    const fn path(&self) -> &'static str {
        if matches!(self.stream.source, SourceKind::HecOne) { "/hecone/transactions" } else { "Transactions" }
    }

    /// Reads the window and has it written.
    async fn read(&self) -> Result<WindowDone, WindowError> {
        self.read_under(&self.lease, self.asked_at).await
    }

    async fn read_under(&self, lease: &Lease, asked_at: DateTime<Utc>) -> Result<WindowDone, WindowError> {
        let with = Windows {
            warehouse: &self.passes.warehouse,
            source: &*self.account().source,
            settings: &self.passes.settings,
            forgotten: &self.passes.forgotten,
            stream: &self.stream,
            recognize: true,
            stop: &CancellationToken::new(),
        };
        let read = Read { window: self.window, stretch: self.window, moves_watermark: true, was_read: false };
        read_window(&with, &read, Hold::Lease { lease, turn: None }, asked_at).await
    }

    /// The answers of the window: how long each is.
    async fn lengths(&self) -> Vec<Length> {
        let mut lengths = Vec::new();
        loop {
            self.wire.clear();
            let act = Act::framed(self.framing);
            let struck = self.wire.struck();
            self.wire.script(Script { path: self.path().to_owned(), after: lengths.len() as u64, times: 1, act });
            // Only the source is read: nothing may be in the warehouse.
            let (events, mut incoming) = tokio::sync::mpsc::channel(4);
            let drain = async { while incoming.recv().await.is_some() {} };
            let nothing = Known::nothing();
            let reading = self.account().source.read(&self.stream, self.window, &nothing, events);
            let (read, ()) = tokio::join!(reading, drain);
            read.expect("an answer that is not cut");
            if self.wire.struck() == struck {
                return lengths;
            }
            lengths.push(self.wire.last().expect("an answer was framed"));
        }
    }

    /// Cuts every request for rows after the first `pages` of them.
    fn cut_at(&self, pages: usize, at: u64) {
        self.wire.clear();
        let act = Act { framing: self.framing, ..Act::new(Delivery::Cut(at)) };
        self.wire.script(Script { path: self.path().to_owned(), after: pages as u64, times: u64::MAX, act });
    }

    /// The window, read with each page cut at each byte.
    async fn cut(&self, step: u64, first: u64) -> Tally {
        let mut tally = Tally::default();
        self.wire.clear();
        let lines = match self.read().await {
            Ok(done) => done.counts.fetched,
            Err(error) => {
                tally.faults.push(format!("{self}: not cut, it fails: {error}"));
                return tally;
            }
        };
        self.forget().await;
        for (page, length) in self.lengths().await.into_iter().enumerate() {
            let edges = [0, length.head - 1, length.head, length.head + 1, length.document - 1, length.whole - 1];
            let all = (0..length.whole).filter(|at| at % step == first || edges.contains(at));
            for at in all {
                self.cut_at(page, at);
                let done = self.read().await;
                tally.cuts += 1;
                let whole = (at >= length.document).then_some(lines);
                let found = self.judge(done, whole, &mut tally).await;
                if let Some(found) = found {
                    tally.partial += 1;
                    tally.faults.push(format!("{self}, page {page} cut at byte {at} of {length:?}: {found}"));
                    return tally;
                }
            }
        }
        tally
    }

    /// What is wrong with an outcome. Of a window cut behind its document, `whole` says how many lines it has.
    async fn judge(
        &self,
        done: Result<WindowDone, WindowError>,
        whole: Option<u64>,
        tally: &mut Tally,
    ) -> Option<String> {
        match done {
            Ok(done) if whole == Some(done.counts.fetched) => {
                tally.behind += 1;
                self.forget().await;
                None
            }
            Ok(done) => {
                let lines = done.counts.fetched;
                Some(match whole {
                    Some(whole) => format!("nothing is missing, but it brings {lines} lines of {whole}"),
                    None => format!("it counted as whole, with {lines} lines"),
                })
            }
            Err(WindowError::Source(SourceError::Http(_))) => {
                let there = self.committed().await;
                (there > 0).then(|| format!("{there} rows, counts or watermarks were committed"))
            }
            Err(error) => Some(format!("it failed otherwise: {error}")),
        }
    }

    /// Whatever a window leaves behind once it counts.
    async fn committed(&self) -> i64 {
        sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM fuel.transaction WHERE account = $1) \
                 + (SELECT count(*) FROM fuel.record WHERE account = $1) \
                 + (SELECT count(*) FROM fuel.quarantine WHERE account = $1) \
                 + (SELECT count(*) FROM fuel.sync_window WHERE account = $1 AND (read_through IS NOT NULL OR fetched > 0)) \
                 + (SELECT count(*) FROM fuel.checkpoint WHERE account = $1 AND watermark IS NOT NULL)",
        )
        .bind(&self.stream.account)
        .fetch_one(&self.pool)
        .await
        .expect("the warehouse")
    }

    /// Takes away what was committed.
    async fn forget(&self) {
        for sql in [
            "DELETE FROM fuel.transaction WHERE account = $1",
            "DELETE FROM fuel.record WHERE account = $1",
            "DELETE FROM fuel.quarantine WHERE account = $1",
            "DELETE FROM fuel.sync_window WHERE account = $1",
            "UPDATE fuel.checkpoint SET watermark = NULL WHERE account = $1",
        ] {
            sqlx::query(sql).bind(&self.stream.account).execute(&self.pool).await.expect("an empty account");
        }
    }

    /// Some of the cuts once more, through whole passes.
    async fn pass_over(&self, step: u64) -> Tally {
        let mut tally = Tally::default();
        self.passes.warehouse.release_lease(&self.stream, &self.lease).await.expect("the lease is ours");
        for (page, length) in self.lengths().await.into_iter().enumerate() {
            for at in (0..length.document).step_by(PASS_EVERY * usize::try_from(step).unwrap_or(1).div_ceil(20)) {
                self.cut_at(page, at);
                let summary = self.passes.pass(&CancellationToken::new()).await;
                (tally.cuts, tally.passes) = (tally.cuts + 1, tally.passes + 1);
                let there = self.committed().await;
                if there > 0 || summary.outcome != Outcome::Partial {
                    tally.partial += 1;
                    let ended = summary.outcome;
                    tally.faults.push(format!(
                        "{self}: a pass with page {page} cut at byte {at} ended {ended:?} with {there} committed"
                    ));
                    return tally;
                }
            }
        }
        tally
    }
}

impl std::fmt::Display for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.stream, self.framing)
    }
}
