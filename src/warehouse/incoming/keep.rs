//! What of a read is kept in the ledger, so that its records are known when they come again.

use std::{io, ops::RangeInclusive};

use chrono::{DateTime, Utc};

use super::{Batch, copy};
use crate::source::known::{Keeping, KnownLine};

/// A window with fewer lines is understood anew sooner than what is known of it is fetched.
const FEWEST: usize = 20;
/// What is known of a window with more lines is not kept: it would take as much memory as the lines themselves.
const MOST: usize = 100_000;

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
    /// are each the window's own and like no other, and so what their text alone makes of them.
    pub(in crate::warehouse) fn kept(&self, present: DateTime<Utc>) -> io::Result<Kept> {
        self.kept_of(FEWEST..=MOST, present)
    }

    /// The same where a read has as many lines as it says.
    pub(super) fn kept_of(&self, lines: RangeInclusive<usize>, present: DateTime<Utc>) -> io::Result<Kept> {
        if !lines.contains(&self.len()) || self.duplicate() > 0 {
            return Ok(if self.incoming.known.is_empty() { Kept::Anew(None) } else { Kept::AsItWas });
        }
        let (mut keeping, mut reader) = (Keeping::of_read(present), self.incoming.records.reader());
        let (mut known, mut new) = (0, 0);
        for unit in self.units() {
            let entries = &self.incoming.entries[unit];
            let Some(first) = entries.first().filter(|_| entries.iter().all(super::Entry::is_its_records)) else {
                continue;
            };
            let has_room = if first.is_known() {
                known += 1;
                let record = self.incoming.known.record(first.record);
                keeping.add(record.mark, record.id, record.lines())
            } else {
                let packed = super::Packed::of(reader.get(first.record as usize)?)?;
                let Some(mark) = packed.mark else { continue };
                new += 1;
                let lines = packed.lines().zip(entries);
                let lines =
                    lines.map(|(line, entry)| KnownLine { line_id: copy::line_id(line.fields), hash: entry.hash });
                keeping.add(mark, packed.id, lines)
            };
            if !has_room {
                return Ok(Kept::Anew(None));
            }
        }
        if new == 0 && known == self.incoming.known.len() {
            return Ok(Kept::AsItWas);
        }
        Ok(Kept::Anew(Some(keeping.finish()).filter(|_| known + new > 0)))
    }
}
