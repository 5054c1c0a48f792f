//! What a repair does about lines that were altered here: their digest still says that they are as they were written, so a
//! load would leave them. In the transaction that writes them anew the digest is taken away from them; no other line loses
//! it, and none without being written.

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;

use super::{Here, TOGETHER};
use crate::{
    domain::StreamId,
    warehouse::{
        Tx, WarehouseError, copy,
        incoming::{Batch, Meeting},
        load::{WindowRead, compare::RowKeys},
        statement,
    },
};

/// Takes the digests away from the lines that were altered here and that this read is about to write, and tells them: those
/// of the window, and those that were moved out of it.
pub(in crate::warehouse) async fn distrust(
    tx: &mut Tx,
    read: &WindowRead<'_>,
    batch: &Batch,
) -> Result<RowKeys, WarehouseError> {
    let (source, account) = (read.stream.source.as_str(), &read.stream.account);
    let mut altered = RowKeys::new();
    let mut met = vec![false; batch.len()];
    let mut buffer = Vec::new();
    let mut rows = statement::query(include_str!("../sql/held_rows.sql"))
        .bind(source)
        .bind(account)
        .bind(read.stream.partition.as_str())
        .bind(read.window.start())
        .bind(read.window.end())
        .bind(read.asked_at)
        .fetch(&mut **tx);
    while let Some(row) = rows.try_next().await? {
        let line = Here::of(&row, &mut buffer)?;
        let Some(at) = entry_of(&line, batch)? else { continue };
        met[at] = true;
        if line.is_altered() && !batch.entry(at).outside() {
            altered.push(line.id, line.line_id)?;
        }
    }
    drop(rows);
    let mut lines = batch.lines();
    let (mut ids, mut line_ids) = (Vec::new(), Vec::new());
    for (at, entry) in batch.entries() {
        if entry.outside() || met[at] {
            continue;
        }
        let (packed, fields, _) = lines.of(entry)?;
        ids.push(packed.id.to_owned());
        line_ids.push(copy::line_id(&fields).to_owned());
        if ids.len() >= TOGETHER {
            moved(tx, read, (&ids, &line_ids), &mut altered).await?;
            ids.clear();
            line_ids.clear();
        }
    }
    moved(tx, read, (&ids, &line_ids), &mut altered).await?;
    for part in altered.parts() {
        let (ids, line_ids) = part?;
        statement::query(include_str!("../sql/distrust.sql"))
            .bind(source)
            .bind(account)
            .bind(ids)
            .bind(line_ids)
            .execute(&mut **tx)
            .await?;
    }
    Ok(altered)
}

/// That every line whose digest was taken away has been written: otherwise nothing is.
pub(in crate::warehouse) async fn trust(
    tx: &mut Tx,
    stream: &StreamId,
    altered: &RowKeys,
) -> Result<(), WarehouseError> {
    for part in altered.parts() {
        let (ids, line_ids) = part?;
        let left: bool = statement::query_scalar(
            "SELECT EXISTS (SELECT FROM fuel.transaction t \
                 JOIN unnest($3::text[], $4::text[]) AS k (source_transaction_id, line_id) USING (source_transaction_id, line_id) \
                 WHERE t.source = $1 AND t.account = $2 AND t.content_hash = '\\x00')",
        )
        .bind(stream.source.as_str())
        .bind(&stream.account)
        .bind(ids)
        .bind(line_ids)
        .fetch_one(&mut **tx)
        .await?;
        if left {
            return Err(WarehouseError::Conflict("a line altered here was not written anew".to_owned()));
        }
    }
    Ok(())
}

/// The entry that will be written over a line of the window.
fn entry_of(line: &Here<'_>, batch: &Batch) -> Result<Option<usize>, WarehouseError> {
    Ok(match batch.meet(line.id, line.line_id, &line.content)? {
        Meeting::Same(at) => Some(at),
        Meeting::Other(first) | Meeting::Replaced(first) => {
            let (mut lines, mut found) = (batch.lines(), None);
            for at in batch.unit_at(first) {
                if copy::line_id(&lines.of(batch.entry(at))?.1) == line.line_id {
                    found = Some(at);
                }
            }
            found
        }
        Meeting::Absent => None,
    })
}

/// Those of the lines with these keys that were altered, wherever they stand now. That one stands under another contract its
/// digest does not say.
async fn moved(
    tx: &mut Tx,
    read: &WindowRead<'_>,
    (ids, line_ids): (&[String], &[String]),
    altered: &mut RowKeys,
) -> Result<(), WarehouseError> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut buffer = Vec::new();
    let mut rows = statement::query(include_str!("../sql/held_keys.sql"))
        .bind(read.stream.source.as_str())
        .bind(&read.stream.account)
        .bind(ids)
        .bind(line_ids)
        .bind(read.asked_at)
        .fetch(&mut **tx);
    while let Some(row) = rows.try_next().await? {
        let line = Here::of(&row, &mut buffer)?;
        let is_elsewhere = line.partition != read.stream.partition.as_str() && !line.is_younger;
        if line.is_altered() || is_elsewhere {
            altered.push(line.id, line.line_id)?;
        }
    }
    Ok(())
}

/// The digests of some lines as they are: what they ought to have.
pub(in crate::warehouse) async fn digests(
    tx: &mut Tx,
    stream: &StreamId,
    ids: &[String],
    line_ids: &[String],
) -> Result<Vec<(String, String, Vec<u8>)>, WarehouseError> {
    let (mut buffer, mut all) = (Vec::new(), Vec::new());
    let mut rows = statement::query(include_str!("../sql/held_keys.sql"))
        .bind(stream.source.as_str())
        .bind(&stream.account)
        .bind(ids)
        .bind(line_ids)
        .bind(DateTime::<Utc>::UNIX_EPOCH)
        .fetch(&mut **tx);
    while let Some(row) = rows.try_next().await? {
        let line = Here::of(&row, &mut buffer)?;
        all.push((line.id.to_owned(), line.line_id.to_owned(), line.content.to_vec()));
    }
    Ok(all)
}
