//! `quarantine list`, `show`, `drop`: the records that could not be normalised.

use super::{
    Exit, Failure, Global,
    args::{QuarantineDropArgs, QuarantineListArgs, QuarantineShowArgs},
};

// To be filled when the parts they call are there.
pub(super) async fn list(_args: QuarantineListArgs, _global: &Global) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Unexpected, "`quarantine list` is not connected yet"))
}

pub(super) async fn show(_args: QuarantineShowArgs, _global: &Global) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Unexpected, "`quarantine show` is not connected yet"))
}

pub(super) async fn drop(_args: QuarantineDropArgs, _global: &Global) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Unexpected, "`quarantine drop` is not connected yet"))
}
