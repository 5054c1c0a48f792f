//! When what is due: cron in UTC, six fields, seconds first.
//!
//! The expression is read by the parser, and with the options, that the scheduler uses: what parses here, rings there.

use std::{fmt, str::FromStr, time::Duration};

use chrono::{DateTime, SubsecRound as _, Utc};
use croner::{
    Cron,
    parser::{CronParser, Seconds},
};

/// A cron expression that parses and rings.
#[derive(Clone)]
pub struct Schedule {
    expression: String,
    cron: Cron,
    period: Duration,
}

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Five fields would mean something else to most people, and seven to others.
    #[error("{0} fields instead of six")]
    Fields(usize),
    /// The parser refuses it.
    #[error("{0}")]
    Refused(String),
    /// It parses, and there is no such day.
    #[error("it never rings twice")]
    NeverRings,
}

impl Schedule {
    /// Reads six fields: second, minute, hour, day of month, month, day of week; in UTC.
    pub fn parse(expression: &str) -> Result<Self, ScheduleError> {
        let expression = expression.trim();
        let fields = expression.split_whitespace().count();
        if fields != 6 {
            return Err(ScheduleError::Fields(fields));
        }
        let cron = CronParser::builder()
            .seconds(Seconds::Required)
            .dom_and_dow(true)
            .build()
            .parse(expression)
            .map_err(|e| ScheduleError::Refused(e.to_string()))?;
        let period = shortest_gap(&cron).ok_or(ScheduleError::NeverRings)?;
        Ok(Self { expression: expression.to_owned(), cron, period })
    }

    /// The expression as configured.
    pub fn as_str(&self) -> &str {
        &self.expression
    }

    /// The shortest time between two rings.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// The last ring but one before an instant, or at it; none when there are no two since the calendar began. By then a
    /// pass should have begun, and by now ended.
    pub fn last_but_one(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // The parser keeps parts of a second, and finds a ring at each of them.
        let last = self.cron.find_previous_occurrence(&at.trunc_subsecs(0), true).ok()?;
        self.cron.find_previous_occurrence(&last, false).ok()
    }

    /// The first ring after an instant; none when there is none before the end of the calendar.
    pub fn next_after(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.cron.find_next_occurrence(&at, false).ok()
    }
}

/// The shortest time between rings, from a fixed day on: a schedule is the same whenever it is read. Any two neighbours
/// among seconds and minutes meet within that many rings.
fn shortest_gap(cron: &Cron) -> Option<Duration> {
    const RINGS: usize = 128;
    let mut at = DateTime::from_timestamp(1_767_225_600, 0)?;
    let mut rings = Vec::with_capacity(RINGS);
    while rings.len() < RINGS {
        let Ok(next) = cron.find_next_occurrence(&at, false) else { break };
        rings.push(next);
        at = next;
    }
    rings.windows(2).filter_map(|pair| (pair[1] - pair[0]).to_std().ok()).min()
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(expression: &str) -> Result<Self, Self::Err> {
        Self::parse(expression)
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schedule({:?})", self.expression)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.expression)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).expect("a time").to_utc()
    }

    #[test]
    fn the_period_is_the_shortest_gap() {
        for (expression, seconds) in [
            ("0 */5 * * * *", 300),
            ("0 */15 * * * *", 900),
            ("0 0,50 * * * *", 600),
            ("*/30 0-50/2,51 * * * *", 30),
            ("0 0 6 * * *", 86_400),
            ("0 0 6,7 * * MON-FRI", 3_600),
            ("0 0 0 29 2 *", 4 * 365 * 86_400 + 86_400),
        ] {
            let schedule = Schedule::parse(expression).expect(expression);
            assert_eq!(schedule.period(), Duration::from_secs(seconds), "{expression}");
        }
    }

    #[test]
    fn the_next_ring_comes_after_the_instant_and_never_at_it() {
        let schedule = Schedule::parse("0 */5 * * * *").expect("a schedule");
        assert_eq!(schedule.next_after(at("2026-03-29T00:59:59Z")), Some(at("2026-03-29T01:00:00Z")));
        assert_eq!(schedule.next_after(at("2026-03-29T01:00:00Z")), Some(at("2026-03-29T01:05:00Z")));
    }

    #[test]
    fn of_the_rings_so_far_the_last_but_one_is_found() {
        let of = |expression, now| Schedule::parse(expression).expect("a schedule").last_but_one(at(now));
        let five = "0 */5 * * * *";
        assert_eq!(of(five, "2026-03-29T01:04:59.9Z"), Some(at("2026-03-29T00:55:00Z")));
        assert_eq!(of(five, "2026-03-29T01:05:00Z"), Some(at("2026-03-29T01:00:00Z")));
        assert_eq!(of(five, "2026-03-29T01:05:00.1Z"), Some(at("2026-03-29T01:00:00Z")));
        assert_eq!(of("0 0 6 * * MON-FRI", "2026-11-23T05:00:00Z"), Some(at("2026-11-19T06:00:00Z")));
        assert_eq!(of("0 0 0 29 2 *", "2026-11-23T05:00:00Z"), Some(at("2020-02-29T00:00:00Z")));
    }

    #[test]
    fn five_fields_nicknames_and_days_that_never_come_are_refused() {
        assert_eq!(Schedule::parse("*/5 * * * *").err(), Some(ScheduleError::Fields(5)));
        assert_eq!(Schedule::parse("@daily").err(), Some(ScheduleError::Fields(1)));
        assert_eq!(Schedule::parse("").err(), Some(ScheduleError::Fields(0)));
        assert_eq!(Schedule::parse("0 0 0 31 2 *").err(), Some(ScheduleError::NeverRings));
        assert!(matches!(Schedule::parse("0 99 * * * *"), Err(ScheduleError::Refused(_))));
        assert!(matches!(Schedule::parse("every five minutes of the day"), Err(ScheduleError::Refused(_))));
    }

    #[test]
    fn what_parses_here_the_scheduler_accepts() {
        for expression in ["0 */5 * * * *", "0 0 6,7 * * MON-FRI", "0 0 0 L * *", "0 0 0 ? * 1#1"] {
            let schedule = Schedule::parse(expression).expect(expression);
            let job = tokio_cron_scheduler::Job::new(schedule.as_str(), |_, _| {});
            assert!(job.is_ok(), "{expression}");
        }
    }
}
