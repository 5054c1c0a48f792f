//! A record's JSON as exact text: every value knows where in the text it stands, and a number is the digits sent.
//!
//! Nothing goes through a float and nothing is written anew: what has to be replaced is spliced into the text.

mod clean;
mod index;
mod parts;
mod pointer;
#[cfg(test)]
pub(crate) mod tests;
mod text;

use std::{borrow::Cow, ops::Range};

use serde_json::value::RawValue;

use crate::failpoint::{Bug, planted};

pub(crate) use clean::clean;
pub(crate) use index::Index;
use parts::Parts;
pub(crate) use pointer::Pointer;
pub use text::RecordText;

/// Deepest nesting that is read.
const DEPTH: usize = 128;
/// Most values in one text: taken apart, each takes some hundred bytes, and no sale has near as many.
const VALUES: usize = 20_000;

/// Why a text is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotJson {
    /// No JSON document, or something behind it.
    #[error("is not JSON")]
    Syntax,
    /// Nested deeper than is read.
    #[error("is nested deeper than 128 levels")]
    TooDeep,
    /// More values than are read.
    #[error("holds more than 20000 values")]
    TooMany,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node<'a> {
    /// The bytes of the text that the value takes.
    pub(crate) span: Range<usize>,
    /// What it is.
    pub(crate) value: Value<'a>,
}

/// A JSON value that keeps a number's digits and an object's members, doubles included, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// `null`
    Null,
    /// `true`, `false`
    Bool,
    /// As sent.
    Number(&'a str),
    /// Unescaped.
    Text(Cow<'a, str>),
    /// In order.
    Array(Vec<Node<'a>>),
    /// In order, doubles included.
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

impl<'a> Node<'a> {
    /// Reads a whole text. It should be [`clean()`].
    pub(crate) fn parse(text: &'a str) -> Result<Self, NotJson> {
        // Whether it is JSON is not for us to say; what is, is easily taken apart.
        let _: &RawValue = serde_json::from_str(text).map_err(|_| NotJson::Syntax)?;
        Self::of_json(text)
    }

    /// Reads a record's text. `cleaned`: what [`clean()`] made of it, which of JSON is JSON.
    pub(crate) fn of_record(text: RecordText<'_>, cleaned: &'a str) -> Result<Self, NotJson> {
        if text.is_json() { Self::of_json(cleaned) } else { Self::parse(cleaned) }
    }

    fn of_json(text: &'a str) -> Result<Self, NotJson> {
        if has_too_many(text) {
            return Err(NotJson::TooMany);
        }
        Parts { text, at: 0 }.value(0)
    }

    /// The members of an object, in their order, doubles included; nothing of what is none.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &Self)> {
        let members = match &self.value {
            Value::Object(members) => members.as_slice(),
            Value::Null | Value::Bool | Value::Number(_) | Value::Text(_) | Value::Array(_) => &[],
        };
        members.iter().map(|(name, node)| (&**name, node))
    }

    /// A member of an object; of doubles the last counts.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Object(members) => members.iter().rev().find(|(k, _)| k == key).map(|(_, node)| node),
            Value::Null | Value::Bool | Value::Number(_) | Value::Text(_) | Value::Array(_) => None,
        }
    }

    /// The text of a string or number that says something: no blank one.
    pub(crate) fn scalar(&self) -> Option<&str> {
        let text = match &self.value {
            Value::Text(text) => text,
            Value::Number(digits) => *digits,
            Value::Null | Value::Bool | Value::Array(_) | Value::Object(_) => return None,
        };
        (!is_blank(text)).then_some(text)
    }

    /// Whether nothing is said: `null`, or a blank string.
    pub(crate) fn is_unknown(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Text(text) => is_blank(text),
            Value::Bool | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
        }
    }

    /// Whether it is an object.
    pub(crate) const fn is_object(&self) -> bool {
        matches!(self.value, Value::Object(_))
    }
}

/// Whether there is nothing but white space. Most texts begin with something else, and this is asked of each.
fn is_blank(text: &str) -> bool {
    !text.as_bytes().first().is_some_and(u8::is_ascii_graphic) && text.trim().is_empty()
}

/// Whether a text holds more values than are read. A value takes a byte and what divides it from the next another, so
/// only long texts are looked at; a string, however long, is one value.
pub(crate) fn has_too_many(text: &str) -> bool {
    if text.len() < 2 * VALUES || planted(Bug::NoLimits) {
        return false;
    }
    let (mut values, mut in_text, mut escaped) = (0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b',' | b'[' | b'{' if !in_text => values += 1,
            _ => {}
        }
    }
    values > VALUES
}

/// Replaces pieces of a text. The pieces do not overlap.
pub(crate) fn splice(text: &str, mut edits: Vec<(Range<usize>, String)>) -> Box<str> {
    edits.sort_unstable_by_key(|(span, _)| span.start);
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (span, new) in edits {
        out.push_str(&text[at..span.start]);
        out.push_str(&new);
        at = span.end;
    }
    out.push_str(&text[at..]);
    out.into_boxed_str()
}

/// A string as JSON writes it.
pub(crate) fn quoted(text: &str) -> String {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        return format!("\"{text}\"");
    }
    serde_json::Value::from(text).to_string()
}
