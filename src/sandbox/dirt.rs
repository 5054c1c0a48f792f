//! Real-life dirt: which field of which record is written in which odd way. Decided for each field by itself, so that
//! a record keeps its oddities while its contents change.

use chrono::{DateTime, FixedOffset, SecondsFormat, Timelike, Utc};

use super::world::dice::{Dice, tag};

/// The dirt of one record; none when switched off.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dirt {
    seed: u64,
    on: bool,
}

impl Dirt {
    /// The dirt of the record that these parts tell from all others.
    pub(crate) fn new(on: bool, parts: &[u64]) -> Self {
        Self { seed: Dice::new(parts).next(), on }
    }

    /// The dice for one purpose of this record.
    pub(crate) fn dice(self, purpose: &str) -> Dice {
        Dice::new(&[self.seed, tag(purpose)])
    }

    /// Whether something happens to this record, so often in ten thousand.
    pub(crate) fn happens(self, purpose: &str, per_ten_thousand: u64) -> bool {
        self.on && self.dice(purpose).chance(per_ten_thousand)
    }

    /// One of several ways; the first when clean.
    pub(crate) fn way(self, purpose: &str, ways: usize) -> usize {
        if self.on { self.dice(purpose).below(ways) } else { 0 }
    }
}

/// A text as JSON writes it; a NUL becomes `\u0000`.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A number in ten-thousandths with as few digits as it needs.
pub(crate) fn plain(value: i64) -> String {
    scaled(value, 4)
}

/// A number in units of `10^-places` with as few digits as it needs.
pub(crate) fn scaled(value: i64, places: usize) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// A number in ten-thousandths with four decimals, as the warehouse shows it.
pub(crate) fn fixed(value: i64) -> String {
    let size = value.unsigned_abs();
    format!("{}{}.{:04}", if value < 0 { "-" } else { "" }, size / 10_000, size % 10_000)
}

/// The token of a number: mostly plain, sometimes a string, with needless zeros, or with an exponent.
pub(crate) fn number_token(dirt: Dirt, field: &str, value: i64) -> String {
    if !dirt.happens(field, 160) {
        return plain(value);
    }
    match dirt.dice(field).next() / 10_000 % 8 {
        0..3 => quoted(&plain(value)),
        3 | 4 => quoted(&fixed(value)),
        5 => format!("{}00", fixed(value)),
        6 => format!("{value}e-4"),
        _ => fixed(value),
    }
}

/// A time as the vendors' samples write it, or in one of the other ways that occur.
pub(crate) fn time_text(dirt: Dirt, field: &str, at: DateTime<Utc>) -> String {
    let nanos = at.nanosecond();
    if !dirt.happens(field, 400) {
        let format = if nanos.is_multiple_of(1_000_000) { SecondsFormat::Millis } else { SecondsFormat::Micros };
        return at.to_rfc3339_opts(format, true);
    }
    let mut dice = dirt.dice(field);
    dice.next();
    let fraction = format!("{nanos:09}");
    let needed = fraction.trim_end_matches('0').len();
    let digits = (needed + dice.below(10 - needed)).min(9);
    let fraction = if digits == 0 { String::new() } else { format!(".{}", &fraction[..digits]) };
    let (offset, shown) = match dice.below(6) {
        0..3 => (0, ""),
        3 => (2 * 3600, "+02:00"),
        4 => (0, "+00:00"),
        _ => (-5 * 3600 - 1800, "-05:30"),
    };
    let local = FixedOffset::east_opt(offset).map_or(at.naive_utc(), |zone| at.with_timezone(&zone).naive_local());
    format!("{}{fraction}{shown}", local.format("%Y-%m-%dT%H:%M:%S"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Amount;

    #[test]
    fn a_clean_record_has_no_oddity() {
        let clean = Dirt::new(false, &[1]);
        assert!(!clean.happens("x", 10_000));
        assert_eq!(clean.way("x", 9), 0);
        assert_eq!(number_token(clean, "x", 412_300), "41.23");
    }

    #[test]
    fn every_spelling_of_a_number_has_its_value() {
        let mut spellings = std::collections::BTreeSet::new();
        for seed in 0..4_000 {
            for value in [412_300, -5, 0, 10_000] {
                let token = number_token(Dirt::new(true, &[seed]), "x", value);
                let json: Box<serde_json::value::RawValue> = serde_json::from_str(&token).unwrap();
                let text = json.get().trim_matches('"').to_owned();
                assert_eq!(Amount::parse(&text).unwrap(), (Amount::from_ten_thousandths(value).unwrap(), false));
                spellings.insert((value, token));
            }
        }
        assert!(spellings.iter().filter(|(value, _)| *value == 412_300).count() >= 5);
    }

    #[test]
    fn every_spelling_of_a_time_is_that_time() {
        let mut spellings = std::collections::BTreeSet::new();
        for at in ["2026-02-26T00:02:36.994Z", "2026-02-26T14:02:36Z", "2026-12-31T23:59:59.123456Z"] {
            let at: DateTime<Utc> = at.parse().unwrap();
            for seed in 0..3_000 {
                let text = time_text(Dirt::new(true, &[seed]), "t", at);
                let zoned = if text.len() > 19 && (text.ends_with('Z') || text[19..].contains(['+', '-'])) {
                    text.clone()
                } else {
                    format!("{text}Z")
                };
                assert_eq!(zoned.parse::<DateTime<Utc>>().unwrap(), at, "{text}");
                spellings.insert(text);
            }
        }
        assert!(spellings.len() > 20, "{spellings:?}");
    }

    #[test]
    fn a_nul_is_escaped() {
        assert_eq!(quoted("a\0\"b"), "\"a\\u0000\\\"b\"");
        assert_eq!((scaled(13_790_001, 7), scaled(-5, 4)), ("1.3790001".to_owned(), "-0.0005".to_owned()));
    }
}
