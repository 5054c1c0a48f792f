//! Writes what a read of a window brought: rows, versions, counts, quarantine and watermark in one transaction.
//!
//! What the table has of the stretch is asked for by time, one range scan, and compared with the digests that wait; only
//! what differs is sent, by COPY to a temporary table, and written by one upsert in the order of the key. A read that
//! finds nothing new therefore costs the scan and one row of the ledger.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use serde::Serialize;
use sqlx::{PgConnection, Row};

use super::{
    Tx, Warehouse, WarehouseError, copy,
    error::Disposition,
    incoming::Batch,
    lease::{Claim, Lease},
};
use crate::{
    domain::{StreamId, Window},
    source::NORMALIZER,
};

/// Times that a window is written before its stream waits for the next pass.
const WRITES: u32 = 4;

/// The counts of a read, in lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Lines that the read brought; a record that cannot be normalized counts one.
    pub fetched: u64,
    /// New to the table.
    pub inserted: u64,
    /// Their content changed.
    pub updated: u64,
    /// Already as they are.
    pub unchanged: u64,
    /// Cannot be normalized.
    pub quarantined: u64,
    /// A neighbour's.
    pub outside: u64,
    /// Their key came again in a later answer of the same read.
    pub duplicate: u64,
    /// Lines of the stretch that the source no longer has.
    pub missing: u64,
}

impl Counts {
    /// Whether every line that was fetched went somewhere.
    pub const fn add_up(&self) -> bool {
        self.fetched == self.inserted + self.updated + self.unchanged + self.quarantined + self.outside + self.duplicate
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.fetched += other.fetched;
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.quarantined += other.quarantined;
        self.outside += other.outside;
        self.duplicate += other.duplicate;
        self.missing += other.missing;
    }
}

/// In whose name a window is written.
#[derive(Debug, Clone, Copy)]
pub enum Writer<'a> {
    /// A pass, under the stream's lease: moves the watermark up to here.
    Pass {
        /// The lease that was taken.
        lease: &'a Lease,
        /// The new watermark; it never moves back.
        watermark: Option<DateTime<Utc>>,
    },
    /// A backfill, under a claim on this window alone: never touches the watermark.
    Backfill(&'a Claim),
}

/// A read of a window, to be written.
#[derive(Debug, Clone, Copy)]
pub struct WindowRead<'a> {
    /// Whose.
    pub stream: &'a StreamId,
    /// The window: the row of the ledger.
    pub window: Window,
    /// The stretch of it that was asked for: for a head window only its end.
    pub stretch: Window,
    /// The source's time when reading began.
    pub present: DateTime<Utc>,
    /// The database's time when reading began: a read that began later is never replaced.
    pub asked_at: DateTime<Utc>,
    /// Whether what is not in the answer is not at the source.
    pub complete: bool,
    /// Whether the source's pages kept moving.
    pub unstable: bool,
    /// In whose name.
    pub writer: Writer<'a>,
}

impl WindowRead<'_> {
    /// Whether the whole window was asked for, as far as the source's time has come.
    pub(super) fn is_full(&self) -> bool {
        self.stretch.start() <= self.window.start() && self.stretch.end() >= self.window.end().min(self.present)
    }
}

/// What is written: a window, or some transactions fetched by their ids.
#[derive(Debug, Clone, Copy)]
enum Work<'a> {
    Window(&'a WindowRead<'a>),
    Single { stream: &'a StreamId, lease: &'a Lease },
}

impl Work<'_> {
    const fn stream(&self) -> &StreamId {
        match self {
            Self::Window(read) => read.stream,
            Self::Single { stream, .. } => stream,
        }
    }
}

impl Warehouse {
    /// Writes a window, all or nothing. What stands in the way for a moment (a deadlock, a lost connection, a lost answer
    /// to COMMIT) is tried again from the spool, without asking the vendor again.
    pub async fn load(&self, read: &WindowRead<'_>, batch: &Batch, limit: Duration) -> Result<Counts, WarehouseError> {
        self.write_work(Work::Window(read), batch, limit).await
    }

    /// Writes transactions that were fetched by their ids: their rows only, no window's counts and no watermark.
    pub async fn load_single(
        &self,
        stream: &StreamId,
        lease: &Lease,
        batch: &Batch,
        limit: Duration,
    ) -> Result<Counts, WarehouseError> {
        self.write_work(Work::Single { stream, lease }, batch, limit).await
    }

    async fn write_work(&self, work: Work<'_>, batch: &Batch, limit: Duration) -> Result<Counts, WarehouseError> {
        let mut tried = 0;
        loop {
            tried += 1;
            let error = match self.write_once(work, batch, limit).await {
                Ok(counts) => return Ok(counts),
                Err(error) => error,
            };
            match error.disposition() {
                Disposition::WriteAgain if tried < WRITES => {
                    tracing::warn!(stream = %work.stream(), attempt = tried, error = %error, "writing again; nothing of it was lost");
                    tokio::time::sleep(Duration::from_millis(50 << tried)).await;
                }
                Disposition::WriteAgain
                | Disposition::NextPass
                | Disposition::LeaveStream
                | Disposition::Drop
                | Disposition::StopPass => {
                    return Err(error);
                }
            }
        }
    }

    async fn write_once(&self, work: Work<'_>, batch: &Batch, limit: Duration) -> Result<Counts, WarehouseError> {
        let mut tx = self.begin(limit).await?;
        let xid: String = sqlx::query_scalar("SELECT pg_current_xact_id()::text FROM fuel.announce_writer()")
            .fetch_one(&mut *tx)
            .await?;
        let counts = match work {
            Work::Window(read) => write_window(&mut tx, read, batch).await?,
            Work::Single { stream, lease } => write_single(&mut tx, stream, lease, batch).await?,
        };
        match tx.commit().await {
            Ok(()) => Ok(counts),
            Err(WarehouseError::CommitUnknown) => self.resolve_commit(&xid).await.map(|()| counts),
            Err(error) => Err(error),
        }
    }

    /// What became of a transaction whose COMMIT was not answered: the database knows.
    async fn resolve_commit(&self, xid: &str) -> Result<(), WarehouseError> {
        for wait in [50, 200, 1_000, 3_000] {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            let Ok(mut tx) = self.begin_short().await else { continue };
            let status: Option<String> =
                sqlx::query_scalar("SELECT pg_xact_status($1::xid8)").bind(xid).fetch_one(&mut *tx).await?;
            tx.commit().await?;
            match status.as_deref() {
                Some("committed") => return Ok(()),
                Some("in progress") => {}
                _ => break,
            }
        }
        Err(WarehouseError::CommitUnknown)
    }
}

/// What the comparison with the table found.
#[derive(Debug, Default)]
struct Found {
    /// For each entry: whether it must be sent.
    differs: Vec<bool>,
    /// Keys that were absent once and are there again.
    back: (Vec<String>, Vec<String>),
    /// Keys of the stretch that the answer does not have.
    absent: (Vec<String>, Vec<String>),
    /// Lines of the stretch already marked missing, and still so.
    missing: u64,
}

async fn write_window(tx: &mut Tx, read: &WindowRead<'_>, batch: &Batch) -> Result<Counts, WarehouseError> {
    let (source, account) = (read.stream.source.as_str(), read.stream.account.as_str());
    let found = compare(tx, read, batch).await?;
    let mut counts = Counts {
        fetched: batch.fetched(),
        quarantined: batch.quarantined(),
        outside: batch.outside(),
        duplicate: batch.duplicate(),
        missing: found.missing,
        ..Counts::default()
    };
    if found.differs.contains(&true) {
        stage(tx, read.stream, batch, &found.differs).await?;
        (counts.inserted, counts.updated) = upsert(tx, read.stream).await?;
    }
    let inside = batch.entries().filter(|(_, entry)| !entry.outside).count() as u64;
    counts.unchanged = inside.checked_sub(counts.inserted + counts.updated).ok_or_else(|| {
        WarehouseError::Counts(format!(
            "{inside} lines inside, {} inserted, {} updated",
            counts.inserted, counts.updated
        ))
    })?;
    if !found.back.0.is_empty() {
        sqlx::query(include_str!("sql/clear_absent.sql"))
            .bind(source)
            .bind(account)
            .bind(&found.back.0)
            .bind(&found.back.1)
            .execute(&mut **tx)
            .await?;
    }
    // An empty answer proves nothing about rows that were there.
    if read.complete && counts.fetched > 0 && !found.absent.0.is_empty() {
        let marked: Vec<bool> = sqlx::query_scalar(include_str!("sql/mark_missing.sql"))
            .bind(source)
            .bind(account)
            .bind(&found.absent.0)
            .bind(&found.absent.1)
            .fetch_all(&mut **tx)
            .await?;
        counts.missing += marked.into_iter().filter(|missing| *missing).count() as u64;
    }
    super::quarantine::write(tx, read.stream, Some(read.window), batch).await?;
    if !counts.add_up() {
        return Err(WarehouseError::Counts(format!("{counts:?}")));
    }
    super::ledger::write(tx, read, &counts, batch).await?;
    if counts.inserted + counts.updated > 0 || !found.absent.0.is_empty() {
        notify(tx, read.stream).await?;
    }
    match read.writer {
        // Last, so that the row is locked only for a moment, and a process that lost the lease meanwhile writes nothing.
        Writer::Pass { lease, watermark } => super::checkpoint::advance(tx, read.stream, lease, watermark).await?,
        Writer::Backfill(claim) => super::lease::require_claim(tx, read.stream, read.window, claim).await?,
    }
    Ok(counts)
}

async fn write_single(tx: &mut Tx, stream: &StreamId, lease: &Lease, batch: &Batch) -> Result<Counts, WarehouseError> {
    let mut counts = Counts {
        fetched: batch.fetched(),
        quarantined: batch.quarantined(),
        duplicate: batch.duplicate(),
        ..Counts::default()
    };
    let differs: Vec<_> = (0..batch.len()).map(|_| true).collect();
    let lines = batch.entries().count() as u64;
    if lines > 0 {
        stage(tx, stream, batch, &differs).await?;
        (counts.inserted, counts.updated) = upsert(tx, stream).await?;
    }
    counts.unchanged = lines.saturating_sub(counts.inserted + counts.updated);
    super::quarantine::write(tx, stream, None, batch).await?;
    if !counts.add_up() {
        return Err(WarehouseError::Counts(format!("{counts:?}")));
    }
    if counts.inserted + counts.updated > 0 {
        notify(tx, stream).await?;
    }
    super::checkpoint::advance(tx, stream, lease, None).await?;
    Ok(counts)
}

async fn compare(tx: &mut Tx, read: &WindowRead<'_>, batch: &Batch) -> Result<Found, WarehouseError> {
    let mut found = Found { differs: vec![false; batch.len()], ..Found::default() };
    for (at, _) in batch.entries() {
        found.differs[at] = true;
    }
    // The whole window, not only the stretch: a server may answer with more than was asked.
    let asked = Window::new(read.window.start().min(read.stretch.start()), read.window.end().max(read.stretch.end()))
        .unwrap_or(read.window);
    let mut rows = sqlx::query(include_str!("sql/probe.sql"))
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
            if entry.hash == hash && !is_missing {
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
            if !read.stretch.contains(occurred_at) {
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

async fn stage(
    connection: &mut PgConnection,
    stream: &StreamId,
    batch: &Batch,
    differs: &[bool],
) -> Result<(), WarehouseError> {
    sqlx::raw_sql(include_str!("sql/stage.sql")).execute(&mut *connection).await?;
    let mut lines = copy::Rows::new();
    let mut sink = connection.copy_in_raw(include_str!("sql/copy_lines.sql")).await?;
    for (_, entry) in batch.entries().filter(|(at, _)| differs[*at]) {
        let (spooled, line) = batch.line(entry)?;
        lines.line(&spooled.id, &line, &entry.hash, entry.outside);
        if let Some(bytes) = lines.full() {
            sink.send(bytes).await?;
        }
    }
    sink.send(lines.finish()).await?;
    sink.finish().await?;
    let mut records = copy::Rows::new();
    let mut sink = connection.copy_in_raw(include_str!("sql/copy_records.sql")).await?;
    let whole = stream.source.record_is_whole_transaction();
    let mut last = None;
    for (_, entry) in batch.entries().filter(|(at, _)| differs[*at]) {
        if last.replace(entry.record) == Some(entry.record) {
            continue;
        }
        let (spooled, line) = batch.line(entry)?;
        records.record(&spooled.id, if whole { "-" } else { &line.line_id }, &spooled.raw);
        if let Some(bytes) = records.full() {
            sink.send(bytes).await?;
        }
    }
    sink.send(records.finish()).await?;
    sink.finish().await?;
    Ok(())
}

/// From the staging tables into the warehouse: (inserted, updated), of lines inside the window.
async fn upsert(connection: &mut PgConnection, stream: &StreamId) -> Result<(u64, u64), WarehouseError> {
    let (source, account, partition) = (stream.source.as_str(), &stream.account, stream.partition.as_str());
    let whole = stream.source.record_is_whole_transaction();
    sqlx::query(include_str!("sql/drop_known_outside.sql"))
        .bind(source)
        .bind(account)
        .bind(whole)
        .execute(&mut *connection)
        .await?;
    sqlx::query(include_str!("sql/lock_lines.sql")).bind(source).bind(account).execute(&mut *connection).await?;
    sqlx::query(include_str!("sql/keep_versions.sql"))
        .bind(source)
        .bind(account)
        .bind(whole)
        .execute(&mut *connection)
        .await?;
    if whole {
        sqlx::query(include_str!("sql/remove_lines.sql")).bind(source).bind(account).execute(&mut *connection).await?;
    }
    let written = sqlx::query(include_str!("sql/upsert_lines.sql"))
        .bind(source)
        .bind(account)
        .bind(partition)
        .fetch_one(&mut *connection)
        .await?;
    sqlx::query(include_str!("sql/insert_outside.sql"))
        .bind(source)
        .bind(account)
        .bind(partition)
        .execute(&mut *connection)
        .await?;
    sqlx::query(include_str!("sql/upsert_records.sql"))
        .bind(source)
        .bind(account)
        .bind(NORMALIZER)
        .execute(&mut *connection)
        .await?;
    let count = |at| written.try_get::<i64, _>(at).map(i64::unsigned_abs);
    Ok((count(0)?, count(1)?))
}

/// Tells listeners that the stream has changed: source, account and the highest `seq`.
pub(super) async fn notify(connection: &mut PgConnection, stream: &StreamId) -> Result<(), WarehouseError> {
    sqlx::query(
        "SELECT pg_notify('fuel_changed', json_build_object('source', $1::text, 'account', $2::text, 'seq', last_value)::text) FROM fuel.change_seq",
    )
    .bind(stream.source.as_str())
    .bind(&stream.account)
    .execute(connection)
    .await?;
    Ok(())
}
