//! Normalizes records in quarantine again and writes what comes of them, in one transaction: rows, what is resolved, and
//! the counts of the window that had counted them as quarantined.
//!
//! A record is written only where a read of the same answer would come to the same rows. Where that cannot be known
//! (the table has a line of the same sale already, and this may be its newer image or another one) nothing is guessed:
//! the record stays, and its window is asked for again.

mod ask;
mod decide;

use crate::warehouse::statement;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::Row;

pub use decide::Why;

use super::{
    Counts, WRITES,
    compare::{Fate, Fates},
    notify, stage,
};
use crate::{
    domain::{Flag, Line, Outcome, Record, StreamId, Window},
    warehouse::{
        Tx, Warehouse, WarehouseError,
        incoming::{Batch, Incoming},
        lease::Lease,
        quarantine::Met,
        tx::within,
    },
};

/// Some open records of a stream that were met by one read, to be normalized again.
#[derive(Clone, Copy)]
pub struct Again<'a> {
    /// Whose.
    pub stream: &'a StreamId,
    /// In whose name.
    pub lease: &'a Lease,
    /// Which: those of one transaction together.
    pub ids: &'a [i64],
    /// By which read they were met.
    pub met: Met,
    /// The oldest instant that the source serves.
    pub horizon: Option<DateTime<Utc>>,
    /// Which persons are forgotten as `normalize` heeds it.
    pub forgotten: i64,
    /// Makes a record of a text, with today's rules.
    pub normalize: &'a (dyn Fn(&str) -> Record + Send + Sync),
}

/// What came of some records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdicts {
    /// Normalized and written.
    pub replayed: Vec<i64>,
    /// Cannot be normalized.
    pub still: Vec<Still>,
    /// Could be normalized, and was left.
    pub left: Vec<(i64, Why)>,
    /// The lines written, and what still cannot be normalized.
    pub counts: Counts,
}

/// A record that still cannot be normalized.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Still {
    /// Its number.
    pub id: i64,
    /// The field at fault.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A record that can be normalized now.
#[derive(Debug, Clone)]
struct Candidate {
    id: i64,
    copies: u64,
    transaction: String,
    raw: Box<str>,
    lines: Vec<Line>,
}

/// A record that still cannot be, with what is to be kept of it.
struct Rejected {
    still: Still,
    transaction: Option<String>,
    /// The text under today's privacy rules, where it is another.
    raw: Option<Box<str>>,
}

impl Warehouse {
    /// Normalizes some records again and writes what comes of them, all or nothing, within `limit`. What stands in the
    /// way for a moment is tried again.
    pub async fn replay(&self, again: &Again<'_>, limit: Duration) -> Result<Verdicts, WarehouseError> {
        within((limit, "sync.window_timeout"), async {
            let _turn = self.turn().await?;
            let mut tried = 1;
            loop {
                let error = match self.replay_once(again, limit).await {
                    Ok(verdicts) => return Ok(verdicts),
                    Err(error) => error,
                };
                if tried == WRITES || !error.is_of_the_moment() {
                    return Err(error);
                }
                tracing::warn!(stream = %again.stream, attempt = tried, error = %error, "writing again; nothing of it was lost");
                tokio::time::sleep(Duration::from_millis(50 << tried)).await;
                tried += 1;
            }
        })
        .await
    }

    async fn replay_once(&self, again: &Again<'_>, limit: Duration) -> Result<Verdicts, WarehouseError> {
        let mut tx = self.begin(limit).await?;
        let xid = crate::warehouse::forgotten::announce(&mut tx, again.forgotten).await?;
        let verdicts = write(&mut tx, again).await?;
        match tx.commit().await {
            Ok(()) => Ok(verdicts),
            Err(WarehouseError::CommitUnknown) => self.resolve_commit(&xid).await.map(|()| verdicts),
            Err(error) => Err(error),
        }
    }
}

async fn write(tx: &mut Tx, again: &Again<'_>) -> Result<Verdicts, WarehouseError> {
    let (candidates, rejected, gone) = normalized(tx, again).await?;
    let ledger = window(tx, again).await?;
    let whys = reasons(tx, again, ledger.as_ref().map(|(window, _)| *window), &candidates, &rejected).await?;
    let mut verdicts = Verdicts { left: gone, ..Verdicts::default() };
    let (mut going, mut doubtful) = (Vec::new(), Vec::new());
    for (candidate, why) in candidates.into_iter().zip(whys) {
        match why {
            None => going.push(candidate),
            Some(why) if why.asks_for_a_read() => {
                let at = candidate.lines.first().map(|line| line.occurred_at);
                doubtful.push(ask::Doubtful { id: candidate.id, why, at });
            }
            Some(why) => verdicts.left.push((candidate.id, why)),
        }
    }
    verdicts.replayed = going.iter().map(|candidate| candidate.id).collect();
    let copies: u64 = going.iter().map(|candidate| candidate.copies).sum();
    if !going.is_empty() {
        let sales: Vec<_> = going.iter().flat_map(|candidate| &candidate.lines).map(|line| line.occurred_at).collect();
        let batch = batch(again, ledger.as_ref().map(|(window, _)| *window), going)?;
        let written = lines(tx, again.stream, &batch).await?;
        // Only the read that the ledger counts had counted them.
        if ledger.is_some_and(|(_, last_read_at)| last_read_at == Some(again.met.at)) {
            move_counts(tx, again, copies, &written).await?;
        } else {
            ask::counts_of(tx, again, sales.into_iter()).await?;
        }
        resolve(tx, again, &verdicts.replayed).await?;
        if let Some((window, _)) = ledger {
            ask::neighbours(tx, again, window).await?;
        }
        verdicts.counts += written;
    }
    keep(tx, again, &rejected).await?;
    verdicts.still = rejected.into_iter().map(|rejected| rejected.still).collect();
    verdicts.counts.fetched += verdicts.still.len() as u64;
    verdicts.counts.quarantined += verdicts.still.len() as u64;
    verdicts.left.extend(ask::doubtful(tx, again, doubtful).await?);
    // Last, so that the row is locked only for a moment, and a process that lost the lease meanwhile writes nothing.
    crate::warehouse::checkpoint::advance(tx, again.stream, again.lease, None).await?;
    Ok(verdicts)
}

/// The records as they are now: what can be normalized, what still cannot, and what is no longer there to be.
async fn normalized(
    tx: &mut Tx,
    again: &Again<'_>,
) -> Result<(Vec<Candidate>, Vec<Rejected>, Vec<(i64, Why)>), WarehouseError> {
    let (mut candidates, mut rejected, mut there) = (Vec::new(), Vec::new(), Vec::new());
    // One by one: a text is held no longer than it takes to normalize it.
    let mut rows = statement::query(
        "SELECT id, record::text, field, reason, copies, nul_removed FROM fuel.quarantine \
         WHERE id = ANY ($1) AND resolved_at IS NULL AND last_seen_at = $2 AND window_start IS NOT DISTINCT FROM $3 ORDER BY id",
    )
    .bind(again.ids)
    .bind(again.met.at)
    .bind(again.met.window_start)
    .fetch(&mut **tx);
    while let Some(row) = rows.try_next().await? {
        let (id, text): (i64, &str) = (row.try_get(0)?, row.try_get(1)?);
        there.push(id);
        let record = (again.normalize)(text);
        match record.outcome {
            Outcome::Lines(mut lines) => {
                if row.try_get(5)? {
                    for line in &mut lines {
                        line.quality.insert(Flag::NulRemoved);
                    }
                }
                let copies = u64::try_from(row.try_get::<i32, _>(4)?).unwrap_or(1);
                candidates.push(Candidate { id, copies, transaction: record.id, raw: record.raw, lines });
            }
            Outcome::Rejected(why) => {
                // What was no object is kept as a quoted text: only the read that met it can say what is wrong with it.
                let is_object = text.trim_start().starts_with('{');
                let (field, reason) =
                    if is_object { (why.field, why.reason.into_owned()) } else { (row.try_get(2)?, row.try_get(3)?) };
                rejected.push(Rejected {
                    still: Still { id, field, reason },
                    transaction: Some(record.id).filter(|id| !id.is_empty()),
                    raw: (is_object && *record.raw != *text).then_some(record.raw),
                });
            }
        }
    }
    let gone = again.ids.iter().filter(|id| !there.contains(id)).map(|id| (*id, Why::Meanwhile)).collect();
    Ok((candidates, rejected, gone))
}

/// The ledger's row of the window that brought them, and when it was last read.
async fn window(tx: &mut Tx, again: &Again<'_>) -> Result<Option<(Window, Option<DateTime<Utc>>)>, WarehouseError> {
    let row = statement::query(
        "SELECT window_start, window_end, last_read_at FROM fuel.sync_window \
         WHERE source = $1 AND account = $2 AND partition = $3 AND window_start = $4",
    )
    .bind(again.stream.source.as_str())
    .bind(&again.stream.account)
    .bind(again.stream.partition.as_str())
    .bind(again.met.window_start)
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let last_read_at = row.try_get(2)?;
    Ok(Window::new(row.try_get(0)?, row.try_get(1)?).map(|window| (window, last_read_at)))
}

/// For each record that can be normalized: why it is left all the same, if it is.
async fn reasons(
    tx: &mut Tx,
    again: &Again<'_>,
    window: Option<Window>,
    candidates: &[Candidate],
    rejected: &[Rejected],
) -> Result<Vec<Option<Why>>, WarehouseError> {
    let transactions: Vec<&str> = candidates.iter().map(|candidate| candidate.transaction.as_str()).collect();
    let mut others: Vec<_> = rejected
        .iter()
        .filter_map(|r| Some(decide::Other { id: r.still.id, transaction: r.transaction.clone()?, line_id: None }))
        .collect();
    let mut open = statement::query(
        "SELECT id, source_transaction_id, record::text FROM fuel.quarantine \
         WHERE source = $1 AND account = $2 AND partition = $3 AND resolved_at IS NULL AND source_transaction_id = ANY ($4) \
             AND NOT id = ANY ($5) ORDER BY id",
    )
    .bind(again.stream.source.as_str())
    .bind(&again.stream.account)
    .bind(again.stream.partition.as_str())
    .bind(&transactions)
    .bind(again.ids)
    .fetch(&mut **tx);
    while let Some(row) = open.try_next().await? {
        let record = (again.normalize)(row.try_get(2)?);
        let line_id = match record.outcome {
            Outcome::Lines(lines) => lines.into_iter().next().map(|line| line.line_id),
            Outcome::Rejected(_) => None,
        };
        others.push(decide::Other { id: row.try_get(0)?, transaction: row.try_get(1)?, line_id });
    }
    drop(open);
    let rows = statement::query(
        "SELECT source_transaction_id, line_id, changed_at > $4 FROM fuel.transaction \
         WHERE source = $1 AND account = $2 AND source_transaction_id = ANY ($3)",
    )
    .bind(again.stream.source.as_str())
    .bind(&again.stream.account)
    .bind(&transactions)
    .bind(again.met.at)
    .fetch_all(&mut **tx)
    .await?;
    let mut there = Vec::with_capacity(rows.len());
    for row in rows {
        there.push(decide::There {
            transaction: row.try_get(0)?,
            line_id: row.try_get(1)?,
            is_younger: row.try_get(2)?,
        });
    }
    Ok(decide::decide(again.stream.source, window, candidates, &others, &there))
}

/// The lines as one answer brings them: numbered, and each as often as the source has it.
fn batch(again: &Again<'_>, window: Option<Window>, going: Vec<Candidate>) -> Result<Batch, WarehouseError> {
    let kind = again.stream.source;
    let mut incoming = window.map_or_else(|| Incoming::unbounded(kind), |window| Incoming::new(kind, window));
    for candidate in going {
        let record = Record { id: candidate.transaction, raw: candidate.raw, outcome: Outcome::Lines(candidate.lines) };
        for _ in 1..candidate.copies {
            incoming.records(vec![record.clone()])?;
        }
        incoming.records(vec![record])?;
    }
    incoming.complete()?;
    Ok(incoming.finish())
}

/// Writes the lines. What another writer (a backfill) did to the same rows since they were looked at begins it anew.
async fn lines(tx: &mut Tx, stream: &StreamId, batch: &Batch) -> Result<Counts, WarehouseError> {
    let stage::Written { inserted, updated, outside, .. } =
        stage::put(tx, stream, batch, &mut Fates::all(batch, Fate::Differs), false).await?;
    let may_update = stream.source.record_is_whole_transaction();
    if (updated > 0 && !may_update) || outside != batch.outside() {
        return Err(WarehouseError::Conflict("a line was written meanwhile".into()));
    }
    let inside = batch.entries().filter(|(_, entry)| !entry.outside()).count() as u64;
    let counts = Counts {
        fetched: batch.fetched(),
        inserted,
        updated,
        unchanged: inside.saturating_sub(inserted + updated),
        outside,
        duplicate: batch.duplicate(),
        ..Counts::default()
    };
    if !counts.add_up() {
        return Err(WarehouseError::Counts(format!("{counts:?}")));
    }
    if inserted + updated + outside > 0 {
        notify(tx, stream).await?;
    }
    Ok(counts)
}

/// From the quarantined of the window to what became of them.
async fn move_counts(tx: &mut Tx, again: &Again<'_>, copies: u64, written: &Counts) -> Result<(), WarehouseError> {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let done = statement::query(include_str!("../sql/move_counts.sql"))
        .bind(again.stream.source.as_str())
        .bind(&again.stream.account)
        .bind(again.stream.partition.as_str())
        .bind(again.met.window_start)
        .bind(again.met.at)
        .bind(number(copies))
        .bind(number(written.fetched))
        .bind(number(written.inserted))
        .bind(number(written.updated))
        .bind(number(written.unchanged))
        .bind(number(written.outside))
        .bind(number(written.duplicate))
        .execute(&mut **tx)
        .await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(met_again()) }
}

async fn resolve(tx: &mut Tx, again: &Again<'_>, ids: &[i64]) -> Result<(), WarehouseError> {
    let done = statement::query(
        "UPDATE fuel.quarantine SET resolved_at = now() WHERE id = ANY ($1) AND resolved_at IS NULL AND last_seen_at = $2",
    )
    .bind(ids)
    .bind(again.met.at)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == ids.len() as u64 { Ok(()) } else { Err(met_again()) }
}

/// A backfill, or somebody who dropped a record, came in between: looked at anew.
fn met_again() -> WarehouseError {
    WarehouseError::Conflict("the records were met again or settled meanwhile".into())
}

/// What is wrong with the others by today's rules, and their text under today's privacy.
async fn keep(tx: &mut Tx, again: &Again<'_>, rejected: &[Rejected]) -> Result<(), WarehouseError> {
    if rejected.is_empty() {
        return Ok(());
    }
    let raws: Vec<Option<&str>> = rejected.iter().map(|rejected| rejected.raw.as_deref()).collect();
    let digests: Vec<Option<Vec<u8>>> = raws.iter().map(|raw| raw.map(|raw| Sha256::digest(raw).to_vec())).collect();
    let ids: Vec<_> = rejected.iter().map(|rejected| rejected.still.id).collect();
    statement::query(
        "UPDATE fuel.quarantine q SET field = new.field, reason = new.reason, \
             source_transaction_id = coalesce(new.transaction, q.source_transaction_id) \
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS new (id, field, reason, transaction) \
         WHERE q.id = new.id AND q.resolved_at IS NULL AND q.last_seen_at = $5",
    )
    .bind(&ids)
    .bind(rejected.iter().map(|r| r.still.field.as_str()).collect::<Vec<_>>())
    .bind(rejected.iter().map(|r| r.still.reason.as_str()).collect::<Vec<_>>())
    .bind(rejected.iter().map(|r| r.transaction.as_deref()).collect::<Vec<_>>())
    .bind(again.met.at)
    .execute(&mut **tx)
    .await?;
    if raws.iter().any(Option::is_some) {
        statement::query(include_str!("../sql/reword_quarantine.sql"))
            .bind(&ids)
            .bind(raws)
            .bind(digests)
            .bind(again.met.at)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}
