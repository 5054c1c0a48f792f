//! `sync`: one pass over all that is due, then exit.

use super::{Exit, Failure, Global, args::SyncArgs};

#[expect(clippy::unused_async, reason = "to be connected when the parts that it calls are there")]
pub(super) async fn run(_args: SyncArgs, _global: &Global) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Unexpected, "`sync` is not connected yet"))
}
