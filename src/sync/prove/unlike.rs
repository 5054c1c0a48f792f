//! Windows that hold other lines than the ledger or an earlier certificate says, though nothing says that any was written
//! or went since.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::{
    Proved, ProvedWindow,
    accounts::{Accounts, Named, Settled},
};
use crate::{
    domain::{StreamId, Window},
    warehouse::{
        WarehouseError,
        certificate::{Finding, Findings, LedgerSums, LedgerWindow, Normalize, Snapshot, Then, What},
        sums::{Sum, Sums},
    },
};

/// What the table has of a whole window of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct There {
    /// Lines, without those marked missing.
    rows: u64,
    /// Of those that count as sales.
    sums: Sums,
}

/// A window that the table has otherwise than the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unlike {
    pub(super) entry: LedgerWindow,
    /// How many lines it has, where they are not those whose digest the ledger holds.
    lines: Option<u64>,
    /// What the sales that it had when it was read come to, where that is not what the ledger says.
    sums: Option<Then>,
}

/// The windows of the ledger that the table has otherwise. `proved`: what was read of the stream, in order of time. What is
/// found by the way in the parts of windows that lie outside of it goes to `beyond`.
pub(super) async fn of_ledger(
    snapshot: &mut Snapshot,
    stream: &StreamId,
    ledger: &[LedgerWindow],
    proved: &[ProvedWindow],
    normalize: &Normalize<'_>,
    beyond: &mut Findings,
) -> Result<Vec<Unlike>, WarehouseError> {
    let mut unlike = Vec::new();
    let mut changed = Vec::new();
    for entry in ledger.iter().filter(|entry| entry.held.is_some() || !entry.sums.is_unknown()) {
        let there = There::of(snapshot, stream, entry.window, proved, normalize, beyond).await?;
        let lines = snapshot.has_other_lines(stream, entry).await?.then_some(there.rows);
        let differ = match &entry.sums {
            LedgerSums::Unknown => false,
            LedgerSums::Unreadable => true,
            LedgerSums::Known(then) => *then != there.sums,
        };
        if lines.is_some() || differ {
            changed
                .extend(entry.last_read_at.filter(|_| differ).map(|read_at| (unlike.len(), (entry.window, read_at))));
            unlike.push(Unlike { entry: entry.clone(), lines, sums: None });
        }
    }
    let (numbers, windows): (Vec<usize>, Vec<_>) = changed.into_iter().unzip();
    let then = snapshot.sums_then(stream, &windows).await?;
    for (number, then) in numbers.into_iter().zip(then) {
        let is_unlike = match &unlike[number].entry.sums {
            LedgerSums::Unknown => false,
            LedgerSums::Unreadable => true,
            LedgerSums::Known(sums) => *sums != then.sums,
        };
        unlike[number].sums = is_unlike.then_some(then);
    }
    unlike.retain(|unlike| unlike.lines.is_some() || unlike.sums.is_some());
    Ok(unlike)
}

impl There {
    /// Adds up what was read of the window, and reads what was not: it may reach over the end of the month.
    async fn of(
        snapshot: &mut Snapshot,
        stream: &StreamId,
        window: Window,
        proved: &[ProvedWindow],
        normalize: &Normalize<'_>,
        beyond: &mut Findings,
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
            let lines = snapshot.lines(stream, rest, normalize, beyond).await?;
            snapshot.hidden(stream, rest, beyond).await?;
            there.rows += lines.rows;
            there.sums += &lines.sums;
        }
        Ok(there)
    }
}

impl Unlike {
    fn settled(&self, named: Named) -> Settled {
        let lines = self
            .lines
            .is_none_or(|now| self.entry.held.as_ref().is_some_and(|(held, _)| named.account_for_lines(*held, now)));
        let sums = |unsure: bool| match (&self.sums, &self.entry.sums) {
            (None, _) => true,
            (Some(now), LedgerSums::Known(then)) => named.account_for_sums(
                then.rows(),
                now.sums.rows(),
                if unsure { (now.fewer, now.more) } else { (0, 0) },
            ),
            (Some(_), LedgerSums::Unknown | LedgerSums::Unreadable) => false,
        };
        if lines && sums(false) {
            Settled::Explained
        } else if lines && sums(true) {
            Settled::Unsure
        } else {
            Settled::Unexplained
        }
    }

    /// What the ledger says, and what is there, in words.
    fn words(&self) -> String {
        let window = self.entry.window;
        let held = self.entry.held.as_ref().map_or(0, |(held, _)| *held);
        let mut words = match self.lines {
            Some(rows) => {
                format!("the last read of the window {window} left {held} lines here; now there are {rows}, or others")
            }
            None => format!("the sales of the window {window} came to other sums at its last read"),
        };
        match (&self.entry.sums, &self.sums) {
            (LedgerSums::Known(then), Some(Then { sums: now, .. })) => {
                for (of, then, now) in then.differing(now) {
                    let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "-".to_owned());
                    let of = format!("{} {} {}", name(&of.product), name(&of.currency), name(&of.unit));
                    let _ = write!(words, "; {of}: {}", differing(&then, &now));
                }
            }
            (_, Some(_)) => words.push_str("; what the ledger keeps of them now is no list of sums"),
            (_, None) => {}
        }
        words.push_str(match self.lines {
            Some(_) => "; and nothing says that one was written or went since",
            None => "; and neither lines named here nor what was written since make the difference",
        });
        words
    }
}

/// What of two sums differs.
fn differing(then: &Sum, now: &Sum) -> String {
    let parts = [
        ("sales", then.rows.to_string(), now.rows.to_string()),
        ("quantity", then.quantity.to_string(), now.quantity.to_string()),
        ("net", then.net.to_string(), now.net.to_string()),
        ("VAT", then.vat.to_string(), now.vat.to_string()),
        ("gross", then.gross.to_string(), now.gross.to_string()),
    ];
    let differing = parts.iter().filter(|(_, then, now)| then != now);
    differing.map(|(name, then, now)| format!("{name} {then} then and {now} now")).collect::<Vec<_>>().join(", ")
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
        was_at: None,
        was_of: None,
        columns: Vec::new(),
        why,
    }
}

impl Proved {
    /// Says of windows that hold other lines than the ledger or the earlier certificate, unless the lines that were named
    /// account for it; counts those of which nobody can say.
    pub(super) fn settle(&mut self, findings: &mut Findings, accounts: &mut Accounts) {
        let mut said = Vec::new();
        for unlike in std::mem::take(&mut self.unlike) {
            let window = unlike.entry.window;
            match accounts.settle(&self.stream, window, |named| unlike.settled(named)) {
                Settled::Explained => {}
                Settled::Unsure => {
                    let pieces = self.windows.iter_mut().filter(|piece| window.intersect(&piece.window).is_some());
                    pieces.for_each(|piece| piece.unsure_ledger_sums = true);
                }
                Settled::Unexplained => {
                    findings.add(unexplained(&self.stream, window.start(), unlike.words()));
                    said.push(window);
                }
            }
        }
        let Some(since) = &self.since else { return };
        let by_any = |named: Named| if named.are_any() { Settled::Explained } else { Settled::Unexplained };
        for window in &since.unlike {
            let changed = since.since.changes.iter().any(|change| window.contains(change.occurred_at))
                || since.since.count() != since.since.changes.len() as u64;
            // What may be of another contract is not spent on a window that needs nothing.
            let named = changed
                || said.iter().any(|other| other.intersect(window).is_some())
                || accounts.settle(&self.stream, *window, by_any) == Settled::Explained;
            if !named {
                let why = format!(
                    "the window {window} held other lines when the certificate {} was made, and nothing says that one was \
                     written or went since",
                    since.certificate
                );
                findings.add(unexplained(&self.stream, window.start(), why));
            }
        }
    }
}
