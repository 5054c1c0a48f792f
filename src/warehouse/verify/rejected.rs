//! The records that cannot be normalized. Nobody can say when such a record's sale took place: one at the edge of two
//! stretches may be in the reads of both, and is told once.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use super::{Against, Difference, Found, TOGETHER, What};
use crate::{
    domain::Window,
    warehouse::{Tx, WarehouseError, incoming::Batch, statement},
};

/// Records of a stream that were told: of each, eight bytes of the digest of its text, and the stretches for which.
#[derive(Debug, Default)]
pub struct Told(Mutex<HashMap<u64, Vec<Window>>>);

impl Told {
    /// Whether a record was not told for a stretch that touches this one. Of stretches that do not touch, two records are
    /// two, however alike.
    fn is_first(&self, fingerprint: &[u8; 32], stretch: Window) -> bool {
        let first = fingerprint.first_chunk().copied().map_or(0, u64::from_be_bytes);
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told_for = told.entry(first).or_default();
        let touches = |other: &Window| other.start() <= stretch.end() && other.end() >= stretch.start();
        let is_first = !told_for.iter().any(touches);
        if is_first {
            told_for.push(stretch);
        }
        is_first
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
    untold.retain(|alike| against.told.is_first(alike.fingerprint, against.stretch));
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
    use chrono::DateTime;

    use super::*;

    fn hours(from: i64, to: i64) -> Window {
        let at = |hours| DateTime::from_timestamp(hours * 3_600, 0).unwrap();
        Window::new(at(from), at(to)).unwrap()
    }

    #[test]
    fn a_record_that_came_with_two_reads_that_touch_is_told_with_the_first() {
        let told = Told::default();
        let is_first = |record: u8, stretch| told.is_first(&[record; 32], stretch);
        assert!(is_first(1, hours(0, 6)) && is_first(2, hours(0, 6)));
        assert!(!is_first(1, hours(6, 12)));
        assert!(!is_first(2, hours(6, 12)));
        let before = Told::default();
        assert!(before.is_first(&[1; 32], hours(6, 12)) && !before.is_first(&[1; 32], hours(0, 6)));
    }

    #[test]
    fn records_of_the_same_text_in_reads_that_do_not_touch_are_two() {
        let told = Told::default();
        let is_first = |stretch| told.is_first(&[1; 32], stretch);
        assert!(is_first(hours(0, 6)) && is_first(hours(12, 18)));
        assert!(!is_first(hours(18, 24)) && !is_first(hours(6, 12)));
        assert!(is_first(hours(30, 36)));
    }
}
