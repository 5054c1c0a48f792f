//! `demo`: everything on one machine with nothing configured.

use super::{Exit, Failure, Global, args::DemoArgs};

#[expect(clippy::unused_async, reason = "to be connected when the parts that it calls are there")]
pub(super) async fn run(_args: DemoArgs, _global: &Global) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Unexpected, "`demo` is not connected yet"))
}
