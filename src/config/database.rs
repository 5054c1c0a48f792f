//! `[database]`: where the warehouse is.

use secrecy::SecretString;

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
}

/// A connection URL, or the private server of `demo`.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// `postgres://…`; a secret, since it may hold a password.
    Server(SecretString),
    /// Only for `demo`.
    Embedded,
}
