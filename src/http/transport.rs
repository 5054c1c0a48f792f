//! The program's one HTTP client.

use std::{sync::Arc, time::Duration};

use super::retry::FIRST_BACKOFF;
use crate::{
    clock::Clock,
    config,
    failpoint::{Bug, planted},
};

/// Shorter than what common servers allow an idle connection (5 s and more), so that it is rarely they who close it just
/// when a request is sent.
const POOL_IDLE: Duration = Duration::from_secs(4);

/// What [`Bug::NoDeadline`] waits.
const FOR_EVER: Duration = Duration::from_hours(24 * 365);

const USER_AGENT: &str = concat!("fuelsync/", env!("CARGO_PKG_VERSION"));

/// Why there is no HTTP client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// `http.proxy` is not one that can be used.
    #[error("http.proxy cannot be used; http://, https:// and a host are allowed")]
    Proxy,
    /// The client cannot be built.
    #[error("HTTP cannot be set up on this machine")]
    Setup,
}

/// One client for all accounts: TLS 1.2 or later, no redirects, no referer, no proxy but the configured one. Cheap to
/// clone.
#[derive(Debug, Clone)]
pub struct Transport {
    pub(super) client: reqwest::Client,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) connect_timeout: Duration,
    pub(super) request_timeout: Duration,
    pub(super) max_retries: u32,
    pub(super) max_body: u64,
    /// The limit of the first wait between attempts.
    pub(super) first_wait: Duration,
}

impl Transport {
    /// The client, with the limits of `[http]`.
    pub fn new(config: &config::Http, clock: Arc<dyn Clock>) -> Result<Self, TransportError> {
        // The first of several to install it wins, and all install the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = if let Ok(client) = builder(config)?.build() {
            client
        } else {
            // A machine without a certificate store: loopback still works, and `https` says `not trusted`.
            tracing::warn!(
                "no certificate authorities found on this machine; install ca-certificates or set SSL_CERT_FILE, \
                     or no https server will be trusted"
            );
            builder(config)?.tls_certs_only(std::iter::empty()).build().map_err(|_| TransportError::Setup)?
        };
        Ok(Self {
            client,
            clock,
            connect_timeout: config.connect_timeout,
            request_timeout: if planted(Bug::NoDeadline) { FOR_EVER } else { config.request_timeout },
            max_retries: config.max_retries,
            max_body: config.max_body,
            first_wait: FIRST_BACKOFF,
        })
    }

    /// The client itself, for what is asked of no vendor: it has none of a [`Link`](super::Link)'s limits but that of
    /// connecting.
    pub(crate) const fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// The same client with another limit of the first wait between attempts, for tests in which much fails.
    #[must_use]
    pub fn with_first_wait(mut self, first_wait: Duration) -> Self {
        self.first_wait = first_wait;
        self
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that builds the client")]
fn builder(config: &config::Http) -> Result<reqwest::ClientBuilder, TransportError> {
    let builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .tls_backend_rustls()
        .tls_version_min(reqwest::tls::Version::TLS_1_2)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        // Every attempt is counted, limited and signed by `Link::call`; none is made behind its back.
        .retry(reqwest::retry::never())
        .connect_timeout(config.connect_timeout)
        .pool_idle_timeout(POOL_IDLE)
        .tcp_keepalive(Duration::from_secs(15))
        .gzip(true)
        .no_proxy();
    match &config.proxy {
        None => Ok(builder),
        Some(proxy) => Ok(builder.proxy(reqwest::Proxy::all(proxy.clone()).map_err(|_| TransportError::Proxy)?)),
    }
}
