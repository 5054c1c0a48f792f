//! What changed in a stretch of a stream after an earlier certificate, line by line, and why.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use serde::Serialize;
use sqlx::{Row as _, postgres::PgRow};

use super::{Earlier, NAMED, snapshot::Snapshot};
use crate::{
    domain::{StreamId, Window},
    warehouse::{WarehouseError, statement, tx::within},
};

/// Why a line is not as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The source had it later.
    Late,
    /// The source corrected it.
    Corrected,
    /// It was invoiced.
    Invoiced,
    /// It was cancelled.
    Cancelled,
    /// The source no longer has it.
    Removed,
    /// It was missing and is back.
    Returned,
    /// Its time was corrected, or another contract has it: it lies elsewhere now.
    Moved,
    /// A person was taken out of it here; the source has nothing to do with it.
    Forgotten,
    /// Its record is what it was, and other rules made something else of it here.
    Remapped,
}

impl Reason {
    /// As people read it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Corrected => "corrected",
            Self::Invoiced => "invoiced",
            Self::Cancelled => "cancelled",
            Self::Removed => "removed",
            Self::Returned => "returned",
            Self::Moved => "moved",
            Self::Forgotten => "forgotten",
            Self::Remapped => "remapped",
        }
    }
}

/// A line that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Why.
    pub why: Reason,
    /// The source's id of the transaction.
    pub source_transaction_id: String,
    /// The line.
    pub line_id: String,
    /// When the sale took place, as it was known at last.
    pub occurred_at: DateTime<Utc>,
    /// When it changed.
    pub changed_at: DateTime<Utc>,
    /// Columns that changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}

/// All that changed in a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Since {
    /// How many lines, by the reason.
    pub counts: BTreeMap<Reason, u64>,
    /// Which, at most [`NAMED`].
    pub changes: Vec<Change>,
}

impl Since {
    fn add(&mut self, change: Change) {
        *self.counts.entry(change.why).or_default() += 1;
        if self.changes.len() < NAMED {
            self.changes.push(change);
        }
    }

    /// How many lines.
    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }
}

/// What is known of a line that changed and is still in the stretch.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Changed<'r> {
    state: &'r str,
    state_before: Option<&'r str>,
    is_missing: bool,
    /// Whether it was first seen after the certificate.
    is_new: bool,
    /// Whether another line of its transaction went away meanwhile: it took its place.
    replaces: bool,
    operations: &'r [String],
    /// All that differs; `raw` is the record's text.
    columns: &'r [String],
}

/// Why such a line is not as it was.
fn reason(changed: &Changed<'_>) -> Reason {
    let became = |state: &str| changed.state == state && changed.state_before.is_some_and(|before| before != state);
    if changed.is_new {
        return if changed.replaces { Reason::Corrected } else { Reason::Late };
    }
    // Only forgetting writes a line and keeps no image of it.
    if changed.operations.is_empty() {
        return Reason::Forgotten;
    }
    if changed.is_missing {
        return Reason::Removed;
    }
    if changed.operations.iter().any(|operation| operation == "return") {
        return Reason::Returned;
    }
    // What a source changes is in its record's text. Some flags are of the read, and come and go with a line's twin.
    let is_of_text = changed.columns.iter().any(|column| column == "raw");
    if !is_of_text && changed.columns.iter().any(|column| column != "quality") {
        return Reason::Remapped;
    }
    if became("cancelled") {
        return Reason::Cancelled;
    }
    if became("invoiced") { Reason::Invoiced } else { Reason::Corrected }
}

impl Snapshot {
    /// What changed in a stretch of a stream after an earlier certificate.
    pub async fn since(
        &mut self,
        stream: &StreamId,
        stretch: Window,
        earlier: &Earlier,
    ) -> Result<Since, WarehouseError> {
        let (tx, limit) = self.tx();
        within(limit, async {
            let mut since = Since::default();
            for sql in [include_str!("../sql/changed_since.sql"), include_str!("../sql/gone_since.sql")] {
                let mut rows = statement::query(sql)
                    .bind(stream.source.as_str())
                    .bind(&stream.account)
                    .bind(stream.partition.as_str())
                    .bind(stretch.start())
                    .bind(stretch.end())
                    .bind(earlier.through_seq)
                    .bind(earlier.made_at)
                    .fetch(&mut **tx);
                while let Some(row) = rows.try_next().await? {
                    since.add(change(&row)?);
                }
            }
            Ok(since)
        })
        .await
    }
}

/// Both statements have the same columns.
fn change(row: &PgRow) -> Result<Change, WarehouseError> {
    let columns: Vec<String> = row.try_get(4)?;
    let operations: Vec<String> = row.try_get(5)?;
    let why = match row.try_get::<Option<&str>, _>(6)? {
        Some(state) => reason(&Changed {
            state,
            state_before: row.try_get(7)?,
            is_missing: row.try_get(8)?,
            is_new: row.try_get(9)?,
            replaces: row.try_get(10)?,
            operations: &operations,
            columns: &columns,
        }),
        // No line of this key is left in the stretch.
        None if row.try_get(8)? => Reason::Moved,
        None => Reason::Removed,
    };
    Ok(Change {
        why,
        source_transaction_id: row.try_get(0)?,
        line_id: row.try_get(1)?,
        occurred_at: row.try_get(2)?,
        changed_at: row.try_get(3)?,
        columns,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_what_a_reader_would_say_first() {
        let posted = Changed {
            state: "posted",
            state_before: Some("posted"),
            is_missing: false,
            is_new: false,
            replaces: false,
            operations: &["change".to_owned()],
            columns: &["quantity".to_owned(), "raw".to_owned()],
        };
        let returned = ["remove".to_owned(), "return".to_owned()];
        let removed = ["remove".to_owned()];
        for (changed, why) in [
            (posted.clone(), Reason::Corrected),
            (Changed { is_new: true, ..posted.clone() }, Reason::Late),
            (Changed { is_new: true, replaces: true, ..posted.clone() }, Reason::Corrected),
            (Changed { state: "invoiced", ..posted.clone() }, Reason::Invoiced),
            (Changed { state: "invoiced", state_before: Some("invoiced"), ..posted.clone() }, Reason::Corrected),
            (Changed { state: "cancelled", ..posted.clone() }, Reason::Cancelled),
            (Changed { is_missing: true, operations: &removed, ..posted.clone() }, Reason::Removed),
            (Changed { operations: &[], columns: &[], ..posted.clone() }, Reason::Forgotten),
            (Changed { operations: &[], columns: &[], is_missing: true, ..posted.clone() }, Reason::Forgotten),
            (Changed { operations: &[], columns: &[], is_new: true, ..posted.clone() }, Reason::Late),
            (Changed { columns: &["product".to_owned()], ..posted.clone() }, Reason::Remapped),
            (Changed { columns: &["state".to_owned()], state: "invoiced", ..posted.clone() }, Reason::Remapped),
            (Changed { columns: &["quality".to_owned()], ..posted.clone() }, Reason::Corrected),
            (Changed { columns: &[], ..posted.clone() }, Reason::Corrected),
            (Changed { operations: &returned, ..posted.clone() }, Reason::Returned),
            (Changed { operations: &returned, is_missing: true, ..posted }, Reason::Removed),
        ] {
            assert_eq!(reason(&changed), why, "{changed:?}");
        }
    }
}
