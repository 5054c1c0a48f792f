//! What normalizing a record depends on, besides the record.

use chrono::{DateTime, Utc};

use crate::{
    domain::{StreamId, product::ProductRules},
    privacy::Guard,
};

/// The version of the normalizing rules, kept beside each record: one more whenever the same record may come to
/// something else.
pub const NORMALIZER: i32 = 1;

/// What normalizing a record depends on, besides the record. All of it is given: no clock, no network, no database.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Whose record it is.
    pub stream: &'a StreamId,
    /// The source's present when the record was read: a sale after it is flagged.
    pub present: DateTime<Utc>,
    /// From the source's words to products.
    pub products: &'a ProductRules,
    /// The rules for personal data.
    pub privacy: &'a Guard,
}
