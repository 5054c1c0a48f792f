//! The records of a body, one at a time, while it arrives.

use std::{collections::VecDeque, fmt};

use bytes::Bytes;

use super::{Body, Cutter, HttpError, Rest, checked};

/// As much of a chunk is cut at once: a large one may hold a hundred thousand small records.
const SLICE: usize = 8 * 1024;

/// Reads a body through a [`Cutter`]. Holds one chunk, one record that is not whole yet, and those of one slice.
pub struct Records<T, F> {
    body: Body,
    cutter: Cutter,
    chunk: Bytes,
    ready: VecDeque<T>,
    take: F,
}

impl Records<String, fn(&[u8]) -> Result<String, HttpError>> {
    /// The exact texts of the records of this body.
    pub fn of(body: Body) -> Self {
        Self::taken(body, |bytes| checked(bytes).map(|json| json.get().to_owned()))
    }
}

impl<T, F: FnMut(&[u8]) -> Result<T, HttpError>> Records<T, F> {
    /// What `take` makes of the bytes of each record, of which it has to say whether they are JSON ([`checked`]).
    pub fn taken(body: Body, take: F) -> Self {
        Self { body, cutter: Cutter::new(), chunk: Bytes::new(), ready: VecDeque::new(), take }
    }

    /// The next record; none when the body has come to its end. The records count only when [`finish`](Self::finish)
    /// then says that the document was whole.
    pub async fn next(&mut self) -> Result<Option<T>, HttpError> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Ok(Some(record));
            }
            if self.chunk.is_empty() {
                let Some(chunk) = self.body.chunk().await? else { return Ok(None) };
                self.chunk = chunk;
            }
            let slice = self.chunk.split_to(SLICE.min(self.chunk.len()));
            let Self { cutter, ready, take, .. } = self;
            cutter.cut(&slice, |bytes| {
                ready.push_back(take(bytes)?);
                Ok(())
            })?;
        }
    }

    /// What stood beside the records, if the document was whole.
    pub fn finish(self) -> Result<Rest, HttpError> {
        self.cutter.finish()
    }
}

impl<T, F> fmt::Debug for Records<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("cutter", &self.cutter).finish_non_exhaustive()
    }
}
