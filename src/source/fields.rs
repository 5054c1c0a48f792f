//! From a record's values to a line's columns, and what looks wrong about them.

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    json::{Node, Value},
    time,
};
use crate::domain::{Amount, AmountError, Flag, Line, Record, Rejection, quality::Quality, record::Outcome};

/// How far in the source's future a sale may lie before it is flagged: clocks of terminals differ.
const FUTURE: TimeDelta = TimeDelta::minutes(5);
/// A cent, in ten-thousandths.
const CENT: i128 = 100;

/// Reads values and remembers what looked wrong. What cannot be read and does not decide the row becomes NULL and a
/// flag; what decides it, the key, money and quantities, is a [`Rejection`].
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// What looked wrong so far.
    pub(super) quality: Quality,
}

impl Reader {
    /// A reader for a record out of which NULs were taken, or not.
    pub(super) fn new(nul_removed: bool) -> Self {
        Self { quality: nul_removed.then_some(Flag::NulRemoved).into_iter().collect() }
    }

    /// A text, without blanks around it. A number is the digits sent. One that is too long for a column stands in the
    /// record alone.
    pub(super) fn text(&mut self, node: Option<&Node<'_>>) -> Option<String> {
        let node = node?;
        if let Some(text) = node.scalar().map(trimmed).filter(|text| text.len() <= LONGEST_TEXT) {
            return Some(text.to_owned());
        }
        self.unless_unknown(node);
        None
    }

    /// A date-time that the row can do without.
    pub(super) fn time(&mut self, node: Option<&Node<'_>>) -> Option<DateTime<Utc>> {
        let node = node?;
        node_time(node).unwrap_or_else(|time::NotATime| {
            self.quality.insert(Flag::UnreadableField);
            None
        })
    }

    /// A whole number. One with decimals is rounded, half to even, and flagged.
    pub(super) fn integer(&mut self, node: Option<&Node<'_>>) -> Option<i64> {
        let text = self.text(node)?;
        if let Ok(whole) = text.parse() {
            return Some(whole);
        }
        let Ok((amount, rounded)) = Amount::parse(&text) else {
            self.quality.insert(Flag::UnreadableField);
            return None;
        };
        let whole = amount.to_decimal().round_dp_with_strategy(0, rust_decimal::RoundingStrategy::MidpointNearestEven);
        if rounded || whole != amount.to_decimal() {
            self.quality.insert(Flag::Rounded);
        }
        i64::try_from(whole).ok()
    }

    /// Three letters of ISO 4217, in capitals.
    pub(super) fn currency(&mut self, node: Option<&Node<'_>>) -> Option<String> {
        let text = self.text(node)?;
        if text.len() == 3 && text.bytes().all(|b| b.is_ascii_alphabetic()) {
            return Some(text.to_ascii_uppercase());
        }
        self.quality.insert(Flag::UnreadableField);
        None
    }

    /// Money, a price, a rate or a quantity, from the digits sent.
    pub(super) fn amount(&mut self, field: &str, node: Option<&Node<'_>>) -> Result<Option<Amount>, Rejection> {
        let Some(node) = node.filter(|node| !node.is_unknown()) else { return Ok(None) };
        let parsed = node.scalar().map_or(Err(AmountError::NotANumber), Amount::parse);
        let (amount, rounded) = parsed.map_err(|error| {
            reject(
                field,
                match error {
                    AmountError::NotANumber => "is not a decimal number; expected digits with a decimal point",
                    AmountError::DoesNotFit => "does not fit numeric(18,4): more than 14 digits before the point",
                },
            )
        })?;
        if rounded {
            self.quality.insert(Flag::Rounded);
        }
        Ok(Some(amount))
    }

    fn unless_unknown(&mut self, node: &Node<'_>) {
        if !node.is_unknown() {
            self.quality.insert(Flag::UnreadableField);
        }
    }
}

/// Without white space around it. Most texts have none, and this is asked of each.
fn trimmed(text: &str) -> &str {
    let is_plain = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
    let bytes = text.as_bytes();
    if is_plain(bytes.first()) && is_plain(bytes.last()) { text } else { text.trim() }
}

/// A text that is part of the key: as sent, blanks and all, since the source is asked for it again.
pub(super) fn key_text(field: &str, node: Option<&Node<'_>>) -> Result<String, Rejection> {
    let node = node.filter(|node| !node.is_unknown()).ok_or_else(|| reject(field, "is missing"))?;
    let text = node.scalar().ok_or_else(|| reject(field, "is neither a text nor a number"))?;
    short_enough(field, text).map(str::to_owned)
}

/// A part of the key. The index of the table holds no longer one, and no vendor's id is near it.
pub(super) fn short_enough<'t>(field: &str, text: &'t str) -> Result<&'t str, Rejection> {
    if text.len() <= LONGEST_KEY {
        Ok(text)
    } else {
        Err(reject(field, "is longer than 400 bytes, too long for a key"))
    }
}

/// Bytes of any other column. The index of the invoices holds no longer one.
const LONGEST_TEXT: usize = 1_000;
/// Bytes of an id or of a product code.
const LONGEST_KEY: usize = 400;

/// The time of the sale.
pub(super) fn key_time(field: &str, node: Option<&Node<'_>>) -> Result<DateTime<Utc>, Rejection> {
    let node = node.filter(|node| !node.is_unknown()).ok_or_else(|| reject(field, "is missing"))?;
    node_time(node)
        .map_err(|_| reject(field, "is not a date-time; expected one like 2026-11-21T10:20:30Z"))?
        .ok_or_else(|| reject(field, "is missing: 0001-01-01 stands for none"))
}

fn node_time(node: &Node<'_>) -> Result<Option<DateTime<Utc>>, time::NotATime> {
    match &node.value {
        _ if node.is_unknown() => Ok(None),
        Value::Text(text) => time::parse(text),
        Value::Null | Value::Bool | Value::Number(_) | Value::Array(_) | Value::Object(_) => Err(time::NotATime),
    }
}

/// Why a record cannot be a row.
pub(super) fn reject(field: &str, reason: impl Into<Cow<'static, str>>) -> Rejection {
    Rejection { field: field.to_owned(), reason: reason.into(), nul_removed: false }
}

/// A record that is no JSON object.
pub(super) fn no_object(raw: Box<str>, reason: impl Into<Cow<'static, str>>) -> Record {
    Record { id: String::new(), raw, outcome: Outcome::Rejected(reject("record", reason)) }
}

/// Looks at a finished line as a whole and flags what does not add up.
pub(super) fn judge(line: &mut Line, present: DateTime<Utc>) {
    let found = [
        (Flag::AmountMismatch, amount_mismatch(line)),
        (Flag::VatMismatch, vat_mismatch(line)),
        (Flag::FutureTime, line.occurred_at.signed_duration_since(present) > FUTURE),
        (Flag::NegativeQuantity, line.quantity.is_some_and(Amount::is_negative)),
    ];
    line.quality.extend(found.into_iter().filter_map(|(flag, is_so)| is_so.then_some(flag)));
}

/// Quantity × unit price against the total: more than a cent and half of the price's last decimal (0.00005) for every
/// unit apart. Counted in half hundred-millionths, so that nothing is rounded.
fn amount_mismatch(line: &Line) -> bool {
    let (Some(quantity), Some(price), Some(total)) = (line.quantity, line.unit_price, line.gross_amount) else {
        return false;
    };
    let (quantity, price, total) = (wide(quantity), wide(price), wide(total));
    2 * (quantity * price - total * 10_000).abs() > 2 * CENT * 10_000 + quantity.abs()
}

/// Net + VAT against the total, and the rate of the net amount against the VAT: more than a cent apart. A rate up to 1
/// may be meant as a fraction.
fn vat_mismatch(line: &Line) -> bool {
    let (net, vat) = (line.net_amount.map(wide), line.vat_amount.map(wide));
    let sum = match (net, vat, line.gross_amount.map(wide)) {
        (Some(net), Some(vat), Some(total)) => (net + vat - total).abs() > CENT,
        _ => false,
    };
    let rate = match (net, vat, line.vat_rate.map(wide)) {
        (Some(net), Some(vat), Some(rate)) => {
            let apart = |per: i128| (net * rate - vat * 10_000 * per).abs() > CENT * 10_000 * per;
            apart(100) && (rate.abs() > 10_000 || apart(1))
        }
        _ => false,
    };
    sum || rate
}

fn wide(amount: Amount) -> i128 {
    i128::from(amount.ten_thousandths())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Kind, State};

    fn line(columns: [&str; 7]) -> Line {
        let [quantity, unit_price, gross_amount, net_amount, vat_rate, vat_amount, _] = columns.map(|c| c.parse().ok());
        let at = time::parse(columns[6]).unwrap().unwrap();
        let mut line = Line {
            quantity,
            unit_price,
            net_amount,
            vat_rate,
            vat_amount,
            gross_amount,
            ..Line::new("1", Kind::Fuel, State::Posted, at)
        };
        judge(&mut line, time::parse("2026-11-21T12:00:00Z").unwrap().unwrap());
        line
    }

    fn flags(columns: [&str; 7]) -> Vec<&'static str> {
        line(columns).quality.into_iter().map(Flag::as_str).collect()
    }

    const NOW: &str = "2026-11-21T12:00:00Z";

    #[test]
    fn a_text_too_long_for_a_column_is_flagged_and_left_to_the_record() {
        let mut reader = Reader::default();
        for (length, there) in [(LONGEST_TEXT, true), (LONGEST_TEXT + 1, false)] {
            let json = format!("\"{}\"", "x".repeat(length));
            assert_eq!(reader.text(Node::parse(&json).ok().as_ref()).is_some(), there);
            assert_eq!(reader.quality.contains(&Flag::UnreadableField), !there);
        }
    }

    #[test]
    fn what_adds_up_is_not_flagged() {
        assert!(flags(["40", "1.555", "62.20", "50.98", "22", "11.22", NOW]).is_empty());
        assert!(flags(["-1", "2.5", "-2.5", "", "", "", NOW]) == ["negative_quantity"]);
        assert!(flags(["", "2.5", "9", "", "22", "", NOW]).is_empty());
    }

    #[test]
    fn a_total_more_than_a_cent_and_a_rounding_off_is_flagged() {
        // 100 units allow 0.01 + 100 × 0.00005 = 0.015.
        assert!(flags(["100", "1", "100.015", "", "", "", NOW]).is_empty());
        assert_eq!(flags(["100", "1", "100.0151", "", "", "", NOW]), ["amount_mismatch"]);
        assert_eq!(flags(["100", "1", "99.98", "", "", "", NOW]), ["amount_mismatch"]);
    }

    #[test]
    fn vat_more_than_a_cent_off_is_flagged() {
        assert!(flags(["", "", "122.01", "100", "22", "22", NOW]).is_empty());
        assert_eq!(flags(["", "", "122.0101", "100", "22", "22", NOW]), ["vat_mismatch"]);
        assert_eq!(flags(["", "", "", "100", "20", "22", NOW]), ["vat_mismatch"]);
        assert!(flags(["", "", "", "100", "0.22", "22", NOW]).is_empty());
    }

    #[test]
    fn a_sale_more_than_five_minutes_ahead_is_flagged() {
        assert!(flags(["", "", "", "", "", "", "2026-11-21T12:05:00Z"]).is_empty());
        assert_eq!(flags(["", "", "", "", "", "", "2026-11-21T12:05:00.000001Z"]), ["future_time"]);
    }

    #[test]
    fn the_largest_amounts_do_not_overflow() {
        const MOST: &str = "99999999999999.9999";
        assert!(flags([MOST, MOST, MOST, MOST, MOST, MOST, NOW]).contains(&"amount_mismatch"));
    }
}
