//! `bonuscards define`: tells Alexela which bonus cards are yours.

use super::{Exit, Failure, Global, args::BonuscardsDefineArgs};

// To be filled when the parts it calls are there.
pub(super) async fn define(_args: BonuscardsDefineArgs, _global: &Global) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Unexpected, "`bonuscards define` is not connected yet"))
}
