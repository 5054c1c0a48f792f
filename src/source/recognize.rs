//! Normalizes what is read, but for the records whose texts are known.

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use super::{
    Brought, Normalizer,
    known::{Known, Mark, Marker},
};
use crate::{
    domain::StreamId,
    http::{HttpError, checked},
};

/// What one read of a stream has its records recognized and normalized by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recognizer<'a> {
    normalize: &'a Normalizer,
    marker: &'a Marker,
    stream: &'a StreamId,
    known: &'a Known,
}

/// The text of a record, before the privacy rules: it has no `Debug`.
pub(super) enum Text {
    /// Not met before: the text, and its mark.
    New(Box<RawValue>, Mark),
    /// That of this record of what is known.
    Known(u32),
}

impl Text {
    /// Bytes of it.
    pub(super) fn length(&self) -> usize {
        match self {
            Self::New(text, _) => text.get().len(),
            Self::Known(_) => 0,
        }
    }
}

impl<'a> Recognizer<'a> {
    pub(super) const fn new(
        normalize: &'a Normalizer,
        marker: &'a Marker,
        stream: &'a StreamId,
        known: &'a Known,
    ) -> Self {
        Self { normalize, marker, stream, known }
    }

    /// Of the exact bytes of a record, its text; an error when they are no JSON.
    pub(super) fn text(&self, bytes: &[u8]) -> Result<Text, HttpError> {
        let mark = self.marker.mark(bytes);
        match self.known.find(mark) {
            Some(place) => Ok(Text::Known(place)),
            None => Ok(Text::New(checked(bytes)?.to_owned(), mark)),
        }
    }

    /// Of the exact bytes of a record, what they come to when they are read at this time.
    pub(super) fn brought(&self, present: DateTime<Utc>, bytes: &[u8]) -> Result<Brought, HttpError> {
        let mark = self.marker.mark(bytes);
        match self.known.find(mark) {
            Some(place) => Ok(Brought::Known(place)),
            None => Ok(Brought::New(self.normalize.record(self.stream, present, checked(bytes)?), mark)),
        }
    }

    /// What a text comes to.
    pub(super) fn of_text(&self, present: DateTime<Utc>, text: Text) -> Brought {
        match text {
            Text::New(text, mark) => Brought::New(self.normalize.record(self.stream, present, &*text), mark),
            Text::Known(place) => Brought::Known(place),
        }
    }
}
