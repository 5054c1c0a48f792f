//! What the texts of a window's records came to when they were last normalized.
//!
//! Most of what is read is read again, and nothing of it has changed. Normalizing depends on nothing but a record's text,
//! the rules, the stream and, in two flags, on the read itself. So a whole read leaves in the ledger, for each record that
//! has neither flag, a [`Mark`] of its text beside the keys of its lines and the digests of their contents: [`Known`]. A
//! record that comes again with the same mark comes to the same lines: it is neither taken apart nor kept. What the table
//! has is compared by digests alone; where such a line must be written after all, or cannot be told from another without
//! its text, the window is read again without this.
//!
//! A mark is an HMAC under a key made of the account's secret: whoever reads the ledger cannot try out which card or plate
//! it was that the privacy rules took away. The rules go into that key, and a digest of the program's own source: where
//! anything may have changed that a record's lines depend on, nothing is known.
//!
//! When a person is to be forgotten, what is known of their records must go with them: it is cleared, or the key changes.

use std::{fmt, num::NonZeroU64};

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rustc_hash::FxHashMap;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// The mark of a record's text: texts with the same one are the same. 64 bits of an HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark(NonZeroU64);

impl Mark {
    /// As it is kept.
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_le_bytes()
    }

    /// As it was kept; none of zero, which is never a mark.
    pub fn from_bytes(bytes: [u8; 8]) -> Option<Self> {
        NonZeroU64::new(u64::from_le_bytes(bytes)).map(Self)
    }
}

/// Marks the texts of one account's records.
#[derive(Clone)]
pub struct Marker(Hmac<Sha256>);

impl Marker {
    /// `rules`: all that normalizing depends on besides a record's text and the stream, in words. Other words, other marks.
    pub fn new(secret: &SecretString, rules: &str) -> Self {
        let mut key = Self::keyed(secret.expose_secret().as_bytes());
        for part in ["fuelsync marks of records", env!("FUELSYNC_SOURCES"), rules] {
            key.0.update(&(part.len() as u64).to_le_bytes());
            key.0.update(part.as_bytes());
        }
        Self::keyed(&key.0.finalize().into_bytes())
    }

    fn keyed(key: &[u8]) -> Self {
        // HMAC takes a key of any length.
        Self(Hmac::new_from_slice(key).unwrap_or_else(|_| unreachable!("a key of any length")))
    }

    /// The mark of a record's exact text, as sent.
    pub fn mark(&self, text: &[u8]) -> Mark {
        let digest = self.0.clone().chain_update(text).finalize().into_bytes();
        let first = digest.first_chunk().copied().unwrap_or_default();
        // Zero would be no mark: one text in 2^64 shares its mark with another.
        Mark(NonZeroU64::new(u64::from_le_bytes(first)).unwrap_or(NonZeroU64::MAX))
    }
}

impl fmt::Debug for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Marker")
    }
}

/// A record as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownRecord<'k> {
    /// Of its text.
    pub mark: Mark,
    /// The source's id of the transaction.
    pub id: &'k str,
    lines: &'k [u8],
}

/// A line as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownLine<'k> {
    /// Its own part of its key.
    pub line_id: &'k str,
    /// The beginning of the digest of its content.
    pub hash: u64,
}

impl<'k> KnownRecord<'k> {
    /// Its lines, in their order.
    pub fn lines(&self) -> impl Iterator<Item = KnownLine<'k>> + use<'k> {
        let mut left = self.lines;
        std::iter::from_fn(move || {
            let (line, rest) = line(left)?;
            left = rest;
            Some(line)
        })
    }
}

/// What is known of a window's records, by the marks of their texts.
#[derive(Default)]
pub struct Known {
    kept: Vec<u8>,
    /// Where the record of a mark stands.
    places: FxHashMap<Mark, u32>,
}

/// Most bytes of it: sixty thousand sales with UUIDs for ids. Of a larger window some records are not known.
pub(crate) const MOST: usize = 4 * 1024 * 1024;

impl Known {
    /// Nothing.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// What was kept, for a read at the source's time `present`. Nothing where it was kept by a read in a time to come: a
    /// clock was wrong then or is now, and which sale lies in the future is said anew. None: it is damaged.
    pub fn of(kept: Vec<u8>, present: DateTime<Utc>) -> Option<Self> {
        if kept.len() > MOST {
            return None;
        }
        let (at, records) = kept.split_first_chunk()?;
        if DateTime::from_timestamp_micros(i64::from_le_bytes(*at))? > present {
            return Some(Self::nothing());
        }
        let (mut places, mut left) = (FxHashMap::default(), records);
        while !left.is_empty() {
            let place = u32::try_from(kept.len() - left.len()).ok()?;
            let (record, rest) = record(left)?;
            // It has lines, and each of them can be read.
            let (_, mut lines) = line(record.lines)?;
            while !lines.is_empty() {
                (_, lines) = line(lines)?;
            }
            // Two texts that are the same would be two lines alike, which are never kept.
            if places.insert(record.mark, place).is_some() {
                return None;
            }
            left = rest;
        }
        Some(Self { kept, places })
    }

    /// How many records are known.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether hardly another one would have room.
    pub const fn is_full(&self) -> bool {
        self.kept.len() > MOST / 16 * 15
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Where the record whose text has this mark stands.
    pub fn find(&self, mark: Mark) -> Option<u32> {
        self.places.get(&mark).copied()
    }

    /// The record that [`find`](Self::find) found. Of a place that it did not give: none with lines.
    pub fn record(&self, place: u32) -> KnownRecord<'_> {
        let kept = usize::try_from(place).ok().and_then(|place| record(self.kept.get(place..)?));
        kept.map_or(KnownRecord { mark: Mark(NonZeroU64::MAX), id: "", lines: &[] }, |(record, _)| record)
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").field("records", &self.len()).finish_non_exhaustive()
    }
}

/// Puts together what is to be kept of a read.
pub struct Keeping(Vec<u8>);

impl Keeping {
    /// Of a read at the source's time `present`.
    pub fn of_read(present: DateTime<Utc>) -> Self {
        Self(present.timestamp_micros().to_le_bytes().to_vec())
    }

    /// Adds a record: the mark of its text, its id, and its lines with the beginnings of their digests. One for which
    /// there is no room is left out: false.
    pub fn add<'l>(&mut self, mark: Mark, id: &str, lines: impl IntoIterator<Item = KnownLine<'l>>) -> bool {
        let begin = self.0.len();
        let added = || {
            self.0.extend_from_slice(&mark.to_bytes());
            self.0.extend_from_slice(&[0; 2]);
            put(&mut self.0, id)?;
            let at = self.0.len();
            for line in lines {
                put(&mut self.0, line.line_id)?;
                self.0.extend_from_slice(&line.hash.to_le_bytes());
            }
            let length = u16::try_from(self.0.len() - at).ok()?;
            self.0[begin + 8..begin + 10].copy_from_slice(&length.to_le_bytes());
            (self.0.len() <= MOST).then_some(())
        };
        let has_room = added().is_some();
        if !has_room {
            self.0.truncate(begin);
        }
        has_room
    }

    /// What is to be kept.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

impl fmt::Debug for Keeping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeping").field("bytes", &self.0.len()).finish_non_exhaustive()
    }
}

fn put(out: &mut Vec<u8>, text: &str) -> Option<()> {
    out.extend_from_slice(&u16::try_from(text.len()).ok()?.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
    Some(())
}

/// The text that comes first, and what follows it.
fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

/// The line that comes first, and what follows it.
fn line(bytes: &[u8]) -> Option<(KnownLine<'_>, &[u8])> {
    let (line_id, rest) = text(bytes)?;
    let (hash, rest) = rest.split_first_chunk()?;
    Some((KnownLine { line_id, hash: u64::from_le_bytes(*hash) }, rest))
}

/// The record that comes first, and what follows it.
fn record(bytes: &[u8]) -> Option<(KnownRecord<'_>, &[u8])> {
    let (mark, rest) = bytes.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (id, rest) = text(rest)?;
    let (lines, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    Some((KnownRecord { mark: Mark::from_bytes(*mark)?, id, lines }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT_AT: i64 = 1_000;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn marker(secret: &str, rules: &str) -> Marker {
        Marker::new(&secret.to_owned().into(), rules)
    }

    fn kept() -> (Marker, Vec<u8>) {
        let (marker, mut keeping) = (marker("s", "r"), Keeping::of_read(at(KEPT_AT)));
        let line = |line_id, hash| KnownLine { line_id, hash };
        assert!(keeping.add(marker.mark(b"{\"a\":1}"), "7", [line("diesel", 5), line("", u64::MAX)]));
        assert!(keeping.add(marker.mark(b"{\"a\":2}"), "õ", [line("1", 0)]));
        (marker, keeping.finish())
    }

    #[test]
    fn a_text_that_was_kept_is_known_with_its_lines_and_no_other_is() {
        let (marker, kept) = kept();
        let known = Known::of(kept, at(KEPT_AT)).unwrap();
        assert_eq!(known.len(), 2);
        let record = known.record(known.find(marker.mark(b"{\"a\":1}")).unwrap());
        assert_eq!((record.id, record.mark), ("7", marker.mark(b"{\"a\":1}")));
        let lines: Vec<_> = record.lines().map(|line| (line.line_id, line.hash)).collect();
        assert_eq!(lines, [("diesel", 5), ("", u64::MAX)]);
        assert_eq!(known.record(known.find(marker.mark(b"{\"a\":2}")).unwrap()).id, "õ");
        assert_eq!(known.find(marker.mark(b"{\"a\": 1}")), None);
    }

    #[test]
    fn another_secret_or_other_rules_know_nothing() {
        let (_, kept) = kept();
        let known = Known::of(kept, at(KEPT_AT)).unwrap();
        for other in [marker("t", "r"), marker("s", "q"), marker("", "")] {
            assert_eq!(known.find(other.mark(b"{\"a\":1}")), None);
        }
    }

    #[test]
    fn what_was_kept_in_a_time_to_come_is_not_known() {
        let (_, kept) = kept();
        assert!(Known::of(kept.clone(), at(KEPT_AT - 1)).unwrap().is_empty());
        assert!(!Known::of(kept, at(KEPT_AT + 1)).unwrap().is_empty());
    }

    #[test]
    fn what_is_cut_off_is_damaged_or_ends_between_two_records() {
        let (_, kept) = kept();
        let whole = [0, 2 + 8 + 2 + 1 + 2 + 6 + 8 + 2 + 8, kept.len() - 8].map(|length| length + 8);
        for length in 0..kept.len() {
            let cut = Known::of(kept[..length].to_vec(), at(KEPT_AT));
            assert_eq!(cut.is_some(), whole.contains(&length), "{length}");
        }
        let mut broken = kept.clone();
        broken[8..16].fill(0);
        assert!(Known::of(broken, at(KEPT_AT)).is_none(), "zero is no mark");
        let twice = [&kept[..], &kept[8..]].concat();
        assert!(Known::of(twice, at(KEPT_AT)).is_none(), "a mark twice");
        let mut without_lines = Keeping::of_read(at(KEPT_AT));
        assert!(without_lines.add(marker("s", "r").mark(b"{}"), "7", []));
        assert!(Known::of(without_lines.finish(), at(KEPT_AT)).is_none(), "a sale has a line");
    }

    #[test]
    fn more_than_is_ever_kept_is_damage_and_what_is_known_shows_nothing_of_it() {
        let (marker, mut kept) = kept();
        assert_eq!((format!("{marker:?}").as_str(), Known::nothing().is_full()), ("Marker", false));
        let known = Known::of(kept.clone(), at(KEPT_AT)).unwrap();
        assert!(!known.is_full());
        assert_eq!(format!("{known:?}"), "Known { records: 2, .. }");
        assert_eq!(format!("{:?}", Keeping::of_read(at(KEPT_AT))), "Keeping { bytes: 8, .. }");
        for (bytes, is_taken) in [(MOST, true), (MOST + 1, false)] {
            kept.resize(bytes, 0);
            assert_eq!(Known::of(kept.clone(), at(KEPT_AT - 1)).is_some(), is_taken);
        }
        for (bytes, is_full) in [(3_932_160, false), (3_932_161, true)] {
            assert_eq!(Known { kept: vec![0; bytes], ..Known::nothing() }.is_full(), is_full);
        }
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let (marker, mut keeping) = (marker("s", "r"), Keeping::of_read(at(KEPT_AT)));
        let id = "x".repeat(60_000);
        let line = || [KnownLine { line_id: "", hash: 0 }];
        let added = (0..100u8).filter(|n| keeping.add(marker.mark(&[*n]), &id, line())).count();
        assert_eq!(added, MOST / 60_022);
        assert!(!keeping.add(marker.mark(b"long"), &"x".repeat(70_000), line()));
        assert!(keeping.add(marker.mark(b"short"), "7", line()), "where a large one has no room, a small one has");
        let known = Known::of(keeping.finish(), at(KEPT_AT)).unwrap();
        assert!(known.is_full() && known.len() == added + 1);
    }
}
