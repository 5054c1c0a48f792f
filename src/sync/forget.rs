//! Takes a forgotten person out of all that is stored, batch after batch.
//!
//! Who is forgotten is known to the warehouse before this begins, and nothing read earlier is written after that; so what is
//! found here is all there is. It may be stopped and made again: what is done is found done.

use tokio_util::sync::CancellationToken;

use crate::{
    privacy::Forgotten,
    warehouse::{
        Warehouse, WarehouseError,
        forget::{Batched, Purge, RecordKey, Touched},
    },
};

/// Times that a batch is made again because somebody else was forgotten meanwhile.
const AGAIN: usize = 10;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Purged {
    /// What was touched, or would be.
    pub touched: Touched,
    /// Whether it was stopped before all was looked at.
    pub stopped: bool,
}

/// Takes what is forgotten out of all that is stored. An error ends it; what was committed before stays and is in what comes
/// back beside it.
pub async fn purge(
    warehouse: &Warehouse,
    purge: &Purge<'_>,
    forgotten: &Forgotten,
    stop: &CancellationToken,
) -> (Purged, Result<(), WarehouseError>) {
    let mut purged = Purged::default();
    let ended = everything(warehouse, purge, forgotten, stop, &mut purged).await;
    (purged, ended)
}

async fn everything(
    warehouse: &Warehouse,
    purge: &Purge<'_>,
    forgotten: &Forgotten,
    stop: &CancellationToken,
    purged: &mut Purged,
) -> Result<(), WarehouseError> {
    let all = (warehouse, forgotten, stop);
    each(all, purged, RecordKey::default(), async |behind| warehouse.purge_lines(purge, &behind).await).await?;
    each(all, purged, RecordKey::default(), async |behind| warehouse.purge_lines_alone(purge, &behind).await).await?;
    each(all, purged, 0, async |behind| warehouse.purge_versions(purge, behind).await).await?;
    each(all, purged, 0, async |behind| warehouse.purge_quarantine(purge, behind).await).await?;
    each(all, purged, (), async |()| Ok((warehouse.purge_own(purge).await?, None))).await?;
    if !purged.stopped && !purge.dry_run {
        warehouse.forget_all_known(purge.limit).await?;
    }
    Ok(())
}

/// Makes batches until there is no further one.
pub(super) async fn each<P: Clone>(
    (warehouse, forgotten, stop): (&Warehouse, &Forgotten, &CancellationToken),
    purged: &mut Purged,
    first: P,
    batch: impl AsyncFn(P) -> Result<Batched<P>, WarehouseError>,
) -> Result<(), WarehouseError> {
    let (mut behind, mut again) = (first, 0);
    while !purged.stopped {
        if stop.is_cancelled() {
            purged.stopped = true;
            break;
        }
        match Box::pin(batch(behind.clone())).await {
            Ok((touched, next)) => {
                again = 0;
                purged.touched += touched;
                let Some(next) = next else { break };
                behind = next;
            }
            Err(WarehouseError::Forgotten) if again < AGAIN => {
                again += 1;
                warehouse.heed(forgotten).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
