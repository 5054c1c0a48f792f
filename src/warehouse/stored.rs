//! Transactions as the warehouse has them: their lines, column by column, with the records that they were made of.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use rustc_hash::FxHashMap;
use sqlx::{Row as _, postgres::PgRow};

use super::{Tx, WarehouseError, statement};
use crate::domain::{Amount, Flag, Kind, Line, Partition, SourceKind, State, StreamId, Unit};

/// Whose, and which of its transactions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) source: SourceKind,
    pub(super) account: &'a str,
    pub(super) ids: &'a [String],
    /// Whether the lines are locked, in the order of the key, until the transaction ends.
    pub(super) locked: bool,
}

/// Transactions to be looked at, account by account, each once.
#[derive(Debug, Default)]
pub(super) struct Chosen(Vec<((SourceKind, String), Vec<String>)>);

impl Chosen {
    /// One more, behind the others in the order of the key. A source that only a later version knows is left to it.
    pub(super) fn add(&mut self, source: &str, account: &str, id: &str) {
        let Ok(source) = source.parse::<SourceKind>() else { return };
        match self.0.last_mut() {
            Some(((kind, name), ids)) if *kind == source && name == account => {
                if ids.last().is_none_or(|last| last != id) {
                    ids.push(id.to_owned());
                }
            }
            Some(_) | None => self.0.push(((source, account.to_owned()), vec![id.to_owned()])),
        }
    }
}

impl IntoIterator for Chosen {
    type Item = ((SourceKind, String), Vec<String>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// A transaction of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) stream: StreamId,
    pub(super) id: String,
    pub(super) records: Vec<StoredRecord>,
    pub(super) lines: Vec<StoredLine>,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredRecord {
    /// The line that it is of; `-` where it is the whole transaction.
    pub(super) line_id: String,
    pub(super) raw: Box<str>,
    pub(super) normalizer: i32,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredLine {
    /// Its columns, under the key that it has in the table.
    pub(super) line: Line,
    /// Whether the source no longer has it.
    pub(super) is_missing: bool,
    /// Whether the last read of its window has not had it.
    pub(super) is_absent: bool,
}

impl Stored {
    /// The lines that a record came to.
    pub(super) fn lines_of<'s>(&'s self, line_id: &'s str) -> impl Iterator<Item = &'s StoredLine> {
        let whole = self.stream.source.record_is_whole_transaction();
        self.lines.iter().filter(move |stored| whole || stored.line.line_id == line_id)
    }
}

type Of<T> = fn(&mut Line) -> &mut Option<T>;

/// The columns that are texts as the source has them, by name.
pub(super) const TEXTS: [(&str, Of<String>); 23] = [
    ("source_state", |line| &mut line.source_state),
    ("contract_no", |line| &mut line.contract_no),
    ("site_id", |line| &mut line.site_id),
    ("site_code", |line| &mut line.site_code),
    ("site_name", |line| &mut line.site_name),
    ("terminal_id", |line| &mut line.terminal_id),
    ("terminal_name", |line| &mut line.terminal_name),
    ("point", |line| &mut line.point),
    ("card_number", |line| &mut line.card_number),
    ("driver_name", |line| &mut line.driver_name),
    ("driver_no", |line| &mut line.driver_no),
    ("vehicle_no", |line| &mut line.vehicle_no),
    ("license_plate", |line| &mut line.license_plate),
    ("receipt_no", |line| &mut line.receipt_no),
    ("authorization_code", |line| &mut line.authorization_code),
    ("invoice_no", |line| &mut line.invoice_no),
    ("session_id", |line| &mut line.session_id),
    ("product_code", |line| &mut line.product_code),
    ("product_name", |line| &mut line.product_name),
    ("product_type", |line| &mut line.product_type),
    ("product", |line| &mut line.product),
    ("payment_method", |line| &mut line.payment_method),
    ("currency", |line| &mut line.currency),
];

const AMOUNTS: [(&str, Of<Amount>); 9] = [
    ("quantity", |line| &mut line.quantity),
    ("net_unit_price", |line| &mut line.net_unit_price),
    ("unit_discount", |line| &mut line.unit_discount),
    ("unit_price", |line| &mut line.unit_price),
    ("net_amount", |line| &mut line.net_amount),
    ("vat_rate", |line| &mut line.vat_rate),
    ("vat_amount", |line| &mut line.vat_amount),
    ("gross_amount", |line| &mut line.gross_amount),
    ("paid_amount", |line| &mut line.paid_amount),
];

const TIMES: [(&str, Of<DateTime<Utc>>); 3] = [
    ("started_at", |line| &mut line.started_at),
    ("status_at", |line| &mut line.status_at),
    ("invoiced_at", |line| &mut line.invoiced_at),
];

/// A record that belongs to no transaction that could be taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LooseRecord {
    pub(super) id: String,
    pub(super) line_id: String,
    pub(super) raw: Box<str>,
}

/// What there is of some transactions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Found {
    /// Those that have a record, in the order of their ids.
    pub(super) transactions: Vec<Stored>,
    /// Records without a line.
    pub(super) loose: Vec<LooseRecord>,
    /// The lines of transactions with a word that only a later version knows, by their keys.
    pub(super) unknown: BTreeSet<(String, String)>,
    /// Their records.
    pub(super) unknown_records: Vec<LooseRecord>,
}

/// Some transactions of an account.
pub(super) async fn read(tx: &mut Tx, wanted: Wanted<'_>) -> Result<Found, WarehouseError> {
    let lines = if wanted.locked {
        concat!(include_str!("sql/stored_lines.sql"), "FOR UPDATE")
    } else {
        include_str!("sql/stored_lines.sql")
    };
    let lines = statement::query(lines)
        .bind(wanted.source.as_str())
        .bind(wanted.account)
        .bind(wanted.ids)
        .fetch_all(&mut **tx)
        .await?;
    let records = statement::query(include_str!("sql/stored_records.sql"))
        .bind(wanted.source.as_str())
        .bind(wanted.account)
        .bind(wanted.ids)
        .fetch_all(&mut **tx)
        .await?;
    let mut all: Vec<Stored> = Vec::new();
    let mut found = Found::default();
    let mut strange: BTreeSet<String> = BTreeSet::new();
    for row in &lines {
        if line(row)?.is_none() {
            strange.insert(row.try_get("source_transaction_id")?);
        }
    }
    for row in lines {
        let (id, partition): (&str, &str) = (row.try_get("source_transaction_id")?, row.try_get("partition")?);
        let line = line(&row)?.filter(|_| !strange.contains(id));
        let Some(line) = line else {
            found.unknown.insert((id.to_owned(), row.try_get("line_id")?));
            continue;
        };
        // A card sale is of the contract that it was written for, which no record says: not of another one that somebody put
        // it under by hand.
        let partition = match (wanted.source, &line.contract_no) {
            (SourceKind::AlexelaCard, Some(contract)) => Partition::contract(contract.clone()),
            _ if partition == "-" => Partition::whole(),
            _ => Partition::contract(partition),
        };
        let stream = StreamId::new(wanted.source, wanted.account, partition);
        let line = StoredLine { line, is_missing: row.try_get("is_missing")?, is_absent: row.try_get("is_absent")? };
        // Those of one id stand together; of several streams, one beside the other.
        let of_it = all.iter_mut().rev().take_while(|stored| stored.id == id).find(|stored| stored.stream == stream);
        match of_it {
            Some(stored) => stored.lines.push(line),
            None => all.push(Stored { stream, id: id.to_owned(), records: Vec::new(), lines: vec![line] }),
        }
    }
    let whole = wanted.source.record_is_whole_transaction();
    // The database's order of texts is its own.
    let mut first = FxHashMap::default();
    for (at, stored) in all.iter().enumerate() {
        first.entry(stored.id.clone()).or_insert(at);
    }
    for row in records {
        let (id, line_id): (&str, String) = (row.try_get(0)?, row.try_get(1)?);
        let from = first.get(id).copied().unwrap_or(all.len());
        let of_it = all[from..].iter_mut().take_while(|stored| stored.id == id);
        let mut has_line = of_it.filter(|stored| whole || stored.lines.iter().any(|l| l.line.line_id == line_id));
        let raw = row.try_get::<String, _>(2)?.into_boxed_str();
        if let Some(stored) = has_line.next() {
            stored.records.push(StoredRecord { line_id, raw, normalizer: row.try_get(3)? });
        } else {
            let of_which = if strange.contains(id) { &mut found.unknown_records } else { &mut found.loose };
            of_which.push(LooseRecord { id: id.to_owned(), line_id, raw });
        }
    }
    all.retain(|stored| !stored.records.is_empty());
    found.transactions = all;
    Ok(found)
}

/// A line; none where it has a word or an amount that this version does not know.
fn line(row: &PgRow) -> Result<Option<Line>, WarehouseError> {
    let kind: &str = row.try_get("kind")?;
    let state: &str = row.try_get("state")?;
    let kind = Kind::ALL.iter().find(|known| known.as_str() == kind);
    let Some((kind, state)) = kind.zip(State::ALL.iter().find(|known| known.as_str() == state)) else {
        return Ok(None);
    };
    let mut line = Line::new(row.try_get::<String, _>("line_id")?, *kind, *state, row.try_get("occurred_at")?);
    for (name, of) in TEXTS {
        *of(&mut line) = row.try_get(name)?;
    }
    for (name, of) in AMOUNTS {
        let Ok(amount) = row.try_get::<Option<&str>, _>(name)?.map(Amount::parse).transpose() else { return Ok(None) };
        *of(&mut line) = amount.map(|(amount, _)| amount);
    }
    for (name, of) in TIMES {
        *of(&mut line) = row.try_get(name)?;
    }
    line.odometer_km = row.try_get("odometer_km")?;
    if let Some(unit) = row.try_get::<Option<&str>, _>("unit")? {
        let Some(known) = Unit::ALL.iter().find(|known| known.as_str() == unit) else { return Ok(None) };
        line.unit = Some(*known);
    }
    for flag in row.try_get::<Vec<String>, _>("quality")? {
        let Some(known) = Flag::ALL.iter().find(|known| known.as_str() == flag) else { return Ok(None) };
        line.quality.insert(*known);
    }
    Ok(Some(line))
}
