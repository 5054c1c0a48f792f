//! What the page and `/api/status` show: one picture of what the warehouse knows, taken at one moment.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    domain::{Partition, SourceKind, StreamId},
    warehouse::standing::LastPass,
};

/// The whole picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct View {
    /// The program's version.
    pub version: String,
    /// When this process started.
    pub started_at: DateTime<Utc>,
    /// When the picture was taken.
    pub taken_at: DateTime<Utc>,
    /// The warehouse.
    pub database: DatabaseView,
    /// Every stream that has a checkpoint or is configured, in the order of their names.
    pub streams: Vec<StreamView>,
    /// Lines by outcome, since this process started.
    pub lines: Vec<LineCount>,
}

/// How the warehouse is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatabaseView {
    /// It answers.
    pub reachable: bool,
    /// Every migration of this version is applied, so that what it holds can be shown.
    pub migrated: bool,
    /// A window could be written: no later version has migrated it, it is no standby and not read only, and the role has the
    /// rights.
    pub writable: bool,
    /// What is wrong and what to do, when something is. Without the URL and without a row.
    pub problem: Option<String>,
}

/// One stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamView {
    /// The vendor interface.
    pub source: SourceKind,
    /// The account's name in the configuration.
    pub account: String,
    /// The contract, or `-`; of an account that has its contracts listed, `-` is the list itself, which is only here while it
    /// cannot be had.
    pub partition: Partition,
    /// Whether the configuration asks for it; what it no longer asks for keeps its rows and is not looked after.
    pub configured: bool,
    /// Up to where every window has been read; none before the first.
    pub watermark: Option<DateTime<Utc>>,
    /// How far the watermark is behind the source's time, in seconds.
    pub freshness_seconds: Option<i64>,
    /// How far the watermark is behind what the schedule promises, in seconds; none where nothing is promised.
    pub lag_seconds: Option<i64>,
    /// Whether that is more than passes take; a stream never read is late once two rounds have begun since this process
    /// started.
    pub late: bool,
    /// The first instant, from the configured start on, that was not read and that the source still serves; none where the
    /// stream is not read any more.
    pub unread_from: Option<DateTime<Utc>>,
    /// How long ago that was, in seconds: the age of the oldest stretch that was not read.
    pub unread_age_seconds: Option<i64>,
    /// For how many seconds the source still serves it; none where it serves everything, or the stream is not read any more.
    pub unrecoverable_in_seconds: Option<i64>,
    /// When a window of it was last read.
    pub last_pass: Option<DateTime<Utc>>,
    /// How the last pass over it ended.
    pub last_outcome: Option<LastPass>,
    /// Lines in the warehouse, as the ledger has them.
    pub rows: i64,
    /// Stretches lost at the source.
    pub gaps: i64,
    /// Records in quarantine, not resolved.
    pub quarantine: i64,
    /// When it is looked at next.
    pub next_due: Option<DateTime<Utc>>,
    /// Why its last pass did not end well, when it did not.
    pub last_error: Option<String>,
    /// Who reads it now.
    pub lease_owner: Option<String>,
}

/// So many lines of an account came to this end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineCount {
    /// The vendor interface.
    pub source: SourceKind,
    /// The account's name in the configuration.
    pub account: String,
    /// `inserted`, `updated`, `unchanged`, `quarantined`, `outside`, `duplicate`.
    pub outcome: String,
    /// How many, since this process started.
    pub lines: i64,
}

impl StreamView {
    /// Its three names.
    pub fn id(&self) -> StreamId {
        StreamId::new(self.source, self.account.clone(), self.partition.clone())
    }

    /// Whether it stands for the list of an account's contracts, not for one of them.
    pub fn is_list(&self) -> bool {
        self.source == SourceKind::AlexelaCard && self.partition.contract_no().is_none()
    }
}

impl DatabaseView {
    /// All is well.
    pub const fn ready() -> Self {
        Self { reachable: true, migrated: true, writable: true, problem: None }
    }

    /// It does not answer.
    pub fn unreachable(problem: impl Into<String>) -> Self {
        Self { reachable: false, migrated: false, writable: false, problem: Some(problem.into()) }
    }

    /// Whether the program can work with it.
    pub const fn is_ready(&self) -> bool {
        self.is_readable() && self.writable
    }

    /// Whether what it holds can be shown.
    pub const fn is_readable(&self) -> bool {
        self.reachable && self.migrated
    }
}
