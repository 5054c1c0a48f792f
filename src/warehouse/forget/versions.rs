//! The earlier images of lines.

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use super::{Batched, Normalizers, Purge, Touched, stream_of};
use crate::{
    domain::StreamId,
    privacy::Guard,
    source::{Normalizer, forget_in},
    warehouse::{Tx, Warehouse, WarehouseError, statement},
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
                let Some((_, forgetting)) = normalizers.of(&stream) else { continue };
                if let Some(image) = left(image, &stream, forgetting, purge.guard) {
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

/// Takes out of the images that this transaction has kept of some transactions what is not to be stored.
pub(in crate::warehouse) async fn hide(
    tx: &mut Tx,
    stream: &StreamId,
    ids: &[&str],
    (guard, normalizer): (&Guard, &Normalizer),
) -> Result<(), WarehouseError> {
    let rows = statement::query(
        "SELECT version_id, row_before::text FROM fuel.transaction_version \
         WHERE source = $1 AND account = $2 AND source_transaction_id = ANY ($3) AND xmin = pg_current_xact_id()::xid",
    )
    .bind(stream.source.as_str())
    .bind(&stream.account)
    .bind(ids)
    .fetch_all(&mut **tx)
    .await?;
    let (mut numbers, mut images) = (Vec::<i64>::new(), Vec::new());
    for row in rows {
        if let Some(image) = left(row.try_get(1)?, stream, normalizer, guard) {
            numbers.push(row.try_get(0)?);
            images.push(image);
        }
    }
    if !numbers.is_empty() {
        statement::query(include_str!("../sql/forget_versions.sql"))
            .bind(numbers)
            .bind(images)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// An image without what is not to be stored; none where it holds nothing of it. The record in it is normalized as records are,
/// so that it is looked at through the account's own pointers, too.
fn left(image: &str, stream: &StreamId, normalizer: &Normalizer, guard: &Guard) -> Option<String> {
    let of_record = |raw: &str| String::from(normalizer.record(stream, DateTime::<Utc>::UNIX_EPOCH, raw).raw);
    let left = forget_in(image, guard, &KEY, Some(("raw", &of_record)));
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
