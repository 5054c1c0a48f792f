//! A record's JSON as exact text: every value knows where in the text it stands, and a number is the digits sent.
//!
//! Nothing goes through a float and nothing is written anew: what has to be replaced is spliced into the text.

mod clean;
mod pointer;
#[cfg(test)]
pub(crate) mod tests;

use std::{borrow::Cow, fmt, ops::Range};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::failpoint::{Bug, planted};

pub(crate) use clean::clean;
pub(crate) use pointer::Pointer;

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
        if has_too_many(text) {
            return Err(NotJson::TooMany);
        }
        let value = text.trim_matches([' ', '\t', '\n', '\r']);
        // What holds others is checked as it is taken apart.
        if !value.starts_with(['{', '[']) {
            let _: &RawValue = serde_json::from_str(value).map_err(|_| NotJson::Syntax)?;
        }
        Self::read(value, text, 0)
    }

    fn read(text: &'a str, whole: &'a str, depth: usize) -> Result<Self, NotJson> {
        if depth > DEPTH {
            return Err(NotJson::TooDeep);
        }
        let start = text.as_ptr().addr() - whole.as_ptr().addr();
        let value = match text.as_bytes().first() {
            Some(b'{') => {
                let Members(members) = serde_json::from_str(text).map_err(|_| NotJson::Syntax)?;
                let members = members.into_iter().map(|(key, raw)| Ok((key, Self::read(raw.get(), whole, depth + 1)?)));
                Value::Object(members.collect::<Result<_, _>>()?)
            }
            Some(b'[') => {
                let Elements(elements) = serde_json::from_str(text).map_err(|_| NotJson::Syntax)?;
                let elements = elements.into_iter().map(|raw| Self::read(raw.get(), whole, depth + 1));
                Value::Array(elements.collect::<Result<_, _>>()?)
            }
            // Well-formed, as it was met in a whole document: without escapes it is what stands between the quotes.
            Some(b'"') if !text.contains('\\') => Value::Text(Cow::Borrowed(&text[1..text.len() - 1])),
            Some(b'"') => {
                let Text(text) = serde_json::from_str(text).map_err(|_| NotJson::Syntax)?;
                Value::Text(text)
            }
            Some(b't' | b'f') => Value::Bool,
            Some(b'n') => Value::Null,
            _ => Value::Number(text),
        };
        Ok(Self { span: start..start + text.len(), value })
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
        (!text.trim().is_empty()).then_some(text)
    }

    /// Whether nothing is said: `null`, or a blank string.
    pub(crate) fn is_unknown(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Text(text) => text.trim().is_empty(),
            Value::Bool | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
        }
    }

    /// Whether it is an object.
    pub(crate) const fn is_object(&self) -> bool {
        matches!(self.value, Value::Object(_))
    }
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
    serde_json::Value::from(text).to_string()
}

#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(32);
                while let Some((Text(key), value)) = map.next_entry()? {
                    members.push((key, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

struct Elements<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(value) = seq.next_element()? {
                    elements.push(value);
                }
                Ok(Elements(elements))
            }
        }
        deserializer.deserialize_seq(Collect)
    }
}
