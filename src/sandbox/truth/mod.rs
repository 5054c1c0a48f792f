//! The truth: what `fuel.transaction` and `fuel.quarantine` should hold at a given moment, from what the world meant,
//! never through the normalizer.

pub mod sql;

use std::collections::BTreeMap;

use chrono::{DateTime, Days, Months, NaiveTime, Utc};

use super::{
    alexela::rows::{AlexelaRow, card_row, ev_row},
    hecone::rows::hecone_row,
    row::Columns,
    world::{World, card::card_id},
};
use crate::domain::{Flag, SourceKind};

/// The business columns of `fuel.transaction`, in its order.
pub const COLUMNS: [&str; 46] = [
    "source",
    "account",
    "source_transaction_id",
    "line_id",
    "partition",
    "kind",
    "state",
    "source_state",
    "occurred_at",
    "started_at",
    "status_at",
    "invoiced_at",
    "contract_no",
    "site_id",
    "site_code",
    "site_name",
    "terminal_id",
    "terminal_name",
    "point",
    "card_number",
    "driver_name",
    "driver_no",
    "vehicle_no",
    "license_plate",
    "odometer_km",
    "receipt_no",
    "authorization_code",
    "invoice_no",
    "session_id",
    "product_code",
    "product_name",
    "product_type",
    "product",
    "quantity",
    "unit",
    "net_unit_price",
    "unit_discount",
    "unit_price",
    "net_amount",
    "vat_rate",
    "vat_amount",
    "gross_amount",
    "paid_amount",
    "payment_method",
    "currency",
    "quality",
];

/// One expected row: every column of [`COLUMNS`] as text, as [`sql::SELECT`] shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TruthRow {
    /// Rows of one group (source, account, id, line before numbering) may bear each other's `line_id`.
    pub line_group: String,
    /// Column → value.
    pub columns: BTreeMap<&'static str, Option<String>>,
}

/// One expected record in `fuel.quarantine`, not resolved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TruthRejected {
    /// The source.
    pub source: SourceKind,
    /// The account.
    pub account: String,
    /// The partition.
    pub partition: String,
    /// The transaction's id; none when it has none.
    pub id: Option<String>,
    /// The last part of the path of the field at fault.
    pub field: &'static str,
}

/// Which part of the truth is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The first instant read.
    pub start: DateTime<Utc>,
    /// The name of the `HecOne` account; none when it is not read.
    pub hecone: Option<String>,
    /// The name of the Alexela account; none when it is not read.
    pub alexela: Option<String>,
    /// When Alexela was first read: what it no longer served then was never seen. At the moment asked for when absent.
    pub first_read: Option<DateTime<Utc>>,
}

impl Scope {
    /// The accounts that [`crate::sandbox::configuration()`] names, from a start on.
    pub fn from(start: DateTime<Utc>) -> Self {
        Self { start, hecone: Some("north".to_owned()), alexela: Some("fleet".to_owned()), first_read: None }
    }
}

/// Flags as `PostgreSQL` shows an array of them, in alphabetical order.
pub(crate) fn quality(flags: &[Flag]) -> String {
    let mut names: Vec<_> = flags.iter().map(|f| f.as_str()).collect();
    names.sort_unstable();
    format!("{{{}}}", names.join(","))
}

/// The oldest instant that Alexela is asked for: five calendar months ago and a day.
pub fn alexela_horizon(at: DateTime<Utc>) -> DateTime<Utc> {
    let day = at.date_naive();
    let oldest = day.checked_sub_months(Months::new(5)).and_then(|d| d.checked_add_days(Days::new(1))).unwrap_or(day);
    oldest.and_time(NaiveTime::MIN).and_utc()
}

#[derive(Default)]
struct Told {
    rows: Vec<TruthRow>,
    rejected: Vec<TruthRejected>,
}

struct Place<'a> {
    source: SourceKind,
    account: &'a str,
    partition: &'a str,
}

impl Told {
    fn row(&mut self, place: &Place<'_>, id: &str, line: &str, columns: Columns) {
        let source = place.source.as_str();
        let line_group = format!("{source}/{}/{id}/{line}", place.account);
        let mut all: BTreeMap<&'static str, Option<String>> = COLUMNS.iter().map(|c| (*c, None)).collect();
        all.extend(columns);
        for (column, value) in [
            ("source", source),
            ("account", place.account),
            ("partition", place.partition),
            ("source_transaction_id", id),
            ("line_id", line),
        ] {
            all.insert(column, Some(value.to_owned()));
        }
        self.rows.push(TruthRow { line_group, columns: all });
    }

    fn rejected(&mut self, place: &Place<'_>, id: Option<String>, field: &'static str) {
        self.rejected.push(TruthRejected {
            source: place.source,
            account: place.account.to_owned(),
            partition: place.partition.to_owned(),
            id,
            field,
        });
    }

    /// Alexela's lines of one receipt or session: equal keys get `#2` and so on.
    fn alexela(&mut self, place: &Place<'_>, rows: Vec<AlexelaRow>) {
        let first = self.rows.len();
        for told in rows {
            if let Some(field) = told.rejected {
                self.rejected(place, told.id, field);
                continue;
            }
            let mut columns = told.row.columns.unwrap_or_default();
            let flags: Vec<_> = told.row.flags.iter().copied().collect();
            columns.insert("quality", Some(quality(&flags)));
            self.row(place, &told.id.unwrap_or_default(), &told.line, columns);
        }
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for row in &mut self.rows[first..] {
            let count = seen.entry(row.line_group.clone()).or_default();
            *count += 1;
            if *count > 1
                && let Some(Some(line)) = row.columns.get_mut("line_id")
            {
                *line = format!("{line}#{count}");
            }
        }
    }
}

impl World {
    /// The rows that `fuel.transaction` should hold after everything in scope was read at `at`.
    pub fn truth(&self, at: DateTime<Utc>, scope: &Scope) -> Vec<TruthRow> {
        self.tell(at, scope).rows
    }

    /// The records that should be in `fuel.quarantine`, not resolved, after everything in scope was read at `at`.
    pub fn truth_quarantine(&self, at: DateTime<Utc>, scope: &Scope) -> Vec<TruthRejected> {
        self.tell(at, scope).rejected
    }

    fn tell(&self, at: DateTime<Utc>, scope: &Scope) -> Told {
        let now = self.time(at);
        let mut told = Told::default();
        self.with(now, |store| {
            if let Some(account) = &scope.hecone {
                self.tell_hecone(store, now, scope.start, account, &mut told);
            }
            if let Some(account) = &scope.alexela {
                let start = scope.start.max(alexela_horizon(scope.first_read.unwrap_or(at)));
                self.tell_alexela(store, now, start, account, &mut told);
            }
        });
        told
    }

    fn tell_hecone(
        &self,
        store: &super::world::Store,
        now: DateTime<Utc>,
        start: DateTime<Utc>,
        account: &str,
        told: &mut Told,
    ) {
        let place = Place { source: SourceKind::HecOne, account, partition: "-" };
        for session in store.hecone.iter().filter(|s| s.occurred >= start && s.visible(now)) {
            let id = session.id.to_string();
            if self.is_hidden(place.source, || id.clone()) {
                continue;
            }
            let row = hecone_row(self, session, now, true);
            if let Some(field) = row.rejected {
                told.rejected(&place, Some(id), field);
                continue;
            }
            for (line, columns) in row.lines {
                told.row(&place, &id, &line, columns);
            }
        }
    }

    fn tell_alexela(
        &self,
        store: &super::world::Store,
        now: DateTime<Utc>,
        start: DateTime<Utc>,
        account: &str,
        told: &mut Told,
    ) {
        for (source, sales) in [(SourceKind::AlexelaCard, &store.card), (SourceKind::AlexelaBonus, &store.bonus)] {
            for sale in sales.iter().filter(|s| s.occurred >= start && s.visible(now)) {
                if self.is_hidden(source, || card_id(source, sale.index)) {
                    continue;
                }
                let partition = match source {
                    SourceKind::AlexelaCard => self.fleet.contracts[self.fleet.cards[sale.card].contract].as_str(),
                    _ if !self.is_defined(&self.fleet.bonus[sale.card].number) => continue,
                    _ => "-",
                };
                let rows = (0..sale.lines.len()).map(|line| card_row(self, source, sale, line, now, true)).collect();
                told.alexela(&Place { source, account, partition }, rows);
            }
        }
        let place = Place { source: SourceKind::AlexelaEv, account, partition: "-" };
        for sale in store.ev.iter().filter(|s| s.occurred >= start && s.visible(now)) {
            if !self.is_hidden(place.source, || super::alexela::rows::ev_id(sale.index)) {
                told.alexela(&place, vec![ev_row(self, sale, now, true)]);
            }
        }
    }
}

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod tests;
