//! What went on: sales a day, reads an hour, and what waits in quarantine, without its records.

use crate::warehouse::statement;
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::Row;
use uuid::Uuid;

use super::{Warehouse, WarehouseError};
use crate::domain::{Partition, SourceKind, StreamId, Window};

/// Lines of sales of a source on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayOfSales {
    /// The vendor interface.
    pub source: SourceKind,
    /// The UTC day on which they took place.
    pub day: NaiveDate,
    /// Lines, whatever their state.
    pub lines: i64,
}

/// What the runs that began within an hour read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HourOfRuns {
    /// When the hour begins.
    pub hour: DateTime<Utc>,
    /// Runs that ended.
    pub runs: i64,
    /// Windows read.
    pub windows: i64,
    /// Lines read.
    pub fetched: i64,
    /// Of them, new or changed.
    pub changed: i64,
    /// Of them, already as they are: what reading again costs.
    pub unchanged: i64,
    /// How long the runs took, added up, in milliseconds.
    pub busy_ms: i64,
}

/// A record in quarantine, without the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InQuarantine {
    /// Its number for `fuelsync quarantine`.
    pub id: i64,
    /// Whose it is.
    pub stream: StreamId,
    /// The field at fault.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
    /// When it was first met.
    pub first_seen_at: DateTime<Utc>,
    /// When it was last met.
    pub last_seen_at: DateTime<Utc>,
}

impl Warehouse {
    /// Lines a day and source of a stretch, in order of source and day. It reads the index entries of all lines in it:
    /// seconds where there are millions, so whoever asks again and again keeps the answer for a while.
    pub async fn sales_by_day(&self, stretch: Window) -> Result<Vec<DayOfSales>, WarehouseError> {
        self.short(|mut tx| async move {
            let rows = statement::query(include_str!("sql/sales_by_day.sql"))
                .bind(stretch.start())
                .bind(stretch.end())
                .fetch_all(&mut *tx)
                .await?;
            tx.commit().await?;
            let mut days = Vec::with_capacity(rows.len());
            for row in rows {
                let Ok(source) = row.try_get::<&str, _>(0)?.parse() else { continue };
                days.push(DayOfSales { source, day: row.try_get(1)?, lines: row.try_get(2)? });
            }
            Ok(days)
        })
        .await
    }

    /// What was read since an instant, hour by hour, by the runs that have ended. Hours without runs are left out.
    pub async fn runs_by_hour(&self, since: DateTime<Utc>) -> Result<Vec<HourOfRuns>, WarehouseError> {
        let least = least_run(since);
        self.short(|mut tx| async move {
            let rows = statement::query(include_str!("sql/runs_by_hour.sql"))
                .bind(least)
                .bind(since)
                .fetch_all(&mut *tx)
                .await?;
            tx.commit().await?;
            rows.iter()
                .map(|row| {
                    Ok(HourOfRuns {
                        hour: row.try_get(0)?,
                        runs: row.try_get(1)?,
                        windows: row.try_get(2)?,
                        fetched: row.try_get(3)?,
                        changed: row.try_get(4)?,
                        unchanged: row.try_get(5)?,
                        busy_ms: row.try_get(6)?,
                    })
                })
                .collect()
        })
        .await
    }

    /// What is in quarantine, the newest first, at most so many.
    pub async fn in_quarantine(&self, limit: i64) -> Result<Vec<InQuarantine>, WarehouseError> {
        self.short(|mut tx| async move {
            let rows =
                statement::query(include_str!("sql/quarantine_page.sql")).bind(limit).fetch_all(&mut *tx).await?;
            tx.commit().await?;
            let mut found = Vec::with_capacity(rows.len());
            for row in rows {
                let Ok(source) = row.try_get::<&str, _>(1)?.parse() else { continue };
                let partition: String = row.try_get(3)?;
                let partition = if partition == "-" { Partition::whole() } else { Partition::contract(partition) };
                found.push(InQuarantine {
                    id: row.try_get(0)?,
                    stream: StreamId::new(source, row.try_get::<String, _>(2)?, partition),
                    field: row.try_get(4)?,
                    reason: row.try_get(5)?,
                    first_seen_at: row.try_get(6)?,
                    last_seen_at: row.try_get(7)?,
                });
            }
            Ok(found)
        })
        .await
    }
}

/// A number that no run of this time or later is below. An hour is left for machines whose clocks differ.
fn least_run(since: DateTime<Utc>) -> Uuid {
    let at = u64::try_from(since.timestamp_millis()).unwrap_or(0).saturating_sub(3_600_000);
    uuid::Builder::from_unix_timestamp_millis(at, &[0; 10]).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_a_time_have_numbers_that_are_not_less_than_its_least() {
        let since: DateTime<Utc> = "2026-11-21T10:00:00Z".parse().unwrap();
        let at = u64::try_from(since.timestamp_millis()).unwrap();
        let run = |ms: u64, byte: u8| uuid::Builder::from_unix_timestamp_millis(ms, &[byte; 10]).into_uuid();
        assert!(least_run(since) <= run(at, 0) && least_run(since) <= run(at + 5_000, 255));
        assert!(least_run(since) > run(at - 3_600_001, 255));
    }
}
