//! `run`: the daemon, scheduled pollers and the status server.

use super::{Exit, Failure, Global, args::RunArgs};

#[expect(clippy::unused_async, reason = "to be connected when the parts that it calls are there")]
pub(super) async fn run(_args: RunArgs, _global: &Global) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Unexpected, "`run` is not connected yet"))
}
