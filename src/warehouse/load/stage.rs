//! From the log into the warehouse: what is new by COPY, what differs through a temporary table, in the order of the key.

use sqlx::{PgConnection, Row, postgres::PgCopyIn};

use super::compare::Fates;
use crate::{
    domain::StreamId,
    failpoint::{Point, reached},
    source::NORMALIZER,
    warehouse::{
        WarehouseError,
        columns::{self, Columns},
        copy,
        incoming::{Batch, Entry},
        statement,
    },
};

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::warehouse) struct Written {
    /// Lines of the window that are new.
    pub(in crate::warehouse) inserted: u64,
    /// Lines of the window that changed.
    pub(in crate::warehouse) updated: u64,
    /// Neighbours' lines that are new.
    pub(in crate::warehouse) outside: u64,
    /// The sum of the `seq` of the window's lines that were written; none where it is not known, for COPY does not tell it.
    pub(in crate::warehouse) seqs: Option<i128>,
}

impl Written {
    /// Whether anything was.
    pub(in crate::warehouse) const fn is_any(&self) -> bool {
        self.inserted + self.updated + self.outside > 0
    }
}

/// Writes what is new or differs. What the table has nothing of in the stretch is copied straight into it; should another
/// stretch have such a key after all, that is taken back, and all goes the way that asks for each; but not before the
/// window's turn has come (`is_early`).
pub(in crate::warehouse) async fn put(
    connection: &mut PgConnection,
    stream: &StreamId,
    batch: &Batch,
    fates: &mut Fates,
    is_early: bool,
) -> Result<Written, WarehouseError> {
    let mut written = Written { seqs: Some(0), ..Written::default() };
    if fates.unmet(batch).next().is_some() {
        sqlx::raw_sql("SAVEPOINT new").execute(&mut *connection).await?;
        match insert(&mut *connection, stream, batch, fates).await {
            Ok((lines, seqs)) => (written.inserted, written.seqs) = (lines, seqs),
            Err(Refusal::Known) if is_early => return Err(WarehouseError::NotItsTurn),
            Err(Refusal::Known) => {
                sqlx::raw_sql("ROLLBACK TO SAVEPOINT new").execute(&mut *connection).await?;
                fates.none_is_new();
            }
            Err(Refusal::Other(error)) => return Err(error),
        }
    }
    if fates.differing(batch).next().is_some() {
        stage(connection, stream, batch, fates).await?;
        // Of a table without statistics the server believes that it is large, and would scan the warehouse for a few lines.
        sqlx::raw_sql(include_str!("../sql/analyze_stage.sql")).execute(&mut *connection).await?;
        reached(Point::Staged);
        let upserted = upsert(connection, stream).await?;
        written.inserted += upserted.inserted;
        (written.updated, written.outside) = (upserted.updated, upserted.outside);
        written.seqs = written.seqs.zip(upserted.seqs).map(|(new, differing)| new + differing);
    }
    Ok(written)
}

/// Why rows were not copied into the warehouse's own tables.
enum Refusal {
    /// The key of one is there already.
    Known,
    Other(WarehouseError),
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(said) if said.is_unique_violation() => Self::Known,
            _ => Self::Other(error.into()),
        }
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self::Other(error.into())
    }
}

/// Lines and their records as parameters of a statement, where they are few enough for that.
fn few<'b, I: Iterator<Item = &'b Entry>>(
    stream: &StreamId,
    batch: &Batch,
    entries: impl Fn() -> I,
) -> std::io::Result<Option<(Columns, Columns)>> {
    if entries().nth(columns::FEW).is_some() {
        return Ok(None);
    }
    let (mut lines, mut records, mut reader) = (Columns::of_lines(), Columns::of_records(), batch.lines());
    let mut last = None;
    for entry in entries() {
        let (packed, fields, hash) = reader.of(entry)?;
        lines.line(&fields, &hash, entry.outside())?;
        if last.replace(entry.record) != Some(entry.record) {
            records.record(packed.id, key_of_record(stream, &fields), packed.raw);
        }
        if lines.are_many() || records.are_many() {
            return Ok(None);
        }
    }
    Ok(Some((lines, records)))
}

/// Writes new lines and their records into their tables: how many lines, and the sum of their `seq` where that is told.
async fn insert(
    connection: &mut PgConnection,
    stream: &StreamId,
    batch: &Batch,
    fates: &Fates,
) -> Result<(u64, Option<i128>), Refusal> {
    if let Some((lines, records)) = few(stream, batch, || fates.unmet(batch))? {
        let (source, account) = (stream.source.as_str(), &stream.account);
        let statement = lines.bind(statement::query(include_str!("../sql/insert_few_lines.sql")), copy::FIELDS + 1);
        let statement = statement.bind(source).bind(account).bind(stream.partition.as_str());
        let row = statement.fetch_one(&mut *connection).await?;
        let lines = row.try_get::<i64, _>(0)?.unsigned_abs();
        let seqs = row.try_get::<&str, _>(1)?.parse().ok();
        reached(Point::Staged);
        let statement = records.bind(statement::query(include_str!("../sql/insert_few_records.sql")), 3);
        statement.bind(source).bind(account).bind(NORMALIZER).execute(&mut *connection).await?;
        return Ok((lines, seqs));
    }
    let owner = copy::Owner::of(stream, NORMALIZER);
    let (mut rows, mut reader) = (copy::Rows::new(), batch.lines());
    let mut sink = connection.copy_in_raw(include_str!("../sql/insert_lines.sql")).await?;
    for entry in fates.unmet(batch) {
        let (_, fields, hash) = reader.of(entry)?;
        rows.line(&owner, &fields, &hash);
        send(&mut sink, &mut rows).await?;
    }
    sink.send(rows.finish()).await?;
    let lines = sink.finish().await?;
    reached(Point::Staged);
    let (mut rows, mut reader) = (copy::Rows::new(), batch.lines());
    let mut sink = connection.copy_in_raw(include_str!("../sql/insert_records.sql")).await?;
    for entry in once_a_record(fates.unmet(batch)) {
        let (packed, fields, _) = reader.of(entry)?;
        rows.record(&owner, packed.id, key_of_record(stream, &fields), packed.raw);
        send(&mut sink, &mut rows).await?;
    }
    sink.send(rows.finish()).await?;
    sink.finish().await?;
    Ok((lines, None))
}

/// Copies lines, and their records, to the temporary tables.
pub(in crate::warehouse) async fn stage(
    connection: &mut PgConnection,
    stream: &StreamId,
    batch: &Batch,
    fates: &Fates,
) -> Result<(), WarehouseError> {
    sqlx::raw_sql(include_str!("../sql/stage.sql")).execute(&mut *connection).await?;
    if let Some((lines, records)) = few(stream, batch, || fates.differing(batch))? {
        let statement = statement::query(include_str!("../sql/stage_few_lines.sql"));
        lines.bind(statement, copy::FIELDS + 2).execute(&mut *connection).await?;
        let statement = statement::query(include_str!("../sql/stage_few_records.sql"));
        records.bind(statement, 3).execute(&mut *connection).await?;
        return Ok(());
    }
    let (mut rows, mut reader) = (copy::Rows::new(), batch.lines());
    let mut sink = connection.copy_in_raw(include_str!("../sql/copy_lines.sql")).await?;
    for entry in fates.differing(batch) {
        let (_, fields, hash) = reader.of(entry)?;
        rows.staged(&fields, &hash, entry.outside());
        send(&mut sink, &mut rows).await?;
    }
    sink.send(rows.finish()).await?;
    sink.finish().await?;
    let (mut rows, mut reader) = (copy::Rows::new(), batch.lines());
    let mut sink = connection.copy_in_raw(include_str!("../sql/copy_records.sql")).await?;
    for entry in once_a_record(fates.differing(batch)) {
        let (packed, fields, _) = reader.of(entry)?;
        rows.staged_record(packed.id, key_of_record(stream, &fields), packed.raw);
        send(&mut sink, &mut rows).await?;
    }
    sink.send(rows.finish()).await?;
    sink.finish().await?;
    Ok(())
}

/// Sends what is worth sending.
async fn send(sink: &mut PgCopyIn<&mut PgConnection>, rows: &mut copy::Rows) -> Result<(), sqlx::Error> {
    if let Some(bytes) = rows.full() {
        sink.send(bytes.as_slice()).await?;
        bytes.clear();
    }
    Ok(())
}

/// The first of the entries of each record.
fn once_a_record<'b>(entries: impl Iterator<Item = &'b Entry>) -> impl Iterator<Item = &'b Entry> {
    let mut last = None;
    entries.filter(move |entry| last.replace(entry.record) != Some(entry.record))
}

/// Under which line a record is kept.
fn key_of_record<'f>(stream: &StreamId, fields: &'f [u8]) -> &'f str {
    if stream.source.record_is_whole_transaction() { "-" } else { copy::line_id(fields) }
}

/// From the temporary tables into the warehouse.
async fn upsert(connection: &mut PgConnection, stream: &StreamId) -> Result<Written, WarehouseError> {
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
    let kept = statement::query(include_str!("../sql/keep_versions.sql"))
        .bind(source)
        .bind(account)
        .bind(whole)
        .bind(partition)
        .execute(&mut *connection)
        .await?;
    if whole {
        let any: bool = statement::query_scalar(include_str!("../sql/any_to_remove.sql"))
            .bind(source)
            .bind(account)
            .fetch_one(&mut *connection)
            .await?;
        if any {
            statement::query(include_str!("../sql/remove_lines.sql"))
                .bind(source)
                .bind(account)
                .execute(&mut *connection)
                .await?;
        }
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
    let seqs = written.try_get::<&str, _>(2)?.parse().ok();
    let written = Written { inserted: count(0)?, updated: count(1)?, outside: outside.rows_affected(), seqs };
    // A line that was new when images were kept, and then was not, has been written by somebody else in between: it would
    // lose its image. All of it is made again.
    if kept.rows_affected() != written.updated {
        return Err(WarehouseError::Conflict(format!(
            "{} lines changed and {} images were kept: a line was written meanwhile, or a trigger or policy of the tables \
             keeps rows from being written",
            written.updated,
            kept.rows_affected()
        )));
    }
    Ok(written)
}
