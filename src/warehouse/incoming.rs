//! What a read of a window brings, held and counted until it is written.
//!
//! A read sends the records of one answer or of several. Within an answer, Alexela's lines of one id and product are
//! numbered; a key that an earlier answer had already brought is a duplicate, and the later image stands. A `HecOne`
//! record is a whole transaction: met again, it replaces the earlier one.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry as MapEntry},
    io,
};

use sha2::{Digest, Sha256};

use super::spool::{Spool, Spooled};
use crate::domain::{Flag, Line, Outcome, Record, Rejection, SourceKind, Window, transaction::ContentHash};

/// A digest of a key: equal for equal keys, and for no others.
pub type Key = u128;

/// The key of a line within a stream's source and account.
pub fn key(id: &str, line_id: &str) -> Key {
    let mut hasher = Sha256::new();
    hasher.update((id.len() as u64).to_le_bytes());
    hasher.update(id);
    hasher.update(line_id);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hasher.finalize()[..16]);
    u128::from_le_bytes(bytes)
}

/// One line, as far as it must be known while it waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Digest of its content.
    pub(super) hash: ContentHash,
    /// Its record in the spool.
    pub(super) record: u32,
    /// Its place in the record.
    pub(super) place: u16,
    /// Its number among the lines of one id and product: 0 and 1 need no suffix.
    number: u16,
    /// Whether another line is alike in everything.
    identical: bool,
    /// Whether it lies outside the window.
    pub(super) outside: bool,
    /// Whether a later answer brought the same key.
    pub(super) superseded: bool,
}

/// A record for the quarantine.
#[derive(Debug, Clone)]
pub(super) struct Rejected {
    /// The source's id, when it could be read.
    pub(super) id: Option<String>,
    /// The record's text, after the privacy rules.
    pub(super) raw: Box<str>,
    /// Digest of the text.
    pub(super) fingerprint: Vec<u8>,
    /// Why.
    pub(super) why: Rejection,
}

/// The records of one read. Feed it [`records`](Self::records), close each answer with [`complete`](Self::complete),
/// then [`finish`](Self::finish).
#[derive(Debug)]
pub struct Incoming {
    kind: SourceKind,
    /// None: nothing is outside.
    window: Option<Window>,
    spool: Spool,
    entries: Vec<Entry>,
    rejected: Vec<Rejected>,
    /// Units of the answers that are complete: records at `HecOne`, lines at Alexela → first entry.
    known: HashMap<Key, u32>,
    /// The same of the answer being read.
    current: HashMap<Key, u32>,
    /// Further entries of a unit within the answer being read.
    again: HashMap<Key, Vec<u32>>,
    /// Where the answer being read began: records, entries, rejected.
    mark: (usize, usize, usize),
}

/// Memory that a window's records may take before they go to a file, in bytes.
const BUDGET: usize = 24 * 1024 * 1024;

impl Incoming {
    /// Nothing yet, for a window of a source.
    pub fn new(kind: SourceKind, window: Window) -> Self {
        Self { window: Some(window), ..Self::unbounded(kind) }
    }

    /// Nothing yet, for records fetched one by one: none is outside.
    pub fn unbounded(kind: SourceKind) -> Self {
        Self {
            kind,
            window: None,
            spool: Spool::new(BUDGET),
            entries: Vec::new(),
            rejected: Vec::new(),
            known: HashMap::new(),
            current: HashMap::new(),
            again: HashMap::new(),
            mark: (0, 0, 0),
        }
    }

    /// Some records of the answer being read.
    pub fn records(&mut self, records: Vec<Record>) -> io::Result<()> {
        for record in records {
            match record.outcome {
                Outcome::Rejected(why) => self.rejected.push(Rejected {
                    id: (!record.id.is_empty()).then_some(record.id),
                    fingerprint: Sha256::digest(record.raw.as_bytes()).to_vec(),
                    raw: record.raw,
                    why,
                }),
                Outcome::Lines(lines) => self.lines(record.id, record.raw, lines)?,
            }
        }
        Ok(())
    }

    fn lines(&mut self, id: String, raw: Box<str>, lines: Vec<Line>) -> io::Result<()> {
        let record = u32::try_from(self.spool.len()).map_err(io::Error::other)?;
        let first = u32::try_from(self.entries.len()).map_err(io::Error::other)?;
        let unit = match lines.first() {
            Some(line) if !self.kind.record_is_whole_transaction() => key(&id, &line.line_id),
            _ => key(&id, ""),
        };
        for (place, line) in lines.iter().enumerate() {
            self.entries.push(Entry {
                hash: line.content_hash(&raw),
                record,
                place: u16::try_from(place).map_err(io::Error::other)?,
                number: 0,
                identical: false,
                outside: self.window.is_some_and(|window| !window.contains(line.occurred_at)),
                superseded: false,
            });
        }
        match self.current.entry(unit) {
            MapEntry::Occupied(_) => self.again.entry(unit).or_default().push(first),
            MapEntry::Vacant(free) => {
                free.insert(first);
            }
        }
        self.spool.push(Spooled { id, raw, lines })
    }

    /// The answer being read does not count.
    pub fn restart(&mut self) {
        let (records, entries, rejected) = self.mark;
        self.spool.truncate(records);
        self.entries.truncate(entries);
        self.rejected.truncate(rejected);
        self.current.clear();
        self.again.clear();
    }

    /// The answer being read is whole.
    pub fn complete(&mut self) -> io::Result<()> {
        for (unit, mut entries) in std::mem::take(&mut self.again) {
            let first = self.current.get(&unit).copied();
            entries.extend(first);
            entries.sort_unstable();
            if self.kind.record_is_whole_transaction() {
                // Pages that moved: the later image stands.
                if let Some((last, earlier)) = entries.split_last() {
                    for entry in earlier {
                        self.supersede(*entry);
                    }
                    self.current.insert(unit, *last);
                }
            } else {
                self.current.remove(&unit);
                self.number(&entries)?;
            }
        }
        for (unit, entry) in std::mem::take(&mut self.current) {
            if let Some(earlier) = self.known.insert(unit, entry) {
                self.supersede(earlier);
            }
        }
        self.mark = (self.spool.len(), self.entries.len(), self.rejected.len());
        Ok(())
    }

    /// Numbers the lines of one id and product in an order that does not depend on the order of their arrival: by what
    /// does not change in the life of a sale, then by content.
    fn number(&mut self, entries: &[u32]) -> io::Result<()> {
        let mut order = Vec::with_capacity(entries.len());
        for at in entries {
            let entry = self.entries[*at as usize];
            let spooled = self.spool.get(entry.record as usize)?;
            order.push((spooled.lines[entry.place as usize].identity_hash(), entry.hash, *at));
        }
        order.sort_unstable();
        for (place, (_, hash, at)) in order.iter().enumerate() {
            let identical = order.iter().filter(|(_, other, _)| other == hash).count() > 1;
            let number = u16::try_from(place + 1).map_err(io::Error::other)?;
            let entry = &mut self.entries[*at as usize];
            entry.number = number;
            entry.identical = identical;
            let entry = *entry;
            let (spooled, line) = self.line(&entry)?;
            let (hash, unit) = (line.content_hash(&spooled.raw), key(&spooled.id, &line.line_id));
            self.entries[*at as usize].hash = hash;
            self.current.insert(unit, *at);
        }
        Ok(())
    }

    /// A later answer has the unit that begins with this entry.
    fn supersede(&mut self, first: u32) {
        let record = self.entries[first as usize].record;
        for entry in self.entries[first as usize..].iter_mut().take_while(|entry| entry.record == record) {
            entry.superseded = true;
        }
    }

    /// No more records: what was read, ready to be written.
    pub fn finish(mut self) -> io::Result<Batch> {
        let index = if self.kind.record_is_whole_transaction() {
            let mut index = HashMap::with_capacity(self.entries.len());
            for (at, entry) in self.entries.iter().enumerate().filter(|(_, entry)| !entry.superseded) {
                let spooled = self.spool.get(entry.record as usize)?;
                index.insert(
                    key(&spooled.id, &spooled.lines[entry.place as usize].line_id),
                    u32::try_from(at).map_err(io::Error::other)?,
                );
            }
            index
        } else {
            std::mem::take(&mut self.known)
        };
        let rejected_ids = self.rejected.iter().filter_map(|r| r.id.clone()).collect();
        Ok(Batch { incoming: self, index, rejected_ids })
    }

    fn line(&self, entry: &Entry) -> io::Result<(Spooled, Line)> {
        let mut spooled = self.spool.get(entry.record as usize)?.into_owned();
        let mut line = spooled.lines.swap_remove(entry.place as usize);
        if entry.number > 1 {
            line.line_id = format!("{}#{}", line.line_id, entry.number);
        }
        if entry.identical {
            line.quality.insert(Flag::IdenticalLines);
        }
        Ok((spooled, line))
    }
}

/// What a read brought, whole.
#[derive(Debug)]
pub struct Batch {
    incoming: Incoming,
    index: HashMap<Key, u32>,
    rejected_ids: HashSet<String>,
}

impl Batch {
    /// Lines, and one for each record that cannot be normalized.
    pub fn fetched(&self) -> u64 {
        (self.incoming.entries.len() + self.incoming.rejected.len()) as u64
    }

    /// Lines whose key a later answer brought again.
    pub fn duplicate(&self) -> u64 {
        self.incoming.entries.iter().filter(|entry| entry.superseded).count() as u64
    }

    /// Lines outside the window.
    pub fn outside(&self) -> u64 {
        self.entries().filter(|(_, entry)| entry.outside).count() as u64
    }

    /// Records that cannot be normalized.
    pub fn quarantined(&self) -> u64 {
        self.incoming.rejected.len() as u64
    }

    /// A digest over the lines inside the window: of their contents, in the order of their digests.
    pub fn digest(&self) -> Vec<u8> {
        let mut hashes: Vec<_> =
            self.entries().filter(|(_, entry)| !entry.outside).map(|(_, entry)| entry.hash).collect();
        hashes.sort_unstable();
        let mut hasher = Sha256::new();
        for hash in hashes {
            hasher.update(hash);
        }
        hasher.finalize().to_vec()
    }

    /// Lines that stand, by number.
    pub(super) fn entries(&self) -> impl Iterator<Item = (usize, &Entry)> {
        self.incoming.entries.iter().enumerate().filter(|(_, entry)| !entry.superseded)
    }

    /// How many entries there are, superseded ones too.
    pub(super) fn len(&self) -> usize {
        self.incoming.entries.len()
    }

    /// The line of a key.
    pub(super) fn find(&self, id: &str, line_id: &str) -> Option<(usize, &Entry)> {
        let at = *self.index.get(&key(id, line_id))? as usize;
        Some((at, &self.incoming.entries[at]))
    }

    /// The first line of the transaction with this id; only where records are whole transactions.
    pub(super) fn find_transaction(&self, id: &str) -> Option<usize> {
        self.incoming
            .known
            .get(&key(id, ""))
            .map(|at| *at as usize)
            .filter(|_| self.incoming.kind.record_is_whole_transaction())
    }

    /// Every entry of the record that an entry belongs to.
    pub(super) fn siblings(&self, at: usize) -> std::ops::Range<usize> {
        let record = self.incoming.entries[at].record;
        let start =
            self.incoming.entries[..at].iter().rposition(|entry| entry.record != record).map_or(0, |before| before + 1);
        let end = self.incoming.entries[at..]
            .iter()
            .position(|entry| entry.record != record)
            .map_or(self.len(), |after| at + after);
        start..end
    }

    /// A line with its record.
    pub(super) fn line(&self, entry: &Entry) -> io::Result<(Spooled, Line)> {
        self.incoming.line(entry)
    }

    /// Whether the transaction was brought, but as a record that cannot be normalized.
    pub(super) fn is_rejected(&self, id: &str) -> bool {
        self.rejected_ids.contains(id)
    }

    /// Those of some ids that the read brought, in order or not.
    pub(super) fn ids_among(&self, ids: &[String]) -> io::Result<Vec<String>> {
        let asked: HashSet<&str> = ids.iter().map(String::as_str).collect();
        let mut seen: HashSet<&str> =
            self.rejected_ids.iter().map(String::as_str).filter(|id| asked.contains(id)).collect();
        for number in 0..self.incoming.spool.len() {
            let spooled = self.incoming.spool.get(number)?;
            if let Some(id) = asked.get(spooled.id.as_str()) {
                seen.insert(id);
            }
        }
        Ok(seen.into_iter().map(str::to_owned).collect())
    }

    /// Whether every record that cannot be normalized has at least its id.
    pub(super) fn knows_every_id(&self) -> bool {
        self.incoming.rejected.iter().all(|rejected| rejected.id.is_some())
    }

    /// The records for the quarantine.
    pub(super) fn rejected(&self) -> &[Rejected] {
        &self.incoming.rejected
    }
}

#[cfg(test)]
mod tests;
