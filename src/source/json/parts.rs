//! Takes a text apart that is known to be JSON: one pass, and no copy of a string that has no escapes.

use std::borrow::Cow;

use serde::Deserialize;

use super::{DEPTH, Node, NotJson, Value};

/// A text, and how far it has been taken apart. Should it be no JSON after all, that is an error and no panic.
pub(super) struct Parts<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Parts<'a> {
    /// The value that comes next. `depth`: how many there are around it.
    pub(super) fn value(&mut self, depth: usize) -> Result<Node<'a>, NotJson> {
        if depth > DEPTH {
            return Err(NotJson::TooDeep);
        }
        let first = self.next()?;
        let start = self.at;
        let value = match first {
            b'{' => Value::Object(self.members(depth)?),
            b'[' => Value::Array(self.elements(depth)?),
            b'"' => Value::Text(self.string()?),
            _ => {
                let word = self.word();
                match first {
                    b't' | b'f' => Value::Bool,
                    b'n' => Value::Null,
                    _ => Value::Number(word),
                }
            }
        };
        Ok(Node { span: start..self.at, value })
    }

    fn members(&mut self, depth: usize) -> Result<Vec<(Cow<'a, str>, Node<'a>)>, NotJson> {
        self.at += 1;
        if self.take_if(b'}')? {
            return Ok(Vec::new());
        }
        // A record has some thirty; what stands in one has few.
        let mut members = Vec::with_capacity(if depth == 0 { 32 } else { 4 });
        loop {
            self.next()?;
            let name = self.string()?;
            self.expect(b':')?;
            members.push((name, self.value(depth + 1)?));
            if !self.take_if(b',')? {
                self.expect(b'}')?;
                return Ok(members);
            }
        }
    }

    fn elements(&mut self, depth: usize) -> Result<Vec<Node<'a>>, NotJson> {
        let mut elements = Vec::new();
        self.at += 1;
        if self.take_if(b']')? {
            return Ok(elements);
        }
        loop {
            elements.push(self.value(depth + 1)?);
            if !self.take_if(b',')? {
                self.expect(b']')?;
                return Ok(elements);
            }
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, NotJson> {
        let start = self.at;
        let mut at = start + 1;
        let mut plain = true;
        loop {
            let rest = self.text.as_bytes().get(at..).ok_or(NotJson::Syntax)?;
            at += memchr::memchr2(b'"', b'\\', rest).ok_or(NotJson::Syntax)?;
            if self.text.as_bytes()[at] == b'"' {
                break;
            }
            plain = false;
            at += 2;
        }
        self.at = at + 1;
        let text = self.text.get(start..self.at).ok_or(NotJson::Syntax)?;
        if plain {
            return text.get(1..text.len() - 1).map(Cow::Borrowed).ok_or(NotJson::Syntax);
        }
        let Text(text) = serde_json::from_str(text).map_err(|_| NotJson::Syntax)?;
        Ok(text)
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
        let length = rest.as_bytes().iter().position(ends).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// The next byte that is no white space; not taken.
    fn next(&mut self) -> Result<u8, NotJson> {
        loop {
            match self.text.as_bytes().get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(byte) => return Ok(*byte),
                None => return Err(NotJson::Syntax),
            }
        }
    }

    fn take_if(&mut self, wanted: u8) -> Result<bool, NotJson> {
        let is_it = self.next()? == wanted;
        self.at += usize::from(is_it);
        Ok(is_it)
    }

    fn expect(&mut self, wanted: u8) -> Result<(), NotJson> {
        if self.take_if(wanted)? { Ok(()) } else { Err(NotJson::Syntax) }
    }
}
