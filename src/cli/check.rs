//! `check`: configuration, database, credentials, clocks: one line a check.

use super::{Exit, Failure, Global, args::CheckArgs};

// To be filled when the parts it calls are there.
pub(super) async fn run(_args: CheckArgs, _global: &Global) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Unexpected, "`check` is not connected yet"))
}
