//! `[database]`: where the warehouse is.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::{
    key::{Key, Type},
    read::Section,
    secret::trimmed,
};

/// Where the warehouse is and how it is used.
#[derive(Debug, Clone)]
pub struct Database {
    /// The server, or the one that `demo` starts itself.
    pub url: DatabaseUrl,
    /// Put over the URL's password.
    pub password: Option<SecretString>,
    /// Most connections of this process.
    pub max_connections: u32,
    /// Apply missing migrations at the start of `run`, `sync` and `backfill`.
    pub migrate: bool,
    /// Prepared statements kept for each connection; 0 for a pooler in transaction mode that cannot keep them.
    pub statement_cache: usize,
    /// To a connection, from the pool or new.
    pub connect_timeout: Duration,
    /// A short transaction, all of it; a window's has `sync.window_timeout`.
    pub statement_timeout: Duration,
    /// Waiting for a lock.
    pub lock_timeout: Duration,
}

/// A connection URL, or the private server of `demo`.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// `postgres://…`; a secret, since it may hold a password.
    Server(SecretString),
    /// Only for `demo`.
    Embedded,
}

/// The keys of `[database]`.
pub(super) const KEYS: &[Key] = &[
    Key::required("url", Type::Server, "The warehouse: postgres://user@host/database, or embedded (demo's default)."),
    Key::optional("password", Type::Secret(1), "Stands over the URL's password."),
    Key::or(
        "max_connections",
        Type::Count(2, 1_000),
        "8",
        "Most connections of this process. Fewer than half of them, at least one, write windows at the same time.",
    ),
    Key::or("migrate", Type::Flag, "false", "Apply missing migrations at the start of run, sync and backfill."),
    Key::or(
        "statement_cache",
        Type::Count(0, 10_000),
        "100",
        "Prepared statements kept for each connection; 0 behind a pooler that cannot keep them.",
    ),
    Key::or("connect_timeout", Type::Duration(LEAST), "5s", "Time limit for a connection, a free one or a new one."),
    Key::or("statement_timeout", Type::Duration(LEAST), "30s", "Time limit for a short transaction, all of it."),
    Key::or("lock_timeout", Type::Duration(LEAST), "10s", "Time limit for a lock that somebody else holds."),
];

const LEAST: Duration = Duration::from_millis(100);

pub(super) fn read(section: &mut Section<'_>) -> Option<Database> {
    let url = section.secret("url");
    let password = section.secret("password");
    let max_connections = section.count("max_connections");
    let migrate = section.flag("migrate");
    let statement_cache = section.count("statement_cache");
    let connect_timeout = section.duration("connect_timeout");
    let statement_timeout = section.duration("statement_timeout");
    let lock_timeout = section.duration("lock_timeout");
    let url = trimmed(&url?);
    Some(Database {
        url: if url.expose_secret() == "embedded" { DatabaseUrl::Embedded } else { DatabaseUrl::Server(url) },
        password,
        max_connections: max_connections?,
        migrate: migrate?,
        statement_cache: statement_cache?,
        connect_timeout: connect_timeout?,
        statement_timeout: statement_timeout?,
        lock_timeout: lock_timeout?,
    })
}
