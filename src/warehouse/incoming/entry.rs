//! One line while it waits: what is asked about it again and again. The rest is in the log.

use sha2::{Digest, Sha256};

use crate::warehouse::copy::ContentHash;

/// The digest of a key. Different keys may share one, so whoever meets an equal one looks at the key itself.
pub(super) type Key = u64;

/// The key of a unit: a line by its transaction's id and its own, a whole transaction by its id alone.
pub(super) fn key(id: &str, line_id: &str) -> Key {
    let mut hasher = Sha256::new();
    hasher.update((id.len() as u64).to_le_bytes());
    hasher.update(id);
    hasher.update(line_id);
    prefix(&hasher.finalize())
}

/// The first eight bytes of a digest, in its own order.
pub(super) fn prefix(digest: &[u8]) -> u64 {
    let mut first = [0; 8];
    let length = digest.len().min(8);
    first[..length].copy_from_slice(&digest[..length]);
    u64::from_be_bytes(first)
}

/// One line, as far as it must be known while it waits: 24 bytes.
#[derive(Debug, Clone, Copy)]
pub(in crate::warehouse) struct Entry {
    /// Of its unit.
    pub(super) key: Key,
    /// Of its content: the beginning of the whole digest.
    pub(super) hash: u64,
    /// Its record: in the log, or where it stands in what is known.
    pub(in crate::warehouse) record: u32,
    /// Its place in the record, and whether that is known.
    place: u16,
    /// Its number among the lines of one id and product, and what else is known of it.
    marks: u16,
}

const IDENTICAL: u16 = 1 << 15;
const OUTSIDE: u16 = 1 << 14;
const SUPERSEDED: u16 = 1 << 13;

/// In `place`: a record has a thousand lines at most.
const KNOWN: u16 = 1 << 15;
/// Also there: its record has a mark.
const MARKED: u16 = 1 << 14;

impl Entry {
    /// Most lines of one id and product in one answer.
    pub(super) const MOST_ALIKE: u16 = SUPERSEDED - 1;

    pub(super) fn new(key: Key, hash: &ContentHash, record: u32, place: u16) -> Self {
        Self { key, hash: prefix(hash), record, place, marks: 0 }
    }

    /// The same, of a record that lies outside the window, or whose text has a mark.
    pub(super) const fn with(mut self, outside: bool, marked: bool) -> Self {
        if outside {
            self.marks |= OUTSIDE;
        }
        if marked {
            self.place |= MARKED;
        }
        self
    }

    /// A line of a known record, which is inside the window.
    pub(super) const fn known(key: Key, hash: u64, record: u32, place: u16) -> Self {
        Self { key, hash, record, place: place | KNOWN | MARKED, marks: 0 }
    }

    /// Whether its record is known, and so not in the log.
    pub(in crate::warehouse) const fn is_known(&self) -> bool {
        self.place & KNOWN != 0
    }

    /// Its place in the record.
    pub(super) const fn place(&self) -> u16 {
        self.place & !(KNOWN | MARKED)
    }

    /// 0 and 1 need no suffix.
    pub(super) const fn number(&self) -> u16 {
        self.marks & Self::MOST_ALIKE
    }

    pub(super) const fn set_number(&mut self, number: u16, identical: bool) {
        self.marks = self.marks & (OUTSIDE | SUPERSEDED) | number & Self::MOST_ALIKE;
        if identical {
            self.marks |= IDENTICAL;
        }
    }

    /// Whether another line is alike in everything.
    pub(super) const fn identical(&self) -> bool {
        self.marks & IDENTICAL != 0
    }

    /// Whether it lies outside the window.
    pub(in crate::warehouse) const fn outside(&self) -> bool {
        self.marks & OUTSIDE != 0
    }

    /// Whether it stands, and inside the window.
    pub(super) const fn is_plain(&self) -> bool {
        self.marks & (OUTSIDE | SUPERSEDED) == 0
    }

    /// Whether it is what its record's text alone makes of it, and can be known by that: it stands inside the window, is
    /// like no other, and its record has a mark.
    pub(super) const fn is_its_records(&self) -> bool {
        self.is_plain() && self.number() == 0 && self.place & MARKED != 0
    }

    /// Whether a later image of it stands.
    pub(super) const fn superseded(&self) -> bool {
        self.marks & SUPERSEDED != 0
    }

    pub(super) const fn supersede(&mut self) {
        self.marks |= SUPERSEDED;
    }
}

/// A line's own key, with its number among those alike.
pub(super) fn numbered(line_id: &str, number: u16) -> String {
    if number > 1 { format!("{line_id}#{number}") } else { line_id.to_owned() }
}
