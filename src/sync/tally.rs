//! What came of all that this process has read since it started, by source and account: counters of `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{summary::StreamOutcome, window::Disposition};
use crate::{
    domain::{SourceKind, StreamId},
    warehouse::load::Counts,
};

/// What came of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowOutcome {
    /// A line of it was inserted, updated, or marked missing, or nothing of it could be understood.
    Changed,
    /// The warehouse had it as it is.
    Unchanged,
    /// It was asked for and not written; it waits for the next pass.
    Failed,
    /// The source no longer serves it.
    Lost,
}

impl WindowOutcome {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Changed, Self::Unchanged, Self::Failed, Self::Lost];

    /// The word in the label `outcome`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
            Self::Lost => "lost",
        }
    }

    /// What the counts of a window that was written say.
    pub const fn written(counts: &Counts) -> Self {
        let nothing_understood = counts.quarantined > 0 && counts.unchanged == 0;
        if counts.inserted + counts.updated + counts.marked > 0 || nothing_understood {
            Self::Changed
        } else {
            Self::Unchanged
        }
    }

    /// What an error makes of its window; none where nothing is to be waited for: a younger read stands, another process
    /// reads it, it is not to be read at all, or the process stops.
    pub const fn failed(disposition: Disposition) -> Option<Self> {
        match disposition {
            Disposition::NextPass | Disposition::StopAccount | Disposition::StopPass => Some(Self::Failed),
            Disposition::Gap => Some(Self::Lost),
            Disposition::SwitchOff
            | Disposition::Rest
            | Disposition::LeaveStream
            | Disposition::Drop
            | Disposition::Stop => None,
        }
    }
}

/// The counters of every interface that is read; each is there from the start. They only grow.
#[derive(Debug)]
pub struct Tallies(Vec<(SourceKind, String, Tally)>);

#[derive(Debug, Default)]
struct Tally {
    passes: [AtomicU64; StreamOutcome::ALL.len()],
    windows: [AtomicU64; WindowOutcome::ALL.len()],
    inserted: AtomicU64,
    updated: AtomicU64,
    unchanged: AtomicU64,
    quarantined: AtomicU64,
    outside: AtomicU64,
    duplicate: AtomicU64,
    marked: AtomicU64,
}

/// What was counted of an account's interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tallied {
    /// Passes over one stream by how they ended, in the order of [`StreamOutcome::ALL`].
    pub passes: [u64; StreamOutcome::ALL.len()],
    /// Windows by what came of them, in the order of [`WindowOutcome::ALL`].
    pub windows: [u64; WindowOutcome::ALL.len()],
    /// Lines by what became of them; `missing` is not counted, since each read of a window says it anew.
    pub lines: Counts,
}

impl Tallies {
    /// Counters of these interfaces, all at 0.
    pub fn new(interfaces: impl IntoIterator<Item = (SourceKind, String)>) -> Self {
        Self(interfaces.into_iter().map(|(source, account)| (source, account, Tally::default())).collect())
    }

    /// What was counted, in the order of the configuration.
    pub fn read(&self) -> impl Iterator<Item = (SourceKind, &str, Tallied)> {
        self.0.iter().map(|(source, account, tally)| (*source, account.as_str(), tally.read()))
    }

    /// A pass over a stream has ended, or what keeps it from beginning was found.
    pub fn passed(&self, stream: &StreamId, outcome: StreamOutcome) {
        if let Some(tally) = self.of(stream) {
            add(&tally.passes[outcome as usize], 1);
        }
    }

    /// A window was not written.
    pub(super) fn not_written(&self, stream: &StreamId, disposition: Disposition) {
        if let (Some(tally), Some(outcome)) = (self.of(stream), WindowOutcome::failed(disposition)) {
            add(&tally.windows[outcome as usize], 1);
        }
    }

    /// A window was written.
    pub(super) fn written(&self, stream: &StreamId, counts: &Counts) {
        if let Some(tally) = self.of(stream) {
            add(&tally.windows[WindowOutcome::written(counts) as usize], 1);
        }
        self.lines(stream, counts);
    }

    /// Lines were read.
    pub(super) fn lines(&self, stream: &StreamId, counts: &Counts) {
        let Some(tally) = self.of(stream) else { return };
        for (counter, lines) in [
            (&tally.inserted, counts.inserted),
            (&tally.updated, counts.updated),
            (&tally.unchanged, counts.unchanged),
            (&tally.quarantined, counts.quarantined),
            (&tally.outside, counts.outside),
            (&tally.duplicate, counts.duplicate),
            (&tally.marked, counts.marked),
        ] {
            add(counter, lines);
        }
    }

    fn of(&self, stream: &StreamId) -> Option<&Tally> {
        let is_it = |(source, account, _): &&(SourceKind, String, Tally)| {
            *source == stream.source && *account == stream.account
        };
        self.0.iter().find(is_it).map(|(.., tally)| tally)
    }
}

impl Tally {
    fn read(&self) -> Tallied {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut lines = Counts {
            fetched: 0,
            inserted: load(&self.inserted),
            updated: load(&self.updated),
            unchanged: load(&self.unchanged),
            quarantined: load(&self.quarantined),
            outside: load(&self.outside),
            duplicate: load(&self.duplicate),
            missing: 0,
            marked: load(&self.marked),
        };
        lines.fetched =
            lines.inserted + lines.updated + lines.unchanged + lines.quarantined + lines.outside + lines.duplicate;
        Tallied { passes: self.passes.each_ref().map(load), windows: self.windows.each_ref().map(load), lines }
    }
}

fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Partition;

    #[test]
    fn places_are_those_of_the_lists() {
        for (place, outcome) in StreamOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, place, "{outcome:?}");
        }
        for (place, outcome) in WindowOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, place, "{outcome:?}");
        }
    }

    #[test]
    fn what_only_an_earlier_read_marked_missing_does_not_change_a_window() {
        let counts = Counts { fetched: 3, unchanged: 3, missing: 2, ..Counts::default() };
        assert_eq!(WindowOutcome::written(&counts), WindowOutcome::Unchanged);
        assert_eq!(WindowOutcome::written(&Counts { marked: 1, ..counts }), WindowOutcome::Changed);
        let one = Counts { quarantined: 1, ..counts };
        assert_eq!(WindowOutcome::written(&one), WindowOutcome::Unchanged, "one of three is what it was");
        let none = Counts { fetched: 2, quarantined: 2, ..Counts::default() };
        assert_eq!(WindowOutcome::written(&none), WindowOutcome::Changed, "the warehouse has nothing of it");
    }

    #[test]
    fn all_contracts_of_an_account_are_counted_together_and_strangers_nowhere() {
        let tallies = Tallies::new([(SourceKind::AlexelaCard, "fleet".to_owned())]);
        let stream = |account: &str, contract: &str| {
            StreamId::new(SourceKind::AlexelaCard, account, Partition::contract(contract))
        };
        let counts = Counts { fetched: 3, inserted: 2, outside: 1, ..Counts::default() };
        for stream in [stream("fleet", "1"), stream("fleet", "2"), stream("nobody", "1")] {
            tallies.written(&stream, &counts);
            tallies.not_written(&stream, Disposition::Gap);
            tallies.not_written(&stream, Disposition::Drop);
            tallies.passed(&stream, StreamOutcome::Ok);
        }
        let read: Vec<_> = tallies.read().collect();
        let lines = Counts { fetched: 6, inserted: 4, outside: 2, ..Counts::default() };
        let expected = Tallied { passes: [2, 0, 0, 0, 0, 0, 0, 0], windows: [2, 0, 0, 2], lines };
        assert_eq!(read, [(SourceKind::AlexelaCard, "fleet", expected)]);
    }
}
