//! What a read of a window brings, held and counted until it is written.
//!
//! A read sends the records of one answer or of several. Within an answer, Alexela's lines of one id and product are
//! numbered; a key that an earlier answer had already brought is a duplicate, and the later image stands. A `HecOne`
//! record is a whole transaction: met again, it replaces the earlier one.
//!
//! Of a line, memory holds some 35 bytes: an [`Entry`] and its place in the [`Table`]. All else waits in a log, in the form
//! in which it is sent. So the number of lines is limited, not the size of an answer.

mod alike;
mod batch;
mod entry;
mod keep;
mod limits;
mod table;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, io, sync::Arc};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use batch::Batch;
pub(super) use batch::Meeting;
pub(super) use entry::Entry;
use entry::{Key, key, numbered, prefix};
pub(super) use keep::Kept;
use limits::Held;
pub use limits::has_room;
use table::{Found, Table};

use super::{
    WarehouseError,
    copy::{self, ContentHash},
    packed::{self, Packed, Waiting},
    spool::{Log, Spool, Waits},
};
use crate::{
    domain::{Line, Outcome, Record, SourceKind, Window},
    failpoint::{Bug, planted},
    source::{Brought, Known, Mark},
};

/// A record for the quarantine, as it waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reject {
    /// The source's id, when it could be read.
    pub(super) id: Option<String>,
    /// The record's text, after the privacy rules.
    pub(super) raw: Box<str>,
    /// The field at fault.
    pub(super) field: String,
    /// What is wrong with it.
    pub(super) reason: String,
}

impl Waits for Reject {
    fn size(&self) -> usize {
        let texts = [self.id.as_deref().unwrap_or_default(), &self.raw, &self.field, &self.reason];
        size_of::<Self>() + texts.into_iter().map(|text| text.len() + 16).sum::<usize>()
    }
}

/// Of such a record, what stays in memory.
#[derive(Debug, Clone, Copy)]
struct Rejected {
    /// Digest of its text.
    fingerprint: [u8; 32],
    /// Digest of its id, when that could be read.
    id: Option<Key>,
    /// Whether a NUL character was taken out of its text.
    nul_removed: bool,
}

/// The records of one read. Feed it [`records`](Self::records), close each answer with [`complete`](Self::complete),
/// then [`finish`](Self::finish).
#[derive(Debug)]
pub struct Incoming {
    kind: SourceKind,
    /// None: nothing is outside.
    window: Option<Window>,
    records: Log,
    /// Records that need not wait in the log, for all that is asked of them is known.
    known: Arc<Known>,
    entries: Vec<Entry>,
    held: Held,
    rejects: Spool<Reject>,
    rejected: Vec<Rejected>,
    /// Units of the answers that are complete: records at `HecOne` (by their first line), lines at Alexela.
    table: Table,
    /// Where the answer being read began: records, entries, rejected.
    mark: (usize, usize, usize),
    /// Which persons were forgotten when it was read.
    forgotten: i64,
    /// The digest of a unit's key; tests make it collide.
    key: fn(&str, &str) -> Key,
    /// Where a record is packed.
    buffer: Vec<u8>,
}

/// Memory that a window's records may take before they go to a file, in bytes.
const BUDGET: usize = 8 * 1024 * 1024;

impl Incoming {
    /// Nothing yet, for a window of a source.
    pub fn new(kind: SourceKind, window: Window) -> Self {
        Self { window: Some(window), ..Self::unbounded(kind) }
    }

    /// Nothing yet, for a window of a source of whose records these are known.
    pub fn knowing(kind: SourceKind, window: Window, known: Arc<Known>) -> Self {
        Self { known, ..Self::new(kind, window) }
    }

    /// Nothing yet, for records fetched one by one: none is outside.
    pub fn unbounded(kind: SourceKind) -> Self {
        Self {
            kind,
            window: None,
            records: Log::new(BUDGET),
            known: Arc::default(),
            entries: Vec::new(),
            held: Held::none(limits::LINES),
            rejects: Spool::new(BUDGET / 8),
            rejected: Vec::new(),
            table: Table::default(),
            mark: (0, 0, 0),
            forgotten: 0,
            key,
            buffer: Vec::new(),
        }
    }

    /// The same, read when the persons were forgotten for whom this number stands: it is not written once there are others.
    #[must_use]
    pub fn heeding(self, forgotten: i64) -> Self {
        Self { forgotten, ..self }
    }

    /// Some records of the answer being read.
    pub fn records(&mut self, records: Vec<Record>) -> Result<(), WarehouseError> {
        records.into_iter().try_for_each(|record| self.record(record, None))
    }

    /// The same, some of them known, the others with their marks.
    pub fn brought(&mut self, records: Vec<Brought>) -> Result<(), WarehouseError> {
        records.into_iter().try_for_each(|record| match record {
            Brought::New(record, mark) => self.record(record, Some(mark)),
            Brought::Known(place) => self.known(place),
        })
    }

    fn record(&mut self, record: Record, mark: Option<Mark>) -> Result<(), WarehouseError> {
        match record.outcome {
            Outcome::Rejected(why) => self.reject(
                &Reject {
                    id: (!record.id.is_empty()).then_some(record.id),
                    raw: record.raw,
                    field: why.field,
                    reason: why.reason.into_owned(),
                },
                why.nul_removed,
            ),
            Outcome::Lines(lines) => self.lines(mark, &record.id, &record.raw, &lines),
        }
    }

    fn known(&mut self, place: u32) -> Result<(), WarehouseError> {
        let whole = self.kind.record_is_whole_transaction();
        let record = self.known.record(place);
        let before = self.entries.len();
        for (number, line) in record.lines().enumerate() {
            let key = (self.key)(record.id, if whole { "" } else { line.line_id });
            let number = u16::try_from(number).map_err(io::Error::other)?;
            self.entries.push(Entry::known(key, line.hash, place, number));
        }
        self.held.more(self.entries.len() - before)
    }

    fn reject(&mut self, reject: &Reject, nul_removed: bool) -> Result<(), WarehouseError> {
        if self.rejected.len() >= limits::REJECTED && !planted(Bug::NoLimits) {
            return Err(WarehouseError::TooMuch(format!(
                "more than {} records of the answer cannot be understood; nothing of it was written; is base_url the \
                 right interface, and has the source changed its fields? `fuelsync preview` shows them",
                limits::REJECTED
            )));
        }
        self.rejected.push(Rejected {
            fingerprint: Sha256::digest(reject.raw.as_bytes()).into(),
            id: reject.id.as_deref().map(|id| (self.key)(id, "")),
            nul_removed,
        });
        Ok(self.rejects.push(reject)?)
    }

    fn lines(&mut self, mark: Option<Mark>, id: &str, raw: &str, lines: &[Line]) -> Result<(), WarehouseError> {
        self.held.more(lines.len())?;
        let record = number(self.records.len())?;
        let whole = self.kind.record_is_whole_transaction();
        // What depends on when and how it was read may come to something else the next time.
        let mark = mark.filter(|_| !lines.iter().any(Line::depends_on_the_read));
        packed::pack(&mut self.buffer, mark, id, raw, lines)?;
        let packed = Packed::of(&self.buffer)?;
        for ((place, line), waiting) in lines.iter().enumerate().zip(packed.lines()) {
            let key = (self.key)(id, if whole { "" } else { &line.line_id });
            let place = u16::try_from(place).map_err(io::Error::other)?;
            let outside = self.window.is_some_and(|window| !window.contains(line.occurred_at));
            self.entries.push(Entry::new(key, waiting.hash, record, place).with(outside, mark.is_some()));
        }
        Ok(self.records.push(&self.buffer)?)
    }

    /// The answer being read does not count.
    pub fn restart(&mut self) {
        let (records, entries, rejected) = self.mark;
        self.records.truncate(records);
        self.entries.truncate(entries);
        self.held.keep(entries);
        self.rejects.truncate(rejected);
        self.rejected.truncate(rejected);
    }

    /// The answer being read is whole.
    pub fn complete(&mut self) -> Result<(), WarehouseError> {
        let first = self.mark.1;
        let whole = self.kind.record_is_whole_transaction();
        self.make_room(self.entries.len() - first);
        let mut again = Vec::new();
        for at in first..self.entries.len() {
            // A whole transaction is looked up by its first line.
            if whole && self.entries[at].place() > 0 {
                continue;
            }
            let at = number(at)?;
            match self.find_like(at)? {
                Found::Free(slot) => self.table.put(slot, at),
                // Lines alike in id and product in one answer are several lines.
                Found::Taken(_, earlier) if !whole && earlier as usize >= first => again.push((earlier, at)),
                // An earlier answer's, or pages that moved: the later image stands.
                Found::Taken(slot, earlier) => {
                    self.supersede(earlier);
                    self.table.put(slot, at);
                }
            }
        }
        again.sort_unstable();
        for alike in again.chunk_by(|a, b| a.0 == b.0) {
            let entries: Vec<u32> = alike.iter().map(|(_, at)| *at).chain(alike.first().map(|(at, _)| *at)).collect();
            self.number(&entries, first)?;
        }
        self.mark = (self.records.len(), self.entries.len(), self.rejected.len());
        Ok(())
    }

    fn make_room(&mut self, more: usize) {
        let entries = &self.entries;
        self.table.reserve(more, |at| entries[at as usize].key);
    }

    /// The place in the table of the unit that an entry is of: another entry's of the same, or a free one.
    fn find_like(&self, at: u32) -> io::Result<Found> {
        let entry = self.entries[at as usize];
        let mut own = None;
        self.table.find(entry.key, |other| {
            let other = self.entries[other as usize];
            if other.key != entry.key {
                return Ok(false);
            }
            if own.is_none() {
                own = Some(self.unit(&entry)?);
            }
            Ok(own == Some(self.unit(&other)?))
        })
    }

    /// The key itself of the unit that an entry is of.
    fn unit(&self, entry: &Entry) -> io::Result<(String, String)> {
        let whole = self.kind.record_is_whole_transaction();
        if entry.is_known() {
            let record = self.known.record(entry.record);
            let line = record.lines().nth(entry.place().into()).filter(|_| !whole);
            return Ok((record.id.to_owned(), line.map(|line| line.line_id.to_owned()).unwrap_or_default()));
        }
        if whole {
            return Ok((packed::id_of(&self.records, entry.record as usize)?, String::new()));
        }
        let bytes = self.records.get(entry.record as usize)?;
        let packed = Packed::of(&bytes)?;
        Ok((packed.id.to_owned(), numbered(copy::line_id(packed.line(entry.place())?.fields), entry.number())))
    }

    /// The record that waits for an entry; of a known one none does.
    fn waiting(&self, entry: &Entry) -> Result<Cow<'_, [u8]>, WarehouseError> {
        if entry.is_known() { Err(WarehouseError::NotKept) } else { Ok(self.records.get(entry.record as usize)?) }
    }

    /// A later image has the unit that begins with this entry.
    fn supersede(&mut self, first: u32) {
        for at in self.unit_of(first as usize) {
            self.entries[at].supersede();
        }
    }

    /// The entries of the unit that begins with this one.
    fn unit_of(&self, at: usize) -> std::ops::Range<usize> {
        if !self.kind.record_is_whole_transaction() {
            return at..at + 1;
        }
        let after = &self.entries[at + 1..];
        at..at + 1 + after.iter().take_while(|entry| entry.place() > 0).count()
    }

    /// No more records: what was read, ready to be written.
    pub fn finish(self) -> Batch {
        Batch::of(self)
    }
}

/// A line's fields and the digest of its content, with what is known of it only when its answer is whole.
fn finished<'p>(packed: &Packed<'p>, entry: &Entry) -> io::Result<(Cow<'p, [u8]>, ContentHash)> {
    let Waiting { hash, fields } = packed.line(entry.place())?;
    if entry.number() < 2 && !entry.identical() {
        return Ok((Cow::Borrowed(fields), *hash));
    }
    let fields = copy::numbered(fields, &numbered(copy::line_id(fields), entry.number()), entry.identical());
    let hash = copy::content_hash(&fields, packed.raw);
    Ok((Cow::Owned(fields), hash))
}

fn number(at: usize) -> io::Result<u32> {
    u32::try_from(at).map_err(io::Error::other)
}
