//! `preview`: one page, raw beside normalised; writes nothing.

use super::{Exit, Failure, Global, args::PreviewArgs};

#[expect(clippy::unused_async, reason = "to be connected when the parts that it calls are there")]
pub(super) async fn run(_args: PreviewArgs, _global: &Global) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Unexpected, "`preview` is not connected yet"))
}
