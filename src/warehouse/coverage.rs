//! Which days of which account have been read, and how well: the ledger, the gaps and the watermarks in whole UTC days.

use crate::warehouse::statement;
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{Row, postgres::PgRow};

use super::{Warehouse, WarehouseError};
use crate::domain::{SourceKind, StreamId, Window};

/// Most pieces that are taken: far more than a grid of the usual settings makes, far less than would fill the memory.
const PIECES: i64 = 50_000;
/// Most windows and gaps of one stream.
const WINDOWS: i64 = 2_000;

/// What became of a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Read, and not read again.
    Final,
    /// Read whole more than once, the last time after its end.
    ReadAgain,
    /// Read once.
    Read,
    /// It lasts still: read up to the source's present.
    Open,
    /// In the ledger and never read: a backfill has claimed it, or gave it up.
    Unread,
    /// Read once, and its last read failed.
    Failing,
    /// It fails and was never read.
    FailingUnread,
    /// Lost at the source.
    Gap,
    /// Where a stream's watermark stands: what lies behind it is still to be read.
    Watermark,
}

impl Standing {
    /// As the statements name it; none for a word that is not theirs.
    fn of(word: &str) -> Option<Self> {
        let all = [
            ("final", Self::Final),
            ("read_again", Self::ReadAgain),
            ("read", Self::Read),
            ("open", Self::Open),
            ("unread", Self::Unread),
            ("failing", Self::Failing),
            ("failing_unread", Self::FailingUnread),
            ("gap", Self::Gap),
            ("watermark", Self::Watermark),
        ];
        all.into_iter().find(|(name, _)| *name == word).map(|(_, standing)| standing)
    }
}

/// So many pieces (windows, gaps, watermarks) of an account's interface that stand alike over the same days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The vendor interface.
    pub source: SourceKind,
    /// The account's name in the configuration.
    pub account: String,
    /// How they stand.
    pub standing: Standing,
    /// The first day; none for a stream without a watermark.
    pub from: Option<NaiveDate>,
    /// The last day, itself included; none for a stream without a watermark.
    pub through: Option<NaiveDate>,
    /// How many.
    pub pieces: i64,
}

/// A window of a stream, as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowReport {
    /// The window.
    pub window: Window,
    /// How it stands; never [`Standing::Gap`] or [`Standing::Watermark`].
    pub standing: Standing,
    /// Lines that the last read brought.
    pub fetched: i64,
    /// Of them, new to the table.
    pub inserted: i64,
    /// Of them, changed.
    pub updated: i64,
    /// Of them, already as they are.
    pub unchanged: i64,
    /// Records that could not be normalized.
    pub quarantined: i64,
    /// Lines that lie outside the window.
    pub outside: i64,
    /// Lines that came twice.
    pub duplicate: i64,
    /// Lines that the source no longer has; no part of `fetched`.
    pub missing: i64,
    /// Reads that failed since the last good one.
    pub attempts: i32,
    /// Why the last read failed.
    pub last_error: Option<String>,
    /// When it was last read.
    pub last_read_at: Option<DateTime<Utc>>,
}

/// A stretch lost at the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapReport {
    /// The stretch.
    pub stretch: Window,
    /// Why it is lost.
    pub reason: String,
    /// When that was found.
    pub recorded_at: DateTime<Utc>,
}

impl Warehouse {
    /// How the days since an instant stand, account by account, in order of source, account, day. Reads the ledger, not
    /// the sales. The watermarks of `left_out` are nobody's concern.
    pub async fn coverage(&self, since: DateTime<Utc>, left_out: &[StreamId]) -> Result<Vec<Span>, WarehouseError> {
        let sources: &Vec<_> = &left_out.iter().map(|stream| stream.source.as_str()).collect();
        let accounts: &Vec<_> = &left_out.iter().map(|stream| stream.account.as_str()).collect();
        let partitions: &Vec<_> = &left_out.iter().map(|stream| stream.partition.as_str()).collect();
        self.short(|mut tx| async move {
            let rows = statement::query(include_str!("sql/coverage.sql"))
                .bind(since)
                .bind(PIECES)
                .bind(sources)
                .bind(accounts)
                .bind(partitions)
                .fetch_all(&mut *tx)
                .await?;
            tx.commit().await?;
            Ok(spans(rows)?)
        })
        .await
    }

    /// How the days of one stream since an instant stand.
    pub async fn coverage_of(&self, stream: &StreamId, since: DateTime<Utc>) -> Result<Vec<Span>, WarehouseError> {
        self.short(|mut tx| async move {
            let rows = statement::query(include_str!("sql/stream_coverage.sql"))
                .bind(stream.source.as_str())
                .bind(&stream.account)
                .bind(stream.partition.as_str())
                .bind(since)
                .bind(PIECES)
                .fetch_all(&mut *tx)
                .await?;
            tx.commit().await?;
            Ok(spans(rows)?)
        })
        .await
    }

    /// The windows of a stream that end after an instant, and those that fail, newest first; at most 2,000.
    pub async fn windows(&self, stream: &StreamId, since: DateTime<Utc>) -> Result<Vec<WindowReport>, WarehouseError> {
        self.short(|mut tx| async move {
            let rows = statement::query(include_str!("sql/stream_windows.sql"))
                .bind(stream.source.as_str())
                .bind(&stream.account)
                .bind(stream.partition.as_str())
                .bind(since)
                .bind(WINDOWS)
                .fetch_all(&mut *tx)
                .await?;
            tx.commit().await?;
            let mut windows = Vec::with_capacity(rows.len());
            for row in rows {
                let Some(window) = Window::new(row.try_get(0)?, row.try_get(1)?) else { continue };
                let Some(standing) = Standing::of(row.try_get(2)?) else { continue };
                windows.push(WindowReport {
                    window,
                    standing,
                    fetched: row.try_get(3)?,
                    inserted: row.try_get(4)?,
                    updated: row.try_get(5)?,
                    unchanged: row.try_get(6)?,
                    quarantined: row.try_get(7)?,
                    outside: row.try_get(8)?,
                    duplicate: row.try_get(9)?,
                    missing: row.try_get(10)?,
                    attempts: row.try_get(11)?,
                    last_error: row.try_get(12)?,
                    last_read_at: row.try_get(13)?,
                });
            }
            Ok(windows)
        })
        .await
    }

    /// What of a stream is lost at the source, newest first; at most 2,000.
    pub async fn gap_reports(&self, stream: &StreamId) -> Result<Vec<GapReport>, WarehouseError> {
        self.short(|mut tx| async move {
            let rows = statement::query(
                "SELECT gap_start, gap_end, reason, recorded_at FROM fuel.gap \
                 WHERE source = $1 AND account = $2 AND partition = $3 ORDER BY gap_start DESC LIMIT $4",
            )
            .bind(stream.source.as_str())
            .bind(&stream.account)
            .bind(stream.partition.as_str())
            .bind(WINDOWS)
            .fetch_all(&mut *tx)
            .await?;
            tx.commit().await?;
            let mut gaps = Vec::with_capacity(rows.len());
            for row in rows {
                let Some(stretch) = Window::new(row.try_get(0)?, row.try_get(1)?) else { continue };
                gaps.push(GapReport { stretch, reason: row.try_get(2)?, recorded_at: row.try_get(3)? });
            }
            Ok(gaps)
        })
        .await
    }
}

fn spans(rows: Vec<PgRow>) -> Result<Vec<Span>, sqlx::Error> {
    let mut spans = Vec::with_capacity(rows.len());
    for row in rows {
        // What only a later version knows is left to it.
        let Ok(source) = row.try_get::<&str, _>(0)?.parse() else { continue };
        let Some(standing) = Standing::of(row.try_get(2)?) else { continue };
        spans.push(Span {
            source,
            account: row.try_get(1)?,
            standing,
            from: row.try_get(3)?,
            through: row.try_get(4)?,
            pieces: row.try_get(5)?,
        });
    }
    Ok(spans)
}

#[cfg(test)]
mod tests {
    /// From `CASE` to `END`.
    fn states(sql: &str) -> Vec<&str> {
        let (_, from) = sql.split_once("CASE").unwrap();
        from.split_once("END").unwrap().0.split_whitespace().collect()
    }

    #[test]
    fn a_window_stands_alike_for_all_streams_and_for_one_by_days_and_by_windows() {
        let all = states(include_str!("sql/coverage.sql"));
        assert!(all.contains(&"'failing_unread'") && all.contains(&"'read_again'"), "{all:?}");
        assert_eq!(states(include_str!("sql/stream_coverage.sql")), all);
        assert_eq!(states(include_str!("sql/stream_windows.sql")), all);
    }
}
