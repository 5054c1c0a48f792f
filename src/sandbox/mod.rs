//! Both vendors' HTTP APIs as published, over an invented world of sales that can tell the truth about itself.
//!
//! [`start`] runs both on one port: Alexela under `/api/v1`, `HecOne` under `/hecone`. [`world`] makes the sales, [`row`]
//! writes a record and says at the same time what the warehouse should make of it, [`dirt`] how oddly it is written,
//! [`alexela`] and [`hecone`] check what the real servers check, [`faults`] fail on demand, a [`wire`] before them breaks
//! what they say, [`truth`] tells what should be in the warehouse at a given moment.

pub(crate) mod alexela;
mod configuration;
pub(crate) mod dirt;
pub mod faults;
pub(crate) mod hecone;
mod listing;
pub mod options;
pub mod requests;
pub(crate) mod row;
pub(crate) mod server;
pub mod truth;
pub mod wire;
pub mod world;

use std::{
    net::SocketAddr,
    sync::{Arc, PoisonError},
    time::Duration,
};

use axum::Router;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub use configuration::configuration;
pub use listing::{Listed, listing};
pub use options::{AlexelaOptions, HecOneOptions, Links, Options};
pub use world::{
    World, WorldOptions,
    places::Place,
    planted::{FindingRule, Planted, Vehicle},
};

use self::{faults::Faults, requests::Requests, server::Server};

/// How long a stop waits for answers under way.
const STOP: Duration = Duration::from_secs(2);

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The address cannot be listened on.
    #[error("the sandbox cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] std::io::Error),
}

/// A sandbox that runs. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Sandbox {
    server: Arc<Server>,
    addr: SocketAddr,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

/// Starts both vendors' servers on one port.
pub async fn start(options: Options) -> Result<Sandbox, SandboxError> {
    let listen = options.listen;
    let listener = TcpListener::bind(listen).await.map_err(|error| SandboxError::Listen(listen, error))?;
    let addr = listener.local_addr().map_err(|error| SandboxError::Listen(listen, error))?;
    let server = Arc::new(Server::new(options));
    let stop = CancellationToken::new();
    let router = Router::new().fallback(server::answer).with_state(server.clone());
    let stopping = stop.clone().cancelled_owned();
    let task = tokio::spawn(async move {
        // Serving ends without an error: accept errors are retried inside.
        let _ = axum::serve(listener, router).with_graceful_shutdown(stopping).await;
    });
    Ok(Sandbox { server, addr, stop, task: Some(task) })
}

impl Sandbox {
    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Alexela's base URL.
    pub fn alexela_url(&self) -> String {
        format!("http://{}/api/v1", self.addr)
    }

    /// `HecOne`'s base URL.
    pub fn hecone_url(&self) -> String {
        format!("http://{}/hecone", self.addr)
    }

    /// As it was started.
    pub fn options(&self) -> &Options {
        &self.server.options
    }

    /// Its sales, and the truth about them.
    pub fn world(&self) -> &World {
        &self.server.world
    }

    /// What was asked of it.
    pub fn requests(&self) -> &Requests {
        &self.server.requests
    }

    /// Its faults.
    pub fn faults(&self) -> &Faults {
        &self.server.faults
    }

    /// Makes every `HecOne` token invalid, as a restart of the real server does.
    pub fn forget_tokens(&self) {
        self.server.tokens.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Runs until the token is cancelled or the server ends, then stops: `fuelsync sandbox` and `demo`.
    pub async fn serve(mut self, until: CancellationToken) {
        if let Some(task) = &mut self.task {
            tokio::select! {
                () = until.cancelled() => {}
                _ = task => self.task = None,
            }
        }
        self.stop().await;
    }

    /// Stops: no new connections, answers under way are finished, for two seconds at most.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(mut task) = self.task.take()
            && tokio::time::timeout(STOP, &mut task).await.is_err()
        {
            task.abort();
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests;
