//! An answer as bytes: its head, and its body in the framing that was asked for.

use std::io;

use super::{
    Framing, Payload,
    flood::{Pieces, gzip},
};

/// Small, so that an answer has many ends of chunks.
const CHUNK: usize = 97;

const CHUNKED_END: &[u8] = b"0\r\n\r\n";

/// What follows the data of a gzip stream: its checksum and its length.
const GZIP_END: u64 = 8;

/// How long an answer is on the wire, counted from the first byte of its status line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// The end of its head.
    pub head: u64,
    /// The end of the document: what lies behind it belongs to the framing alone.
    pub document: u64,
    /// Its end.
    pub whole: u64,
}

/// An answer of the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The status line.
    pub(super) line: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// One that the sandbox did not give.
    pub(super) fn made(status: u16, headers: Vec<(String, String)>, body: Vec<u8>) -> Self {
        let reason = match status {
            200 => "OK",
            302 => "Found",
            502 => "Bad Gateway",
            _ => "Status",
        };
        Self { status, line: format!("HTTP/1.1 {status} {reason}"), headers, body }
    }
}

/// An answer, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) head: Vec<u8>,
    pub(super) pieces: Pieces,
    framing: Framing,
}

impl Written {
    /// The bytes of an answer, for a payload that takes its place where it says so.
    pub(super) fn new(answer: &Answer, payload: &Payload, framing: Framing) -> io::Result<Self> {
        let pieces = match (payload, framing.is_compressed()) {
            (Payload::Flood { opening, unit, times }, true) => Pieces::compressed(opening, unit, *times),
            (Payload::Flood { opening, unit, times }, false) => {
                Pieces { first: opening.clone(), again: unit.clone(), times: *times, last: Vec::new() }
            }
            (Payload::Answer | Payload::Bytes { .. } | Payload::Redirect, true) => Pieces::one(gzip(&answer.body)?),
            (Payload::Answer | Payload::Bytes { .. } | Payload::Redirect, false) => Pieces::one(answer.body.clone()),
        };
        let mut head = format!("{}\r\n", answer.line);
        let framed = ["content-length", "transfer-encoding", "connection", "content-encoding"];
        let kept = answer.headers.iter().filter(|(name, _)| !framed.iter().any(|f| name.eq_ignore_ascii_case(f)));
        let more = match framing {
            Framing::Length | Framing::Gzip => format!("content-length: {}\r\n", pieces.length()),
            Framing::Chunked | Framing::GzipChunked => "transfer-encoding: chunked\r\n".to_owned(),
            Framing::Close | Framing::GzipClose => "connection: close\r\n".to_owned(),
        };
        let lines: Vec<_> = kept.map(|(name, value)| format!("{name}: {value}\r\n")).chain([more]).collect();
        head.push_str(&lines.concat());
        if framing.is_compressed() {
            head.push_str("content-encoding: gzip\r\n");
        }
        head.push_str("\r\n");
        Ok(Self { head: head.into_bytes(), pieces, framing })
    }

    /// How long it is on the wire.
    pub(super) fn length(&self) -> Length {
        let head = self.head.len() as u64;
        let whole = if self.framing.is_chunked() {
            self.body().map(|piece| piece.len() as u64).sum()
        } else {
            self.pieces.length()
        };
        let behind = match self.framing {
            Framing::Length | Framing::Close => 0,
            Framing::Chunked => CHUNKED_END.len() as u64 + 2,
            Framing::GzipChunked => {
                let data = self.pieces.length();
                let in_last = (data.saturating_sub(1)) % chunk_of(data) + 1;
                // A chunk that holds no more than that end begins with its length, and the one before it ends, too.
                let border = if in_last <= GZIP_END { 5 } else { 0 };
                CHUNKED_END.len() as u64 + 2 + GZIP_END + border
            }
            Framing::Gzip | Framing::GzipClose => GZIP_END,
        };
        Length { head, document: head + whole - behind.min(whole), whole: head + whole }
    }

    /// Whether another answer may follow on the connection.
    pub(super) const fn keeps_connection(&self) -> bool {
        match self.framing {
            Framing::Length | Framing::Gzip | Framing::Chunked | Framing::GzipChunked => true,
            Framing::Close | Framing::GzipClose => false,
        }
    }

    /// The body's pieces as they go over the wire.
    pub(super) fn body(&self) -> impl Iterator<Item = Vec<u8>> {
        let chunked = self.framing.is_chunked();
        let end = chunked.then(|| CHUNKED_END.to_vec());
        self.pieces.each().map(move |piece| if chunked { chunks(piece) } else { piece.to_vec() }).chain(end)
    }
}

/// The length of the chunks of a piece of so many bytes.
const fn chunk_of(piece: u64) -> u64 {
    if piece > 64 * CHUNK as u64 { 64 * CHUNK as u64 } else { CHUNK as u64 }
}

fn chunks(piece: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(piece.len() + piece.len() / CHUNK * 6 + 6);
    for chunk in piece.chunks(usize::try_from(chunk_of(piece.len() as u64)).unwrap_or(CHUNK)) {
        out.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        out.extend(chunk);
        out.extend(b"\r\n");
    }
    out
}
