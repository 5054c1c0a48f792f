//! Cuts an answer into the records of its list while it arrives: each record's exact text, one at a time.
//!
//! The list is the document itself, or the member `data` of an object; there it may also be one object (one record) or
//! null (none). The other members are kept as small texts. A document counts only when it is whole: every comma, its
//! end, and nothing behind it. Memory holds one record and the chunk that is being looked at.

use serde_json::value::RawValue;

use super::{
    HttpError,
    scan::{Scan, Step, is_space},
};
use crate::failpoint::{Bug, planted};

/// The largest record: a sale with its receipt as an image has room in it.
pub const RECORD: usize = 4 * 1024 * 1024;
/// The largest sum of all that stands beside the records. Taken apart it takes a hundred times as much.
const MEMBERS: usize = 128 * 1024;
/// What a member takes besides its texts.
const MEMBER: usize = 64;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// What an answer held beside its records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rest {
    /// How many records there were.
    pub records: u64,
    /// Whether the answer had a list at all: it was one, or had a member `data` that was not null.
    pub listed: bool,
    /// The other members of the object, in their order, as JSON texts. Empty for a bare list.
    pub members: Vec<(String, String)>,
}

impl Rest {
    /// A member as a JSON value; none when it is not there.
    pub fn member(&self, name: &str) -> Option<serde_json::Value> {
        let (_, text) = self.members.iter().find(|(n, _)| n == name)?;
        serde_json::from_str(text).ok()
    }
}

/// Where in the document the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before the first byte that counts; so many bytes of a byte order mark have been met.
    Start {
        bom: usize,
    },
    /// Before a record; `first` when the list may still end empty.
    Record {
        first: bool,
        enveloped: bool,
    },
    /// In a record.
    InRecord {
        scan: Scan,
        after: After,
    },
    /// Behind a record of the list.
    AfterRecord {
        enveloped: bool,
    },
    /// Before a member's name; `first` when the object may still end empty.
    Name {
        first: bool,
    },
    InName {
        scan: Scan,
    },
    Colon,
    /// Before a member's value.
    Member,
    InMember {
        scan: Scan,
    },
    AfterMember,
    /// Behind the document.
    End,
}

/// What a record stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    List {
        enveloped: bool,
    },
    /// It is the one object that `data` is.
    Member,
}

/// The cutter: bytes in, records out.
#[derive(Debug)]
pub struct Cutter {
    at: At,
    /// The value being read, as far as it has come.
    value: Vec<u8>,
    name: String,
    kept: usize,
    data_met: bool,
    rest: Rest,
}

impl Default for Cutter {
    fn default() -> Self {
        Self::new()
    }
}

impl Cutter {
    /// At the start of a document.
    pub fn new() -> Self {
        Self {
            at: At::Start { bom: 0 },
            value: Vec::new(),
            name: String::new(),
            kept: 0,
            data_met: false,
            rest: Rest::default(),
        }
    }

    /// Takes the next bytes of the document and gives each record that they end.
    pub fn push(&mut self, bytes: &[u8], mut record: impl FnMut(&str)) -> Result<(), HttpError> {
        self.cut(bytes, |value| {
            record(checked(value)?.get());
            Ok(())
        })
    }

    /// As [`push`](Self::push), but whether a record is JSON is for the one to say who takes it ([`checked`]): who has
    /// met the same bytes before, knows.
    pub fn cut(
        &mut self,
        bytes: &[u8],
        mut record: impl FnMut(&[u8]) -> Result<(), HttpError>,
    ) -> Result<(), HttpError> {
        let mut left = bytes;
        while let Some(first) = left.first() {
            let used = match self.at {
                At::InRecord { mut scan, after } => match scan.step(left) {
                    // All of it is at hand, as most records are.
                    Step::Ends(used) if self.value.is_empty() && used <= RECORD => {
                        record(&left[..used])?;
                        self.record_ends(after);
                        used
                    }
                    step => {
                        let (used, ends) = self.take(step, left, RECORD, "a record")?;
                        if ends {
                            record(&self.value)?;
                            self.value.clear();
                            self.record_ends(after);
                        } else {
                            self.at = At::InRecord { scan, after };
                        }
                        used
                    }
                },
                At::InName { mut scan } => {
                    let (used, ends) = self.take(scan.step(left), left, MEMBERS, "a name")?;
                    self.at = if ends { self.name_ends()? } else { At::InName { scan } };
                    used
                }
                At::InMember { mut scan } => {
                    let (used, ends) = self.take(scan.step(left), left, MEMBERS, "what stands beside the records")?;
                    self.at = if ends { self.member_ends()? } else { At::InMember { scan } };
                    used
                }
                // A byte order mark stands before everything, white space too.
                At::Start { bom: 0 } if is_space(*first) => {
                    self.at = At::Start { bom: BOM.len() };
                    1
                }
                _ if is_space(*first) && !matches!(self.at, At::Start { bom: 1 | 2 }) => 1,
                _ => self.between(*first)?,
            };
            left = &left[used..];
        }
        Ok(())
    }

    /// At the end of the body: what stood beside the records, if the document is whole.
    pub fn finish(self) -> Result<Rest, HttpError> {
        // The planted bug: what has come so far is taken for the document.
        if planted(Bug::CutOffIsWhole) {
            return Ok(self.rest);
        }
        match self.at {
            At::End => Ok(self.rest),
            At::Start { .. } => Err(malformed("it is empty")),
            At::Record { .. }
            | At::InRecord { .. }
            | At::AfterRecord { .. }
            | At::Name { .. }
            | At::InName { .. }
            | At::Colon
            | At::Member
            | At::InMember { .. }
            | At::AfterMember => Err(malformed(&format!("cut off after {} records", self.rest.records))),
        }
    }

    /// A byte between values: it moves on, begins a value (and is then not used up), or is a fault.
    fn between(&mut self, byte: u8) -> Result<usize, HttpError> {
        let (at, used) = match (self.at, byte) {
            (At::Start { bom }, _) if BOM.get(bom) == Some(&byte) => (At::Start { bom: bom + 1 }, 1),
            (At::Start { bom: 0 | 3 }, b'[') => {
                self.rest.listed = true;
                (At::Record { first: true, enveloped: false }, 1)
            }
            (At::Start { bom: 0 | 3 }, b'{') => (At::Name { first: true }, 1),
            (At::Start { .. }, b'<') => return Err(malformed("it is HTML or XML, not JSON")),
            (At::Start { .. }, _) => return Err(malformed("it is neither a list nor an object of JSON")),
            (At::Record { first: true, enveloped } | At::AfterRecord { enveloped }, b']') => {
                (if enveloped { At::AfterMember } else { At::End }, 1)
            }
            (At::Record { enveloped, .. }, _) if begins_value(byte) => {
                (At::InRecord { scan: Scan::begin(byte), after: After::List { enveloped } }, 0)
            }
            (At::AfterRecord { enveloped }, b',') => (At::Record { first: false, enveloped }, 1),
            (At::Name { first: true } | At::AfterMember, b'}') => (At::End, 1),
            (At::Name { .. }, b'"') => (At::InName { scan: Scan::begin(byte) }, 0),
            (At::Colon, b':') => (At::Member, 1),
            (At::Member, _) if begins_value(byte) => self.member_begins(byte)?,
            (At::AfterMember, b',') => (At::Name { first: false }, 1),
            (At::End, _) => return Err(malformed("something follows its end")),
            _ => return Err(malformed(&format!("it is not JSON after {} records", self.rest.records))),
        };
        self.at = at;
        Ok(used)
    }

    fn member_begins(&mut self, byte: u8) -> Result<(At, usize), HttpError> {
        if self.name != "data" {
            return Ok((At::InMember { scan: Scan::begin(byte) }, 0));
        }
        if std::mem::replace(&mut self.data_met, true) {
            return Err(malformed("it has two members `data`"));
        }
        self.rest.listed = byte != b'n';
        match byte {
            b'[' => Ok((At::Record { first: true, enveloped: true }, 1)),
            b'{' => Ok((At::InRecord { scan: Scan::begin(byte), after: After::Member }, 0)),
            b'n' => Ok((At::InMember { scan: Scan::begin(byte) }, 0)),
            _ => Err(malformed("its `data` is neither a list nor an object")),
        }
    }

    const fn record_ends(&mut self, after: After) {
        self.rest.records += 1;
        self.at = match after {
            After::List { enveloped } => At::AfterRecord { enveloped },
            After::Member => At::AfterMember,
        };
    }

    fn name_ends(&mut self) -> Result<At, HttpError> {
        self.name = serde_json::from_slice(&self.value).map_err(|_| malformed("a name in it is not JSON"))?;
        self.value.clear();
        Ok(At::Colon)
    }

    fn member_ends(&mut self) -> Result<At, HttpError> {
        let text = checked(&self.value)?.get();
        if self.name == "data" {
            if text != "null" {
                return Err(malformed("its `data` is neither a list nor an object"));
            }
        } else {
            self.kept += MEMBER + self.name.len() + text.len();
            if self.kept > MEMBERS && !planted(Bug::NoLimits) {
                return Err(HttpError::Excessive("what stands beside the records is too large".to_owned()));
            }
            self.rest.members.push((std::mem::take(&mut self.name), text.to_owned()));
        }
        self.value.clear();
        Ok(At::AfterMember)
    }

    /// Moves what belongs to the value from `bytes` to `self.value`: how far it goes, and whether it ends there.
    fn take(&mut self, step: Step, bytes: &[u8], most: usize, what: &str) -> Result<(usize, bool), HttpError> {
        let (used, ends) = match step {
            Step::More => (bytes.len(), false),
            Step::Ends(used) => (used, true),
            Step::TooDeep => return Err(HttpError::Excessive("it is nested too deep".to_owned())),
        };
        // Planted: a value grows as the vendor wants.
        if self.value.len() + used > most && !planted(Bug::NoLimits) {
            return Err(HttpError::Excessive(format!("{what} is larger than {most} bytes")));
        }
        self.value.extend_from_slice(&bytes[..used]);
        Ok((used, ends))
    }
}

const fn begins_value(byte: u8) -> bool {
    matches!(byte, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
}

/// A value that is well-formed JSON in UTF-8.
pub fn checked(value: &[u8]) -> Result<&RawValue, HttpError> {
    serde_json::from_slice(value).map_err(|_| malformed("a value in it is not JSON"))
}

fn malformed(what: &str) -> HttpError {
    HttpError::Malformed(what.to_owned())
}

#[cfg(test)]
mod tests;
