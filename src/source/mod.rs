//! A vendor's interface, read window by window.
//!
//! A [`Source`] is one account at one vendor. It knows how to ask (authentication, paging, limits) and how to
//! understand the answer (normalizing); it knows nothing of checkpoints, schedules or the database. What it reads goes
//! as [`ReadEvent`]s through a bounded channel, in batches, so that reading, parsing and writing overlap and memory does
//! not grow with the window.

pub mod alexela;
pub mod context;
pub mod error;
mod fields;
pub mod hecone;
mod json;
pub mod known;
mod normalizer;
mod protect;
mod recognize;
pub(crate) mod time;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;

pub use context::{Context, NORMALIZER};
pub use error::{Disposition, SourceError};
pub use hecone::statistics::Statistics;
pub use json::RecordText;
pub use known::{Known, Mark};
pub use normalizer::Normalizer;
pub(crate) use protect::forget_in;

use crate::{
    domain::{Partition, Record, SourceKind, StreamId, Window},
    http::Link,
};

/// The oldest instant that a vendor interface serves at `present`, by what is published; none when it serves everything.
pub fn served_from(kind: SourceKind, present: DateTime<Utc>) -> Option<DateTime<Utc>> {
    match kind {
        SourceKind::HecOne => None,
        SourceKind::AlexelaCard | SourceKind::AlexelaBonus | SourceKind::AlexelaEv => alexela::horizon(present),
    }
}

/// A record of an answer.
#[derive(Debug)]
pub enum Brought {
    /// Normalized, with the mark of its text.
    New(Record, Mark),
    /// Its text is that of this record of what is [`Known`], so it comes to the same.
    Known(u32),
}

impl Brought {
    /// The record, where it is not known from before.
    pub fn into_record(self) -> Option<Record> {
        match self {
            Self::New(record, _) => Some(record),
            Self::Known(_) => None,
        }
    }

    /// About as many bytes as it takes in memory.
    pub fn size(&self) -> usize {
        match self {
            Self::New(record, _) => record.size(),
            Self::Known(_) => size_of::<Self>(),
        }
    }
}

/// What a read sends, in order: `Records* (Complete | Restart)`, any number of times.
#[derive(Debug)]
pub enum ReadEvent {
    /// Some more records of the answer being read.
    Records(Vec<Brought>),
    /// The answer that was being read did not count (cut off, pages moved): forget its records.
    Restart,
    /// The answer is whole: its records count. A window that had to be asked in parts has several answers; a key that
    /// an earlier one already had is then a duplicate.
    Complete,
}

/// How a read of a stretch ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadEnd {
    /// The source's time when reading began: up to here the answer knows what happened.
    pub present: DateTime<Utc>,
    /// Whether the answer is known to hold everything, so that a row not in it may be missing.
    pub complete: bool,
    /// Where the part that was served begins, when the source no longer served the beginning of the stretch: what lies
    /// before it is a gap, and no row there is missing.
    pub served_from: Option<DateTime<Utc>>,
}

/// A stream found at a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which interface.
    pub source: SourceKind,
    /// Its partitions: contracts, or the whole.
    pub partitions: Vec<Partition>,
}

/// What `check` learns about an account: one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, e.g. `credentials`, `clock`, `contracts`.
    pub what: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was seen.
    pub seen: String,
    /// What to do when it is not ok; empty otherwise.
    pub todo: String,
}

/// One account at one vendor.
#[async_trait::async_trait]
pub trait Source: std::fmt::Debug + Send + Sync {
    /// The account's name in the configuration.
    fn account(&self) -> &str;

    /// Its way to the vendor: what was asked over it, and what is known of the vendor's clock. None where no way leads
    /// to one.
    fn link(&self) -> Option<&Link>;

    /// The interfaces that this account reads.
    fn kinds(&self) -> Vec<SourceKind>;

    /// The partitions of one interface, asked from the vendor where it lists them.
    async fn partitions(&self, kind: SourceKind) -> Result<Vec<Partition>, SourceError>;

    /// Makes sure that the source's time is known, by a request of its own if nothing was heard from it yet: what lies
    /// beyond the horizon must not be decided by this machine's clock alone. `ClockOff` when the two are days apart.
    async fn settle_clock(&self) -> Result<(), SourceError>;

    /// The source's present: this machine's clock, corrected by what the server's answers said of theirs.
    fn present(&self) -> DateTime<Utc>;

    /// The oldest instant that the source still serves at `present`; none when it serves everything.
    fn horizon(&self, kind: SourceKind, present: DateTime<Utc>) -> Option<DateTime<Utc>>;

    /// The stretch that is really asked for `stretch`: widened to the units in which the source can be asked (whole
    /// days at Alexela).
    fn widen(&self, kind: SourceKind, stretch: Window) -> Window;

    /// A stretch whose answer has all of `stretch` for certain, where the source does not say to which side of what is
    /// asked for its first instant belongs: for `verify`.
    fn certain(&self, stretch: Window) -> Window {
        stretch
    }

    /// Reads a stretch of a stream and sends its records, those that are `known` as such. Returns only when all that was asked has been sent and the
    /// last event was `Complete`; on an error what was sent since the last `Complete` does not count, and neither does
    /// the stretch. Retries that are worth making at once have been made.
    async fn read(
        &self,
        stream: &StreamId,
        stretch: Window,
        known: &Known,
        events: mpsc::Sender<ReadEvent>,
    ) -> Result<ReadEnd, SourceError>;

    /// Reads one transaction as it is now; `None` when the source no longer has it. Only sources whose transactions
    /// can change long after their window (`HecOne`) have this.
    async fn read_one(&self, stream: &StreamId, id: &str) -> Result<Option<Record>, SourceError>;

    /// The source's own totals of a stretch, where it has such a thing; for `verify`.
    async fn totals(&self, _stretch: Window) -> Option<Result<Statistics, SourceError>> {
        None
    }

    /// Whether it reads with a filter that those totals do not know.
    fn is_filtered(&self) -> bool {
        false
    }

    /// Tries the credentials and looks around, for `check`. Never fails: what fails is a finding.
    async fn examine(&self) -> Vec<Finding>;
}
