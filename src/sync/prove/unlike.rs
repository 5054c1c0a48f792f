//! Windows that hold other lines than the ledger or an earlier certificate says, though nothing says that any was written
//! or went since.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::{Proved, ProvedWindow};
use crate::{
    domain::{StreamId, Window},
    warehouse::{
        WarehouseError,
        certificate::{Finding, Findings, LedgerWindow, Snapshot, What},
        sums::{Sum, Sums},
    },
};

/// What the table has of a whole window of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct There {
    /// Lines, without those marked missing.
    pub(super) rows: u64,
    /// Of those that count as sales.
    pub(super) sums: Sums,
}

impl There {
    /// Adds up what was read of the window, and reads what was not: it may reach over the end of the month.
    /// `proved`: in order of time.
    pub(super) async fn of(
        snapshot: &mut Snapshot,
        stream: &StreamId,
        window: Window,
        proved: &[ProvedWindow],
    ) -> Result<Self, WarehouseError> {
        let from = proved.partition_point(|piece| piece.window.start() < window.start());
        let to = proved.partition_point(|piece| piece.window.start() < window.end());
        let pieces = || proved[from..to].iter().filter(|piece| piece.window.end() <= window.end());
        let mut there = Self::default();
        for piece in pieces() {
            there.rows += piece.lines.rows;
            there.sums += &piece.lines.sums;
        }
        for rest in window.minus(pieces().map(|piece| piece.window)) {
            // What is found there is of another certificate.
            let lines = snapshot.lines(stream, rest, &|_, _| None, &mut Findings::default()).await?;
            there.rows += lines.rows;
            there.sums += &lines.sums;
        }
        Ok(there)
    }
}

fn unexplained(stream: &StreamId, at: DateTime<Utc>, why: String) -> Finding {
    Finding {
        what: What::Unexplained,
        source: stream.source.as_str().to_owned(),
        account: stream.account.clone(),
        partition: Some(stream.partition.as_str().to_owned()),
        source_transaction_id: None,
        line_id: None,
        occurred_at: Some(at),
        columns: Vec::new(),
        why,
    }
}

/// What the ledger says of a window, and what is there, in words.
fn words(entry: &LedgerWindow, there: &There) -> String {
    let (window, rows) = (entry.window, there.rows);
    let mut words = match entry.held {
        Some((held, _)) => {
            format!("the last read of the window {window} left {held} lines here; now there are {rows}, or others")
        }
        None => format!("the lines of the window {window} came to other sums at its last read"),
    };
    for (of, now, then) in there.sums.differing(entry.sums.as_ref().unwrap_or(&there.sums)) {
        let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "-".to_owned());
        let _ = write!(
            words,
            "; {} {} {}: {} then, {} now",
            name(&of.product),
            name(&of.currency),
            name(&of.unit),
            money(&then),
            money(&now)
        );
    }
    words.push_str("; and nothing says that one was written or went since");
    words
}

fn money(Sum { rows, quantity, gross, .. }: &Sum) -> String {
    format!("{rows} sales, quantity {quantity}, gross {gross}")
}

impl Proved {
    /// Says of windows that hold other lines than the ledger or the earlier certificate, unless the lines that were named
    /// account for it.
    pub(super) fn settle(&mut self, findings: &mut Findings) {
        for (entry, there) in std::mem::take(&mut self.unlike) {
            if !self.is_accounted_for(&entry, there.rows, findings) {
                findings.add(unexplained(&self.stream, entry.window.start(), words(&entry, &there)));
            }
        }
        let Some(since) = &self.since else { return };
        for window in &since.unlike {
            let named = findings.named.iter().any(|finding| self.is_in(finding, *window));
            let changed = since.since.changes.iter().any(|change| window.contains(change.occurred_at));
            if !named && !changed && since.since.count() == since.since.changes.len() as u64 {
                let why = format!(
                    "the window {window} held other lines when the certificate {} was made, and nothing says that one was \
                     written or went since",
                    since.certificate
                );
                findings.add(unexplained(&self.stream, window.start(), why));
            }
        }
    }

    /// Whether a finding is of this stream, as far as is known, and lies in a window.
    fn is_in(&self, finding: &Finding, window: Window) -> bool {
        finding.source == self.stream.source.as_str()
            && finding.account == self.stream.account
            && finding.partition.as_deref().is_none_or(|partition| partition == self.stream.partition.as_str())
            && finding.occurred_at.is_some_and(|at| window.contains(at))
    }

    /// Whether the lines that were named make the difference to the ledger: those that were deleted or invented to its
    /// number of lines, where it holds that.
    fn is_accounted_for(&self, entry: &LedgerWindow, rows: u64, findings: &Findings) -> bool {
        let count = |what| {
            findings.named.iter().filter(|finding| finding.what == what && self.is_in(finding, entry.window)).count()
                as u64
        };
        let (deleted, invented, altered) = (count(What::Deleted), count(What::Invented), count(What::Altered));
        entry.held.as_ref().is_none_or(|(held, _)| rows + deleted == held + invented)
            && deleted + invented + altered > 0
    }
}
