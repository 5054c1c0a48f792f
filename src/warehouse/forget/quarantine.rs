//! The records that could not be normalized.

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use sqlx::Row as _;

use super::{Batched, Normalizers, Purge, Touched, stream_of};
use crate::warehouse::{Warehouse, WarehouseError, statement};

/// Records looked at in one transaction.
const TOGETHER: i64 = 1_000;

impl Warehouse {
    /// Looks at the records in quarantine behind a number, open ones and settled ones, a batch of them, and takes what is
    /// forgotten out of them.
    pub async fn purge_quarantine(&self, purge: &Purge<'_>, behind: i64) -> Result<Batched<i64>, WarehouseError> {
        self.long(purge.limit(), |mut tx| async move {
            purge.announce(&mut tx).await?;
            let rows = statement::query(include_str!("../sql/quarantine_candidates.sql"))
                .bind(behind)
                .bind(TOGETHER)
                .bind(purge.pattern)
                .fetch_all(&mut *tx)
                .await?;
            let mut normalizers = Normalizers::new(purge);
            let (mut ids, mut records, mut digests, mut last) = (Vec::new(), Vec::new(), Vec::new(), None);
            for row in rows {
                let id: i64 = row.try_get(0)?;
                last = Some(id);
                let Some(text) = row.try_get::<Option<&str>, _>(4)? else { continue };
                let Some(stream) = stream_of(row.try_get(1)?, row.try_get(2)?, row.try_get(3)?) else { continue };
                let Some((_, forgetting)) = normalizers.of(&stream) else { continue };
                let left = forgetting.record(&stream, DateTime::<Utc>::UNIX_EPOCH, text).raw;
                if *left != *text {
                    ids.push(id);
                    digests.push(Sha256::digest(left.as_bytes()).to_vec());
                    records.push(String::from(left));
                }
            }
            let touched = Touched { quarantined: ids.len() as u64, ..Touched::default() };
            if !purge.dry_run && !ids.is_empty() {
                statement::query(include_str!("../sql/forget_quarantine.sql"))
                    .bind(ids)
                    .bind(records)
                    .bind(digests)
                    .execute(&mut *tx)
                    .await?;
            }
            tx.commit().await?;
            Ok((touched, last))
        })
        .await
    }
}
