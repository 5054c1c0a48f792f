//! What can fail in one exchange. Never holds a URL, a header, a secret or a row.

use std::{error::Error, io, time::Duration};

use rustls::CertificateError;

/// Why an exchange did not bring a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The request cannot be written: a value that no header or URL can carry.
    #[error("the request cannot be written: {0}")]
    Request(String),
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
    #[error("HTTP {status}{}{}", .said.as_deref().map(|s| format!(": {s}")).unwrap_or_default(), asked(*.retry_after))]
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
    /// The answer holds more of something than is taken from any: a record, a page, a list without end.
    #[error("the answer is beyond what is taken: {0}")]
    Excessive(String),
    /// The body is not the document that it should be: not JSON, cut off, too deep, trailing bytes.
    #[error("the answer is not the document that it should be: {0}")]
    Malformed(String),
}

/// Whether another attempt can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeatable {
    /// It can, and the vendor has certainly not acted on this one.
    Unsent,
    /// It can, if asking twice does no harm.
    Harmless,
    /// It cannot.
    Never,
}

impl HttpError {
    /// The one decision on a failed attempt. Exhaustive on purpose: a new error must be decided on.
    pub const fn repeatable(&self) -> Repeatable {
        match self {
            Self::Connect(_) => Repeatable::Unsent,
            Self::Timeout(_) | Self::Broken(_) | Self::Malformed(_) => Repeatable::Harmless,
            Self::Status { status, .. } => match status {
                425 | 429 => Repeatable::Unsent,
                408 | 500 | 502 | 503 | 504 => Repeatable::Harmless,
                _ => Repeatable::Never,
            },
            Self::Request(_) | Self::TooLarge(_) | Self::Excessive(_) => Repeatable::Never,
        }
    }

    /// The status, when an error status is what failed.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            Self::Request(_)
            | Self::Connect(_)
            | Self::Timeout(_)
            | Self::Broken(_)
            | Self::TooLarge(_)
            | Self::Excessive(_)
            | Self::Malformed(_) => None,
        }
    }
}

fn asked(retry_after: Option<Duration>) -> String {
    retry_after.map(|wait| format!(" (it asks to wait {} s)", wait.as_secs())).unwrap_or_default()
}

/// A failed exchange in short words: `reqwest`'s own text holds the URL with its query.
pub(super) fn in_short(error: reqwest::Error, connect_timeout: Duration) -> HttpError {
    let error = error.without_url();
    if error.is_builder() {
        return HttpError::Request("a part of it is not valid".to_owned());
    }
    let cause = cause(&error);
    if error.is_connect() {
        if error.is_timeout() {
            return HttpError::Connect(format!("no connection within {connect_timeout:?}"));
        }
        let unknown = if error.is_dns() { "name not found" } else { "no connection" };
        return HttpError::Connect(cause.unwrap_or_else(|| unknown.to_owned()));
    }
    HttpError::Broken(cause.unwrap_or_else(|| {
        (if error.is_decode() { "the compressed body is cut off or damaged" } else { "no reason given" }).to_owned()
    }))
}

/// The innermost cause that has a name of its own.
fn cause(error: &reqwest::Error) -> Option<String> {
    let mut named = None;
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = next {
        named = name(error).or(named);
        // An `io::Error` made from another error hides it from `source`.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    named
}

fn name(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(in_tls(tls));
    }
    if let Some(io) = error.downcast_ref::<io::Error>() {
        return match io.kind() {
            io::ErrorKind::ConnectionRefused => Some("connection refused"),
            io::ErrorKind::ConnectionReset => Some("connection reset"),
            io::ErrorKind::ConnectionAborted => Some("connection aborted"),
            io::ErrorKind::BrokenPipe => Some("connection closed while sending"),
            io::ErrorKind::HostUnreachable => Some("host unreachable"),
            io::ErrorKind::NetworkUnreachable => Some("network unreachable"),
            io::ErrorKind::TimedOut => Some("timed out"),
            io::ErrorKind::UnexpectedEof => Some("closed before the end"),
            _ => None,
        }
        .map(str::to_owned);
    }
    // hyper's errors are not ours to name by type; their texts are fixed and hold nothing of the exchange.
    let text = error.to_string();
    [
        ("dns error", "name not found"),
        ("connection closed before message completed", "closed before the answer was whole"),
        ("connection closed", "closed before the answer was whole"),
        ("error reading a body", "the body was cut off"),
        ("end of file before message length reached", "the body was cut off"),
        ("unexpected EOF during chunk", "the body was cut off"),
        ("invalid HTTP", "the server does not speak HTTP"),
        ("tunnel error", "the proxy refuses"),
        ("proxy", "the proxy refuses"),
    ]
    .into_iter()
    .find(|(part, _)| text.contains(part))
    .map(|(_, short)| short.to_owned())
}

fn in_tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(fault) => match fault {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "certificate expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "certificate not valid yet (is this machine's clock right?)"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "certificate is for another name"
            }
            CertificateError::Revoked => "certificate revoked",
            _ => "certificate not trusted",
        },
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS",
        rustls::Error::AlertReceived(_) => "the server refuses TLS",
        rustls::Error::PeerIncompatible(_) => "the server speaks no TLS that is safe (1.2 or later)",
        _ => "TLS failed",
    }
    .to_owned()
}
