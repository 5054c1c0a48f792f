//! `migrate`: applies the migrations, or says which are missing.

use super::{Exit, Failure, Global, args::MigrateArgs};

// To be filled when the parts it calls are there.
pub(super) async fn run(_args: MigrateArgs, _global: &Global) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Unexpected, "`migrate` is not connected yet"))
}
