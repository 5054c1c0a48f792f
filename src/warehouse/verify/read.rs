//! How many transactions were read, each counted once however the source cuts what it is asked for.

use std::io;

use super::Against;
use crate::{
    domain::Window,
    warehouse::{
        fields::{self, OCCURRED_AT},
        incoming::Batch,
    },
};

/// Where stretches that touch begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// The start of the first and the end of the last.
    pub pieces: Window,
    /// The same in the units in which the source can be asked: of this it tells its own totals.
    pub asked: Window,
}

/// Transactions that were read. Records that cannot be normalized, of which nobody can say when they took place, count as
/// inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Transactions {
    /// Those of the stretch: none of a neighbour's that came with them.
    pub inside: u64,
    /// Others before the first stretch or after the last one, in what the source is asked for.
    pub beside: u64,
    /// Of all these, those at the very first instant of what the source is asked for, and those that may be from before it.
    pub at_start: u64,
    /// Those at the very end of it, which are not among them.
    pub at_end: u64,
}

impl Transactions {
    /// What a read brought, without what cannot be normalized.
    pub(super) fn of(batch: &Batch, against: &Against<'_>) -> io::Result<Self> {
        let (mut read, mut lines) = (Self::default(), batch.lines());
        // What lies at another stretch's ends is in other reads, too.
        let first = against.ends.filter(|ends| ends.pieces.start() == against.stretch.start());
        let last = against.ends.filter(|ends| ends.pieces.end() == against.stretch.end());
        for unit in batch.units() {
            let entry = batch.entry(unit.start);
            read.inside += u64::from(!entry.outside());
            if !entry.outside() && first.is_none() {
                continue;
            }
            let Some(at) = fields::time(&lines.of(entry)?.1, OCCURRED_AT) else { continue };
            let before = first.is_some_and(|ends| at < ends.pieces.start() && ends.asked.contains(at));
            let after = last.is_some_and(|ends| at >= ends.pieces.end() && ends.asked.contains(at));
            read.beside += u64::from(before || after);
            read.at_start += u64::from(first.is_some_and(|ends| at == ends.asked.start()));
            read.at_end += u64::from(last.is_some_and(|ends| at == ends.asked.end()));
        }
        Ok(read)
    }
}

impl std::ops::AddAssign for Transactions {
    fn add_assign(&mut self, other: Self) {
        self.inside += other.inside;
        self.beside += other.beside;
        self.at_start += other.at_start;
        self.at_end += other.at_end;
    }
}
