//! Date-times against a reader that counts days by itself.

use fuelsync::fuzzing::{date, wire_date};

const MICROS: i64 = 1_000_000;

/// A text. What is read is what the naive reader reads, to the microsecond; what is read can be written and read back.
pub fn dates(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let read = date(text);
    let expected = naive(text).map(|(is_none, micros)| (!is_none).then_some(micros));
    assert_eq!(read.as_ref().ok().map(|at| at.map(|at| at.timestamp_micros())), expected, "{text:?}");
    let Ok(Some(at)) = read else { return };
    assert_eq!(at.timestamp_subsec_nanos() % 1_000, 0, "the database keeps microseconds");
    let written = wire_date(at);
    // Years of four digits are read; an offset can lead out of them.
    if written.starts_with(|c: char| c.is_ascii_digit()) && !written.starts_with("0001-01-01") {
        assert_eq!(date(&written), Ok(Some(at)), "{written}");
    }
}

/// Whether it is the date that stands for none, and microseconds since 1970; nothing for what is no date-time.
fn naive(text: &str) -> Option<(bool, i64)> {
    let text: Vec<char> = text.trim().chars().collect();
    let (day, rest) = text.split_at_checked(10)?;
    let day: String = day.iter().collect();
    let [year, month, day_of_month] = day.split('-').collect::<Vec<_>>()[..] else { return None };
    let (year, month, day_of_month) = (number(year, 4)?, number(month, 2)?, number(day_of_month, 2)?);
    if !(1..=12).contains(&month) || !(1..=length(year, month)).contains(&day_of_month) {
        return None;
    }
    let days = (0..year).map(|y| if is_leap(y) { 366 } else { 365 }).sum::<i64>()
        + (1..month).map(|m| length(year, m)).sum::<i64>()
        + day_of_month
        - 1
        - DAYS_BEFORE_1970;
    let micros = match rest.split_first() {
        None => 0,
        Some(('T' | 't' | ' ', rest)) => {
            let zone = rest.iter().position(|c| matches!(c, 'Z' | 'z' | '+' | '-' | ' ')).unwrap_or(rest.len());
            let (clock, zone): (String, String) = (rest[..zone].iter().collect(), rest[zone..].iter().collect());
            micros_of_day(&clock)? - offset_seconds(zone.trim_start())? * MICROS
        }
        Some(_) => return None,
    };
    let is_none = (year, month, day_of_month) == (1, 1, 1);
    Some((is_none, days * 86_400 * MICROS + micros))
}

/// From the first day of the year 0.
const DAYS_BEFORE_1970: i64 = 719_528;

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn length(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `HH:MM`, `HH:MM:SS`, either with a fraction.
fn micros_of_day(clock: &str) -> Option<i64> {
    let (whole, fraction) = clock.split_once(['.', ',']).unwrap_or((clock, ""));
    let parts: Vec<_> = whole.split(':').map(|part| number(part, 2)).collect::<Option<_>>()?;
    let (hour, minute, second) = match parts[..] {
        [hour, minute] => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    // A 60th second is the first of the next minute.
    if hour > 23 || minute > 59 || second > 60 || !fraction.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let micros: i64 = format!("{fraction}000000").get(..6)?.parse().ok()?;
    Some(((hour * 60 + minute) * 60 + second) * MICROS + micros)
}

/// `Z`, `+HH`, `+HHMM`, `+HH:MM`, or nothing.
fn offset_seconds(zone: &str) -> Option<i64> {
    let sign = match zone.chars().next() {
        None => return Some(0),
        Some('Z' | 'z') if zone.len() == 1 => return Some(0),
        Some('+') => 1,
        Some('-') => -1,
        Some(_) => return None,
    };
    let digits = &zone[1..];
    let (hours, minutes) = match digits.chars().filter(|c| *c != ':').count() {
        2 if digits.len() == 2 => (number(digits, 2)?, 0),
        4 if digits.len() == 4 => (number(digits.get(..2)?, 2)?, number(digits.get(2..)?, 2)?),
        4 if digits.len() == 5 => {
            let (hours, minutes) = digits.split_once(':')?;
            (number(hours, 2)?, number(minutes, 2)?)
        }
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60)
}

fn number(digits: &str, length: usize) -> Option<i64> {
    (digits.len() == length && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}
