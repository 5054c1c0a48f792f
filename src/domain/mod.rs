//! The field's terms as types that cannot be wrong: no I/O, no clock, no SQL.
//!
//! Read in this order: [`stream`] says whose sales, [`window`] which stretch of time, [`amount`] how money and
//! quantities are held, [`transaction`] what one product line of a sale is, [`record`] what a source hands on.

pub mod amount;
mod columns;
pub mod product;
pub mod quality;
pub mod record;
pub mod stream;
pub mod transaction;
pub mod window;

pub use amount::{Amount, AmountError};
pub use quality::Flag;
pub use record::{Outcome, Record, Rejection};
pub use stream::{Partition, SourceKind, StreamId};
pub use transaction::{Kind, Line, State, Unit};
pub use window::{Grid, Window};
