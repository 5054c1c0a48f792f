//! A window is copied while those before it are still being written, and committed in its turn.
//!
//! Only a window of which the table has nothing is written so, and only by COPY: whatever the windows before it do, that
//! comes to the same before and after them. Where more would be needed, or its turn does not come for long, it is taken
//! back, locks and all, and written when its turn has come.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Counts, Work, stage::Written};
use crate::warehouse::{Warehouse, WarehouseError, incoming::Batch, tx::within};

/// The longest that a window is written before its turn. The server ends who is idle in a transaction for longer.
const PATIENCE: Duration = Duration::from_secs(12);

/// A window is written although those before it still are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Early<'a> {
    /// Cancelled when they are written.
    turn: &'a CancellationToken,
    /// How long the writing may take, the wait for its turn included: one before it may wait for the very lines that are
    /// copied, and its limit for a lock is longer.
    patience: Duration,
}

impl Early<'_> {
    /// Puts lines, then waits for the window's turn.
    pub(super) async fn puts(
        self,
        put: impl Future<Output = Result<Written, WarehouseError>>,
    ) -> Result<Written, WarehouseError> {
        let waits = async {
            let written = put.await?;
            self.turn.cancelled().await;
            Ok(written)
        };
        tokio::time::timeout(self.patience, waits).await.unwrap_or(Err(WarehouseError::NotItsTurn))
    }
}

impl Warehouse {
    /// Writes a window before its turn and commits it then. None where that cannot be: nothing of it is left behind.
    pub(super) async fn write_early(
        &self,
        work: Work<'_>,
        batch: &Batch,
        limit: Duration,
        turn: &CancellationToken,
    ) -> Option<Counts> {
        if turn.is_cancelled() {
            return None;
        }
        // Who waits for a place goes first: it may be the one whose end is waited for.
        let _place = self.turns.try_acquire().ok()?;
        let early = Early { turn, patience: (self.limits.lock * 4 / 5).min(PATIENCE) };
        let written = within((limit, "sync.window_timeout"), self.write_once(work, batch, limit, Some(early))).await;
        // Whatever failed, it fails again in its turn, or not.
        written
            .inspect_err(|error| tracing::debug!(stream = %work.stream(), error = %error, "written in its turn"))
            .ok()
    }
}
