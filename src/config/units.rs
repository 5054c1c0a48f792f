//! Texts with a unit: durations (`15m`), sizes (`512MiB`), moments (a date or RFC 3339).

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

/// Reads `90s`, `15m`, `6h`, `2d`, `1w`, `250ms`, and several of them in a row (`1h30m`).
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = leading_number(rest)?;
        let unit_ends = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_ends);
        let milliseconds = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            _ => return None,
        };
        total = total.checked_add(Duration::from_millis(number.checked_mul(milliseconds)?))?;
        rest = after.trim_start();
    }
    Some(total)
}

/// Writes a duration as [`duration`] reads it, in its largest whole unit.
pub fn show_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    for (unit, length) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if milliseconds > 0 && milliseconds.is_multiple_of(length) {
            return format!("{}{unit}", milliseconds / length);
        }
    }
    if milliseconds == 0 { "0s".to_owned() } else { format!("{milliseconds}ms") }
}

/// Reads `512MiB`, `64KiB`, `1GB`, `1000` (bytes).
pub fn size(text: &str) -> Option<u64> {
    let (number, unit) = leading_number(text.trim())?;
    let bytes = match unit.trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(bytes)
}

/// Reads a date (its UTC midnight) or an RFC 3339 time.
pub fn moment(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let date = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10);
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.with_timezone(&Utc))
        .ok()
        .or_else(|| date().map(|day| day.and_time(NaiveTime::MIN).and_utc()))
}

fn leading_number(text: &str) -> Option<(u64, &str)> {
    let ends = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(ends);
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit_or_several() {
        let read = |text| duration(text).map(|d| d.as_secs());
        assert_eq!(read("15m"), Some(900));
        assert_eq!(read("6h"), Some(21_600));
        assert_eq!(read("2d"), Some(172_800));
        assert_eq!(read("1h30m"), Some(5_400));
        assert_eq!(read("1h 30m"), Some(5_400));
        assert_eq!(read("0s"), Some(0));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
    }

    #[test]
    fn a_duration_without_unit_sign_or_sense_is_none() {
        for text in ["", "15", "m", "-1m", "1.5h", "5 minutes", "1h30", "99999999999999999999d", "1M"] {
            assert_eq!(duration(text), None, "{text:?}");
        }
    }

    #[test]
    fn sizes_have_binary_and_decimal_units() {
        assert_eq!(size("512MiB"), Some(536_870_912));
        assert_eq!(size("1 GiB"), Some(1 << 30));
        assert_eq!(size("1MB"), Some(1_000_000));
        assert_eq!(size("1000"), Some(1000));
        for text in ["", "MiB", "1.5MiB", "-1", "512mb", "99999999999GiB"] {
            assert_eq!(size(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_moment_is_a_date_or_a_time_with_an_offset() {
        let show = |text| moment(text).map(|t| t.to_rfc3339());
        assert_eq!(show("2026-01-01").as_deref(), Some("2026-01-01T00:00:00+00:00"));
        assert_eq!(show("2026-01-01T02:00:00+02:00").as_deref(), Some("2026-01-01T00:00:00+00:00"));
        for text in ["2026-1-1", "2026-02-30", "2026-01-01T00:00:00", "yesterday", "20260101", ""] {
            assert_eq!(show(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_shown_duration_reads_back(milliseconds in 0u64..10_000_000_000) {
            let length = Duration::from_millis(milliseconds);
            prop_assert_eq!(duration(&show_duration(length)), Some(length));
        }
    }
}
