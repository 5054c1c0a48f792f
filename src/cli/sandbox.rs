//! `sandbox`: the two vendors' sandbox alone, on a port.

use super::{Exit, Failure, Global, args::SandboxArgs};

#[expect(clippy::unused_async, reason = "to be connected when the parts that it calls are there")]
pub(super) async fn run(_args: SandboxArgs, _global: &Global) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Unexpected, "`sandbox` is not connected yet"))
}
