//! What can fail in one exchange. Never holds a URL, a header, a secret or a row.

use std::time::Duration;

/// Why an exchange did not bring a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// No connection: refused, unknown host, TLS.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// A time limit passed.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The connection broke while sending or receiving.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// A status that is an error.
    #[error("HTTP {status}{}", .said.as_deref().map(|s| format!(": {s}")).unwrap_or_default())]
    Status {
        /// The status code.
        status: u16,
        /// What `Retry-After` asks for.
        retry_after: Option<Duration>,
        /// The vendor's own error text, scrubbed and shortened.
        said: Option<String>,
    },
    /// The body is larger than `http.max_body`, decoded.
    #[error("the answer is larger than {0} bytes (http.max_body)")]
    TooLarge(u64),
    /// The body is not the document that it should be: not JSON, cut off, too deep, trailing bytes.
    #[error("the answer is not the document that it should be: {0}")]
    Malformed(String),
}
