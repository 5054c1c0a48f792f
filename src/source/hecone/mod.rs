//! `HecOne` 360 transactions.

pub mod normalize;
mod pointers;
mod report;
mod state;

pub use normalize::normalize;
pub use pointers::Pointers;
pub use report::{Report, report};
