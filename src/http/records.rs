//! The records of a body, one at a time, while it arrives.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Body, Cutter, HttpError, Rest};

/// As much of a chunk is cut at once: a large one may hold a hundred thousand small records.
const SLICE: usize = 8 * 1024;

/// Reads a body through a [`Cutter`]. Holds one chunk, one record that is not whole yet, and those of one slice.
#[derive(Debug)]
pub struct Records {
    body: Body,
    cutter: Cutter,
    chunk: Bytes,
    ready: VecDeque<String>,
}

impl Records {
    /// The records of this body.
    pub fn of(body: Body) -> Self {
        Self { body, cutter: Cutter::new(), chunk: Bytes::new(), ready: VecDeque::new() }
    }

    /// The next record's exact text; none when the body has come to its end. The records count only when
    /// [`finish`](Self::finish) then says that the document was whole.
    pub async fn next(&mut self) -> Result<Option<String>, HttpError> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Ok(Some(record));
            }
            if self.chunk.is_empty() {
                let Some(chunk) = self.body.chunk().await? else { return Ok(None) };
                self.chunk = chunk;
            }
            let slice = self.chunk.split_to(SLICE.min(self.chunk.len()));
            let Self { cutter, ready, .. } = self;
            cutter.push(&slice, |record| ready.push_back(record.to_owned()))?;
        }
    }

    /// What stood beside the records, if the document was whole.
    pub fn finish(self) -> Result<Rest, HttpError> {
        self.cutter.finish()
    }
}
