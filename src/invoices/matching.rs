//! Compares invoices with the rows that carry their numbers, to the cent.
//!
//! A line of an invoice meets a row of the same transaction, receipt or card, whatever it says, and without any of those one
//! of the same product; what agrees most is paired first, so that the order of neither side matters.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Invoices, Line, Row, Total};
use crate::domain::Amount;

/// A cent, in ten-thousandths: as much may be rounded of a line.
const CENT: i64 = 100;

/// What came of an invoice, a line of it, or a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// To the cent the same.
    Matched,
    /// Apart by no more than a cent a line.
    Rounding,
    /// The same sale, another amount, price or quantity; or sums further apart.
    PriceDiffers,
    /// On the invoice, and not in the warehouse.
    MissingHere,
    /// In the warehouse under the invoice's number, and not on the invoice.
    MissingThere,
}

impl Verdict {
    /// Whether the two sides agree.
    pub const fn agrees(self) -> bool {
        match self {
            Self::Matched | Self::Rounding => true,
            Self::PriceDiffers | Self::MissingHere | Self::MissingThere => false,
        }
    }

    /// As people read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Rounding => "rounding",
            Self::PriceDiffers => "price differs",
            Self::MissingHere => "missing here",
            Self::MissingThere => "missing there",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is.
    pub verdict: Verdict,
    /// The line of the file; none of a row that is not on the invoice.
    pub at: Option<usize>,
    /// The row, as source, account, transaction and line; none where there is none, or of sums.
    pub row: Option<String>,
    /// What is compared: `amount`, `unit_price`, `quantity`, `total`, `net`, `vat`, `currency`.
    pub what: &'static str,
    /// As the invoice has it.
    pub there: Option<String>,
    /// As the warehouse has it.
    pub here: Option<String>,
}

/// What came of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Matched {
    /// Its number.
    pub invoice_no: String,
    /// Its lines, where the file has them.
    pub lines: usize,
    /// The rows that carry its number.
    pub rows: usize,
    /// How many of each.
    pub verdicts: BTreeMap<&'static str, usize>,
    /// Its sum as the file has it, in its currency.
    pub there: String,
    /// Its sum as the warehouse has it.
    pub here: String,
    /// All but what matches.
    pub findings: Vec<Finding>,
}

impl Matched {
    /// Whether both sides agree in everything.
    pub fn agrees(&self) -> bool {
        self.findings.iter().all(|finding| finding.verdict.agrees())
    }
}

/// Compares a file with rows. Those of other invoices are passed over.
pub fn compare(invoices: &Invoices, rows: &[Row]) -> Vec<Matched> {
    let mut of: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        of.entry(&row.invoice_no).or_default().push(row);
    }
    let numbers = invoices.numbers();
    let each = numbers.iter().map(|number| {
        let rows = of.get(number.as_str()).map(Vec::as_slice).unwrap_or_default();
        match invoices {
            Invoices::Totals(totals) => {
                let total = totals.iter().find(|total| total.invoice_no == *number);
                total.map(|total| sums(total, rows))
            }
            Invoices::Lines(lines) => {
                let lines: Vec<_> = lines.iter().filter(|line| line.invoice_no == *number).collect();
                Some(pairs(number, &lines, rows))
            }
        }
    });
    each.flatten().collect()
}

/// The sums of an invoice.
fn sums(total: &Total, rows: &[&Row]) -> Matched {
    let mut findings = Vec::new();
    let here = sum(rows.iter().map(|row| row.gross_amount));
    let mut compare = |what: &'static str, there: Option<Amount>, here: Option<Amount>| {
        let Some(there) = there else { return };
        let verdict = if rows.is_empty() {
            Verdict::MissingHere
        } else {
            verdict(there, here, i64::try_from(rows.len()).unwrap_or(i64::MAX))
        };
        findings.push(Finding {
            verdict,
            at: Some(total.at),
            row: None,
            what,
            there: Some(there.to_string()),
            here: here.filter(|_| !rows.is_empty()).map(|here| here.to_string()),
        });
    };
    compare("total", Some(total.total), here);
    if !rows.is_empty() {
        compare("net", total.net, sum(rows.iter().map(|row| row.net_amount)));
        compare("vat", total.vat, sum(rows.iter().map(|row| row.vat_amount)));
    }
    let mut currencies: Vec<_> = rows.iter().filter_map(|row| row.currency.as_deref()).collect();
    currencies.sort_unstable();
    currencies.dedup();
    let is_other = total.currency.as_deref().is_some_and(|there| currencies.iter().any(|here| *here != there));
    if is_other || currencies.len() > 1 {
        findings.push(Finding {
            verdict: Verdict::PriceDiffers,
            at: Some(total.at),
            row: None,
            what: "currency",
            there: total.currency.clone(),
            here: Some(currencies.join(", ")),
        });
    }
    finished(&total.invoice_no, 0, rows.len(), findings, (Some(total.total), here))
}

/// Two amounts of so many lines. None: one of the rows does not say its own.
fn verdict(there: Amount, here: Option<Amount>, lines: i64) -> Verdict {
    let Some(here) = here else { return Verdict::PriceDiffers };
    match there.ten_thousandths().abs_diff(here.ten_thousandths()) {
        0 => Verdict::Matched,
        apart if apart <= CENT.saturating_mul(lines).unsigned_abs() => Verdict::Rounding,
        _ => Verdict::PriceDiffers,
    }
}

/// The sum; none when one is not known, or it does not fit.
fn sum(mut amounts: impl Iterator<Item = Option<Amount>>) -> Option<Amount> {
    amounts.try_fold(Amount::default(), |sum, amount| sum.checked_add(amount?))
}

/// How well a line and a row agree; the greatest are paired first. None: they are not of one sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Agreement {
    /// In the amount, in it but for a cent, in the product, in the quantity.
    what: [bool; 4],
    /// In so many of the names of a sale.
    named: usize,
    /// In the day.
    day: bool,
    /// The nearer the greater.
    nearness: std::cmp::Reverse<u64>,
}

fn agreement(line: &Line, row: &Row) -> Option<Agreement> {
    let same = |there: &Option<String>, here: Option<&str>| there.as_deref().map(|there| here == Some(there.trim()));
    let named = [
        same(&line.transaction_id, Some(&row.transaction_id)),
        same(&line.receipt_no, row.receipt_no.as_deref()),
        line.card_number.as_deref().map(|card| row.card_number.as_deref().is_some_and(|here| is_card(card, here))),
    ];
    // The first name that the line has decides: a receipt's number may be another terminal's as well, a card buys often.
    let decides = named.iter().flatten().next().copied();
    let is_quantity = line.quantity.is_some() && line.quantity == row.quantity;
    let is_product = line
        .product
        .as_deref()
        .is_none_or(|there| row.products.iter().flatten().any(|here| here.to_lowercase() == there.to_lowercase()));
    let apart =
        row.gross_amount.map_or(u64::MAX, |here| here.ten_thousandths().abs_diff(line.amount.ten_thousandths()));
    let is_cent = apart <= CENT.unsigned_abs();
    let is_of_it = match decides {
        Some(is_named) => is_named,
        None => is_cent && (is_product || is_quantity) || is_quantity && is_product,
    };
    // By a card alone a sale is told with its day and product, or its amount.
    let by_card = decides.is_some() && line.transaction_id.is_none() && line.receipt_no.is_none();
    let days = line.date.map(|date| (row.occurred_at.date_naive() - date).num_days().abs());
    let is_day = days.is_none_or(|days| days <= 1);
    if !is_of_it || by_card && !(is_cent || is_quantity && is_product || is_day && line.date.is_some() && is_product) {
        return None;
    }
    Some(Agreement {
        what: [apart == 0, is_cent, is_product, is_quantity],
        named: named.iter().flatten().filter(|is| **is).count(),
        day: is_day,
        nearness: std::cmp::Reverse(apart),
    })
}

/// Whether two ways to show a card may be of one: a mask hides what it hides.
fn is_card(there: &str, here: &str) -> bool {
    let shown = |card: &str| card.chars().filter(|c| !c.is_whitespace() && *c != '-').collect::<Vec<_>>();
    let (there, here) = (shown(there), shown(here));
    there.len() == here.len() && there.iter().zip(&here).all(|(a, b)| a == b || *a == '*' || *b == '*')
}

/// The lines of an invoice.
fn pairs(number: &str, lines: &[&Line], rows: &[&Row]) -> Matched {
    let mut possible = Vec::new();
    for (l, line) in lines.iter().enumerate() {
        possible.extend(rows.iter().enumerate().filter_map(|(r, row)| Some((agreement(line, row)?, l, r))));
    }
    // Of equal ones the order of the file and of the keys decides, so that it comes to the same each time.
    possible
        .sort_by(|a, b| b.0.cmp(&a.0).then(lines[a.1].at.cmp(&lines[b.1].at)).then(rows[a.2].key.cmp(&rows[b.2].key)));
    let (mut row_of, mut taken) = (vec![None; lines.len()], vec![false; rows.len()]);
    for (_, line, row) in possible {
        if row_of[line].is_none() && !taken[row] {
            (row_of[line], taken[row]) = (Some(row), true);
        }
    }
    let mut findings = Vec::new();
    for (line, row) in lines.iter().zip(&row_of) {
        let amount = line.amount.to_string();
        match row {
            Some(row) => findings.push(pair(line, rows[*row])),
            None => findings.push(Finding {
                verdict: Verdict::MissingHere,
                at: Some(line.at),
                row: None,
                what: "amount",
                there: Some(amount),
                here: None,
            }),
        }
    }
    let mut left: Vec<_> = rows.iter().zip(&taken).filter(|(_, taken)| !**taken).map(|(row, _)| row).collect();
    left.sort_by(|a, b| a.key.cmp(&b.key));
    findings.extend(left.into_iter().map(|row| Finding {
        verdict: Verdict::MissingThere,
        at: None,
        row: Some(row.key.clone()),
        what: "amount",
        there: None,
        here: row.gross_amount.map(|amount| amount.to_string()),
    }));
    let there = sum(lines.iter().map(|line| Some(line.amount)));
    let here = sum(rows.iter().map(|row| row.gross_amount));
    finished(number, lines.len(), rows.len(), findings, (there, here))
}

/// A line and its row: the first in which they differ, the amount before all.
fn pair(line: &Line, row: &Row) -> Finding {
    let found = |verdict, what, there: Amount, here: Option<Amount>| Finding {
        verdict,
        at: Some(line.at),
        row: Some(row.key.clone()),
        what,
        there: Some(there.to_string()),
        here: here.map(|here| here.to_string()),
    };
    let amount = verdict(line.amount, row.gross_amount, 1);
    if !amount.agrees() {
        return found(amount, "amount", line.amount, row.gross_amount);
    }
    if let Some(there) = line.quantity.filter(|there| row.quantity.is_some_and(|here| here != *there)) {
        return found(Verdict::PriceDiffers, "quantity", there, row.quantity);
    }
    let price = line.unit_price.zip(row.unit_price).map(|(there, here)| verdict(there, Some(here), 1));
    if let (Some(there), Some(Verdict::PriceDiffers)) = (line.unit_price, price) {
        return found(Verdict::PriceDiffers, "unit_price", there, row.unit_price);
    }
    found(amount, "amount", line.amount, row.gross_amount)
}

fn finished(
    number: &str,
    lines: usize,
    rows: usize,
    mut findings: Vec<Finding>,
    (there, here): (Option<Amount>, Option<Amount>),
) -> Matched {
    let mut verdicts = BTreeMap::new();
    for finding in &findings {
        *verdicts.entry(finding.verdict.as_str()).or_default() += 1;
    }
    findings.retain(|finding| finding.verdict != Verdict::Matched);
    let shown = |amount: Option<Amount>| amount.map_or_else(|| "?".to_owned(), |amount| amount.to_string());
    let (there, here) = (shown(there), shown(here));
    Matched { invoice_no: number.to_owned(), lines, rows, verdicts, there, here, findings }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
