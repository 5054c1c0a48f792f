//! Card transactions.

pub mod normalize;

pub use normalize::normalize;
