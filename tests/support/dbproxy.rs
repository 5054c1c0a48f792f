//! A wire to `PostgreSQL` that a test breaks where it wants: before, in and after any message of the program.
//!
//! It speaks the protocol (version 3, plain text) just enough to know what passes: the program's messages one by one,
//! with their SQL, the server's in whole. A [`script`](DbProxy::script) sees each message of the program and says what
//! happens to the wire there. Beside that the whole proxy can be frozen, refuse, and be restarted.

mod frames;

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    net::{
        TcpListener, TcpSocket, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};
use tokio_util::sync::CancellationToken;
use url::Url;

use frames::{Frames, StartUp};

/// Where the wire breaks, seen from a message of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// The server never gets the message.
    Before,
    /// The server gets it, and nobody waits for what it says.
    In,
    /// The server has answered, and the program never gets the answer.
    After,
}

/// What happens at a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Nothing.
    Pass,
    /// Both ends of this connection are closed.
    Cut(At),
    /// From here on nothing passes on any connection, and all of them stay open.
    Freeze(At),
}

/// A message of the program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    /// Its type in the protocol: `Q` a simple query, `P` a statement prepared, `B` one bound, `d` data of a COPY.
    pub(crate) kind: char,
    /// Its SQL; of a message that has none, the last one before it.
    pub(crate) sql: &'a str,
    /// The statements of its transaction before it, BEGIN first.
    pub(crate) before: &'a [Arc<str>],
}

impl Message<'_> {
    /// Whether it ends a transaction.
    pub(crate) fn is_commit(&self) -> bool {
        self.kind == 'Q' && self.sql == "COMMIT"
    }

    /// Whether it ends a transaction that writes sales.
    pub(crate) fn commits_sales(&self) -> bool {
        self.is_commit() && self.before.iter().any(|sql| sql.contains("announce_writer"))
    }
}

/// What is asked at each message.
type Script = Box<dyn FnMut(&Message<'_>) -> Act + Send>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Serving,
    Frozen,
    Refusing,
}

/// The proxy. Ends with its last connection when dropped.
pub(crate) struct DbProxy {
    url: Url,
    shared: Arc<Shared>,
    listening: watch::Receiver<bool>,
}

struct Shared {
    server: SocketAddr,
    mode: watch::Sender<Mode>,
    script: Mutex<Option<Script>>,
    /// Cancelled when all connections are to be cut.
    connections: Mutex<CancellationToken>,
    /// Cancelled when nothing is to pass on them any more.
    wires: Mutex<CancellationToken>,
    ended: CancellationToken,
}

impl DbProxy {
    /// A proxy on a port of its own in front of the server of this URL.
    pub(crate) async fn new(server: &str) -> Self {
        let mut url: Url = server.parse().expect("the server's URL");
        let address = (url.host_str().expect("a host").to_owned(), url.port().unwrap_or(5432));
        let server = tokio::net::lookup_host(address).await.expect("its address").next().expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let here = listener.local_addr().expect("its address");
        url.set_host(Some("127.0.0.1")).expect("a host");
        url.set_port(Some(here.port())).expect("a port");
        let shared = Arc::new(Shared {
            server,
            mode: watch::Sender::new(Mode::Serving),
            script: Mutex::default(),
            connections: Mutex::default(),
            wires: Mutex::default(),
            ended: CancellationToken::new(),
        });
        let (is_listening, listening) = watch::channel(true);
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            let ended = serving.ended.clone();
            tokio::select! {
                served = serve(&serving, listener, here, &is_listening) => served.expect("the proxy's port"),
                () = ended.cancelled() => {}
            }
        });
        Self { url, shared, listening }
    }

    /// The database's URL, through the proxy.
    pub(crate) fn url(&self) -> &str {
        self.url.as_str()
    }

    /// From now on this is asked at each message of the program, on every connection.
    pub(crate) fn script(&self, script: impl FnMut(&Message<'_>) -> Act + Send + 'static) {
        *self.shared.script.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(script));
    }

    /// Every message passes again.
    pub(crate) fn no_script(&self) {
        *self.shared.script.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Nothing passes any more: connections stay open, new ones are accepted and get no answer.
    pub(crate) fn freeze(&self) {
        self.shared.mode.send_replace(Mode::Frozen);
    }

    /// What was held passes, and all that follows.
    pub(crate) fn thaw(&self) {
        self.shared.mode.send_replace(Mode::Serving);
    }

    /// Whether it is frozen now: by [`freeze`](Self::freeze) or by its script.
    pub(crate) fn is_frozen(&self) -> bool {
        *self.shared.mode.borrow() == Mode::Frozen
    }

    /// Nothing passes any more on the connections that there are, and nobody is told: as where a machine in between has
    /// forgotten them. New ones are served.
    pub(crate) fn strand(&self) {
        let mut wires = self.shared.wires.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *wires).cancel();
    }

    /// Cuts all connections.
    pub(crate) fn cut(&self) {
        self.shared.cut();
    }

    /// Nobody listens on the port any more, and all connections are cut; until [`thaw`](Self::thaw).
    pub(crate) async fn refuse(&self) {
        self.shared.mode.send_replace(Mode::Refusing);
        self.listening.clone().wait_for(|listening| !listening).await.expect("the proxy serves");
        self.shared.cut();
    }

    /// What a restart of the server looks like from here: all connections cut, refused for a while, served again.
    pub(crate) async fn restart(&self, down: Duration) {
        self.refuse().await;
        tokio::time::sleep(down).await;
        self.thaw();
        self.listening.clone().wait_for(|listening| *listening).await.expect("the proxy serves");
    }
}

impl Drop for DbProxy {
    fn drop(&mut self) {
        self.shared.ended.cancel();
        self.shared.cut();
    }
}

impl Shared {
    fn cut(&self) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *connections).cancel();
    }

    fn act(&self, message: &Message<'_>) -> Act {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        script.as_mut().map_or(Act::Pass, |script| script(message))
    }

    async fn thawed(&self) {
        let mut mode = self.mode.subscribe();
        // The sender lives as long as `self`.
        let _ = mode.wait_for(|mode| *mode != Mode::Frozen).await;
    }
}

async fn serve(
    shared: &Arc<Shared>,
    mut listener: TcpListener,
    here: SocketAddr,
    is_listening: &watch::Sender<bool>,
) -> io::Result<()> {
    let mut mode = shared.mode.subscribe();
    loop {
        if *mode.borrow_and_update() == Mode::Refusing {
            drop(listener);
            // Bound and not listening: the port stays ours, and whoever connects is refused.
            let closed = TcpSocket::new_v4()?;
            closed.set_reuseaddr(true)?;
            closed.bind(here)?;
            is_listening.send_replace(false);
            let _ = mode.wait_for(|mode| *mode != Mode::Refusing).await;
            listener = closed.listen(1024)?;
            is_listening.send_replace(true);
        }
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                let shared = Arc::clone(shared);
                let cut = shared.connections.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let stranded = shared.wires.lock().unwrap_or_else(PoisonError::into_inner).clone();
                tokio::spawn(async move {
                    let mut carrying = std::pin::pin!(carry(&shared, client));
                    tokio::select! {
                        biased;
                        () = cut.cancelled() => {}
                        // Its sockets stay open.
                        () = stranded.cancelled() => cut.cancelled().await,
                        _ = &mut carrying => {}
                    }
                });
            }
            _ = mode.changed() => {}
        }
    }
}

/// Both ends of one connection.
struct Wire<'a> {
    shared: &'a Shared,
    from_program: Frames<OwnedReadHalf>,
    to_program: OwnedWriteHalf,
    from_server: Frames<OwnedReadHalf>,
    to_server: OwnedWriteHalf,
}

/// Carries one connection until an end closes it or the script cuts it: dropping both sockets is the cut.
async fn carry(shared: &Shared, program: TcpStream) -> io::Result<()> {
    // A server that is frozen accepts, as its kernel does, and says nothing.
    shared.thawed().await;
    let server = TcpStream::connect(shared.server).await?;
    program.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_program, to_program) = program.into_split();
    let (from_server, to_server) = server.into_split();
    let (from_program, from_server) = (Frames::new(from_program), Frames::new(from_server));
    let mut wire = Wire { shared, from_program, to_program, from_server, to_server };
    while let Some(message) = wire.from_program.start_up().await? {
        shared.thawed().await;
        match message {
            StartUp::Encryption => wire.to_program.write_all(b"N").await?,
            StartUp::Other(bytes) => {
                wire.to_server.write_all(&bytes).await?;
                return wire.carry().await;
            }
        }
    }
    Ok(())
}

impl Wire<'_> {
    async fn carry(mut self) -> io::Result<()> {
        let mut seen = Seen::default();
        loop {
            tokio::select! {
                message = self.from_program.message() => {
                    let Some(message) = message? else { return Ok(()) };
                    self.shared.thawed().await;
                    let act = seen.meet(&message, |message| self.shared.act(message));
                    if !self.pass(&message, act).await? {
                        return Ok(());
                    }
                }
                answer = self.from_server.messages() => {
                    let Some(answer) = answer? else { return Ok(()) };
                    self.shared.thawed().await;
                    self.to_program.write_all(&answer).await?;
                }
            }
        }
    }

    /// Passes a message on, or not; `false` when the connection is cut.
    async fn pass(&mut self, message: &[u8], act: Act) -> io::Result<bool> {
        let frozen = || self.shared.mode.send_replace(Mode::Frozen);
        match act {
            Act::Pass => self.to_server.write_all(message).await?,
            Act::Cut(At::Before) => return Ok(false),
            Act::Cut(At::In) => {
                self.to_server.write_all(message).await?;
                return Ok(false);
            }
            Act::Cut(At::After) => {
                self.to_server.write_all(message).await?;
                self.from_server.until_ready().await?;
                return Ok(false);
            }
            Act::Freeze(At::Before) => {
                frozen();
                self.shared.thawed().await;
                self.to_server.write_all(message).await?;
            }
            Act::Freeze(At::In) => {
                self.to_server.write_all(message).await?;
                frozen();
            }
            Act::Freeze(At::After) => {
                self.to_server.write_all(message).await?;
                let answer = self.from_server.until_ready().await?;
                frozen();
                self.shared.thawed().await;
                self.to_program.write_all(&answer).await?;
            }
        }
        Ok(true)
    }
}

/// What a connection has been told so far.
#[derive(Default)]
struct Seen {
    prepared: HashMap<Vec<u8>, Arc<str>>,
    transaction: Vec<Arc<str>>,
    last: Arc<str>,
}

impl Seen {
    /// Takes a message in, and asks what happens at it.
    fn meet(&mut self, message: &[u8], ask: impl FnOnce(&Message<'_>) -> Act) -> Act {
        let kind = char::from(message[0]);
        let (first, second) = frames::texts(message);
        let executed = match kind {
            'Q' => Some(Arc::from(String::from_utf8_lossy(first))),
            'P' => {
                self.last = Arc::from(String::from_utf8_lossy(second));
                self.prepared.insert(first.to_vec(), Arc::clone(&self.last));
                None
            }
            'B' => self.prepared.get(second).cloned(),
            _ => None,
        };
        if let Some(sql) = &executed {
            self.last = Arc::clone(sql);
            if sql.starts_with("BEGIN") {
                self.transaction.clear();
            }
        }
        let act = ask(&Message { kind, sql: &self.last, before: &self.transaction });
        self.transaction.extend(executed);
        act
    }
}
