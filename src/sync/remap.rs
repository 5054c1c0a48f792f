//! Normalizes all that is stored again, batch after batch, and takes what today's privacy rules hide out of the earlier images
//! and the quarantine. It may be stopped and made again: what is done differs no more.

use tokio_util::sync::CancellationToken;

use super::forget::{Purged, each};
use crate::warehouse::{
    Warehouse, WarehouseError,
    forget::Purge,
    remap::{Remap, Remapped, TransactionKey},
};

/// Times that a batch is made again because somebody was forgotten meanwhile.
const AGAIN: usize = 10;

/// Remaps all that is selected: what came of it, whether it was stopped before its end, and the error that ended it. What was
/// committed before stays.
pub async fn run(
    warehouse: &Warehouse,
    remap: &Remap<'_>,
    stop: &CancellationToken,
) -> (Remapped, bool, Result<(), WarehouseError>) {
    let (mut done, mut behind, mut again) = (Remapped::default(), TransactionKey::default(), 0);
    loop {
        if stop.is_cancelled() {
            return (done, true, Ok(()));
        }
        match Box::pin(warehouse.remap(remap, &behind)).await {
            Ok((batch, next)) => {
                again = 0;
                done += batch;
                let Some(next) = next else { break };
                behind = next;
            }
            Err(WarehouseError::Forgotten) if again < AGAIN => {
                again += 1;
                if let Err(error) = warehouse.heed(remap.forgotten).await {
                    return (done, false, Err(error));
                }
            }
            Err(error) => return (done, false, Err(error)),
        }
    }
    let mut hidden = Purged::default();
    let ended = hide(warehouse, remap, stop, &mut hidden).await;
    (done.versions, done.quarantined) = (hidden.touched.versions, hidden.touched.quarantined);
    (done, hidden.stopped, ended)
}

/// What today's rules hide, in every image and in every record in quarantine of what is selected.
async fn hide(
    warehouse: &Warehouse,
    remap: &Remap<'_>,
    stop: &CancellationToken,
    hidden: &mut Purged,
) -> Result<(), WarehouseError> {
    let work = Purge {
        // Every text matches.
        pattern: "",
        guard: remap.guard,
        normalizers: &|stream| remap.normalizer_of(stream).map(|normalizer| (normalizer.clone(), normalizer)),
        dry_run: remap.dry_run,
        limit: remap.limit,
    };
    let all = (warehouse, remap.forgotten, stop);
    each(all, hidden, 0, async |behind| warehouse.purge_versions(&work, behind).await).await?;
    each(all, hidden, 0, async |behind| warehouse.purge_quarantine(&work, behind).await).await
}
