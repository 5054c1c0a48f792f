//! Records that cannot be normalized: kept, named, and resolved when they can.

use crate::warehouse::statement;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgConnection, Row};

use super::{Warehouse, WarehouseError, incoming::Batch, spool::Waits as _};
use crate::domain::{Partition, StreamId, Window};

/// Writes the rejected records of a read, as those of a window or of none that is known, and resolves those of the same
/// transactions that it brought in order, or that a whole read of their window (`whole`) no longer brings.
pub(super) async fn write(
    connection: &mut PgConnection,
    stream: &StreamId,
    window: Option<Window>,
    batch: &Batch,
    whole: Option<Window>,
) -> Result<(), WarehouseError> {
    let rejected = batch.rejected();
    let (source, account, partition) = (stream.source.as_str(), stream.account.as_str(), stream.partition.as_str());
    let fingerprints: Vec<&[u8]> = rejected.iter().map(|alike| &alike.fingerprint[..]).collect();
    let (mut ids, mut after) = (None, String::new());
    loop {
        let open: Vec<String> = statement::query_scalar(include_str!("sql/open_quarantine.sql"))
            .bind(source)
            .bind(account)
            .bind(partition)
            .bind(&after)
            .bind(OPEN)
            .fetch_all(&mut *connection)
            .await?;
        let Some(last) = open.last() else { break };
        after.clone_from(last);
        let ids = match &ids {
            Some(ids) => ids,
            None => &*ids.insert(batch.ids()?),
        };
        let seen: Vec<String> = open.into_iter().filter(|id| ids.has(id)).collect();
        if !seen.is_empty() {
            statement::query(include_str!("sql/resolve_quarantine.sql"))
                .bind(source)
                .bind(account)
                .bind(partition)
                .bind(&fingerprints)
                .bind(seen)
                .execute(&mut *connection)
                .await?;
        }
    }
    if let Some(window) = whole {
        // A record without a readable id is only known by its text: a whole read of its window without it settles it.
        statement::query(include_str!("sql/resolve_vanished.sql"))
            .bind(source)
            .bind(account)
            .bind(partition)
            .bind(&fingerprints)
            .bind(window.start())
            .execute(&mut *connection)
            .await?;
    }
    let (mut part, mut bytes) = (Vec::new(), 0);
    for (at, alike) in rejected.iter().enumerate() {
        let reject = batch.reject(alike.number)?;
        bytes += reject.size();
        part.push((alike, reject));
        if at + 1 < rejected.len() && part.len() < PART && bytes < PART_BYTES {
            continue;
        }
        bytes = 0;
        let part = std::mem::take(&mut part);
        statement::query(include_str!("sql/quarantine.sql"))
            .bind(source)
            .bind(account)
            .bind(partition)
            .bind(window.map(|w| w.start()))
            .bind(part.iter().map(|(_, r)| r.id.as_deref()).collect::<Vec<_>>())
            .bind(part.iter().map(|(alike, _)| &alike.fingerprint[..]).collect::<Vec<_>>())
            .bind(part.iter().map(|(_, r)| &*r.raw).collect::<Vec<_>>())
            .bind(part.iter().map(|(_, r)| r.field.as_str()).collect::<Vec<_>>())
            .bind(part.iter().map(|(_, r)| r.reason.as_str()).collect::<Vec<_>>())
            .bind(part.iter().map(|(alike, _)| alike.copies).collect::<Vec<_>>())
            .bind(part.iter().map(|(alike, _)| alike.nul_removed).collect::<Vec<_>>())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Open ids that are looked at together.
const OPEN: i64 = 10_000;
/// Rows, and bytes of them, that are written together.
const PART: usize = 2_000;
const PART_BYTES: usize = 1024 * 1024;

/// An open record, as far as it must be known to replay it with those that came with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Number.
    pub id: i64,
    /// Whose.
    pub stream: StreamId,
    /// The source's id, when it could be read.
    pub source_transaction_id: Option<String>,
    /// By which read it was last met.
    pub met: Met,
    /// Bytes of its text.
    pub size: u64,
}

/// Which read met a record last: those with the same were brought by one read of one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Met {
    /// The window that was read; none for a single fetch.
    pub window_start: Option<DateTime<Utc>>,
    /// When it was written.
    pub at: DateTime<Utc>,
}

/// A row of the quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quarantined {
    /// Number.
    pub id: i64,
    /// Vendor interface.
    pub source: String,
    /// Account.
    pub account: String,
    /// Contract, or `-`.
    pub partition: String,
    /// The source's id, when it could be read.
    pub source_transaction_id: Option<String>,
    /// Field at fault.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
    /// First met.
    pub first_seen_at: DateTime<Utc>,
    /// Last met.
    pub last_seen_at: DateTime<Utc>,
    /// Went away.
    pub resolved_at: Option<DateTime<Utc>>,
    /// The record, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
}

impl Warehouse {
    /// The rows of the quarantine, newest last, only the open ones unless `all`; or one row with its record.
    pub async fn quarantined(&self, only: Option<i64>, all: bool) -> Result<Vec<Quarantined>, WarehouseError> {
        self.short(|mut tx| async move {
            let rows = statement::query(
                "SELECT id, source, account, partition, source_transaction_id, field, reason, first_seen_at, last_seen_at, resolved_at, \
                     CASE WHEN $1::bigint IS NOT NULL THEN record::text END \
                 FROM fuel.quarantine WHERE CASE WHEN $1::bigint IS NULL THEN $2 OR resolved_at IS NULL ELSE id = $1 END ORDER BY id",
            )
            .bind(only)
            .bind(all)
            .fetch_all(&mut *tx)
            .await?;
            tx.commit().await?;
            let rows: Result<_, sqlx::Error> = rows
                .iter()
                .map(|row| {
                    Ok(Quarantined {
                        id: row.try_get(0)?,
                        source: row.try_get(1)?,
                        account: row.try_get(2)?,
                        partition: row.try_get(3)?,
                        source_transaction_id: row.try_get(4)?,
                        field: row.try_get(5)?,
                        reason: row.try_get(6)?,
                        first_seen_at: row.try_get(7)?,
                        last_seen_at: row.try_get(8)?,
                        resolved_at: row.try_get(9)?,
                        record: row.try_get(10)?,
                    })
                })
                .collect();
            Ok(rows?)
        })
        .await
    }

    /// The open records, those of one read of one window of one stream beside each other, and among them those of one
    /// transaction.
    pub async fn open_quarantine(&self) -> Result<Vec<Open>, WarehouseError> {
        self.short(|mut tx| async move {
            let rows = statement::query(
                "SELECT id, source, account, partition, source_transaction_id, window_start, last_seen_at, \
                     octet_length(record::text) FROM fuel.quarantine \
                 WHERE resolved_at IS NULL ORDER BY source, account, partition, window_start, last_seen_at, source_transaction_id, id",
            )
            .fetch_all(&mut *tx)
            .await?;
            tx.commit().await?;
            let mut open = Vec::with_capacity(rows.len());
            for row in rows {
                // A source that only a later version knows is left to it.
                let Ok(source) = row.try_get::<&str, _>(1)?.parse() else { continue };
                let partition: String = row.try_get(3)?;
                let partition = if partition == "-" { Partition::whole() } else { Partition::contract(partition) };
                open.push(Open {
                    id: row.try_get(0)?,
                    stream: StreamId::new(source, row.try_get::<String, _>(2)?, partition),
                    source_transaction_id: row.try_get(4)?,
                    met: Met { window_start: row.try_get(5)?, at: row.try_get(6)? },
                    size: row.try_get::<i32, _>(7)?.unsigned_abs().into(),
                });
            }
            Ok(open)
        })
        .await
    }

    /// Takes a row out of the list of what is open, for good. `false` when there is no such open row.
    pub async fn drop_quarantined(&self, id: i64) -> Result<bool, WarehouseError> {
        // Made again after a lost answer it finds its own work done: what the first time told stands.
        let dropped = &AtomicBool::new(false);
        self.short(|mut tx| async move {
            let done = statement::query(
                "UPDATE fuel.quarantine SET resolved_at = now(), dropped = true WHERE id = $1 AND resolved_at IS NULL",
            )
            .bind(id)
            .execute(&mut *tx)
            .await?;
            dropped.fetch_or(done.rows_affected() > 0, Ordering::Relaxed);
            tx.commit().await?;
            Ok(dropped.load(Ordering::Relaxed))
        })
        .await
    }
}
