//! `[sync]`, `[http]`, `[server]`: how the pass works, and within what limits.

use std::{net::SocketAddr, time::Duration};

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
