//! Values as a person reads them, and text as markup bears it.

use chrono::{DateTime, NaiveDate, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::domain::{Partition, SourceKind, StreamId};

/// What stands where there is nothing to say.
pub(super) const DASH: &str = "–";

/// Text as text, in elements and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A moment, to the second, with the zone said.
pub(super) fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The same as an element that programs can read.
pub(super) fn time(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(
        || DASH.to_owned(),
        |at| format!("<time datetime=\"{}\">{}</time>", at.format("%Y-%m-%dT%H:%M:%SZ"), moment(at)),
    )
}

/// A moment to the minute, for tables with many of them.
pub(super) fn minute(at: DateTime<Utc>) -> String {
    format!("<time datetime=\"{}\">{}</time>", at.format("%Y-%m-%dT%H:%M:%SZ"), at.format("%Y-%m-%d %H:%M"))
}

/// A day, or a stretch of days.
pub(super) fn days(from: NaiveDate, through: NaiveDate) -> String {
    if from == through { from.to_string() } else { format!("{from} to {through}") }
}

/// The two largest units of so many seconds; a person asks whether it is minutes or days.
pub(super) fn duration(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let all = seconds.unsigned_abs();
    let (days, hours, minutes, seconds) = (all / 86_400, all / 3600 % 24, all / 60 % 60, all % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{seconds} s"),
        (0, 0, _) => format!("{sign}{minutes} min {seconds} s"),
        (0, ..) => format!("{sign}{hours} h {minutes} min"),
        _ => format!("{sign}{days} d {hours} h"),
    }
}

/// A whole number with its thousands apart.
pub(super) fn number(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if value < 0 {
        shown.push('-');
    }
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// So many of something, with its word in the right number.
pub(super) fn count(value: i64, one: &str, many: &str) -> String {
    format!("{} {}", number(value), if value == 1 { one } else { many })
}

/// A whole per cent of a whole, rounded down; 0 of nothing.
pub(super) fn percent(part: i64, whole: i64) -> i64 {
    if whole <= 0 { 0 } else { part.saturating_mul(100) / whole }
}

/// All but what RFC 3986 leaves unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A value in an address.
fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// The address of a stream's page, as it stands in an attribute.
pub(super) fn stream_href(stream: &StreamId) -> String {
    format!(
        "/stream?source={}&amp;account={}&amp;partition={}",
        encoded(stream.source.as_str()),
        encoded(&stream.account),
        encoded(stream.partition.as_str())
    )
}

/// The address of the page with one account's interface only.
pub(super) fn group_href(source: SourceKind, account: &str) -> String {
    format!("/?source={}&amp;account={}", encoded(source.as_str()), encoded(account))
}

/// A partition as a person calls it. Not escaped.
pub(super) fn partition(partition: &Partition) -> String {
    partition.contract_no().map_or_else(|| "the whole account".to_owned(), |number| format!("contract {number}"))
}

/// What a source brings, in words.
pub(super) const fn source(source: SourceKind) -> &'static str {
    match source {
        SourceKind::HecOne => "HecOne transactions",
        SourceKind::AlexelaCard => "Alexela payment cards",
        SourceKind::AlexelaBonus => "Alexela bonus cards",
        SourceKind::AlexelaEv => "Alexela charging",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_text() {
        assert_eq!(escape(r#"<a href="x" y='z'>&"#), "&lt;a href=&quot;x&quot; y=&#39;z&#39;&gt;&amp;");
    }

    #[test]
    fn a_duration_shows_its_two_largest_units() {
        for (seconds, shown) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min 0 s"),
            (3_725, "1 h 2 min"),
            (90_000, "1 d 1 h"),
            (-61, "-1 min 1 s"),
        ] {
            assert_eq!(duration(seconds), shown);
        }
    }

    #[test]
    fn thousands_stand_apart() {
        for (value, shown) in [(0, "0"), (999, "999"), (1_000, "1,000"), (-12_345, "-12,345"), (1_234_567, "1,234,567")]
        {
            assert_eq!(number(value), shown);
        }
        assert_eq!((count(1, "line", "lines").as_str(), count(0, "line", "lines").as_str()), ("1 line", "0 lines"));
    }

    #[test]
    fn an_address_holds_no_markup_and_no_second_parameter() {
        let stream = StreamId::new(SourceKind::HecOne, "<b>&partition=x\"", Partition::whole());
        assert_eq!(
            stream_href(&stream),
            "/stream?source=hecone&amp;account=%3Cb%3E%26partition%3Dx%22&amp;partition=-"
        );
    }

    #[test]
    fn a_share_of_nothing_is_nothing() {
        assert_eq!((percent(1, 3), percent(0, 0), percent(5, 5)), (33, 0, 100));
    }
}
