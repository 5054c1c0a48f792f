//! A wire that fails: stands before the sandbox, fetches its whole answer, and writes it back as scripted, byte by byte.
//!
//! [`Wire::start`] listens on a port of its own before a sandbox. What happens to an answer is an [`Act`]: which body is
//! sent ([`Payload`]), how its end is told ([`Framing`]), and how it goes over the wire ([`Delivery`]). A [`Script`] says
//! which requests meet it. Nothing is drawn here: a test that wants chance draws the script from its own seed.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! # let sandbox: fuelsync::sandbox::Sandbox = unimplemented!();
//! use fuelsync::sandbox::wire::{Act, Delivery, Framing, Payload, Wire};
//!
//! let wire = Wire::start(sandbox.addr()).await?;
//! // The configuration's base URLs are `wire.hecone_url()` and `wire.alexela_url()`.
//! wire.next("/EvTransactions", 2, Act { framing: Framing::Chunked, ..Act::new(Delivery::Cut(700)) });
//! wire.next("/transactions", u64::MAX, Act::new(Delivery::Drip(50)));
//! wire.next("/login", 1, Act::sent(Payload::Redirect));
//! # Ok(())
//! # }
//! ```

mod exchange;
mod flood;
mod payload;
mod written;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

pub use payload::Payload;
pub use written::Length;

use super::requests::{Requests, Seen};

/// A connection on loopback that has not come about by then waits for a place in the queue.
const FULL: Duration = Duration::from_millis(200);

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// `Content-Length`.
    Length,
    /// Chunks of up to 97 bytes, and an empty one at the end.
    Chunked,
    /// Compressed, with `Content-Length`.
    Gzip,
    /// Compressed, and the end of the connection.
    GzipClose,
    /// Compressed, in such chunks.
    GzipChunked,
    /// The end of the connection, and nothing else.
    Close,
}

impl Framing {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Length, Self::Chunked, Self::Gzip, Self::GzipClose, Self::GzipChunked, Self::Close];

    /// Whether the body is compressed.
    pub const fn is_compressed(self) -> bool {
        matches!(self, Self::Gzip | Self::GzipClose | Self::GzipChunked)
    }

    /// Whether the body comes in chunks.
    pub const fn is_chunked(self) -> bool {
        matches!(self, Self::Chunked | Self::GzipChunked)
    }
}

/// How an answer goes over the wire. Bytes are counted from the first of the status line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// As it should.
    Whole,
    /// The first so many bytes; then the connection is closed in good order.
    Cut(u64),
    /// The first so many bytes; then the connection is reset.
    Reset(u64),
    /// The first so many bytes; then nothing, on a connection that stays open until the other side gives up.
    Hole(u64),
    /// So many bytes a second.
    Drip(u64),
}

/// What happens to an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Which body is sent.
    pub payload: Payload,
    /// How its end is told.
    pub framing: Framing,
    /// How it goes over the wire.
    pub delivery: Delivery,
}

impl Act {
    /// The sandbox's answer with a length, delivered like this.
    pub const fn new(delivery: Delivery) -> Self {
        Self { payload: Payload::Answer, framing: Framing::Length, delivery }
    }

    /// Another body, with a length, delivered whole.
    pub const fn sent(payload: Payload) -> Self {
        Self { payload, framing: Framing::Length, delivery: Delivery::Whole }
    }

    /// The sandbox's answer, whole, with its end told like this.
    pub const fn framed(framing: Framing) -> Self {
        Self { payload: Payload::Answer, framing, delivery: Delivery::Whole }
    }
}

/// Which requests meet an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// A part of the request's path and query.
    pub path: String,
    /// Matching requests that pass before.
    pub after: u64,
    /// Matching requests that are struck then; `u64::MAX` for all.
    pub times: u64,
    /// With what.
    pub act: Act,
}

/// What the connections of a wire share.
#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    elsewhere: SocketAddr,
    contacts: AtomicU64,
    scripts: Mutex<Vec<Script>>,
    requests: Requests,
    struck: AtomicU64,
    last: Mutex<Option<Length>>,
    stop: CancellationToken,
}

impl Shared {
    /// Counts a request and says what happens to it. Scripts count independently of each other; one strikes at a time.
    fn strike(&self, target: &str) -> Option<Act> {
        let mut scripts = self.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut act = None;
        for script in scripts.iter_mut().filter(|script| target.contains(&script.path)) {
            if script.after > 0 {
                script.after -= 1;
            } else if script.times > 0 && act.is_none() {
                act = Some(script.act.clone());
                script.times = if script.times == u64::MAX { u64::MAX } else { script.times - 1 };
            }
        }
        scripts.retain(|script| script.times > 0);
        if act.is_some() {
            self.struck.fetch_add(1, Ordering::Relaxed);
        }
        act
    }

    fn saw(&self, method: &str, target: &str, status: u16) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        self.requests.push(Seen { method: method.to_owned(), path: path.to_owned(), query: query.to_owned(), status });
    }
}

/// A wire before a sandbox. Dropping it closes every connection.
#[derive(Debug)]
pub struct Wire {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

impl Wire {
    /// Listens before the server at `upstream`. Without a script answers go through as they are.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let other_host = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            elsewhere: other_host.local_addr()?,
            contacts: AtomicU64::new(0),
            scripts: Mutex::default(),
            requests: Requests::default(),
            struck: AtomicU64::new(0),
            last: Mutex::default(),
            stop: CancellationToken::new(),
        });
        tokio::spawn(accept(listener, Arc::clone(&shared), exchange::serve));
        tokio::spawn(accept(other_host, Arc::clone(&shared), exchange::contacted));
        Ok(Self { addr, shared })
    }

    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Alexela's base URL through the wire.
    pub fn alexela_url(&self) -> String {
        format!("http://{}/api/v1", self.addr)
    }

    /// `HecOne`'s base URL through the wire.
    pub fn hecone_url(&self) -> String {
        format!("http://{}/hecone", self.addr)
    }

    /// Adds a script. Scripts count independently of each other; of two that meet one request the earlier strikes.
    pub fn script(&self, script: Script) {
        self.shared.scripts.lock().unwrap_or_else(PoisonError::into_inner).push(script);
    }

    /// The next `times` requests whose path and query hold `path` meet this act.
    pub fn next(&self, path: &str, times: u64, act: Act) {
        self.script(Script { path: path.to_owned(), after: 0, times, act });
    }

    /// Forgets all scripts.
    pub fn clear(&self) {
        self.shared.scripts.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What was asked through it, with the status that was sent, each when its answer began.
    pub fn requests(&self) -> &Requests {
        &self.shared.requests
    }

    /// How many requests met a script.
    pub fn struck(&self) -> u64 {
        self.shared.struck.load(Ordering::Relaxed)
    }

    /// How long the last answer that met a script was, or would have been had it not been cut.
    pub fn last(&self) -> Option<Length> {
        *self.shared.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often the other host, to which [`Payload::Redirect`] points, was contacted.
    pub fn contacts_elsewhere(&self) -> u64 {
        self.shared.contacts.load(Ordering::Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

/// Accepts until the wire is dropped; so long each connection is served, too.
async fn accept<F>(listener: TcpListener, shared: Arc<Shared>, serve: fn(TcpStream, Arc<Shared>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stop.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        let (served, stop) = (serve(stream, Arc::clone(&shared)), shared.stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = served => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

/// A port at which no connection comes about: it listens, accepts nothing, and its queue is full.
#[derive(Debug)]
pub struct Deaf {
    addr: SocketAddr,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl Deaf {
    /// Listens, and fills the queue itself.
    pub async fn start() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let listener = socket.listen(1)?;
        let addr = listener.local_addr()?;
        let mut queued = Vec::new();
        // The kernel takes a few more than it was told; then the next waits for ever.
        while let Ok(stream) = tokio::time::timeout(FULL, TcpStream::connect(addr)).await {
            queued.push(stream?);
        }
        Ok(Self { addr, _listener: listener, _queued: queued })
    }

    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }
}

#[cfg(test)]
mod tests;
