//! The digests of a certificate: of a line, of a window, of the whole. docs/PROVE.md says how to make them with SQL alone.
//!
//! Every digest is a SHA-256 that begins with a word of its own, so that what is one thing's bytes cannot be taken for
//! another's; every text is preceded by its length.

use sha2::{Digest as _, Sha256};

use crate::{
    domain::{StreamId, Window},
    warehouse::copy::ContentHash,
};

/// A SHA-256.
pub type Digest = [u8; 32];

/// What each kind of digest begins with.
const ROW: &[u8] = b"fuelsync.row.1";
const WINDOW: &[u8] = b"fuelsync.window.1";
const CERTIFICATE: &[u8] = b"fuelsync.certificate.1";

fn text(into: &mut Sha256, text: &str) {
    into.update(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    into.update(text);
}

fn stretch(into: &mut Sha256, window: Window) {
    into.update(window.start().timestamp_micros().to_be_bytes());
    into.update(window.end().timestamp_micros().to_be_bytes());
}

/// Of a line: its key and the digest of its content.
pub(super) fn row(id: &str, line_id: &str, content: &ContentHash) -> Digest {
    let mut hasher = Sha256::new_with_prefix(ROW);
    text(&mut hasher, id);
    text(&mut hasher, line_id);
    hasher.update(content);
    hasher.finalize().into()
}

/// Of a window, line by line, in the order of the bytes of their keys.
#[derive(Debug)]
pub(super) struct OfWindow {
    hasher: Sha256,
    rows: u64,
}

impl OfWindow {
    pub(super) fn new(stream: &StreamId, window: Window) -> Self {
        let mut hasher = Sha256::new_with_prefix(WINDOW);
        for part in [stream.source.as_str(), &stream.account, stream.partition.as_str()] {
            text(&mut hasher, part);
        }
        stretch(&mut hasher, window);
        Self { hasher, rows: 0 }
    }

    pub(super) fn add(&mut self, row: &Digest) {
        self.hasher.update(row);
        self.rows += 1;
    }

    pub(super) fn finish(mut self) -> Digest {
        self.hasher.update(self.rows.to_be_bytes());
        self.hasher.finalize().into()
    }
}

/// Of a whole certificate: the digests of its windows, in order of source, account, partition (by their bytes) and time.
pub fn root(whole: Window, windows: impl IntoIterator<Item = Digest>) -> Digest {
    let mut hasher = Sha256::new_with_prefix(CERTIFICATE);
    stretch(&mut hasher, whole);
    let mut count = 0u64;
    for window in windows {
        hasher.update(window);
        count += 1;
    }
    hasher.update(count.to_be_bytes());
    hasher.finalize().into()
}

/// As people write it.
pub fn hex(digest: &[u8]) -> String {
    use std::fmt::Write as _;
    digest.iter().fold(String::with_capacity(2 * digest.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::{Partition, SourceKind};

    fn window(from: i64, to: i64) -> Window {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        Window::new(at(from), at(to)).unwrap()
    }

    fn of(account: &str, contract: &str, rows: &[Digest]) -> Digest {
        let stream = StreamId::new(SourceKind::AlexelaCard, account, Partition::contract(contract));
        let mut digest = OfWindow::new(&stream, window(0, 10));
        for row in rows {
            digest.add(row);
        }
        digest.finish()
    }

    #[test]
    fn what_moves_from_one_text_to_the_next_is_another_digest() {
        assert_ne!(row("ab", "c", &[0; 16]), row("a", "bc", &[0; 16]));
        assert_ne!(of("ab", "c", &[]), of("a", "bc", &[]));
        assert_ne!(row("a", "b", &[0; 16]), row("a", "b", &[1; 16]));
    }

    #[test]
    fn a_line_more_or_another_stretch_is_another_digest() {
        let line = row("a", "b", &[0; 16]);
        let digests = [of("a", "b", &[]), of("a", "b", &[line]), of("a", "b", &[line, line])];
        assert!(digests[0] != digests[1] && digests[1] != digests[2]);
        assert_ne!(root(window(0, 10), digests), root(window(0, 11), digests));
        assert_ne!(root(window(0, 10), []), root(window(0, 10), [digests[0]]));
    }

    #[test]
    fn the_construction_is_what_the_documentation_says() {
        // Shown so that nobody changes it without changing the words that digests begin with.
        let line = row("7", "d", &[0xab; 16]);
        assert_eq!(
            hex(&line),
            hex(&Sha256::digest(
                b"fuelsync.row.1\0\0\0\x017\0\0\0\x01d\xab\xab\xab\xab\xab\xab\xab\xab\xab\xab\xab\xab\xab\xab\xab\xab"
            ))
        );
        assert_eq!(hex(&[0, 255]), "00ff");
    }
}
