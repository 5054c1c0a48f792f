//! From the spool through a temporary table into the warehouse, in the order of the key.

use crate::warehouse::statement;
use sqlx::{PgConnection, Row};

use super::compare::Differs;
use crate::{
    domain::StreamId,
    source::NORMALIZER,
    warehouse::{WarehouseError, copy, incoming::Batch},
};

/// Copies the lines that differ, and their records, to the temporary tables.
pub(super) async fn stage(
    connection: &mut PgConnection,
    stream: &StreamId,
    batch: &Batch,
    differs: &Differs,
) -> Result<(), WarehouseError> {
    sqlx::raw_sql(include_str!("../sql/stage.sql")).execute(&mut *connection).await?;
    let (mut lines, mut reader) = (copy::Rows::new(), batch.lines());
    let mut sink = connection.copy_in_raw(include_str!("../sql/copy_lines.sql")).await?;
    for (_, entry) in batch.entries().filter(|(at, _)| differs.has(*at)) {
        let (spooled, line) = reader.of(entry)?;
        let hash = line.content_hash(&spooled.raw);
        lines.line(&spooled.id, &line, &hash, entry.outside());
        if let Some(bytes) = lines.full() {
            sink.send(bytes).await?;
        }
    }
    sink.send(lines.finish()).await?;
    sink.finish().await?;
    let (mut records, mut reader) = (copy::Rows::new(), batch.lines());
    let mut sink = connection.copy_in_raw(include_str!("../sql/copy_records.sql")).await?;
    let whole = stream.source.record_is_whole_transaction();
    let mut last = None;
    for (_, entry) in batch.entries().filter(|(at, _)| differs.has(*at)) {
        if last.replace(entry.record) == Some(entry.record) {
            continue;
        }
        let (spooled, line) = reader.of(entry)?;
        records.record(&spooled.id, if whole { "-" } else { &line.line_id }, &spooled.raw);
        if let Some(bytes) = records.full() {
            sink.send(bytes).await?;
        }
    }
    sink.send(records.finish()).await?;
    sink.finish().await?;
    Ok(())
}

/// From the staging tables into the warehouse: (inserted, updated) of lines inside the window, and the
/// neighbours' lines that are new.
pub(super) async fn upsert(
    connection: &mut PgConnection,
    stream: &StreamId,
) -> Result<(u64, u64, u64), WarehouseError> {
    let (source, account, partition) = (stream.source.as_str(), &stream.account, stream.partition.as_str());
    let whole = stream.source.record_is_whole_transaction();
    statement::query(include_str!("../sql/drop_known_outside.sql"))
        .bind(source)
        .bind(account)
        .bind(whole)
        .execute(&mut *connection)
        .await?;
    statement::query(include_str!("../sql/lock_lines.sql"))
        .bind(source)
        .bind(account)
        .execute(&mut *connection)
        .await?;
    statement::query(include_str!("../sql/keep_versions.sql"))
        .bind(source)
        .bind(account)
        .bind(whole)
        .execute(&mut *connection)
        .await?;
    if whole {
        statement::query(include_str!("../sql/remove_lines.sql"))
            .bind(source)
            .bind(account)
            .execute(&mut *connection)
            .await?;
    }
    let written = statement::query(include_str!("../sql/upsert_lines.sql"))
        .bind(source)
        .bind(account)
        .bind(partition)
        .fetch_one(&mut *connection)
        .await?;
    let outside = statement::query(include_str!("../sql/insert_outside.sql"))
        .bind(source)
        .bind(account)
        .bind(partition)
        .execute(&mut *connection)
        .await?;
    statement::query(include_str!("../sql/upsert_records.sql"))
        .bind(source)
        .bind(account)
        .bind(NORMALIZER)
        .execute(&mut *connection)
        .await?;
    let count = |at| written.try_get::<i64, _>(at).map(i64::unsigned_abs);
    Ok((count(0)?, count(1)?, outside.rows_affected()))
}
