//! `[sync]`, `[http]`, `[server]`: how the pass works, and within what limits.

use std::{net::SocketAddr, time::Duration};

use super::{
    key::{Key, SECOND, Type},
    read::Section,
};

/// How a pass works.
#[derive(Debug, Clone)]
pub struct Sync {
    /// Streams read at the same time, over the whole process. At least 1.
    pub workers: usize,
    /// How far the watermark stays behind the source's clock.
    pub publish_delay: Duration,
    /// How far before the watermark each pass starts again.
    pub overlap: Duration,
    /// When windows are read again, by age; `younger_than` rises strictly.
    pub reread: Vec<Reread>,
    /// How long a stream's lease holds without a renewal.
    pub lease: Duration,
    /// Longest time that one window may take, all its requests and its commit.
    pub window_timeout: Duration,
    /// Longest time that a pass over one stream may take.
    pub pass_timeout: Duration,
}

/// Windows younger than this are read again this often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reread {
    /// Age of the window's end.
    pub younger_than: Duration,
    /// Time between two complete reads.
    pub every: Duration,
}

/// Limits of every request.
#[derive(Debug, Clone)]
pub struct Http {
    /// To an established connection.
    pub connect_timeout: Duration,
    /// From sending to the last byte of the body.
    pub request_timeout: Duration,
    /// Attempts after the first.
    pub max_retries: u32,
    /// Largest body, decoded, in bytes.
    pub max_body: u64,
    /// An explicit proxy. The environment's is never used.
    pub proxy: Option<url::Url>,
}

/// The status page.
#[derive(Debug, Clone, Copy)]
pub struct Server {
    /// Where it listens.
    pub listen: SocketAddr,
}

/// The keys of `[server]`.
pub(super) const SERVER: &[Key] =
    &[Key::or("listen", Type::Listen, "127.0.0.1:9464", "Where status page, health and metrics are served.")];

/// The keys of `[sync]`.
pub(super) const SYNC: &[Key] = &[
    Key::or("workers", Type::Count(1, 256), "4", "Streams read at the same time, over the whole process."),
    Key::or("publish_delay", ANY_LENGTH, "15m", "The watermark stays this far behind the source's clock."),
    Key::or("overlap", ANY_LENGTH, "2h", "How far before the watermark each pass starts again."),
    Key::or(
        "reread",
        Type::Tables(REREAD),
        r#"[{younger_than="2d", every="1h"}, {younger_than="45d", every="1d"}, {younger_than="150d", every="7d"}]"#,
        "When windows are read again, by age; younger_than rises.",
    ),
    Key::or("lease", Type::Duration(SECOND), "15s", "How long a stream's lease holds without a renewal."),
    Key::or("window_timeout", Type::Duration(SECOND), "10m", "Longest time to read one window, and again to write it."),
    Key::or("pass_timeout", Type::Duration(SECOND), "6h", "Longest time for a pass over one stream."),
];

const REREAD: &[Key] = &[
    Key::required("younger_than", Type::Duration(SECOND), "Windows whose end is younger than this …"),
    Key::required("every", Type::Duration(SECOND), "… are read again after this time."),
];

/// The keys of `[http]`.
pub(super) const HTTP: &[Key] = &[
    Key::or("connect_timeout", SOME_LENGTH, "10s", "Time limit for a connection, TLS included."),
    Key::or("request_timeout", SOME_LENGTH, "60s", "Time limit from sending to the last byte of the answer."),
    Key::or("max_retries", Type::Count(0, 100), "6", "Attempts after the first; with full jitter, Retry-After obeyed."),
    Key::or("max_body", Type::Size, "512MiB", "The largest answer, decoded."),
    Key::optional("proxy", Type::Proxy, "A proxy for all requests. The environment's is never used."),
];

const ANY_LENGTH: Type = Type::Duration(Duration::ZERO);
const SOME_LENGTH: Type = Type::Duration(Duration::from_millis(1));

pub(super) fn read_server(section: &mut Section<'_>) -> Option<Server> {
    Some(Server { listen: section.listen("listen")? })
}

pub(super) fn read_sync(section: &mut Section<'_>) -> Option<Sync> {
    let workers = section.count("workers");
    let publish_delay = section.duration("publish_delay");
    let overlap = section.duration("overlap");
    let reread = section.tables("reread", |rule| {
        let younger_than = rule.duration("younger_than");
        let every = rule.duration("every");
        Some(Reread { younger_than: younger_than?, every: every? })
    });
    if reread.iter().flatten().zip(reread.iter().flatten().skip(1)).any(|(a, b)| a.younger_than >= b.younger_than) {
        section.object(
            "reread",
            "rules whose younger_than does not rise",
            "rules in the order of a rising younger_than",
        );
    }
    let lease = section.duration("lease");
    let window_timeout = section.duration("window_timeout");
    let pass_timeout = section.duration("pass_timeout");
    Some(Sync {
        workers: workers?,
        publish_delay: publish_delay?,
        overlap: overlap?,
        reread: reread?,
        lease: lease?,
        window_timeout: window_timeout?,
        pass_timeout: pass_timeout?,
    })
}

pub(super) fn read_http(section: &mut Section<'_>) -> Option<Http> {
    let connect_timeout = section.duration("connect_timeout");
    let request_timeout = section.duration("request_timeout");
    let max_retries = section.count("max_retries");
    let max_body = section.size("max_body");
    let proxy = section.proxy("proxy");
    Some(Http {
        connect_timeout: connect_timeout?,
        request_timeout: request_timeout?,
        max_retries: max_retries?,
        max_body: max_body?,
        proxy,
    })
}
