//! A writer: an account with four streams, what its vendor has now, and a wire to the database that breaks and stalls.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use fuelsync::{
    config::Config,
    domain::{Amount, Kind, Line, Outcome, Partition, Record, SourceKind, State, StreamId, Window},
    warehouse::{
        Warehouse, WarehouseError,
        incoming::{Batch, Incoming},
        lease::{Lease, Taken},
        load::{WindowRead, Writer as InWhoseName},
    },
};
use rand::RngExt as _;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};
use tokio_util::sync::CancellationToken;

use crate::{
    support::dbproxy::{Act, At, DbProxy, Message},
    yard::Store,
};

const LASTING: Duration = Duration::from_hours(3);
const LIMIT: Duration = Duration::from_mins(1);
/// Sales of a window beyond which no more come to it.
const MOST: usize = 300;
/// Windows of a stream: later ones are written early, beside the one before them.
const WINDOWS: usize = 60;

/// What all writers have done.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) committed: AtomicU64,
    pub(super) given_up: AtomicU64,
    pub(super) beside: AtomicU64,
    pub(super) backfilled: AtomicU64,
    pub(super) cut: AtomicU64,
    pub(super) stalled: AtomicU64,
}

impl Done {
    /// Whether too little has been done to say anything.
    pub(super) fn is_idle(&self) -> bool {
        self.committed.load(Relaxed) < 100 || self.cut.load(Relaxed) < 8 || self.stalled.load(Relaxed) < 8
    }
}

/// A sale at the vendor: its lines with their quantities.
type Sale = Vec<(String, i64)>;

/// What the vendor has of a stream, window by window, and what it had once.
struct Stream {
    id: StreamId,
    lease: Lease,
    windows: Vec<BTreeMap<String, Sale>>,
    gone: Vec<(usize, String, Sale)>,
}

/// One of the eight.
pub(super) struct Writer {
    dice: ChaCha8Rng,
    number: u64,
    /// Over the wire that breaks.
    warehouse: Warehouse,
    /// Over one that does not: leases, claims and the database's time.
    steady: Warehouse,
    proxy: Arc<DbProxy>,
    streams: Vec<Stream>,
    sales: u64,
    done: Arc<Done>,
    faults: Vec<String>,
}

fn warehouse(url: &str) -> Warehouse {
    let text = "[database]\nurl = \"postgres://x\"\nmax_connections = 5\n";
    let settings = Config::from_text("score.toml", text, std::iter::empty()).expect("a configuration").database;
    Warehouse::new(&settings, &url.into()).expect("a warehouse")
}

fn window(number: usize) -> Window {
    let start = DateTime::from_timestamp(1_790_035_200, 0).expect("a time");
    let start = start + TimeDelta::days(i64::try_from(number).expect("a window"));
    Window::new(start, start + TimeDelta::days(1)).expect("a window")
}

impl Writer {
    pub(super) async fn new(store: &Store, seed: u64, number: u64, done: Arc<Done>) -> Self {
        let proxy = Arc::new(DbProxy::new(store.url()).await);
        let steady = warehouse(store.url());
        let mut streams = Vec::new();
        // Two contracts of one account: a sale that goes to the other keeps its key.
        for (source, partition) in [
            (SourceKind::HecOne, Partition::whole()),
            (SourceKind::AlexelaCard, Partition::contract("1")),
            (SourceKind::AlexelaCard, Partition::contract("2")),
            (SourceKind::AlexelaEv, Partition::whole()),
        ] {
            let id = StreamId::new(source, format!("w{number}"), partition);
            let lease = match steady.take_lease(&id, "score", LASTING).await.expect("the database") {
                Taken::Ours { lease, .. } => Some(lease),
                Taken::Held { .. } => None,
            };
            let lease = lease.expect("a lease");
            streams.push(Stream { id, lease, windows: vec![BTreeMap::new()], gone: Vec::new() });
        }
        Self {
            dice: ChaCha8Rng::seed_from_u64(seed * 1_000 + number),
            number,
            warehouse: warehouse(proxy.url()),
            steady,
            proxy,
            streams,
            sales: 0,
            done,
            faults: Vec::new(),
        }
    }

    /// Writes until it is stopped; what should not have failed.
    pub(super) async fn work(mut self, stop: CancellationToken) -> Vec<String> {
        let seed = self.dice.random();
        self.proxy.script(breaking(seed, Arc::clone(&self.done), stop.clone()));
        let ended = CancellationToken::new();
        let thawing = tokio::spawn(thaw(Arc::clone(&self.proxy), self.dice.random(), ended.clone()));
        while !stop.is_cancelled() {
            let stream = self.dice.random_range(0..self.streams.len());
            let windows = self.streams[stream].windows.len();
            // Mostly the last ones, so that what is absent is soon absent twice, and comes back.
            let least = if self.dice.random_bool(0.7) { windows.saturating_sub(3) } else { 0 };
            let at = self.dice.random_range(least..windows);
            self.change(stream, at);
            if windows < WINDOWS && self.dice.random_bool(0.15) {
                self.streams[stream].windows.push(BTreeMap::new());
                self.change(stream, windows);
                self.write_two(stream, at, windows).await;
            } else if self.dice.random_bool(0.15) {
                self.backfill(stream, at).await;
            } else {
                let written = self.pass(stream, at, None).await;
                self.note(written);
            }
        }
        ended.cancel();
        thawing.await.expect("the wire");
        self.warehouse.close().await;
        self.steady.close().await;
        self.faults
    }

    /// What the vendor does to a window meanwhile.
    fn change(&mut self, stream: usize, at: usize) {
        let is_set = self.streams[stream].id.source.record_is_whole_transaction();
        // Now and then more than goes as the parameters of one statement.
        let new = match self.dice.random_range(0..100) {
            0 => 1_050,
            1..20 => self.dice.random_range(20..60),
            _ => self.dice.random_range(0..6),
        };
        for _ in 0..new {
            if self.streams[stream].windows[at].len() >= MOST && new < MOST {
                break;
            }
            self.sales += 1;
            let lines = if is_set { self.dice.random_range(1..4) } else { 1 };
            let sale: Sale = (0..lines).map(|line| (format!("p{line}"), self.dice.random_range(1..1_000))).collect();
            self.streams[stream].windows[at].insert(format!("{}-{:08}", self.number, self.sales), sale);
        }
        let ids: Vec<_> = self.streams[stream].windows[at].keys().cloned().collect();
        for _ in 0..self.dice.random_range(0..8).min(ids.len()) {
            let id = &ids[self.dice.random_range(0..ids.len())];
            let Some(sale) = self.streams[stream].windows[at].get_mut(id) else { continue };
            match self.dice.random_range(0..10) {
                0..3 if is_set && sale.len() > 1 => drop(sale.remove(self.dice.random_range(0..sale.len()))),
                3..5 if is_set => {
                    let line = format!("p{}", self.dice.random_range(0..5));
                    if sale.iter().all(|(there, _)| *there != line) {
                        sale.push((line, 7));
                    }
                }
                _ => sale[0].1 += 1,
            }
        }
        if !ids.is_empty() && self.dice.random_bool(0.4) {
            let id = ids[self.dice.random_range(0..ids.len())].clone();
            if let Some(sale) = self.streams[stream].windows[at].remove(&id) {
                // Of the two contracts, half of what goes away goes to the other one.
                if stream == 1 && self.dice.random_bool(0.5) && at < self.streams[2].windows.len() {
                    self.streams[2].windows[at].insert(id, sale);
                } else {
                    self.streams[stream].gone.push((at, id, sale));
                }
            }
        }
        let of_window = |gone: &(usize, String, Sale)| gone.0 == at;
        if self.dice.random_bool(0.25)
            && let Some(found) = self.streams[stream].gone.iter().position(of_window)
        {
            let (_, id, sale) = self.streams[stream].gone.swap_remove(found);
            self.streams[stream].windows[at].insert(id, sale);
        }
    }

    /// The window as the vendor has it.
    fn batch(&self, stream: usize, at: usize) -> Batch {
        let stream = &self.streams[stream];
        let mut incoming = Incoming::new(stream.id.source, window(at));
        let records = stream.windows[at].iter().map(|(id, sale)| record(id, sale, window(at).start()));
        incoming.records(records.collect()).expect("records");
        incoming.complete().expect("an answer");
        incoming.finish()
    }

    async fn pass(&self, stream: usize, at: usize, turn: Option<&CancellationToken>) -> Result<(), WarehouseError> {
        let Stream { id, lease, .. } = &self.streams[stream];
        let asked_at = self.steady.renew_lease(id, lease, LASTING).await?;
        let writer = InWhoseName::Pass { lease, watermark: None, turn };
        self.warehouse.load(&read(id, at, asked_at, writer), &self.batch(stream, at), LIMIT).await.map(drop)
    }

    /// Two windows at once, as a pass does: the second is copied while the first is being written.
    async fn write_two(&mut self, stream: usize, first: usize, second: usize) {
        let turn = CancellationToken::new();
        let (one, other) = tokio::join!(
            async {
                let written = Box::pin(self.pass(stream, first, None)).await;
                turn.cancel();
                written
            },
            Box::pin(self.pass(stream, second, Some(&turn))),
        );
        self.done.beside.fetch_add(u64::from(other.is_ok()), Relaxed);
        self.note(one);
        self.note(other);
    }

    async fn backfill(&mut self, stream: usize, at: usize) {
        let id = &self.streams[stream].id;
        let claimed = self.steady.claim_window(id, window(at), "score", LASTING).await.expect("a claim");
        let Some((claim, asked_at)) = claimed else { return };
        let batch = self.batch(stream, at);
        let written =
            self.warehouse.load(&read(id, at, asked_at, InWhoseName::Backfill(&claim)), &batch, LIMIT).await.map(drop);
        if written.is_err() {
            self.steady.release_claim(id, window(at), &claim).await.expect("a claim given back");
        }
        self.done.backfilled.fetch_add(u64::from(written.is_ok()), Relaxed);
        self.note(written);
    }

    fn note(&mut self, written: Result<(), WarehouseError>) {
        match written {
            Ok(()) => self.done.committed.fetch_add(1, Relaxed),
            Err(error) => {
                let is_of_the_wire = matches!(
                    error,
                    WarehouseError::NoConnection(_)
                        | WarehouseError::Unreachable(_)
                        | WarehouseError::CommitUnknown
                        | WarehouseError::Conflict(_)
                        | WarehouseError::Timeout(_)
                );
                if !is_of_the_wire {
                    self.faults.push(format!("writer {}: {error}", self.number));
                }
                self.done.given_up.fetch_add(1, Relaxed)
            }
        };
    }
}

/// A whole read of a window.
fn read<'a>(stream: &'a StreamId, at: usize, asked_at: DateTime<Utc>, writer: InWhoseName<'a>) -> WindowRead<'a> {
    WindowRead {
        stream,
        window: window(at),
        stretch: window(at),
        present: window(at).end() + TimeDelta::days(1),
        asked_at,
        horizon: None,
        complete: true,
        unstable: false,
        comes_again: true,
        writer,
    }
}

fn record(id: &str, sale: &Sale, start: DateTime<Utc>) -> Record {
    let mut raw = format!("{{\"id\":\"{id}\"");
    let mut lines = Vec::new();
    for (line, quantity) in sale {
        let _ = write!(raw, ",\"{line}\":{quantity}");
        let at = start + TimeDelta::minutes(1 + quantity % 1_000);
        lines.push(Line {
            quantity: Amount::from_ten_thousandths(quantity * 10_000),
            ..Line::new(line.clone(), Kind::Fuel, State::Posted, at)
        });
    }
    Record { id: id.into(), raw: (raw + "}").into(), outcome: Outcome::Lines(lines) }
}

/// Lets the wire break, or stand still, at a message of a transaction that has announced its numbers.
fn breaking(seed: u64, done: Arc<Done>, stop: CancellationToken) -> impl FnMut(&Message<'_>) -> Act + Send + 'static {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    // After how many more messages what happens.
    let mut fate: Option<(u32, bool)> = None;
    move |message| {
        if stop.is_cancelled() {
            return Act::Pass;
        }
        if message.kind == 'B' && message.sql.contains("pg_current_xact_id") {
            fate = match dice.random_range(0..100) {
                0..20 => Some((dice.random_range(1..40), true)),
                20..50 => Some((dice.random_range(1..40), false)),
                _ => None,
            };
            return Act::Pass;
        }
        let is_within = message.before.iter().any(|sql| sql.contains("pg_current_xact_id"));
        let Some((left, _)) = fate.as_mut().filter(|_| is_within && matches!(message.kind, 'Q' | 'P' | 'B' | 'd'))
        else {
            return Act::Pass;
        };
        *left -= 1;
        // What was to happen later happens at the end.
        if *left > 0 && !message.is_commit() {
            return Act::Pass;
        }
        let Some((_, cuts)) = fate.take() else { return Act::Pass };
        // Only a simple query is answered in whole before the next message.
        let at = match dice.random_range(0..3_u8) {
            0 if message.kind == 'Q' => At::After,
            0 | 1 => At::In,
            _ => At::Before,
        };
        let counter = if cuts { &done.cut } else { &done.stalled };
        counter.fetch_add(1, Relaxed);
        if cuts { Act::Cut(at) } else { Act::Freeze(at) }
    }
}

/// Lets a wire that stands still go on after a while; one in five breaks instead.
async fn thaw(proxy: Arc<DbProxy>, seed: u64, ended: CancellationToken) {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    while !ended.is_cancelled() {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if proxy.is_frozen() {
            let still = if dice.random_bool(0.2) { 300..2_000 } else { 10..300 };
            tokio::time::sleep(Duration::from_millis(dice.random_range(still))).await;
            if dice.random_bool(0.2) {
                proxy.cut();
            }
            proxy.thaw();
        }
    }
    proxy.thaw();
}
