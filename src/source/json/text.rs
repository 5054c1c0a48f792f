//! A text that is to be taken apart, and whether it is known to be JSON.

use serde_json::value::RawValue;

/// A record's exact text.
#[derive(Debug, Clone, Copy)]
pub enum RecordText<'a> {
    /// Of which nothing is known.
    Any(&'a str),
    /// That is JSON: `serde_json` has said so.
    Json(&'a RawValue),
}

impl<'a> RecordText<'a> {
    /// The text.
    pub fn get(self) -> &'a str {
        match self {
            Self::Any(text) => text,
            Self::Json(json) => json.get(),
        }
    }

    /// Whether it is known to be JSON.
    pub const fn is_json(self) -> bool {
        matches!(self, Self::Json(_))
    }
}

impl<'a> From<&'a str> for RecordText<'a> {
    fn from(text: &'a str) -> Self {
        Self::Any(text)
    }
}

impl<'a> From<&'a String> for RecordText<'a> {
    fn from(text: &'a String) -> Self {
        Self::Any(text)
    }
}

impl<'a> From<&'a Box<str>> for RecordText<'a> {
    fn from(text: &'a Box<str>) -> Self {
        Self::Any(text)
    }
}

impl<'a> From<&'a RawValue> for RecordText<'a> {
    fn from(json: &'a RawValue) -> Self {
        Self::Json(json)
    }
}
