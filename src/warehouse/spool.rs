//! Where a window's records wait until its answer is known to be whole: in memory, and past a budget in a temporary file
//! without a name, so that memory does not grow with the window and nothing is left behind by a crash.

use std::{fs::File, io, os::unix::fs::FileExt};

use serde::{Deserialize, Serialize};

use crate::domain::Line;

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

impl Spooled {
    fn size(&self) -> usize {
        size_of::<Self>() + self.raw.len() + self.lines.len() * (size_of::<Line>() + 160)
    }
}

/// Records by number, in the order in which they came.
#[derive(Debug)]
pub struct Spool {
    memory: Vec<Spooled>,
    held: usize,
    budget: usize,
    file: Option<SpoolFile>,
}

#[derive(Debug)]
struct SpoolFile {
    file: File,
    /// Where each record ends.
    ends: Vec<u64>,
}

impl Spool {
    /// An empty spool that keeps about `budget` bytes in memory.
    pub fn new(budget: usize) -> Self {
        Self { memory: Vec::new(), held: 0, budget, file: None }
    }

    /// How many records wait.
    pub fn len(&self) -> usize {
        self.memory.len() + self.file.as_ref().map_or(0, |f| f.ends.len())
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a record.
    pub fn push(&mut self, record: Spooled) -> io::Result<()> {
        if self.file.is_none() && self.held < self.budget {
            self.held += record.size();
            self.memory.push(record);
            return Ok(());
        }
        let spooled = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(SpoolFile { file: tempfile::tempfile()?, ends: Vec::new() }),
        };
        let bytes = serde_json::to_vec(&record)?;
        let start = spooled.ends.last().copied().unwrap_or(0);
        spooled.file.write_all_at(&bytes, start)?;
        spooled.ends.push(start + bytes.len() as u64);
        Ok(())
    }

    /// A record by its number.
    pub fn get(&self, number: usize) -> io::Result<std::borrow::Cow<'_, Spooled>> {
        if let Some(record) = self.memory.get(number) {
            return Ok(std::borrow::Cow::Borrowed(record));
        }
        let at = number - self.memory.len();
        let gone = || io::Error::new(io::ErrorKind::NotFound, "no such record");
        let file = self.file.as_ref().ok_or_else(gone)?;
        let end = *file.ends.get(at).ok_or_else(gone)?;
        let start = at.checked_sub(1).map_or(0, |before| file.ends[before]);
        let mut bytes = vec![0; usize::try_from(end - start).unwrap_or(0)];
        file.file.read_exact_at(&mut bytes, start)?;
        Ok(std::borrow::Cow::Owned(serde_json::from_slice(&bytes)?))
    }

    /// Forgets all but the first `length` records.
    pub fn truncate(&mut self, length: usize) {
        if let Some(file) = &mut self.file {
            file.ends.truncate(length.saturating_sub(self.memory.len()));
        }
        if length < self.memory.len() {
            self.file = None;
            self.memory.truncate(length);
            self.held = self.memory.iter().map(Spooled::size).sum();
        }
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
    }
}
