//! Whether the database can be worked with: what `/readyz` says, and what is asked first for everything else.

use std::time::Duration;

use super::view::DatabaseView;
use crate::warehouse::{Warehouse, WarehouseError};

/// How long the database may take to answer. Observers have little patience: one that does not answer at once is
/// reported, not waited for.
const PATIENCE: Duration = Duration::from_millis(900);

/// Asks which migrations are applied.
pub(super) async fn probe(warehouse: &Warehouse) -> DatabaseView {
    match tokio::time::timeout(PATIENCE, warehouse.migration_state()).await {
        Ok(Ok(state)) if state.is_current() => DatabaseView::ready(),
        Ok(Ok(_)) => DatabaseView {
            reachable: true,
            migrated: false,
            problem: Some("the migrations of this version are not all applied; run `fuelsync migrate`".to_owned()),
        },
        Ok(Err(error)) => failed(&error),
        Err(_) => silent(),
    }
}

/// It did not answer in time.
pub(super) fn silent() -> DatabaseView {
    DatabaseView::unreachable("the database does not answer")
}

/// What an error says of the database: that it is out of reach, or that it answers and cannot be worked with.
pub(super) fn failed(error: &WarehouseError) -> DatabaseView {
    DatabaseView { reachable: error.is_an_answer(), ..DatabaseView::unreachable(error.to_string()) }
}
