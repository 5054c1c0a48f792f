//! `clock`: a server or a machine whose clock is off, clocks that step, and the nights in which others change theirs.
//!
//! Each run has a server with the true time and a program with a clock of its own. Afterwards the windows of every
//! stream lie end to end from its start on, each once, and the table is the truth. A request is signed within two
//! attempts: there are never two refusals in a row; where a clock is off or steps there is one, or nothing was tried.
//!
//! The nights want a process whose own time zone changes its clocks, as `TZ=Europe/Tallinn` does: in UTC they cannot fail.
//! The sessions of the database are none of it: the driver begins each with UTC.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use chrono::{DateTime, Local, Offset as _, TimeDelta, TimeZone as _, Utc};
use fuelsync::{
    app::App,
    clock::{Clock, ManualClock},
    domain::Grid,
    sandbox::{
        self, WorldOptions,
        faults::{Fault, Script},
    },
    schedule::Schedule,
    sync::{pass::Passes, summary::Outcome},
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{Measured, Run, support::fleet::Fleet};

/// Sales in the four days of a run, over all sources.
const SALES: u64 = 120;

const MINUTE: Duration = Duration::from_mins(1);

/// What happens to the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// The machine's clock is off by so much from the beginning.
    Machine(TimeDelta),
    /// The server's clock is off by so much, until all passes but the last are made.
    Server(TimeDelta),
    /// The machine's clock steps by this while a pass is under way, and back in the next.
    MachineSteps(TimeDelta),
    /// The server's clock steps to this while a pass is under way, then to the other side, then back.
    ServerSteps(TimeDelta),
    /// Nothing: a night in which civil time changes, pass after pass as the daemon makes them.
    Night(&'static str),
}

/// Makes `size` runs, the kinds in turn.
pub(crate) async fn measure(run: Run) -> Measured {
    let mut measured = Measured::default();
    let mut dice = ChaCha8Rng::seed_from_u64(run.seed);
    let mut fleet = Fleet::new(0, |_| {}).await;
    let (mut kinds, mut totals) = (BTreeMap::<String, u64>::new(), Totals::default());
    for number in 0..run.size {
        let what = drawn(number, &mut dice);
        *kinds.entry(name(what).to_owned()).or_default() += 1;
        let came = Timeline::new(&mut fleet, what, run.seed * 1000 + number).await.run(&mut totals).await;
        if let Err(fault) = came {
            measured.fault(format!("run {number}, {what:?}: {fault}"));
        }
    }
    measured
        .note("runs", kinds.into_iter().map(|(k, n)| (k, n.into())).collect::<serde_json::Map<_, _>>())
        .note("passes", totals.passes)
        .note("requests", totals.requests)
        .note("refused_for_their_date", totals.refused)
        .note("most_refused_in_a_row", totals.in_a_row)
        .note("windows", totals.windows);
    measured
}

fn drawn(number: u64, dice: &mut ChaCha8Rng) -> What {
    let mut side = || if dice.random_range(0..2) == 0 { 1 } else { -1 };
    let ten = TimeDelta::minutes(10 * side());
    // Up to half a day, and more than a signature lives.
    let some = TimeDelta::seconds(side() * dice.random_range(301..43_200));
    match number % 8 {
        0 => What::Machine(ten),
        1 => What::Server(ten),
        2 => What::MachineSteps(ten),
        3 => What::ServerSteps(ten),
        4 => What::Night("2026-03-29T01:00:00Z"),
        5 => What::Night("2026-10-25T01:00:00Z"),
        6 => What::Machine(some),
        _ => What::MachineSteps(some),
    }
}

const fn name(what: What) -> &'static str {
    match what {
        What::Machine(_) => "machine off",
        What::Server(_) => "server off",
        What::MachineSteps(_) => "machine steps",
        What::ServerSteps(_) => "server steps",
        What::Night(_) => "night",
    }
}

#[derive(Debug, Default)]
struct Totals {
    passes: u64,
    requests: u64,
    refused: u64,
    in_a_row: u64,
    windows: u64,
}

/// One run.
struct Timeline<'a> {
    fleet: &'a Fleet,
    what: What,
    machine: Arc<ManualClock>,
    daemon: Passes,
}

impl<'a> Timeline<'a> {
    /// An empty warehouse, a new sandbox, and a daemon with a clock of its own; two days of sales have gone by.
    async fn new(fleet: &'a mut Fleet, what: What, seed: u64) -> Self {
        sqlx::query(
            "TRUNCATE fuel.transaction, fuel.record, fuel.quarantine, fuel.sync_window, fuel.transaction_version, \
                 fuel.checkpoint, fuel.gap, fuel.sync_run",
        )
        .execute(&fleet.pool)
        .await
        .expect("an empty warehouse");
        let middle = match what {
            What::Night(change) => change.parse().expect("a time"),
            What::Machine(_) | What::Server(_) | What::MachineSteps(_) | What::ServerSteps(_) => {
                "2026-06-10T12:00:00Z".parse::<DateTime<Utc>>().expect("a time")
            }
        };
        let from = (middle - TimeDelta::days(2)).date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
        let now = middle - TimeDelta::hours(2);
        fleet.clock.set(now);
        (fleet.start, fleet.first_read) = (from, now);
        let to = from + TimeDelta::days(4);
        let world = WorldOptions { seed, sales: SALES, from, to, ..WorldOptions::default() };
        let server: Arc<dyn Clock> = Arc::<ManualClock>::clone(&fleet.clock);
        let options = sandbox::Options { world, clock: server, ..sandbox::Options::default() };
        fleet.sandbox = sandbox::start(options).await.expect("a sandbox");
        let off = if let What::Machine(off) = what { off } else { TimeDelta::zero() };
        let machine = Arc::new(ManualClock::at(now + off));
        let mut config = fleet.config.clone();
        config.sync.workers = 1;
        for account in &mut config.hecone {
            account.base_url = fleet.sandbox.hecone_url().parse().expect("a URL");
            account.start = from;
        }
        for account in &mut config.alexela {
            account.base_url = fleet.sandbox.alexela_url().parse().expect("a URL");
            (account.start, account.grid) = (from, Grid::days(1).expect("a grid"));
        }
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&machine);
        let daemon = App::new(config, clock).expect("an app").passes(fleet.warehouse.clone(), |_, _| true);
        Self { fleet, what, machine, daemon }
    }

    async fn run(self, totals: &mut Totals) -> Result<(), String> {
        let refused = totals.refused;
        match self.what {
            What::Machine(_) => self.several(4, 30 * MINUTE, totals).await?,
            What::Server(off) => {
                self.fleet.sandbox.faults().set_clock_offset(off);
                self.several(4, 30 * MINUTE, totals).await?;
                self.fleet.sandbox.faults().clear();
            }
            What::MachineSteps(by) => {
                self.pass(totals).await?;
                for step in [by, -by] {
                    self.later(45 * MINUTE);
                    let over = AtomicBool::new(false);
                    let passing = async {
                        let passed = self.pass(totals).await;
                        over.store(true, Relaxed);
                        passed
                    };
                    let (passed, stepped) = tokio::join!(passing, self.step_under_way(step, &over));
                    passed?;
                    if !stepped {
                        return Err("the pass was over before the machine's clock stepped".to_owned());
                    }
                }
            }
            What::ServerSteps(by) => {
                self.pass(totals).await?;
                // Each step meets the first attempt at a request: twice within one would be refused, and rightly.
                let places = ["ContractTransactions", "GetBonuscardTransactions", "EvTransactions"];
                for (path, offset) in places.into_iter().zip([by, -by, TimeDelta::zero()]) {
                    let fault = Fault::Clock(offset);
                    self.fleet.sandbox.faults().script(Script { path: path.to_owned(), after: 0, times: 1, fault });
                }
                self.later(45 * MINUTE);
                self.several(2, 45 * MINUTE, totals).await?;
                self.fleet.sandbox.faults().clear();
            }
            What::Night(_) => self.night(totals).await?,
        }
        let right = matches!(self.what, What::Night(_));
        match totals.refused - refused {
            0 if !right => return Err("no request was refused for its date: the clocks were not off".to_owned()),
            1.. if right => return Err("a request was refused for its date, and every clock is right".to_owned()),
            _ => {}
        }
        self.whole(totals).await?;
        // A day on every window is due again, and whatever changed in the meantime has been read.
        self.later(Duration::from_hours(25));
        self.pass(totals).await?;
        self.whole(totals).await?;
        match self.fleet.untrue().await {
            None => Ok(()),
            Some(fault) => Err(fault),
        }
    }

    async fn several(&self, passes: u32, apart: Duration, totals: &mut Totals) -> Result<(), String> {
        for pass in 0..passes {
            if pass > 0 {
                self.later(apart);
            }
            self.pass(totals).await?;
        }
        Ok(())
    }

    /// Four hours, two on each side of the change, a pass whenever the schedule rings. It rings every half hour, no more
    /// and no less.
    async fn night(&self, totals: &mut Totals) -> Result<(), String> {
        in_civil_time(self.fleet.clock.now())?;
        let schedule = Schedule::parse("0 */30 * * * *").map_err(|error| error.to_string())?;
        let begun = self.fleet.clock.now();
        let (mut rung, end) = (0, begun + TimeDelta::hours(4));
        while let Some(next) = schedule.next_after(self.fleet.clock.now()).filter(|next| *next <= end) {
            rung += 1;
            let wait = next - self.fleet.clock.now();
            if wait != TimeDelta::minutes(30) {
                return Err(format!("the schedule rings at {next}, {wait} after the ring before"));
            }
            self.later(30 * MINUTE);
            self.pass(totals).await?;
        }
        if rung == 8 { Ok(()) } else { Err(format!("the schedule rang {rung} times in four hours")) }
    }

    /// Time goes on, on both sides.
    fn later(&self, by: Duration) {
        self.fleet.clock.advance(by);
        self.machine.advance(by);
    }

    /// The machine's clock steps once some requests of the pass are made; says whether the pass was still under way.
    async fn step_under_way(&self, by: TimeDelta, over: &AtomicBool) -> bool {
        let requests = || self.fleet.sandbox.requests().all().len();
        let before = requests();
        let stepped = async {
            while requests() < before + 2 && !over.load(Relaxed) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        stepped.await;
        let under_way = !over.load(Relaxed);
        self.machine.set(self.machine.now() + by);
        under_way
    }

    async fn pass(&self, totals: &mut Totals) -> Result<(), String> {
        let before = self.fleet.sandbox.requests().all().len();
        let summary = self.daemon.pass(&CancellationToken::new()).await;
        let asked = self.fleet.sandbox.requests().all().split_off(before);
        totals.passes += 1;
        totals.requests += asked.len() as u64;
        let (mut in_a_row, mut most) = (0, 0);
        for request in &asked {
            in_a_row = if request.status == 401 { in_a_row + 1 } else { 0 };
            // A token of `HecOne` ends in the course of a night; it has nothing to do with a date.
            totals.refused += u64::from(request.status == 401 && request.path.contains("/api/v1/"));
            most = in_a_row.max(most);
        }
        totals.in_a_row = totals.in_a_row.max(most);
        if most > 1 {
            return Err(format!("{most} refusals in a row"));
        }
        if summary.outcome == Outcome::Ok {
            self.not_ahead().await
        } else {
            let said: Vec<_> = summary.streams.iter().filter_map(|stream| stream.error.clone()).collect();
            Err(format!("a pass ended {:?}: {said:?}", summary.outcome))
        }
    }

    /// No watermark has passed the server's time: what is true and what the answers' whole seconds leave open.
    async fn not_ahead(&self) -> Result<(), String> {
        let furthest: Option<(String, DateTime<Utc>)> = sqlx::query_as(
            "SELECT concat_ws('/', source, partition), watermark FROM fuel.checkpoint WHERE watermark IS NOT NULL ORDER BY 2 DESC LIMIT 1",
        )
            .fetch_optional(&self.fleet.pool)
            .await
            .expect("the watermarks");
        let delay = TimeDelta::from_std(self.daemon.settings.publish_delay).map_err(|error| error.to_string())?;
        // A server that is off itself is believed.
        let believed = match self.what {
            What::Server(off) | What::ServerSteps(off) => off.abs(),
            What::Machine(_) | What::MachineSteps(_) | What::Night(_) => TimeDelta::zero(),
        };
        let now = self.fleet.clock.now() + believed;
        let most = now - delay + TimeDelta::seconds(1);
        match furthest {
            Some((stream, watermark)) if watermark > most => {
                Err(format!("the watermark of {stream} is {watermark}, and it is {now}"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The windows of every stream lie end to end from its start to the present, all of them read.
    async fn whole(&self, totals: &mut Totals) -> Result<(), String> {
        let start = self.daemon.accounts[0].start;
        let (streams, windows, missed) = tiling(&self.fleet.pool, start, self.fleet.clock.now()).await;
        totals.windows = windows;
        if streams != 6 {
            return Err(format!("{streams} streams of 6 have windows"));
        }
        missed.map_or(Ok(()), Err)
    }
}

/// A stream, a window of it, and the time up to which it was read.
type Row = (String, DateTime<Utc>, DateTime<Utc>, Option<DateTime<Utc>>);

/// How many streams have windows, how many windows there are, and the first fault in how they lie.
async fn tiling(pool: &PgPool, start: DateTime<Utc>, now: DateTime<Utc>) -> (i64, u64, Option<String>) {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT concat_ws('/', source, account, partition), window_start, window_end, read_through \
         FROM fuel.sync_window ORDER BY 1, 2",
    )
    .fetch_all(pool)
    .await
    .expect("the ledger");
    let mut streams: BTreeMap<&str, DateTime<Utc>> = BTreeMap::new();
    let mut fault = None;
    for (stream, from, to, read) in &rows {
        let reached = streams.entry(stream).or_insert(start);
        if from != reached {
            fault.get_or_insert(format!("{stream}: a window begins at {from}, those before reach to {reached}"));
        }
        if read.is_none() {
            fault.get_or_insert(format!("{stream}: the window from {from} was never read"));
        }
        *reached = *to;
    }
    for (stream, reached) in &streams {
        if *reached < now {
            fault.get_or_insert(format!("{stream}: windows reach to {reached}, it is {now}"));
        }
    }
    (i64::try_from(streams.len()).unwrap_or(i64::MAX), rows.len() as u64, fault)
}

/// Whether this process's own time is not UTC, and changes in the four hours from here.
fn in_civil_time(from: DateTime<Utc>) -> Result<(), String> {
    let offset = |at: DateTime<Utc>| Local.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc();
    let (before, after) = (offset(from), offset(from + TimeDelta::hours(4)));
    if before != after && before != 0 && after != 0 {
        return Ok(());
    }
    Err(format!("local time is {before} s from UTC before this night and {after} s after it: set TZ=Europe/Tallinn"))
}
