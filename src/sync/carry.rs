//! Carries out the plan of a stream: reads window after window, and has them written in their order.
//!
//! While a window is written, the next one is read, in a task of its own. Windows that are only read again are read two at
//! a time: most of them bring nothing to write, and the reading is all there is to do. A window that was never read may
//! moreover be copied while the one before it is still being written, for the database is what a first load waits for; it
//! is committed in its turn, and where anything but copying would be needed, or the one before it fails, nothing of it is.

use std::{collections::VecDeque, panic::resume_unwind, pin::Pin, time::Duration};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream::FuturesOrdered};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::Instrument as _;

use super::{
    lost,
    plan::{Plan, Read},
    stream::Reader,
    summary::StreamSummary,
    traced,
    watch::UnderWay,
    window::{self, Disposition, Fetched, Hold, WindowDone, WindowError, Windows},
};
use crate::{
    domain::StreamId,
    failpoint::{Bug, planted},
    telemetry::{Mode, WindowSpan},
    warehouse::{WarehouseError, incoming, lease::Lease},
};

/// Windows of a stream that are written side by side, or read.
const SIDE_BY_SIDE: usize = 2;

/// What came of asking for a window.
enum Asked {
    /// The database's time before it was read; the window, or why it was not read; its trace.
    Read(DateTime<Utc>, Box<Result<Fetched, WindowError>>, WindowSpan),
    /// The lease could not be looked at, so nothing was asked.
    Not(WarehouseError),
}

impl Asked {
    fn fetched(&self) -> Option<&Fetched> {
        match self {
            Self::Read(_, read, _) => read.as_ref().as_ref().ok(),
            Self::Not(_) => None,
        }
    }

    /// Whether there is room to read another one beside it.
    fn leaves_room(&self) -> bool {
        self.fetched().is_some_and(Fetched::leaves_room)
    }

    /// Whether it failed at the database, or for want of room in this process.
    fn failed_here(&self) -> bool {
        match self {
            Self::Not(_) => true,
            Self::Read(_, read, _) => matches!(**read, Err(WindowError::Warehouse(_))),
        }
    }
}

/// What follows a window.
#[derive(Debug)]
pub(super) enum After {
    /// The next one of the plan.
    Next,
    /// A new plan, for this no longer holds: a part of the window is lost, or a younger read of it stands.
    Replan(WindowError),
}

/// A window that is being written.
struct Writing<'p> {
    read: &'p Read,
    /// Cancelled when those before it are written.
    turn: CancellationToken,
    /// Whether another one may be read meanwhile.
    leaves_room: bool,
    /// Whether it is nothing but new lines, as far as can be told without asking the table.
    is_news: bool,
}

/// What became of it: when it was asked for, unless it was not, and what it came to.
type Written = (Option<DateTime<Utc>>, Result<WindowDone, WindowError>);

/// On the heap, so that the pass does not carry them.
type Running<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Reader {
    /// Reads what a plan says, to its end or until it no longer holds.
    pub(super) async fn carry_out(
        &self,
        stream: &StreamId,
        plan: &Plan,
        lease: &Lease,
        summary: &mut StreamSummary,
        stop: &CancellationToken,
    ) -> Result<After, WindowError> {
        let with = &self.windows(stream, stop);
        let reads = plan.reads.as_slice();
        let mut failure = None;
        // In the order of the plan: what is being written, what has been read, what is being read. Of the reads, so many
        // have been given to the first of them, and so many have been asked for.
        let (mut writing, mut running) =
            (VecDeque::<Writing<'_>>::new(), FuturesOrdered::<Running<'_, Written>>::new());
        let (mut ready, mut reading) = (VecDeque::<Asked>::new(), FuturesOrdered::<Running<'_, Asked>>::new());
        let (mut begun, mut asked) = (0, 0);
        // The reads before the first were asked for beside another one, those before the second are asked for alone.
        let (mut beside, mut alone) = (0, 0);
        // Held while the first of what is being written is.
        let mut under_way = None;
        while begun < reads.len() || !writing.is_empty() {
            if stop.is_cancelled() && writing.is_empty() {
                return Err(WindowError::Stopped);
            }
            // What failed here beside another one may want what that takes: it is asked for once more, alone.
            if let Some(failed) = ready.iter().position(Asked::failed_here)
                && (alone..beside).contains(&(begun + failed))
            {
                ready.truncate(failed);
                reading.clear();
                asked = begun + failed;
                alone = asked + 1;
            }
            while !stop.is_cancelled()
                && let Some(next) = ready.pop_front_if(|asked| may_be_written(&writing, &reads[begun], asked))
            {
                let (read, turn) = (&reads[begun], CancellationToken::new());
                if writing.is_empty() {
                    drop(under_way.replace(self.writing(stream)));
                    turn.cancel();
                }
                let (leaves_room, is_news) = (next.leaves_room(), is_news(read, &next));
                running.push_back(Box::pin(Self::write(with, read, lease, next, turn.clone())));
                writing.push_back(Writing { read, turn, leaves_room, is_news });
                begun += 1;
            }
            while !stop.is_cancelled()
                && asked < reads.len()
                && writing.iter().all(|writing| writing.leaves_room)
                && ready.iter().all(Asked::leaves_room)
                && (asked == begun || begun >= alone && may_be_asked_beside(&writing, &reads[begun..=asked]))
            {
                if asked > begun {
                    beside = asked + 1;
                }
                reading.push_back(Box::pin(self.asking(stream, reads[asked], lease, stop)));
                asked += 1;
            }
            tokio::select! {
                Some((asked_at, done)) = running.next(), if !running.is_empty() => {
                    let Some(Writing { read, .. }) = writing.pop_front() else { continue };
                    // What stood in the database's way meanwhile may be gone: it is asked for again in its turn.
                    if let Some(failed) = ready.iter().position(Asked::failed_here) {
                        ready.truncate(failed);
                        reading.clear();
                        asked = begun + failed;
                    }
                    match self.settle(with, read, lease, asked_at, done, summary).await {
                        Ok(After::Next) => {}
                        // Nothing waits for what is read or written behind it.
                        Ok(replan @ After::Replan(_)) => return Ok(replan),
                        // A window that is only read again must not keep the others from it; the head and what was never
                        // read must.
                        Err(error)
                            if !read.moves_watermark && summary.windows > 0 && error.disposition() == Disposition::NextPass =>
                        {
                            failure.get_or_insert(error);
                        }
                        Err(error) => return Err(error),
                    }
                    if let Some(next) = writing.front() {
                        if stop.is_cancelled() {
                            return Err(WindowError::Stopped);
                        }
                        drop(under_way.replace(self.writing(stream)));
                        next.turn.cancel();
                    } else {
                        drop(under_way.take());
                    }
                }
                Some(next) = reading.next(), if !reading.is_empty() => ready.push_back(next),
                else => return Err(WindowError::Stopped),
            }
        }
        self.warehouse.mark_final(stream, &plan.settled).await?;
        self.warehouse.give_up(stream, &plan.given_up).await?;
        failure.map_or(Ok(After::Next), Err)
    }

    /// Reads one window from its source, in a task of its own, which ends when nobody waits for it any more.
    fn asking(
        &self,
        stream: &StreamId,
        read: Read,
        lease: &Lease,
        stop: &CancellationToken,
    ) -> impl Future<Output = Asked> + Send + use<> {
        let (reader, stream, lease, stop) = (self.clone(), stream.clone(), lease.clone(), stop.clone());
        let asking = async move {
            let limit = reader.in_windows(2);
            let _under_way = reader.watch.begin("the reading of a window", &stream, limit);
            reader.ask(&stream, &read, &lease, &stop).await
        };
        let task = AbortOnDropHandle::new(tokio::spawn(asking.in_current_span()));
        async move {
            match task.await.map_err(tokio::task::JoinError::try_into_panic) {
                Ok(asked) => asked,
                Err(Ok(panic)) => resume_unwind(panic),
                // The runtime is going down, and this task with it.
                Err(Err(_)) => std::future::pending().await,
            }
        }
    }

    /// The window whose turn it is begins to be written: written, or where what was read does not do, read in full and
    /// written.
    fn writing(&self, stream: &StreamId) -> UnderWay {
        self.watch.begin("the writing of a window", stream, self.in_windows(3))
    }

    /// So many times as long as a window may take, and what is asked of the database beside it.
    fn in_windows(&self, times: u32) -> Duration {
        self.settings.window_timeout.saturating_mul(times).saturating_add(self.warehouse.patience() * 6)
    }

    async fn ask(&self, stream: &StreamId, read: &Read, lease: &Lease, stop: &CancellationToken) -> Asked {
        match self.warehouse.check_lease(stream, lease).await {
            Ok(at) => {
                let span = self.telemetry.window(Mode::Pass, stream, read.window);
                let fetched = span.scope(window::fetch_window(&self.windows(stream, stop), read, at)).await;
                Asked::Read(at, Box::new(fetched), span)
            }
            Err(error) => Asked::Not(error),
        }
    }

    /// What reading and writing windows of the stream works with.
    fn windows<'a>(&'a self, stream: &'a StreamId, stop: &'a CancellationToken) -> Windows<'a> {
        Windows {
            warehouse: &self.warehouse,
            source: &*self.source,
            settings: &self.settings,
            forgotten: &self.forgotten,
            stream,
            recognize: true,
            stop,
        }
    }

    /// Writes one window under the lease, when its turn has come.
    async fn write(with: &Windows<'_>, read: &Read, lease: &Lease, asked: Asked, turn: CancellationToken) -> Written {
        match asked {
            Asked::Not(error) => (None, Err(error.into())),
            Asked::Read(at, fetched, span) => {
                let hold = Hold::Lease { lease, turn: Some(&turn) };
                let done = match *fetched {
                    Ok(fetched) => span.scope(window::write_window(with, read, hold, fetched)).await,
                    Err(error) => Err(error),
                };
                match &done {
                    Ok(done) => traced::written(&span, &done.counts),
                    Err(error) => traced::failed(&span, error),
                }
                (Some(at), done)
            }
        }
    }

    /// Counts a window that was written, or notes why it was not.
    async fn settle(
        &self,
        with: &Windows<'_>,
        read: &Read,
        lease: &Lease,
        asked_at: Option<DateTime<Utc>>,
        done: Result<WindowDone, WindowError>,
        summary: &mut StreamSummary,
    ) -> Result<After, WindowError> {
        let stream = with.stream;
        let error = match done {
            Ok(done) => {
                summary.windows += 1;
                summary.counts += done.counts;
                self.progress.wrote(done.counts.fetched);
                self.tallies.written(stream, &done.counts);
                summary.gaps.extend(done.lost);
                tracing::debug!(window = %read.window, fetched = done.counts.fetched, inserted = done.counts.inserted, updated = done.counts.updated, "window written");
                return Ok(After::Next);
            }
            Err(error) => error,
        };
        let Some(asked_at) = asked_at else { return Err(error) };
        self.tallies.not_written(stream, error.disposition());
        match error.disposition() {
            // Nothing is lost: a younger read of this window stands. What it means for the watermark is planned anew.
            Disposition::Drop if read.moves_watermark => Ok(After::Replan(error)),
            Disposition::Drop => Ok(After::Next),
            Disposition::Gap => {
                summary.gaps.extend(lost::lose(&self.warehouse, stream, error.lost(read)).await?);
                Ok(After::Replan(error))
            }
            Disposition::NextPass => {
                // The first one's error is the pass's.
                summary.stopped_at.get_or_insert(read.window);
                // What the vendor did is to be said, even when it cannot be noted.
                let said = self.forgotten.persons().left_of(error.to_string());
                if let Err(noting) = self.warehouse.note_failure(stream, read.window, asked_at, &said).await {
                    tracing::warn!(error = %noting, window = %read.window, "why the window was not read could not be noted");
                }
                // The planted bug: the watermark moves as if the window had been read.
                if planted(Bug::WatermarkOfFailure)
                    && let Some(to) = read.watermark(self.source.present(), self.settings.publish_delay)
                {
                    self.warehouse.advance_watermark(stream, lease, to).await?;
                }
                Err(error)
            }
            Disposition::StopAccount
            | Disposition::SwitchOff
            | Disposition::Rest
            | Disposition::LeaveStream
            | Disposition::StopPass
            | Disposition::Stop => Err(error),
        }
    }
}

/// Whether what was asked for may be written now: nothing is being written, or only what stays out of its way, and it will
/// not take long itself.
fn may_be_written(writing: &VecDeque<Writing<'_>>, read: &Read, asked: &Asked) -> bool {
    writing.is_empty()
        || (writing.len() < SIDE_BY_SIDE
            && asked.leaves_room()
            && is_news(read, asked)
            && writing.iter().all(|writing| writing.is_news))
}

/// Whether the last of these reads may be asked for while the others are read, or wait to be written: only where there is
/// room, and one that fails, also of what is being written, does not keep the others from being wanted.
fn may_be_asked_beside(writing: &VecDeque<Writing<'_>>, reads: &[Read]) -> bool {
    let only_again = |read: &Read| read.was_read && !read.moves_watermark;
    reads.len() <= SIDE_BY_SIDE
        && reads.iter().chain(writing.iter().map(|writing| writing.read)).all(only_again)
        && incoming::has_room()
}

/// Whether it is nothing but new lines of a window that was never read.
fn is_news(read: &Read, asked: &Asked) -> bool {
    !read.was_read && asked.fetched().is_some_and(Fetched::is_plain)
}
