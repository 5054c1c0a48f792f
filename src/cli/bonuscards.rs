//! `bonuscards define`: tells Alexela which bonus cards are yours.

use super::{Exit, Failure, Global, args::BonuscardsDefineArgs};

#[expect(clippy::unused_async, reason = "to be connected when the parts that it calls are there")]
pub(super) async fn define(_args: BonuscardsDefineArgs, _global: &Global) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Unexpected, "`bonuscards define` is not connected yet"))
}
