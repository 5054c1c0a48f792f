//! A document that arrives in chunks.

use fuelsync::http::{Cutter, HttpError, Rest};

/// What the cutter made of a document: the records that it gave, and what it said at the end or where it stopped.
pub(crate) type Cut = (Vec<String>, Result<Rest, HttpError>);

/// Cuts a document that arrives in these chunks.
pub(crate) fn cut<'d>(chunks: impl IntoIterator<Item = &'d [u8]>) -> Cut {
    let (mut cutter, mut records) = (Cutter::new(), Vec::new());
    for chunk in chunks {
        if let Err(error) = cutter.push(chunk, |record| records.push(record.to_owned())) {
            return (records, Err(error));
        }
    }
    (records, cutter.finish())
}

/// A document in chunks whose sizes a seed decides: 0 leaves it whole.
pub(crate) fn chunks(document: &[u8], seed: u8) -> Vec<&[u8]> {
    if seed == 0 {
        return vec![document];
    }
    let (mut state, mut left, mut chunks) = (u32::from(seed), document, Vec::new());
    while !left.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let size = (state >> 27) as usize;
        let (chunk, rest) = left.split_at(size.min(left.len()));
        chunks.push(chunk);
        left = rest;
    }
    chunks
}
