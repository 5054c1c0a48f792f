//! What the pages show: data only, so that drawing is a function of it.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};

use super::{days, kept::Known};
use crate::{
    domain::SourceKind,
    source::served_from,
    status::view::{StreamView, View},
    warehouse::{
        activity::{DayOfSales, HourOfRuns, InQuarantine},
        coverage::{GapReport, Span, WindowReport},
        standing::LastPass,
    },
};

/// How long sales a day are shown back.
pub(super) const SALES_DAYS: u64 = 90;

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
    /// What was read of it; why that is not known, otherwise.
    pub(super) ledger: Result<Ledger, String>,
}

/// What was read of a stream.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    /// How its days stand: of all its windows, however short they are.
    pub(super) days: Vec<Span>,
    /// Its windows, newest first; so many as are shown, and more.
    pub(super) windows: Vec<WindowReport>,
    /// Its gaps, newest first.
    pub(super) gaps: Vec<GapReport>,
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
    /// It was read, and the vendor no longer gives it: withdrawn, not enabled any more.
    Refused,
    /// Its watermark lies further behind than its schedule promises, or it was not read though it was due.
    Late,
    /// It was never read, and there was little time for that yet.
    New,
    /// Nothing is expected of it until somebody acts: not enabled and never read, or withdrawn and retired.
    Resting,
    /// As it should be.
    Well,
    /// The configuration no longer asks for it; its rows stay.
    Retired,
}

impl Health {
    /// In a word.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Refused => "no longer given",
            Self::Late => "late",
            Self::New => "not read yet",
            Self::Resting => "resting",
            Self::Well => "on time",
            Self::Retired => "no longer configured",
        }
    }

    /// A sign beside the word.
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Failing => "✕",
            Self::Refused | Self::Late => "▲",
            Self::New => "○",
            Self::Resting => "‖",
            Self::Well => "✓",
            Self::Retired => "–",
        }
    }

    /// As its class is named.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Failing => "bad",
            Self::Refused | Self::Late => "warn",
            Self::New | Self::Resting | Self::Retired => "quiet",
            Self::Well => "good",
        }
    }
}

/// How a stream is: by how its last pass ended and by its lag, never by what an error says.
pub(super) fn health(stream: &StreamView) -> Health {
    if !stream.configured {
        return Health::Retired;
    }
    match stream.last_outcome {
        Some(LastPass::Failed | LastPass::Refused) => Health::Failing,
        // Withdrawn, and retired by somebody who knows that.
        Some(LastPass::Withdrawn) if stream.last_error.is_none() => Health::Resting,
        Some(LastPass::Withdrawn | LastPass::NotEnabled) if stream.watermark.is_some() => Health::Refused,
        Some(LastPass::Withdrawn | LastPass::NotEnabled) => Health::Resting,
        // A later version's word for an end that was no good one.
        None if stream.last_error.is_some() => Health::Failing,
        Some(LastPass::Ok) | None if stream.late => Health::Late,
        Some(LastPass::Ok) | None if stream.watermark.is_some() => Health::Well,
        Some(LastPass::Ok) | None => Health::New,
    }
}

/// Whether days are asked for of a stream: not where it was never given, or is no longer wanted.
pub(super) const fn is_wanted(health: Health) -> bool {
    !matches!(health, Health::Resting | Health::Retired)
}

/// What limits the strip of an account's interface, or of one of its streams; `wanted`: whether any of them is.
pub(super) fn frame(
    source: SourceKind,
    account: &str,
    cadences: &Cadences,
    now: DateTime<Utc>,
    wanted: bool,
) -> days::Frame {
    let cadences = wanted.then_some(&cadences.accounts);
    days::Frame {
        today: now.date_naive(),
        start: cadences
            .and_then(|accounts| accounts.get(&(source, account.to_owned())))
            .map(|cadence| cadence.start.date_naive()),
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
    fn a_stream_is_late_when_the_picture_says_so() {
        let late = StreamView { late: true, ..sample::stream("1") };
        assert_eq!(health(&late), Health::Late);
        assert_eq!(health(&sample::stream("1")), Health::Well);
        let new = StreamView { watermark: None, freshness_seconds: None, last_outcome: None, ..sample::stream("1") };
        assert_eq!(health(&new), Health::New);
        assert_eq!(health(&StreamView { late: true, ..new }), Health::Late, "it was due, and nobody read it");
    }

    #[test]
    fn health_goes_by_how_the_last_pass_ended_and_never_by_the_vendors_words() {
        // A vendor's sentence may hold anything, the words of our own errors too.
        let said = "the vendor answered \"EvTransactions is not enabled for this account\"";
        let ended = |last_outcome| StreamView {
            last_outcome: Some(last_outcome),
            last_error: Some(said.to_owned()),
            ..sample::stream("1")
        };
        assert_eq!(health(&ended(LastPass::Failed)), Health::Failing);
        assert_eq!(health(&ended(LastPass::Refused)), Health::Failing);
        for off in [LastPass::Withdrawn, LastPass::NotEnabled] {
            assert_eq!(health(&ended(off)), Health::Refused, "it was read before");
            let never = StreamView { watermark: None, freshness_seconds: None, ..ended(off) };
            assert_eq!(health(&never), Health::Resting);
            let without = StreamView { last_error: None, ..ended(off) };
            let retired = if off == LastPass::Withdrawn { Health::Resting } else { Health::Refused };
            assert_eq!(health(&without), retired, "an interface is retired by `sources`");
        }
        let unknown = StreamView { last_outcome: None, ..ended(LastPass::Ok) };
        assert_eq!(health(&unknown), Health::Failing);
    }

    #[test]
    fn what_the_configuration_no_longer_asks_for_is_neither_well_nor_ill() {
        let failing = StreamView { last_outcome: Some(LastPass::Failed), late: true, ..sample::stream("1") };
        assert_eq!(health(&StreamView { configured: false, ..failing }), Health::Retired);
    }
}
