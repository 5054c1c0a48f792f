//! Passes for ever: a worker for each stream, a bell for each account.
//!
//! On a ring an account's streams are discovered, and each one's worker is rung. A worker that is busy keeps at most one
//! ring waiting: a stream never overlaps itself, and a long first load of one contract does not hold up the others. A
//! worker decides by checkpoint and clock what is due; nothing depends on how often the bell rang. Of the workers that wait
//! for a turn the one goes first whose unread stretch the source forgets soonest. A worker that found its
//! stream's lease held by another process watches it, and takes over when it expires.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::future;
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

use super::{
    pass::{Account, Passes},
    retention::Urgency,
    stream::Reader,
    summary::{StreamOutcome, StreamSummary, Summary},
    turns::Turns,
};
use crate::{
    domain::StreamId,
    warehouse::{Warehouse, WarehouseError},
};

/// How often old runs are looked for.
const RUNS_LOOKED_AT: Duration = Duration::from_hours(24);
/// A lease is not looked at more often than this.
const SOON: Duration = Duration::from_millis(20);

/// A task of the daemon ended though nobody had asked it to.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// It panicked.
    #[error(
        "a worker of the daemon died ({0}); what was committed stays; the process ends so that its manager starts it again"
    )]
    Died(#[from] JoinError),
    /// It returned.
    #[error("a worker of the daemon ended by itself; the process ends so that its manager starts it again")]
    Ended,
}

/// Reads every account for as long as it is not stopped. `bells` come in the order of the accounts.
pub async fn run(
    passes: Arc<Passes>,
    bells: Vec<mpsc::Receiver<()>>,
    host: Arc<str>,
    stop: CancellationToken,
) -> Result<(), DaemonError> {
    let turns = Turns::new(passes.settings.workers.max(1));
    let mut accounts = JoinSet::new();
    for (number, bell) in bells.into_iter().enumerate() {
        let (passes, turns, host, stop) = (Arc::clone(&passes), turns.clone(), Arc::clone(&host), stop.clone());
        accounts.spawn(async move {
            match passes.accounts.get(number) {
                Some(account) => read_account(&passes, account, bell, &turns, &host, &stop).await,
                None => Ok(()),
            }
        });
    }
    accounts.spawn(forget_runs(passes.warehouse.clone(), stop.clone()));
    while let Some(ended) = accounts.join_next().await {
        ended??;
        if !stop.is_cancelled() {
            return Err(DaemonError::Ended);
        }
    }
    Ok(())
}

async fn read_account(
    passes: &Arc<Passes>,
    account: &Account,
    mut bell: mpsc::Receiver<()>,
    turns: &Turns,
    host: &Arc<str>,
    stop: &CancellationToken,
) -> Result<(), DaemonError> {
    let mut workers = JoinSet::new();
    let mut doors: HashMap<StreamId, mpsc::Sender<Urgency>> = HashMap::new();
    loop {
        tokio::select! {
            ring = bell.recv() => if ring.is_none() { break },
            Some(ended) = workers.join_next() => {
                let () = ended?;
                if !stop.is_cancelled() {
                    return Err(DaemonError::Ended);
                }
                continue;
            }
            () = stop.cancelled() => break,
        }
        let discovered = passes.discover(account, stop).await;
        for remark in discovered.remarks.iter().filter(|remark| remark.outcome == StreamOutcome::NoDatabase) {
            tracing::error!(stream = %remark.stream, error = remark.error.as_deref(), "the database is out of reach; nothing is read until it is back, and nothing is lost");
        }
        let urgencies = passes.urgencies(&discovered.streams, stop).await;
        for stream in discovered.streams {
            let urgency = urgencies.get(&stream).copied().unwrap_or(Urgency::Never);
            let door = doors.entry(stream).or_insert_with_key(|stream| {
                let (door, rings) = mpsc::channel(1);
                let work = Worker {
                    passes: Arc::clone(passes),
                    reader: Reader { run_on: Some(Arc::clone(host)), ..passes.reader(account) },
                    stream: stream.clone(),
                    turns: turns.clone(),
                };
                workers.spawn(work.run(rings, stop.clone()));
                door
            });
            // Full: a ring is waiting already.
            let _ = door.try_send(urgency);
        }
    }
    drop(doors);
    while let Some(ended) = workers.join_next().await {
        let () = ended?;
    }
    Ok(())
}

/// Deletes the rows of runs older than a year, once a day.
async fn forget_runs(warehouse: Warehouse, stop: CancellationToken) -> Result<(), DaemonError> {
    let mut bell = tokio::time::interval(RUNS_LOOKED_AT);
    bell.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut may = true;
    loop {
        tokio::select! {
            _ = bell.tick() => {}
            () = stop.cancelled() => return Ok(()),
        }
        while may && !stop.is_cancelled() {
            let forgotten = tokio::select! {
                forgotten = warehouse.forget_runs() => forgotten,
                () = stop.cancelled() => return Ok(()),
            };
            match forgotten {
                Ok(0) => break,
                Ok(runs) => tracing::info!(runs, "rows of fuel.sync_run older than a year were deleted"),
                Err(error @ WarehouseError::Forbidden(_)) => {
                    may = false;
                    tracing::info!(error = %error, "rows of fuel.sync_run older than a year stay: the role may not delete them; run deploy/postgres/role.sql");
                }
                Err(error) => {
                    tracing::warn!(error = %error, "rows of fuel.sync_run older than a year could not be deleted; tried again in a day");
                    break;
                }
            }
        }
    }
}

struct Worker {
    passes: Arc<Passes>,
    reader: Reader,
    stream: StreamId,
    turns: Turns,
}

impl Worker {
    async fn run(self, mut rings: mpsc::Receiver<Urgency>, stop: CancellationToken) {
        let (mut held_for, mut urgency) = (None, Urgency::Never);
        loop {
            tokio::select! {
                ring = rings.recv() => match ring {
                    Some(ring) => urgency = ring,
                    None => return,
                },
                () = self.owner_is_gone(held_for) => {
                    tracing::warn!(stream = %self.stream, "the process that held this stream's lease let it expire; taking it over");
                }
                () = stop.cancelled() => return,
            }
            let _turn = self.turns.take(&self.stream, urgency).await;
            if stop.is_cancelled() {
                return;
            }
            let _under_way = self.passes.watch.begin("the pass", &self.stream, self.passes.longest_turn());
            let summary = self.reader.pass(&self.stream, &stop).await;
            self.passes.remember(&summary);
            report(&summary);
            held_for = summary.held_for;
            // A stream that was left to another process is no run of this one.
            if let Some(run) = summary.run {
                let whole = Summary::of(vec![summary]);
                let (windows, counts) = whole.totals();
                if let Err(error) = self.passes.warehouse.end_run(run, whole.outcome.as_str(), windows, &counts).await {
                    tracing::warn!(stream = %self.stream, error = %error, "the run's row could not be closed");
                }
            }
        }
    }
}

impl Worker {
    /// Waits until the lease that another process held has expired without being given back: that process is gone, and
    /// its stream waits for nobody else. Never returns when there is no such lease, or it was given back.
    async fn owner_is_gone(&self, held_for: Option<Duration>) {
        let Some(mut left) = held_for else { return future::pending().await };
        loop {
            tokio::time::sleep(left.max(SOON)).await;
            left = match self.passes.warehouse.lease_left(&self.stream).await {
                Ok(Some(Duration::ZERO)) => return,
                Ok(Some(left)) => left,
                Ok(None) => return future::pending().await,
                // The database is out of reach: asked again.
                Err(_) => Duration::from_secs(1),
            };
        }
    }
}

/// One line a pass, for operators.
fn report(summary: &StreamSummary) {
    if summary.outcome == StreamOutcome::Ok {
        let counts = &summary.counts;
        tracing::info!(
            stream = %summary.stream, windows = summary.windows, fetched = counts.fetched, inserted = counts.inserted, updated = counts.updated,
            quarantined = counts.quarantined, missing = counts.missing, watermark = summary.watermark.map(tracing::field::display),
            "pass done"
        );
    }
}
