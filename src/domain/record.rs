//! What a source hands on: one record as sent (after the privacy rules) and what it was normalized into.

use std::borrow::Cow;

use super::transaction::Line;

/// One record of a source, normalized. Nothing in here has not passed the privacy rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The source's id of the transaction; empty only when it is rejected for not having one.
    pub id: String,
    /// The record's exact text, unknown fields and digits as sent, personal values replaced as configured.
    pub raw: Box<str>,
    /// Its lines, or why there are none.
    pub outcome: Outcome,
}

impl Record {
    /// About as many bytes as it takes in memory.
    pub fn size(&self) -> usize {
        let lines = match &self.outcome {
            Outcome::Lines(lines) => lines.iter().map(Line::size).sum(),
            Outcome::Rejected(why) => why.field.len() + why.reason.len(),
        };
        size_of::<Self>() + self.id.len() + self.raw.len() + lines
    }
}

/// What normalizing a record came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// One line or more; for Alexela always exactly one.
    Lines(Vec<Line>),
    /// The record goes to quarantine.
    Rejected(Rejection),
}

/// Why a record cannot be a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The source's field at fault, as a path in the record.
    pub field: String,
    /// What is wrong with it and what is expected. Never holds the value itself: it may be personal.
    pub reason: Cow<'static, str>,
    /// Whether a NUL was taken out of the record's text.
    pub nul_removed: bool,
}
