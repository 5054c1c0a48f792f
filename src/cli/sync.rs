//! `sync`: one pass over all that is due, then exit.

use super::{Exit, Failure, Global, args::SyncArgs};

// To be filled when the parts it calls are there.
pub(super) async fn run(_args: SyncArgs, _global: &Global) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Unexpected, "`sync` is not connected yet"))
}
