//! The vendor's limits in days and months. Pure.

use std::collections::VecDeque;

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Months, NaiveTime, TimeDelta, Utc};

use crate::domain::Window;

const DAY: i64 = 86_400;

/// The oldest day that may be asked: 5 calendar months ago plus one day, from its start. Where the month back is
/// shorter, its last day stands for the missing one.
pub(in crate::source) fn horizon(present: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let day = present.date_naive().checked_sub_months(Months::new(5))?.succ_opt()?;
    Some(day.and_time(NaiveTime::MIN).and_utc())
}

/// The whole UTC days that a stretch touches.
pub(super) fn whole_days(stretch: Window) -> Window {
    let start = stretch.start().timestamp().div_euclid(DAY) * DAY;
    // The end is the first instant after: a fraction of a second into a day already touches it.
    let end = stretch.end();
    let last = end.timestamp() + i64::from(end.timestamp_subsec_nanos() > 0);
    let end = (last + DAY - 1).div_euclid(DAY) * DAY;
    DateTime::from_timestamp(start, 0)
        .zip(DateTime::from_timestamp(end, 0))
        .and_then(|(start, end)| Window::new(start, end))
        .unwrap_or(stretch)
}

/// A stretch of whole days cut into pieces of at most so many, in order of time.
pub(super) fn pieces(days: Window, most: u32) -> VecDeque<Window> {
    let step = TimeDelta::days(i64::from(most.max(1)));
    let mut pieces = VecDeque::new();
    let mut from = days.start();
    while let Some(piece) = Window::new(from, days.end().min(from + step)) {
        from = piece.end();
        pieces.push_back(piece);
    }
    pieces
}

/// The start of the day after this one.
pub(super) fn next_day(day: DateTime<Utc>) -> DateTime<Utc> {
    day + TimeDelta::days(1)
}

/// Most days less than published that are believed: a refusal of something younger has another reason.
const MOST_SHORT: i64 = 31;

/// How many days less than published the vendor serves, as its refusals have shown. The process remembers it, so that the
/// days that it refused once are not asked for again and again.
#[derive(Debug, Default)]
pub(super) struct Shortfall(AtomicI64);

impl Shortfall {
    /// The oldest day that the vendor is known to serve.
    pub(super) fn horizon(&self, present: DateTime<Utc>) -> Option<DateTime<Utc>> {
        horizon(present)?.checked_add_signed(TimeDelta::days(self.0.load(Ordering::Relaxed)))
    }

    /// Days before this one were refused as too old.
    pub(super) fn learn(&self, served_from: DateTime<Utc>, present: DateTime<Utc>) {
        let short = horizon(present).map_or(0, |published| (served_from - published).num_days());
        if (1..=MOST_SHORT).contains(&short) {
            self.0.fetch_max(short, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn the_horizon_is_five_calendar_months_ago_plus_a_day() {
        for (present, oldest) in [
            ("2026-11-21T12:00:00Z", "2026-06-22T00:00:00Z"),
            ("2026-03-01T00:00:00Z", "2025-10-02T00:00:00Z"),
            ("2026-07-31T23:59:59Z", "2026-03-01T00:00:00Z"),
            ("2024-07-31T00:00:00Z", "2024-03-01T00:00:00Z"),
            ("2026-11-30T00:00:00Z", "2026-07-01T00:00:00Z"),
        ] {
            assert_eq!(horizon(at(present)), Some(at(oldest)), "{present}");
        }
    }

    #[test]
    fn a_stretch_is_widened_to_the_days_it_touches() {
        let widened = |start, end| whole_days(Window::new(at(start), at(end)).unwrap()).to_string();
        assert_eq!(
            widened("2026-11-20T22:00:00Z", "2026-11-21T12:00:00Z"),
            "[2026-11-20T00:00:00Z, 2026-11-22T00:00:00Z)"
        );
        assert_eq!(
            widened("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"),
            "[2026-11-20T00:00:00Z, 2026-11-21T00:00:00Z)"
        );
        assert_eq!(
            widened("2026-11-20T00:00:00Z", "2026-11-21T00:00:00.001Z"),
            "[2026-11-20T00:00:00Z, 2026-11-22T00:00:00Z)"
        );
    }

    #[test]
    fn the_next_day_is_the_day_after_over_the_ends_of_months_too() {
        assert_eq!(next_day(at("2026-11-21T00:00:00Z")), at("2026-11-22T00:00:00Z"));
        assert_eq!(next_day(at("2028-02-28T00:00:00Z")), at("2028-02-29T00:00:00Z"));
        assert_eq!(next_day(at("2026-12-31T00:00:00Z")), at("2027-01-01T00:00:00Z"));
    }

    proptest! {
        #[test]
        fn widening_holds_the_stretch_and_is_done_once(start in -4_000_000_000_000i64..4_000_000_000_000, length in 1i64..9_000_000_000) {
            let time = |ms| DateTime::from_timestamp_millis(ms).unwrap();
            let stretch = Window::new(time(start), time(start + length)).unwrap();
            let widened = whole_days(stretch);
            prop_assert_eq!(widened.intersect(&stretch), Some(stretch));
            prop_assert_eq!(whole_days(widened), widened);
            prop_assert!(widened.length() < stretch.length() + TimeDelta::days(2));
        }

        #[test]
        fn pieces_make_the_whole_and_none_is_too_long(days in 1i64..400, most in 1u32..70) {
            let start = at("2026-01-01T00:00:00Z");
            let whole = Window::new(start, start + TimeDelta::days(days)).unwrap();
            let pieces = pieces(whole, most);
            prop_assert!(whole.minus(pieces.iter().copied()).is_empty());
            prop_assert!(pieces.iter().all(|p| p.length() <= TimeDelta::days(i64::from(most))));
            prop_assert_eq!(pieces.iter().map(|p| p.length().num_days()).sum::<i64>(), days);
        }
    }

    #[test]
    fn what_the_vendor_refused_once_is_not_asked_for_again() {
        let (shortfall, present) = (Shortfall::default(), at("2026-11-21T12:00:00Z"));
        let published = horizon(present).unwrap();
        assert_eq!(shortfall.horizon(present), Some(published));
        shortfall.learn(published + TimeDelta::days(3), present);
        shortfall.learn(published + TimeDelta::days(1), present);
        assert_eq!(shortfall.horizon(present), Some(published + TimeDelta::days(3)));
        // Refused for another reason than its age.
        shortfall.learn(published + TimeDelta::days(100), present);
        assert_eq!(shortfall.horizon(present), Some(published + TimeDelta::days(3)));
    }
}
