//! The database is held up.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use fuelsync::{
    clock::Clock as _,
    domain::{Partition, SourceKind, StreamId, Window},
    embedded::{Embedded, EmbeddedOptions},
    sync::{
        plan::Read,
        window::{Hold, Windows, read_window},
    },
    warehouse::{
        Warehouse,
        lease::{Lease, Taken},
    },
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use secrecy::ExposeSecret as _;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio_util::sync::CancellationToken;

use super::{Case, SECOND, WINDOW, Yard, vendor::Blackhole};
use crate::support::dbproxy::{Act, At, DbProxy, Message};

/// A wire to the yard's database, and the way over it, with a connection that is open.
async fn wire(yard: &Yard, statement: Duration) -> (DbProxy, Warehouse) {
    let proxy = DbProxy::new(yard.fleet.database.url()).await;
    let mut config = yard.config.clone();
    config.database.statement_timeout = statement;
    let warehouse = Yard::warehouse(&config, proxy.url());
    warehouse.streams().await.expect("the database answers");
    (proxy, warehouse)
}

pub(super) async fn cases(yard: &Yard) -> Vec<Case> {
    let mut cases = vec![nobody_accepts(yard).await, nobody_answers(yard).await];
    let (proxy, warehouse) = wire(yard, SECOND).await;
    proxy.freeze();
    cases.push(Case::new("a connection of the pool", SECOND, proxy, async move { warehouse.streams().await }));
    let begin = |message: &Message<'_>| message.sql.starts_with("BEGIN");
    let statement = |message: &Message<'_>| message.kind == 'B' && message.sql.contains("fuel.checkpoint");
    cases.push(frozen(yard, "BEGIN", At::In, begin).await);
    cases.push(frozen(yard, "a statement, before it", At::Before, statement).await);
    cases.push(frozen(yard, "a statement, in it", At::In, statement).await);
    for at in [At::Before, At::In, At::After] {
        cases.push(frozen(yard, &format!("COMMIT, {at:?}"), at, |message: &Message<'_>| message.is_commit()).await);
    }
    cases.push(exhausted(yard).await);
    cases.push(locked(yard, "a table locked", "LOCK TABLE fuel.checkpoint IN ACCESS EXCLUSIVE MODE").await);
    let row = "SELECT FROM fuel.checkpoint WHERE account = 'row' FOR UPDATE";
    cases.push(locked(yard, "a row locked", row).await);
    let lines = |message: &Message<'_>| {
        message.kind == 'd' || (message.kind == 'B' && message.sql.contains("INSERT INTO fuel.transaction ("))
    };
    let writing = |message: &Message<'_>| message.sql.contains("announce_writer");
    cases.push(window(yard, "w1", "a window's BEGIN to write", At::In, writing).await);
    cases.push(window(yard, "w2", "its lines, before them", At::Before, lines).await);
    cases.push(window(yard, "w3", "its lines, in them", At::In, lines).await);
    for (account, at) in [("w4", At::Before), ("w5", At::In), ("w6", At::After)] {
        cases.push(
            window(yard, account, &format!("a window's COMMIT, {at:?}"), at, |message: &Message<'_>| {
                message.commits_sales()
            })
            .await,
        );
    }
    cases
}

async fn nobody_accepts(yard: &Yard) -> Case {
    let hole = Blackhole::new().await;
    let mut url: url::Url = yard.fleet.database.url().parse().expect("a URL");
    url.set_port(Some(hole.port())).expect("a port");
    let warehouse = Yard::warehouse(&yard.config, url.as_str());
    Case::new("connecting, nobody accepts", SECOND, hole, async move { warehouse.streams().await })
}

async fn nobody_answers(yard: &Yard) -> Case {
    let proxy = DbProxy::new(yard.fleet.database.url()).await;
    proxy.freeze();
    let warehouse = Yard::warehouse(&yard.config, proxy.url());
    Case::new("connecting, nobody answers", SECOND, proxy, async move { warehouse.streams().await })
}

/// A short transaction, frozen at its first message of some kind.
async fn frozen(yard: &Yard, name: &str, at: At, is: impl Fn(&Message<'_>) -> bool + Send + 'static) -> Case {
    let (proxy, warehouse) = wire(yard, SECOND).await;
    proxy.script(move |message| if is(message) { Act::Freeze(at) } else { Act::Pass });
    Case::new(name, SECOND, proxy, async move { warehouse.streams().await })
}

/// The only connection is held by a transaction that waits longer.
async fn exhausted(yard: &Yard) -> Case {
    let proxy = DbProxy::new(yard.fleet.database.url()).await;
    let mut config = yard.config.clone();
    config.database.max_connections = 1;
    config.database.statement_timeout = Duration::from_mins(1);
    let warehouse = Yard::warehouse(&config, proxy.url());
    proxy.script(|message| if message.is_commit() { Act::Freeze(At::In) } else { Act::Pass });
    let first = warehouse.clone();
    let holding = tokio::spawn(async move { first.streams().await });
    while !proxy.is_frozen() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let aborted = tokio_util::task::AbortOnDropHandle::new(holding);
    Case::new("the pool exhausted", SECOND, (proxy, aborted), async move { warehouse.streams().await })
}

/// Another session holds a lock.
async fn locked(yard: &Yard, name: &str, lock: &'static str) -> Case {
    let mut config = yard.config.clone();
    config.database.statement_timeout = Duration::from_mins(1);
    // A database of its own: the lock must not hold up the others.
    let database = crate::support::TestDatabase::new().await;
    let warehouse = Yard::warehouse(&config, database.url());
    warehouse.migrate().await.expect("the migrations");
    let stream = StreamId::new(SourceKind::AlexelaEv, "row", Partition::whole());
    let lease = lease(&warehouse, &stream).await;
    let mut session = database.connect().await;
    sqlx::raw_sql(AssertSqlSafe(format!("BEGIN; {lock}"))).execute(&mut session).await.expect("the lock");
    yard.databases.borrow_mut().push(database);
    Case::new(
        name,
        SECOND,
        session,
        async move { warehouse.renew_lease(&stream, &lease, Duration::from_mins(1)).await },
    )
}

async fn lease(warehouse: &Warehouse, stream: &StreamId) -> Lease {
    match warehouse.take_lease(stream, "hang", Duration::from_mins(5)).await.expect("the lease") {
        Taken::Ours { lease, .. } => lease,
        Taken::Held { .. } => unreachable!("nobody else is here"),
    }
}

/// The writing of a window, frozen at its first message of some kind.
async fn window(
    yard: &Yard,
    account: &str,
    name: &str,
    at: At,
    is: impl Fn(&Message<'_>) -> bool + Send + 'static,
) -> Case {
    let (proxy, warehouse) = wire(yard, SECOND).await;
    proxy.script(move |message| if is(message) { Act::Freeze(at) } else { Act::Pass });
    Case::new(name, WINDOW, proxy, read(yard, yard.config.clone(), warehouse, account, SourceKind::AlexelaEv).await)
}

/// Reads and writes a window of the account.
pub(super) async fn read(
    yard: &Yard,
    mut config: fuelsync::config::Config,
    warehouse: Warehouse,
    account: &str,
    kind: SourceKind,
) -> impl Future<Output = Result<(), fuelsync::sync::window::WindowError>> + 'static {
    account.clone_into(&mut config.alexela[0].name);
    account.clone_into(&mut config.hecone[0].name);
    let settings = Arc::new(config.sync.clone());
    let passes = yard.process(config, warehouse.clone(), kind);
    let stream = StreamId::new(kind, account, Partition::whole());
    let lease = lease(&warehouse, &stream).await;
    let asked_at = warehouse.check_lease(&stream, &lease).await.expect("the lease is ours");
    let end = yard.fleet.clock.now() - TimeDelta::days(2);
    let stretch = Window::new(end - TimeDelta::days(7), end).expect("a week");
    async move {
        let (source, stop) = (passes.accounts[0].source.as_ref(), CancellationToken::new());
        let with = Windows {
            warehouse: &warehouse,
            source,
            settings: &settings,
            forgotten: &passes.forgotten,
            stream: &stream,
            recognize: true,
            stop: &stop,
        };
        let read = Read { window: stretch, stretch, moves_watermark: false, was_read: false };
        read_window(&with, &read, Hold::Lease { lease: &lease, turn: None }, asked_at).await.map(drop)
    }
}

/// A server of its own, whose processes are stopped.
pub(super) struct Stopped {
    server: Embedded,
}

/// A process that is stopped; goes on when dropped, so that the server can end.
struct Halted(Pid);

impl Halted {
    fn new(pid: i32) -> Self {
        let pid = Pid::from_raw(pid);
        kill(pid, Signal::SIGSTOP).expect("a process of our own server");
        Self(pid)
    }
}

impl Drop for Halted {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGCONT);
    }
}

impl Stopped {
    pub(super) async fn new() -> Self {
        let server = Embedded::start(EmbeddedOptions::default()).await.expect("a server of our own");
        let this = Self { server };
        Warehouse::new(&this.settings(), &this.server.url()).expect("its URL").migrate().await.expect("migrations");
        this
    }

    fn settings(&self) -> fuelsync::config::Database {
        let text = format!("[database]\nurl = \"{}\"\n", self.server.url().expose_secret());
        let config = fuelsync::config::Config::from_text("stopped.toml", &text, std::iter::empty());
        config.expect("a configuration").database
    }

    /// A way to it whose backend is at hand.
    async fn way(&self, yard: &Yard, name: &str) -> (Warehouse, i32) {
        let url = format!("{}?application_name={name}", self.server.url().expose_secret());
        let mut config = yard.config.clone();
        config.database.max_connections = 1;
        let warehouse = Yard::warehouse(&config, &url);
        warehouse.streams().await.expect("it answers");
        let mut asking = PgConnection::connect(self.server.url().expose_secret()).await.expect("a connection");
        // The program names its connections itself; the last one begun is this one's.
        let pid = sqlx::query_scalar(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'fuelsync' ORDER BY backend_start DESC LIMIT 1",
        );
        (warehouse, pid.fetch_one(&mut asking).await.expect("its backend"))
    }

    pub(super) async fn cases(&self, yard: &Yard) -> Vec<Case> {
        let (idle, idle_pid) = self.way(yard, "idle").await;
        let (locking, locking_pid) = self.way(yard, "locking").await;
        let mut session = PgConnection::connect(self.server.url().expose_secret()).await.expect("a connection");
        sqlx::raw_sql("BEGIN; LOCK TABLE fuel.checkpoint").execute(&mut session).await.expect("the lock");
        let mut config = yard.config.clone();
        config.database.connect_timeout = SECOND;
        let new = Yard::warehouse(&config, self.server.url().expose_secret());
        let stopping = async move {
            // Once it waits for the lock.
            tokio::time::sleep(Duration::from_millis(300)).await;
            Halted::new(locking_pid)
        };
        vec![
            Case::new(
                "a backend stopped while idle",
                SECOND,
                Halted::new(idle_pid),
                async move { idle.streams().await },
            ),
            Case::new("a backend stopped in a statement", SECOND, session, async move {
                let (ended, halted) = tokio::join!(locking.streams(), stopping);
                drop(halted);
                ended
            }),
            Case::new("the server stopped", SECOND, Halted::new(self.postmaster()), async move { new.streams().await }),
        ]
    }

    fn postmaster(&self) -> i32 {
        let file = self.server.home().join("server/data/postmaster.pid");
        let text = std::fs::read_to_string(file).expect("the server's process");
        text.lines().next().and_then(|line| line.trim().parse().ok()).expect("its number")
    }
}
