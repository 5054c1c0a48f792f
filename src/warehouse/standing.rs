//! How each stream stands, for the metrics: what a scrape may ask every few seconds, with a thousand streams and ten
//! million lines. The lines are not counted here; [`report`](super::report) counts them, for people.

use std::{collections::HashMap, str::FromStr};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{Row, postgres::PgRow};

use super::{Tx, Warehouse, WarehouseError};
use crate::{
    domain::{Partition, SourceKind, StreamId},
    warehouse::statement,
};

/// How the last pass over a stream ended, as far as that is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LastPass {
    /// All that was due is read.
    Ok,
    /// It stopped at an error.
    Failed,
    /// The vendor refuses the account's credentials.
    Refused,
    /// The contract is withdrawn.
    Withdrawn,
    /// The interface is not enabled.
    NotEnabled,
}

/// A word that is none of those.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a word for the end of a pass")]
pub struct UnknownEnd;

impl FromStr for LastPass {
    type Err = UnknownEnd;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Ok(match word {
            "ok" => Self::Ok,
            "failed" => Self::Failed,
            "refused" => Self::Refused,
            "withdrawn" => Self::Withdrawn,
            "not_enabled" => Self::NotEnabled,
            _ => return Err(UnknownEnd),
        })
    }
}

/// How a stream stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamStanding {
    /// Which.
    pub stream: StreamId,
    /// Read without a gap up to here.
    pub watermark: Option<DateTime<Utc>>,
    /// When the last pass whose end was noted ended.
    pub last_pass_at: Option<DateTime<Utc>>,
    /// How; none before the first, or in a word of a later version.
    pub last_pass: Option<LastPass>,
    /// Whether it was withdrawn, and somebody who knows that has retired it by taking its error away.
    pub is_retired: bool,
    /// Windows whose last read failed.
    pub failing: u64,
    /// Stretches lost at the source.
    pub gaps: u64,
    /// When the last of them was recorded.
    pub gap_recorded_at: Option<DateTime<Utc>>,
    /// Records in quarantine, not resolved.
    pub quarantine: u64,
    /// When the youngest of them was first met.
    pub quarantined_at: Option<DateTime<Utc>>,
    /// Whether the one who asks holds its lease now, by the database's clock.
    pub is_ours: bool,
    /// The first instant of what was [`Wanted`] that was neither read nor recorded as a gap; none where nothing was wanted
    /// of its interface, or nothing of that was read.
    pub unread_from: Option<DateTime<Utc>>,
}

impl StreamStanding {
    /// A stream of which the warehouse knows nothing yet.
    pub const fn unknown(stream: StreamId) -> Self {
        Self {
            stream,
            watermark: None,
            last_pass_at: None,
            last_pass: None,
            is_retired: false,
            failing: 0,
            gaps: 0,
            gap_recorded_at: None,
            quarantine: 0,
            quarantined_at: None,
            is_ours: false,
            unread_from: None,
        }
    }
}

/// An interface of which it is to be known what was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The vendor interface.
    pub source: SourceKind,
    /// The account's name in the configuration.
    pub account: String,
    /// From when on: the configured start, or the oldest that the source still serves.
    pub from: DateTime<Utc>,
    /// What was read up to a time after this, by the source's clock, was read by a clock that was ahead.
    pub believed: DateTime<Utc>,
}

impl Warehouse {
    /// How every stream stands that has a checkpoint, in no order. `owner` is who asks.
    pub async fn standings(&self, owner: &str, wanted: &[Wanted]) -> Result<Vec<StreamStanding>, WarehouseError> {
        self.short(|mut tx| async move {
            let standings = statement::query(include_str!("sql/standing.sql")).bind(owner).fetch_all(&mut *tx).await?;
            let mut unread = if wanted.is_empty() { HashMap::new() } else { unread(&mut tx, wanted).await? };
            tx.commit().await?;
            let known = standings.iter().filter_map(|row| {
                Some(stream(row).transpose()?.and_then(|stream| {
                    let unread_from = unread.remove(&stream);
                    standing(row, stream, unread_from)
                }))
            });
            Ok(known.collect::<Result<_, sqlx::Error>>()?)
        })
        .await
    }

    /// Of each stream of some interfaces the first instant that was neither read nor recorded as a gap. One of which
    /// nothing was read is not among them.
    pub async fn unread(&self, wanted: &[Wanted]) -> Result<HashMap<StreamId, DateTime<Utc>>, WarehouseError> {
        self.short(|mut tx| async move {
            let unread = unread(&mut tx, wanted).await?;
            tx.commit().await?;
            Ok(unread)
        })
        .await
    }
}

async fn unread(tx: &mut Tx, wanted: &[Wanted]) -> Result<HashMap<StreamId, DateTime<Utc>>, sqlx::Error> {
    let rows = statement::query(include_str!("sql/unread.sql"))
        .bind(wanted.iter().map(|wanted| wanted.source.as_str()).collect::<Vec<_>>())
        .bind(wanted.iter().map(|wanted| wanted.account.as_str()).collect::<Vec<_>>())
        .bind(wanted.iter().map(|wanted| wanted.from).collect::<Vec<_>>())
        .bind(wanted.iter().map(|wanted| wanted.believed).collect::<Vec<_>>())
        .fetch_all(&mut **tx)
        .await?;
    let known = rows
        .iter()
        .filter_map(|row| Some(stream(row).transpose()?.and_then(|stream| Ok((stream, row.try_get("unread_from")?)))));
    known.collect()
}

/// Whose row it is; none of a source that a later version knows.
fn stream(row: &PgRow) -> Result<Option<StreamId>, sqlx::Error> {
    let source: &str = row.try_get("source")?;
    let (account, partition): (String, String) = (row.try_get("account")?, row.try_get("partition")?);
    Ok(source.parse().ok().map(|source| StreamId::new(source, account, Partition::contract(partition))))
}

fn standing(row: &PgRow, stream: StreamId, unread_from: Option<DateTime<Utc>>) -> Result<StreamStanding, sqlx::Error> {
    let count = |name: &str| row.try_get::<i64, _>(name).map(|count| count.max(0).unsigned_abs());
    let last_pass: Option<&str> = row.try_get("last_outcome")?;
    Ok(StreamStanding {
        stream,
        watermark: row.try_get("watermark")?,
        last_pass_at: row.try_get("last_pass_at")?,
        last_pass: last_pass.and_then(|word| word.parse().ok()),
        is_retired: row.try_get("is_retired")?,
        failing: count("failing")?,
        gaps: count("gaps")?,
        gap_recorded_at: row.try_get("gap_recorded_at")?,
        quarantine: count("quarantine")?,
        quarantined_at: row.try_get("quarantined_at")?,
        is_ours: row.try_get("is_ours")?,
        unread_from,
    })
}
