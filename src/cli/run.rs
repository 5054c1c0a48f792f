//! `run`: the daemon, scheduled pollers and the status server.

use super::{Exit, Failure, Global, args::RunArgs};

// To be filled when the parts it calls are there.
pub(super) async fn run(_args: RunArgs, _global: &Global) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Unexpected, "`run` is not connected yet"))
}
