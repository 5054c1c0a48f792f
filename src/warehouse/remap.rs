//! Normalizes stored records again and writes what differs, as ordinary versions: works also where the source no longer serves
//! them.
//!
//! What a record does not say of itself is kept: how lines alike are numbered, and the flags that say something of the read
//! that brought it. What the privacy rules or forgetting took out of a record is not in it, so it does not come back. What
//! today's rules hide is hidden in the images that are kept of the lines, too, in the same transaction.
//!
//! Lines that were altered by hand are written by their records like all others, and said. Where that does not come to what was
//! once written, the record may have been altered as well: such a line stays told as altered.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::Row as _;

use super::{
    Tx, Warehouse, WarehouseError,
    forget::{
        self,
        marks::{self, Altered},
    },
    forgotten,
    load::{
        compare::{Fate, Fates},
        notify, stage,
    },
    remade::{self, Remade, RemadeRecord},
    statement,
    stored::{self, Chosen, Stored, StoredLine, StoredRecord, Wanted},
};
use crate::{
    domain::{Flag, Line, Outcome, Partition, SourceKind, StreamId},
    privacy::{Forgotten, Guard},
    source::{NORMALIZER, Normalizer},
};

/// What is remapped, and how.
pub struct Remap<'a> {
    /// The sources; none: all.
    pub sources: &'a [SourceKind],
    /// The accounts; none: all.
    pub accounts: &'a [String],
    /// What makes lines of a stream's records today; none when no account of the configuration reads it.
    pub normalizer: &'a (dyn Fn(&StreamId) -> Option<Normalizer> + Send + Sync),
    /// Today's rules for personal data, as the normalizers apply them.
    pub guard: &'a Guard,
    /// Who is forgotten, as the normalizers heed it.
    pub forgotten: &'a Forgotten,
    /// The time. No flag depends on it: those of the read are kept.
    pub present: DateTime<Utc>,
    /// Whether only to say what would change.
    pub dry_run: bool,
    /// Most time for a batch.
    pub limit: Duration,
}

impl Remap<'_> {
    /// What makes lines of a stream's records today; none when it is not selected or not configured.
    pub fn normalizer_of(&self, stream: &StreamId) -> Option<Normalizer> {
        let is_selected = (self.sources.is_empty() || self.sources.contains(&stream.source))
            && (self.accounts.is_empty() || self.accounts.contains(&stream.account));
        if is_selected { (self.normalizer)(stream) } else { None }
    }
}

impl fmt::Debug for Remap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remap").field("dry_run", &self.dry_run).finish_non_exhaustive()
    }
}

/// What of a column changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Column {
    /// In how many lines.
    pub lines: u64,
    /// The first of them: source, account, transaction, line; and, of a column that says nothing of a person, what it was and
    /// what it is.
    pub examples: Vec<String>,
}

/// Most examples of a column.
const EXAMPLES: usize = 3;

/// Columns of which no value is told: what they are of a person, or may be.
const PERSONAL: [&str; 9] = [
    "card_number",
    "driver_name",
    "driver_no",
    "vehicle_no",
    "license_plate",
    "receipt_no",
    "authorization_code",
    "invoice_no",
    "session_id",
];

impl Column {
    fn add(&mut self, stream: &StreamId, (id, line_id): (&str, &str), change: Option<(&str, &str)>) {
        self.lines += 1;
        if self.examples.len() < EXAMPLES {
            let change = change.map_or_else(String::new, |(was, is)| format!(": {was} → {is}"));
            self.examples.push(format!("{}/{}/{id}/{line_id}{change}", stream.source, stream.account));
        }
    }
}

impl std::ops::AddAssign for Column {
    fn add_assign(&mut self, other: Self) {
        self.lines += other.lines;
        let room = EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.into_iter().take(room));
    }
}

/// What came of it, or would.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Remapped {
    /// Lines looked at.
    pub looked_at: u64,
    /// Lines of which a column or the record's text differs.
    pub changed: u64,
    /// Lines that a record did not come to before; only `HecOne` has such.
    pub inserted: u64,
    /// Lines that it no longer comes to.
    pub removed: u64,
    /// By column, and `raw`.
    pub columns: BTreeMap<String, Column>,
    /// Of the lines that differ, those that were altered by hand: what they are is not what was written.
    pub altered: Column,
    /// Of these, those that stay told as altered once they are written: today's rules make something else of their records than
    /// was once written, so that the record may have been altered, too.
    pub doubtful: u64,
    /// Transactions that today's rules cannot read, left as they are.
    pub unreadable: u64,
    /// Transactions with a line that the source no longer has. That line is left as it is; where a record is a whole
    /// transaction, or its lines are alike, all of it is.
    pub missing: u64,
    /// Transactions of accounts that the configuration no longer has.
    pub unconfigured: u64,
    /// Earlier images out of which today's privacy rules took something; but for those of the lines that changed.
    pub versions: u64,
    /// Records in quarantine out of which they did.
    pub quarantined: u64,
}

impl std::ops::AddAssign for Remapped {
    fn add_assign(&mut self, other: Self) {
        self.looked_at += other.looked_at;
        self.changed += other.changed;
        self.inserted += other.inserted;
        self.removed += other.removed;
        self.unreadable += other.unreadable;
        self.missing += other.missing;
        self.unconfigured += other.unconfigured;
        self.versions += other.versions;
        self.quarantined += other.quarantined;
        self.altered += other.altered;
        self.doubtful += other.doubtful;
        for (name, column) in other.columns {
            *self.columns.entry(name).or_default() += column;
        }
    }
}

impl Remapped {
    fn differs(&mut self, column: &str, of: &Stored, line: &Line, change: Option<(&str, &str)>) {
        let change = change.filter(|_| !PERSONAL.contains(&column));
        self.columns.entry(column.to_owned()).or_default().add(&of.stream, (&of.id, &line.line_id), change);
    }
}

/// The key of the last transaction that was looked at.
#[derive(Debug, Clone, Default)]
pub struct TransactionKey([String; 3]);

/// Transactions looked at in one transaction of the database.
const TOGETHER: i64 = 1_000;

impl Warehouse {
    /// Normalizes the records behind a key again, a batch of them; gives the key of the last one, none when there is none.
    pub async fn remap(
        &self,
        remap: &Remap<'_>,
        behind: &TransactionKey,
    ) -> Result<(Remapped, Option<TransactionKey>), WarehouseError> {
        self.long((remap.limit, "sync.window_timeout"), |mut tx| async move {
            if !remap.dry_run {
                forgotten::announce(&mut tx, remap.forgotten.number()).await?;
            }
            let (found, next) = candidates(&mut tx, remap, behind).await?;
            let mut done = Remapped::default();
            for ((source, account), ids) in found {
                let whole = StreamId::new(source, account.clone(), Partition::whole());
                let Some(normalizer) = (remap.normalizer)(&whole) else {
                    done.unconfigured += ids.len() as u64;
                    continue;
                };
                let wanted = Wanted { source, account: &account, ids: &ids, locked: !remap.dry_run };
                let mut changed = Vec::new();
                let found = stored::read(&mut tx, wanted).await?;
                for stored in &found.transactions {
                    changed.extend(remade(stored, &normalizer, remap.present, &mut done));
                }
                let unknown: BTreeSet<_> = found.unknown.iter().map(|(id, _)| id).collect();
                done.unreadable += unknown.len() as u64;
                changed.sort_by(|a, b| a.0.stream.cmp(&b.0.stream));
                for of_stream in changed.chunk_by(|a, b| a.0.stream == b.0.stream) {
                    let altered = altered(&mut tx, of_stream).await?;
                    for (id, line_id) in altered.keys() {
                        done.altered.add(&of_stream[0].0.stream, (id, line_id), None);
                    }
                    if !remap.dry_run {
                        done.doubtful += write(&mut tx, of_stream, altered, (remap, &normalizer)).await?;
                    }
                }
            }
            tx.commit().await?;
            Ok((done, next))
        })
        .await
    }
}

async fn candidates(
    tx: &mut Tx,
    remap: &Remap<'_>,
    behind: &TransactionKey,
) -> Result<(Chosen, Option<TransactionKey>), WarehouseError> {
    let [source, account, id] = &behind.0;
    let rows = statement::query(include_str!("sql/remap_candidates.sql"))
        .bind(source)
        .bind(account)
        .bind(id)
        .bind(remap.sources.iter().map(|source| source.as_str()).collect::<Vec<_>>())
        .bind(remap.accounts)
        .bind(TOGETHER)
        .fetch_all(&mut **tx)
        .await?;
    let (mut chosen, mut last) = (Chosen::default(), None);
    for row in rows {
        let key: [String; 3] = [row.try_get(0)?, row.try_get(1)?, row.try_get(2)?];
        chosen.add(&key[0], &key[1], &key[2]);
        last = Some(TransactionKey(key));
    }
    Ok((chosen, last))
}

/// A stored transaction by today's rules, and the times that its lines had before; none where nothing of it is to be
/// written.
fn remade(
    stored: &Stored,
    normalizer: &Normalizer,
    present: DateTime<Utc>,
    done: &mut Remapped,
) -> Option<(Remade, Vec<DateTime<Utc>>)> {
    done.looked_at += stored.lines.len() as u64;
    let whole = stored.stream.source.record_is_whole_transaction();
    if stored.lines.iter().any(|stored| stored.is_missing) {
        done.missing += 1;
        // Which of several lines alike is missing is told by their numbers alone.
        let are_alike = stored.lines.iter().any(|stored| stored.line.quality.contains(&Flag::IdenticalLines));
        if whole || are_alike {
            return None;
        }
    }
    let mut remade = Remade { stream: stored.stream.clone(), id: stored.id.clone(), records: Vec::new() };
    let mut told = Remapped::default();
    let mut is_other = false;
    let is_there = |record: &&StoredRecord| whole || !stored.lines_of(&record.line_id).any(|line| line.is_missing);
    for record in stored.records.iter().filter(is_there) {
        let now = normalizer.record(&stored.stream, present, &record.raw);
        let lines = match now.outcome {
            Outcome::Lines(lines) if now.id == stored.id => lines,
            Outcome::Lines(_) | Outcome::Rejected(_) => {
                done.unreadable += 1;
                return None;
            }
        };
        let is_reworded = *now.raw != *record.raw;
        is_other |= is_reworded || record.normalizer != NORMALIZER;
        let before: Vec<&StoredLine> = stored.lines_of(&record.line_id).collect();
        let (mut fresh, mut kept) = (Vec::new(), Vec::new());
        for line in lines {
            let was = before.iter().find(|was| !whole || was.line.line_id == line.line_id).map(|was| &was.line);
            let (new, as_kept) = with_what_was_read(line, was, &before, whole);
            if let Some(was) = was {
                let mut differs = is_reworded;
                for ((name, old), (_, new)) in was.columns().into_iter().zip(as_kept.columns()) {
                    if old != new {
                        differs = true;
                        let words = |value: &Option<String>| value.clone().unwrap_or_else(|| "NULL".to_owned());
                        told.differs(name, stored, &as_kept, Some((&words(&old), &words(&new))));
                    }
                }
                if is_reworded {
                    told.differs("raw", stored, &as_kept, None);
                }
                told.changed += u64::from(differs);
                is_other |= differs;
            } else {
                told.inserted += 1;
                is_other = true;
            }
            fresh.push(new);
            kept.push(as_kept);
        }
        let is_gone = |was: &&&StoredLine| !kept.iter().any(|line| line.line_id == was.line.line_id);
        let gone = before.iter().filter(is_gone).count() as u64;
        told.removed += gone;
        is_other |= gone > 0;
        remade.records.push(RemadeRecord { raw: now.raw, fresh, kept });
    }
    *done += told;
    let times = stored.lines.iter().map(|stored| stored.line.occurred_at).collect();
    is_other.then_some((remade, times))
}

/// What the read says of a line, and not its record, as it was: as it comes, and under the key that it has.
fn with_what_was_read(mut line: Line, was: Option<&Line>, before: &[&StoredLine], whole: bool) -> (Line, Line) {
    // What a read says of a transaction it says of each of its lines.
    let said = was.or_else(|| before.first().map(|stored| &stored.line));
    for flag in [Flag::FutureTime, Flag::UnstableWindow, Flag::NulRemoved] {
        if said.is_some_and(|line| line.quality.contains(&flag)) {
            line.quality.insert(flag);
        } else {
            line.quality.remove(&flag);
        }
    }
    let mut kept = line.clone();
    if let Some(was) = was.filter(|_| !whole) {
        kept.line_id.clone_from(&was.line_id);
        kept.quality.extend(was.quality.get(&Flag::IdenticalLines));
    }
    (line, kept)
}

/// Those of the lines of some transactions of one stream that were altered by hand.
async fn altered(tx: &mut Tx, changed: &[(Remade, Vec<DateTime<Utc>>)]) -> Result<Altered, WarehouseError> {
    let Some((Remade { stream, .. }, _)) = changed.first() else { return Ok(Altered::new()) };
    let of = |remade: &Remade| {
        let lines = remade.records.iter().flat_map(|record| &record.kept);
        lines.map(|line| (remade.id.clone(), line.line_id.clone())).collect::<Vec<_>>()
    };
    marks::altered(tx, stream, &changed.iter().flat_map(|(remade, _)| of(remade)).collect()).await
}

/// Writes transactions of one stream, as versions of what is there; those altered by hand, too, whatever their digests say.
async fn write(
    tx: &mut Tx,
    changed: &[(Remade, Vec<DateTime<Utc>>)],
    altered: Altered,
    (remap, normalizer): (&Remap<'_>, &Normalizer),
) -> Result<u64, WarehouseError> {
    let remade: Vec<_> = changed.iter().map(|(remade, _)| remade).collect();
    let Some(stream) = remade.first().map(|remade| &remade.stream) else { return Ok(0) };
    let batch = remade::batch(stream.source, &remade, remap.forgotten.number())?;
    marks::distrust(tx, stream, &altered).await?;
    let written = stage::put(tx, stream, &batch, &mut Fates::all(&batch, Fate::Differs), false).await?;
    let doubtful = marks::keep_altered(tx, stream, altered).await?;
    let ids: Vec<_> = remade.iter().map(|remade| remade.id.as_str()).collect();
    forget::versions::hide(tx, stream, &ids, (remap.guard, normalizer)).await?;
    let kept = remade.iter().flat_map(|remade| &remade.records).flat_map(|record| &record.kept);
    let times: Vec<_> =
        kept.map(|line| line.occurred_at).chain(changed.iter().flat_map(|(_, times)| times).copied()).collect();
    statement::query(include_str!("sql/unknow_windows.sql"))
        .bind(stream.source.as_str())
        .bind(&stream.account)
        .bind(stream.partition.as_str())
        .bind(times)
        .execute(&mut **tx)
        .await?;
    if written.is_any() {
        notify(tx, stream).await?;
    }
    // There may be another stream in this transaction.
    sqlx::raw_sql("DROP TABLE pg_temp.stage, pg_temp.stage_record").execute(&mut **tx).await?;
    Ok(doubtful)
}
