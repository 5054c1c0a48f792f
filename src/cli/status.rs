//! `status`: where each stream stands.

use super::{Exit, Failure, Global, args::StatusArgs};

#[expect(clippy::unused_async, reason = "to be connected when the parts that it calls are there")]
pub(super) async fn run(_args: StatusArgs, _global: &Global) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Unexpected, "`status` is not connected yet"))
}
