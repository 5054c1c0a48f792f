//! What a read brought, whole.

use std::{borrow::Cow, io, ops::Range};

use sha2::{Digest, Sha256};

use super::{Entry, Incoming, Reject, finished, prefix, table::Found};
use crate::warehouse::{
    copy::ContentHash,
    packed::{self, Packed},
    spool::Reader,
};

/// What a read brought, whole.
#[derive(Debug)]
pub struct Batch {
    pub(super) incoming: Incoming,
    /// Digests of the ids of what cannot be normalized, in order.
    rejected_ids: Vec<u64>,
}

/// How a row of the table meets what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::warehouse) enum Meeting {
    /// This entry is the same, content and all.
    Same(usize),
    /// This entry is its line, with other content.
    Other(usize),
    /// The transaction is there (its first entry is this one), this line of it is not, or not as it is.
    Replaced(usize),
    /// Not there.
    Absent,
}

impl Batch {
    pub(super) fn of(incoming: Incoming) -> Self {
        let mut rejected_ids: Vec<_> = incoming.rejected.iter().filter_map(|rejected| rejected.id).collect();
        rejected_ids.sort_unstable();
        Self { incoming, rejected_ids }
    }

    /// Which persons were forgotten when it was read.
    pub(in crate::warehouse) const fn forgotten(&self) -> i64 {
        self.incoming.forgotten
    }

    /// Lines, and one for each record that cannot be normalized.
    pub fn fetched(&self) -> u64 {
        (self.incoming.entries.len() + self.incoming.rejected.len()) as u64
    }

    /// Lines whose key a later answer brought again.
    pub fn duplicate(&self) -> u64 {
        self.incoming.entries.iter().filter(|entry| entry.superseded()).count() as u64
    }

    /// Lines outside the window.
    pub fn outside(&self) -> u64 {
        self.entries().filter(|(_, entry)| entry.outside()).count() as u64
    }

    /// Records that cannot be normalized.
    pub fn quarantined(&self) -> u64 {
        self.incoming.rejected.len() as u64
    }

    /// Whether it is nothing but lines of the window, each once.
    pub(crate) fn is_plain(&self) -> bool {
        self.incoming.rejected.is_empty() && self.incoming.entries.iter().all(Entry::is_plain)
    }

    /// A digest over the lines inside the window: over the sum of the digests of their contents, whatever their order.
    pub fn digest(&self) -> Vec<u8> {
        let inside = self.entries().filter(|(_, entry)| !entry.outside());
        let (count, sum) = inside.fold((0u64, 0u64), |(n, sum), (_, entry)| (n + 1, sum.wrapping_add(entry.hash)));
        let mut hasher = Sha256::new();
        hasher.update(count.to_le_bytes());
        hasher.update(sum.to_le_bytes());
        hasher.finalize().to_vec()
    }

    /// Lines that stand, by number.
    pub(in crate::warehouse) fn entries(&self) -> impl Iterator<Item = (usize, &Entry)> {
        self.incoming.entries.iter().enumerate().filter(|(_, entry)| !entry.superseded())
    }

    /// How many entries there are, superseded ones too.
    pub(in crate::warehouse) fn len(&self) -> usize {
        self.incoming.entries.len()
    }

    /// What was read of a row of the table with this content.
    pub(in crate::warehouse) fn meet(&self, id: &str, line_id: &str, content: &[u8]) -> io::Result<Meeting> {
        let Incoming { entries, table, .. } = &self.incoming;
        let whole = self.incoming.kind.record_is_whole_transaction();
        let (key, content) = ((self.incoming.key)(id, if whole { "" } else { line_id }), prefix(content));
        let same = |at: u32| self.incoming.unit_of(at as usize).find(|at| entries[*at].hash == content);
        let found = table.find(key, |at| {
            let entry = &entries[at as usize];
            // The digests of key and content together are equal for the same line only; the key alone is looked at.
            Ok(entry.key == key && (same(at).is_some() || self.is_of(entry, id, line_id)?))
        })?;
        let Found::Taken(_, at) = found else { return Ok(Meeting::Absent) };
        if let Some(same) = same(at) {
            return Ok(Meeting::Same(same));
        }
        Ok(if whole { Meeting::Replaced(at as usize) } else { Meeting::Other(at as usize) })
    }

    fn is_of(&self, entry: &Entry, id: &str, line_id: &str) -> io::Result<bool> {
        let (its_id, its_line) = self.incoming.unit(entry)?;
        Ok(its_id == id && (self.incoming.kind.record_is_whole_transaction() || its_line == line_id))
    }

    /// The entries that stand, those of one unit together: a transaction's where records are whole transactions.
    pub(in crate::warehouse) fn units(&self) -> impl Iterator<Item = Range<usize>> {
        let mut next = 0;
        std::iter::from_fn(move || {
            while next < self.len() {
                let unit = self.incoming.unit_of(next);
                next = unit.end;
                if !self.incoming.entries[unit.start].superseded() {
                    return Some(unit);
                }
            }
            None
        })
    }

    /// The entries of the unit that begins with this one.
    pub(in crate::warehouse) fn unit_at(&self, first: usize) -> Range<usize> {
        self.incoming.unit_of(first)
    }

    /// One entry, which may be superseded.
    pub(in crate::warehouse) fn entry(&self, at: usize) -> &Entry {
        &self.incoming.entries[at]
    }

    /// Reads lines with their records, in order.
    pub(in crate::warehouse) fn lines(&self) -> Lines<'_> {
        Lines(self.incoming.records.reader())
    }

    /// Whether the transaction was brought, but as a record that cannot be normalized.
    pub(in crate::warehouse) fn is_rejected(&self, id: &str) -> bool {
        !self.rejected_ids.is_empty() && self.rejected_ids.binary_search(&(self.incoming.key)(id, "")).is_ok()
    }

    /// The ids that the read brought, in order or not.
    pub(in crate::warehouse) fn ids(&self) -> io::Result<Ids> {
        let mut ids = self.rejected_ids.clone();
        ids.reserve_exact(self.incoming.records.len());
        for number in 0..self.incoming.records.len() {
            ids.push((self.incoming.key)(&packed::id_of(&self.incoming.records, number)?, ""));
        }
        for entry in self.incoming.entries.iter().filter(|entry| entry.is_known()) {
            ids.push((self.incoming.key)(self.incoming.known.record(entry.record).id, ""));
        }
        ids.sort_unstable();
        Ok(Ids { ids, key: self.incoming.key })
    }

    /// Whether every record that cannot be normalized has at least its id.
    pub(in crate::warehouse) fn knows_every_id(&self) -> bool {
        self.incoming.rejected.iter().all(|rejected| rejected.id.is_some())
    }

    /// The records for the quarantine, those of one text once, in the order of their digests.
    pub(in crate::warehouse) fn rejected(&self) -> Vec<Alike<'_>> {
        let rejected = self.incoming.rejected.iter().enumerate();
        let mut rejected: Vec<_> = rejected
            .map(|(number, rejected)| Alike {
                fingerprint: &rejected.fingerprint,
                number,
                copies: 1,
                nul_removed: rejected.nul_removed,
            })
            .collect();
        rejected.sort_unstable_by_key(|alike| (alike.fingerprint, alike.number));
        rejected.dedup_by(|next, first| {
            let alike = next.fingerprint == first.fingerprint;
            if alike {
                first.copies += next.copies;
                first.nul_removed |= next.nul_removed;
            }
            alike
        });
        rejected
    }

    /// A record for the quarantine.
    pub(in crate::warehouse) fn reject(&self, number: usize) -> io::Result<Reject> {
        self.incoming.rejects.get(number)
    }
}

/// Rejected records of one text.
#[derive(Debug, Clone, Copy)]
pub(in crate::warehouse) struct Alike<'b> {
    /// Digest of the text.
    pub(in crate::warehouse) fingerprint: &'b [u8; 32],
    /// The first of them, for [`Batch::reject`].
    pub(in crate::warehouse) number: usize,
    /// How many there are.
    pub(in crate::warehouse) copies: i32,
    /// Whether a NUL character was taken out of one of them.
    pub(in crate::warehouse) nul_removed: bool,
}

/// Reads lines with their records, quickest in order.
#[derive(Debug)]
pub(in crate::warehouse) struct Lines<'b>(Reader<'b>);

impl Lines<'_> {
    /// The record of an entry, the fields of its line, and the digest of its content.
    pub(in crate::warehouse) fn of(&mut self, entry: &Entry) -> io::Result<(Packed<'_>, Cow<'_, [u8]>, ContentHash)> {
        if entry.is_known() {
            return Err(io::Error::other("a record that was recognized does not wait"));
        }
        let packed = Packed::of(self.0.get(entry.record as usize)?)?;
        let (fields, hash) = finished(&packed, entry)?;
        Ok((packed, fields, hash))
    }
}

/// The ids of a read, by their digests.
#[derive(Debug)]
pub(in crate::warehouse) struct Ids {
    ids: Vec<u64>,
    key: fn(&str, &str) -> u64,
}

impl Ids {
    /// Whether this one is among them.
    pub(in crate::warehouse) fn has(&self, id: &str) -> bool {
        self.ids.binary_search(&(self.key)(id, "")).is_ok()
    }
}
