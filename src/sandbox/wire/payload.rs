//! Which body is sent.

/// Which body is sent. All but [`Answer`](Self::Answer) stand in for the sandbox, which then is not asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// The sandbox's own.
    Answer,
    /// These bytes.
    Bytes {
        /// The status.
        status: u16,
        /// `Content-Type`.
        content_type: String,
        /// The body.
        body: Vec<u8>,
    },
    /// A redirect (302) to another host, which counts who comes: see [`Wire::contacts_elsewhere`](super::Wire).
    Redirect,
    /// `opening`, then `unit` so many times: more than anybody should take in. It is made while it is sent, compressed
    /// too, so a test's own process does not grow with it. Every framing but [`Length`](super::Framing::Length) is
    /// open-ended and may be cut; with a length it is known beforehand.
    Flood {
        /// How the body begins.
        opening: Vec<u8>,
        /// What goes on and on.
        unit: Vec<u8>,
        /// How often.
        times: u64,
    },
}

impl Payload {
    /// A page as a gateway writes it, with status 200.
    pub fn html() -> Self {
        let body = b"<html><head><title>Sorry</title></head><body>We will be back soon.</body></html>".to_vec();
        Self::Bytes { status: 200, content_type: "text/html".to_owned(), body }
    }

    /// JSON with status 200.
    pub fn json(text: impl Into<Vec<u8>>) -> Self {
        Self::Bytes { status: 200, content_type: "application/json".to_owned(), body: text.into() }
    }

    /// A list, so many levels deep.
    pub fn deep(levels: usize) -> Self {
        Self::json(format!("{}{}", "[".repeat(levels), "]".repeat(levels)))
    }

    /// White space, so many MiB: half a MiB on the wire for 512 of it, where it is compressed.
    pub fn spaces(mebibytes: u64) -> Self {
        Self::Flood { opening: b"[".to_vec(), unit: vec![b' '; 1 << 20], times: mebibytes }
    }

    /// One record that does not end.
    pub fn endless_record(mebibytes: u64) -> Self {
        Self::Flood { opening: br#"[{"id":""#.to_vec(), unit: vec![b'7'; 1 << 20], times: mebibytes }
    }

    /// Records without end.
    pub fn endless_records(mebibytes: u64) -> Self {
        let record = br#"{"id":"7","transactionId":"7"},"#;
        Self::Flood { opening: b"[".to_vec(), unit: record.repeat((1 << 20) / record.len()), times: mebibytes }
    }
}
