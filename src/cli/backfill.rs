//! `backfill`: loads a stretch of history beside a running daemon.

use super::{Exit, Failure, Global, args::BackfillArgs};

// To be filled when the parts it calls are there.
pub(super) async fn run(_args: BackfillArgs, _global: &Global) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Unexpected, "`backfill` is not connected yet"))
}
