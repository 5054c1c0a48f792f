//! A vendor is held up.

use std::{net::SocketAddr, time::Duration};

use fuelsync::{
    config::Config,
    domain::SourceKind,
    sandbox::{
        self,
        faults::{Fault, Faults, Script},
    },
    sync::pass::Passes,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
};
use tokio_util::task::AbortOnDropHandle;

use super::{Case, PASS, SECOND, WINDOW, Yard, database};

/// A port that is open and on which nobody accepts: whoever connects waits.
pub(super) struct Blackhole {
    listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Blackhole {
    /// Fills the queue of those who wait to be accepted.
    pub(super) async fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
        let listener = socket.listen(1).expect("a queue");
        let here = listener.local_addr().expect("its address");
        let mut waiting = Vec::new();
        while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(here)).await {
            waiting.push(stream);
        }
        Self { listener, _waiting: waiting }
    }

    pub(super) fn port(&self) -> u16 {
        self.listener.local_addr().expect("its address").port()
    }
}

/// How far a server gets.
#[derive(Debug, Clone, Copy)]
pub(super) enum Manner {
    /// It reads the request and says nothing.
    Silent,
    /// Its headers come a byte at a time, without end.
    DripsHeaders,
    /// Its headers come at once, its body a byte at a time, without end.
    DripsBody,
}

/// A vendor's server that drips.
pub(super) struct Dripping {
    pub(super) url: String,
    _serving: AbortOnDropHandle<()>,
}

impl Dripping {
    pub(super) async fn new(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/api/v1", listener.local_addr().expect("its address"));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(drip(stream, manner));
            }
        });
        Self { url, _serving: AbortOnDropHandle::new(serving) }
    }
}

/// Ends when the program hangs up.
async fn drip(mut stream: TcpStream, manner: Manner) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await;
    let (head, drop): (&[u8], &[u8]) = match manner {
        Manner::Silent => (b"", b""),
        Manner::DripsHeaders => (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
        Manner::DripsBody => {
            (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n[", b" ")
        }
    };
    let mut alive = stream.write_all(head).await.is_ok();
    while alive {
        tokio::time::sleep(Duration::from_millis(100)).await;
        alive = match drop {
            [] => !matches!(tokio::time::timeout(Duration::ZERO, stream.read(&mut request)).await, Ok(Ok(0) | Err(_))),
            drop => stream.write_all(drop).await.is_ok(),
        };
    }
}

/// The yard's configuration with both vendors elsewhere.
pub(super) fn at(yard: &Yard, url: &str) -> Config {
    let mut config = yard.config.clone();
    let url: url::Url = url.parse().expect("a URL");
    config.alexela[0].base_url = url.clone();
    config.hecone[0].base_url = url;
    config
}

fn process(yard: &Yard, config: &Config, kind: SourceKind) -> Passes {
    yard.process(config.clone(), yard.fleet.warehouse.clone(), kind)
}

pub(super) async fn cases(yard: &Yard) -> Vec<Case> {
    let mut cases = Vec::new();
    let hole = Blackhole::new().await;
    let mut config = at(yard, &format!("http://127.0.0.1:{}/api/v1", hole.port()));
    config.http.request_timeout = Duration::from_mins(1);
    let passes = process(yard, &config, SourceKind::AlexelaCard);
    cases.push(Case::new("a vendor who does not accept", SECOND, hole, async move {
        passes.accounts[0].source.partitions(SourceKind::AlexelaCard).await
    }));
    for manner in [Manner::Silent, Manner::DripsHeaders, Manner::DripsBody] {
        for kind in [SourceKind::AlexelaCard, SourceKind::HecOne] {
            let server = Dripping::new(manner).await;
            let passes = process(yard, &at(yard, &server.url), kind);
            let name = format!("{kind}, one request: {manner:?}");
            cases.push(Case::new(name, SECOND, server, async move { passes.accounts[0].source.settle_clock().await }));
        }
        // As often as it likes to ask again, a window ends in time.
        let server = Dripping::new(manner).await;
        let mut config = at(yard, &server.url);
        config.http.max_retries = 100;
        let (warehouse, name) = (yard.fleet.warehouse.clone(), format!("window-{manner:?}"));
        let reading = database::read(yard, config, warehouse, &name, SourceKind::AlexelaEv).await;
        cases.push(Case::new(format!("a window with retries: {manner:?}"), WINDOW, server, reading));
        // So does a pass, which asks for the time first.
        let server = Dripping::new(manner).await;
        let mut config = at(yard, &server.url);
        config.http.max_retries = 100;
        config.hecone[0].name = format!("pass-{manner:?}");
        let passes = process(yard, &config, SourceKind::HecOne);
        cases.push(Case::new(format!("a pass with retries: {manner:?}"), PASS, server, async move {
            super::pass::of(&passes, SourceKind::HecOne).await
        }));
    }
    cases.push(
        paging(yard, "between pages, each of them in time", |faults| {
            let fault = Fault::Latency(Duration::from_millis(400));
            faults.script(Script { path: "transactions".to_owned(), after: 0, times: u64::MAX, fault });
        })
        .await,
    );
    cases.push(paging(yard, "told to come back later", |faults| faults.status("", u64::MAX, 429, Some("20"))).await);
    cases
}

/// A window of many pages, from a vendor of its own.
async fn paging(yard: &Yard, name: &str, faulty: impl FnOnce(&Faults)) -> Case {
    let mut options = yard.fleet.sandbox.options().clone();
    options.hecone.max_limit = 1;
    options.listen = ([127, 0, 0, 1], 0).into();
    let sandbox = sandbox::start(options).await.expect("a sandbox");
    faulty(sandbox.faults());
    let mut config = yard.config.clone();
    config.hecone[0].base_url = sandbox.hecone_url().parse().expect("a URL");
    config.http.max_retries = 100;
    let account = name.replace(' ', "-");
    let reading = database::read(yard, config, yard.fleet.warehouse.clone(), &account, SourceKind::HecOne).await;
    Case::new(name, WINDOW, sandbox, reading)
}
