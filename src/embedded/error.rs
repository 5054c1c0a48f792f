//! Why the private server cannot be had.

use std::{io, path::PathBuf};

/// Why the private server cannot be had, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// No programs on this machine, and none from the network.
    #[error(
        "no PostgreSQL 14 or later on this machine (looked in {looked}), and downloading one failed: {download}\n\
         Install it: `apt-get install postgresql` (Debian, Ubuntu), `dnf install postgresql-server` (Red Hat, Fedora), \
         `apk add postgresql` (Alpine), `brew install postgresql@17` (macOS)"
    )]
    NotFound {
        /// The folders looked in.
        looked: String,
        /// Why the download failed.
        download: String,
    },
    /// The kept cluster is of a version whose programs are not here.
    #[error(
        "{dir} holds a PostgreSQL {major} cluster and this machine has no PostgreSQL {major}; install it (`apt-get \
         install postgresql-{major}`), or choose another directory"
    )]
    OtherVersion {
        /// The directory given.
        dir: PathBuf,
        /// The cluster's version.
        major: u32,
    },
    /// Started as root, and nobody to run the server as.
    #[error(
        "PostgreSQL refuses to run as root, and {0}\nRun fuelsync as an ordinary user, or create an account: `useradd \
         --system postgres`"
    )]
    NoAccount(String),
    /// Another process uses the directory.
    #[error("{0} is in use by another running fuelsync; stop that one, or choose another directory")]
    InUse(PathBuf),
    /// A server that nobody of ours started runs in the directory.
    #[error(
        "a PostgreSQL server (process {pid}) runs in {dir} and does not stop; stop it, or choose another directory"
    )]
    Running {
        /// The directory given.
        dir: PathBuf,
        /// The server's process.
        pid: u32,
    },
    /// The directory has other things in it.
    #[error("{0} is not empty and was not made by fuelsync; choose an empty or a new directory")]
    NotOurs(PathBuf),
    /// A file could not be read or written.
    #[error("cannot {doing} {}: {source}", .path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the machine said.
        source: io::Error,
    },
    /// `initdb` failed.
    #[error("the database's files cannot be made: {0}")]
    Initialize(String),
    /// The server did not start.
    #[error("the private PostgreSQL server does not start: {said}{log}")]
    Start {
        /// What was said.
        said: String,
        /// The end of the server's log.
        log: String,
    },
    /// The server did not stop.
    #[error("the private PostgreSQL server does not stop: {0}")]
    Stop(String),
}

impl EmbeddedError {
    /// Turns an error on a file into one that says which file and what was tried.
    pub(super) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }
}
