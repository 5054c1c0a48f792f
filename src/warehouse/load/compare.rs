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
        incoming::{Batch, Entry, Meeting},
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
pub(in crate::warehouse) struct RowKeys(Spool<RowKey>);

/// Memory for a list of keys.
const KEYS: usize = 1024 * 1024;
/// Keys that go to the database together.
const TOGETHER: usize = 20_000;

impl RowKeys {
    /// None yet.
    pub(in crate::warehouse) fn new() -> Self {
        Self(Spool::new(KEYS))
    }

    /// Adds one.
    pub(in crate::warehouse) fn push(&mut self, id: &str, line_id: &str) -> Result<(), WarehouseError> {
        Ok(self.0.push(&RowKey(id.to_owned(), line_id.to_owned()))?)
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys in parts: their ids, and their lines.
    pub(in crate::warehouse) fn parts(
        &self,
    ) -> impl Iterator<Item = Result<(Vec<String>, Vec<String>), WarehouseError>> {
        (0..self.0.len()).step_by(TOGETHER).map(|from| {
            let part = from..self.0.len().min(from + TOGETHER);
            part.map(|number| Ok(self.0.get(number)?)).map(|key| key.map(|RowKey(id, line)| (id, line))).collect()
        })
    }
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::warehouse) enum Fate {
    /// The table has no such line in the stretch: most likely it has none at all.
    New,
    /// The table has it with other content, or may have it.
    Differs,
    /// The table has it as it is.
    Same,
    /// The set that it belongs to is replaced.
    Replaces,
}

/// For each entry, what becomes of it.
#[derive(Debug)]
pub(in crate::warehouse) struct Fates(Vec<Fate>);

impl Fates {
    /// Of all entries the same.
    pub(in crate::warehouse) fn all(batch: &Batch, fate: Fate) -> Self {
        Self(vec![fate; batch.len()])
    }

    /// Those of the entries that stand and go into the table as they are: new, and the window's own.
    pub(super) fn unmet<'b>(&self, batch: &'b Batch) -> impl Iterator<Item = &'b Entry> {
        batch.entries().filter(|(at, entry)| self.is_new(*at, entry)).map(|(_, entry)| entry)
    }

    /// Those of the entries that stand and are held against the table's rows.
    pub(super) fn differing<'b>(&self, batch: &'b Batch) -> impl Iterator<Item = &'b Entry> {
        let differing = batch.entries().filter(|(at, entry)| self.0[*at] != Fate::Same && !self.is_new(*at, entry));
        differing.map(|(_, entry)| entry)
    }

    fn is_new(&self, at: usize, entry: &Entry) -> bool {
        self.0[at] == Fate::New && !entry.outside()
    }

    /// Whether a line is to be written whose record was recognized, and so does not wait to be written.
    pub(super) fn want_known(&self, batch: &Batch) -> bool {
        batch.entries().any(|(at, entry)| entry.is_known() && self.0[at] != Fate::Same)
    }

    /// Whether the table has the line of this number as it was before, or as it was put there without meeting another.
    pub(super) fn is_settled(&self, at: usize) -> bool {
        matches!(self.0[at], Fate::Same | Fate::New)
    }

    /// New ones are held against the table's rows, too.
    pub(super) fn none_is_new(&mut self) {
        for fate in self.0.iter_mut().filter(|fate| **fate == Fate::New) {
            *fate = Fate::Differs;
        }
    }
}

/// What the comparison with the table found.
#[derive(Debug)]
pub(super) struct Found {
    /// What becomes of each line.
    pub(super) fates: Fates,
    /// Keys that were absent once and are there again.
    pub(super) back: RowKeys,
    /// Keys of the stretch that the answer does not have.
    pub(super) absent: RowKeys,
    /// Lines of the stretch already marked missing, and still so.
    pub(super) missing: u64,
    /// How many rows the table has that are as they were read, and the sum of their `seq`.
    pub(super) same: (u64, i128),
    /// How many it has in all.
    pub(super) rows: u64,
}

impl Found {
    /// The table has all of it, and nothing else.
    pub(super) fn same(batch: &Batch) -> Self {
        Self::all(batch, Fate::Same)
    }

    fn all(batch: &Batch, fate: Fate) -> Self {
        Self {
            fates: Fates::all(batch, fate),
            back: RowKeys::new(),
            absent: RowKeys::new(),
            missing: 0,
            same: (0, 0),
            rows: 0,
        }
    }

    /// Whether the table has no rows but those that the answer has, as far as was compared.
    pub(super) fn has_no_others(&self) -> bool {
        self.absent.is_empty() && self.missing == 0
    }

    /// The sum of the rows' `seq`, where the table has exactly these lines and none was absent.
    pub(super) fn seqs_of_exactly(&self, lines: u64) -> Option<i128> {
        let (same, seqs) = self.same;
        (same == lines && self.rows == lines && self.back.is_empty()).then_some(seqs)
    }
}

/// Compares; changes nothing.
pub(super) async fn compare(tx: &mut Tx, read: &WindowRead<'_>, batch: &Batch) -> Result<Found, WarehouseError> {
    let mut found = Found::all(batch, Fate::New);
    let fates = &mut found.fates.0;
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
        found.rows += 1;
        match batch.meet(id, line_id, hash)? {
            Meeting::Same(at) if !is_missing && !planted(Bug::AlwaysWrite) => {
                if fates[at] == Fate::New {
                    fates[at] = Fate::Same;
                }
                found.same.0 += 1;
                found.same.1 += i128::from(row.try_get::<i64, _>(6)?);
                if absent_reads > 0 {
                    found.back.push(id, line_id)?;
                }
            }
            Meeting::Same(at) | Meeting::Other(at) => fates[at] = Fate::Differs,
            Meeting::Replaced(at) => fates[at] = Fate::Replaces,
            Meeting::Absent if batch.is_rejected(id) => {}
            Meeting::Absent => {
                let occurred_at: DateTime<Utc> = row.try_get(5)?;
                if !read.stretch.contains(occurred_at)
                    || !read.window.contains(occurred_at)
                    || read.is_edge(occurred_at)
                {
                    // Not asked for, so its absence says nothing; or the neighbour's, whose reads say it.
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
            let of = |fate| fates[unit.clone()].iter().all(|other| *other == fate);
            if !of(Fate::Same) && !of(Fate::New) {
                fates[unit].fill(Fate::Replaces);
            }
        }
    }
    Ok(found)
}
