//! The cutter against what `serde_json` makes of the same document when it has it whole.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::documents::{chunks, cut};

/// Levels that a record or a member may be deep.
const DEPTH: usize = 125;

/// A seed for the chunks, then a document. However it is chunked, the same records and the same end come of it; every
/// record is one whole JSON value; the records are those of `serde_json`, and what that does not read as a list or an
/// envelope is refused; a document that is cut off anywhere is refused.
pub fn cutter_chunks(data: &[u8]) {
    let Some((seed, document)) = data.split_first() else { return };
    let (records, end) = cut([document]);
    for other in [cut(chunks(document, *seed)), cut(document.chunks(1))] {
        assert_eq!(other.0, records, "other chunks gave other records");
        assert_eq!(other.1.as_ref().ok(), end.as_ref().ok(), "other chunks came to another end");
    }
    for record in &records {
        let value: &RawValue = serde_json::from_str(record).expect("a record is JSON");
        assert_eq!(value.get(), record, "a record is a value and nothing else");
    }
    let read = Read::of(document);
    assert_eq!(end.is_ok(), read.is_some(), "{end:?} and {read:?}");
    let (Ok(rest), Some(read)) = (end, read) else { return };
    assert_eq!(records, read.records);
    assert_eq!(rest.records, records.len() as u64);
    assert_eq!(rest.listed, read.listed);
    assert_eq!(rest.members, read.members);

    let whole = document.trim_ascii_end();
    for place in [whole.len() - 1, whole.len() / 2, usize::from(*seed) % whole.len()] {
        assert!(cut(chunks(&whole[..place], *seed)).1.is_err(), "cut off at {place} it counts as whole");
    }
}

/// A document as it should be read.
#[derive(Debug)]
struct Read {
    records: Vec<String>,
    listed: bool,
    members: Vec<(String, String)>,
}

impl Read {
    /// Nothing when it is no whole document of records.
    fn of(document: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document)).ok()?;
        let mut read = Self { records: Vec::new(), listed: true, members: Vec::new() };
        if text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('[') {
            read.records = list(text)?;
            return Some(read);
        }
        let Members(members) = serde_json::from_str(text).ok()?;
        read.listed = false;
        let mut met = false;
        for (name, value) in members {
            let value = value.get();
            if name != "data" {
                read.members.push((name, shallow(value)?));
                continue;
            }
            if std::mem::replace(&mut met, true) {
                return None;
            }
            match value.as_bytes().first()? {
                b'[' => read.records = list(value)?,
                b'{' => read.records = vec![shallow(value)?],
                b'n' => continue,
                _ => return None,
            }
            read.listed = true;
        }
        Some(read)
    }
}

fn list(text: &str) -> Option<Vec<String>> {
    let values: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    values.into_iter().map(|value| shallow(value.get())).collect()
}

/// A value that is not nested too deep.
fn shallow(value: &str) -> Option<String> {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0usize, 0, false, false);
    for c in value.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            '{' | '[' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            '}' | ']' if !in_text => depth -= 1,
            _ => {}
        }
    }
    (deepest <= DEPTH).then(|| value.to_owned())
}

/// An object's members in their order, doubles included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
