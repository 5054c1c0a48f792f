//! Everything works through a pooler in transaction mode: no statement relies on what an earlier transaction left in its
//! connection. Only migrations want a direct connection.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use fuelsync::{
    sync::{
        backfill::{self, Stretch},
        summary::Outcome,
    },
    warehouse::Warehouse,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, Uid},
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::support::fleet::{Fleet, start};

/// Connections that the pooler has to the database: far fewer than the processes have to it.
const SHARED: u32 = 3;

/// A `PgBouncer` in transaction mode; ends with the test, and by itself after some minutes if the test is killed.
struct Pooler {
    child: Child,
    url: String,
    _dir: TempDir,
}

impl Pooler {
    /// In front of the server of this URL.
    async fn start(server: &str) -> Self {
        let server: Url = server.parse().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let dir = tempfile::tempdir().unwrap();
        let (settings, users) = (dir.path().join("pgbouncer.ini"), dir.path().join("users.txt"));
        let text = format!(
            "[databases]\n* = host={} port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = transaction\ndefault_pool_size = {SHARED}\n\
             max_client_conn = 200\n",
            server.host_str().unwrap(),
            server.port().unwrap_or(5432),
            users.display()
        );
        std::fs::write(&settings, text).unwrap();
        let password = server.password().unwrap_or_default();
        std::fs::write(&users, format!("\"{}\" \"{password}\"\n", server.username())).unwrap();
        let child = pgbouncer(&settings).spawn().expect("a program of this machine");
        let mut url = server;
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(port)).unwrap();
        let mut this = Self { child, url: url.into(), _dir: dir };
        for _ in 0..100 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return this;
            }
            assert!(this.child.try_wait().unwrap().is_none(), "pgbouncer ended at once");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("pgbouncer does not serve {}", this.url);
    }
}

/// The program: it refuses to be root, so root starts it as who owns nothing.
fn pgbouncer(settings: &Path) -> Command {
    let dirs = ["/usr/sbin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"];
    let Some(program) = dirs.iter().map(|dir| Path::new(dir).join("pgbouncer")).find(|path| path.is_file()) else {
        panic!(
            "this test needs PgBouncer and there is none in {dirs:?}: install it (`apt-get install pgbouncer`, \
             `dnf install pgbouncer`, `brew install pgbouncer`)"
        );
    };
    let mut command = Command::new("timeout");
    command.arg("300").arg(program).arg("--quiet");
    if Uid::effective().is_root() {
        // It reads its files before it changes to that account.
        command.args(["--user", "nobody"]);
    }
    command.arg(settings).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // `timeout` hands it on.
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_and_a_backfill_share_a_pooler_in_transaction_mode() {
    let mut fleet = Fleet::new(2_000, |_| {}).await;
    let pooler = Pooler::start(fleet.database.url()).await;
    fleet.config.database.statement_cache = 0;
    let process = async |fleet: &mut Fleet| {
        // Each with connections of its own to the pooler.
        fleet.warehouse = Warehouse::new(&fleet.config.database, &pooler.url.as_str().into()).unwrap();
        fleet.warehouse.require_current().await.unwrap();
        fleet.process()
    };
    let (one, two, three) = (process(&mut fleet).await, process(&mut fleet).await, process(&mut fleet).await);
    let go = CancellationToken::new();
    let stretch = Stretch { from: start(), to: None, again: false, workers: 4 };
    let (one, two, three) = tokio::join!(one.pass(&go), two.pass(&go), backfill::run(&three, stretch, &go));
    let mut inserted = 0;
    for summary in [&one, &two, &three] {
        assert_eq!(summary.outcome, Outcome::Ok, "{summary:#?}");
        inserted += summary.totals().1.inserted;
    }
    fleet.is_the_truth().await;
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM fuel.transaction").fetch_one(&fleet.pool).await.unwrap();
    assert_eq!(inserted, u64::try_from(rows).unwrap(), "each row is written by one of them");

    fleet.clock.advance(Duration::from_hours(24));
    let later = fleet.pass().await;
    let (_, counts) = later.totals();
    assert_eq!(later.outcome, Outcome::Ok, "{later:#?}");
    assert!(counts.inserted > 0 && counts.updated > 0, "{later:#?}");
    fleet.is_the_truth().await;

    let shared: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'fuelsync'",
    )
    .fetch_one(&fleet.pool)
    .await
    .unwrap();
    assert!((1..=i64::from(SHARED)).contains(&shared), "{shared} connections: they came through the pooler");
}
