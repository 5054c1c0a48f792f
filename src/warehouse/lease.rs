//! Who may write: the stream's lease for passes, a claim on a single window for backfills.
//!
//! A lease is a row with an owner, an epoch and an expiry by the database's clock. It is taken and renewed in one
//! statement; each taking raises the epoch, and the transaction that writes a window checks both (`checkpoint::advance`).
//! So a process that was frozen and comes back cannot commit, and no clock but the database's matters.

use crate::warehouse::statement;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};

use super::{Warehouse, WarehouseError};
use crate::{
    domain::{StreamId, Window},
    failpoint::{Bug, planted},
};

/// The right to write a stream, as long as it is renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Host, process and a random part.
    pub owner: String,
    /// Number of the taking.
    pub epoch: i64,
}

/// What came of asking for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is ours.
    Ours {
        /// The lease.
        lease: Lease,
        /// The stream's watermark.
        watermark: Option<DateTime<Utc>>,
    },
    /// Another process holds it.
    Held {
        /// Which.
        by: String,
        /// Until when, unless it renews.
        until: DateTime<Utc>,
        /// How long that is, by the database's clock.
        left: Duration,
    },
}

/// The right of a backfill to read and write one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Host, process and a random part.
    pub owner: String,
}

/// Milliseconds from the database; a time that has passed is none.
fn positive(milliseconds: Option<i64>) -> Duration {
    Duration::from_millis(milliseconds.unwrap_or(0).max(0).unsigned_abs())
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

impl Warehouse {
    /// Takes the lease of a stream for `lasting`, unless another process holds it. Makes the stream's row when there is
    /// none.
    pub async fn take_lease(&self, stream: &StreamId, owner: &str, lasting: Duration) -> Result<Taken, WarehouseError> {
        self.short(|mut tx| async move {
            let row = statement::query(
                "INSERT INTO fuel.checkpoint AS c (source, account, partition, epoch, lease_owner, lease_expires_at) \
                 VALUES ($1, $2, $3, 1, $4, clock_timestamp() + $5 * interval '1 millisecond') \
                 ON CONFLICT (source, account, partition) DO UPDATE SET epoch = c.epoch + 1, lease_owner = excluded.lease_owner, \
                     lease_expires_at = excluded.lease_expires_at, seen_at = now() \
                 WHERE c.lease_owner IS NULL OR c.lease_owner = excluded.lease_owner OR (c.lease_expires_at < clock_timestamp() AND NOT $6) \
                 RETURNING epoch, watermark",
            )
            .bind(stream.source.as_str())
            .bind(&stream.account)
            .bind(stream.partition.as_str())
            .bind(owner)
            .bind(milliseconds(lasting))
            .bind(planted(Bug::LeaseForEver))
            .fetch_optional(&mut *tx)
            .await?;
            let taken = if let Some(row) = row {
                let lease = Lease { owner: owner.to_owned(), epoch: row.try_get(0)? };
                Taken::Ours { lease, watermark: row.try_get(1)? }
            } else {
                let row = statement::query(
                    "SELECT coalesce(lease_owner, ''), coalesce(lease_expires_at, now()), \
                     (1000 * extract(epoch FROM lease_expires_at - clock_timestamp()))::bigint FROM fuel.checkpoint \
                     WHERE source = $1 AND account = $2 AND partition = $3",
                )
                .bind(stream.source.as_str())
                .bind(&stream.account)
                .bind(stream.partition.as_str())
                .fetch_one(&mut *tx)
                .await?;
                Taken::Held { by: row.try_get(0)?, until: row.try_get(1)?, left: positive(row.try_get(2)?) }
            };
            tx.commit().await?;
            Ok(taken)
        })
        .await
    }

    /// Renews a lease and tells the database's time. `LeaseLost` when another process took it meanwhile.
    pub async fn renew_lease(
        &self,
        stream: &StreamId,
        lease: &Lease,
        lasting: Duration,
    ) -> Result<DateTime<Utc>, WarehouseError> {
        self.short(|mut tx| async move {
            let now: Option<DateTime<Utc>> = statement::query_scalar(
                "UPDATE fuel.checkpoint SET lease_expires_at = clock_timestamp() + $6 * interval '1 millisecond' \
                 WHERE source = $1 AND account = $2 AND partition = $3 \
                 AND (lease_owner = $4 AND epoch = $5 AND lease_expires_at > clock_timestamp() OR $7) RETURNING clock_timestamp()",
            )
            .bind(stream.source.as_str())
            .bind(&stream.account)
            .bind(stream.partition.as_str())
            .bind(&lease.owner)
            .bind(lease.epoch)
            .bind(milliseconds(lasting))
            .bind(planted(Bug::NoFence))
            .fetch_optional(&mut *tx)
            .await?;
            tx.commit().await?;
            now.ok_or(WarehouseError::LeaseLost)
        })
        .await
    }

    /// That a lease is ours and has not expired, and the database's time; writes nothing.
    pub async fn check_lease(&self, stream: &StreamId, lease: &Lease) -> Result<DateTime<Utc>, WarehouseError> {
        self.short(|mut tx| async move {
            let now: Option<DateTime<Utc>> = statement::query_scalar(
                "SELECT clock_timestamp() FROM fuel.checkpoint WHERE source = $1 AND account = $2 AND partition = $3 \
                     AND (lease_owner = $4 AND epoch = $5 AND lease_expires_at > clock_timestamp() OR $6)",
            )
            .bind(stream.source.as_str())
            .bind(&stream.account)
            .bind(stream.partition.as_str())
            .bind(&lease.owner)
            .bind(lease.epoch)
            .bind(planted(Bug::NoFence))
            .fetch_optional(&mut *tx)
            .await?;
            tx.commit().await?;
            now.ok_or(WarehouseError::LeaseLost)
        })
        .await
    }

    /// How long the stream's lease still holds, whoever has it: nothing when it was given back, zero when its owner let
    /// it expire.
    pub async fn lease_left(&self, stream: &StreamId) -> Result<Option<Duration>, WarehouseError> {
        self.short(|mut tx| async move {
            let left: Option<i64> = statement::query_scalar(
                "SELECT (1000 * extract(epoch FROM lease_expires_at - clock_timestamp()))::bigint FROM fuel.checkpoint \
                 WHERE source = $1 AND account = $2 AND partition = $3 AND lease_owner IS NOT NULL",
            )
            .bind(stream.source.as_str())
            .bind(&stream.account)
            .bind(stream.partition.as_str())
            .fetch_optional(&mut *tx)
            .await?
            .flatten();
            tx.commit().await?;
            Ok(left.map(|left| positive(Some(left))))
        })
        .await
    }

    /// Gives a lease back, so that the next one need not wait. Another process's is left alone.
    pub async fn release_lease(&self, stream: &StreamId, lease: &Lease) -> Result<(), WarehouseError> {
        self.short(|mut tx| async move {
            statement::query(
                "UPDATE fuel.checkpoint SET lease_owner = NULL, lease_expires_at = NULL \
                 WHERE source = $1 AND account = $2 AND partition = $3 AND lease_owner = $4 AND epoch = $5",
            )
            .bind(stream.source.as_str())
            .bind(&stream.account)
            .bind(stream.partition.as_str())
            .bind(&lease.owner)
            .bind(lease.epoch)
            .execute(&mut *tx)
            .await?;
            tx.commit().await
        })
        .await
    }

    /// Claims one window for a backfill; `None` when another worker has it. Tells the database's time.
    pub async fn claim_window(
        &self,
        stream: &StreamId,
        window: Window,
        owner: &str,
        lasting: Duration,
    ) -> Result<Option<(Claim, DateTime<Utc>)>, WarehouseError> {
        self.short(|mut tx| async move {
            let now: Option<DateTime<Utc>> = statement::query_scalar(
                "INSERT INTO fuel.sync_window AS w (source, account, partition, window_start, window_end, state, claim_owner, claim_expires_at) \
                 VALUES ($1, $2, $3, $4, $5, 'open', $6, clock_timestamp() + $7 * interval '1 millisecond') \
                 ON CONFLICT (source, account, partition, window_start) DO UPDATE SET claim_owner = excluded.claim_owner, claim_expires_at = excluded.claim_expires_at \
                 WHERE w.claim_owner IS NULL OR w.claim_owner = excluded.claim_owner OR w.claim_expires_at < clock_timestamp() \
                 RETURNING clock_timestamp()",
            )
            .bind(stream.source.as_str())
            .bind(&stream.account)
            .bind(stream.partition.as_str())
            .bind(window.start())
            .bind(window.end())
            .bind(owner)
            .bind(milliseconds(lasting))
            .fetch_optional(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(now.map(|now| (Claim { owner: owner.to_owned() }, now)))
        })
        .await
    }

    /// Gives a claim back after a window could not be read.
    pub async fn release_claim(&self, stream: &StreamId, window: Window, claim: &Claim) -> Result<(), WarehouseError> {
        self.short(|mut tx| async move {
            statement::query(
                "UPDATE fuel.sync_window SET claim_owner = NULL, claim_expires_at = NULL \
                 WHERE source = $1 AND account = $2 AND partition = $3 AND window_start = $4 AND claim_owner = $5",
            )
            .bind(stream.source.as_str())
            .bind(&stream.account)
            .bind(stream.partition.as_str())
            .bind(window.start())
            .bind(&claim.owner)
            .execute(&mut *tx)
            .await?;
            tx.commit().await
        })
        .await
    }
}

/// That the claim still stands, with the window's row locked; the claim ends with the transaction.
pub(super) async fn require_claim(
    connection: &mut PgConnection,
    stream: &StreamId,
    window: Window,
    claim: &Claim,
) -> Result<(), WarehouseError> {
    let done = statement::query(
        "UPDATE fuel.sync_window SET claim_owner = NULL, claim_expires_at = NULL \
         WHERE source = $1 AND account = $2 AND partition = $3 AND window_start = $4 AND claim_owner = $5 AND claim_expires_at > clock_timestamp()",
    )
    .bind(stream.source.as_str())
    .bind(&stream.account)
    .bind(stream.partition.as_str())
    .bind(window.start())
    .bind(&claim.owner)
    .execute(connection)
    .await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(WarehouseError::LeaseLost) }
}
