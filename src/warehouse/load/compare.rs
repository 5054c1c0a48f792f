//! Compares what waits to be written with what the table has of its stretch: one range scan, whatever the number of rows.

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use sqlx::Row;

use super::WindowRead;
use crate::{
    domain::Window,
    failpoint::{Bug, planted},
    warehouse::{Tx, WarehouseError, incoming::Batch},
};

/// What the comparison with the table found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// For each entry: whether it must be sent.
    pub(super) differs: Vec<bool>,
    /// Keys that were absent once and are there again.
    pub(super) back: (Vec<String>, Vec<String>),
    /// Keys of the stretch that the answer does not have.
    pub(super) absent: (Vec<String>, Vec<String>),
    /// Lines of the stretch already marked missing, and still so.
    pub(super) missing: u64,
}

/// Compares; changes nothing.
pub(super) async fn compare(tx: &mut Tx, read: &WindowRead<'_>, batch: &Batch) -> Result<Found, WarehouseError> {
    let mut found = Found { differs: vec![false; batch.len()], ..Found::default() };
    for (at, _) in batch.entries() {
        found.differs[at] = true;
    }
    // The whole window, not only the stretch: a server may answer with more than was asked.
    let asked = Window::new(read.window.start().min(read.stretch.start()), read.window.end().max(read.stretch.end()))
        .unwrap_or(read.window);
    let mut rows = sqlx::query(include_str!("../sql/probe.sql"))
        .bind(read.stream.source.as_str())
        .bind(&read.stream.account)
        .bind(read.stream.partition.as_str())
        .bind(asked.start())
        .bind(asked.end())
        .fetch(&mut **tx);
    let mut replaced = Vec::new();
    while let Some(row) = rows.try_next().await? {
        let (id, line_id): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        let (hash, absent_reads, is_missing): (&[u8], i16, bool) = (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
        if let Some((at, entry)) = batch.find(id, line_id) {
            if entry.hash == hash && !is_missing && !planted(Bug::AlwaysWrite) {
                found.differs[at] = false;
                if absent_reads > 0 {
                    found.back.0.push(id.to_owned());
                    found.back.1.push(line_id.to_owned());
                }
            }
        } else if let Some(at) = batch.find_transaction(id) {
            // The transaction is there, this line of it is not: its set is replaced.
            replaced.push(at);
        } else if !batch.is_rejected(id) {
            let occurred_at: DateTime<Utc> = row.try_get(5)?;
            if !read.stretch.contains(occurred_at) || read.is_edge(occurred_at) {
                // Not asked for, so its absence says nothing.
            } else if is_missing {
                found.missing += 1;
            } else {
                found.absent.0.push(id.to_owned());
                found.absent.1.push(line_id.to_owned());
            }
        }
    }
    drop(rows);
    // Where one line of a whole transaction differs, all are sent: they are replaced as a set.
    if read.stream.source.record_is_whole_transaction() {
        replaced.extend(batch.entries().filter(|(at, _)| found.differs[*at]).map(|(at, _)| at).collect::<Vec<_>>());
        for at in replaced {
            for sibling in batch.siblings(at) {
                found.differs[sibling] = true;
            }
        }
    }
    Ok(found)
}
