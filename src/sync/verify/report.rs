//! What came of a verification: the document that `--json` prints.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Left;
use crate::{
    domain::{StreamId, Window},
    source::Statistics,
    sync::summary::{Outcome, StreamOutcome, StreamSummary, Summary},
    warehouse::{
        load::Counts,
        sums::{Of, Sum, Sums, Total},
        verify::{Difference, Found, Tally, Transactions},
    },
};

/// Lines that are named in all; all are counted.
pub(super) const NAMED: usize = 100_000;

/// One product, in one currency and unit, at the source and here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// Which.
    #[serde(flatten)]
    pub of: Of,
    /// At the source.
    pub source: Sum,
    /// In the table, without what is marked missing.
    pub warehouse: Sum,
}

/// The source's own totals beside what was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Transactions, by the source's totals; none when they do not say.
    pub count: Option<u64>,
    /// Transactions that were read of the same stretch, those in quarantine too; each once, though it came with two windows.
    pub count_read: u64,
    /// Of those, how many took place at the very start of the stretch, and how many more at its very end: the source does
    /// not say whether its totals count them.
    pub at_start: u64,
    /// See `at_start`.
    pub at_end: u64,
    /// Their amounts, by the source's totals.
    pub amount: Option<String>,
    /// The amounts with tax of the lines that were read, by currency.
    pub amount_read: Vec<AmountRead>,
    /// What was paid, by the source's totals.
    pub paid_amount: Option<String>,
    /// What was looked for and not found.
    pub not_found: Vec<&'static str>,
    /// What else there was.
    pub unused: Vec<String>,
    /// Whether the account reads with a filter, which the totals do not know.
    pub filtered: bool,
}

/// A sum of what was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AmountRead {
    /// ISO 4217.
    pub currency: Option<String>,
    /// With tax.
    pub gross: Total,
}

impl Totals {
    pub(super) fn of(statistics: Statistics, done: &StreamVerified, filtered: bool) -> Self {
        let mut amounts: Vec<AmountRead> = Vec::new();
        for (of, sum) in done.source.iter() {
            match amounts.iter_mut().find(|amount| amount.currency == of.currency) {
                Some(amount) => amount.gross += sum.gross,
                None => amounts.push(AmountRead { currency: of.currency.clone(), gross: sum.gross }),
            }
        }
        Self {
            count: statistics.count,
            count_read: done.read.inside + done.read.beside,
            at_start: done.read.at_start,
            at_end: done.read.at_end,
            amount: statistics.amount.map(|amount| amount.to_string()),
            amount_read: amounts,
            paid_amount: statistics.paid_amount.map(|amount| amount.to_string()),
            not_found: statistics.not_found(),
            unused: statistics.unused,
            filtered,
        }
    }

    /// Whether the source counts other transactions than were read, whichever of those at the two ends it counts.
    pub fn count_differs(&self) -> bool {
        let could_be = self.count_read.saturating_sub(self.at_start)..=self.count_read + self.at_end;
        self.count.is_some_and(|count| !could_be.contains(&count))
    }
}

/// What a repair did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Repaired {
    /// Windows loaded.
    pub windows: u64,
    /// Windows that were left: another worker reads them, or the source no longer serves them.
    pub left: u64,
    /// What was written.
    #[serde(flatten)]
    pub counts: Counts,
}

/// One stream's part.
#[derive(Debug, Clone, Serialize)]
pub struct StreamVerified {
    /// Source, account, partition.
    #[serde(flatten)]
    pub stream: StreamId,
    /// How reading it ended.
    pub outcome: StreamOutcome,
    /// Windows compared.
    pub windows: u64,
    /// Transactions that were read, each once.
    pub transactions: u64,
    /// Lines that were read.
    #[serde(skip)]
    pub counts: Counts,
    /// How many lines differ.
    #[serde(flatten)]
    pub tally: Tally,
    /// By product, currency and unit.
    pub products: Vec<Compared>,
    /// What differs, by name, in order of time.
    pub rows: Vec<Difference>,
    /// Of those, how many are not named.
    pub not_named: u64,
    /// Windows of which the source's pages kept moving: what they do not have was not held against it.
    pub moving: u64,
    /// What was not compared, and why.
    #[serde(rename = "not_compared")]
    pub left: Vec<Left>,
    /// The source's own totals.
    pub totals: Option<Totals>,
    /// What a repair did; none without one.
    pub repaired: Option<Repaired>,
    /// What else is to be known.
    pub remarks: Vec<String>,
    /// What stopped it.
    pub error: Option<String>,
    /// Whether the source refused a window that it was thought to serve.
    #[serde(skip)]
    pub(super) refused: bool,
    /// The same, as the source's own totals count them.
    #[serde(skip)]
    pub(super) read: Transactions,
    /// What the source has.
    #[serde(skip)]
    pub(super) source: Sums,
    /// What the table has.
    #[serde(skip)]
    pub(super) warehouse: Sums,
}

impl StreamVerified {
    pub(super) fn new(stream: StreamId) -> Self {
        Self {
            stream,
            outcome: StreamOutcome::Ok,
            windows: 0,
            transactions: 0,
            counts: Counts::default(),
            tally: Tally::default(),
            products: Vec::new(),
            rows: Vec::new(),
            not_named: 0,
            moving: 0,
            left: Vec::new(),
            totals: None,
            repaired: None,
            remarks: Vec::new(),
            error: None,
            refused: false,
            read: Transactions::default(),
            source: Sums::default(),
            warehouse: Sums::default(),
        }
    }

    /// A stream that could not be looked at.
    pub(super) fn of(remark: StreamSummary) -> Self {
        Self { outcome: remark.outcome, error: remark.error, ..Self::new(remark.stream) }
    }

    pub(super) fn add(&mut self, found: &Found) {
        self.source += &found.source;
        self.warehouse += &found.warehouse;
    }

    /// Whether something of the stretch was not compared.
    pub fn is_partial(&self) -> bool {
        !self.left.is_empty() || self.moving + self.tally.meanwhile > 0 || self.refused
    }

    /// Whether the source counts other transactions of the stretch than it sent, and no filter is the reason.
    pub fn count_differs(&self) -> bool {
        self.totals.as_ref().is_some_and(|totals| totals.count_differs() && !totals.filtered)
    }

    fn finish(&mut self) {
        let keys: BTreeSet<_> = self.source.iter().chain(self.warehouse.iter()).map(|(of, _)| of.clone()).collect();
        let compared = |of: Of| Compared { source: self.source.of(&of), warehouse: self.warehouse.of(&of), of };
        self.products = keys.into_iter().map(compared).collect();
        self.not_named = (self.tally.differing() + self.tally.quarantined).saturating_sub(self.rows.len() as u64);
    }
}

/// The whole.
#[derive(Debug, Clone, Serialize)]
pub struct Verified {
    /// How reading ended.
    pub outcome: Outcome,
    /// What was asked for.
    #[serde(flatten)]
    pub stretch: Window,
    /// How many lines differ.
    #[serde(flatten)]
    pub tally: Tally,
    /// Each stream, in order of source, account, partition.
    pub streams: Vec<StreamVerified>,
}

impl Verified {
    pub(super) fn of(stretch: Window, mut streams: Vec<StreamVerified>) -> Self {
        streams.sort_by(|a, b| a.stream.cmp(&b.stream));
        let mut tally = Tally::default();
        for stream in &mut streams {
            stream.finish();
            tally += stream.tally;
        }
        let outcomes = streams.iter().map(|done| {
            let summary = StreamSummary::new(done.stream.clone());
            StreamSummary { outcome: done.outcome, ..summary }
        });
        Self { outcome: Summary::of(outcomes.collect()).outcome, stretch, tally, streams }
    }

    /// Whether something is not as the sources have it or say it.
    pub fn has_found(&self) -> bool {
        self.tally.differing() > 0 || self.streams.iter().any(StreamVerified::count_differs)
    }

    /// Windows compared, and the counts of what was read for it; with a repair's.
    pub fn totals(&self) -> (u64, Counts) {
        let (mut windows, mut counts) = (0, Counts::default());
        for stream in &self.streams {
            windows += stream.windows;
            counts += stream.counts;
            if let Some(repaired) = &stream.repaired {
                windows += repaired.windows;
                counts += repaired.counts;
            }
        }
        (windows, counts)
    }
}
