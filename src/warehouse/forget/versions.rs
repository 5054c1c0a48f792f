//! The earlier images of lines.

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use super::{Batched, Normalizers, Purge, Touched, stream_of};
use crate::{
    domain::StreamId,
    source::{Normalizer, forget_in},
    warehouse::{Warehouse, WarehouseError, statement},
};

/// Images looked at in one transaction.
const TOGETHER: i64 = 5_000;

impl Warehouse {
    /// Looks at the images behind a number, a batch of them, and takes what is forgotten out of them.
    pub async fn purge_versions(&self, purge: &Purge<'_>, behind: i64) -> Result<Batched<i64>, WarehouseError> {
        self.long(purge.limit(), |mut tx| async move {
            let rows = statement::query(include_str!("../sql/version_candidates.sql"))
                .bind(behind)
                .bind(TOGETHER)
                .bind(purge.pattern)
                .fetch_all(&mut *tx)
                .await?;
            let mut normalizers = Normalizers::new(purge);
            let (mut ids, mut images, mut last) = (Vec::new(), Vec::new(), None);
            for row in rows {
                let id: i64 = row.try_get(0)?;
                last = Some(id);
                let Some(image) = row.try_get::<Option<&str>, _>(4)? else { continue };
                let Some(stream) = stream_of(row.try_get(1)?, row.try_get(2)?, row.try_get(5)?) else { continue };
                let (_, forgetting) = normalizers.of(&stream);
                if let Some(image) = forgotten(image, &stream, forgetting, purge) {
                    ids.push(id);
                    images.push(image);
                }
            }
            let touched = Touched { versions: ids.len() as u64, ..Touched::default() };
            if !purge.dry_run && !ids.is_empty() {
                statement::query(include_str!("../sql/forget_versions.sql"))
                    .bind(ids)
                    .bind(images)
                    .execute(&mut *tx)
                    .await?;
            }
            tx.commit().await?;
            Ok((touched, last))
        })
        .await
    }
}

/// An image without what is forgotten; none where it holds nothing of it. The record in it is normalized as records are,
/// so that it is looked at through the account's own pointers, too.
fn forgotten(image: &str, stream: &StreamId, forgetting: &Normalizer, purge: &Purge<'_>) -> Option<String> {
    let of_record = |raw: &str| String::from(forgetting.record(stream, DateTime::<Utc>::UNIX_EPOCH, raw).raw);
    let left = forget_in(image, purge.guard, &KEY, Some(("raw", &of_record)));
    (left != image).then_some(left)
}

/// What an image is found by: never altered.
const KEY: [&str; 9] = [
    "source",
    "account",
    "source_transaction_id",
    "line_id",
    "partition",
    "contract_no",
    "product_code",
    "occurred_at",
    "content_hash",
];
