//! Commands that have their place and not yet their work.

use super::{
    Exit, Failure,
    args::InvoicesMatchArgs,
};

fn not_yet(command: &str) -> Result<Exit, Failure> {
    Err(Failure::usage(format!("this version of fuelsync does not have `{command}` yet")))
}

pub(super) fn invoices_match(_: &InvoicesMatchArgs) -> Result<Exit, Failure> {
    not_yet("invoices match")
}
