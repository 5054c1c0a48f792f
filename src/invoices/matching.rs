//! Compares invoices with the rows that carry their numbers, to the cent.
//!
//! A line of an invoice meets a row of the same transaction, receipt or card, whatever it says, and without any of those one
//! of the same product; what agrees most is paired first, so that the order of neither side matters. What the rows themselves
//! have behind the cents may be rounded, and nothing else.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Invoices, Line, Row, Total, pairing};
use crate::domain::Amount;

/// A cent, in ten-thousandths.
const CENT: i128 = 100;

/// What came of an invoice, a line of it, or a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// To the cent the same.
    Matched,
    /// Apart by no more than what the rows have behind their cents.
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
    /// What is compared: `amount`, `unit_price`, `quantity`, `total`, `sum` (of the lines), `net`, `vat`, `currency`.
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
    for rows in of.values_mut() {
        rows.sort_by(|a, b| a.key.cmp(&b.key));
    }
    let rows = |number: &str| of.get(number).map(Vec::as_slice).unwrap_or_default();
    match invoices {
        Invoices::Totals(totals) => {
            let mut each: BTreeMap<&str, Vec<&Total>> = BTreeMap::new();
            for total in totals {
                each.entry(&total.invoice_no).or_default().push(total);
            }
            each.into_iter().map(|(number, totals)| sums(number, &totals, rows(number))).collect()
        }
        Invoices::Lines(lines) => {
            let mut each: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
            for line in lines {
                each.entry(&line.invoice_no).or_default().push(line);
            }
            each.into_iter()
                .map(|(number, mut lines)| {
                    lines.sort_by_key(|line| line.at);
                    pairs(number, &lines, rows(number))
                })
                .collect()
        }
    }
}

/// The sums of an invoice, one in each of its currencies.
fn sums(number: &str, totals: &[&Total], rows: &[&Row]) -> Matched {
    let mut findings = Vec::new();
    for total in totals {
        // A row that says no currency may be of the only one.
        let is_of = |row: &&&Row| match (&total.currency, &row.currency) {
            (Some(there), Some(here)) => there == here,
            (Some(_), None) => totals.len() == 1,
            (None, _) => true,
        };
        let of_it: Vec<&Row> = rows.iter().filter(is_of).copied().collect();
        let rows = if of_it.is_empty() && totals.len() == 1 { rows } else { &of_it };
        findings.extend(sum_of(total, rows));
    }
    let currencies = currencies(rows);
    let there: Vec<_> = totals.iter().filter_map(|total| total.currency.as_deref()).collect();
    let is_other = there.len() == totals.len() && currencies.iter().any(|here| !there.contains(here));
    if is_other || there.is_empty() && currencies.len() > 1 {
        findings.push(Finding {
            verdict: Verdict::PriceDiffers,
            at: totals.first().map(|total| total.at),
            row: None,
            what: "currency",
            there: (!there.is_empty()).then(|| there.join(", ")),
            here: Some(currencies.join(", ")),
        });
    }
    let there = by_currency(totals.iter().map(|total| (total.currency.clone(), Some(total.total))));
    let here = by_currency(rows.iter().map(|row| (row.currency.clone(), row.gross_amount)));
    finished(number, (0, rows.len()), findings, None, (together(&there), together(&here)))
}

/// One sum of an invoice and the rows that it is of.
fn sum_of(total: &Total, rows: &[&Row]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut compare = |what: &'static str, there: Option<Amount>, of: fn(&Row) -> Option<Amount>| {
        let Some(there) = there else { return };
        let here = Here::of(rows.iter().map(|row| of(row)));
        let verdict = if rows.is_empty() { Verdict::MissingHere } else { verdict(there, here) };
        findings.push(Finding {
            verdict,
            at: Some(total.at),
            row: None,
            what,
            there: Some(there.to_string()),
            here: here.filter(|_| !rows.is_empty()).map(|here| here.exact.to_string()),
        });
    };
    compare("total", Some(total.total), |row| row.gross_amount);
    if !rows.is_empty() {
        compare("net", total.net, |row| row.net_amount);
        compare("vat", total.vat, |row| row.vat_amount);
    }
    findings
}

/// The currencies of rows, each once.
fn currencies<'a>(rows: &[&'a Row]) -> Vec<&'a str> {
    let mut currencies: Vec<_> = rows.iter().filter_map(|row| row.currency.as_deref()).collect();
    currencies.sort_unstable();
    currencies.dedup();
    currencies
}

/// What the rows come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Here {
    /// To the ten-thousandth.
    exact: Amount,
    /// The least and the most, in ten-thousandths, that they come to when each is rounded to the cent: half a cent goes either
    /// way.
    each_rounded: (i128, i128),
}

impl Here {
    /// None when one of them is not known, or they do not fit.
    fn of(amounts: impl Iterator<Item = Option<Amount>> + Clone) -> Option<Self> {
        let exact = sum(amounts.clone())?;
        let each_rounded = amounts.flatten().fold((0, 0), |(least, most), amount| {
            let amount = i128::from(amount.ten_thousandths());
            let behind = amount.rem_euclid(CENT);
            let up = |is_up: bool| amount - behind + if is_up { CENT } else { 0 };
            (least + up(behind > CENT / 2), most + up(behind >= CENT / 2))
        });
        Some(Self { exact, each_rounded })
    }

    /// An invoice rounds the sum, or each row and then sums: anything else is another amount.
    fn verdict(self, there: Amount) -> Verdict {
        let (there, exact) = (i128::from(there.ten_thousandths()), i128::from(self.exact.ten_thousandths()));
        let (least, most) = self.each_rounded;
        let is_sum_rounded = exact % CENT != 0 && (there - exact).abs() <= CENT / 2;
        if there == exact {
            Verdict::Matched
        } else if is_sum_rounded || (least..=most).contains(&there) {
            Verdict::Rounding
        } else {
            Verdict::PriceDiffers
        }
    }
}

fn verdict(there: Amount, here: Option<Here>) -> Verdict {
    here.map_or(Verdict::PriceDiffers, |here| here.verdict(there))
}

/// The sum; none when one is not known, or it does not fit.
fn sum(mut amounts: impl Iterator<Item = Option<Amount>>) -> Option<Amount> {
    amounts.try_fold(Amount::default(), |sum, amount| sum.checked_add(amount?))
}

/// The lines of an invoice, in the order of the file, and its rows, in that of their keys.
fn pairs(number: &str, lines: &[&Line], rows: &[&Row]) -> Matched {
    let paired = pairing::pair(lines, rows);
    let mut findings = Vec::new();
    for (line, row) in lines.iter().zip(paired.rows()) {
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
    let left = rows.iter().enumerate().filter(|(at, _)| !paired.is_taken(*at));
    findings.extend(left.map(|(_, row)| Finding {
        verdict: Verdict::MissingThere,
        at: None,
        row: Some(row.key.clone()),
        what: "amount",
        there: None,
        here: row.gross_amount.map(|amount| amount.to_string()),
    }));
    // Each currency has a sum of its own. A line that says none is in that of its row.
    let of_line = |(line, row): (&&Line, &Option<usize>)| {
        let of_row = || row.and_then(|row| rows[row].currency.clone());
        (line.currency.clone().or_else(of_row), Some(line.amount))
    };
    let there = by_currency(lines.iter().zip(paired.rows()).map(of_line));
    let here = by_currency(rows.iter().map(|row| (row.currency.clone(), row.gross_amount)));
    let sums = sums_differ(&there, &here).then(|| Finding {
        verdict: Verdict::PriceDiffers,
        at: None,
        row: None,
        what: "sum",
        there: Some(together(&there)),
        here: Some(together(&here)),
    });
    let in_all = (together(&there), together(&here));
    finished(number, (lines.len(), rows.len()), findings, sums, in_all)
}

type Sums = BTreeMap<Option<String>, Option<Here>>;

fn by_currency(amounts: impl Iterator<Item = (Option<String>, Option<Amount>)>) -> Sums {
    let mut each: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (currency, amount) in amounts {
        each.entry(currency).or_default().push(amount);
    }
    each.into_iter().map(|(currency, amounts)| (currency, Here::of(amounts.into_iter()))).collect()
}

/// Whether the sums of lines and rows differ by more than may be rounded. What says no currency is held against the only one.
fn sums_differ(there: &Sums, here: &Sums) -> bool {
    let differ =
        |there: Option<Here>, here: Option<Here>| there.is_none_or(|there| !verdict(there.exact, here).agrees());
    if there.len() == 1 && here.len() == 1 {
        let names = there.keys().flatten().zip(here.keys().flatten()).next();
        return names.is_some_and(|(there, here)| there != here)
            || there.values().zip(here.values()).any(|(there, here)| differ(*there, *here));
    }
    there.len() != here.len()
        || there.iter().any(|(currency, there)| differ(*there, here.get(currency).copied().flatten()))
}

/// Sums as they are shown: with their currencies where there are several.
fn together(sums: &Sums) -> String {
    match sums.iter().collect::<Vec<_>>()[..] {
        [] => Amount::default().to_string(),
        [(_, sum)] => shown(sum.map(|sum| sum.exact)),
        _ => {
            let name = |currency: &Option<String>| currency.as_deref().unwrap_or("?").to_owned();
            let each: Vec<_> = sums
                .iter()
                .map(|(currency, sum)| format!("{} {}", shown(sum.map(|sum| sum.exact)), name(currency)))
                .collect();
            each.join(", ")
        }
    }
}

/// A line and its row: the first in which they differ, currency and amount before all.
fn pair(line: &Line, row: &Row) -> Finding {
    let found = |verdict, what, there: Amount, here: Option<Amount>| Finding {
        verdict,
        at: Some(line.at),
        row: Some(row.key.clone()),
        what,
        there: Some(there.to_string()),
        here: here.map(|here| here.to_string()),
    };
    if pairing::is_other_currency(line, row) {
        let (there, here) = (line.currency.clone(), row.currency.clone());
        return Finding { there, here, ..found(Verdict::PriceDiffers, "currency", line.amount, None) };
    }
    let amount = verdict(line.amount, Here::of([row.gross_amount].into_iter()));
    if !amount.agrees() {
        return found(amount, "amount", line.amount, row.gross_amount);
    }
    for (what, there, here) in
        [("quantity", line.quantity, row.quantity), ("unit_price", line.unit_price, row.unit_price)]
    {
        if let (Some(there), Some(here)) = (there, here)
            && !there.is(here)
        {
            return found(Verdict::PriceDiffers, what, there.value, Some(here));
        }
    }
    found(amount, "amount", line.amount, row.gross_amount)
}

fn shown(amount: Option<Amount>) -> String {
    amount.map_or_else(|| "?".to_owned(), |amount| amount.to_string())
}

/// `of_all`: what is found of the whole invoice, beside its lines and rows, which are counted.
fn finished(
    number: &str,
    (lines, rows): (usize, usize),
    mut findings: Vec<Finding>,
    of_all: Option<Finding>,
    (there, here): (String, String),
) -> Matched {
    let mut verdicts = BTreeMap::new();
    for finding in &findings {
        *verdicts.entry(finding.verdict.as_str()).or_default() += 1;
    }
    findings.retain(|finding| finding.verdict != Verdict::Matched);
    findings.extend(of_all);
    Matched { invoice_no: number.to_owned(), lines, rows, verdicts, there, here, findings }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
