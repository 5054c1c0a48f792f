//! What a source no longer serves and nobody ever read: recorded in `fuel.gap` and said loudly.

use chrono::{DateTime, Utc};

use super::plan;
use crate::{
    domain::{StreamId, Window},
    warehouse::{Warehouse, WarehouseError},
};

/// Records what of a stretch is lost at the source, and gives what was not known before. What was read once is not lost:
/// so it is asked before the window that found it out is written, whose own row of the ledger would cover it.
pub(super) async fn lose(
    warehouse: &Warehouse,
    stream: &StreamId,
    unserved: Window,
) -> Result<Vec<Window>, WarehouseError> {
    let ledger = warehouse.ledger(stream, DateTime::<Utc>::UNIX_EPOCH).await?;
    let known = warehouse.gaps(stream).await?;
    let reason = "older than the source serves, and never read before";
    let mut news = Vec::new();
    for lost in unserved.minus(ledger.iter().filter_map(plan::read_part).chain(known)) {
        if warehouse.record_gap(stream, lost, reason).await? {
            tracing::error!(stream = %stream, gap = %lost, "LOST AT THE SOURCE: it no longer serves this stretch, which was never read; recorded in fuel.gap, going on behind it");
            news.push(lost);
        }
    }
    Ok(news)
}
