//! One record being written, and at the same time what the warehouse should make of it: both from the same intent, so
//! that the truth needs no normalizer.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};

use super::dirt::{Dirt, fixed, number_token, plain, quoted, scaled, time_text};
use crate::domain::{Flag, quality::Quality};

/// Columns of `fuel.transaction` and what they should hold, as text.
pub(crate) type Columns = BTreeMap<&'static str, Option<String>>;

/// A record (or a part of one) under construction.
#[derive(Debug)]
pub(crate) struct Row {
    dirt: Dirt,
    /// Field names and their JSON tokens, in order.
    pub fields: Vec<(&'static str, String)>,
    /// The columns; nothing when nobody asks for the truth.
    pub columns: Option<Columns>,
    /// What should be flagged.
    pub flags: Quality,
}

/// A time as the truth shows it.
pub(crate) fn shown(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// The first six and the last four digits, as the default privacy rule leaves them.
pub(crate) fn masked(card: &str) -> String {
    match (card.get(..6), card.get(6..card.len().saturating_sub(4)), card.get(card.len().saturating_sub(4)..)) {
        (Some(first), Some(hidden), Some(last)) => format!("{first}{}{last}", "*".repeat(hidden.len())),
        _ => card.to_owned(),
    }
}

impl Row {
    /// An empty record; `truth` says whether columns are wanted.
    pub(crate) fn new(dirt: Dirt, truth: bool) -> Self {
        Self { dirt, fields: Vec::with_capacity(32), columns: truth.then(Columns::new), flags: Quality::new() }
    }

    /// A field whose token is known.
    pub(crate) fn raw(&mut self, name: &'static str, token: impl Into<String>) {
        self.fields.push((name, token.into()));
    }

    /// A column.
    pub(crate) fn set(&mut self, column: &'static str, value: impl FnOnce() -> Option<String>) {
        if let Some(columns) = &mut self.columns {
            columns.insert(column, value());
        }
    }

    /// One of the ways to say that there is nothing.
    fn nothing(&mut self, name: &'static str, empty: &str) {
        match self.dirt.way(name, 8) {
            0..5 => self.raw(name, "null"),
            5 | 6 => {}
            _ => self.raw(name, empty),
        }
    }

    /// A text that is always there.
    pub(crate) fn text(&mut self, name: &'static str, column: &'static str, value: &str) {
        self.raw(name, quoted(value));
        self.set(column, || Some(value.to_owned()));
    }

    /// A text that may be unknown, and sometimes is for no reason.
    pub(crate) fn word(&mut self, name: &'static str, column: &'static str, value: Option<&str>) {
        let value = value.filter(|_| !self.dirt.happens(name, 60));
        match value {
            Some(value) => self.raw(name, quoted(value)),
            None => self.nothing(name, "\"\""),
        }
        self.set(column, || value.map(str::to_owned));
    }

    /// A name, which now and then carries a NUL character from some terminal's fixed-width field.
    pub(crate) fn name(&mut self, name: &'static str, column: &'static str, value: Option<&str>) {
        match value {
            Some(value) if self.dirt.happens(name, 25) => {
                self.flags.insert(Flag::NulRemoved);
                let cut = value.char_indices().nth(3).map_or(value.len(), |(at, _)| at);
                let padded = format!("{}\0{}\0\0", &value[..cut], &value[cut..]);
                self.raw(name, quoted(&padded));
                self.set(column, || Some(value.to_owned()));
            }
            _ => self.word(name, column, value),
        }
    }

    /// An id of digits: a string, or now and then a number.
    pub(crate) fn id(&mut self, name: &'static str, column: &'static str, value: &str, usually_number: bool) {
        let odd = self.dirt.happens(name, 100);
        self.raw(name, if usually_number == odd { quoted(value) } else { value.to_owned() });
        self.set(column, || Some(value.to_owned()));
    }

    /// A decimal number, in ten-thousandths.
    pub(crate) fn number(&mut self, name: &'static str, column: &'static str, value: Option<i64>) {
        match value {
            Some(value) => self.raw(name, number_token(self.dirt, name, value)),
            None if self.dirt.way(name, 3) == 1 => {}
            None => self.raw(name, "null"),
        }
        self.set(column, || value.map(fixed));
    }

    /// A decimal number that may be unknown for no reason.
    pub(crate) fn loose_number(&mut self, name: &'static str, column: &'static str, value: i64) {
        let value = (!self.dirt.happens(name, 40)).then_some(value);
        self.number(name, column, value);
    }

    /// A number in ten-millionths: rounded at the source mostly, sometimes sent with all its decimals.
    pub(crate) fn fine(&mut self, name: &'static str, column: &'static str, value: i64) {
        let rounded = half_even(value);
        if value % 1000 != 0 && self.dirt.happens(name, 90) {
            self.flags.insert(Flag::Rounded);
            self.raw(name, scaled(value, 7));
            self.set(column, || Some(fixed(rounded)));
        } else {
            self.number(name, column, Some(rounded));
        }
    }

    /// A whole number.
    pub(crate) fn integer(&mut self, name: &'static str, column: &'static str, value: Option<i64>) {
        match value {
            Some(value) if self.dirt.happens(name, 100) => self.raw(name, quoted(&value.to_string())),
            Some(value) => self.raw(name, plain(value * 10_000)),
            None if self.dirt.way(name, 3) == 1 => {}
            None => self.raw(name, "null"),
        }
        self.set(column, || value.map(|v| v.to_string()));
    }

    /// A time that is always there.
    pub(crate) fn time(&mut self, name: &'static str, column: &'static str, at: DateTime<Utc>) {
        self.raw(name, quoted(&time_text(self.dirt, name, at)));
        self.set(column, || Some(shown(at)));
    }

    /// A time that may be unknown.
    pub(crate) fn loose_time(&mut self, name: &'static str, column: &'static str, at: Option<DateTime<Utc>>) {
        match at {
            Some(at) if !self.dirt.happens(&format!("no {name}"), 40) => self.time(name, column, at),
            _ => {
                if self.dirt.happens(&format!("year one {name}"), 1_500) {
                    self.raw(name, "\"0001-01-01T00:00:00\"");
                } else {
                    self.nothing(name, "\"\"");
                }
                self.set(column, || None);
            }
        }
    }

    /// Fields that no document knows, in a few records.
    pub(crate) fn unknown(&mut self) {
        match self.dirt.happens("unknown", 200).then(|| self.dirt.way("which unknown", 4)) {
            Some(0) => self.raw("loyaltyPoints", "12"),
            Some(1) => self.raw("vendorNote", "\"Täname ostu eest! \\ud83d\\ude9a\""),
            Some(2) => self.raw("extra", "{\"batch\": 7, \"ratio\": 0.10000000000000000001, \"tags\": [\"a\", null]}"),
            Some(_) => self.raw("isTest", "false"),
            None => {}
        }
    }

    /// The record as flat JSON.
    pub(crate) fn json(&self) -> String {
        object(self.fields.iter().map(|(name, token)| (*name, token.as_str())))
    }
}

/// A JSON object of tokens.
pub(crate) fn object<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::with_capacity(640);
    text.push('{');
    for (index, (name, token)) in fields.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push('"');
        text.push_str(name);
        text.push_str("\":");
        text.push_str(token);
    }
    text.push('}');
    text
}

/// Ten-millionths to ten-thousandths, half to even.
fn half_even(value: i64) -> i64 {
    let (whole, rest) = (value.div_euclid(1000), value.rem_euclid(1000));
    whole + i64::from(rest > 500 || rest == 500 && whole % 2 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_keeps_its_ends() {
        assert_eq!(masked("7033010123456789"), "703301******6789");
    }

    #[test]
    fn the_fifth_decimal_rounds_half_to_even() {
        assert_eq!([half_even(1_500), half_even(2_500), half_even(-1_500), half_even(2_501)], [2, 2, -2, 3]);
    }

    #[test]
    fn a_record_and_its_truth_come_from_one_call() {
        let mut row = Row::new(Dirt::new(false, &[]), true);
        row.number("quantity", "quantity", Some(412_300));
        row.word("plateNumber", "license_plate", None);
        assert_eq!(row.json(), r#"{"quantity":41.23,"plateNumber":null}"#);
        let columns = row.columns.unwrap_or_default();
        assert_eq!(columns["quantity"], Some("41.2300".to_owned()));
        assert_eq!(columns["license_plate"], None);
    }
}
