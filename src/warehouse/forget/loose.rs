//! What cannot be taken apart as a transaction: a record without a line, a line without a record, and transactions with a word
//! that this version does not know. Their texts and columns are looked at alone.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use super::{
    Batched, Purge, RecordKey, Touched,
    marks::{self, Key},
};
use crate::{
    domain::{Partition, SourceKind, StreamId},
    privacy::{Class, Persons},
    source::Normalizer,
    warehouse::{Tx, Warehouse, WarehouseError, load::notify, statement, stored::LooseRecord, verify},
};

/// Lines looked at in one transaction.
const TOGETHER: i64 = 20_000;

impl Warehouse {
    /// Looks at the lines behind a key, a batch of them, and takes what is forgotten out of those that have no record.
    pub async fn purge_lines_alone(
        &self,
        purge: &Purge<'_>,
        behind: &RecordKey,
    ) -> Result<Batched<RecordKey>, WarehouseError> {
        self.long(purge.limit(), |mut tx| async move {
            purge.announce(&mut tx).await?;
            let [source, account, id, line_id] = &behind.0;
            let rows = statement::query(include_str!("../sql/forget_alone.sql"))
                .bind(source)
                .bind(account)
                .bind(id)
                .bind(line_id)
                .bind(TOGETHER)
                .bind(purge.pattern)
                .fetch_all(&mut *tx)
                .await?;
            let (mut found, mut last): (Vec<(StreamId, BTreeSet<Key>)>, _) = (Vec::new(), None);
            for row in rows {
                let key: [String; 4] = [row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?];
                if row.try_get(4)?
                    && let Ok(source) = key[0].parse::<SourceKind>()
                {
                    let stream = StreamId::new(source, key[1].clone(), Partition::whole());
                    let line = (key[2].clone(), key[3].clone());
                    match found.last_mut() {
                        Some((of, lines)) if *of == stream => _ = lines.insert(line),
                        Some(_) | None => found.push((stream, BTreeSet::from([line]))),
                    }
                }
                last = Some(RecordKey(key));
            }
            let mut touched = Touched::default();
            for (stream, keys) in found {
                touched.lines += lines(&mut tx, purge, &stream, &keys).await?;
            }
            tx.commit().await?;
            Ok((touched, last))
        })
        .await
    }
}

/// Takes what is forgotten out of the personal columns of lines; how many had something of it.
pub(super) async fn lines(
    tx: &mut Tx,
    purge: &Purge<'_>,
    stream: &StreamId,
    keys: &BTreeSet<Key>,
) -> Result<u64, WarehouseError> {
    let persons = purge.persons();
    let (ids, line_ids): (Vec<&str>, Vec<&str>) = keys.iter().map(|(id, line)| (id.as_str(), line.as_str())).unzip();
    let rows = statement::query(include_str!("../sql/forget_personal.sql"))
        .bind(stream.source.as_str())
        .bind(&stream.account)
        .bind(ids)
        .bind(line_ids)
        .fetch_all(&mut **tx)
        .await?;
    let mut changed = BTreeSet::<Key>::new();
    let mut columns: [Vec<Option<String>>; 5] = Default::default();
    for row in rows {
        let mut of_row: [Option<String>; 5] = Default::default();
        let mut is_touched = false;
        for (at, column) in of_row.iter_mut().enumerate() {
            *column = row.try_get(2 + at)?;
            is_touched |= forget(at, column, &persons);
        }
        if is_touched {
            changed.insert((row.try_get(0)?, row.try_get(1)?));
            columns.iter_mut().zip(of_row).for_each(|(all, value)| all.push(value));
        }
    }
    if purge.dry_run || changed.is_empty() {
        return Ok(changed.len() as u64);
    }
    let (ids, line_ids): (Vec<&str>, Vec<&str>) = changed.iter().map(|(id, line)| (id.as_str(), line.as_str())).unzip();
    let [card, driver, driver_no, vehicle_no, plate] = columns;
    let altered = marks::altered(tx, stream, &changed).await?;
    statement::query(include_str!("../sql/forget_columns.sql"))
        .bind(stream.source.as_str())
        .bind(&stream.account)
        .bind(ids)
        .bind(line_ids)
        .bind(card)
        .bind(driver)
        .bind(driver_no)
        .bind(vehicle_no)
        .bind(plate)
        .execute(&mut **tx)
        .await?;
    digest(tx, stream, &changed).await?;
    marks::keep_altered(tx, stream, altered).await?;
    notify(tx, stream).await?;
    Ok(changed.len() as u64)
}

/// The personal columns, in the order in which they are asked for.
const CLASSES: [Class; 5] =
    [Class::CardNumber, Class::DriverName, Class::DriverName, Class::LicensePlate, Class::LicensePlate];

fn forget(at: usize, column: &mut Option<String>, persons: &Persons) -> bool {
    let is_told = column.as_deref().is_some_and(|value| persons.has(CLASSES[at], value));
    if is_told {
        *column = None;
    }
    is_told
}

/// Takes what is forgotten out of records; tells which had something of it.
pub(super) async fn records(
    tx: &mut Tx,
    purge: &Purge<'_>,
    stream: &StreamId,
    records: Vec<LooseRecord>,
    forgetting: &Normalizer,
) -> Result<BTreeSet<Key>, WarehouseError> {
    let mut changed = BTreeSet::new();
    let (mut ids, mut line_ids, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    for LooseRecord { id, line_id, raw } in records {
        let left = forgetting.record(stream, DateTime::<Utc>::UNIX_EPOCH, &*raw).raw;
        if left != raw {
            changed.insert((id.clone(), line_id.clone()));
            ids.push(id);
            line_ids.push(line_id);
            texts.push(String::from(left));
        }
    }
    if !purge.dry_run && !changed.is_empty() {
        statement::query(
            "UPDATE fuel.record r SET raw = new.raw::json \
             FROM unnest($3::text[], $4::text[], $5::text[]) AS new (source_transaction_id, line_id, raw) \
             WHERE r.source = $1 AND r.account = $2 AND r.source_transaction_id = new.source_transaction_id \
                 AND r.line_id = new.line_id",
        )
        .bind(stream.source.as_str())
        .bind(&stream.account)
        .bind(ids)
        .bind(line_ids)
        .bind(texts)
        .execute(&mut **tx)
        .await?;
    }
    Ok(changed)
}

/// The same of whole transactions with a word that this version does not know: lines and records.
pub(super) async fn unknown(
    tx: &mut Tx,
    purge: &Purge<'_>,
    stream: &StreamId,
    keys: &BTreeSet<Key>,
    of_them: Vec<LooseRecord>,
    forgetting: &Normalizer,
) -> Result<Touched, WarehouseError> {
    let altered = if purge.dry_run { marks::Altered::new() } else { marks::altered(tx, stream, keys).await? };
    let reworded = records(tx, purge, stream, of_them, forgetting).await?;
    let lines = lines(tx, purge, stream, keys).await?;
    if !purge.dry_run {
        let ids: BTreeSet<&str> = reworded.iter().map(|(id, _)| id.as_str()).collect();
        let theirs: BTreeSet<Key> = keys.iter().filter(|(id, _)| ids.contains(id.as_str())).cloned().collect();
        digest(tx, stream, &theirs).await?;
        let altered = altered.into_iter().filter(|(key, _)| theirs.contains(key)).collect();
        marks::keep_altered(tx, stream, altered).await?;
    }
    Ok(Touched { lines, records: reworded.len() as u64, ..Touched::default() })
}

/// Gives lines the digests of what they are now: those of what they were say something of it.
async fn digest(tx: &mut Tx, stream: &StreamId, keys: &BTreeSet<Key>) -> Result<(), WarehouseError> {
    if keys.is_empty() {
        return Ok(());
    }
    let (ids, line_ids): (Vec<_>, Vec<_>) = keys.iter().cloned().unzip();
    let digests = verify::digests(tx, stream, &ids, &line_ids).await?;
    let mut all: (Vec<String>, Vec<String>, Vec<Vec<u8>>) = Default::default();
    for (id, line_id, digest) in digests {
        all.0.push(id);
        all.1.push(line_id);
        all.2.push(digest);
    }
    statement::query(
        "UPDATE fuel.transaction t SET content_hash = new.digest, seq = nextval('fuel.change_seq') \
         FROM unnest($3::text[], $4::text[], $5::bytea[]) AS new (source_transaction_id, line_id, digest) \
         WHERE t.source = $1 AND t.account = $2 AND t.source_transaction_id = new.source_transaction_id \
             AND t.line_id = new.line_id",
    )
    .bind(stream.source.as_str())
    .bind(&stream.account)
    .bind(all.0)
    .bind(all.1)
    .bind(all.2)
    .execute(&mut **tx)
    .await?;
    // A read finds that out by the new `seq`; a certificate would take it for a line that somebody exchanged.
    statement::query(include_str!("../sql/unknow_windows_of.sql"))
        .bind(stream.source.as_str())
        .bind(&stream.account)
        .bind(ids)
        .bind(line_ids)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
