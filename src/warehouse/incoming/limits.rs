//! How much the reads of this process may hold while they wait to be written.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{
    failpoint::{Bug, planted},
    warehouse::WarehouseError,
};

/// Lines of one read, and of all reads of this process together: each takes some 35 bytes until it is written.
pub(super) const LINES: usize = 1_500_000;
/// A read with no more lines than this goes on when all reads together have too many: it is not the one at fault.
const MODEST: usize = 100_000;
/// Records of one read that cannot be understood.
pub(super) const REJECTED: usize = 100_000;

static HELD: AtomicUsize = AtomicUsize::new(0);

/// Whether the reads of this process hold so little that one may be made ahead of its turn.
pub fn has_room() -> bool {
    HELD.load(Ordering::Relaxed) <= LINES / 3
}

/// The lines that one read holds.
#[derive(Debug)]
pub(super) struct Held {
    lines: usize,
    /// As many may be.
    pub(super) most: usize,
}

impl Held {
    pub(super) const fn none(most: usize) -> Self {
        Self { lines: 0, most }
    }

    /// Some more lines, if there is room for them.
    pub(super) fn more(&mut self, lines: usize) -> Result<(), WarehouseError> {
        self.lines += lines;
        let together = HELD.fetch_add(lines, Ordering::Relaxed) + lines;
        // Planted: the lines of a read grow as the vendor wants.
        if self.lines <= self.most && (together <= LINES || self.lines <= MODEST) || planted(Bug::NoLimits) {
            return Ok(());
        }
        Err(WarehouseError::TooMuch(if self.lines > self.most {
            format!(
                "the window holds more than {} lines; nothing of it was written; set `window` (HecOne) or `window_days` \
                 (Alexela) of this account smaller",
                self.most
            )
        } else {
            format!(
                "the windows that are being read hold more than {LINES} lines together; nothing of this one was written; \
                 set `sync.workers`, or `window` (HecOne) or `window_days` (Alexela), smaller"
            )
        }))
    }

    /// Only so many are left.
    pub(super) fn keep(&mut self, lines: usize) {
        HELD.fetch_sub(self.lines.saturating_sub(lines), Ordering::Relaxed);
        self.lines = self.lines.min(lines);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.keep(0);
    }
}
