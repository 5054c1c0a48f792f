//! What the warehouse knows about each stream, for `status` and the page: with how many lines it has. The metrics ask
//! [`standing`](super::standing).

use crate::warehouse::statement;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::Row;

use super::{Warehouse, WarehouseError, tx::within};

/// How a stream stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamReport {
    /// Vendor interface.
    pub source: String,
    /// Account.
    pub account: String,
    /// Contract, or `-`.
    pub partition: String,
    /// Read without a gap up to here.
    pub watermark: Option<DateTime<Utc>>,
    /// When the last pass ended.
    pub last_pass: Option<DateTime<Utc>>,
    /// How: ok, failed, refused, withdrawn, `not_enabled`.
    pub last_outcome: Option<String>,
    /// Why it failed.
    pub last_error: Option<String>,
    /// Lines in the table, as the ledger has them: see `sql/report.sql`.
    pub rows: i64,
    /// Windows in the ledger that have been read.
    pub windows: i64,
    /// Windows whose last read failed.
    pub failing: i64,
    /// Stretches lost at the source.
    pub gaps: i64,
    /// Open records in quarantine.
    pub quarantine: i64,
    /// Who holds the lease now.
    pub lease_owner: Option<String>,
}

impl Warehouse {
    /// Every stream that has a checkpoint.
    pub async fn streams(&self) -> Result<Vec<StreamReport>, WarehouseError> {
        self.short(|mut tx| async move {
            // With a thousand streams the planner takes it for more work than it is, and compiling it takes ten times as long.
            statement::query("SET LOCAL jit = off").execute(&mut *tx).await?;
            let rows = statement::query(include_str!("sql/report.sql")).fetch_all(&mut *tx).await?;
            tx.commit().await?;
            let rows: Result<_, sqlx::Error> = rows
                .iter()
                .map(|row| {
                    Ok(StreamReport {
                        source: row.try_get("source")?,
                        account: row.try_get("account")?,
                        partition: row.try_get("partition")?,
                        watermark: row.try_get("watermark")?,
                        last_pass: row.try_get("last_pass_at")?,
                        last_outcome: row.try_get("last_outcome")?,
                        last_error: row.try_get("last_error")?,
                        rows: row.try_get("rows")?,
                        windows: row.try_get("windows")?,
                        failing: row.try_get("failing")?,
                        gaps: row.try_get("gaps")?,
                        quarantine: row.try_get("quarantine")?,
                        lease_owner: row.try_get("lease_owner")?,
                    })
                })
                .collect();
            Ok(rows?)
        })
        .await
    }

    /// Whether the database answers, within a second or two.
    pub async fn ping(&self) -> Result<(), WarehouseError> {
        let limit = std::time::Duration::from_secs(2);
        within((limit, "the limit of a probe"), async { self.begin(limit).await?.commit().await }).await
    }

    /// Why no window could be written here though the database answers, and what to do; none where one could. Wants the
    /// tables of this version.
    pub async fn cannot_write(&self) -> Result<Option<String>, WarehouseError> {
        self.short(|mut tx| async move {
            let row = statement::query(include_str!("sql/can_write.sql")).fetch_one(&mut *tx).await?;
            tx.commit().await?;
            let (read_only, is_standby): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
            let lacks: Vec<String> = row.try_get(2)?;
            Ok(match lacks.first() {
                _ if is_standby => {
                    Some("the database is a standby and can only be read; database.url must lead to the primary".to_owned())
                }
                _ if read_only => Some(
                    "the database can only be read (default_transaction_read_only); nothing is written until that is off"
                        .to_owned(),
                ),
                Some(first) => Some(format!(
                    "the role may not write: {} right(s) are missing, {first} among them; run deploy/postgres/role.sql, \
                     `fuelsync check` lists each",
                    lacks.len()
                )),
                None => None,
            })
        })
        .await
    }

    /// The server's version and the role, for `check`.
    pub async fn server(&self) -> Result<(String, i32, String), WarehouseError> {
        self.short(|mut tx| async move {
            let row = statement::query(
                "SELECT current_setting('server_version'), current_setting('server_version_num')::int, current_user::text",
            )
            .fetch_one(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
        })
        .await
    }
}
