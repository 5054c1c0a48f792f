//! `status`: where each stream stands.

use super::{Exit, Failure, Global, args::StatusArgs};

// To be filled when the parts it calls are there.
pub(super) async fn run(_args: StatusArgs, _global: &Global) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Unexpected, "`status` is not connected yet"))
}
