//! Holds what was just read from a source against what the table has, line by line and column by column. Writes nothing.
//!
//! The table's lines are taken as their columns are, not as their `content_hash` says: a line altered by hand keeps its
//! digest. A digest made of the columns and the record's text, as a read makes it, decides whether a line is the same; only
//! where it is not are the columns compared one by one.

mod altered;
mod read;
mod rejected;

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use serde::Serialize;
use sqlx::{Row as _, ValueRef as _, postgres::PgRow};

use super::{
    Tx, Warehouse, WarehouseError, copy,
    fields::{self, INVOICED_AT, OCCURRED_AT, STATUS_AT},
    incoming::{Batch, Meeting},
    statement,
    sums::Sums,
    tx::within,
};
pub(super) use altered::{digests, distrust, trust};
pub use read::{Ends, Transactions};
pub use rejected::Told;

use crate::{
    domain::{StreamId, Window},
    failpoint::{Bug, planted},
};

/// Keys that go to the database together.
const TOGETHER: usize = 1_000;
/// Lines of one window that are named; all are counted.
pub const NAMED: usize = 10_000;

/// What was read, and what of the table it is held against.
#[derive(Debug, Clone, Copy)]
pub struct Against<'a> {
    /// Whose.
    pub stream: &'a StreamId,
    /// The stretch: what is read of others says nothing.
    pub stretch: Window,
    /// The database's time before the read began: lines changed after that are not compared.
    pub asked_at: DateTime<Utc>,
    /// When the window was last read whole, by the source's clock; none when it never was.
    pub last_read: Option<DateTime<Utc>>,
    /// Where all stretches that are compared begin and end, if they touch: for counting what was read.
    pub ends: Option<Ends>,
    /// Records of the stream that cannot be normalized and that were told already, for another stretch.
    pub told: &'a Told,
}

/// How a line differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The source has it, the table does not.
    MissingHere,
    /// The table has it and does not say that it is missing; the source does not have it.
    MissingAtSource,
    /// Both have it, not alike.
    Different,
    /// A record that cannot be normalized, and is in quarantine: said, and no difference.
    Quarantined,
}

impl What {
    /// As people read it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::MissingHere => "missing here",
            Self::MissingAtSource => "missing at the source",
            Self::Different => "different",
            Self::Quarantined => "quarantined",
        }
    }
}

/// A line that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// How.
    pub what: What,
    /// The source's id of the transaction; none where a record in quarantine has none that can be read.
    pub source_transaction_id: Option<String>,
    /// The line; none of a record in quarantine.
    pub line_id: Option<String>,
    /// When the sale took place, as far as it is known.
    pub occurred_at: Option<DateTime<Utc>>,
    /// Columns that differ; `raw` is the record.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<&'static str>,
    /// Whether the table's columns are not those that were once written: altered by hand.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub altered_here: bool,
    /// What is known of the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// How many lines differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Tally {
    /// Lines that the source has and the table does not.
    pub missing_here: u64,
    /// Lines that the table has, does not say to be missing, and the source does not have.
    pub missing_at_source: u64,
    /// Lines that both have, not alike.
    pub different: u64,
    /// Records in quarantine, here and at the source.
    pub quarantined: u64,
    /// Lines not compared, for they were written while it was read.
    pub meanwhile: u64,
}

impl Tally {
    /// How many differ; those in quarantine do not.
    pub const fn differing(&self) -> u64 {
        self.missing_here + self.missing_at_source + self.different
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.missing_here += other.missing_here;
        self.missing_at_source += other.missing_at_source;
        self.different += other.different;
        self.quarantined += other.quarantined;
        self.meanwhile += other.meanwhile;
    }
}

/// What came of the comparison.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// What the source has, by product, currency and unit.
    pub source: Sums,
    /// What the table has.
    pub warehouse: Sums,
    /// Transactions that were read.
    pub transactions: Transactions,
    /// How many lines differ.
    pub tally: Tally,
    /// Which, at most [`NAMED`].
    pub named: Vec<Difference>,
}

impl Found {
    fn name(&mut self, difference: Difference) {
        let count = match difference.what {
            What::MissingHere => &mut self.tally.missing_here,
            What::MissingAtSource => &mut self.tally.missing_at_source,
            What::Different => &mut self.tally.different,
            What::Quarantined => &mut self.tally.quarantined,
        };
        *count += 1;
        if self.named.len() < NAMED {
            self.named.push(difference);
        }
    }
}

/// A line of the table.
struct Here<'r> {
    id: &'r str,
    line_id: &'r str,
    /// Its columns, as they are sent.
    fields: &'r [u8],
    /// The digest that it ought to have.
    content: copy::ContentHash,
    /// The digest that it has.
    stored: &'r [u8],
    is_missing: bool,
    /// Whether it was changed after the read began.
    is_younger: bool,
    partition: &'r str,
    raw: &'r [u8],
}

impl<'r> Here<'r> {
    fn of(row: &'r PgRow, buffer: &'r mut Vec<u8>) -> Result<Self, WarehouseError> {
        fields::of_row(buffer, row, 0)?;
        let raw = row.try_get_raw(copy::FIELDS + 4)?;
        let raw = if raw.is_null() { &[][..] } else { raw.as_bytes().unwrap_or_default() };
        let (content, stored) = (copy::content_hash(buffer, raw), row.try_get::<&[u8], _>(copy::FIELDS)?);
        let trusted = planted(Bug::DigestTrusted).then(|| stored.try_into().ok()).flatten();
        Ok(Self {
            id: row.try_get(0)?,
            line_id: row.try_get(1)?,
            content: trusted.unwrap_or(content),
            fields: buffer,
            stored,
            is_missing: row.try_get(copy::FIELDS + 1)?,
            is_younger: row.try_get(copy::FIELDS + 2)?,
            partition: row.try_get(copy::FIELDS + 3)?,
            raw,
        })
    }

    fn is_altered(&self) -> bool {
        self.content[..] != *self.stored
    }

    fn differs(&self, what: What, columns: Vec<&'static str>, why: Option<String>) -> Difference {
        Difference {
            what,
            source_transaction_id: Some(self.id.to_owned()),
            line_id: Some(self.line_id.to_owned()),
            occurred_at: fields::time(self.fields, OCCURRED_AT),
            columns,
            altered_here: self.is_altered(),
            why,
        }
    }
}

impl Warehouse {
    /// The database's time.
    pub async fn now(&self) -> Result<DateTime<Utc>, WarehouseError> {
        self.short(|mut tx| async move {
            let now = statement::query_scalar("SELECT clock_timestamp()").fetch_one(&mut *tx).await?;
            tx.commit().await?;
            Ok(now)
        })
        .await
    }

    /// Holds a read of a stretch against the table, within `limit`.
    pub async fn hold(&self, against: &Against<'_>, batch: &Batch, limit: Duration) -> Result<Found, WarehouseError> {
        within((limit, "sync.window_timeout"), async {
            let mut tx = self.begin(limit).await?;
            let mut found = Found::default();
            let mut met = vec![false; batch.len()];
            of_the_stretch(&mut tx, against, batch, &mut met, &mut found).await?;
            elsewhere(&mut tx, against, batch, &met, &mut found).await?;
            rejected::tell(&mut tx, against, batch, &mut found).await?;
            found.transactions += Transactions::of(batch, against)?;
            tx.commit().await?;
            Ok(found)
        })
        .await
    }
}

/// The table's lines of the stretch, each against what was read of it.
async fn of_the_stretch(
    tx: &mut Tx,
    against: &Against<'_>,
    batch: &Batch,
    met: &mut [bool],
    found: &mut Found,
) -> Result<(), WarehouseError> {
    let mut buffer = Vec::new();
    let mut lines = batch.lines();
    let mut rows = statement::query(include_str!("sql/held_rows.sql"))
        .bind(against.stream.source.as_str())
        .bind(&against.stream.account)
        .bind(against.stream.partition.as_str())
        .bind(against.stretch.start())
        .bind(against.stretch.end())
        .bind(against.asked_at)
        .fetch(&mut **tx);
    while let Some(row) = rows.try_next().await? {
        let line = Here::of(&row, &mut buffer)?;
        if !line.is_missing {
            found.warehouse.add(line.fields);
        }
        match batch.meet(line.id, line.line_id, &line.content)? {
            Meeting::Same(at) => {
                met[at] = true;
                if line.is_missing || line.is_altered() {
                    let columns = [(line.is_missing, "missing_since"), (line.is_altered(), "content_hash")];
                    let columns = columns.into_iter().filter_map(|(differs, name)| differs.then_some(name)).collect();
                    settle(found, &line, || line.differs(What::Different, columns, None));
                }
            }
            Meeting::Other(first) | Meeting::Replaced(first) => {
                let mut at = None;
                for entry in batch.unit_at(first) {
                    if copy::line_id(&lines.of(batch.entry(entry))?.1) == line.line_id {
                        at = Some(entry);
                    }
                }
                match at {
                    Some(at) => {
                        met[at] = true;
                        let (packed, theirs, _) = lines.of(batch.entry(at))?;
                        settle(found, &line, || compared(against, &line, &theirs, packed.raw));
                    }
                    None => settle(found, &line, || {
                        let why = "the source's transaction has no such line".to_owned();
                        line.differs(What::MissingAtSource, Vec::new(), Some(why))
                    }),
                }
            }
            // Its record came, and cannot be normalized: it is said with the others of the quarantine.
            Meeting::Absent if batch.is_rejected(line.id) => {}
            Meeting::Absent if line.is_missing => {}
            Meeting::Absent => settle(found, &line, || line.differs(What::MissingAtSource, Vec::new(), None)),
        }
    }
    Ok(())
}

/// What differs, unless the line was written after the read began: then the two are of different times.
fn settle(found: &mut Found, line: &Here<'_>, difference: impl FnOnce() -> Difference) {
    if line.is_younger {
        found.tally.meanwhile += 1;
    } else {
        found.name(difference());
    }
}

/// How a line of the table differs from the same line of the source.
fn compared(against: &Against<'_>, line: &Here<'_>, theirs: &[u8], raw: &[u8]) -> Difference {
    let mut columns = fields::differing(line.fields, theirs);
    if line.partition != against.stream.partition.as_str() {
        columns.push("partition");
    }
    if line.raw != raw {
        columns.push("raw");
    }
    if line.is_missing {
        columns.push("missing_since");
    }
    line.differs(What::Different, columns, since(against, theirs))
}

/// Whether the source says that it changed the line after the window was last read.
fn since(against: &Against<'_>, theirs: &[u8]) -> Option<String> {
    let Some(last_read) = against.last_read else { return Some("its window was never read whole".to_owned()) };
    let times = [STATUS_AT, INVOICED_AT, OCCURRED_AT].into_iter().filter_map(|at| fields::time(theirs, at));
    let latest = times.max().filter(|latest| *latest > last_read)?;
    Some(format!(
        "the source changed it at {}, after the last read of its window",
        latest.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
    ))
}

/// The source's lines of the stretch that the table does not have there: elsewhere, or nowhere.
async fn elsewhere(
    tx: &mut Tx,
    against: &Against<'_>,
    batch: &Batch,
    met: &[bool],
    found: &mut Found,
) -> Result<(), WarehouseError> {
    let mut lines = batch.lines();
    let mut part = Vec::new();
    for (at, entry) in batch.entries().filter(|(_, entry)| !entry.outside()) {
        let (packed, fields, _) = lines.of(entry)?;
        found.source.add(&fields);
        if !met[at] {
            part.push((packed.id.to_owned(), copy::line_id(&fields).to_owned(), at));
        }
        if part.len() >= TOGETHER {
            part_elsewhere(tx, against, batch, &part, found).await?;
            part.clear();
        }
    }
    part_elsewhere(tx, against, batch, &part, found).await
}

async fn part_elsewhere(
    tx: &mut Tx,
    against: &Against<'_>,
    batch: &Batch,
    part: &[(String, String, usize)],
    found: &mut Found,
) -> Result<(), WarehouseError> {
    if part.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = part.iter().map(|(id, ..)| id.as_str()).collect();
    let line_ids: Vec<&str> = part.iter().map(|(_, line_id, _)| line_id.as_str()).collect();
    let in_quarantine: Vec<String> = statement::query_scalar(
        "SELECT DISTINCT source_transaction_id FROM fuel.quarantine \
         WHERE source = $1 AND account = $2 AND resolved_at IS NULL AND source_transaction_id = ANY ($3)",
    )
    .bind(against.stream.source.as_str())
    .bind(&against.stream.account)
    .bind(&ids)
    .fetch_all(&mut **tx)
    .await?;
    let rows = statement::query(include_str!("sql/held_keys.sql"))
        .bind(against.stream.source.as_str())
        .bind(&against.stream.account)
        .bind(&ids)
        .bind(&line_ids)
        .bind(against.asked_at)
        .fetch_all(&mut **tx)
        .await?;
    let (mut buffer, mut lines, mut there) = (Vec::new(), batch.lines(), Vec::new());
    for row in &rows {
        let line = Here::of(row, &mut buffer)?;
        let Some((.., at)) = part.iter().find(|(id, line_id, _)| id == line.id && line_id == line.line_id) else {
            continue;
        };
        there.push(*at);
        let (packed, theirs, _) = lines.of(batch.entry(*at))?;
        settle(found, &line, || compared(against, &line, &theirs, packed.raw));
    }
    for (id, line_id, at) in part.iter().filter(|(.., at)| !there.contains(at)) {
        let (_, theirs, _) = lines.of(batch.entry(*at))?;
        let quarantined = in_quarantine.contains(id).then(|| "it is in quarantine here".to_owned());
        found.name(Difference {
            what: What::MissingHere,
            source_transaction_id: Some(id.clone()),
            line_id: Some(line_id.clone()),
            occurred_at: fields::time(&theirs, OCCURRED_AT),
            columns: Vec::new(),
            altered_here: false,
            why: quarantined.or_else(|| since(against, &theirs)),
        });
    }
    Ok(())
}
