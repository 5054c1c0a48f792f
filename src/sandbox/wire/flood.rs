//! A long body, made piece by piece while it is sent.

use std::io::{self, Write as _};

use flate2::{Compress, Compression, Crc, FlushCompress, Status, write::GzEncoder};

/// The head of a gzip stream without a name or a time.
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// A whole body, compressed.
pub(super) fn gzip(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body)?;
    encoder.finish()
}

/// The pieces of a body: `first`, then `again` so many times, then `last`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pieces {
    pub(super) first: Vec<u8>,
    pub(super) again: Vec<u8>,
    pub(super) times: u64,
    pub(super) last: Vec<u8>,
}

impl Pieces {
    /// A body that is one piece.
    pub(super) const fn one(body: Vec<u8>) -> Self {
        Self { first: body, again: Vec::new(), times: 0, last: Vec::new() }
    }

    /// `opening` and then `unit` so many times, as one gzip stream: each piece ends at a byte, and the repeated one looks
    /// back at nothing before itself, so that it can be sent again as it is.
    pub(super) fn compressed(opening: &[u8], unit: &[u8], times: u64) -> Self {
        let mut first = GZIP_HEAD.to_vec();
        first.extend(deflated(opening, FlushCompress::Sync));
        let mut last = deflated(&[], FlushCompress::Finish);
        let (mut crc, mut one) = (Crc::new(), Crc::new());
        crc.update(opening);
        one.update(unit);
        for _ in 0..times {
            crc.combine(&one);
        }
        last.extend(crc.sum().to_le_bytes());
        last.extend(crc.amount().to_le_bytes());
        Self { first, again: deflated(unit, FlushCompress::Sync), times, last }
    }

    /// All bytes.
    pub(super) const fn length(&self) -> u64 {
        let (first, again, last) = (self.first.len() as u64, self.again.len() as u64, self.last.len() as u64);
        first + again * self.times + last
    }

    /// Piece after piece.
    pub(super) fn each(&self) -> impl Iterator<Item = &[u8]> {
        let again = (0..self.times).map(|_| &*self.again);
        std::iter::once(&*self.first).chain(again).chain([&*self.last]).filter(|piece| !piece.is_empty())
    }
}

/// A stretch of a deflate stream that needs nothing before it.
fn deflated(bytes: &[u8], flush: FlushCompress) -> Vec<u8> {
    let mut compress = Compress::new(Compression::best(), false);
    let mut out = Vec::with_capacity(bytes.len() / 64 + 1024);
    loop {
        let used = usize::try_from(compress.total_in()).unwrap_or(usize::MAX).min(bytes.len());
        let before = out.len();
        match compress.compress_vec(&bytes[used..], &mut out, flush) {
            Ok(Status::Ok) if out.len() == out.capacity() => out.reserve(out.capacity()),
            Ok(Status::Ok) if out.len() > before && compress.total_in() < bytes.len() as u64 => {}
            Ok(Status::Ok | Status::StreamEnd | Status::BufError) | Err(_) => return out,
        }
    }
}
