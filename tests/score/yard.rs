//! What the figures stand on that run the real binary: both vendors' servers in this process, databases, and processes
//! that are killed, frozen and stopped.

use std::{process::Stdio, sync::Arc, time::Duration};

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use fuelsync::{
    clock::{Clock, SystemClock},
    failpoint::planted_now,
    sandbox::{self, Sandbox, WorldOptions, truth::Scope},
    warehouse::Warehouse,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sqlx::{AssertSqlSafe, PgPool};
use tempfile::TempDir;
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, ChildStderr, Command},
    task::JoinHandle,
};

use crate::support::{TestDatabase, fleet};

/// A process that has not ended by then hangs.
pub(crate) const LONGEST: Duration = Duration::from_secs(30);

/// What is kept of a process's standard error.
const KEPT: usize = 16 * 1024;

/// Both vendors with sales of the last days, and what was sold is known.
pub(crate) struct Yard {
    pub(crate) sandbox: Sandbox,
    pub(crate) start: DateTime<Utc>,
    /// The moment at which the world stands still.
    pub(crate) as_of: DateTime<Utc>,
}

/// A database with the tables of this version.
pub(crate) struct Store {
    database: TestDatabase,
    pub(crate) pool: PgPool,
}

/// A process of the real binary, in a folder of its own.
pub(crate) struct Process {
    child: Child,
    said: JoinHandle<Vec<u8>>,
    _folder: TempDir,
}

/// How a process ended.
pub(crate) struct Ended {
    /// None when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let said: Vec<_> = self.stderr.lines().rev().take(3).collect();
        match self.code {
            Some(code) => write!(f, "with {code}: {said:?}"),
            None => write!(f, "by a signal: {said:?}"),
        }
    }
}

impl Yard {
    /// Twelve days of sales up to last midnight, standing still, so that every read of it is the same; `changed` may
    /// say otherwise.
    pub(crate) async fn new(sales: u64, seed: u64, changed: impl FnOnce(&mut sandbox::Options)) -> Self {
        let midnight = SystemClock.now().date_naive().and_time(NaiveTime::MIN).and_utc();
        let start = midnight - TimeDelta::days(12);
        let world =
            WorldOptions { seed, sales, from: start, to: midnight, as_of: Some(midnight), ..WorldOptions::default() };
        let mut options = sandbox::Options { world, clock: Arc::new(SystemClock), ..sandbox::Options::default() };
        changed(&mut options);
        let as_of = options.world.as_of.unwrap_or(midnight);
        Self { sandbox: sandbox::start(options).await.expect("a sandbox"), start, as_of }
    }

    /// A configuration for a store, with more under `[sync]`.
    pub(crate) fn config(&self, store: &Store, sync: &str) -> String {
        let text = sandbox::configuration(&self.sandbox, store.database.url(), self.start);
        text.replace("migrate = true", "migrate = false")
            .replace("[server]\n", &format!("[sync]\n{sync}\n\n[server]\n"))
    }

    /// What of a store is not the truth about this world.
    pub(crate) async fn untrue(&self, store: &Store) -> Option<String> {
        fleet::untrue(&store.pool, self.sandbox.world(), self.as_of, &Scope::from(self.start)).await
    }
}

impl Store {
    /// A new one.
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::new().await;
        let settings = fuelsync::config::Config::from_text(
            "score.toml",
            "[database]\nurl = \"postgres://x\"\n",
            std::iter::empty(),
        )
        .expect("a configuration")
        .database;
        let warehouse = Warehouse::new(&settings, &database.url().into()).expect("a warehouse");
        warehouse.migrate().await.expect("migrations");
        warehouse.close().await;
        Self { pool: database.pool().await, database }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        self.database.url()
    }

    /// As it was when it was new.
    pub(crate) async fn empty(&self) {
        self.execute(
            "TRUNCATE fuel.transaction, fuel.record, fuel.transaction_version, fuel.checkpoint, fuel.sync_window, fuel.sync_run, \
             fuel.quarantine, fuel.gap",
        )
        .await;
    }

    /// Lets every lease and claim expire, as waiting would: once the server has noticed that their process is gone, or
    /// what it sent last might still be carried out afterwards.
    pub(crate) async fn expire(&self) {
        let there = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'fuelsync'";
        for _ in 0..500 {
            if self.number(there).await == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.execute("UPDATE fuel.checkpoint SET lease_expires_at = clock_timestamp() WHERE lease_owner IS NOT NULL")
            .await;
        self.execute("UPDATE fuel.sync_window SET claim_expires_at = clock_timestamp() WHERE claim_owner IS NOT NULL")
            .await;
    }

    /// Makes every window due, as waiting would.
    pub(crate) async fn age(&self) {
        self.execute("UPDATE fuel.sync_window SET full_read_at = full_read_at - interval '2 hours'").await;
    }

    pub(crate) async fn execute(&self, sql: &str) {
        sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&self.pool).await.expect("a statement");
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&self.pool).await.expect("a number")
    }

    /// A checksum over every row of what must not depend on how often a run was ended: all columns of the sales but the
    /// times of writing and `seq`, records, versions, quarantine, and the windows that were read.
    /// `as_of` is where the world stands still: the windows behind it depend on when a run looked.
    pub(crate) async fn checksum(&self, as_of: DateTime<Utc>) -> String {
        sqlx::query_scalar(CHECKSUM).bind(as_of).fetch_one(&self.pool).await.expect("a checksum")
    }
}

const CHECKSUM: &str = "\
SELECT md5(concat_ws('/', \
  (SELECT string_agg(concat(to_jsonb(t) - '{seq,first_seen_at,changed_at,missing_since,absent_reads}'::text[], missing_since IS NOT NULL), ',' \
     ORDER BY source, account, source_transaction_id, line_id) FROM fuel.transaction t), \
  (SELECT string_agg(concat_ws('|', source, account, source_transaction_id, line_id, raw::text, normalizer), ',' \
     ORDER BY source, account, source_transaction_id, line_id) FROM fuel.record), \
  (SELECT string_agg(concat_ws('|', source, account, source_transaction_id, line_id, version, operation, changed_columns, \
     row_before - '{seq,first_seen_at,changed_at,missing_since,absent_reads}'::text[]), ',' \
     ORDER BY source, account, source_transaction_id, line_id, version) FROM fuel.transaction_version), \
  (SELECT string_agg(concat_ws('|', source, partition, source_transaction_id, record::text, field, resolved_at IS NULL), ',' \
     ORDER BY source, partition, fingerprint) FROM fuel.quarantine), \
  (SELECT string_agg(concat_ws('|', source, partition, window_start, window_end), ',' ORDER BY source, partition, window_start) \
     FROM fuel.sync_window WHERE read_through IS NOT NULL AND window_start < $1), \
  (SELECT count(*) FROM fuel.checkpoint WHERE watermark IS NOT NULL), (SELECT count(*) FROM fuel.gap)))";

impl Process {
    /// `fuelsync ARGS…` with a configuration, more variables, and the bug that this figure has planted.
    pub(crate) fn start(args: &[&str], config: &str, variables: &[(&str, String)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("fuelsync.toml"), config).expect("a configuration file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_fuelsync"));
        command
            .args(args)
            .env_clear()
            .envs(["PATH", "TZ"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .envs(planted_now().map(|bug| ("FUELSYNC_PLANT", bug)))
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().expect("the binary");
        let said = tokio::spawn(listen(child.stderr.take().expect("piped")));
        Self { child, said, _folder: folder }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().map_or(0, u32::cast_signed)
    }

    /// Sends a signal, if it still runs.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.pid() > 0 {
            let _ = kill(Pid::from_raw(self.pid()), signal);
        }
    }

    /// Waits until it listens to SIGTERM: what a signal does to a program that has not begun is the system's affair.
    pub(crate) async fn listens(&mut self) {
        for _ in 0..3_000 {
            let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
            let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
            if caught & (1 << (Signal::SIGTERM as u32 - 1)) != 0 || self.has_ended() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits for its end.
    pub(crate) async fn end(mut self) -> Ended {
        let status = tokio::time::timeout(LONGEST, self.child.wait()).await;
        if status.is_err() {
            // What hangs is a fault; it must not also stay.
            self.signal(Signal::SIGKILL);
        }
        let code = status.as_ref().map_or(Some(-1), |status| status.as_ref().expect("a child").code());
        let said = self.said.await.unwrap_or_default();
        let stderr = String::from_utf8_lossy(&said).into_owned();
        Ended { code, stderr: if status.is_err() { format!("{stderr}\nIT HUNG") } else { stderr } }
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }
}

/// Reads what a process writes to standard error, to its end, and keeps the last of it.
async fn listen(mut stderr: ChildStderr) -> Vec<u8> {
    let (mut said, mut buffer) = (Vec::new(), vec![0; 8 * 1024]);
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        said.extend_from_slice(&buffer[..read]);
        if said.len() > 2 * KEPT {
            said.drain(..said.len() - KEPT);
        }
    }
    said
}
