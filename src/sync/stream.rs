//! One pass over one stream: take its lease, plan, read what is due, give the lease back.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::{
    carry::After,
    lost, open,
    plan::{self, Plan, Rules, Standing},
    summary::{Progress, StreamOutcome, StreamSummary},
    tally::Tallies,
    watch::Watch,
    window::WindowError,
};
use crate::{
    config,
    domain::{Grid, SourceKind, StreamId, Window},
    failpoint::{Bug, Point, planted, reached},
    privacy::Forgotten,
    source::Source,
    telemetry::Telemetry,
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
    /// What came of what was read.
    pub tallies: Arc<Tallies>,
    /// Who is forgotten, as the source's normalizing heeds it.
    pub forgotten: Forgotten,
    /// What is under way in this process.
    pub watch: Arc<Watch>,
    /// Where traces go.
    pub telemetry: Telemetry,
    /// This machine, where each pass over a stream is a run of its own; none where it is part of one.
    pub run_on: Option<Arc<str>>,
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
    // Of the level of errors: a log of nothing but those is to name the stream, too.
    #[tracing::instrument(level = "error", skip_all, fields(stream = %stream))]
    pub async fn pass(&self, stream: &StreamId, stop: &CancellationToken) -> StreamSummary {
        if planted(Bug::StuckPass) {
            // The deliberate fault: no deadline of this pass ends it.
            return std::future::pending().await;
        }
        let mut summary = StreamSummary::new(stream.clone());
        let limit = self.settings.pass_timeout;
        let worked = tokio::time::timeout(limit, self.under_lease(stream, &mut summary, stop))
            .await
            .unwrap_or(Err(WindowError::PassDeadline(limit)));
        // What was not read is not waited for.
        self.progress.replan(&mut summary.planned, summary.windows);
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
                    self.begin_run(summary).await;
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

    /// Opens the pass's row in `fuel.sync_run`, once. A pass whose row cannot be opened does its work all the same.
    async fn begin_run(&self, summary: &mut StreamSummary) {
        if let (Some(host), None) = (&self.run_on, summary.run) {
            match self.warehouse.begin_run("run", host).await {
                Ok(run) => summary.run = Some(run),
                Err(error) => tracing::warn!(error = %error, "the run's row could not be opened"),
            }
        }
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
            let now = summary.windows + plan.reads.len() as u64;
            self.progress.replan(&mut summary.planned, now);
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
        self.warehouse.heed(&self.forgotten).await?;
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

    /// Ends a stream's summary with an error, noted for `status`.
    async fn failed(&self, mut summary: StreamSummary, error: &WindowError) -> StreamSummary {
        let text = self.forgotten.persons().left_of(error.to_string());
        let window = summary.stopped_at.map(|window| window.to_string());
        let outcome = StreamOutcome::of(error.disposition());
        let end = match outcome {
            StreamOutcome::Failed | StreamOutcome::Refused => {
                tracing::error!(error = %text, window, windows = summary.windows, "the stream waits here; what it read is committed; it goes on at the next pass");
                let is_refused = outcome == StreamOutcome::Refused;
                Some(if is_refused { PassEnd::Refused(&text) } else { PassEnd::Failed(&text) })
            }
            StreamOutcome::NoDatabase => {
                tracing::error!(error = %text, windows = summary.windows, "nothing can be written; what was committed stays; it goes on when the database is back");
                // One that answers may let this be noted, though not all of a window.
                matches!(error, WindowError::Warehouse(error) if error.is_an_answer()).then_some(PassEnd::Failed(&text))
            }
            StreamOutcome::NotEnabled => {
                tracing::warn!(reason = %text, "the vendor does not offer this interface; it is asked again in a day, or at the next start");
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
