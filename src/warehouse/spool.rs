//! Where what a read brings waits until its answer is known to be whole: in memory, and past a budget in a temporary file
//! without a name, so that memory does not grow with the window and nothing is left behind by a crash.
//!
//! The budget is the process's as much as the log's: several windows are read side by side.

use std::{
    borrow::Cow,
    fs::File,
    io,
    marker::PhantomData,
    os::unix::fs::FileExt,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde::{Serialize, de::DeserializeOwned};

/// Bytes that wait in the memory of this process, over all logs.
static WAITING: AtomicUsize = AtomicUsize::new(0);
/// As many may.
const TOGETHER: usize = 16 * 1024 * 1024;
/// As many are worth a write to the file, and a read from it.
const PART: usize = 256 * 1024;
/// Entries whose places are told from the place of the first of them: half of what places alone would take.
const BLOCK: usize = 64;

/// Entries of bytes by number, in the order in which they came: the last ones in memory, the others in a file once there
/// are more than the budget.
#[derive(Debug)]
pub struct Log {
    /// What is not in the file yet.
    tail: Vec<u8>,
    budget: usize,
    file: Option<File>,
    /// Bytes in the file.
    written: u64,
    lengths: Vec<u32>,
    /// Where the first entry of each block begins.
    blocks: Vec<u64>,
}

impl Log {
    /// An empty log that keeps at most `budget` bytes in memory.
    pub const fn new(budget: usize) -> Self {
        Self { tail: Vec::new(), budget, file: None, written: 0, lengths: Vec::new(), blocks: Vec::new() }
    }

    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Adds one.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        if !self.tail.is_empty() && self.tail.len() + bytes.len() > self.room(bytes.len()) {
            self.flush()?;
        }
        if self.lengths.len().is_multiple_of(BLOCK) {
            self.blocks.push(self.end());
        }
        self.lengths.push(length);
        WAITING.fetch_add(bytes.len(), Ordering::Relaxed);
        self.tail.extend_from_slice(bytes);
        Ok(())
    }

    /// Bytes that may wait in memory, `more` among them. Who has begun a file only gathers what is worth a write.
    fn room(&self, more: usize) -> usize {
        let is_crowded = WAITING.load(Ordering::Relaxed) + more > TOGETHER;
        if self.file.is_some() || is_crowded { PART.min(self.budget) } else { self.budget }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(tempfile::tempfile()?);
        }
        self.file.as_ref().ok_or_else(gone)?.write_all_at(&self.tail, self.written)?;
        self.written += self.tail.len() as u64;
        self.forget(0);
        self.tail.shrink_to(PART);
        Ok(())
    }

    /// Keeps only so many bytes of the tail.
    fn forget(&mut self, kept: usize) {
        WAITING.fetch_sub(self.tail.len() - kept, Ordering::Relaxed);
        self.tail.truncate(kept);
    }

    const fn end(&self) -> u64 {
        self.written + self.tail.len() as u64
    }

    /// Where an entry begins; of the number behind the last, where the next one will.
    fn start(&self, number: usize) -> u64 {
        match self.blocks.get(number / BLOCK) {
            Some(block) => {
                self.lengths[number / BLOCK * BLOCK..number].iter().fold(*block, |sum, l| sum + u64::from(*l))
            }
            None => self.end(),
        }
    }

    fn length(&self, number: usize) -> io::Result<usize> {
        usize::try_from(*self.lengths.get(number).ok_or_else(gone)?).map_err(io::Error::other)
    }

    /// One by its number.
    pub fn get(&self, number: usize) -> io::Result<Cow<'_, [u8]>> {
        self.head(number, usize::MAX)
    }

    /// At most so many bytes of an entry's beginning.
    pub fn head(&self, number: usize, most: usize) -> io::Result<Cow<'_, [u8]>> {
        let (start, length) = (self.start(number), self.length(number)?.min(most));
        if let Some(at) = start.checked_sub(self.written) {
            let at = usize::try_from(at).map_err(io::Error::other)?;
            return Ok(Cow::Borrowed(self.tail.get(at..at + length).ok_or_else(gone)?));
        }
        let mut bytes = vec![0; length];
        self.file.as_ref().ok_or_else(gone)?.read_exact_at(&mut bytes, start)?;
        Ok(Cow::Owned(bytes))
    }

    /// Reads entries one after another, many of them with one read of the file.
    pub const fn reader(&self) -> Reader<'_> {
        Reader { log: self, part: Vec::new(), from: 0 }
    }

    /// Forgets all but the first `length`.
    pub fn truncate(&mut self, length: usize) {
        if length >= self.lengths.len() {
            return;
        }
        let end = self.start(length);
        if let Some(kept) = end.checked_sub(self.written) {
            self.forget(usize::try_from(kept).unwrap_or(0));
        } else {
            self.forget(0);
            self.written = end;
        }
        self.lengths.truncate(length);
        self.blocks.truncate(length.div_ceil(BLOCK));
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.forget(0);
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "nothing waits under this number")
}

/// Reads entries of a log one after another.
#[derive(Debug)]
pub struct Reader<'l> {
    log: &'l Log,
    part: Vec<u8>,
    /// Where the part stands in the file.
    from: u64,
}

impl<'l> Reader<'l> {
    /// The log.
    pub const fn log(&self) -> &'l Log {
        self.log
    }

    /// One by its number; quick when it stands shortly behind the one before it.
    pub fn get(&mut self, number: usize) -> io::Result<&[u8]> {
        let (start, length) = (self.log.start(number), self.log.length(number)?);
        if let Some(at) = start.checked_sub(self.log.written) {
            let at = usize::try_from(at).map_err(io::Error::other)?;
            return self.log.tail.get(at..at + length).ok_or_else(gone);
        }
        let at = start.checked_sub(self.from).and_then(|at| usize::try_from(at).ok());
        let at = if let Some(at) = at.filter(|at| at + length <= self.part.len()) {
            at
        } else {
            let left = usize::try_from(self.log.written - start).unwrap_or(usize::MAX);
            self.part.resize(left.min(PART.max(length)), 0);
            self.log.file.as_ref().ok_or_else(gone)?.read_exact_at(&mut self.part, start)?;
            self.from = start;
            0
        };
        Ok(&self.part[at..at + length])
    }
}

/// What can wait in a spool.
pub trait Waits: Serialize + DeserializeOwned {
    /// About as many bytes as it takes in memory.
    fn size(&self) -> usize;
}

/// Things by number, in the order in which they came.
#[derive(Debug)]
pub struct Spool<T: Waits> {
    log: Log,
    things: PhantomData<T>,
}

impl<T: Waits> Spool<T> {
    /// An empty spool that keeps at most `budget` bytes in memory.
    pub const fn new(budget: usize) -> Self {
        Self { log: Log::new(budget), things: PhantomData }
    }

    /// How many things wait.
    pub const fn len(&self) -> usize {
        self.log.len()
    }

    /// Whether none does.
    pub const fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// Adds one.
    pub fn push(&mut self, thing: &T) -> io::Result<()> {
        self.log.push(&serde_json::to_vec(thing)?)
    }

    /// One by its number.
    pub fn get(&self, number: usize) -> io::Result<T> {
        Ok(serde_json::from_slice(&self.log.get(number)?)?)
    }

    /// Forgets all but the first `length`.
    pub fn truncate(&mut self, length: usize) {
        self.log.truncate(length);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(number: usize) -> Vec<u8> {
        let byte = u8::try_from(number % 251).unwrap();
        vec![byte; number * 37 % 200]
    }

    #[test]
    fn an_entry_larger_than_all_room_is_an_entry() {
        let mut log = Log::new(0);
        let large = vec![7; 3 * PART];
        for bytes in [&large[..], b"small", &large] {
            log.push(bytes).unwrap();
        }
        let mut reader = log.reader();
        assert!(
            reader.get(0).unwrap() == large && reader.get(1).unwrap() == b"small" && reader.get(2).unwrap() == large
        );
        assert_eq!(log.head(0, 3).unwrap().as_ref(), [7, 7, 7]);
        assert!(log.get(3).is_err());
    }

    proptest! {
        #[test]
        fn what_went_in_comes_out_whatever_the_budget(
            budget in prop_oneof![Just(0usize), 0usize..4_000, Just(1 << 20)],
            steps in prop::collection::vec((0usize..90, 0usize..200), 1..8),
        ) {
            let mut log = Log::new(budget);
            let mut truth: Vec<Vec<u8>> = Vec::new();
            for (pushed, kept) in steps {
                for _ in 0..pushed {
                    let entry = entry(truth.len() * 7 + kept);
                    log.push(&entry)?;
                    truth.push(entry);
                }
                if kept % 2 == 0 {
                    log.truncate(kept);
                    truth.truncate(kept);
                }
                prop_assert_eq!(log.len(), truth.len());
                let mut reader = log.reader();
                for (number, entry) in truth.iter().enumerate() {
                    let there = log.get(number)?;
                    prop_assert_eq!(there.as_ref(), &entry[..]);
                    prop_assert_eq!(reader.get(number)?, &entry[..]);
                }
            }
        }
    }
}
