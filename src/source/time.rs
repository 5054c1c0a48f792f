//! Date-times as vendors write them, read as UTC.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, TimeDelta, Utc};

/// A text that is no date-time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a date-time")]
pub(crate) struct NotATime;

/// Reads a date-time: with `Z`, with an offset or with neither (then UTC), with any number of fractional digits, with a
/// blank in place of `T`, or a bare date. Cut to microseconds, which is what the database keeps. A date in
/// `0001-01-01` is what a vendor's software writes for "none".
pub(crate) fn parse(text: &str) -> Result<Option<DateTime<Utc>>, NotATime> {
    let text = text.trim();
    let (date, rest) = text.split_at_checked(10).ok_or(NotATime)?;
    let date = self::date(date)?;
    let at = if rest.is_empty() {
        date.and_hms_opt(0, 0, 0).ok_or(NotATime)?.and_utc()
    } else {
        let clock = rest.strip_prefix(['T', 't', ' ']).ok_or(NotATime)?;
        let zone = clock.find(['Z', 'z', '+', '-', ' ']).unwrap_or(clock.len());
        let (clock, zone) = clock.split_at(zone);
        let offset = self::offset(zone.trim_start())?;
        let local = self::clock(date, clock)?;
        local.and_local_timezone(offset).single().ok_or(NotATime)?.to_utc()
    };
    let is_none = NaiveDate::from_ymd_opt(1, 1, 1) == Some(date);
    Ok((!is_none).then_some(at))
}

fn date(text: &str) -> Result<NaiveDate, NotATime> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return Err(NotATime);
    }
    let year = i32::try_from(digits(&text[..4])?).map_err(|_| NotATime)?;
    NaiveDate::from_ymd_opt(year, digits(&text[5..7])?, digits(&text[8..])?).ok_or(NotATime)
}

fn clock(date: NaiveDate, text: &str) -> Result<NaiveDateTime, NotATime> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let mut parts = whole.split(':');
    let mut part = || parts.next().map(two_digits);
    let hour = part().ok_or(NotATime)??;
    let minute = part().ok_or(NotATime)??;
    let second = part().transpose()?.unwrap_or(0);
    if parts.next().is_some() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NotATime);
    }
    let micros =
        fraction.bytes().chain(std::iter::repeat(b'0')).take(6).fold(0, |sum, b| sum * 10 + u32::from(b - b'0'));
    // A leap second is the first of the next minute: the database knows none.
    let (second, leap) = if second == 60 { (59, TimeDelta::seconds(1)) } else { (second, TimeDelta::zero()) };
    date.and_hms_micro_opt(hour, minute, second, micros).and_then(|t| t.checked_add_signed(leap)).ok_or(NotATime)
}

fn offset(text: &str) -> Result<FixedOffset, NotATime> {
    let utc = || FixedOffset::east_opt(0).ok_or(NotATime);
    let (sign, text) = match text.as_bytes() {
        [] | [b'Z' | b'z'] => return utc(),
        [b'+', ..] => (1, &text[1..]),
        [b'-', ..] => (-1, &text[1..]),
        _ => return Err(NotATime),
    };
    let (hours, minutes) = match text.len() {
        2 => (text, "00"),
        4 => text.split_at_checked(2).ok_or(NotATime)?,
        5 => text.split_once(':').ok_or(NotATime)?,
        _ => return Err(NotATime),
    };
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    if minutes > 59 {
        return Err(NotATime);
    }
    let seconds = i32::try_from(hours * 3600 + minutes * 60).map_err(|_| NotATime)?;
    FixedOffset::east_opt(sign * seconds).ok_or(NotATime)
}

fn two_digits(text: &str) -> Result<u32, NotATime> {
    if text.len() == 2 { digits(text) } else { Err(NotATime) }
}

fn digits(text: &str) -> Result<u32, NotATime> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NotATime);
    }
    text.parse().map_err(|_| NotATime)
}

/// A date-time as requests carry it: seconds, and a fraction only where there is one.
pub(crate) fn wire(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<String> {
        parse(text).ok().flatten().map(|t| t.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
    }

    #[test]
    fn every_accepted_form_is_read_as_utc() {
        for (text, shown) in [
            ("2026-11-21T10:20:30Z", "2026-11-21T10:20:30Z"),
            ("2026-11-21T10:20:30", "2026-11-21T10:20:30Z"),
            ("2026-11-21 10:20:30", "2026-11-21T10:20:30Z"),
            ("2026-11-21t10:20:30z", "2026-11-21T10:20:30Z"),
            ("2026-11-21T10:20:30+02:00", "2026-11-21T08:20:30Z"),
            ("2026-11-21T10:20:30-0330", "2026-11-21T13:50:30Z"),
            ("2026-11-21T00:20:30 +02", "2026-11-20T22:20:30Z"),
            ("2026-11-21T10:20:30.5Z", "2026-11-21T10:20:30.500Z"),
            ("2026-11-21T10:20:30.Z", "2026-11-21T10:20:30Z"),
            ("2026-11-21T10:20:30.123456789", "2026-11-21T10:20:30.123456Z"),
            ("2026-11-21T10:20", "2026-11-21T10:20:00Z"),
            ("2026-11-21", "2026-11-21T00:00:00Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
            (" 2026-11-21 ", "2026-11-21T00:00:00Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(shown), "{text}");
        }
    }

    #[test]
    fn the_first_day_of_year_one_means_none() {
        for text in ["0001-01-01T00:00:00", "0001-01-01", "0001-01-01T00:00:00.000Z", "0001-01-01T00:00:00+02:00"] {
            assert_eq!(parse(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_time_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-02-30",
            "21.11.2026",
            "2026-11-21T",
            "2026-11-21T25:00:00",
            "2026-11-21T10:20:30+",
            "2026-11-21T10:20:30+1",
            "2026-11-21T10:20:30+02:60",
            "2026-11-21T10:20:30.1x",
            "2026/11/21",
            "1760000000",
            "2026-11-21X10:20:30",
            "2026-11-21T10:20:30ZZ",
            "2026-11-21T1:2:3",
            "+026-11-21",
            "2026-11-21T10:20:30:00",
        ] {
            assert_eq!(parse(text), Err(NotATime), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(micros in -60_000_000_000_000_000i64..200_000_000_000_000_000, offset in -1439i32..1440) {
            let at = DateTime::from_timestamp_micros(micros).ok_or_else(|| TestCaseError::fail("range"))?;
            let zone = FixedOffset::east_opt(offset * 60).ok_or_else(|| TestCaseError::fail("zone"))?;
            prop_assert_eq!(parse(&at.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true)), Ok(Some(at)));
            prop_assert_eq!(parse(&at.with_timezone(&zone).to_rfc3339()), Ok(Some(at)));
            prop_assert_eq!(parse(&wire(at)), Ok(Some(at)));
            prop_assert_eq!(parse(&at.format("%Y-%m-%d %H:%M:%S%.6f").to_string()), Ok(Some(at)));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,30}", near in "[0-9TtZz:.,+ -]{0,34}") {
            let _ = parse(&text);
            let _ = parse(&near);
            let _ = parse(&format!("2026-11-21{near}"));
            let _ = parse(&format!("2026-11-21T10:20:30{text}"));
        }
    }
}
