//! Which records of the quarantine may be written by themselves: those of which a read of the same answer would make the
//! same rows. A function of its arguments.

use std::fmt;

use super::Candidate;
use crate::{
    domain::{SourceKind, Window},
    warehouse::fields::is_line_of,
};

/// Why a record that can be normalized is left in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It was settled or met again by a read while it was looked at.
    Meanwhile,
    /// Another open record is a line of the same sale and product, and was not asked for or came by another read.
    Sibling(i64),
    /// Another open record has the same transaction, and which is the newer image is not known.
    Images(i64),
    /// The table has a line of the same sale and product: this is another one, or its newer image.
    LineThere,
    /// The table has the transaction, and it lies in another window than the one that brought the record.
    Neighbour,
    /// The transaction was written again after the record was met.
    Younger,
    /// A read of its window would settle it, and the source no longer serves that time.
    Unserved,
    /// A read of its window would settle it, and no window that was read has its time.
    Unread,
}

impl Why {
    /// Whether the next read of its window settles it, so that the window is due.
    pub const fn asks_for_a_read(self) -> bool {
        match self {
            Self::Meanwhile | Self::Sibling(_) | Self::Unserved | Self::Unread => false,
            Self::Images(_) | Self::LineThere | Self::Neighbour | Self::Younger => true,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Meanwhile => f.write_str("it was settled or met again meanwhile"),
            Self::Sibling(id) => write!(
                f,
                "record {id} is another line of the same sale and product, and they are numbered together: replay both, or wait for the next read"
            ),
            Self::Images(id) => write!(
                f,
                "record {id} is another image of the same transaction, and which is the newer is not known; the next read of its window settles it"
            ),
            Self::LineThere => f.write_str(
                "the table has a line of the same sale and product; whether this is another one or its newer image, the next read of its window settles",
            ),
            Self::Neighbour => f.write_str(
                "the table has this transaction, and it lies in another window; the next read of that window settles it",
            ),
            Self::Younger => f.write_str(
                "the transaction was written again after this record was met; the next read of its window settles it",
            ),
            Self::Unserved => f.write_str(
                "the table has this sale already or the record is not the only one of it, and the source no longer serves that time; drop it, or correct the line by hand",
            ),
            Self::Unread => f.write_str(
                "the table has this sale already or the record is not the only one of it, and no window that was read has its time; backfill that time, drop it, or correct the line by hand",
            ),
        }
    }
}

/// Another open record of one of the transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) id: i64,
    pub(super) transaction: String,
    /// The line that it would be; none when it cannot be normalized.
    pub(super) line_id: Option<String>,
}

/// A line of one of the transactions that the table has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct There {
    pub(super) transaction: String,
    pub(super) line_id: String,
    /// Whether it was written after the records were met.
    pub(super) is_younger: bool,
}

/// For each record: why it is left, if it is.
pub(super) fn decide(
    kind: SourceKind,
    window: Option<Window>,
    candidates: &[Candidate],
    others: &[Other],
    there: &[There],
) -> Vec<Option<Why>> {
    let of_one = |candidate: &Candidate| {
        if kind.record_is_whole_transaction() {
            whole(window, candidate, candidates, others, there)
        } else {
            line(candidate, others, there)
        }
    };
    candidates.iter().map(of_one).collect()
}

/// A `HecOne` record is the whole transaction as it was when the record was met: it replaces what was before.
fn whole(
    window: Option<Window>,
    candidate: &Candidate,
    candidates: &[Candidate],
    others: &[Other],
    there: &[There],
) -> Option<Why> {
    let beside = candidates.iter().filter(|other| other.transaction == candidate.transaction).map(|other| other.id);
    let open = others.iter().filter(|other| other.transaction == candidate.transaction).map(|other| other.id);
    if let Some(other) = beside.chain(open).find(|id| *id != candidate.id) {
        return Some(Why::Images(other));
    }
    let mut rows = there.iter().filter(|row| row.transaction == candidate.transaction).peekable();
    rows.peek()?;
    if rows.any(|row| row.is_younger) {
        return Some(Why::Younger);
    }
    let at = candidate.lines.first().map(|line| line.occurred_at);
    let is_outside = window.zip(at).is_some_and(|(window, at)| !window.contains(at));
    is_outside.then_some(Why::Neighbour)
}

/// An Alexela record is a line. Those of one answer are numbered together.
fn line(candidate: &Candidate, others: &[Other], there: &[There]) -> Option<Why> {
    let product = candidate.lines.first().map(|line| line.line_id.as_str()).unwrap_or_default();
    if there.iter().any(|row| row.transaction == candidate.transaction && is_line_of(&row.line_id, product)) {
        return Some(Why::LineThere);
    }
    let sibling = others
        .iter()
        .find(|other| other.transaction == candidate.transaction && other.line_id.as_deref() == Some(product));
    sibling.map(|other| Why::Sibling(other.id))
}
