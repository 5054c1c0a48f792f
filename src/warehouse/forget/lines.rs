//! Lines and their records.

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use super::{Batched, Normalizers, Purge, Touched, loose, marks};
use crate::{
    domain::{Flag, Line, Outcome, Partition, StreamId},
    privacy::{Class, Persons},
    source::Normalizer,
    warehouse::{
        Tx, Warehouse, WarehouseError,
        load::{
            compare::{Fate, Fates},
            notify, stage,
        },
        remade::{self, Remade, RemadeRecord},
        statement,
        stored::{self, Chosen, Stored, TEXTS, Wanted},
    },
};

/// The key of the last record that was looked at.
#[derive(Debug, Clone, Default)]
pub struct RecordKey(pub(super) [String; 4]);

/// Records looked at in one transaction.
const TOGETHER: i64 = 5_000;

impl Warehouse {
    /// Looks at the records behind a key, a batch of them, and takes what is forgotten out of them and their lines.
    pub async fn purge_lines(
        &self,
        purge: &Purge<'_>,
        behind: &RecordKey,
    ) -> Result<Batched<RecordKey>, WarehouseError> {
        self.long(purge.limit(), |mut tx| async move {
            purge.announce(&mut tx).await?;
            let (found, next) = candidates(&mut tx, purge, behind).await?;
            let mut touched = Touched::default();
            let mut normalizers = Normalizers::new(purge);
            let persons = purge.persons();
            for ((source, account), ids) in found {
                let wanted = Wanted { source, account: &account, ids: &ids, locked: !purge.dry_run };
                let whole = StreamId::new(source, account.clone(), Partition::whole());
                let Some(by) = normalizers.of(&whole) else { continue };
                let mut changed = Vec::new();
                let found = stored::read(&mut tx, wanted).await?;
                for stored in &found.transactions {
                    changed.extend(forgotten(stored, by, &persons));
                }
                touched.records += loose::records(&mut tx, purge, &whole, found.loose, &by.1).await?.len() as u64;
                touched += loose::unknown(&mut tx, purge, &whole, &found.unknown, found.unknown_records, &by.1).await?;
                changed.sort_by(|a, b| a.remade.stream.cmp(&b.remade.stream));
                for of_stream in changed.chunk_by(|a, b| a.remade.stream == b.remade.stream) {
                    touched += if purge.dry_run {
                        would_touch(of_stream)
                    } else {
                        write(&mut tx, of_stream, persons.number()).await?
                    };
                }
            }
            tx.commit().await?;
            Ok((touched, next))
        })
        .await
    }
}

/// The transactions in which something may be found, and the last record that was looked at.
async fn candidates(
    tx: &mut Tx,
    purge: &Purge<'_>,
    behind: &RecordKey,
) -> Result<(Chosen, Option<RecordKey>), WarehouseError> {
    let [source, account, id, line_id] = &behind.0;
    let rows = statement::query(include_str!("../sql/forget_candidates.sql"))
        .bind(source)
        .bind(account)
        .bind(id)
        .bind(line_id)
        .bind(TOGETHER)
        .bind(purge.pattern)
        .fetch_all(&mut **tx)
        .await?;
    let (mut chosen, mut last) = (Chosen::default(), None);
    for row in rows {
        let key: [String; 4] = [row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?];
        if row.try_get(4)? {
            chosen.add(&key[0], &key[1], &key[2]);
        }
        last = Some(RecordKey(key));
    }
    Ok((chosen, last))
}

/// A transaction out of which something was taken: so many lines and records of it.
struct Changed {
    remade: Remade,
    lines: u64,
    records: u64,
}

/// A stored transaction without what is forgotten of it; none where it holds nothing of it.
fn forgotten(stored: &Stored, (as_it_is, forgetting): &(Normalizer, Normalizer), persons: &Persons) -> Option<Changed> {
    let whole = stored.stream.source.record_is_whole_transaction();
    let mut remade = Remade { stream: stored.stream.clone(), id: stored.id.clone(), records: Vec::new() };
    let (mut lines, mut records) = (0, 0);
    // Which of several lines alike the source no longer has, or has not had at the last read, is told by their numbers alone: they
    // keep them.
    let keep_numbers = stored.lines.iter().any(|line| line.is_missing || line.is_absent);
    for record in &stored.records {
        let normalized = |by: &Normalizer| by.record(&stored.stream, DateTime::<Utc>::UNIX_EPOCH, &record.raw);
        let (was, is) = (normalized(as_it_is), normalized(forgetting));
        let (mut fresh, mut kept) = (Vec::new(), Vec::new());
        for before in stored.lines_of(&record.line_id) {
            let mut line = before.line.clone();
            let mut base = line.line_id.clone();
            // Where today's rules cannot read the record, its text and the line's own columns are looked at.
            if let (Outcome::Lines(was), Outcome::Lines(is)) = (&was.outcome, &is.outcome)
                && let Some((was, is)) = was.iter().zip(is).find(|(was, _)| !whole || was.line_id == line.line_id)
            {
                transfer(&mut line, was, is);
                base.clone_from(&is.line_id);
            }
            forget_columns(&mut line, persons);
            lines += u64::from(line != before.line);
            let mut new = line.clone();
            if !keep_numbers {
                new.line_id = base;
                if !whole {
                    new.quality.remove(&Flag::IdenticalLines);
                }
            }
            fresh.push(new);
            kept.push(line);
        }
        records += u64::from(*is.raw != *record.raw);
        remade.records.push(RemadeRecord { raw: is.raw, fresh, kept });
    }
    (lines + records > 0).then_some(Changed { remade, lines, records })
}

/// Gives a line, in each column, what forgetting made of that column.
fn transfer(line: &mut Line, was: &Line, is: &Line) {
    let (mut was, mut is) = (was.clone(), is.clone());
    for (_, of) in TEXTS {
        if of(&mut was) != of(&mut is) {
            of(line).clone_from(of(&mut is));
        }
    }
    if was.odometer_km != is.odometer_km {
        line.odometer_km = is.odometer_km;
    }
    for flag in was.quality.difference(&is.quality) {
        line.quality.remove(flag);
    }
    line.quality.extend(is.quality.difference(&was.quality));
}

/// What stands in a personal column though the record no longer has it.
fn forget_columns(line: &mut Line, persons: &Persons) {
    for (class, column) in [
        (Class::CardNumber, &mut line.card_number),
        (Class::DriverName, &mut line.driver_name),
        (Class::DriverName, &mut line.driver_no),
        (Class::LicensePlate, &mut line.vehicle_no),
        (Class::LicensePlate, &mut line.license_plate),
    ] {
        if column.as_deref().is_some_and(|value| persons.has(class, value)) {
            *column = None;
        }
    }
}

fn would_touch(changed: &[Changed]) -> Touched {
    let count = |of: fn(&Changed) -> u64| changed.iter().map(of).sum();
    Touched { lines: count(|changed| changed.lines), records: count(|changed| changed.records), ..Touched::default() }
}

/// Writes what is left of some transactions of one stream.
async fn write(tx: &mut Tx, changed: &[Changed], heeded: i64) -> Result<Touched, WarehouseError> {
    let remade: Vec<_> = changed.iter().map(|changed| &changed.remade).collect();
    let Some(stream) = remade.first().map(|remade| &remade.stream) else { return Ok(Touched::default()) };
    let batch = remade::batch(stream.source, &remade, heeded)?;
    stage::stage(tx, stream, &batch, &Fates::all(&batch, Fate::Differs)).await?;
    sqlx::raw_sql(include_str!("../sql/analyze_stage.sql")).execute(&mut **tx).await?;
    let kept = || remade.iter().flat_map(|remade| remade.records.iter().map(|record| (&remade.id, record)));
    let keys =
        kept().flat_map(|(id, record)| record.kept.iter().map(|line| (id.clone(), line.line_id.clone()))).collect();
    let altered = marks::altered(tx, stream, &keys).await?;
    statement::query(include_str!("../sql/unknow_sums.sql"))
        .bind(stream.source.as_str())
        .bind(&stream.account)
        .execute(&mut **tx)
        .await?;
    let lines = statement::query(include_str!("../sql/forget_lines.sql"))
        .bind(stream.source.as_str())
        .bind(&stream.account)
        .execute(&mut **tx)
        .await?
        .rows_affected();
    let records = statement::query(include_str!("../sql/forget_records.sql"))
        .bind(stream.source.as_str())
        .bind(&stream.account)
        .execute(&mut **tx)
        .await?
        .rows_affected();
    marks::keep_altered(tx, stream, altered).await?;
    let times: Vec<_> = kept().flat_map(|(_, record)| &record.kept).map(|line| line.occurred_at).collect();
    statement::query(include_str!("../sql/unknow_windows.sql"))
        .bind(stream.source.as_str())
        .bind(&stream.account)
        .bind(stream.partition.as_str())
        .bind(times)
        .execute(&mut **tx)
        .await?;
    if lines > 0 {
        notify(tx, stream).await?;
    }
    // There may be another stream in this transaction.
    sqlx::raw_sql("DROP TABLE pg_temp.stage, pg_temp.stage_record").execute(&mut **tx).await?;
    // Of a line whose record alone held something the digest changes, too: that is no line touched.
    Ok(Touched { lines: lines.min(would_touch(changed).lines), records, ..Touched::default() })
}
