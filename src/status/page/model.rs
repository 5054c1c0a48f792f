//! What the pages show: data only, so that drawing is a function of it.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};

use super::{advice, days, kept::Known};
use crate::{
    domain::{SourceKind, StreamId},
    source::served_from,
    status::view::{StreamView, View},
    warehouse::{
        activity::{DayOfSales, HourOfRuns, InQuarantine},
        coverage::{GapReport, Span, WindowReport},
    },
};

/// How long sales a day are shown back.
pub(super) const SALES_DAYS: u64 = 90;
/// A stream may miss one ring of its schedule, and this much, before it is called late: passes take time.
const LENIENCY: TimeDelta = TimeDelta::minutes(5);

/// An account's interface: streams with one schedule and one set of credentials.
pub(super) type Group = (SourceKind, String);

/// When an account is read, as the configuration has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cadence {
    /// Its schedule: cron, six fields, UTC.
    pub schedule: String,
    /// The shortest time between two rings.
    pub period: TimeDelta,
    /// The first instant ever to read.
    pub start: DateTime<Utc>,
}

/// What the configuration says of all that is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cadences {
    /// By source and account.
    pub accounts: BTreeMap<(SourceKind, String), Cadence>,
    /// How far the watermark stays behind the source's clock.
    pub publish_delay: TimeDelta,
}

impl Cadences {
    /// How far a stream's watermark may lie behind before it is late; none when nothing is known of its schedule.
    pub(super) fn allowed(&self, source: SourceKind, account: &str) -> Option<TimeDelta> {
        let cadence = self.accounts.get(&(source, account.to_owned()))?;
        cadence.period.checked_mul(2)?.checked_add(&self.publish_delay)?.checked_add(&LENIENCY)
    }
}

/// The front page.
#[derive(Debug, Clone)]
pub(super) struct Overview {
    /// The picture: streams, database, version.
    pub(super) view: View,
    /// When each account is read.
    pub(super) cadences: Arc<Cadences>,
    /// How the days stand.
    pub(super) coverage: Known<Arc<Vec<Span>>>,
    /// Lines of sales by source and day.
    pub(super) sales: Known<Arc<Vec<DayOfSales>>>,
    /// What was read, by the hour, over a day.
    pub(super) runs: Known<Arc<Vec<HourOfRuns>>>,
    /// The one group that is asked for.
    pub(super) only: Option<Group>,
}

/// A stream's page.
#[derive(Debug, Clone)]
pub(super) struct StreamPage {
    /// Which.
    pub(super) stream: StreamView,
    /// When the picture was taken.
    pub(super) taken_at: DateTime<Utc>,
    /// When each account is read.
    pub(super) cadences: Arc<Cadences>,
    /// Its windows and gaps, newest first; why they are not known, otherwise.
    pub(super) ledger: Result<(Vec<WindowReport>, Vec<GapReport>), String>,
}

/// The page of the quarantine.
#[derive(Debug, Clone)]
pub(super) struct QuarantinePage {
    /// When it was asked for.
    pub(super) taken_at: DateTime<Utc>,
    /// How many there are; none when that is not known.
    pub(super) all: Option<i64>,
    /// The newest of them; why they are not known, otherwise.
    pub(super) found: Result<Vec<InQuarantine>, String>,
}

/// How a stream is, the worse before the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Health {
    /// Its last pass ended with an error.
    Failing,
    /// Its watermark lies further behind than its schedule explains.
    Late,
    /// It was never read.
    New,
    /// Nothing is expected of it until somebody acts: withdrawn, not enabled.
    Resting,
    /// As it should be.
    Well,
}

impl Health {
    /// In a word.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Late => "late",
            Self::New => "not read yet",
            Self::Resting => "resting",
            Self::Well => "on time",
        }
    }

    /// A sign beside the word.
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Failing => "✕",
            Self::Late => "▲",
            Self::New => "○",
            Self::Resting => "‖",
            Self::Well => "✓",
        }
    }

    /// As its class is named.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Failing => "bad",
            Self::Late => "warn",
            Self::New | Self::Resting => "quiet",
            Self::Well => "good",
        }
    }
}

/// How a stream is.
pub(super) fn health(stream: &StreamView, cadences: &Cadences) -> Health {
    if let Some(error) = &stream.last_error {
        return if advice::on(error).rests { Health::Resting } else { Health::Failing };
    }
    let allowed = cadences.allowed(stream.source, &stream.account);
    match (stream.freshness_seconds, allowed) {
        (Some(behind), Some(allowed)) if behind > allowed.num_seconds() => Health::Late,
        (Some(_), _) => Health::Well,
        (None, _) => Health::New,
    }
}

/// A stream by its three names.
pub(super) fn id(stream: &StreamView) -> StreamId {
    StreamId::new(stream.source, stream.account.clone(), stream.partition.clone())
}

/// What limits the strip of an account's interface.
pub(super) fn frame(source: SourceKind, account: &str, cadences: &Cadences, now: DateTime<Utc>) -> days::Frame {
    days::Frame {
        today: now.date_naive(),
        start: cadences.accounts.get(&(source, account.to_owned())).map(|cadence| cadence.start.date_naive()),
        horizon: served_from(source, now).map(|at| at.date_naive()),
    }
}

/// The first of so many days that end today.
pub(super) fn first_of(days: u64, now: DateTime<Utc>) -> NaiveDate {
    let today = now.date_naive();
    today.checked_sub_days(Days::new(days.saturating_sub(1))).unwrap_or(today)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::page::sample;

    #[test]
    fn a_stream_is_late_when_its_schedule_does_not_explain_how_far_it_is_behind() {
        let cadences = sample::cadences();
        let behind = |seconds| StreamView { freshness_seconds: Some(seconds), ..sample::stream("1") };
        // 15 min behind the source, twice 15 min between passes, 5 min for the passes themselves.
        assert_eq!(health(&behind(50 * 60), &cadences), Health::Well);
        assert_eq!(health(&behind(50 * 60 + 1), &cadences), Health::Late);
        assert_eq!(health(&behind(50 * 60 + 1), &Cadences::default()), Health::Well);
    }

    #[test]
    fn an_error_is_a_failure_unless_the_stream_rests() {
        let with = |error: &str| StreamView { last_error: Some(error.to_owned()), ..sample::stream("1") };
        assert_eq!(health(&with("HTTP 500"), &sample::cadences()), Health::Failing);
        let rests = "contract 1 is refused by the vendor (HTTP 403); its rows stay as they are";
        assert_eq!(health(&with(rests), &sample::cadences()), Health::Resting);
        let new = StreamView { watermark: None, freshness_seconds: None, ..sample::stream("1") };
        assert_eq!(health(&new, &sample::cadences()), Health::New);
    }
}
