//! Compares what waits to be written with what the table has of its stretch: one range scan, whatever the number of rows.

use crate::warehouse::statement;
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use sqlx::Row;

use super::WindowRead;
use crate::{
    domain::Window,
    failpoint::{Bug, planted},
    warehouse::{
        Tx, WarehouseError,
        incoming::{Batch, Meeting},
        spool::{Spool, Waits},
    },
};

/// The key of a row of the table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RowKey(String, String);

impl Waits for RowKey {
    fn size(&self) -> usize {
        size_of::<Self>() + self.0.len() + self.1.len() + 32
    }
}

/// Keys of rows; a whole window's may be among them, so past a budget they go to a file.
#[derive(Debug)]
pub(super) struct RowKeys(Spool<RowKey>);

/// Memory for a list of keys.
const KEYS: usize = 1024 * 1024;
/// Keys that go to the database together.
const TOGETHER: usize = 20_000;

impl RowKeys {
    fn new() -> Self {
        Self(Spool::new(KEYS))
    }

    fn push(&mut self, id: &str, line_id: &str) -> Result<(), WarehouseError> {
        Ok(self.0.push(RowKey(id.to_owned(), line_id.to_owned()))?)
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys in parts: their ids, and their lines.
    pub(super) fn parts(&self) -> impl Iterator<Item = Result<(Vec<String>, Vec<String>), WarehouseError>> {
        (0..self.0.len()).step_by(TOGETHER).map(|from| {
            let part = from..self.0.len().min(from + TOGETHER);
            part.map(|number| Ok(self.0.get(number)?.into_owned()))
                .map(|key| key.map(|RowKey(id, line)| (id, line)))
                .collect()
        })
    }
}

/// Whether a line must be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is new, or differs.
    Differs,
    /// The table has it as it is.
    Same,
    /// The set that it belongs to is replaced.
    Replaces,
}

/// For each entry, whether it must be sent.
#[derive(Debug)]
pub(super) struct Differs(Vec<Fate>);

impl Differs {
    /// Everything is sent.
    pub(super) fn all(batch: &Batch) -> Self {
        Self(vec![Fate::Differs; batch.len()])
    }

    /// Whether this entry is.
    pub(super) fn has(&self, at: usize) -> bool {
        self.0[at] != Fate::Same
    }

    /// Whether any entry that stands is.
    pub(super) fn any(&self, batch: &Batch) -> bool {
        batch.entries().any(|(at, _)| self.has(at))
    }
}

/// What the comparison with the table found.
#[derive(Debug)]
pub(super) struct Found {
    /// What must be sent.
    pub(super) differs: Differs,
    /// Keys that were absent once and are there again.
    pub(super) back: RowKeys,
    /// Keys of the stretch that the answer does not have.
    pub(super) absent: RowKeys,
    /// Lines of the stretch already marked missing, and still so.
    pub(super) missing: u64,
}

/// Compares; changes nothing.
pub(super) async fn compare(tx: &mut Tx, read: &WindowRead<'_>, batch: &Batch) -> Result<Found, WarehouseError> {
    let mut found = Found { differs: Differs::all(batch), back: RowKeys::new(), absent: RowKeys::new(), missing: 0 };
    let differs = &mut found.differs.0;
    // The whole window, not only the stretch: a server may answer with more than was asked.
    let asked = Window::new(read.window.start().min(read.stretch.start()), read.window.end().max(read.stretch.end()))
        .unwrap_or(read.window);
    let mut rows = statement::query(include_str!("../sql/probe.sql"))
        .bind(read.stream.source.as_str())
        .bind(&read.stream.account)
        .bind(read.stream.partition.as_str())
        .bind(asked.start())
        .bind(asked.end())
        .fetch(&mut **tx);
    while let Some(row) = rows.try_next().await? {
        let (id, line_id): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        let (hash, absent_reads, is_missing): (&[u8], i16, bool) = (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
        match batch.meet(id, line_id, hash)? {
            Meeting::Same(at) if !is_missing && !planted(Bug::AlwaysWrite) => {
                if differs[at] == Fate::Differs {
                    differs[at] = Fate::Same;
                }
                if absent_reads > 0 {
                    found.back.push(id, line_id)?;
                }
            }
            Meeting::Same(_) | Meeting::Other(_) => {}
            Meeting::Replaced(at) => differs[at] = Fate::Replaces,
            Meeting::Absent if batch.is_rejected(id) => {}
            Meeting::Absent => {
                let occurred_at: DateTime<Utc> = row.try_get(5)?;
                if !read.stretch.contains(occurred_at) || read.is_edge(occurred_at) {
                    // Not asked for, so its absence says nothing.
                } else if is_missing {
                    found.missing += 1;
                } else {
                    found.absent.push(id, line_id)?;
                }
            }
        }
    }
    drop(rows);
    // Where one line of a whole transaction differs, all are sent: they are replaced as a set.
    if read.stream.source.record_is_whole_transaction() {
        for unit in batch.units() {
            if differs[unit.clone()].iter().any(|fate| *fate != Fate::Same) {
                differs[unit].fill(Fate::Replaces);
            }
        }
    }
    Ok(found)
}
