//! Reads one window and has it written: the unit of everything.
//!
//! The source sends records into a bounded channel while they are numbered and counted here; only when the answer is
//! whole is the warehouse asked to write it. Whatever goes wrong before that leaves nothing behind.

use std::{pin::pin, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{lost, plan::Read};
use crate::{
    config,
    domain::{StreamId, Window},
    failpoint::{Bug, Point, planted, reached},
    privacy::Forgotten,
    source::{Known, ReadEnd, ReadEvent, Source, SourceError},
    telemetry::{self, Part},
    warehouse::{
        Warehouse, WarehouseError,
        incoming::{self, Batch, Incoming},
        lease::{Claim, Lease},
        load::{Counts, WindowRead, Writer},
    },
};

/// Batches that may wait between the source and the log: one at each end and one between.
const QUEUE: usize = 1;

/// Why a window was not written.
#[derive(Debug, thiserror::Error)]
pub enum WindowError {
    /// The source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The database.
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    /// The window took longer than `sync.window_timeout`.
    #[error("the window was not read within {} s (sync.window_timeout)", .0.as_secs())]
    Deadline(Duration),
    /// The pass took longer than `sync.pass_timeout`.
    #[error("the pass over this stream did not end within {} s (sync.pass_timeout)", .0.as_secs())]
    PassDeadline(Duration),
    /// The lease was lost again and again, and no other process has it: renewals do not get through.
    #[error(
        "the stream's lease was lost {0} times in this pass though no other process holds it: it could not be renewed within \
         sync.lease; nothing was written without it. Is the database slow, or database.max_connections too small for sync.workers?"
    )]
    LeaseNotKept(usize),
    /// Another process holds the stream's lease.
    #[error("its lease is held by {by} until {until}; left to it")]
    Held {
        /// Which.
        by: String,
        /// Until when, by the database's clock, unless it renews.
        until: DateTime<Utc>,
        /// How long that is.
        left: Duration,
    },
    /// The process is stopping.
    #[error("stopped before the window was read; nothing of it was written")]
    Stopped,
}

/// In whose name a window is read.
#[derive(Debug, Clone, Copy)]
pub enum Hold<'a> {
    /// A pass under the stream's lease.
    Lease {
        /// The lease.
        lease: &'a Lease,
        /// Cancelled when the windows before it are written: nothing is committed earlier. None: there are none.
        turn: Option<&'a CancellationToken>,
    },
    /// A backfill's claim on this window.
    Claim(&'a Claim),
    /// A repair's: what was altered here is written anew, whatever its digest says.
    Repair(&'a Claim),
}

/// What a window came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowDone {
    /// Its counts.
    pub counts: Counts,
    /// What at its beginning was newly found to be lost at the source.
    pub lost: Vec<Window>,
}

/// What reading windows of a stream works with.
#[derive(Debug, Clone, Copy)]
pub struct Windows<'a> {
    /// Where to.
    pub warehouse: &'a Warehouse,
    /// From where.
    pub source: &'a dyn Source,
    /// How.
    pub settings: &'a config::Sync,
    /// Who is forgotten, as the source's normalizing heeds it.
    pub forgotten: &'a Forgotten,
    /// Whose.
    pub stream: &'a StreamId,
    /// Whether records that come again with the text that they had are taken for what they came to then, not normalized.
    pub recognize: bool,
    /// Until when.
    pub stop: &'a CancellationToken,
}

/// A window as it was read, whole, and not yet written.
#[derive(Debug)]
pub struct Fetched {
    stretch: Window,
    batch: Batch,
    end: ReadEnd,
    /// The oldest instant that the source serves, as this read knew it.
    horizon: Option<DateTime<Utc>>,
    /// The database's time before the read began.
    asked_at: DateTime<Utc>,
}

/// Lines of a window beside which another one is read ahead.
const MODEST: u64 = 100_000;

impl Fetched {
    /// Whether there is room for another one beside it: reading ahead must not take it from the streams read side by side.
    pub fn leaves_room(&self) -> bool {
        self.batch.fetched() <= MODEST && incoming::has_room()
    }

    /// The stretch that was asked for, what it brought, and how reading ended: for who compares and does not write.
    pub(super) fn into_parts(self) -> (Window, Batch, ReadEnd) {
        (self.stretch, self.batch, self.end)
    }

    /// Whether it is nothing but lines of the window, each once, of an answer that says all.
    pub fn is_plain(&self) -> bool {
        self.batch.is_plain() && self.end.complete && self.end.served_from.is_none()
    }
}

/// Reads a window and writes it. `asked_at` is the database's time before the read began.
pub async fn read_window(
    with: &Windows<'_>,
    read: &Read,
    hold: Hold<'_>,
    asked_at: DateTime<Utc>,
) -> Result<WindowDone, WindowError> {
    let fetched = fetch_window(with, read, asked_at).await?;
    write_window(with, read, hold, fetched).await
}

/// Reads a window from its source, within `sync.window_timeout`; should it have to be read in full, within that once more.
pub async fn fetch_window(with: &Windows<'_>, read: &Read, asked_at: DateTime<Utc>) -> Result<Fetched, WindowError> {
    let knowing = async {
        let known = if with.recognize && read.was_read {
            Arc::new(with.warehouse.known(with.stream, read.window, with.source.present()).await)
        } else {
            Arc::default()
        };
        fetch_knowing(with, read, asked_at, known).await
    };
    match in_time(with, knowing).await {
        // Rare, so it does not make every read's future larger.
        Err(WindowError::Warehouse(WarehouseError::NotKept)) => Box::pin(fetch_in_full(with, read)).await,
        fetched => fetched,
    }
}

/// Reads a window of which a record that was recognized turned out to be needed in full, or one that was read before a
/// person was forgotten: nothing is recognized any more.
async fn fetch_in_full(with: &Windows<'_>, read: &Read) -> Result<Fetched, WindowError> {
    tracing::info!(stream = %with.stream, window = %read.window, "a record that came again as it was is needed in full, or a person was forgotten meanwhile; asking once more");
    in_time(with, async {
        with.warehouse.heed(with.forgotten).await?;
        let asked_at = with.warehouse.forget_known(with.stream, read.window).await?;
        fetch_knowing(with, read, asked_at, Arc::default()).await
    })
    .await
}

async fn in_time(
    with: &Windows<'_>,
    fetching: impl Future<Output = Result<Fetched, WindowError>>,
) -> Result<Fetched, WindowError> {
    if planted(Bug::NoDeadline) {
        return fetching.await;
    }
    let limit = with.settings.window_timeout;
    tokio::time::timeout(limit, fetching).await.unwrap_or(Err(WindowError::Deadline(limit)))
}

async fn fetch_knowing(
    with: &Windows<'_>,
    read: &Read,
    asked_at: DateTime<Utc>,
    known: Arc<Known>,
) -> Result<Fetched, WindowError> {
    let Windows { warehouse, source, stream, .. } = *with;
    let _reading = telemetry::part(Part::Read);
    // The plan is older than the read: what its window has come to meanwhile is asked for, too.
    let stretch = source.widen(stream.source, up_to_now(read, source.present()));
    let (mut batch, mut end) = fetch(with, read.window, stretch, &known).await?;
    // A window suddenly empty where it had rows is suspicious: it is asked for once more before it counts.
    if batch.fetched() == 0 && warehouse.has_rows(stream, stretch).await? {
        tracing::warn!(window = %read.window, "the source has nothing where the warehouse has rows; asking once more");
        (batch, end) = fetch(with, read.window, stretch, &known).await?;
    }
    let horizon = source.horizon(stream.source, end.present).max(end.served_from);
    Ok(Fetched { stretch, batch, end, horizon, asked_at })
}

/// Writes a window, within `sync.window_timeout` again. Where what was read does not do, for a record that was recognized
/// turns out not to be in the table as it was, it is read in full and that is written, each within that time once more.
pub async fn write_window(
    with: &Windows<'_>,
    read: &Read,
    hold: Hold<'_>,
    fetched: Fetched,
) -> Result<WindowDone, WindowError> {
    match Box::pin(write(with, read, hold, fetched)).await {
        Err(WindowError::Warehouse(WarehouseError::NotKept | WarehouseError::Forgotten)) => {
            let fetched = Box::pin(fetch_in_full(with, read)).await?;
            Box::pin(write(with, read, hold, fetched)).await
        }
        written => written,
    }
}

async fn write(with: &Windows<'_>, read: &Read, hold: Hold<'_>, fetched: Fetched) -> Result<WindowDone, WindowError> {
    let Windows { warehouse, settings, stream, .. } = *with;
    let Fetched { stretch, batch, end, horizon, asked_at } = fetched;
    let unserved = end.served_from.and_then(|from| Window::new(stretch.start(), from.min(stretch.end())));
    let lost = match unserved {
        Some(unserved) => lost::lose(warehouse, stream, unserved).await?,
        None => Vec::new(),
    };
    let stretch =
        end.served_from.and_then(|from| Window::new(from.max(stretch.start()), stretch.end())).unwrap_or(stretch);
    // Nothing behind what was asked for counts as read, whatever the time is by now.
    let through = if stretch.end() < read.window.end() { end.present.min(stretch.end()) } else { end.present };
    let writer = match hold {
        Hold::Lease { lease, turn } => {
            Writer::Pass { lease, watermark: read.watermark(through, settings.publish_delay), turn }
        }
        Hold::Claim(claim) => Writer::Backfill(claim),
        Hold::Repair(claim) => Writer::Repair(claim),
    };
    let age = (end.present - read.window.end()).to_std().unwrap_or(Duration::ZERO);
    let window_read = WindowRead {
        stream,
        window: read.window,
        stretch,
        present: through,
        horizon,
        asked_at,
        complete: end.complete,
        unstable: !end.complete,
        comes_again: settings.reread.iter().any(|rule| age < rule.younger_than),
        writer,
    };
    // Giving it up closes the connection that may be writing: nothing half-written remains.
    let counts = warehouse.load(&window_read, &batch, settings.window_timeout).await?;
    Ok(WindowDone { counts, lost })
}

/// What to ask for of a window whose end is not there yet: up to now.
fn up_to_now(read: &Read, now: DateTime<Utc>) -> Window {
    let planned = read.stretch;
    if planned.end() == read.window.end() {
        return planned;
    }
    Window::new(planned.start(), read.window.end().min(now.max(planned.end()))).unwrap_or(planned)
}

/// Reads a stretch of a window from the source, whole or not at all.
async fn fetch(
    with: &Windows<'_>,
    window: Window,
    stretch: Window,
    known: &Arc<Known>,
) -> Result<(Batch, ReadEnd), WindowError> {
    let Windows { source, stream, stop, .. } = *with;
    let (events, mut incoming) = mpsc::channel(QUEUE);
    // Asked for before the first record is normalized: who is forgotten meanwhile makes another number.
    let mut batch = Incoming::knowing(stream.source, window, Arc::clone(known)).heeding(with.forgotten.number());
    let collect = async move {
        while let Some(event) = incoming.recv().await {
            match event {
                ReadEvent::Records(records) => {
                    batch.brought(records)?;
                    reached(Point::RecordsArrived);
                }
                ReadEvent::Restart => batch.restart(),
                ReadEvent::Complete => batch.complete()?,
            }
        }
        Ok::<_, WarehouseError>(batch)
    };
    let reading = async {
        let (mut reading, mut collect) = (pin!(source.read(stream, stretch, known, events)), pin!(collect));
        tokio::select! {
            // Before the reading only when it fails, and its error says more than that nobody listens.
            collected = &mut collect => {
                let batch = collected?;
                Ok::<_, WindowError>((batch, reading.await?))
            }
            end = &mut reading => {
                let batch = collect.await?;
                Ok((batch, end?))
            }
        }
    };
    let (mut batch, end) = tokio::select! {
        read = reading => read?,
        () = stop.cancelled() => return Err(WindowError::Stopped),
    };
    reached(Point::AnswerWhole);
    // What a source sent and never completed does not count, even when it says that all went well.
    batch.restart();
    Ok((batch.finish(), end))
}

/// What to do about a window that was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Its error is noted in the ledger; the stream waits here until the next pass.
    NextPass,
    /// The account's credentials are refused.
    StopAccount,
    /// The interface is not enabled: not asked again for a day.
    SwitchOff,
    /// The contract is withdrawn.
    Rest,
    /// The stretch is lost at the source.
    Gap,
    /// Another process writes the stream.
    LeaveStream,
    /// A younger read stands: nothing is lost.
    Drop,
    /// The database is out of reach: nothing can be noted either.
    StopPass,
    /// The process is stopping.
    Stop,
}

impl WindowError {
    /// What of a read is lost when the source says that it no longer serves it: up to the end of the last day that it
    /// refused, or all that was asked for.
    pub fn lost(&self, read: &Read) -> Window {
        let refused = match self {
            Self::Source(SourceError::BeyondHorizon { from, .. }) => {
                from.checked_add_signed(chrono::TimeDelta::days(1))
            }
            Self::Source(_)
            | Self::Warehouse(_)
            | Self::Deadline(_)
            | Self::PassDeadline(_)
            | Self::LeaseNotKept(_)
            | Self::Held { .. }
            | Self::Stopped => None,
        };
        refused.and_then(|end| Window::new(read.stretch.start(), end.min(read.stretch.end()))).unwrap_or(read.stretch)
    }

    /// The one decision. Exhaustive on purpose.
    pub const fn disposition(&self) -> Disposition {
        use crate::{source::Disposition as S, warehouse::Disposition as W};
        match self {
            Self::Source(error) => match error.disposition() {
                S::NextPass => Disposition::NextPass,
                S::StopAccount => Disposition::StopAccount,
                S::SwitchOff => Disposition::SwitchOff,
                S::Rest => Disposition::Rest,
                S::Gap => Disposition::Gap,
                S::Stop => Disposition::Stop,
            },
            Self::Warehouse(error) => match error.disposition() {
                W::NextPass => Disposition::NextPass,
                W::LeaveStream => Disposition::LeaveStream,
                W::Drop => Disposition::Drop,
                W::StopPass => Disposition::StopPass,
            },
            Self::Deadline(_) | Self::PassDeadline(_) | Self::LeaseNotKept(_) => Disposition::NextPass,
            Self::Held { .. } => Disposition::LeaveStream,
            Self::Stopped => Disposition::Stop,
        }
    }
}
