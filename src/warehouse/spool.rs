//! Where a window's records wait until its answer is known to be whole: in memory, and past a budget in a temporary file
//! without a name, so that memory does not grow with the window and nothing is left behind by a crash.
//!
//! The budget is the process's as much as the spool's: several windows are read side by side.

use std::{
    borrow::Cow,
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::domain::Line;

/// What can wait in a spool.
pub trait Waits: Clone + Serialize + DeserializeOwned {
    /// About as many bytes as it takes in memory.
    fn size(&self) -> usize;
}

/// A record and its lines, as they wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spooled {
    /// The source's id of the transaction.
    pub id: String,
    /// The record's text, after the privacy rules.
    pub raw: Box<str>,
    /// Its lines.
    pub lines: Vec<Line>,
}

impl Waits for Spooled {
    fn size(&self) -> usize {
        size_of::<Self>() + self.id.len() + self.raw.len() + self.lines.iter().map(Line::size).sum::<usize>()
    }
}

/// What of a spooled record makes the keys of its lines: read without the rest of it.
#[derive(Debug, Clone, Deserialize)]
pub struct Keys {
    /// The source's id of the transaction.
    pub id: String,
    /// Of each line, in their order.
    pub lines: Vec<LineKey>,
}

/// A line's key within its transaction, before lines alike are numbered.
#[derive(Debug, Clone, Deserialize)]
pub struct LineKey {
    /// As in [`Line::line_id`].
    pub line_id: String,
}

/// Bytes that wait in the memory of this process, over all spools.
static WAITING: AtomicUsize = AtomicUsize::new(0);
/// As many may.
const TOGETHER: usize = 16 * 1024 * 1024;

/// Things by number, in the order in which they came.
#[derive(Debug)]
pub struct Spool<T: Waits> {
    memory: Vec<T>,
    held: usize,
    budget: usize,
    file: Option<SpoolFile>,
}

/// Lengths, and the place of each first of a block: half of what places alone would take.
#[derive(Debug)]
struct SpoolFile {
    file: File,
    lengths: Vec<u32>,
    blocks: Vec<u64>,
    end: u64,
}

const BLOCK: usize = 64;

impl SpoolFile {
    fn new() -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile()?, lengths: Vec::new(), blocks: Vec::new(), end: 0 })
    }

    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        self.file.write_all_at(bytes, self.end)?;
        if self.lengths.len().is_multiple_of(BLOCK) {
            self.blocks.push(self.end);
        }
        self.lengths.push(length);
        self.end += u64::from(length);
        Ok(())
    }

    /// Where the thing of this number begins; for the number behind the last, where the next one will.
    fn start(&self, at: usize) -> u64 {
        match self.blocks.get(at / BLOCK) {
            Some(block) => self.lengths[at / BLOCK * BLOCK..at].iter().fold(*block, |sum, l| sum + u64::from(*l)),
            None => self.end,
        }
    }

    fn read(&self, at: usize) -> io::Result<Vec<u8>> {
        self.head(at, usize::MAX)
    }

    /// At most so many bytes of a thing's beginning.
    fn head(&self, at: usize, most: usize) -> io::Result<Vec<u8>> {
        let length = *self.lengths.get(at).ok_or_else(gone)?;
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?.min(most)];
        self.file.read_exact_at(&mut bytes, self.start(at))?;
        Ok(bytes)
    }

    fn truncate(&mut self, length: usize) {
        if length < self.lengths.len() {
            self.end = self.start(length);
            self.lengths.truncate(length);
            self.blocks.truncate(length.div_ceil(BLOCK));
        }
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "nothing waits under this number")
}

impl<T: Waits> Spool<T> {
    /// An empty spool that keeps at most `budget` bytes in memory.
    pub fn new(budget: usize) -> Self {
        Self { memory: Vec::new(), held: 0, budget, file: None }
    }

    /// How many things wait.
    pub fn len(&self) -> usize {
        self.memory.len() + self.file.as_ref().map_or(0, |f| f.lengths.len())
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds one.
    pub fn push(&mut self, thing: T) -> io::Result<()> {
        if self.file.is_none() {
            let size = thing.size();
            if self.held + size <= self.budget {
                if WAITING.fetch_add(size, Ordering::Relaxed) + size <= TOGETHER {
                    self.held += size;
                    self.memory.push(thing);
                    return Ok(());
                }
                WAITING.fetch_sub(size, Ordering::Relaxed);
            }
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(SpoolFile::new()?),
        };
        file.push(&serde_json::to_vec(&thing)?)
    }

    /// One by its number.
    pub fn get(&self, number: usize) -> io::Result<Cow<'_, T>> {
        match self.memory.get(number) {
            Some(thing) => Ok(Cow::Borrowed(thing)),
            None => Ok(Cow::Owned(serde_json::from_slice(&self.in_file(number)?)?)),
        }
    }

    fn in_file(&self, number: usize) -> io::Result<Vec<u8>> {
        self.file.as_ref().ok_or_else(gone)?.read(number - self.memory.len())
    }

    /// Forgets all but the first `length`.
    pub fn truncate(&mut self, length: usize) {
        if let Some(file) = &mut self.file {
            file.truncate(length.saturating_sub(self.memory.len()));
        }
        if length < self.memory.len() {
            self.file = None;
            let freed = self.memory.drain(length..).map(|thing| thing.size()).sum();
            self.held -= freed;
            WAITING.fetch_sub(freed, Ordering::Relaxed);
        }
    }
}

/// As much of a spooled record holds its id, which comes first and is short.
const HEAD: usize = 4096;

impl Spool<Spooled> {
    /// A record's id, read without its lines.
    pub fn id(&self, number: usize) -> io::Result<Cow<'_, str>> {
        if let Some(record) = self.memory.get(number) {
            return Ok(Cow::Borrowed(&record.id));
        }
        let head = self.file.as_ref().ok_or_else(gone)?.head(number - self.memory.len(), HEAD)?;
        let id = head
            .strip_prefix(br#"{"id":"#)
            .and_then(|id| serde_json::Deserializer::from_slice(id).into_iter::<String>().next()?.ok());
        match id {
            Some(id) => Ok(Cow::Owned(id)),
            None => Ok(Cow::Owned(self.keys(number)?.id)),
        }
    }

    /// The keys of a record's lines.
    pub fn keys(&self, number: usize) -> io::Result<Keys> {
        match self.memory.get(number) {
            Some(record) => Ok(Keys {
                id: record.id.clone(),
                lines: record.lines.iter().map(|line| LineKey { line_id: line.line_id.clone() }).collect(),
            }),
            None => Ok(serde_json::from_slice(&self.in_file(number)?)?),
        }
    }
}

impl<T: Waits> Drop for Spool<T> {
    fn drop(&mut self) {
        WAITING.fetch_sub(self.held, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Kind, State};

    fn record(number: usize) -> Spooled {
        let line = Line::new(
            format!("l{number}"),
            Kind::Fuel,
            State::Posted,
            DateTime::from_timestamp(1, 0).unwrap_or_default(),
        );
        Spooled { id: format!("t{number}"), raw: "{\"a\":1.10}".into(), lines: vec![line; number % 3] }
    }

    #[test]
    fn an_id_is_read_without_its_record_however_it_is_spelt_and_however_long() {
        let mut spool = Spool::new(0);
        let ids = ["a\"b\\", "ä€😀\n", &"x".repeat(2 * HEAD)].map(str::to_owned);
        for id in &ids {
            spool.push(Spooled { id: id.clone(), ..record(1) }).unwrap();
        }
        for (number, id) in ids.iter().enumerate() {
            assert_eq!(spool.id(number).unwrap(), *id);
        }
    }

    proptest! {
        #[test]
        fn what_went_in_comes_out_whatever_the_budget(budget in 0usize..8_000, steps in prop::collection::vec((0usize..12, 0usize..12), 1..12)) {
            let mut spool = Spool::new(budget);
            let mut truth: Vec<Spooled> = Vec::new();
            for (pushed, kept) in steps {
                for _ in 0..pushed {
                    let record = record(truth.len());
                    spool.push(record.clone())?;
                    truth.push(record);
                }
                let kept = kept.min(truth.len());
                if kept % 2 == 0 {
                    spool.truncate(kept);
                    truth.truncate(kept);
                }
                prop_assert_eq!(spool.len(), truth.len());
                for (number, record) in truth.iter().enumerate() {
                    let spooled = spool.get(number)?;
                    prop_assert_eq!(spooled.as_ref(), record);
                }
            }
        }

        #[test]
        fn a_long_file_finds_its_things_after_cuts_anywhere(pushed in prop::collection::vec(0usize..200, 1..6), cut in 0usize..400) {
            let mut spool = Spool::new(0);
            let mut truth: Vec<Spooled> = Vec::new();
            for count in pushed {
                for _ in 0..count {
                    let record = record(truth.len() * 7);
                    spool.push(record.clone())?;
                    truth.push(record);
                }
                truth.truncate(cut);
                spool.truncate(cut);
            }
            prop_assert_eq!(spool.len(), truth.len());
            for (number, record) in truth.iter().enumerate() {
                let spooled = spool.get(number)?;
                prop_assert_eq!(spooled.as_ref(), record);
                let keys = spool.keys(number)?;
                prop_assert_eq!(&keys.id, &record.id);
                let id = spool.id(number)?;
                prop_assert_eq!(id.as_ref(), &record.id);
                prop_assert!(keys.lines.iter().map(|l| &l.line_id).eq(record.lines.iter().map(|l| &l.line_id)));
            }
        }
    }
}
