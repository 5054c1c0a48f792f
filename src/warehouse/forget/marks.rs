//! A line that was altered by hand stays one that was: forgetting, or a remap, gives it a new digest, and it must not be its
//! own unless the line is what was written again.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    domain::StreamId,
    warehouse::{Tx, WarehouseError, copy::ContentHash, statement, verify},
};

/// The key of a line: its transaction's id, and its own part.
pub(in crate::warehouse) type Key = (String, String);

/// Lines that were altered by hand, with the digests that they bear: those of what was written.
pub(in crate::warehouse) type Altered = BTreeMap<Key, Vec<u8>>;

/// The digest of no line: whoever bears it was altered before somebody was forgotten in it, or before other rules made
/// something else of it. The digest that it had would say something of who that was.
const NONE: ContentHash = [0; 16];

/// Those of some lines that do not bear their own digest, with the one that they bear.
pub(in crate::warehouse) async fn altered(
    tx: &mut Tx,
    stream: &StreamId,
    keys: &BTreeSet<Key>,
) -> Result<Altered, WarehouseError> {
    if keys.is_empty() {
        return Ok(Altered::new());
    }
    let (ids, line_ids): (Vec<_>, Vec<_>) = keys.iter().cloned().unzip();
    let own = verify::digests(tx, stream, &ids, &line_ids).await?;
    let mut of: (Vec<String>, Vec<String>, Vec<Vec<u8>>) = Default::default();
    for (id, line_id, digest) in own {
        of.0.push(id);
        of.1.push(line_id);
        of.2.push(digest);
    }
    let unlike: Vec<(String, String, Vec<u8>)> = statement::query_as(
        "SELECT t.source_transaction_id, t.line_id, t.content_hash FROM fuel.transaction t \
         JOIN unnest($3::text[], $4::text[], $5::bytea[]) AS own (source_transaction_id, line_id, digest) \
             USING (source_transaction_id, line_id) \
         WHERE t.source = $1 AND t.account = $2 AND t.content_hash <> own.digest",
    )
    .bind(stream.source.as_str())
    .bind(&stream.account)
    .bind(of.0)
    .bind(of.1)
    .bind(of.2)
    .fetch_all(&mut **tx)
    .await?;
    Ok(unlike.into_iter().map(|(id, line_id, borne)| ((id, line_id), borne)).collect())
}

/// Takes the digests away from lines that were altered: what is written next is written over them, though it be what was
/// written before. In the same transaction [`keep_altered`] gives each of them one.
pub(in crate::warehouse) async fn distrust(
    tx: &mut Tx,
    stream: &StreamId,
    lines: &Altered,
) -> Result<(), WarehouseError> {
    if lines.is_empty() {
        return Ok(());
    }
    let (ids, line_ids): (Vec<&str>, Vec<&str>) = lines.keys().map(|(id, line)| (id.as_str(), line.as_str())).unzip();
    statement::query(include_str!("../sql/distrust.sql"))
        .bind(stream.source.as_str())
        .bind(&stream.account)
        .bind(ids)
        .bind(line_ids)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Marks lines as altered that were, but for those that are what was written again: how many stay so.
pub(in crate::warehouse) async fn keep_altered(
    tx: &mut Tx,
    stream: &StreamId,
    lines: Altered,
) -> Result<u64, WarehouseError> {
    if lines.is_empty() {
        return Ok(0);
    }
    let (keys, borne): (Vec<Key>, Vec<Vec<u8>>) = lines.into_iter().unzip();
    let (ids, line_ids): (Vec<String>, Vec<String>) = keys.into_iter().unzip();
    let marked = statement::query(
        "UPDATE fuel.transaction t SET content_hash = $5 \
         FROM unnest($3::text[], $4::text[], $6::bytea[]) AS one (source_transaction_id, line_id, borne) \
         WHERE t.source = $1 AND t.account = $2 AND t.source_transaction_id = one.source_transaction_id AND t.line_id = one.line_id \
             AND t.content_hash <> one.borne",
    )
    .bind(stream.source.as_str())
    .bind(&stream.account)
    .bind(ids)
    .bind(line_ids)
    .bind(NONE.as_slice())
    .bind(borne)
    .execute(&mut **tx)
    .await?;
    Ok(marked.rows_affected())
}
