//! Whether the database can be worked with: what `/readyz` says, and what is asked first for everything else.

use std::time::Duration;

use super::view::DatabaseView;
use crate::warehouse::{Warehouse, WarehouseError};

/// How long the database may take to answer. Observers have little patience: one that does not answer at once is
/// reported, not waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks which migrations are applied, and whether a window could be written.
pub(super) async fn probe(warehouse: &Warehouse) -> DatabaseView {
    match tokio::time::timeout(PATIENCE, look(warehouse)).await {
        Ok(Ok(view)) => view,
        Ok(Err(error)) => failed(&error),
        Err(_) => silent(),
    }
}

async fn look(warehouse: &Warehouse) -> Result<DatabaseView, WarehouseError> {
    let state = warehouse.migration_state().await?;
    let cannot = if state.has_ours() { warehouse.cannot_write().await? } else { None };
    Ok(DatabaseView {
        reachable: true,
        migrated: state.has_ours(),
        writable: state.is_current() && cannot.is_none(),
        problem: state.problem().or(cannot),
    })
}

/// It did not answer in time.
pub(super) fn silent() -> DatabaseView {
    DatabaseView::unreachable("the database does not answer")
}

/// What an error says of the database: that it is out of reach, or that it answers and cannot be worked with.
pub(super) fn failed(error: &WarehouseError) -> DatabaseView {
    DatabaseView { reachable: error.is_an_answer(), ..DatabaseView::unreachable(error.to_string()) }
}
