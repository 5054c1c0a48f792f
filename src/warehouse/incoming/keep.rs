//! What of a read is kept in the ledger, so that its records are known when they come again.

use std::{io, ops::RangeInclusive};

use chrono::{DateTime, Utc};

use super::{Batch, Entry, Packed, copy};
use crate::source::known::{Keeping, KnownLine, MOST};

/// Windows with fewer lines are understood anew sooner than what is known of them is fetched. Of one with more, hardly a quarter
/// of the records would have room, and fetching them would take memory that such a window needs itself.
const LINES: RangeInclusive<usize> = 50..=MOST / 16;
/// While not even one record in so many is new, nor gone, what is kept stays: it takes as much as a tenth of the rows.
const WORTH: usize = 16;

/// What the ledger is to keep of a whole read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::warehouse) enum Kept {
    /// What it has.
    AsItWas,
    /// This, or nothing.
    Anew(Option<Vec<u8>>),
}

impl Batch {
    /// What the ledger is to keep of this read, which was made at the source's time `present`: the records whose lines
    /// are each the window's own and like no other, and so what their text alone makes of them. `is_settled`: whether the
    /// table has the line of this number by this read or before it, unchanged. A row that comes and goes, as between two
    /// contracts that both list it, is none: it would be recognized and be missed each time.
    pub(in crate::warehouse) fn kept(
        &self,
        present: DateTime<Utc>,
        is_settled: impl Fn(usize) -> bool,
    ) -> io::Result<Kept> {
        self.kept_of(&LINES, present, is_settled)
    }

    /// The same of reads with as many lines.
    pub(super) fn kept_of(
        &self,
        lines: &RangeInclusive<usize>,
        present: DateTime<Utc>,
        is_settled: impl Fn(usize) -> bool,
    ) -> io::Result<Kept> {
        let before = &self.incoming.known;
        if !lines.contains(&self.len()) || self.duplicate() > 0 {
            return Ok(Kept::Anew(None));
        }
        let fit = || {
            let of_unit = |unit: std::ops::Range<usize>| {
                let fits = unit.clone().all(|at| self.incoming.entries[at].is_its_records() && is_settled(at));
                fits.then(|| &self.incoming.entries[unit])
            };
            self.units().filter_map(of_unit)
        };
        let is_known = |entries: &&[Entry]| entries.first().is_some_and(Entry::is_known);
        let known = fit().filter(is_known).count();
        let new = fit().count() - known;
        let is_few = |records: usize| records * WORTH <= known;
        let is_as_good = before.is_full() || is_few(new);
        if !before.is_empty() && is_as_good && is_few(before.len().saturating_sub(known)) {
            return Ok(Kept::AsItWas);
        }
        let (mut keeping, mut reader) = (Keeping::of_read(present), self.incoming.records.reader());
        let mut any = false;
        for entries in fit() {
            let Some(first) = entries.first() else { continue };
            any |= if first.is_known() {
                let record = before.record(first.record);
                keeping.add(record.mark, record.id, record.lines())
            } else {
                let packed = Packed::of(reader.get(first.record as usize)?)?;
                let Some(mark) = packed.mark else { continue };
                let line = |entry: &Entry| {
                    Ok(KnownLine { line_id: copy::line_id(packed.line(entry.place())?.fields), hash: entry.hash })
                };
                keeping.add(mark, packed.id, entries.iter().map(line).collect::<io::Result<Vec<_>>>()?)
            };
        }
        Ok(Kept::Anew(any.then(|| keeping.finish())))
    }
}
