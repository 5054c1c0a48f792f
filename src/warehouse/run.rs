//! One row for each pass, backfill and verification.

use crate::warehouse::statement;
use uuid::Uuid;

use super::{Warehouse, WarehouseError, load::Counts};

/// Rows deleted at a time: a short transaction.
const AT_A_TIME: i64 = 10_000;

impl Warehouse {
    /// Opens a row for a run; its number is in order of time.
    pub async fn begin_run(&self, mode: &str, host: &str) -> Result<Uuid, WarehouseError> {
        let id = Uuid::now_v7();
        self.short(|mut tx| async move {
            statement::query("INSERT INTO fuel.sync_run (run_id, mode, version, host) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
                .bind(id)
                .bind(mode)
                .bind(env!("CARGO_PKG_VERSION"))
                .bind(host)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            Ok(id)
        })
        .await
    }

    /// Deletes rows of runs that began more than a year ago, the oldest first and so many at a time; how many it were.
    pub async fn forget_runs(&self) -> Result<u64, WarehouseError> {
        self.short(|mut tx| async move {
            let done = statement::query(include_str!("sql/forget_runs.sql")).bind(AT_A_TIME).execute(&mut *tx).await?;
            tx.commit().await?;
            Ok(done.rows_affected())
        })
        .await
    }

    /// Closes a run's row.
    pub async fn end_run(&self, id: Uuid, outcome: &str, windows: u64, counts: &Counts) -> Result<(), WarehouseError> {
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.short(|mut tx| async move {
            statement::query(
                "UPDATE fuel.sync_run SET finished_at = now(), outcome = $2, windows = $3, fetched = $4, inserted = $5, updated = $6, \
                     unchanged = $7, quarantined = $8, outside = $9, duplicate = $10, missing = $11 WHERE run_id = $1",
            )
            .bind(id)
            .bind(outcome)
            .bind(number(windows))
            .bind(number(counts.fetched))
            .bind(number(counts.inserted))
            .bind(number(counts.updated))
            .bind(number(counts.unchanged))
            .bind(number(counts.quarantined))
            .bind(number(counts.outside))
            .bind(number(counts.duplicate))
            .bind(number(counts.missing))
            .execute(&mut *tx)
            .await?;
            tx.commit().await
        })
        .await
    }
}
