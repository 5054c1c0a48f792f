//! A supplier's invoice against the rows that carry its number: what the file says, and what matches. Pure.
//!
//! [`mod@file`] reads a CSV of totals or of lines; [`matching`] compares it with [`Row`]s, to the cent; `pairing` says which
//! line is which row.

pub mod file;
pub mod matching;
mod numbers;
mod pairing;

use chrono::{DateTime, NaiveDate, Utc};

use crate::domain::Amount;

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invoices {
    /// Each invoice's sums.
    Totals(Vec<Total>),
    /// The lines of one invoice or of several.
    Lines(Vec<Line>),
}

impl Invoices {
    /// The numbers of the invoices, in order, each once.
    pub fn numbers(&self) -> Vec<String> {
        let mut numbers: Vec<String> = match self {
            Self::Totals(totals) => totals.iter().map(|total| total.invoice_no.clone()).collect(),
            Self::Lines(lines) => lines.iter().map(|line| line.invoice_no.clone()).collect(),
        };
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// The first and the last date; none unless every invoice has one.
    pub fn dates(&self) -> Option<(NaiveDate, NaiveDate)> {
        let dates: Option<Vec<NaiveDate>> = match self {
            Self::Totals(totals) => totals.iter().map(|total| total.date).collect(),
            Self::Lines(lines) => lines.iter().map(|line| line.date).collect(),
        };
        let dates = dates?;
        Some((*dates.iter().min()?, *dates.iter().max()?))
    }
}

/// An invoice by its sums, in its currency, or in one of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// The line of the file.
    pub at: usize,
    /// Its number.
    pub invoice_no: String,
    /// Its date.
    pub date: Option<NaiveDate>,
    /// What is to be paid, tax included.
    pub total: Amount,
    /// Without tax.
    pub net: Option<Amount>,
    /// The tax.
    pub vat: Option<Amount>,
    /// ISO 4217.
    pub currency: Option<String>,
}

/// A figure with as many decimals as the file shows in its column: what is behind them the supplier does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figure {
    /// As it is written.
    pub value: Amount,
    /// Decimals of the one in its column that has most.
    pub decimals: u32,
}

impl Figure {
    /// Whether it is this one, as far as it is shown.
    pub const fn is(self, here: Amount) -> bool {
        // Half of the last decimal that is shown.
        let half = 10u64.pow(4u32.saturating_sub(self.decimals)) / 2;
        self.value.ten_thousandths().abs_diff(here.ten_thousandths()) <= half
    }
}

/// A line of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    /// The line of the file.
    pub at: usize,
    /// The number of its invoice.
    pub invoice_no: String,
    /// The day of the sale, or of the invoice.
    pub date: Option<NaiveDate>,
    /// The source's id of the transaction.
    pub transaction_id: Option<String>,
    /// The number of the receipt.
    pub receipt_no: Option<String>,
    /// The card, as the supplier shows it.
    pub card_number: Option<String>,
    /// The product in the supplier's words.
    pub product: Option<String>,
    /// How much, in the row's unit.
    pub quantity: Option<Figure>,
    /// Price of one unit, tax included, in the invoice's currency.
    pub unit_price: Option<Figure>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// What is to be paid for it, tax included, in the invoice's currency.
    pub amount: Amount,
}

/// A row of the warehouse that carries the number of an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Source, account, transaction and line, with slashes between.
    pub key: String,
    /// The source's id of the transaction.
    pub transaction_id: String,
    /// The number of the invoice.
    pub invoice_no: String,
    /// When the sale took place.
    pub occurred_at: DateTime<Utc>,
    /// The number of the receipt.
    pub receipt_no: Option<String>,
    /// The card, after the privacy rule.
    pub card_number: Option<String>,
    /// Code, name and canonical name of the product.
    pub products: [Option<String>; 3],
    /// How much, in the row's unit.
    pub quantity: Option<Amount>,
    /// Price of one unit, in `currency`.
    pub unit_price: Option<Amount>,
    /// With tax, in `currency`.
    pub gross_amount: Option<Amount>,
    /// Without tax, in `currency`.
    pub net_amount: Option<Amount>,
    /// The tax, in `currency`.
    pub vat_amount: Option<Amount>,
    /// ISO 4217.
    pub currency: Option<String>,
}
