//! What a completeness certificate is made of: the tables as they are at one moment, line by line.
//!
//! [`Snapshot`] reads the ledger, the lines and the records in one transaction that sees one moment; [`digest`] says how
//! lines become one root; [`audit`] whether a line is what was written; [`since`] what changed after an earlier
//! certificate; [`store`] keeps certificates. docs/PROVE.md is for who wants to check one.

mod audit;
pub mod digest;
mod lines;
mod since;
mod snapshot;
mod store;
mod unlike;

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

pub use self::{
    audit::What,
    digest::Digest,
    since::{Change, Reason, Since},
    snapshot::{Normalize, Snapshot},
    store::Kept,
    unlike::Then,
};
use super::sums::Sums;
use crate::domain::{StreamId, Window};

/// Lines that are named, of findings and of changes each; all are counted.
pub const NAMED: usize = 100_000;

/// A stream of the warehouse, and how far it has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Which.
    pub id: StreamId,
    /// Its watermark.
    pub watermark: Option<DateTime<Utc>>,
    /// How its last pass ended.
    pub last_outcome: Option<String>,
    /// Up to when it has been read; none when it never was.
    pub read_until: Option<DateTime<Utc>>,
}

/// A record that could not be normalized and that somebody dropped by hand: nothing of it is in the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Its number in the quarantine.
    pub id: i64,
    /// The source's id of the transaction, where it could be read.
    pub source_transaction_id: Option<String>,
    /// What was wrong with it.
    pub reason: String,
    /// When it was dropped.
    pub dropped_at: DateTime<Utc>,
}

/// What of a stream's quarantine belongs to no window of a stretch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeftOver {
    /// Open records whose window is not known or not in the ledger.
    pub open: u64,
    /// Dropped by hand, of the stretch or of no known time.
    pub dropped: Vec<Dropped>,
}

/// A window of the ledger, as far as a certificate needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerWindow {
    /// The window.
    pub window: Window,
    /// Source time up to which it was read; none when it never was.
    pub read_through: Option<DateTime<Utc>>,
    /// When it was last read, by the database's clock.
    pub last_read_at: Option<DateTime<Utc>>,
    /// Whether it is not read again.
    pub is_final: bool,
    /// Whether it was accepted though the source's pages kept moving.
    pub unstable: bool,
    /// Open records in quarantine.
    pub quarantined: u64,
    /// Records that the last read left in quarantine and that are no longer there, nor anywhere else.
    pub gone_from_quarantine: u64,
    /// Lines that the last read brought.
    pub fetched: u64,
    /// Lines of the last read, and the digest over them, where the table had exactly these when that read was written.
    pub held: Option<(u64, Vec<u8>)>,
    /// What the sales of the window came to when it was last read.
    pub sums: LedgerSums,
}

/// What the ledger has of the sums of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerSums {
    /// None: the last read was not of the whole window, or by a version that keeps none.
    Unknown,
    /// What is no list of sums: it was altered by hand.
    Unreadable,
    /// These.
    Known(Sums),
}

impl LedgerSums {
    /// Whether there are none.
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}

impl LedgerWindow {
    /// A window that was never read.
    pub const fn unread(window: Window) -> Self {
        Self {
            window,
            read_through: None,
            last_read_at: None,
            is_final: false,
            unstable: false,
            quarantined: 0,
            gone_from_quarantine: 0,
            fetched: 0,
            held: None,
            sums: LedgerSums::Unknown,
        }
    }
}

/// What the table has of a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lines {
    /// Lines, without those marked missing.
    pub rows: u64,
    /// Lines marked missing: the source no longer has them.
    pub missing: u64,
    /// Lines that can still change.
    pub open: u64,
    /// Lines that the source has not settled: in no sum.
    pub unsettled: u64,
    /// Of the lines that count as sales: posted or invoiced.
    pub sums: Sums,
    /// Over the lines, in the order of their keys.
    #[serde(serialize_with = "in_hex")]
    pub digest: Digest,
}

fn in_hex<S: serde::Serializer>(digest: &Digest, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&digest::hex(digest))
}

/// A line, or a window, that is not what the records and the ledger say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was done to it.
    pub what: What,
    /// Vendor interface, account, and the partition where it is known.
    pub source: String,
    /// Account.
    pub account: String,
    /// Contract, or `-`; none of a card sale that is gone, whose contract its record does not tell.
    pub partition: Option<String>,
    /// The source's id of the transaction; none of a window.
    pub source_transaction_id: Option<String>,
    /// The line.
    pub line_id: Option<String>,
    /// When the sale took place; of a window, its start.
    pub occurred_at: Option<DateTime<Utc>>,
    /// When it took place by its record, where the line has another time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was_at: Option<DateTime<Utc>>,
    /// The contract that it was written for, where the line stands under another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was_of: Option<String>,
    /// Columns that were altered, where they can be told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<&'static str>,
    /// How it was found out.
    pub why: String,
}

/// What was found, at most [`NAMED`] by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    /// By name.
    pub named: Vec<Finding>,
    /// How many.
    pub count: u64,
    /// Lines that are what was written, and whose records come to something else by today's rules: `remap` is for them.
    pub other_rules: u64,
    /// Records without a line of which today's rules make none either, so that nobody can say whose month they are of.
    pub unplaced: u64,
}

impl Findings {
    /// One more.
    pub fn add(&mut self, finding: Finding) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push(finding);
        }
    }
}

/// An earlier certificate, as far as a stream needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Its number.
    pub id: Uuid,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// All changes up to this `seq` were seen by it.
    pub through_seq: i64,
    /// Its windows of the stream: what they were then.
    pub windows: Vec<(Window, Digest)>,
}
