//! Normalizes all that is stored again, batch after batch. It may be stopped and made again: what is done differs no more.

use tokio_util::sync::CancellationToken;

use crate::warehouse::{
    Warehouse, WarehouseError,
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
                let Some(next) = next else { return (done, false, Ok(())) };
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
}
