//! Writes what a read of a window brought: rows, versions, counts, quarantine and watermark in one transaction.
//!
//! What the table has of the stretch is asked for by time, one range scan, and compared with the digests that wait. What
//! the table has nothing of goes straight into it by COPY; what differs, by COPY to a temporary table and one upsert in
//! the order of the key. A read that finds nothing new therefore costs the scan and one row of the ledger; one whose
//! answer is that of the last whole read does not cost the comparison either, as long as nobody has written to the
//! window's rows since.

pub(super) mod compare;
mod early;
pub mod replay;
pub(super) mod stage;

use crate::warehouse::statement;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use compare::{Fate, Fates};
use early::Early;

use super::{
    Tx, Warehouse, WarehouseError,
    incoming::{Batch, Kept},
    lease::{Claim, Lease},
    ledger::Knows,
    tx::within,
};
use crate::{
    domain::{SourceKind, StreamId, Window},
    failpoint::{Bug, Point, planted, reached},
    telemetry::{self, Part},
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
    /// Those of them that this read marked as missing; the others had been marked before.
    #[serde(skip)]
    pub marked: u64,
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
        self.marked += other.marked;
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
        /// Cancelled when the windows before it are written. Until then only what the table has nothing of is copied, and
        /// nothing is committed. None: there are none before it.
        turn: Option<&'a CancellationToken>,
    },
    /// A backfill, under a claim on this window alone: never touches the watermark.
    Backfill(&'a Claim),
    /// The same, and lines are written that were altered here though their digest says that they are as they were.
    Repair(&'a Claim),
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
    /// The source's time up to which it was read: when reading began, and not behind what was asked for.
    pub present: DateTime<Utc>,
    /// The database's time when reading began: a read that began later is never replaced.
    pub asked_at: DateTime<Utc>,
    /// The oldest instant that the source serves, as far as is known after the read.
    pub horizon: Option<DateTime<Utc>>,
    /// Whether what is not in the answer is not at the source.
    pub complete: bool,
    /// Whether the source's pages kept moving.
    pub unstable: bool,
    /// Whether the window is young enough to be read again, so that it is worth knowing its records then.
    pub comes_again: bool,
    /// In whose name.
    pub writer: Writer<'a>,
}

impl WindowRead<'_> {
    /// Whether the whole window was asked for, as far as the source serves it and its time has come.
    pub(super) fn is_full(&self) -> bool {
        let start = self.horizon.map_or(self.window.start(), |horizon| horizon.max(self.window.start()));
        self.stretch.start() <= start && self.stretch.end() >= self.window.end().min(self.present)
    }

    /// Whether a time lies on the edge of what was asked for, where `HecOne` does not say to which side it belongs.
    fn is_edge(&self, at: DateTime<Utc>) -> bool {
        self.stream.source == SourceKind::HecOne && at == self.stretch.start()
    }
}

/// What is written: a window, or some transactions fetched by their ids.
#[derive(Debug, Clone, Copy)]
enum Work<'a> {
    Window(&'a WindowRead<'a>),
    Single { stream: &'a StreamId, lease: &'a Lease },
}

impl<'a> Work<'a> {
    const fn turn(&self) -> Option<&'a CancellationToken> {
        match self {
            Self::Window(WindowRead { writer: Writer::Pass { turn, .. }, .. }) => *turn,
            Self::Window(WindowRead { writer: Writer::Backfill(_) | Writer::Repair(_), .. }) | Self::Single { .. } => {
                None
            }
        }
    }

    const fn stream(&self) -> &StreamId {
        match self {
            Self::Window(read) => read.stream,
            Self::Single { stream, .. } => stream,
        }
    }
}

impl Warehouse {
    /// Writes a window, all or nothing. What stands in the way for a moment (a deadlock, a lost connection, a lost answer
    /// to COMMIT) is tried again from the log, without asking the vendor again.
    pub async fn load(&self, read: &WindowRead<'_>, batch: &Batch, limit: Duration) -> Result<Counts, WarehouseError> {
        self.write_in_time(Work::Window(read), batch, limit).await
    }

    /// Writes transactions that were fetched by their ids: their rows only, no window's counts and no watermark.
    pub async fn load_single(
        &self,
        stream: &StreamId,
        lease: &Lease,
        batch: &Batch,
        limit: Duration,
    ) -> Result<Counts, WarehouseError> {
        self.write_in_time(Work::Single { stream, lease }, batch, limit).await
    }

    async fn write_in_time(&self, work: Work<'_>, batch: &Batch, limit: Duration) -> Result<Counts, WarehouseError> {
        if let Some(turn) = work.turn() {
            if let Some(counts) = self.write_early(work, batch, limit, turn).await {
                return Ok(counts);
            }
            turn.cancelled().await;
        }
        within((limit, "sync.window_timeout"), async {
            let _turn = self.turn().await?;
            self.write_work(work, batch, limit).await
        })
        .await
    }

    async fn write_work(&self, work: Work<'_>, batch: &Batch, limit: Duration) -> Result<Counts, WarehouseError> {
        let mut tried = 0;
        loop {
            tried += 1;
            let error = match self.write_once(work, batch, limit, None).await {
                Ok(counts) => return Ok(counts),
                Err(error) => error,
            };
            if tried == WRITES || !error.is_of_the_moment() {
                return Err(error);
            }
            tracing::warn!(stream = %work.stream(), attempt = tried, error = %error, "writing again; nothing of it was lost");
            tokio::time::sleep(Duration::from_millis(50 << tried)).await;
        }
    }

    async fn write_once(
        &self,
        work: Work<'_>,
        batch: &Batch,
        limit: Duration,
        early: Option<Early<'_>>,
    ) -> Result<Counts, WarehouseError> {
        let writing = telemetry::part(Part::Write);
        let mut tx = self.begin(limit).await?;
        reached(Point::WriteBegun);
        if planted(Bug::SplitCommit)
            && let Work::Window(read) = work
        {
            // The deliberate fault: counts and watermark first, in a transaction of their own.
            split_commit(self, read, batch).await?;
        }
        let xid = super::forgotten::announce(&mut tx, batch.forgotten()).await?;
        let counts = match work {
            Work::Window(read) => write_window(&mut tx, read, batch, early).await?,
            Work::Single { stream, lease } => write_single(&mut tx, stream, lease, batch).await?,
        };
        drop(writing);
        let _committing = telemetry::part(Part::Commit);
        match tx.commit().await {
            Ok(()) => {
                reached(Point::Committed);
                Ok(counts)
            }
            Err(WarehouseError::CommitUnknown) => self.resolve_commit(&xid).await.map(|()| counts),
            Err(error) => Err(error),
        }
    }

    /// What became of a transaction whose COMMIT was not answered: the database knows.
    pub(super) async fn resolve_commit(&self, xid: &str) -> Result<(), WarehouseError> {
        if planted(Bug::CommitAssumed) {
            return Ok(());
        }
        for wait in [0, 50, 200, 1_000, 3_000] {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            let status = self.short(|mut tx| async move {
                let status = statement::query_scalar("SELECT pg_xact_status($1::xid8)");
                let status = status.bind(xid).fetch_one(&mut *tx).await?;
                tx.commit().await?;
                Ok(status)
            });
            let status: Option<String> = match status.await {
                Ok(status) => status,
                // Not known yet; the next question may be answered.
                Err(_) => continue,
            };
            match status.as_deref() {
                Some("committed") => return Ok(()),
                // Its backend may not have noticed yet that nobody listens.
                Some("in progress") => {}
                // Rolled back, or so old that it is forgotten.
                Some(_) | None => break,
            }
        }
        Err(WarehouseError::CommitUnknown)
    }
}

/// What [`Bug::SplitCommit`] does.
async fn split_commit(warehouse: &Warehouse, read: &WindowRead<'_>, batch: &Batch) -> Result<(), WarehouseError> {
    let lines = batch.fetched();
    let counts = Counts { fetched: lines, unchanged: lines, ..Counts::default() };
    warehouse
        .short(|mut tx| async move {
            super::ledger::write(&mut tx, read, &counts, batch, Knows::Nothing, &Kept::AsItWas).await?;
            match read.writer {
                Writer::Pass { lease, watermark, .. } => {
                    super::checkpoint::advance(&mut tx, read.stream, lease, watermark).await?;
                }
                Writer::Backfill(_) | Writer::Repair(_) => {}
            }
            tx.commit().await
        })
        .await
}

async fn write_window(
    tx: &mut Tx,
    read: &WindowRead<'_>,
    batch: &Batch,
    early: Option<Early<'_>>,
) -> Result<Counts, WarehouseError> {
    let (source, account) = (read.stream.source.as_str(), read.stream.account.as_str());
    // Only a whole answer of the window's own lines can be what the table has of it.
    let is_plain = read.complete && read.is_full() && batch.is_plain() && batch.fetched() > 0;
    // A backfill is asked for by hand, perhaps to mend what was done by hand: it compares.
    let may_be_known = is_plain && matches!(read.writer, Writer::Pass { .. }) && !planted(Bug::AlwaysWrite);
    let has_already = may_be_known && early.is_none() && super::ledger::has_already(tx, read, batch).await?;
    let altered = match read.writer {
        Writer::Repair(_) => Some(Box::pin(super::verify::distrust(tx, read, batch)).await?),
        Writer::Pass { .. } | Writer::Backfill(_) => None,
    };
    let mut found = if has_already { compare::Found::same(batch) } else { compare::compare(tx, read, batch).await? };
    if found.fates.want_known(batch) {
        return Err(WarehouseError::NotKept);
    }
    // What is compared with may be changed by the windows before it.
    if early.is_some() && found.rows > 0 {
        return Err(WarehouseError::NotItsTurn);
    }
    let mut counts = Counts {
        fetched: batch.fetched(),
        quarantined: batch.quarantined(),
        outside: batch.outside(),
        duplicate: batch.duplicate(),
        missing: found.missing,
        ..Counts::default()
    };
    let mut news = !found.absent.is_empty();
    let put = stage::put(tx, read.stream, batch, &mut found.fates, early.is_some());
    let written = match early {
        Some(early) => Box::pin(early.puts(put)).await?,
        None => put.await?,
    };
    (counts.inserted, counts.updated) = (written.inserted, written.updated);
    if let Some(altered) = &altered {
        super::verify::trust(tx, read.stream, altered).await?;
    }
    if written.is_any() {
        news = true;
        reached(Point::RowsWritten);
    }
    let inside = batch.entries().filter(|(_, entry)| !entry.outside()).count() as u64;
    counts.unchanged = inside.checked_sub(counts.inserted + counts.updated).ok_or_else(|| {
        WarehouseError::Counts(format!(
            "{inside} lines inside, {} inserted, {} updated",
            counts.inserted, counts.updated
        ))
    })?;
    for part in found.back.parts() {
        let (ids, lines) = part?;
        statement::query(include_str!("sql/clear_absent.sql"))
            .bind(source)
            .bind(account)
            .bind(ids)
            .bind(lines)
            .execute(&mut **tx)
            .await?;
    }
    // An empty answer proves nothing about rows that were there, and a record without a readable id may be one of them.
    if read.complete && counts.fetched > 0 && batch.knows_every_id() {
        for part in found.absent.parts() {
            let (ids, lines) = part?;
            let marked: Vec<bool> = statement::query_scalar(include_str!("sql/mark_missing.sql"))
                .bind(source)
                .bind(account)
                .bind(ids)
                .bind(lines)
                .fetch_all(&mut **tx)
                .await?;
            counts.marked += marked.into_iter().filter(|missing| *missing).count() as u64;
        }
    }
    counts.missing += counts.marked;
    let is_whole = read.complete && read.is_full() && counts.fetched > 0;
    // Of a read that began before its window, nobody knows whose such a record is; one that is open stays where it was met.
    let theirs = (read.stretch.start() >= read.window.start()).then_some(read.window);
    super::quarantine::write(tx, read.stream, theirs, batch, is_whole.then_some(read.window)).await?;
    if !counts.add_up() {
        return Err(WarehouseError::Counts(format!("{counts:?}")));
    }
    let knows = match found.seqs_of_exactly(counts.fetched) {
        _ if has_already => Knows::AsItWas,
        Some(seqs) if is_plain => Knows::Compared(seqs),
        None if is_plain && found.rows == 0 && counts.inserted == counts.fetched => Knows::New,
        None if is_plain && written.is_any() && found.has_no_others() => {
            written.seqs.map_or(Knows::Nothing, |seqs| Knows::Written(found.same.1 + seqs))
        }
        Some(_) | None => Knows::Nothing,
    };
    let kept = match is_whole {
        true if read.comes_again => batch.kept(read.present, |at| found.fates.is_settled(at))?,
        true => Kept::Anew(None),
        false => Kept::AsItWas,
    };
    super::ledger::write(tx, read, &counts, batch, knows, &kept).await?;
    reached(Point::LedgerWritten);
    if news {
        notify(tx, read.stream).await?;
    }
    match read.writer {
        // Last, so that the row is locked only for a moment, and a process that lost the lease meanwhile writes nothing.
        Writer::Pass { lease, watermark, .. } => super::checkpoint::advance(tx, read.stream, lease, watermark).await?,
        Writer::Backfill(claim) | Writer::Repair(claim) => {
            super::lease::require_claim(tx, read.stream, read.window, claim).await?;
        }
    }
    reached(Point::WatermarkWritten);
    Ok(counts)
}

async fn write_single(tx: &mut Tx, stream: &StreamId, lease: &Lease, batch: &Batch) -> Result<Counts, WarehouseError> {
    let mut counts = Counts {
        fetched: batch.fetched(),
        quarantined: batch.quarantined(),
        duplicate: batch.duplicate(),
        ..Counts::default()
    };
    // Where the table may have them is not known.
    let mut fates = Fates::all(batch, Fate::Differs);
    let lines = batch.entries().count() as u64;
    let written = stage::put(tx, stream, batch, &mut fates, false).await?;
    (counts.inserted, counts.updated) = (written.inserted, written.updated);
    counts.unchanged = lines.saturating_sub(counts.inserted + counts.updated);
    super::quarantine::write(tx, stream, None, batch, None).await?;
    if !counts.add_up() {
        return Err(WarehouseError::Counts(format!("{counts:?}")));
    }
    if counts.inserted + counts.updated > 0 {
        notify(tx, stream).await?;
    }
    super::checkpoint::advance(tx, stream, lease, None).await?;
    Ok(counts)
}

/// Tells listeners that the stream has changed: source, account and the highest `seq` drawn, by whomever: lines of this stream have
/// it or a lower one.
pub(in crate::warehouse) async fn notify(
    connection: &mut PgConnection,
    stream: &StreamId,
) -> Result<(), WarehouseError> {
    statement::query(
        "SELECT pg_notify('fuel_changed', json_build_object('source', $1::text, 'account', $2::text, 'seq', last_value)::text) FROM fuel.change_seq",
    )
    .bind(stream.source.as_str())
    .bind(&stream.account)
    .execute(connection)
    .await?;
    Ok(())
}
