//! When sales happen: nights and weekends are quiet. How many a stretch holds is a pure function of its hours, so that
//! time going on only reveals more.

use chrono::{DateTime, TimeDelta, Utc};

/// Sales in each hour of a working day, in UTC (the Baltic morning starts at five), against each other.
const WORKDAY: [i64; 24] = [2, 1, 1, 2, 6, 14, 22, 24, 20, 18, 18, 20, 20, 19, 20, 22, 21, 16, 11, 8, 6, 5, 4, 3];
/// The same at a weekend.
const WEEKEND: [i64; 24] = [2, 2, 1, 1, 2, 3, 5, 8, 10, 11, 11, 11, 10, 10, 9, 9, 9, 8, 7, 5, 4, 4, 3, 3];
const HOURS_OF_WEEK: i64 = 168;

/// How many sales of one source an hour holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rhythm {
    from_hour: i64,
    weight: i128,
    total: i128,
}

/// The hour of an instant, counted from 1970.
pub(crate) fn hour_of(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(3600)
}

/// The first instant of an hour.
pub(crate) fn start_of(hour: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(hour * 3600, 0).unwrap_or_default()
}

fn weight_of(hour_of_week: i64) -> i64 {
    // 1970-01-01 was a Thursday: day 2 is a Saturday, day 3 a Sunday.
    let (day, hour) = (hour_of_week / 24, usize::try_from(hour_of_week % 24).unwrap_or(0));
    if day == 2 || day == 3 { WEEKEND[hour] } else { WORKDAY[hour] }
}

/// The weight of all hours from 1970 to the start of this one.
fn weight_before(hour: i64) -> i128 {
    let week: i64 = (0..HOURS_OF_WEEK).map(weight_of).sum();
    let rest: i64 = (0..hour.rem_euclid(HOURS_OF_WEEK)).map(weight_of).sum();
    i128::from(hour.div_euclid(HOURS_OF_WEEK)) * i128::from(week) + i128::from(rest)
}

impl Rhythm {
    /// Exactly `total` sales in the hours of `[from, to)`, and on at that rate afterwards.
    pub(crate) fn new(from: DateTime<Utc>, to: DateTime<Utc>, total: u64) -> Self {
        let from_hour = hour_of(from);
        let to_hour = hour_of(to + TimeDelta::minutes(59)).max(from_hour + 1);
        Self { from_hour, weight: weight_before(to_hour) - weight_before(from_hour), total: i128::from(total) }
    }

    /// The running number that the first sale of an hour has: all sales before it are counted.
    pub(crate) fn first_index(&self, hour: i64) -> u64 {
        if hour <= self.from_hour {
            return 0;
        }
        let weight = weight_before(hour) - weight_before(self.from_hour);
        u64::try_from(weight * self.total / self.weight.max(1)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> DateTime<Utc> {
        format!("{text}T00:00:00Z").parse().unwrap()
    }

    #[test]
    fn a_period_holds_exactly_what_was_ordered_and_goes_on_at_that_rate() {
        let rhythm = Rhythm::new(day("2026-01-01"), day("2026-03-26"), 10_000);
        assert_eq!(rhythm.first_index(hour_of(day("2026-01-01"))), 0);
        assert_eq!(rhythm.first_index(hour_of(day("2026-03-26"))), 10_000);
        assert_eq!(rhythm.first_index(hour_of(day("2026-06-18"))), 20_000);
    }

    #[test]
    fn nights_and_weekends_are_quieter() {
        let rhythm = Rhythm::new(day("2026-01-01"), day("2026-12-31"), 1_000_000);
        let count = |from: &str| {
            let hour = hour_of(from.parse().unwrap());
            rhythm.first_index(hour + 1) - rhythm.first_index(hour)
        };
        // 2026-11-18 is a Wednesday, 2026-11-21 a Saturday.
        assert!(count("2026-11-18T01:00:00Z") * 5 < count("2026-11-18T07:00:00Z"));
        assert!(count("2026-11-21T07:00:00Z") * 2 < count("2026-11-18T07:00:00Z"));
    }
}
