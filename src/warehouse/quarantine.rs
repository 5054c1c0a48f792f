//! Records that cannot be normalized: kept, named, and resolved when they can.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgConnection, Row};

use super::{Warehouse, WarehouseError, incoming::Batch};
use crate::domain::{StreamId, Window};

/// Writes the rejected records of a read, and resolves those of the same transactions that it brought in order, or that
/// a whole read of their window no longer brings.
pub(super) async fn write(
    connection: &mut PgConnection,
    stream: &StreamId,
    window: Option<Window>,
    batch: &Batch,
    is_whole: bool,
) -> Result<(), WarehouseError> {
    let rejected = batch.rejected();
    let (source, account, partition) = (stream.source.as_str(), stream.account.as_str(), stream.partition.as_str());
    let open: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT source_transaction_id FROM fuel.quarantine \
         WHERE source = $1 AND account = $2 AND partition = $3 AND resolved_at IS NULL AND source_transaction_id IS NOT NULL",
    )
    .bind(source)
    .bind(account)
    .bind(partition)
    .fetch_all(&mut *connection)
    .await?;
    if !open.is_empty() {
        let seen = batch.ids_among(&open)?;
        let fingerprints: Vec<&[u8]> = rejected.iter().map(|r| r.fingerprint.as_slice()).collect();
        sqlx::query(include_str!("sql/resolve_quarantine.sql"))
            .bind(source)
            .bind(account)
            .bind(partition)
            .bind(fingerprints)
            .bind(seen)
            .execute(&mut *connection)
            .await?;
    }
    if let Some(window) = window.filter(|_| is_whole) {
        // A record without a readable id is only known by its text: a whole read of its window without it settles it.
        let fingerprints: Vec<&[u8]> = rejected.iter().map(|r| r.fingerprint.as_slice()).collect();
        sqlx::query(include_str!("sql/resolve_vanished.sql"))
            .bind(source)
            .bind(account)
            .bind(partition)
            .bind(fingerprints)
            .bind(window.start())
            .execute(&mut *connection)
            .await?;
    }
    if rejected.is_empty() {
        return Ok(());
    }
    let mut distinct: Vec<_> = rejected.iter().collect();
    distinct.sort_by(|a, b| a.fingerprint.cmp(&b.fingerprint));
    distinct.dedup_by(|a, b| a.fingerprint == b.fingerprint);
    sqlx::query(include_str!("sql/quarantine.sql"))
        .bind(source)
        .bind(account)
        .bind(partition)
        .bind(window.map(|w| w.start()))
        .bind(distinct.iter().map(|r| r.id.as_deref()).collect::<Vec<_>>())
        .bind(distinct.iter().map(|r| r.fingerprint.as_slice()).collect::<Vec<_>>())
        .bind(distinct.iter().map(|r| &*r.raw).collect::<Vec<_>>())
        .bind(distinct.iter().map(|r| r.why.field.as_str()).collect::<Vec<_>>())
        .bind(distinct.iter().map(|r| r.why.reason.as_ref()).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
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
            let rows = sqlx::query(
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

    /// Takes a row out of the list of what is open, for good. `false` when there is no such open row.
    pub async fn drop_quarantined(&self, id: i64) -> Result<bool, WarehouseError> {
        // Made again after a lost answer it finds its own work done: what the first time told stands.
        let dropped = &AtomicBool::new(false);
        self.short(|mut tx| async move {
            let done = sqlx::query(
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
