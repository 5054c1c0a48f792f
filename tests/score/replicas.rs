//! `replicas`: eight processes on one warehouse, killed and frozen all the time, and a backfill beside them: no deadlock,
//! no watermark that moves back, no row that is wrong.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use fuelsync::{
    clock::{Clock, SystemClock},
    sandbox::{
        faults::{Fault, Script},
        truth::Scope,
    },
};
use nix::sys::signal::Signal;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{
    Measured, Run, now,
    support::fleet,
    yard::{Process, Store, Yard},
};

const PROCESSES: usize = 8;
const SALES: u64 = 3_000;
/// Every window is read again and again, so that the processes really meet on the same rows.
const SYNC: &str = "lease = \"1s\"\nreread = [{younger_than = \"400d\", every = \"1s\"}]";

/// So much faster does the vendors' time go: a few hours of sales and of their changes in the minutes of a run. Far less
/// than a signature's five minutes passes while a process is frozen.
const PACE: i32 = 30;

/// The vendors' time, until it is stopped.
#[derive(Debug)]
struct Stoppable {
    begun: DateTime<Utc>,
    stopped: Mutex<Option<DateTime<Utc>>>,
}

impl Stoppable {
    fn new() -> Self {
        Self { begun: SystemClock.now(), stopped: Mutex::new(None) }
    }

    fn stop(&self) -> DateTime<Utc> {
        let now = self.now();
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(now)
    }
}

impl Clock for Stoppable {
    fn now(&self) -> DateTime<Utc> {
        let stopped = *self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        stopped.unwrap_or_else(|| self.begun + (SystemClock.now() - self.begun) * PACE)
    }

    fn monotonic(&self) -> Instant {
        SystemClock.monotonic()
    }
}

/// Rows that came back to a content that they had before: in this world none does by itself, so an older read has been
/// written over a younger one.
const STALE: &str = "\
SELECT count(*) FROM ( \
  SELECT FROM ( \
    SELECT source, account, source_transaction_id, line_id, row_before ->> 'content_hash' AS content \
      FROM fuel.transaction_version WHERE operation = 'change' \
    UNION ALL \
    SELECT source, account, source_transaction_id, line_id, to_jsonb(content_hash) #>> '{}' FROM fuel.transaction \
  ) AS image GROUP BY source, account, source_transaction_id, line_id, content HAVING count(*) > 1) AS twice";

/// Runs for `size` seconds.
pub(crate) async fn measure(run: Run) -> Measured {
    let mut measured = Measured::default();
    let mut dice = ChaCha8Rng::seed_from_u64(run.seed);
    let clock = Arc::new(Stoppable::new());
    let yard = Yard::new(SALES, run.seed, |options| {
        options.clock = Arc::<Stoppable>::clone(&clock);
        // Sales go on, and change, while they are read.
        options.world.as_of = None;
        options.world.to = options.world.from + TimeDelta::days(13);
    })
    .await;
    // The vendor takes its time: whoever is frozen is frozen in the middle of a read.
    let slow = Fault::Latency(Duration::from_millis(120));
    yard.sandbox.faults().script(Script { path: String::new(), after: 0, times: u64::MAX, fault: slow });
    let store = Store::new().await;
    let config = yard
        .config(&store, SYNC)
        .replace("[database]\n", "[database]\nmax_connections = 4\n")
        .replace("start = ", "schedule = \"* * * * * *\"\nstart = ");
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let start = || Process::start(&["run", "-q"], &config, &[]);
    // From a little before the daemons' own beginning: windows that they read too, and some of its own, and not so many that
    // it does not come to an end.
    let from = (yard.start - TimeDelta::days(5)).format("%Y-%m-%d").to_string();
    let load = || Process::start(&["backfill", "-q", "--from", &from, "--again"], &config, &[]);
    let mut running: Vec<Process> = (0..PROCESSES).map(|_| start()).collect();
    let mut frozen: Vec<Option<Instant>> = vec![None; PROCESSES];
    let mut backfill = load();
    let (begun, length) = (now(), Duration::from_secs(run.size));
    let (mut kills, mut freezes, mut looks, mut backfills) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut watermarks = HashMap::new();
    let mut next = Duration::ZERO;
    while begun.elapsed() < length {
        tokio::time::sleep(Duration::from_millis(50)).await;
        looks += 1;
        back(&store, &mut watermarks, &mut measured).await;
        for (process, until) in running.iter().zip(&mut frozen) {
            if until.is_some_and(|until| now() >= until) {
                *until = None;
                process.signal(Signal::SIGCONT);
            }
        }
        if backfill.has_ended() {
            let ended = std::mem::replace(&mut backfill, load()).end().await;
            backfills += 1;
            measured.goal(ended.code == Some(0), || format!("a backfill ended {ended}"));
        }
        if begun.elapsed() < next {
            continue;
        }
        next = begun.elapsed() + Duration::from_millis(dice.random_range(50..900));
        let one = reading(&store, &running).await.unwrap_or_else(|| dice.random_range(0..PROCESSES));
        if dice.random_bool(0.3) {
            kills += 1;
            running[one].signal(Signal::SIGKILL);
            std::mem::replace(&mut running[one], start()).end().await;
            frozen[one] = None;
        } else if frozen[one].is_none() {
            freezes += 1;
            running[one].signal(Signal::SIGSTOP);
            frozen[one] = Some(now() + Duration::from_millis(dice.random_range(500..3_500)));
        }
    }
    for process in running.into_iter().chain([backfill]) {
        process.signal(Signal::SIGCONT);
        process.signal(Signal::SIGTERM);
        let ended = process.end().await;
        measured.goal(matches!(ended.code, Some(0 | 143)), || format!("a process ended {ended}"));
    }
    back(&store, &mut watermarks, &mut measured).await;
    // Before the last reads, which would mend it.
    let stale = store.number(STALE).await;
    let at = clock.stop();
    yard.sandbox.faults().clear();
    store.expire().await;
    // Every window is due: the last run sees all of the world as it stands now.
    tokio::time::sleep(Duration::from_secs(2)).await;
    for _ in 0..2 {
        let last = Process::start(&["sync", "-q"], &config, &[]).end().await;
        measured.goal(last.code == Some(0), || format!("the last run ended {last}"));
    }
    let scope = Scope::from(yard.start);
    if let Some(fault) = fleet::untrue(&store.pool, yard.sandbox.world(), at, &scope).await {
        measured.fault(fault);
    }
    let deadlocks = store.number(deadlocks).await;
    let changes = store.number("SELECT count(*) FROM fuel.transaction_version").await;
    let long = run.size >= 60;
    measured
        .goal(deadlocks == 0, || format!("{deadlocks} deadlocks"))
        .goal(stale == 0, || format!("{stale} rows were written back to what they had been before"))
        .goal(!long || (changes > 0 && kills > 0 && freezes > 0 && backfills > 0), || "too little happened".to_owned())
        .note("processes", PROCESSES)
        .note("kills", kills)
        .note("freezes", freezes)
        .note("deadlocks", deadlocks)
        .note("looks_at_the_watermarks", looks)
        .note("leases_taken", store.number("SELECT sum(epoch)::bigint FROM fuel.checkpoint").await)
        .note("rows", store.number("SELECT count(*) FROM fuel.transaction").await)
        .note("changes", changes)
        .note("backfills_ended", backfills);
    measured
}

/// The process that holds a lease now, if one does: frozen between its read and its write it does most harm.
async fn reading(store: &Store, running: &[Process]) -> Option<usize> {
    let owner: Option<String> = sqlx::query_scalar(
        "SELECT lease_owner FROM fuel.checkpoint WHERE lease_owner IS NOT NULL ORDER BY random() LIMIT 1",
    )
    .fetch_optional(&store.pool)
    .await
    .expect("leases");
    let pid: i32 = owner?.split(':').nth(1)?.parse().ok()?;
    running.iter().position(|process| process.pid() == pid)
}

/// Notes every watermark that stands behind where it once stood.
async fn back(store: &Store, seen: &mut HashMap<String, DateTime<Utc>>, measured: &mut Measured) {
    let now: Vec<(String, DateTime<Utc>)> =
        sqlx::query_as("SELECT source || '/' || partition, watermark FROM fuel.checkpoint WHERE watermark IS NOT NULL")
            .fetch_all(&store.pool)
            .await
            .expect("watermarks");
    for (stream, watermark) in now {
        let before = seen.entry(stream.clone()).or_insert(watermark);
        measured.goal(*before <= watermark, || format!("{stream} went back from {before} to {watermark}"));
        *before = watermark;
    }
}
