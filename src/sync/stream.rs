//! One pass over one stream: take its lease, plan, read what is due, give the lease back.

use std::{pin::pin, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures_util::future::{self, Either};
use tokio_util::sync::CancellationToken;

use super::{
    lost, open,
    plan::{self, Plan, Read, Rules, Standing},
    summary::{Progress, StreamOutcome, StreamSummary},
    window::{self, Disposition, Fetched, Hold, WindowError, Windows},
};
use crate::{
    config,
    domain::{Grid, SourceKind, StreamId, Window},
    failpoint::{Bug, Point, planted, reached},
    source::Source,
    warehouse::{
        Warehouse, WarehouseError,
        checkpoint::PassEnd,
        lease::{Lease, Taken},
    },
};

/// Age past which an open `HecOne` transaction is no longer looked after (NOTES: "until it is final or 30 days old").
pub const SETTLED_AFTER: Duration = Duration::from_hours(30 * 24);

/// Times that a pass plans anew because of what it found to be lost at the source.
const REPLANS: usize = 10;

/// Times that a pass takes its lease.
const TAKEN_AGAIN: usize = 4;

/// What came of asking for a window.
enum Asked {
    /// The database's time before it was read; the window, or why it was not read.
    Read(DateTime<Utc>, Box<Result<Fetched, WindowError>>),
    /// The lease could not be looked at, so nothing was asked.
    Not(WarehouseError),
}

impl Asked {
    /// Whether there is room to read another one ahead beside it.
    fn leaves_room(&self) -> bool {
        matches!(self, Self::Read(_, read) if read.as_ref().as_ref().is_ok_and(Fetched::leaves_room))
    }

    /// Whether it failed at the database, or for want of room in this process.
    fn failed_here(&self) -> bool {
        match self {
            Self::Not(_) => true,
            Self::Read(_, read) => matches!(**read, Err(WindowError::Warehouse(_))),
        }
    }
}

/// What follows a window.
#[derive(Debug)]
enum After {
    /// The next one of the plan.
    Next,
    /// A new plan, for this no longer holds: a part of the window is lost, or a younger read of it stands.
    Replan(WindowError),
}

/// Says what keeps the watermark where it is though nothing failed.
fn wait_for(window: Option<Window>, summary: &mut StreamSummary) {
    if let Some(window) = window {
        let why = format!("a backfill is reading the window {window}; the watermark waits for it");
        tracing::info!(window = %window, "a backfill is reading this window; the watermark waits for it, all else is read");
        summary.error = Some(why);
    }
}

/// What a pass over a stream works with.
#[derive(Debug, Clone)]
pub struct Reader {
    /// Where to.
    pub warehouse: Warehouse,
    /// From where.
    pub source: Arc<dyn Source>,
    /// How.
    pub settings: Arc<config::Sync>,
    /// The first instant ever to read.
    pub start: DateTime<Utc>,
    /// The grid of new windows.
    pub grid: Grid,
    /// Who writes: host, process and a random part.
    pub owner: Arc<str>,
    /// How far the run has come.
    pub progress: Arc<Progress>,
}

impl Reader {
    /// The rules for planning a stream of a source.
    pub fn rules(&self, source: SourceKind) -> Rules<'_> {
        Rules {
            start: self.start,
            grid: self.grid,
            publish_delay: self.settings.publish_delay,
            overlap: self.settings.overlap,
            reread: &self.settings.reread,
            settled_after: (source == SourceKind::HecOne).then_some(SETTLED_AFTER),
        }
    }

    /// Does what is due for a stream. Never fails: what fails is said in the summary, in `status` and in the log.
    #[tracing::instrument(skip_all, fields(stream = %stream))]
    pub async fn pass(&self, stream: &StreamId, stop: &CancellationToken) -> StreamSummary {
        let mut summary = StreamSummary::new(stream.clone());
        let limit = self.settings.pass_timeout;
        let worked = tokio::time::timeout(limit, self.under_lease(stream, &mut summary, stop))
            .await
            .unwrap_or(Err(WindowError::PassDeadline(limit)));
        let summary = match worked {
            Ok(()) => {
                self.note(&summary, PassEnd::Ok).await;
                summary
            }
            Err(error) => self.failed(summary, &error).await,
        };
        self.with_watermark(summary).await
    }

    /// Does what is due while the stream's lease is ours. A lease that was lost (a frozen process, a database out of
    /// reach for longer than the lease) is taken again unless another process has it, and everything is planned anew.
    async fn under_lease(
        &self,
        stream: &StreamId,
        summary: &mut StreamSummary,
        stop: &CancellationToken,
    ) -> Result<(), WindowError> {
        for _ in 0..TAKEN_AGAIN {
            let lease = match self.warehouse.take_lease(stream, &self.owner, self.settings.lease).await? {
                Taken::Ours { lease, watermark } => {
                    summary.watermark = watermark;
                    summary.epoch = Some(lease.epoch);
                    lease
                }
                Taken::Held { by, until, left } => return Err(WindowError::Held { by, until, left }),
            };
            reached(Point::LeaseTaken);
            let worked = tokio::select! {
                worked = self.work(stream, &lease, summary, stop) => worked,
                error = self.keep(stream, &lease) => Err(error.into()),
            };
            reached(Point::PassDone);
            match worked {
                Err(WindowError::Warehouse(WarehouseError::LeaseLost)) if !stop.is_cancelled() => {
                    tracing::warn!(
                        "the lease was lost; nothing was written without it; taken again unless another process has it"
                    );
                }
                worked => {
                    self.release(stream, &lease).await;
                    return worked;
                }
            }
        }
        Err(WindowError::LeaseNotKept(TAKEN_AGAIN))
    }

    /// Renews the lease for as long as it is asked to; returns only when the lease is lost.
    async fn keep(&self, stream: &StreamId, lease: &Lease) -> WarehouseError {
        let mut bell = tokio::time::interval(self.settings.lease / 3);
        bell.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        bell.tick().await;
        loop {
            bell.tick().await;
            match self.warehouse.renew_lease(stream, lease, self.settings.lease).await {
                Ok(_) => {}
                Err(WarehouseError::LeaseLost) => return WarehouseError::LeaseLost,
                // The commit checks the lease itself; a renewal that fails is tried again in time.
                Err(error) => tracing::warn!(error = %error, "the lease could not be renewed; trying again"),
            }
        }
    }

    async fn work(
        &self,
        stream: &StreamId,
        lease: &Lease,
        summary: &mut StreamSummary,
        stop: &CancellationToken,
    ) -> Result<(), WindowError> {
        let (mut reads, mut last) = (Vec::new(), None);
        // What is found to be lost at the source changes the plan: nothing behind it may move the watermark before.
        for _ in 0..REPLANS {
            let plan = tokio::select! {
                plan = self.plan(stream, lease, summary) => plan?,
                () = stop.cancelled() => return Err(WindowError::Stopped),
            };
            reached(Point::Planned);
            self.progress.plan(plan.reads.len().saturating_sub(self.progress.open()));
            let after = self.carry_out(stream, &plan, lease, summary, stop).await?;
            reads.extend(plan.reads);
            match after {
                After::Next => {
                    wait_for(plan.waits_for, summary);
                    return open::refresh(self, stream, lease, &reads, summary, stop).await;
                }
                After::Replan(why) => last = Some(why),
            }
        }
        Err(last.unwrap_or(WindowError::Stopped))
    }

    async fn plan(&self, stream: &StreamId, lease: &Lease, summary: &mut StreamSummary) -> Result<Plan, WindowError> {
        self.source.settle_clock().await?;
        let rules = self.rules(stream.source);
        let present = self.source.present();
        let oldest_rule = rules.reread.last().map_or(Duration::ZERO, |rule| rule.younger_than);
        let ledger = self.warehouse.ledger(stream, present - oldest_rule).await?;
        let gaps = self.warehouse.gaps(stream).await?;
        let horizon = self.source.horizon(stream.source, present);
        let watermark = self.warehouse.watermark(stream).await?;
        let plan = plan::plan(&rules, &Standing { watermark, ledger: &ledger, gaps: &gaps, present, horizon });
        for lost in &plan.lost {
            summary.gaps.extend(lost::lose(&self.warehouse, stream, *lost).await?);
        }
        if let Some(to) = plan.advance {
            self.warehouse.advance_watermark(stream, lease, to).await?;
        }
        Ok(plan)
    }

    /// Reads what a plan says, to its end or until it no longer holds. While one window is written, the next one is read.
    async fn carry_out(
        &self,
        stream: &StreamId,
        plan: &Plan,
        lease: &Lease,
        summary: &mut StreamSummary,
        stop: &CancellationToken,
    ) -> Result<After, WindowError> {
        let with = &Windows {
            warehouse: &self.warehouse,
            source: &*self.source,
            settings: &self.settings,
            stream,
            recognize: true,
            stop,
        };
        let (mut failure, mut ahead) = (None, None);
        for (number, read) in plan.reads.iter().enumerate() {
            if stop.is_cancelled() {
                return Err(WindowError::Stopped);
            }
            let asked = match ahead.take() {
                Some(asked) => asked,
                None => self.ask(with, read, lease).await,
            };
            let next = plan.reads.get(number + 1).filter(|_| asked.leaves_room());
            let (written, asked) = {
                let writing = pin!(self.write(with, read, lease, asked, summary));
                let asking = pin!(async {
                    match next {
                        Some(next) => Some(self.ask(with, next, lease).await),
                        None => None,
                    }
                });
                match future::select(writing, asking).await {
                    Either::Left((written @ Ok(After::Next), asking)) => (written, asking.await),
                    // Nothing waits for what is asked ahead where this one fails.
                    Either::Left((written, _)) => (written, None),
                    Either::Right((asked, writing)) => (writing.await, asked),
                }
            };
            // What stood in the database's way meanwhile may be gone: it is asked for again in its turn.
            ahead = asked.filter(|asked| !asked.failed_here());
            match written {
                Ok(After::Next) => {}
                Ok(replan @ After::Replan(_)) => return Ok(replan),
                // A window that is only read again must not keep the others from it; the head and what was never read must.
                Err(error)
                    if !read.moves_watermark && summary.windows > 0 && error.disposition() == Disposition::NextPass =>
                {
                    failure.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        self.warehouse.mark_final(stream, &plan.settled).await?;
        failure.map_or(Ok(After::Next), Err)
    }

    /// Reads one window from its source.
    async fn ask(&self, with: &Windows<'_>, read: &Read, lease: &Lease) -> Asked {
        match self.warehouse.check_lease(with.stream, lease).await {
            Ok(at) => Asked::Read(at, Box::new(window::fetch_window(with, read, at).await)),
            Err(error) => Asked::Not(error),
        }
    }

    /// Writes one window under the lease, or notes why it could not be read.
    async fn write(
        &self,
        with: &Windows<'_>,
        read: &Read,
        lease: &Lease,
        asked: Asked,
        summary: &mut StreamSummary,
    ) -> Result<After, WindowError> {
        let stream = with.stream;
        let (asked_at, done) = match asked {
            Asked::Not(error) => return Err(error.into()),
            Asked::Read(at, fetched) => match *fetched {
                Ok(fetched) => (at, window::write_window(with, read, Hold::Lease(lease), fetched).await),
                Err(error) => (at, Err(error)),
            },
        };
        match done {
            Ok(done) => {
                summary.windows += 1;
                summary.counts += done.counts;
                self.progress.wrote(done.counts.fetched);
                summary.gaps.extend(done.lost);
                tracing::debug!(window = %read.window, fetched = done.counts.fetched, inserted = done.counts.inserted, updated = done.counts.updated, "window written");
                Ok(After::Next)
            }
            Err(error) => match error.disposition() {
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
                    if let Err(noting) =
                        self.warehouse.note_failure(stream, read.window, asked_at, &error.to_string()).await
                    {
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
            },
        }
    }

    /// Ends a stream's summary with an error, noted for `status`.
    async fn failed(&self, mut summary: StreamSummary, error: &WindowError) -> StreamSummary {
        let text = error.to_string();
        let window = summary.stopped_at.map(|window| window.to_string());
        let outcome = StreamOutcome::of(error.disposition());
        let end = match outcome {
            StreamOutcome::Failed | StreamOutcome::Refused => {
                tracing::error!(error = %text, window, windows = summary.windows, "the stream waits here; what it read is committed; it goes on at the next pass");
                Some(PassEnd::Failed(&text))
            }
            StreamOutcome::NoDatabase => {
                tracing::error!(error = %text, windows = summary.windows, "nothing can be written; what was committed stays; it goes on when the database is back");
                None
            }
            StreamOutcome::NotEnabled => {
                tracing::warn!(reason = %text, "the stream is switched off until the next start");
                Some(PassEnd::NotEnabled(&text))
            }
            StreamOutcome::Withdrawn => {
                tracing::warn!(reason = %text, "the stream rests; its rows stay as they are");
                Some(PassEnd::Withdrawn(&text))
            }
            StreamOutcome::Held => {
                tracing::info!(reason = %text, "another process reads this stream; left to it");
                None
            }
            StreamOutcome::Ok | StreamOutcome::Stopped => {
                tracing::info!("stopped; what was read is committed");
                None
            }
        };
        if let Some(end) = end {
            self.note(&summary, end).await;
        }
        if let WindowError::Held { left, .. } = error {
            summary.held_for = Some(*left);
        }
        summary.ended(outcome, text)
    }

    async fn note(&self, summary: &StreamSummary, end: PassEnd<'_>) {
        if let Err(error) = self.warehouse.note_pass(&summary.stream, summary.epoch, end).await {
            tracing::warn!(error = %error, "how the pass ended could not be noted");
        }
    }

    async fn release(&self, stream: &StreamId, lease: &Lease) {
        if let Err(error) = self.warehouse.release_lease(stream, lease).await {
            tracing::warn!(error = %error, "the lease could not be given back; it expires by itself");
        }
    }

    async fn with_watermark(&self, mut summary: StreamSummary) -> StreamSummary {
        if let Ok(watermark) = self.warehouse.watermark(&summary.stream).await {
            summary.watermark = watermark;
        }
        summary
    }
}
