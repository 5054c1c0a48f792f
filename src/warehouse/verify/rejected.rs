//! The records that cannot be normalized. Nobody can say when such a record's sale took place: one at the edge of two
//! stretches may be in the reads of both, and is told once.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use super::{Against, Difference, Found, TOGETHER, What};
use crate::warehouse::{Tx, WarehouseError, incoming::Batch, statement};

/// Records of a stream that were told: of each, eight bytes of the digest of its text.
#[derive(Debug, Default)]
pub struct Told(Mutex<HashSet<u64>>);

impl Told {
    fn is_first(&self, fingerprint: &[u8; 32]) -> bool {
        let first = fingerprint.first_chunk().copied().map_or(0, u64::from_be_bytes);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(first)
    }
}

/// Tells the records of a read that cannot be normalized: in quarantine here, or met nowhere.
pub(super) async fn tell(
    tx: &mut Tx,
    against: &Against<'_>,
    batch: &Batch,
    found: &mut Found,
) -> Result<(), WarehouseError> {
    let mut untold = batch.rejected();
    untold.retain(|alike| against.told.is_first(alike.fingerprint));
    let copies = untold.iter().map(|alike| u64::from(alike.copies.unsigned_abs())).sum::<u64>();
    found.transactions.inside += copies;
    // Of what came with the first stretch, some may be from the second before it.
    if against.ends.is_some_and(|ends| ends.pieces.start() == against.stretch.start()) {
        found.transactions.at_start += copies;
    }
    for part in untold.chunks(TOGETHER) {
        let fingerprints: Vec<&[u8]> = part.iter().map(|alike| &alike.fingerprint[..]).collect();
        let known: Vec<Vec<u8>> = statement::query_scalar(
            "SELECT fingerprint FROM fuel.quarantine WHERE source = $1 AND account = $2 AND partition = $3 \
                 AND fingerprint = ANY ($4) AND (resolved_at IS NULL OR dropped)",
        )
        .bind(against.stream.source.as_str())
        .bind(&against.stream.account)
        .bind(against.stream.partition.as_str())
        .bind(&fingerprints)
        .fetch_all(&mut **tx)
        .await?;
        for alike in part {
            let reject = batch.reject(alike.number)?;
            let is_known = known.iter().any(|known| known[..] == alike.fingerprint[..]);
            let said = format!("{} {}", reject.field, reject.reason);
            found.name(Difference {
                what: if is_known { What::Quarantined } else { What::MissingHere },
                source_transaction_id: reject.id,
                line_id: None,
                occurred_at: None,
                columns: Vec::new(),
                altered_here: false,
                why: Some(if is_known {
                    said
                } else {
                    format!("it cannot be normalized and is not in quarantine: {said}")
                }),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_came_with_two_reads_is_told_with_the_first() {
        let told = Told::default();
        let records = [[1; 32], [2; 32], [1; 32]];
        assert_eq!(records.map(|fingerprint| told.is_first(&fingerprint)), [true, true, false]);
    }
}
