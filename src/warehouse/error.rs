//! What can fail at the database, and the one decision on what to do about it.
//!
//! A database error's `Debug` prints the failing row and its `Display` a badly cast value: personal data. So an error is
//! taken apart here, and only what cannot hold a value goes on: the SQLSTATE, names of tables and constraints, and the
//! message of those classes whose messages name objects, not data.

use std::time::Duration;

/// What failed at the database. Never holds a row, a value or a password.
#[derive(Debug, thiserror::Error)]
pub enum WarehouseError {
    /// There is no connection to be had.
    #[error("the database cannot be reached: {0}")]
    NoConnection(String),
    /// A connection broke while it was used.
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// The database refuses: password, permission, missing database.
    #[error("the database refuses: {0}")]
    Refused(String),
    /// The database answers, and does not let the role do what it must.
    #[error("the database refuses: {0}")]
    Forbidden(String),
    /// The migrations are not those of this version.
    #[error("the database's tables are not those of this version: {0}")]
    Migrations(String),
    /// Another transaction was in the way; trying again may help.
    #[error("another transaction was in the way ({0})")]
    Conflict(String),
    /// A time limit of the database passed.
    #[error("the database did not finish in time ({0})")]
    Timeout(String),
    /// The lease expired or went to another process: this one may no longer write the stream.
    #[error("the lease of this stream is no longer ours: it expired, or another process took it over")]
    LeaseLost,
    /// A read that began later has already been written.
    #[error("a younger read of this window has been written meanwhile; this one is dropped")]
    Overtaken,
    /// The counts of a window do not add up: a fault of the program.
    #[error("the counts of the window do not add up ({0}); nothing of it was written")]
    Counts(String),
    /// The answer to COMMIT was lost, and it could not be found out what became of it.
    #[error("the answer to COMMIT was lost; the window will be read again")]
    CommitUnknown,
    /// What waits of a large window cannot be written or read.
    #[error("the temporary file of a large window failed: {0}")]
    Spool(#[from] std::io::Error),
    /// A record that was recognized by its text, and so not kept, is to be written: the window must be read in full.
    #[error("a record that was recognized by its text is needed in full; nothing of the window was written")]
    NotKept,
    /// A person was forgotten after this was read, so what was read may hold that person's values.
    #[error("a person was forgotten after this was read; nothing of it was written, and it is read again")]
    Forgotten,
    /// The windows before it are not written yet, and this one cannot be written beside them.
    #[error("the windows before this one must be written first; nothing of it was written")]
    NotItsTurn,
    /// A read brought more than is held while it waits to be written.
    #[error("{0}")]
    TooMuch(String),
    /// The database answered with an error that a repetition will not mend.
    #[error("the database answered with error {code}{about}")]
    Database {
        /// SQLSTATE.
        code: String,
        /// Names of objects, where the message is known to hold no values.
        about: String,
    },
}

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The window stays unread; its stream waits here until the next pass.
    NextPass,
    /// Another process does this work: leave the stream to it.
    LeaveStream,
    /// Nothing is lost: a younger read stands.
    Drop,
    /// Nothing can be written at all.
    StopPass,
}

impl WarehouseError {
    /// The one decision. Exhaustive on purpose: a new error must be decided on.
    pub const fn disposition(&self) -> Disposition {
        match self {
            Self::Conflict(_)
            | Self::CommitUnknown
            | Self::Timeout(_)
            | Self::Counts(_)
            | Self::Spool(_)
            | Self::NotKept
            | Self::Forgotten
            | Self::NotItsTurn
            | Self::TooMuch(_)
            | Self::Database { .. } => Disposition::NextPass,
            Self::LeaseLost => Disposition::LeaveStream,
            Self::Overtaken => Disposition::Drop,
            Self::NoConnection(_)
            | Self::Unreachable(_)
            | Self::Refused(_)
            | Self::Forbidden(_)
            | Self::Migrations(_) => Disposition::StopPass,
        }
    }

    /// The server did not answer within a limit of this program, set by `setting`.
    pub fn silent(limit: Duration, setting: &str) -> Self {
        Self::Timeout(format!("no answer within {limit:?}, {setting}"))
    }

    /// Whether the same transaction may well succeed if it is made again at once: its connection broke, its answer was
    /// lost, or another one was in the way. Apart from the disposition, which is for when that was to no avail.
    pub const fn is_of_the_moment(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Conflict(_) | Self::CommitUnknown => true,
            Self::NoConnection(_)
            | Self::Refused(_)
            | Self::Forbidden(_)
            | Self::Migrations(_)
            | Self::Timeout(_)
            | Self::LeaseLost
            | Self::Overtaken
            | Self::Counts(_)
            | Self::Spool(_)
            | Self::NotKept
            | Self::Forgotten
            | Self::NotItsTurn
            | Self::TooMuch(_)
            | Self::Database { .. } => false,
        }
    }
}

impl WarehouseError {
    /// Whether the database can be worked with as far as the way to it goes: it answered, whatever it said.
    pub const fn is_an_answer(&self) -> bool {
        match self {
            Self::NoConnection(_)
            | Self::Unreachable(_)
            | Self::Refused(_)
            | Self::Timeout(_)
            | Self::CommitUnknown => false,
            Self::Forbidden(_)
            | Self::Forgotten
            | Self::Migrations(_)
            | Self::Conflict(_)
            | Self::LeaseLost
            | Self::Overtaken
            | Self::Counts(_)
            | Self::Spool(_)
            | Self::NotKept
            | Self::NotItsTurn
            | Self::TooMuch(_)
            | Self::Database { .. } => true,
        }
    }
}

impl From<sqlx::Error> for WarehouseError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match error {
            E::Database(e) => {
                from_database(e.code().as_deref().unwrap_or("?????"), e.message(), e.table(), e.constraint())
            }
            E::Io(e) => Self::Unreachable(e.kind().to_string()),
            E::Tls(_) => Self::Unreachable("TLS failed: the server's certificate or protocol is not accepted".into()),
            E::Protocol(_) => Self::Unreachable("the connection broke in the middle of an answer".into()),
            E::PoolTimedOut => Self::NoConnection(
                "no connection within database.connect_timeout: the server does not answer, or all of \
                 database.max_connections are in use"
                    .into(),
            ),
            E::PoolClosed | E::WorkerCrashed => Self::NoConnection("the pool of connections is closed".into()),
            E::Configuration(_) => Self::Refused("the connection URL is not usable".into()),
            E::ColumnDecode { index, .. } => database("XX001", format!(": column {index} has an unexpected type")),
            E::ColumnNotFound(name) => database("42703", format!(": no column {name}")),
            other => database("XX000", format!(": {}", kind_of(&other))),
        }
    }
}

fn kind_of(error: &sqlx::Error) -> &'static str {
    match error {
        sqlx::Error::RowNotFound => "a row that must exist is not there",
        sqlx::Error::Encode(_) => "a value cannot be encoded",
        sqlx::Error::Decode(_) => "a value cannot be decoded",
        sqlx::Error::Migrate(_) => "a migration failed",
        _ => "an error of the driver",
    }
}

fn database(code: &str, about: String) -> WarehouseError {
    WarehouseError::Database { code: code.to_owned(), about }
}

fn from_database(code: &str, message: &str, table: Option<&str>, constraint: Option<&str>) -> WarehouseError {
    let place = match (table, constraint) {
        (_, Some(constraint)) => format!(" (constraint {constraint})"),
        (Some(table), None) => format!(" (table {table})"),
        (None, None) => String::new(),
    };
    let said = || format!("{message}{place} [{code}]");
    match (code.get(..2).unwrap_or(""), code) {
        // The answer of `pg_terminate_backend`, a shutdown, a crash, a standby.
        (_, "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25006") | ("08", _) => {
            WarehouseError::Unreachable(said())
        }
        (_, "57014" | "55P03") => WarehouseError::Timeout(said()),
        ("40", _) | (_, "23505") => WarehouseError::Conflict(format!("{code}{place}")),
        ("28" | "3D", _) | (_, "53300") => WarehouseError::Refused(said()),
        (_, "42501") => WarehouseError::Forbidden(said()),
        ("42" | "53" | "54" | "55" | "0A" | "3F", _) => database(code, format!(": {message}{place}")),
        // Classes 22 and 23 carry values; what is not known may.
        _ => database(code, place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_a_bad_value_is_not_repeated() {
        let error = from_database(
            "22P02",
            "invalid input syntax for type bigint: \"4111111111111111\"",
            Some("transaction"),
            None,
        );
        assert_eq!(error.to_string(), "the database answered with error 22P02 (table transaction)");
        assert!(!format!("{error:?}").contains("4111"));
    }

    #[test]
    fn a_deadlock_is_of_the_moment_and_a_refusal_is_not() {
        assert!(from_database("40P01", "deadlock detected", None, None).is_of_the_moment());
        let refused = from_database("28P01", "password authentication failed", None, None);
        assert!(!refused.is_of_the_moment());
        assert_eq!(refused.disposition(), Disposition::StopPass);
        let forbidden = from_database("42501", "permission denied for schema fuel", None, None);
        assert_eq!(forbidden.disposition(), Disposition::StopPass);
        assert!(forbidden.is_an_answer() && !refused.is_an_answer());
    }
}
