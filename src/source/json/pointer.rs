//! JSON pointers (RFC 6901), cut into their parts once.

use std::fmt;

use super::{Node, Value};

/// A JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pointer {
    parts: Vec<String>,
    text: String,
}

impl Pointer {
    /// Reads a pointer; nothing for a text that is none. The empty one, the whole record, feeds no field.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let parts = text.strip_prefix('/')?.split('/').map(unescape).collect::<Option<_>>()?;
        Some(Self { parts, text: text.to_owned() })
    }

    /// The names and places that it goes through.
    pub(super) fn parts(&self) -> &[String] {
        &self.parts
    }

    /// As a path in a record, for a reader: without the first slash.
    pub(crate) fn path(&self) -> &str {
        &self.text[1..]
    }

    /// What it points at; of an object's doubles at the last.
    pub(crate) fn find<'n, 'a>(&self, node: &'n Node<'a>) -> Option<&'n Node<'a>> {
        self.parts.iter().try_fold(node, |node, part| match &node.value {
            Value::Array(elements) => elements.get(part.parse::<usize>().ok()?),
            Value::Object(_) => node.get(part),
            Value::Null | Value::Bool | Value::Number(_) | Value::Text(_) => None,
        })
    }

    /// All that it points at: of an object's doubles at each.
    #[cfg(test)]
    pub(crate) fn each<'a>(&self, node: &mut Node<'a>, f: &mut dyn FnMut(&mut Node<'a>)) {
        each(&self.parts, node, f);
    }
}

#[cfg(test)]
fn each<'a>(parts: &[String], node: &mut Node<'a>, f: &mut dyn FnMut(&mut Node<'a>)) {
    let Some((part, rest)) = parts.split_first() else { return f(node) };
    match &mut node.value {
        Value::Object(members) => {
            for (_, node) in members.iter_mut().filter(|(key, _)| key == part) {
                each(rest, node, f);
            }
        }
        Value::Array(elements) => {
            if let Some(node) = part.parse::<usize>().ok().and_then(|i| elements.get_mut(i)) {
                each(rest, node, f);
            }
        }
        Value::Null | Value::Bool | Value::Number(_) | Value::Text(_) => {}
    }
}

fn unescape(part: &str) -> Option<String> {
    let mut out = String::with_capacity(part.len());
    let mut pieces = part.split('~');
    out.push_str(pieces.next()?);
    for piece in pieces {
        out.push(match piece.as_bytes().first()? {
            b'0' => '~',
            b'1' => '/',
            _ => return None,
        });
        out.push_str(&piece[1..]);
    }
    Some(out)
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
