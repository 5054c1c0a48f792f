//! One transport for all vendors: time limits, retries, rate, body limit, clock offset, errors without URLs.

pub mod error;

pub use error::HttpError;
