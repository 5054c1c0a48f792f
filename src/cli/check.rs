//! `check`: configuration, database, credentials, clocks: one line a check.

use super::{Exit, Failure, Global, args::CheckArgs};

#[expect(clippy::unused_async, reason = "to be connected when the parts that it calls are there")]
pub(super) async fn run(_args: CheckArgs, _global: &Global) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Unexpected, "`check` is not connected yet"))
}
