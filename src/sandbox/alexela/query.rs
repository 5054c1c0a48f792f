//! Alexela's date range: its formats and its two limits, with the published texts.

use axum::http::StatusCode;
use chrono::{DateTime, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use serde_json::Value;

use super::{Refusal, refuse};
use crate::sandbox::options::AlexelaOptions;

/// What is served: `[from, to)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// The first instant.
    pub from: DateTime<Utc>,
    /// The first instant not served.
    pub to: DateTime<Utc>,
}

/// A text of a request's body.
pub(crate) fn text(body: &Value, field: &str) -> Option<String> {
    body[field].as_str().map(str::to_owned)
}

/// A date, or a date-time with or without its zone; the second part says whether it was a bare date.
fn instant(text: &str) -> Option<(DateTime<Utc>, bool)> {
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return (text.len() == 10).then_some((day.and_time(NaiveTime::MIN).and_utc(), true));
    }
    let zoned = DateTime::parse_from_rfc3339(text).map(|t| t.to_utc());
    zoned
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(|t| t.and_utc()))
        .ok()
        .map(|t| (t, false))
}

/// The stretch asked for, when it is within the limits.
pub(crate) fn dates(
    options: &AlexelaOptions,
    now: DateTime<Utc>,
    from: Option<&str>,
    to: Option<&str>,
) -> Result<Stretch, Refusal> {
    let bad = |text: &str| refuse(StatusCode::BAD_REQUEST, text);
    let wrong = || bad("Wrong date format");
    let (from, _) = from.and_then(instant).ok_or_else(wrong)?;
    let (to, bare) = to.and_then(instant).ok_or_else(wrong)?;
    if to < from {
        return Err(wrong());
    }
    if to - from > TimeDelta::days(options.max_days) {
        return Err(bad("Only 60 days of search at one time is supported"));
    }
    let today = now.date_naive();
    let oldest =
        today.checked_sub_months(Months::new(5)).unwrap_or(today) + TimeDelta::days(options.horizon_extra_days);
    if from.date_naive() < oldest {
        return Err(bad("Only search over last 5 months of transactions is supported"));
    }
    let to = if options.to_date_inclusive && bare { to + TimeDelta::days(1) } else { to };
    Ok(Stretch { from, to })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(from: &str, to: &str) -> Result<Stretch, String> {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        dates(&AlexelaOptions::default(), now, Some(from), Some(to)).map_err(|r| r.text)
    }

    fn stretch(from: &str, to: &str) -> Stretch {
        Stretch { from: from.parse().unwrap(), to: to.parse().unwrap() }
    }

    #[test]
    fn dates_and_date_times_are_understood() {
        let day = Ok(stretch("2026-09-05T00:00:00Z", "2026-09-06T00:00:00Z"));
        assert_eq!(asked("2026-09-05", "2026-09-06"), day);
        assert_eq!(asked("2026-09-05T00:00:00", "2026-09-06T00:00:00.000Z"), day);
        assert_eq!(asked("2026-09-05T02:00:00+02:00", "2026-09-06"), day);
    }

    #[test]
    fn what_is_no_date_or_ends_before_it_begins_is_refused() {
        for (from, to) in [
            ("05.09.2026", "2026-09-06"),
            ("2026-9-5", "2026-09-06"),
            ("2026-09-05", "string"),
            ("2026-09-06", "2026-09-05"),
        ] {
            assert_eq!(asked(from, to), Err("Wrong date format".to_owned()), "{from} {to}");
        }
    }

    #[test]
    fn sixty_days_and_five_months_are_the_limits() {
        assert!(asked("2026-09-01", "2026-10-31").is_ok());
        assert_eq!(
            asked("2026-09-01", "2026-11-01"),
            Err("Only 60 days of search at one time is supported".to_owned())
        );
        assert!(asked("2026-06-21", "2026-07-01").is_ok());
        assert_eq!(
            asked("2026-06-20", "2026-07-01"),
            Err("Only search over last 5 months of transactions is supported".to_owned())
        );
    }

    #[test]
    fn the_last_day_is_served_where_the_server_says_so() {
        let options = AlexelaOptions { to_date_inclusive: true, ..AlexelaOptions::default() };
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let served = dates(&options, now, Some("2026-09-05"), Some("2026-09-05")).map_err(|r| r.text);
        assert_eq!(served, Ok(stretch("2026-09-05T00:00:00Z", "2026-09-06T00:00:00Z")));
    }
}
