//! A private `PostgreSQL` server: for `demo`, and for the tests.
//!
//! `postgresql_embedded` makes the cluster, starts and stops it. What it does not do is here: the programs are looked
//! for on the machine first (`find`); started as root, the server runs as an unprivileged account (`account`,
//! `programs`); a folder that is kept is locked, and what a killed server left in it is settled (`home`, `stale`);
//! and the server ends with this process, even with one that is killed (`watchdog`).
//!
//! It listens on 127.0.0.1 only, on a free port, with a random password, and on no Unix socket: a socket's path may not
//! be longer than about a hundred bytes, and the folder's may.

mod account;
mod download;
mod error;
mod find;
mod home;
mod programs;
mod stale;
#[cfg(test)]
mod tests;
mod watchdog;

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use postgresql_embedded::{PostgreSQL, Settings, VersionReq};
use secrecy::SecretString;

pub use error::EmbeddedError;

use account::Account;
use find::Installation;
use home::Home;
use programs::Programs;
use watchdog::Watchdog;

/// The database that [`Embedded::url`] names.
const DATABASE: &str = "fuelsync";
/// The cluster's superuser, also where no such account is on the machine.
const USER: &str = "postgres";
/// For one of its programs; `initdb` takes a second on a quiet machine.
const COMMAND_TIMEOUT: Duration = Duration::from_mins(3);
/// A port that is free when it is looked for may be taken when the server asks for it.
const PORT_ATTEMPTS: u32 = 5;

/// What kind of private server.
#[derive(Debug, Clone, Default)]
pub struct EmbeddedOptions {
    /// Where it lives and stays; a temporary folder that goes away with it when none is given.
    pub data_dir: Option<PathBuf>,
    /// Whether a commit waits for the disk. Tests do not need that; `demo` shows it.
    pub durable: bool,
}

/// A running private server. It stops with [`Embedded::stop`], when this is dropped, or when the process dies.
pub struct Embedded {
    // In the order in which they go away.
    server: Option<PostgreSQL>,
    watchdog: Option<Watchdog>,
    home: Home,
    port: u16,
    password: String,
}

impl Embedded {
    /// Makes the cluster where there is none yet, and starts the server.
    pub async fn start(options: EmbeddedOptions) -> Result<Self, EmbeddedError> {
        let home = Home::open(options.data_dir.as_deref())?;
        let installation = choose(&home).await?;
        let account = Account::needed()?;
        tracing::debug!(
            bin = %installation.bin.display(), major = installation.major,
            account = account.as_ref().map_or("-", |account| account.name.as_str()), "private server"
        );
        stale::settle(home.path(), &home.data()).await?;
        home.prepare(account.as_ref())?;
        let files = home.files();
        Programs { bin: &installation.bin, files: &files, account: account.as_ref(), durable: options.durable }
            .write(&programs::installation(home.path()))?;

        let watchdog = Some(Watchdog::start(&home.data(), home.temporary())?);
        let password = home.password()?;
        let mut this = Self { server: None, watchdog, home, port: 0, password };
        this.make(account.as_ref(), options.durable).await?;
        this.serve(options.durable).await?;
        this.create_database().await?;
        Ok(this)
    }

    /// The connection URL of the database that the program uses.
    pub fn url(&self) -> SecretString {
        self.text_url().into()
    }

    /// What a person types to look into the database. Holds the private server's password; the database is this
    /// machine's alone and was made with it.
    pub fn psql_line(&self) -> String {
        format!("psql '{}'", self.text_url())
    }

    /// Where its files are.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The port on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Stops the server; a temporary one leaves nothing behind.
    pub async fn stop(mut self) -> Result<(), EmbeddedError> {
        if let Some(server) = self.server.take() {
            server.stop().await.map_err(|error| EmbeddedError::Stop(error.to_string()))?;
        }
        Ok(())
    }

    fn text_url(&self) -> String {
        format!("postgres://{USER}:{}@127.0.0.1:{}/{DATABASE}", self.password, self.port)
    }

    /// `initdb`, and who may connect.
    async fn make(&self, account: Option<&Account>, durable: bool) -> Result<(), EmbeddedError> {
        if self.home.major().is_some() {
            return Ok(());
        }
        let pwfile = self.pwfile();
        home::write_private(&pwfile, &self.password, account)?;
        let made = PostgreSQL::new(self.settings(0, durable)).setup().await;
        let removed = std::fs::remove_file(&pwfile);
        made.map_err(|error| EmbeddedError::Initialize(self.explain(&error.to_string())))?;
        removed.map_err(EmbeddedError::file("remove", pwfile))?;
        let hba = self.home.data().join("pg_hba.conf");
        std::fs::write(&hba, "host all all 127.0.0.1/32 scram-sha-256\n").map_err(EmbeddedError::file("write", hba))?;
        self.home.finish()
    }

    /// Starts the server on a free port.
    async fn serve(&mut self, durable: bool) -> Result<(), EmbeddedError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            self.port = free_port()?;
            let mut server = PostgreSQL::new(self.settings(self.port, durable));
            let started = server.start().await;
            // Kept even when it failed: it may run half-way, and its drop stops it.
            self.server = Some(server);
            let Err(error) = started else { return Ok(()) };
            let log = self.log_end();
            let taken = log.contains("Address already in use");
            if !taken || attempt >= PORT_ATTEMPTS {
                return Err(EmbeddedError::Start { said: self.explain(&error.to_string()), log });
            }
        }
    }

    async fn create_database(&self) -> Result<(), EmbeddedError> {
        let Some(server) = &self.server else { return Ok(()) };
        let create = async {
            if server.database_exists(DATABASE).await? { Ok(()) } else { server.create_database(DATABASE).await }
        };
        create.await.map_err(|error: postgresql_embedded::Error| EmbeddedError::Start {
            said: error.to_string(),
            log: self.log_end(),
        })
    }

    fn pwfile(&self) -> PathBuf {
        self.home.files().join("pwfile")
    }

    /// All fields by hand: `Settings::new` leaves two temporary folders behind.
    fn settings(&self, port: u16, durable: bool) -> Settings {
        let switch = |on: bool| if on { "on" } else { "off" }.to_owned();
        // The crate gives `-F` (no fsync) always; a later setting wins.
        let configuration = HashMap::from([
            ("fsync".to_owned(), switch(durable)),
            ("synchronous_commit".to_owned(), switch(durable)),
            ("full_page_writes".to_owned(), switch(durable)),
            ("listen_addresses".to_owned(), "127.0.0.1".to_owned()),
            ("unix_socket_directories".to_owned(), String::new()),
            ("max_connections".to_owned(), "200".to_owned()),
            ("timezone".to_owned(), "UTC".to_owned()),
            ("log_timezone".to_owned(), "UTC".to_owned()),
        ]);
        Settings {
            releases_url: download::RELEASES.to_owned(),
            version: VersionReq::STAR,
            installation_dir: programs::installation(self.home.path()),
            password_file: self.pwfile(),
            data_dir: self.home.data(),
            host: "127.0.0.1".to_owned(),
            port,
            username: USER.to_owned(),
            password: self.password.clone(),
            temporary: false,
            timeout: Some(COMMAND_TIMEOUT),
            configuration,
            trust_installation_dir: true,
            socket_dir: None,
        }
    }

    /// What the crate said, and what to do where that is known.
    fn explain(&self, said: &str) -> String {
        let said = said.trim().replace(&self.password, "***");
        if said.contains("os error 13") {
            let dir = self.home.path().display();
            return format!(
                "{said}: programs cannot be run in {dir} (a file system mounted noexec?); set TMPDIR to another folder"
            );
        }
        said
    }

    /// The last lines of the server's own log, for an error.
    fn log_end(&self) -> String {
        let log = std::fs::read_to_string(self.home.data().join("start.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].iter().flat_map(|line| ["\n  ", line]).collect()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // The crate's own drop stops the server and waits.
        self.server = None;
        if let Some(watchdog) = self.watchdog.take()
            && !self.home.data().join("postmaster.pid").exists()
        {
            watchdog.release();
        }
        // Otherwise the watchdog's drop ends what still runs.
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("home", &self.home.path()).field("port", &self.port).finish_non_exhaustive()
    }
}

/// Whether `PostgreSQL`'s programs are on this machine, so that nothing would have to be downloaded.
pub fn installed() -> bool {
    !find::installations(&find::folders()).is_empty()
}

/// The programs for this folder: those of its cluster's version, else the newest, else downloaded ones.
async fn choose(home: &Home) -> Result<Installation, EmbeddedError> {
    let folders = find::folders();
    pick(find::installations(&folders), &folders, home.path(), home.major()).await
}

async fn pick(
    found: Vec<Installation>,
    looked: &[PathBuf],
    dir: &Path,
    wanted: Option<u32>,
) -> Result<Installation, EmbeddedError> {
    let fits = |found: &Installation| wanted.is_none_or(|major| found.major == major);
    match (found.into_iter().find(fits), wanted) {
        (Some(installation), _) => Ok(installation),
        (None, Some(major)) if major != download::MAJOR => {
            Err(EmbeddedError::OtherVersion { dir: dir.to_path_buf(), major })
        }
        (None, _) => download::programs(looked).await,
    }
}

fn free_port() -> Result<u16, EmbeddedError> {
    std::net::TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(EmbeddedError::file("open a port on", "127.0.0.1"))
}
