//! A record and its lines as they wait in the log: the mark of its text (nothing without one), its id, the record's text,
//! then each line as [`copy::fields`] puts it, behind the digest of its content; all with their lengths.

use std::{borrow::Cow, io};

use super::{
    copy::{self, ContentHash},
    spool::Log,
};
use crate::{domain::Line, source::Mark};

/// As much of a record holds its id, which comes early and is short.
const HEAD: usize = 512;

/// Bytes of a mark.
const MARK: usize = 8;

/// Bytes of a digest.
const HASH: usize = size_of::<ContentHash>();

/// A line as it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting<'p> {
    /// Of its fields and the record's text.
    pub(super) hash: &'p ContentHash,
    /// As [`copy::fields`] puts it.
    pub(super) fields: &'p [u8],
}

/// A record as it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packed<'p> {
    /// Of its text as sent, where that may be known when it comes again.
    pub(super) mark: Option<Mark>,
    /// The source's id of the transaction.
    pub(super) id: &'p str,
    /// The record's text, after the privacy rules.
    pub(super) raw: &'p [u8],
    lines: &'p [u8],
}

/// Packs a record into `buffer`, which is emptied before. As in [`copy::fields`], what cannot be stored is left out.
pub(super) fn pack(buffer: &mut Vec<u8>, mark: Option<Mark>, id: &str, raw: &str, lines: &[Line]) -> io::Result<()> {
    let without_nul =
        |text| if str::contains(text, '\0') { Cow::Owned(text.replace('\0', "")) } else { Cow::Borrowed(text) };
    buffer.clear();
    buffer.extend_from_slice(&mark.map_or([0; MARK], Mark::to_bytes));
    let mut raw_at = 0;
    for part in [without_nul(id), without_nul(raw)] {
        buffer.extend_from_slice(&length(part.len())?);
        buffer.extend_from_slice(part.as_bytes());
        raw_at = buffer.len() - part.len();
    }
    let raw = raw_at..buffer.len();
    for line in lines {
        let at = buffer.len();
        buffer.extend_from_slice(&[0; 4 + HASH]);
        copy::fields(buffer, id, line);
        let hash = copy::content_hash(&buffer[at + 4 + HASH..], &buffer[raw.clone()]);
        let length = length(buffer.len() - at - 4)?;
        buffer[at..at + 4].copy_from_slice(&length);
        buffer[at + 4..at + 4 + HASH].copy_from_slice(&hash);
    }
    Ok(())
}

fn length(bytes: usize) -> io::Result<[u8; 4]> {
    Ok(u32::try_from(bytes).map_err(io::Error::other)?.to_le_bytes())
}

/// A part with its length, and what follows it.
fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u32::from_le_bytes(bytes.first_chunk().copied()?);
    bytes[4..].split_at_checked(usize::try_from(length).ok()?)
}

impl<'p> Packed<'p> {
    /// A record as it was packed.
    pub(super) fn of(bytes: &'p [u8]) -> io::Result<Self> {
        let unpacked = || {
            let (mark, rest) = bytes.split_first_chunk()?;
            let (id, rest) = part(rest)?;
            let (raw, lines) = part(rest)?;
            Some(Self { mark: Mark::from_bytes(*mark), id: std::str::from_utf8(id).ok()?, raw, lines })
        };
        unpacked().ok_or_else(damaged)
    }

    /// Its lines.
    pub(super) fn lines(&self) -> impl Iterator<Item = Waiting<'p>> + use<'p> {
        let mut left = self.lines;
        std::iter::from_fn(move || {
            let (line, rest) = part(left)?;
            left = rest;
            let (hash, fields) = line.split_first_chunk()?;
            Some(Waiting { hash, fields })
        })
    }

    /// One line.
    pub(super) fn line(&self, place: u16) -> io::Result<Waiting<'p>> {
        self.lines().nth(place.into()).ok_or_else(damaged)
    }
}

/// A record's id, read without the rest of it.
pub(super) fn id_of(log: &Log, number: usize) -> io::Result<String> {
    let id = |bytes: &[u8]| part(bytes.get(MARK..)?).map(|(id, _)| id.to_vec());
    let id = match id(&log.head(number, HEAD)?) {
        Some(id) => id,
        None => id(&log.get(number)?).ok_or_else(damaged)?,
    };
    String::from_utf8(id).map_err(|_| damaged())
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "what waited is not what was put there")
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::{Kind, State};

    #[test]
    fn a_record_comes_out_as_it_went_in_and_its_id_alone_however_long() {
        let line = |id: &str| Line::new(id, Kind::Fuel, State::Posted, DateTime::UNIX_EPOCH);
        let lines = [line("a"), line("b"), line("c")];
        let ids = ["7", "", "ä€😀\n", &"x".repeat(2 * HEAD)];
        for budget in [0, 1 << 20] {
            let (mut log, mut buffer) = (Log::new(budget), Vec::new());
            for (count, id) in ids.iter().enumerate() {
                let mark = Mark::from_bytes([u8::try_from(count).unwrap(); MARK]);
                pack(&mut buffer, mark, id, "{\"a\":1.10}", &lines[..count]).unwrap();
                log.push(&buffer).unwrap();
            }
            for (count, id) in ids.iter().enumerate() {
                assert_eq!(id_of(&log, count).unwrap(), *id);
                let bytes = log.get(count).unwrap();
                let packed = Packed::of(&bytes).unwrap();
                assert_eq!((packed.id, packed.raw), (*id, &b"{\"a\":1.10}"[..]));
                assert_eq!(packed.mark, Mark::from_bytes([u8::try_from(count).unwrap(); MARK]));
                let keys: Vec<_> = packed.lines().map(|line| copy::line_id(line.fields)).collect();
                assert_eq!(keys, ["a", "b", "c"][..count]);
                assert!(packed.line(u16::try_from(count).unwrap()).is_err());
            }
        }
    }

    #[test]
    fn a_nul_that_slipped_through_is_left_out() {
        let (mut with, mut without) = (Vec::new(), Vec::new());
        pack(&mut with, None, "7\0", "{\"a\":\"\0b\"}", &[]).unwrap();
        pack(&mut without, None, "7", "{\"a\":\"b\"}", &[]).unwrap();
        assert_eq!(with, without);
    }

    #[test]
    fn what_is_cut_off_is_damaged_and_no_record() {
        let mut buffer = Vec::new();
        pack(&mut buffer, None, "7", "{}", &[]).unwrap();
        for length in 0..buffer.len() {
            assert!(Packed::of(&buffer[..length]).is_err());
        }
    }
}
