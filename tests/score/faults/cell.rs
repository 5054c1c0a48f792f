//! One cell of the matrix: its passes, with the fault in one of them, held against the same passes without it.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use fuelsync::{
    app::App,
    clock::{Clock, ManualClock},
    domain::{Grid, SourceKind},
    sandbox::{self, WorldOptions, requests::Seen, wire::Wire},
    sync::{pass::Passes, summary::Summary},
};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::catalog::{Costs, Kind, MOST, Mended, Place, What, rows_path};
use crate::{
    support::fleet::{Fleet, start},
    wired::through,
};

/// Sales of a cell's world.
const SALES: u64 = 400;

/// Rows of a `HecOne` page.
const PAGE: u32 = 10;

/// Requests struck by a fault that does not last; the program tries as often again.
const BRIEF: u64 = 2;

/// Until windows that were read are read again.
const A_DAY: Duration = Duration::from_hours(25);

/// A fault at a source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell<'a> {
    pub(super) kind: &'a Kind,
    pub(super) source: SourceKind,
    /// Whether it strikes when windows are read again, in place of the first load.
    pub(super) again: bool,
    /// Whether it strikes until its pass ends.
    pub(super) lasting: bool,
}

impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = if self.again { "read again" } else { "first load" };
        let often = if self.lasting { "until the pass ends" } else { "a few times" };
        write!(f, "{} × {} ({when}, {often})", self.kind.name, self.source.as_str())
    }
}

/// What came of a cell.
#[derive(Debug, Default)]
pub(super) struct Came {
    pub(super) faults: Vec<String>,
    /// Requests made for each that had to be.
    pub(super) share: f64,
    pub(super) strikes: u64,
    pub(super) passes: u64,
}

impl Came {
    /// It did not end.
    pub(super) fn hung() -> Self {
        Self { faults: vec!["it hangs".to_owned()], ..Self::default() }
    }
}

/// What the passes of a cell ask when nothing is wrong.
#[derive(Debug, Clone, Copy)]
struct Clean {
    /// By all passes.
    requests: u64,
    /// For rows, in the pass that is to be struck.
    in_struck_pass: u64,
    /// Windows read in that pass.
    windows: u64,
}

/// A database, and sandboxes before it.
pub(super) struct Bench {
    fleet: Fleet,
    now: DateTime<Utc>,
    clean: HashMap<(SourceKind, bool, u64), Clean>,
}

/// The passes of a cell: how far the clock goes on before each.
fn passes(again: bool) -> &'static [Duration] {
    if again { &[Duration::ZERO, A_DAY, Duration::ZERO, A_DAY] } else { &[Duration::ZERO, Duration::ZERO, A_DAY] }
}

impl Bench {
    pub(super) async fn new() -> Self {
        let fleet = Fleet::new(0, |_| {}).await;
        Self { now: fleet.clock.now(), fleet, clean: HashMap::new() }
    }

    /// Makes a cell's passes.
    pub(super) async fn go_through(&mut self, cell: &Cell<'_>, seed: u64, dice: &mut ChaCha8Rng) -> Came {
        let known = self.clean.get(&(cell.source, cell.again, seed)).copied();
        let clean = match known {
            Some(clean) => Ok(clean),
            None => self.without(cell, seed).await,
        };
        match clean {
            Ok(clean) => self.struck(cell, seed, clean, dice).await,
            Err(fault) => Came { faults: vec![fault], ..Came::default() },
        }
    }

    /// The cell's passes without its fault.
    async fn without(&mut self, cell: &Cell<'_>, seed: u64) -> Result<Clean, String> {
        let (wire, _) = self.fresh(cell, seed, false).await;
        let mut clean = Clean { requests: 0, in_struck_pass: 0, windows: 0 };
        for (number, later) in passes(cell.again).iter().enumerate() {
            let before = asked(&wire, rows_path(cell.source));
            let summary = self.pass(cell, &wire, *later, false).await;
            if number == struck_pass(cell) {
                clean.in_struck_pass = asked(&wire, rows_path(cell.source)) - before;
                clean.windows = windows(&summary);
            }
            if let Some(fault) = self.fleet.untrue().await {
                return Err(format!("even without the fault, {:?}: {fault}", summary.outcome));
            }
        }
        clean.requests = asked(&wire, "");
        self.clean.insert((cell.source, cell.again, seed), clean);
        Ok(clean)
    }

    async fn struck(&mut self, cell: &Cell<'_>, seed: u64, clean: Clean, dice: &mut ChaCha8Rng) -> Came {
        let short_tokens = matches!(cell.kind.what, What::ShortTokens);
        let (wire, ahead) = self.fresh(cell, seed, short_tokens).await;
        let mut came = Came::default();
        let mut last = Known::default();
        let (mut rest, mut unread) = (0, 0);
        for (number, later) in passes(cell.again).iter().enumerate() {
            let struck = number == struck_pass(cell);
            let mut after = 0;
            if struck {
                // Somewhere in it, so that all strikes find a request.
                let most = clean.in_struck_pass.saturating_sub(4 + BRIEF);
                after =
                    if cell.kind.path(cell.source) == rows_path(cell.source) { dice.random_range(0..=most) } else { 0 };
                let times = if cell.lasting { u64::MAX } else { BRIEF };
                cell.kind.set(&self.fleet.sandbox, &wire, cell.source, after, times);
            }
            let summary = self.pass(cell, &wire, *later, cell.kind.waits).await;
            came.passes += 1;
            if struck {
                unread = clean.windows.saturating_sub(windows(&summary));
                rest = clean.in_struck_pass.saturating_sub(after);
                wire.clear();
                self.fleet.sandbox.faults().clear();
            }
            if let Err(fault) = trustworthy(&self.fleet, cell, ahead, &mut last).await {
                came.faults.push(format!("after pass {number}, which ended {:?}: {fault}", summary.outcome));
            }
            let right = match cell.kind.mended {
                _ if number + 1 == passes(cell.again).len() => true,
                Mended::NextPass => number != struck_pass(cell),
                Mended::Reread => number < struck_pass(cell),
            };
            if right && let Some(fault) = self.fleet.untrue().await {
                came.faults.push(format!("after pass {number}, which ended {:?}: {fault}", summary.outcome));
            }
        }
        if wire.contacts_elsewhere() > 0 {
            came.faults.push("another host was contacted".to_owned());
        }
        came.strikes = wire.struck() + self.fleet.sandbox.faults().struck();
        let steps = match cell.kind.what {
            What::Clock(_) | What::ShortTokens => self.fleet.sandbox.faults().clocks_set(),
            What::Sandbox(_) | What::Wire(_) => came.strikes,
        };
        if steps == 0 {
            came.faults.push("nothing was struck".to_owned());
        }
        let streams = standing(&self.fleet.pool).await.len() as u64;
        let steps = if cell.lasting { steps.min(calls(cell, streams, unread) * (1 + BRIEF)) } else { steps };
        let needed = match cell.kind.costs {
            Costs::TokenAndRequest if cell.source == SourceKind::HecOne => 3 * steps,
            Costs::Request | Costs::TokenAndRequest => steps,
            // A stretch of three days, whatever it holds, is not asked for less than once more.
            Costs::Pages => steps * pages_of_a_window(),
            // No more than there was to ask for: what is asked for twice in that pass is not needed.
            Costs::AllSince => rest.min(cell.kind.answered_wrongly(pages_of_a_window())) + steps,
        };
        // A token of a second must be renewed every second, however slow the machine.
        let made = asked(&wire, "") - if short_tokens { asked(&wire, "/login").saturating_sub(4) } else { 0 };
        came.share = made as f64 / (clean.requests + needed) as f64;
        came
    }

    /// An empty warehouse and a new sandbox with a wire before it. How far ahead its clock may come to stand.
    async fn fresh(&mut self, cell: &Cell<'_>, seed: u64, short_tokens: bool) -> (Wire, TimeDelta) {
        sqlx::query(
            "TRUNCATE fuel.transaction, fuel.record, fuel.quarantine, fuel.sync_window, fuel.transaction_version, \
                 fuel.checkpoint, fuel.gap, fuel.sync_run",
        )
        .execute(&self.fleet.pool)
        .await
        .expect("an empty warehouse");
        self.fleet.clock.set(self.now);
        let mut shares = [0; 4];
        shares[cell.source as usize] = 1;
        let to = start() + TimeDelta::days(40);
        let world = WorldOptions { seed, sales: SALES, shares, from: start(), to, ..WorldOptions::default() };
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.fleet.clock);
        let mut options = sandbox::Options { world, clock, ..sandbox::Options::default() };
        if short_tokens {
            options.hecone.expires_in = 1;
        }
        self.fleet.sandbox = sandbox::start(options).await.expect("a sandbox");
        let wire = Wire::start(self.fleet.sandbox.addr()).await.expect("a wire");
        let ahead = match cell.kind.what {
            What::Clock(steps) => steps.iter().copied().max().unwrap_or_default().clamp(0, 24 * 60),
            What::Sandbox(_) | What::Wire(_) | What::ShortTokens => 1,
        };
        (wire, TimeDelta::minutes(ahead) + TimeDelta::seconds(2))
    }

    async fn pass(&self, cell: &Cell<'_>, wire: &Wire, later: Duration, waits: bool) -> Summary {
        self.fleet.clock.advance(later);
        self.process(cell, wire, waits).pass(&CancellationToken::new()).await
    }

    /// A process of its own, that asks through the wire.
    fn process(&self, cell: &Cell<'_>, wire: &Wire, waits: bool) -> Passes {
        let mut config = self.fleet.config.clone();
        through(&mut config, wire);
        config.sync.workers = 1;
        config.http.max_retries = u32::try_from(BRIEF).unwrap_or_default();
        config.http.max_body = MOST;
        config.http.request_timeout = if waits { Duration::from_millis(700) } else { Duration::from_secs(30) };
        for account in &mut config.hecone {
            account.page_limit = PAGE;
            account.grid = Grid::days(3).expect("a grid");
        }
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.fleet.clock);
        let mut app = App::new(config, clock).expect("an app");
        app.transport = app.transport.with_first_wait(Duration::from_millis(10));
        app.passes(self.fleet.warehouse.clone(), |kind, _| kind == cell.source)
    }
}

/// Calls that a fault may meet that lasts until the pass ends, each of which may be tried as often as the configuration
/// says. A stream stops at the first window that it cannot read, unless that is read again and another one was read:
/// then those behind it are tried, too, each once. Without a list of contracts the streams that are known are tried.
fn calls(cell: &Cell<'_>, streams: u64, unread: u64) -> u64 {
    match cell.kind.place {
        Place::First => 1 + streams,
        Place::Rows if cell.again => unread.max(streams),
        Place::Rows => streams,
    }
}

/// Windows read in a pass.
fn windows(summary: &Summary) -> u64 {
    summary.streams.iter().map(|stream| stream.windows).sum()
}

/// Which of the passes meets the fault.
const fn struck_pass(cell: &Cell<'_>) -> usize {
    if cell.again { 1 } else { 0 }
}

/// As many as a window of three days has, about.
const fn pages_of_a_window() -> u64 {
    SALES * 3 / 40 / PAGE as u64 + 2
}

/// Requests through the wire whose path holds this.
fn asked(wire: &Wire, path: &str) -> u64 {
    let all: Vec<Seen> = wire.requests().all();
    all.iter().filter(|seen| seen.path.contains(path)).count() as u64
}

type Standing = (String, Option<DateTime<Utc>>, Vec<DateTime<Utc>>, Vec<DateTime<Utc>>, Vec<DateTime<Utc>>);

/// What is known of the streams from earlier looks.
#[derive(Debug, Default)]
struct Known {
    /// Where each one's watermark stood.
    watermarks: HashMap<String, DateTime<Utc>>,
    /// Up to which time of its source each window has been read at most.
    reads: HashMap<(String, DateTime<Utc>), DateTime<Utc>>,
}

/// The watermark of every stream is covered by windows read without a gap, up to the publish delay before the source's
/// time at their reading; no window was read beyond that time, and no stream's watermark moved back.
async fn trustworthy(fleet: &Fleet, cell: &Cell<'_>, ahead: TimeDelta, last: &mut Known) -> Result<(), String> {
    let delay = TimeDelta::from_std(fleet.config.sync.publish_delay).map_err(|error| error.to_string())?;
    let now = fleet.clock.now();
    let mut left = last.watermarks.clone();
    for (stream, watermark, starts, ends, reads) in standing(&fleet.pool).await {
        let mut covered = start();
        for ((from, to), read) in starts.iter().zip(&ends).zip(&reads) {
            if *read > now + ahead {
                return Err(format!("{stream}: read through {read}, but it is {now} at {}", cell.source.as_str()));
            }
            // The source's time was believed when it was read, also when it was set right since.
            let read = last
                .reads
                .entry((stream.clone(), *from))
                .and_modify(|most| *most = (*most).max(*read))
                .or_insert(*read);
            if *from <= covered {
                covered = covered.max((*to).min(*read - delay));
            }
        }
        if watermark.is_some_and(|watermark| watermark > covered) {
            return Err(format!("{stream}: the watermark is {watermark:?}, read without a gap is up to {covered}"));
        }
        if let Some(before) = left.remove(&stream)
            && watermark.is_none_or(|watermark| watermark < before)
        {
            return Err(format!("{stream}: the watermark moved back from {before} to {watermark:?}"));
        }
        last.watermarks.extend(watermark.map(|watermark| (stream, watermark)));
    }
    match left.into_keys().next() {
        Some(gone) => Err(format!("{gone} had a watermark and is gone")),
        None => Ok(()),
    }
}

/// Each stream, its watermark, and its windows read, in order of time.
async fn standing(pool: &PgPool) -> Vec<Standing> {
    sqlx::query_as(
        "SELECT concat_ws('/', source, account, partition), watermark, \
             array_remove(array_agg(w.window_start ORDER BY w.window_start), NULL), \
             array_remove(array_agg(w.window_end ORDER BY w.window_start), NULL), \
             array_remove(array_agg(w.read_through ORDER BY w.window_start), NULL) \
         FROM fuel.checkpoint LEFT JOIN (SELECT * FROM fuel.sync_window WHERE read_through IS NOT NULL) w \
             USING (source, account, partition) GROUP BY source, account, partition",
    )
    .fetch_all(pool)
    .await
    .expect("the ledger")
}
