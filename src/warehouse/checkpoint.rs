//! The watermark of each stream, gaps, and how its last pass ended.

use crate::warehouse::statement;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};

use super::{Warehouse, WarehouseError, lease::Lease};
use crate::{
    domain::{Partition, SourceKind, StreamId, Window},
    failpoint::{Bug, planted},
};

/// That the lease is still ours and has not expired, with the stream's row locked until the commit; moves the watermark
/// forward, never back.
pub(super) async fn advance(
    connection: &mut PgConnection,
    stream: &StreamId,
    lease: &Lease,
    watermark: Option<DateTime<Utc>>,
) -> Result<(), WarehouseError> {
    let sql = match watermark {
        _ if planted(Bug::NoFence) => {
            // The deliberate fault: whoever comes writes, and the last one's watermark stands.
            "UPDATE fuel.checkpoint SET watermark = coalesce($6, watermark), updated_at = now() \
             WHERE source = $1 AND account = $2 AND partition = $3 AND ($4::text, $5::bigint) IS NOT NULL"
        }
        Some(_) => {
            "UPDATE fuel.checkpoint SET watermark = greatest(watermark, $6), updated_at = now() \
             WHERE source = $1 AND account = $2 AND partition = $3 AND lease_owner = $4 AND epoch = $5 \
                 AND lease_expires_at > clock_timestamp()"
        }
        // A lock says the same and writes less.
        None => {
            "SELECT FROM fuel.checkpoint WHERE source = $1 AND account = $2 AND partition = $3 AND lease_owner = $4 AND epoch = $5 \
                 AND lease_expires_at > clock_timestamp() AND $6::timestamptz IS NULL FOR SHARE"
        }
    };
    let done = statement::query(sql)
        .bind(stream.source.as_str())
        .bind(&stream.account)
        .bind(stream.partition.as_str())
        .bind(&lease.owner)
        .bind(lease.epoch)
        .bind(watermark)
        .execute(connection)
        .await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(WarehouseError::LeaseLost) }
}

/// How a pass over a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassEnd<'a> {
    /// All that was due is read.
    Ok,
    /// It stopped at an error.
    Failed(&'a str),
    /// The vendor refuses the account's credentials.
    Refused(&'a str),
    /// The contract is withdrawn: its rows stay as they are.
    Withdrawn(&'a str),
    /// The interface is not enabled.
    NotEnabled(&'a str),
}

impl Warehouse {
    /// Notes how a pass over a stream ended, for `status`. A pass under a lease gives its epoch: when another process has
    /// taken the stream since, its end is the one that counts.
    pub async fn note_pass(
        &self,
        stream: &StreamId,
        epoch: Option<i64>,
        end: PassEnd<'_>,
    ) -> Result<(), WarehouseError> {
        let (outcome, error) = match end {
            PassEnd::Ok => ("ok", None),
            PassEnd::Failed(error) => ("failed", Some(error)),
            PassEnd::Refused(error) => ("refused", Some(error)),
            PassEnd::Withdrawn(why) => ("withdrawn", Some(why)),
            PassEnd::NotEnabled(why) => ("not_enabled", Some(why)),
        };
        self.short(|mut tx| async move {
            statement::query(
                "INSERT INTO fuel.checkpoint AS c (source, account, partition, last_pass_at, last_outcome, last_error) VALUES ($1, $2, $3, now(), $4, $5) \
                 ON CONFLICT (source, account, partition) DO UPDATE SET last_pass_at = now(), last_outcome = $4, last_error = $5 \
                 WHERE $6::bigint IS NULL OR c.epoch = $6",
            )
            .bind(stream.source.as_str())
            .bind(&stream.account)
            .bind(stream.partition.as_str())
            .bind(outcome)
            .bind(error)
            .bind(epoch)
            .execute(&mut *tx)
            .await?;
            tx.commit().await
        })
        .await
    }

    /// The partitions of an account's source that have a checkpoint, with how their last pass ended.
    pub async fn known_partitions(
        &self,
        source: SourceKind,
        account: &str,
    ) -> Result<Vec<(Partition, Option<String>)>, WarehouseError> {
        self.short(|mut tx| async move {
            let rows = statement::query(
                "SELECT partition, last_outcome FROM fuel.checkpoint WHERE source = $1 AND account = $2 ORDER BY partition",
            )
            .bind(source.as_str())
            .bind(account)
            .fetch_all(&mut *tx)
            .await?;
            tx.commit().await?;
            rows.iter()
                .map(|row| {
                    let name: String = row.try_get(0)?;
                    Ok((if name == "-" { Partition::whole() } else { Partition::contract(name) }, row.try_get(1)?))
                })
                .collect()
        })
        .await
    }

    /// The stream's watermark.
    pub async fn watermark(&self, stream: &StreamId) -> Result<Option<DateTime<Utc>>, WarehouseError> {
        self.short(|mut tx| async move {
            let watermark = statement::query_scalar(
                "SELECT watermark FROM fuel.checkpoint WHERE source = $1 AND account = $2 AND partition = $3",
            )
            .bind(stream.source.as_str())
            .bind(&stream.account)
            .bind(stream.partition.as_str())
            .fetch_optional(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(watermark.flatten())
        })
        .await
    }

    /// Moves the watermark over what has been read already (by a backfill) or is lost at the source.
    pub async fn advance_watermark(
        &self,
        stream: &StreamId,
        lease: &Lease,
        watermark: DateTime<Utc>,
    ) -> Result<(), WarehouseError> {
        self.short(|mut tx| async move {
            advance(&mut tx, stream, lease, Some(watermark)).await?;
            tx.commit().await
        })
        .await
    }

    /// Records a stretch that the source no longer serves and that was never read. `true` when it is news.
    pub async fn record_gap(&self, stream: &StreamId, gap: Window, reason: &str) -> Result<bool, WarehouseError> {
        // Made again after a lost answer it finds its own row: what the first time told stands.
        let news = &AtomicBool::new(false);
        self.short(|mut tx| async move {
            // Only what no earlier gap covers: a horizon that moves on day by day makes pieces that touch.
            let done = statement::query(
                "INSERT INTO fuel.gap AS g (source, account, partition, gap_start, gap_end, reason) \
                 SELECT $1, $2, $3, greatest($4, coalesce(max(gap_end) FILTER (WHERE gap_start <= $4), $4)), $5, $6 FROM fuel.gap \
                 WHERE source = $1 AND account = $2 AND partition = $3 \
                 HAVING greatest($4, coalesce(max(gap_end) FILTER (WHERE gap_start <= $4), $4)) < $5 \
                 ON CONFLICT (source, account, partition, gap_start) DO UPDATE SET gap_end = excluded.gap_end WHERE g.gap_end < excluded.gap_end",
            )
            .bind(stream.source.as_str())
            .bind(&stream.account)
            .bind(stream.partition.as_str())
            .bind(gap.start())
            .bind(gap.end())
            .bind(reason)
            .execute(&mut *tx)
            .await?;
            news.fetch_or(done.rows_affected() > 0, Ordering::Relaxed);
            tx.commit().await?;
            Ok(news.load(Ordering::Relaxed))
        })
        .await
    }

    /// The gaps of a stream.
    pub async fn gaps(&self, stream: &StreamId) -> Result<Vec<Window>, WarehouseError> {
        self.short(|mut tx| async move {
            let rows = statement::query("SELECT gap_start, gap_end FROM fuel.gap WHERE source = $1 AND account = $2 AND partition = $3 ORDER BY gap_start")
                .bind(stream.source.as_str())
                .bind(&stream.account)
                .bind(stream.partition.as_str())
                .fetch_all(&mut *tx)
                .await?;
            tx.commit().await?;
            let gaps: Result<Vec<_>, sqlx::Error> =
                rows.iter().map(|row| Ok(Window::new(row.try_get(0)?, row.try_get(1)?))).collect();
            Ok(gaps?.into_iter().flatten().collect())
        })
        .await
    }
}
