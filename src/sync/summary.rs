//! What came of a pass, a backfill or a demonstration: the document that `--json` prints.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::window::Disposition;
use crate::{domain::StreamId, warehouse::load::Counts};

/// How a run over several streams ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All that was due is read; what is said beside it (a gap, a lease elsewhere) is no failure.
    Ok,
    /// Some streams failed; what the others read is committed.
    Partial,
    /// Every account's credentials are refused.
    Refused,
    /// The database was out of reach.
    NoDatabase,
    /// Stopped before its work was done; all that was committed stays.
    Stopped,
}

impl Outcome {
    /// The word in `fuel.sync_run`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Refused => "refused",
            Self::NoDatabase => "no_database",
            Self::Stopped => "stopped",
        }
    }
}

/// How one stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamOutcome {
    /// All that was due is read.
    Ok,
    /// It stopped at an error and waits there.
    Failed,
    /// The account's credentials are refused.
    Refused,
    /// Another process holds its lease.
    Held,
    /// The interface is not enabled for the account.
    NotEnabled,
    /// The contract is no longer open to the account.
    Withdrawn,
    /// The database is out of reach.
    NoDatabase,
    /// The process is stopping.
    Stopped,
}

impl StreamOutcome {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::Failed,
        Self::Refused,
        Self::Held,
        Self::NotEnabled,
        Self::Withdrawn,
        Self::NoDatabase,
        Self::Stopped,
    ];

    /// The word in the summary and in the label `outcome`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Held => "held",
            Self::NotEnabled => "not_enabled",
            Self::Withdrawn => "withdrawn",
            Self::NoDatabase => "no_database",
            Self::Stopped => "stopped",
        }
    }

    /// What an error makes of its stream.
    pub const fn of(disposition: Disposition) -> Self {
        match disposition {
            Disposition::NextPass | Disposition::Gap | Disposition::Drop => Self::Failed,
            Disposition::StopAccount => Self::Refused,
            Disposition::SwitchOff => Self::NotEnabled,
            Disposition::Rest => Self::Withdrawn,
            Disposition::LeaveStream => Self::Held,
            Disposition::StopPass => Self::NoDatabase,
            Disposition::Stop => Self::Stopped,
        }
    }
}

/// One stream's part of the summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamSummary {
    /// Source, account, partition.
    #[serde(flatten)]
    pub stream: StreamId,
    /// How it ended.
    pub outcome: StreamOutcome,
    /// Windows read and written.
    pub windows: u64,
    /// Their counts together.
    #[serde(flatten)]
    pub counts: Counts,
    /// Where the watermark stands.
    pub watermark: Option<DateTime<Utc>>,
    /// Stretches found to be lost at the source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<crate::domain::Window>,
    /// What stopped it, or what is to be known of it.
    pub error: Option<String>,
    /// The lease under which it was read: a process that lost it does not note how its pass ended.
    #[serde(skip)]
    pub epoch: Option<i64>,
    /// Its row in `fuel.sync_run`, where it is a run of its own: opened once its lease was ours.
    #[serde(skip)]
    pub run: Option<Uuid>,
    /// The window at which it stopped.
    #[serde(skip)]
    pub stopped_at: Option<crate::domain::Window>,
    /// Windows that the run's progress has of it.
    #[serde(skip)]
    pub planned: u64,
    /// How long another process's lease holds, unless it is renewed; only when the stream was left to it.
    #[serde(skip)]
    pub held_for: Option<Duration>,
}

impl StreamSummary {
    /// Nothing done yet.
    pub const fn new(stream: StreamId) -> Self {
        Self {
            stream,
            outcome: StreamOutcome::Ok,
            windows: 0,
            counts: Counts {
                fetched: 0,
                inserted: 0,
                updated: 0,
                unchanged: 0,
                quarantined: 0,
                outside: 0,
                duplicate: 0,
                missing: 0,
                marked: 0,
            },
            watermark: None,
            gaps: Vec::new(),
            error: None,
            epoch: None,
            run: None,
            stopped_at: None,
            planned: 0,
            held_for: None,
        }
    }

    /// Ended some way, for a reason.
    #[must_use]
    pub fn ended(mut self, outcome: StreamOutcome, error: impl Into<String>) -> Self {
        self.outcome = outcome;
        self.error = Some(error.into());
        self
    }
}

/// The whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// How it ended.
    pub outcome: Outcome,
    /// Each stream, in order of source, account, partition.
    pub streams: Vec<StreamSummary>,
}

impl Summary {
    /// Puts the streams in order and decides on the whole.
    pub fn of(mut streams: Vec<StreamSummary>) -> Self {
        streams.sort_by(|a, b| a.stream.cmp(&b.stream));
        let failed = streams.iter().any(|s| matches!(s.outcome, StreamOutcome::Failed | StreamOutcome::Refused));
        let cut_short = streams.iter().any(|s| s.outcome == StreamOutcome::Stopped);
        let outcome = if cut_short {
            Outcome::Stopped
        } else if streams.iter().any(|s| s.outcome == StreamOutcome::NoDatabase) {
            Outcome::NoDatabase
        } else if every_account_refused(&streams) {
            Outcome::Refused
        } else if failed {
            Outcome::Partial
        } else {
            Outcome::Ok
        };
        Self { outcome, streams }
    }

    /// All counts together, and the windows.
    pub fn totals(&self) -> (u64, Counts) {
        let mut counts = Counts::default();
        let mut windows = 0;
        for stream in &self.streams {
            counts += stream.counts;
            windows += stream.windows;
        }
        (windows, counts)
    }
}

fn every_account_refused(streams: &[StreamSummary]) -> bool {
    let mut accounts: BTreeMap<(bool, &str), bool> = BTreeMap::new();
    for summary in streams {
        let vendor = summary.stream.source.record_is_whole_transaction();
        let refused = accounts.entry((vendor, &summary.stream.account)).or_insert(false);
        *refused |= summary.outcome == StreamOutcome::Refused;
    }
    !accounts.is_empty() && accounts.values().all(|refused| *refused)
}

/// How far a run has come, for a bar. What is planned may turn out to be more, or less.
#[derive(Debug, Default)]
pub struct Progress {
    planned: AtomicU64,
    done: AtomicU64,
    lines: AtomicU64,
}

impl Progress {
    /// More windows are to be read.
    pub fn plan(&self, windows: usize) {
        self.planned.fetch_add(windows as u64, Ordering::Relaxed);
    }

    /// Of what was `planned` before, this is now the plan: what is written already, and what is still to be read. Of streams
    /// that are read side by side each knows its own.
    pub fn replan(&self, planned: &mut u64, now: u64) {
        let before = std::mem::replace(planned, now);
        match now.checked_sub(before) {
            Some(more) => self.planned.fetch_add(more, Ordering::Relaxed),
            None => self.planned.fetch_sub(before - now, Ordering::Relaxed),
        };
    }

    /// A window is written.
    pub fn wrote(&self, lines: u64) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.lines.fetch_add(lines, Ordering::Relaxed);
    }

    /// Windows planned, windows written, lines fetched.
    pub fn read(&self) -> (u64, u64, u64) {
        (self.planned.load(Ordering::Relaxed), self.done.load(Ordering::Relaxed), self.lines.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Partition, SourceKind};

    fn stream(source: SourceKind, account: &str, outcome: StreamOutcome) -> StreamSummary {
        StreamSummary { outcome, ..StreamSummary::new(StreamId::new(source, account, Partition::whole())) }
    }

    #[test]
    fn streams_side_by_side_plan_each_their_own_and_give_back_what_they_do_not_read() {
        let (progress, mut one, mut two) = (Progress::default(), 0, 0);
        progress.replan(&mut one, 10);
        progress.replan(&mut two, 5);
        for _ in 0..4 {
            progress.wrote(100);
        }
        // The first wrote all four, and a new plan leaves it two more; the second fails before its first window.
        progress.replan(&mut one, 4 + 2);
        progress.replan(&mut two, 0);
        assert_eq!(progress.read(), (6, 4, 400));
    }

    #[test]
    fn one_refused_account_of_two_is_a_partial_failure_and_all_of_them_a_refusal() {
        let refused = || stream(SourceKind::HecOne, "north", StreamOutcome::Refused);
        let fine = stream(SourceKind::AlexelaEv, "north", StreamOutcome::Ok);
        assert_eq!(Summary::of(vec![refused(), fine]).outcome, Outcome::Partial);
        assert_eq!(Summary::of(vec![refused()]).outcome, Outcome::Refused);
        assert_eq!(Summary::of(Vec::new()).outcome, Outcome::Ok);
    }

    #[test]
    fn an_outcome_has_one_word() {
        for outcome in StreamOutcome::ALL {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        }
    }

    #[test]
    fn a_lease_held_elsewhere_is_no_failure() {
        assert_eq!(Summary::of(vec![stream(SourceKind::HecOne, "north", StreamOutcome::Held)]).outcome, Outcome::Ok);
    }
}
