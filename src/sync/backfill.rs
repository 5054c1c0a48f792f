//! Loads a stretch of history beside a running daemon.
//!
//! It claims single windows in the ledger, reads each whole and writes it, and never touches the watermark. What the
//! ledger has as read is left out, so that a backfill that was stopped goes on where it was, and several processes may
//! share one. A daemon sees what it read in the same ledger.

use std::{
    collections::{HashMap, HashSet},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream};
use tokio_util::sync::CancellationToken;

use super::{
    lost,
    pass::Passes,
    plan::{self, Read},
    retention::Urgency,
    stream::Reader,
    summary::{StreamOutcome, StreamSummary, Summary},
    traced,
    window::{self, Disposition, Hold, WindowError, Windows},
};
use crate::{
    domain::{Grid, StreamId, Window},
    failpoint::{Point, reached},
    telemetry::Mode,
    warehouse::{WarehouseError, ledger::Entry},
};

/// What to load.
#[derive(Debug, Clone, Copy)]
pub struct Stretch {
    /// From here.
    pub from: DateTime<Utc>,
    /// To here; the source's present when absent.
    pub to: Option<DateTime<Utc>>,
    /// Windows that the ledger has as read, too.
    pub again: bool,
    /// Windows read at the same time.
    pub workers: usize,
}

/// The windows of a stretch that are still to be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Todo {
    /// To be read now, in order of time.
    pub due: Vec<Window>,
    /// How many another worker is reading.
    pub held: usize,
}

/// What of a stretch is to be read: rows of the ledger that were not read to their end, and grid cells where it has none.
/// `again`: those, too, that were not read whole after then, by the source's clock.
pub fn windows(
    stretch: Window,
    grid: Grid,
    ledger: &[Entry],
    present: DateTime<Utc>,
    again: Option<DateTime<Utc>>,
) -> Todo {
    let mut todo = Todo::default();
    for entry in ledger.iter().filter(|entry| entry.window.intersect(&stretch).is_some()) {
        let end = entry.window.end().min(stretch.end()).min(present);
        let is_read = entry.read_through.is_some_and(|read| read >= end);
        let is_recent = again.is_none_or(|since| entry.full_read_at.is_some_and(|read| read > since));
        match (is_read && is_recent, entry.is_claimed) {
            (true, _) => {}
            (false, true) => todo.held += 1,
            (false, false) => todo.due.push(entry.window),
        }
    }
    let new = stretch.minus(ledger.iter().map(|entry| entry.window));
    todo.due.extend(new.into_iter().flat_map(|piece| grid.cut(piece)));
    todo.due.sort_unstable();
    todo
}

/// Loads a stretch of every stream of the accounts, in rounds: what another worker holds is waited for, and taken over
/// when its claim expires, so that a backfill that ends well has read everything.
pub async fn run(passes: &Passes, stretch: Stretch, stop: &CancellationToken) -> Summary {
    let mut streams = Vec::new();
    let mut remarks = Vec::new();
    let mut planned = 0;
    for account in &passes.accounts {
        let discovered = passes.discover(account, stop).await;
        remarks.extend(discovered.remarks);
        let reader = passes.reader(account);
        streams.extend(discovered.streams.into_iter().map(|stream| Loading::new(reader.clone(), stream)));
    }
    loop {
        let mut work = Vec::new();
        let mut held = 0;
        for (number, loading) in streams.iter_mut().enumerate().filter(|(_, loading)| loading.goes_on()) {
            match loading.plan(stretch).await {
                Ok(todo) => {
                    held += todo.held;
                    work.extend(todo.due.into_iter().map(|window| (number, window)));
                }
                Err(error) => loading.fail(&error),
            }
        }
        if work.is_empty() && held == 0 {
            break;
        }
        if stop.is_cancelled() {
            for loading in streams.iter_mut().filter(|loading| loading.goes_on()) {
                loading.fail(&WindowError::Stopped);
            }
            break;
        }
        if work.is_empty() {
            tracing::info!(windows = held, "waiting for windows that another worker is reading");
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                () = stop.cancelled() => {}
            }
            continue;
        }
        let (_, written, _) = passes.progress.read();
        passes.progress.replan(&mut planned, written + work.len() as u64);
        round(&mut streams, work, stretch.workers, stop).await;
    }
    for loading in &mut streams {
        if let Ok(watermark) = passes.warehouse.watermark(&loading.summary.stream).await {
            loading.summary.watermark = watermark;
        }
    }
    remarks.extend(streams.into_iter().map(|loading| loading.summary));
    Summary::of(remarks)
}

/// Puts windows of several streams in order: those first that their source forgets soonest, then the oldest.
fn in_order(work: &mut [(usize, Window)], horizons: &[Option<DateTime<Utc>>]) {
    work.sort_by_key(|(number, window)| {
        let horizon = horizons.get(*number).copied().flatten();
        (Urgency::of(window.start(), horizon), *window)
    });
}

/// Reads windows of several streams. A stream that fails is given up.
async fn round(streams: &mut [Loading], mut work: Vec<(usize, Window)>, workers: usize, stop: &CancellationToken) {
    let horizons: Vec<_> = streams.iter().map(Loading::horizon).collect();
    in_order(&mut work, &horizons);
    let given_up: Vec<_> = streams.iter().map(|_| AtomicBool::new(false)).collect();
    let ready: &[Loading] = streams;
    let done: Vec<_> = stream::iter(work)
        .map(async |(number, window)| {
            let (loading, given_up) = (&ready[number], &given_up[number]);
            if stop.is_cancelled() || given_up.load(Ordering::Relaxed) {
                return (number, window, Ok(Worked::Nothing));
            }
            let done = one(&loading.reader, &loading.summary.stream, window, Why::Load, stop).await;
            given_up.fetch_or(done.is_err(), Ordering::Relaxed);
            (number, window, done)
        })
        .buffer_unordered(workers.max(1))
        .collect()
        .await;
    for (number, window, done) in done {
        let loading = &mut streams[number];
        match done {
            Ok(Worked::Written(done)) => {
                loading.done.insert(window);
                loading.summary.windows += 1;
                loading.summary.counts += done.counts;
                loading.summary.gaps.extend(done.lost);
            }
            Ok(Worked::Lost(lost)) => loading.summary.gaps.extend(lost),
            // What was written is younger. Where it is the whole window, the next round leaves it out.
            Ok(Worked::Overtaken(error)) => {
                let times = loading.overtaken.entry(window).or_default();
                *times += 1;
                if *times >= OVERTAKEN {
                    loading.fail(&error);
                }
            }
            Ok(Worked::Nothing) => {}
            Err(error) => loading.fail(&error),
        }
    }
}

/// What became of a window in a round.
pub(super) enum Worked {
    Written(window::WindowDone),
    /// The source no longer serves a part of it: this was newly found to be lost.
    Lost(Vec<Window>),
    /// A read that began later was written before.
    Overtaken(WindowError),
    /// Another worker has it, or nothing of it is there to be read.
    Nothing,
}

/// Times that a window is read because a younger read of a part of it was written before.
const OVERTAKEN: u32 = 20;

/// A stream being loaded.
struct Loading {
    reader: Reader,
    summary: StreamSummary,
    done: HashSet<Window>,
    /// How often a window was overtaken.
    overtaken: HashMap<Window, u32>,
    /// The source's time when the backfill began.
    began: Option<DateTime<Utc>>,
}

impl Loading {
    fn new(reader: Reader, stream: StreamId) -> Self {
        Self {
            reader,
            summary: StreamSummary::new(stream),
            done: HashSet::new(),
            overtaken: HashMap::new(),
            began: None,
        }
    }

    /// The oldest instant that the source serves.
    fn horizon(&self) -> Option<DateTime<Utc>> {
        let source = &self.reader.source;
        source.horizon(self.summary.stream.source, source.present())
    }

    fn goes_on(&self) -> bool {
        self.summary.outcome == StreamOutcome::Ok
    }

    fn fail(&mut self, error: &WindowError) {
        if !self.goes_on() {
            return;
        }
        self.summary.outcome = StreamOutcome::of(error.disposition());
        self.summary.error = Some(error.to_string());
        if self.summary.outcome != StreamOutcome::Stopped {
            tracing::error!(stream = %self.summary.stream, error = %error, "the backfill gives this stream up; what it read is committed; run it again to go on");
        }
    }

    async fn plan(&mut self, asked: Stretch) -> Result<Todo, WindowError> {
        let stream = self.summary.stream.clone();
        self.reader.warehouse.heed(&self.reader.forgotten).await?;
        self.reader.source.settle_clock().await?;
        let began = *self.began.get_or_insert_with(|| self.reader.source.present());
        let again = asked.again.then_some(began);
        let mut todo = plan(&self.reader, &stream, asked, again, &mut self.summary).await?;
        todo.due.retain(|window| !self.done.contains(window));
        Ok(todo)
    }
}

/// What of a stream is to be read; what is lost at the source is recorded.
async fn plan(
    reader: &Reader,
    stream: &StreamId,
    asked: Stretch,
    again: Option<DateTime<Utc>>,
    summary: &mut StreamSummary,
) -> Result<Todo, WindowError> {
    let present = reader.source.present();
    let Some(wanted) = Window::new(asked.from, asked.to.unwrap_or(present).min(present)) else {
        return Ok(Todo::default());
    };
    let wanted = reader.source.widen(stream.source, wanted);
    let asked_from = wanted.start();
    // Whole cells of the grid, so that later reads meet the same rows of the ledger.
    let cells = reader.grid.cell(wanted.start()).zip(reader.grid.cell(wanted.end() - TimeDelta::microseconds(1)));
    let wanted = cells.and_then(|(first, last)| Window::new(first.start(), last.end())).unwrap_or(wanted);
    let gaps = reader.warehouse.gaps(stream).await?;
    let horizon = reader.source.horizon(stream.source, present);
    let ledger = reader.warehouse.ledger(stream, DateTime::UNIX_EPOCH).await?;
    if let Some(beyond) = horizon.and_then(|horizon| Window::new(asked_from, wanted.end().min(horizon))) {
        let read = ledger.iter().filter(|entry| entry.read_through.is_some()).map(|entry| entry.window);
        for piece in beyond.minus(read.chain(gaps.iter().copied())) {
            summary.gaps.extend(lost::lose(&reader.warehouse, stream, piece).await?);
        }
    }
    let from = horizon.map_or(wanted.start(), |horizon| wanted.start().max(horizon));
    let from = gaps.iter().filter(|gap| gap.start() <= from).map(Window::end).fold(from, DateTime::max);
    let Some(served) = Window::new(from, wanted.end()) else { return Ok(Todo::default()) };
    Ok(windows(served, reader.grid, &ledger, present, again))
}

/// Why a window is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// To have it.
    Load,
    /// To mend what was altered here. Should it fail, the ledger has the window as it was: it has been read.
    Repair,
}

/// Claims a window, reads it and writes it.
#[tracing::instrument(level = "error", skip_all, fields(stream = %stream, window = %window))]
pub(super) async fn one(
    reader: &Reader,
    stream: &StreamId,
    window: Window,
    why: Why,
    stop: &CancellationToken,
) -> Result<Worked, WindowError> {
    let lasting = reader.settings.lease;
    let Some((claim, asked_at)) = reader.warehouse.claim_window(stream, window, &reader.owner, lasting).await? else {
        return Ok(Worked::Nothing);
    };
    reached(Point::Claimed);
    let present = reader.source.present();
    let gaps = reader.warehouse.gaps(stream).await?;
    let horizon = reader.source.horizon(stream.source, present);
    let from = plan::oldest_served(horizon, &gaps, window);
    // Nothing of it is served any more, or its time has not come: there is nothing to read.
    let Some(stretch) = Window::new(from, window.end().min(present)) else {
        let _ = reader.warehouse.release_claim(stream, window, &claim).await;
        return Ok(Worked::Nothing);
    };
    // What is there and should not be is found by its absence: at the very start of the window, too. But nothing is read from
    // before the account's own start.
    let stretch = match reader.source.certain(stretch) {
        certain if why == Why::Repair && certain.start() >= reader.start => certain,
        _ => stretch,
    };
    let read = Read { window, stretch, moves_watermark: false, was_read: false };
    let hold = match why {
        Why::Load => Hold::Claim(&claim),
        Why::Repair => Hold::Repair(&claim),
    };
    let with = Windows {
        warehouse: &reader.warehouse,
        source: &*reader.source,
        settings: &reader.settings,
        forgotten: &reader.forgotten,
        stream,
        // It may be to mend what was done by hand: each record is understood anew, and all is compared.
        recognize: false,
        stop,
    };
    let span = reader.telemetry.window(Mode::Backfill, stream, window);
    let reading = span.scope(window::read_window(&with, &read, hold, asked_at));
    let done = tokio::select! {
        done = reading => done,
        error = keep(reader, stream, window) => Err(error.into()),
    };
    match &done {
        Ok(done) => traced::written(&span, &done.counts),
        Err(error) => traced::failed(&span, error),
    }
    match done {
        Ok(done) => {
            reader.progress.wrote(done.counts.fetched);
            Ok(Worked::Written(done))
        }
        Err(error) => {
            // Given back at once; were it not, it would expire by itself.
            let _ = reader.warehouse.release_claim(stream, window, &claim).await;
            match error.disposition() {
                Disposition::Drop => Ok(Worked::Overtaken(error)),
                Disposition::LeaveStream => Ok(Worked::Nothing),
                Disposition::NextPass if why == Why::Repair => Err(error),
                Disposition::NextPass => {
                    let said = reader.forgotten.persons().left_of(error.to_string());
                    if let Err(noting) = reader.warehouse.note_failure(stream, window, asked_at, &said).await {
                        tracing::warn!(error = %noting, "why the window was not read could not be noted");
                    }
                    Err(error)
                }
                // The next round plans what is left of it; when nothing was found out, that would be the same again.
                Disposition::Gap => {
                    let lost = lost::lose(&reader.warehouse, stream, error.lost(&read)).await?;
                    let wiser = reader.source.horizon(stream.source, present) > horizon;
                    if lost.is_empty() && !wiser { Err(error) } else { Ok(Worked::Lost(lost)) }
                }
                Disposition::StopAccount
                | Disposition::SwitchOff
                | Disposition::Rest
                | Disposition::StopPass
                | Disposition::Stop => Err(error),
            }
        }
    }
}

/// Renews the claim on a window for as long as it is asked to; returns only when it is lost.
async fn keep(reader: &Reader, stream: &StreamId, window: Window) -> WarehouseError {
    let mut bell = tokio::time::interval(reader.settings.lease / 3);
    bell.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    bell.tick().await;
    loop {
        bell.tick().await;
        match reader.warehouse.claim_window(stream, window, &reader.owner, reader.settings.lease).await {
            Ok(Some(_)) => {}
            Ok(None) => return WarehouseError::LeaseLost,
            // The commit checks the claim itself; a renewal that fails is tried again in time.
            Err(error) => tracing::warn!(error = %error, "the claim on a window could not be renewed; trying again"),
        }
    }
}

#[cfg(test)]
mod tests;
