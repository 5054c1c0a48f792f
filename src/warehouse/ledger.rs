//! The ledger of windows: what was read when, what came of it, what is final.

use crate::warehouse::statement;
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};

use super::{
    Warehouse, WarehouseError,
    incoming::{Batch, Kept},
    load::{Counts, WindowRead},
};
use crate::{
    domain::{SourceKind, State, StreamId, Window},
    failpoint::{Bug, planted},
};

/// A row of the ledger, as far as planning needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "facts of a row, each its own")]
pub struct Entry {
    /// The window.
    pub window: Window,
    /// Source time up to which it was read; none when it never was.
    pub read_through: Option<DateTime<Utc>>,
    /// When it was last read whole, by the source's clock.
    pub full_read_at: Option<DateTime<Utc>>,
    /// Whether it is not read again.
    pub is_final: bool,
    /// Whether its last read failed.
    pub is_failing: bool,
    /// Whether another worker is reading it now.
    pub is_claimed: bool,
    /// Whether it holds a row that can still change.
    pub can_change: bool,
}

/// What is known of the table's rows of a window beside the digest of what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Knows {
    /// Nothing: they may be other rows than those that were read.
    Nothing,
    /// All that was read is new to the table.
    New,
    /// The comparison found them to be what was read; the sum of their `seq` then.
    Compared(i128),
    /// The comparison found some to be what was read, and the others were written; the sum of the `seq` of both.
    Written(i128),
    /// They are what they were when the same was read before.
    AsItWas,
}

impl Knows {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::New => "new",
            Self::Compared(_) => "compared",
            Self::Written(_) => "written",
            Self::AsItWas => "as_it_was",
        }
    }

    fn seqs(self) -> Option<String> {
        match self {
            Self::Compared(seqs) | Self::Written(seqs) => Some(seqs.to_string()),
            Self::Nothing | Self::New | Self::AsItWas => None,
        }
    }
}

/// Whether the table has exactly what was read, as it was when the same was read before.
pub(super) async fn has_already(
    connection: &mut PgConnection,
    read: &WindowRead<'_>,
    batch: &Batch,
) -> Result<bool, WarehouseError> {
    let known = statement::query_scalar(include_str!("sql/answer_known.sql"))
        .bind(read.stream.source.as_str())
        .bind(&read.stream.account)
        .bind(read.stream.partition.as_str())
        .bind(read.window.start())
        .bind(read.window.end())
        .bind(batch.digest())
        .bind(number(batch.fetched()))
        .fetch_one(connection)
        .await?;
    Ok(known)
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Writes the counts of a read; `Overtaken` when one that began later has been written.
pub(super) async fn write(
    connection: &mut PgConnection,
    read: &WindowRead<'_>,
    counts: &Counts,
    batch: &Batch,
    knows: Knows,
    kept: &Kept,
) -> Result<(), WarehouseError> {
    let (keeps, kept) = match kept {
        Kept::AsItWas => (true, None),
        Kept::Anew(kept) => (false, kept.as_deref()),
    };
    let is_open = read.present < read.window.end();
    let done = statement::query(include_str!("sql/write_window.sql"))
        .bind(read.stream.source.as_str())
        .bind(&read.stream.account)
        .bind(read.stream.partition.as_str())
        .bind(read.window.start())
        .bind(read.window.end())
        .bind(if is_open { "open" } else { "read" })
        .bind(read.present)
        .bind(number(counts.fetched))
        .bind(number(counts.inserted))
        .bind(number(counts.updated))
        .bind(number(counts.unchanged))
        .bind(number(counts.quarantined))
        .bind(number(counts.outside))
        .bind(number(counts.duplicate))
        .bind(number(counts.missing))
        .bind(batch.digest())
        .bind(read.is_full().then_some(read.present))
        .bind(read.unstable)
        .bind(if planted(Bug::NoFence) { DateTime::<Utc>::UNIX_EPOCH } else { read.asked_at })
        .bind(knows.as_str())
        .bind(knows.seqs())
        .bind(keeps)
        .bind(kept)
        // Of a part of the window they would say nothing.
        .bind(read.complete && read.is_full())
        .execute(connection)
        .await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(WarehouseError::Overtaken) }
}

/// The states in which a row of a source can still change: cards until invoiced, charging and `HecOne` until decided.
/// Bonus card rows carry no invoice, so nothing announces a change.
pub const fn open_states(source: SourceKind) -> &'static [State] {
    match source {
        SourceKind::AlexelaCard => &[State::Posted],
        SourceKind::AlexelaEv | SourceKind::HecOne => &[State::Provisional],
        SourceKind::AlexelaBonus => &[],
    }
}

impl Warehouse {
    /// The ledger of a stream, in order of time. `can_change` is only asked for windows that end before `settled` and
    /// are not final: for the others it does not matter.
    pub async fn ledger(&self, stream: &StreamId, settled: DateTime<Utc>) -> Result<Vec<Entry>, WarehouseError> {
        let states: Vec<_> = open_states(stream.source).iter().map(|state| state.as_str()).collect();
        let states = &states;
        self.short(|mut tx| async move {
            let rows = statement::query(include_str!("sql/ledger.sql"))
                .bind(stream.source.as_str())
                .bind(&stream.account)
                .bind(stream.partition.as_str())
                .bind(settled)
                .bind(states)
                .fetch_all(&mut *tx)
                .await?;
            tx.commit().await?;
            let mut entries = Vec::with_capacity(rows.len());
            for row in rows {
                let Some(window) = Window::new(row.try_get(0)?, row.try_get(1)?) else { continue };
                entries.push(Entry {
                    window,
                    read_through: row.try_get(2)?,
                    full_read_at: row.try_get(3)?,
                    is_final: row.try_get(4)?,
                    is_claimed: row.try_get(5)?,
                    can_change: row.try_get(6)?,
                    is_failing: row.try_get(7)?,
                });
            }
            Ok(entries)
        })
        .await
    }

    /// Notes that a window could not be read, and why. It stays unread; what it had stays. Of a final window nothing is
    /// noted: it has been read for good, and nobody would read it again to take that back.
    /// `asked_at` is the database's time before the read began: what has been read since stands.
    pub async fn note_failure(
        &self,
        stream: &StreamId,
        window: Window,
        asked_at: DateTime<Utc>,
        error: &str,
    ) -> Result<(), WarehouseError> {
        self.short(|mut tx| async move {
            statement::query(
                "INSERT INTO fuel.sync_window AS w (source, account, partition, window_start, window_end, state, attempts, last_error) \
                 VALUES ($1, $2, $3, $4, $5, 'failing', 1, $6) \
                 ON CONFLICT (source, account, partition, window_start) DO UPDATE SET state = 'failing', attempts = w.attempts + 1, last_error = $6 \
                 WHERE w.final_at IS NULL AND (w.asked_at IS NULL OR w.asked_at <= $7)",
            )
            .bind(stream.source.as_str())
            .bind(&stream.account)
            .bind(stream.partition.as_str())
            .bind(window.start())
            .bind(window.end())
            .bind(error)
            .bind(asked_at)
            .execute(&mut *tx)
            .await?;
            tx.commit().await
        })
        .await
    }

    /// Marks windows final: they are not read again.
    pub async fn mark_final(&self, stream: &StreamId, windows: &[Window]) -> Result<(), WarehouseError> {
        if windows.is_empty() {
            return Ok(());
        }
        let starts: Vec<_> = windows.iter().map(Window::start).collect();
        let starts = &starts;
        self.short(|mut tx| async move {
            statement::query(
                "UPDATE fuel.sync_window SET state = 'final', final_at = now(), known_records = NULL \
                 WHERE source = $1 AND account = $2 AND partition = $3 AND window_start = ANY ($4) AND final_at IS NULL",
            )
            .bind(stream.source.as_str())
            .bind(&stream.account)
            .bind(stream.partition.as_str())
            .bind(starts)
            .execute(&mut *tx)
            .await?;
            tx.commit().await
        })
        .await
    }

    /// Notes that windows which were never read are not waited for any more: nothing of them is to be had. They stay
    /// unread, and nothing counts as read by this; what was lost stands in `fuel.gap`.
    pub async fn give_up(&self, stream: &StreamId, windows: &[Window]) -> Result<(), WarehouseError> {
        if windows.is_empty() {
            return Ok(());
        }
        let starts: &Vec<_> = &windows.iter().map(Window::start).collect();
        self.short(|mut tx| async move {
            statement::query(
                "UPDATE fuel.sync_window SET state = 'open', last_error = NULL \
                 WHERE source = $1 AND account = $2 AND partition = $3 AND window_start = ANY ($4) \
                     AND state = 'failing' AND read_through IS NULL",
            )
            .bind(stream.source.as_str())
            .bind(&stream.account)
            .bind(stream.partition.as_str())
            .bind(starts)
            .execute(&mut *tx)
            .await?;
            tx.commit().await
        })
        .await
    }

    /// Whether the table has rows of a stretch that the source is believed to have, too.
    pub async fn has_rows(&self, stream: &StreamId, stretch: Window) -> Result<bool, WarehouseError> {
        self.short(|mut tx| async move {
            let there = statement::query_scalar(
                "SELECT EXISTS (SELECT FROM fuel.transaction WHERE source = $1 AND account = $2 AND partition = $3 \
                     AND occurred_at >= $4 AND occurred_at < $5 AND missing_since IS NULL)",
            )
            .bind(stream.source.as_str())
            .bind(&stream.account)
            .bind(stream.partition.as_str())
            .bind(stretch.start())
            .bind(stretch.end())
            .fetch_one(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(there)
        })
        .await
    }

    /// Ids and times of the transactions of a stream that are still open and took place in a stretch, oldest first; at
    /// most `limit`.
    pub async fn open_transactions(
        &self,
        stream: &StreamId,
        since: DateTime<Utc>,
        before: DateTime<Utc>,
        limit: i64,
    ) -> Result<Vec<(String, DateTime<Utc>)>, WarehouseError> {
        self.short(|mut tx| async move {
            let ids = statement::query_as(
                "SELECT source_transaction_id, min(occurred_at) FROM fuel.transaction \
                 WHERE source = $1 AND account = $2 AND partition = $3 AND state = 'provisional' AND missing_since IS NULL \
                     AND occurred_at >= $4 AND occurred_at < $5 \
                 GROUP BY source_transaction_id ORDER BY min(occurred_at), source_transaction_id LIMIT $6",
            )
            .bind(stream.source.as_str())
            .bind(&stream.account)
            .bind(stream.partition.as_str())
            .bind(since)
            .bind(before)
            .bind(limit)
            .fetch_all(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(ids)
        })
        .await
    }
}
