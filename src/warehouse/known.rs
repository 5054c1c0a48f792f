//! What the ledger keeps of a window's records, so that they are recognized when they come again as they were.

use chrono::{DateTime, Utc};

use super::{Warehouse, WarehouseError, statement};
use crate::{
    domain::{StreamId, Window},
    source::{Known, known::MOST},
};

impl Warehouse {
    /// What is known of the records of a window that was read before; nothing of one that was not, and nothing where it
    /// cannot be had: it only saves work.
    pub async fn known(&self, stream: &StreamId, window: Window, present: DateTime<Utc>) -> Known {
        let kept: Result<Option<Vec<u8>>, _> = self
            .short(|mut tx| async move {
                let kept = statement::query_scalar(
                    "SELECT CASE WHEN octet_length(known_records) <= $6 THEN known_records END FROM fuel.sync_window \
                     WHERE source = $1 AND account = $2 AND partition = $3 AND window_start = $4 AND window_end = $5",
                )
                .bind(stream.source.as_str())
                .bind(&stream.account)
                .bind(stream.partition.as_str())
                .bind(window.start())
                .bind(window.end())
                .bind(i32::try_from(MOST).unwrap_or(i32::MAX))
                .fetch_optional(&mut *tx)
                .await?;
                tx.commit().await?;
                Ok(kept.flatten())
            })
            .await;
        match kept {
            Ok(None) => Known::nothing(),
            Ok(Some(kept)) => Known::of(kept, present).unwrap_or_else(|| {
                tracing::warn!(%stream, %window, "what the ledger keeps of its records is damaged; all are read in full");
                Known::nothing()
            }),
            Err(error) => {
                tracing::warn!(%stream, %window, %error, "what is known of its records cannot be had; all are read in full");
                Known::nothing()
            }
        }
    }

    /// Forgets what is known of a window's records, so that a read that did not do is not made again and again; gives the
    /// database's time, for the read that takes its place.
    pub async fn forget_known(&self, stream: &StreamId, window: Window) -> Result<DateTime<Utc>, WarehouseError> {
        self.short(|mut tx| async move {
            let now = statement::query_scalar(
                "WITH forgotten AS (UPDATE fuel.sync_window SET known_records = NULL \
                     WHERE source = $1 AND account = $2 AND partition = $3 AND window_start = $4) \
                 SELECT clock_timestamp()",
            )
            .bind(stream.source.as_str())
            .bind(&stream.account)
            .bind(stream.partition.as_str())
            .bind(window.start())
            .fetch_one(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(now)
        })
        .await
    }
}
