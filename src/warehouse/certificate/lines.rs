//! Folds the lines of a window into its counts, its sums and its digest.

use sqlx::{Row as _, ValueRef as _, postgres::PgRow};

use super::{
    Lines,
    audit::Line,
    digest::{self, OfWindow},
};
use crate::{
    domain::{State, StreamId, Window},
    warehouse::{
        WarehouseError, copy,
        fields::{self, STATE},
        ledger::open_states,
        sums::Sums,
    },
};

/// A row of `proved_rows.sql`.
pub(super) struct OfTable<'r> {
    pub(super) id: &'r str,
    pub(super) line: Line,
    /// The record's text, where there is a record.
    pub(super) raw: Option<&'r [u8]>,
    /// Whether it is marked missing.
    pub(super) is_missing: bool,
}

pub(super) fn of_table(row: &PgRow) -> Result<OfTable<'_>, WarehouseError> {
    let mut columns = Vec::with_capacity(512);
    fields::of_row(&mut columns, row, 0)?;
    let stored: &[u8] = row.try_get(copy::FIELDS)?;
    let is_missing = row.try_get(copy::FIELDS + 1)?;
    let raw = row.try_get_raw(copy::FIELDS + 2)?;
    let raw = if raw.is_null() { None } else { raw.as_bytes().ok() };
    let content = copy::content_hash(&columns, raw.unwrap_or_default());
    let line = Line { fields: columns, content, stored: stored.to_vec() };
    Ok(OfTable { id: row.try_get(0)?, line, raw, is_missing })
}

/// A window being folded.
pub(super) struct Folding {
    open_states: &'static [State],
    digest: OfWindow,
    rows: u64,
    missing: u64,
    open: u64,
    unsettled: u64,
    sums: Sums,
}

impl Folding {
    pub(super) fn new(stream: &StreamId, window: Window) -> Self {
        Self {
            open_states: open_states(stream.source),
            digest: OfWindow::new(stream, window),
            rows: 0,
            missing: 0,
            open: 0,
            unsettled: 0,
            sums: Sums::default(),
        }
    }

    /// One line more. Its digest is that of its columns, whatever it bears: a line altered by hand makes another root.
    pub(super) fn add(&mut self, id: &str, line: &Line, is_missing: bool) {
        if is_missing {
            self.missing += 1;
            return;
        }
        self.rows += 1;
        self.digest.add(&digest::row(id, copy::line_id(&line.fields), &line.content));
        let state = fields::text(&line.fields, STATE);
        let is = |other: &State| state == Some(other.as_str());
        self.open += u64::from(self.open_states.iter().any(is));
        self.unsettled += u64::from(is(&State::Provisional));
        if is(&State::Posted) || is(&State::Invoiced) {
            self.sums.add(&line.fields);
        }
    }

    pub(super) fn finish(self) -> Lines {
        let Self { digest, rows, missing, open, unsettled, sums, .. } = self;
        Lines { rows, missing, open, unsettled, sums, digest: digest.finish() }
    }
}
