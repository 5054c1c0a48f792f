//! How far the server's clock is from this machine's, as its answers show it.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

use crate::failpoint::{Bug, planted};

/// A correction larger than this is not believed: it is a broken server or proxy more often than a broken clock here.
pub(super) const BELIEVABLE: TimeDelta = TimeDelta::days(1);

/// How long the server's dates are left out of account after a correction did not help.
const DISTRUST: Duration = Duration::from_mins(10);

/// What is known of a server's clock.
#[derive(Debug, Default)]
pub(super) struct Offset {
    /// Server minus machine; what is corrected by.
    learnt: TimeDelta,
    /// The last difference seen, however large.
    seen: Option<TimeDelta>,
    distrusted_until: Option<Instant>,
}

impl Offset {
    pub(super) const fn get(&self) -> TimeDelta {
        self.learnt
    }

    pub(super) const fn seen(&self) -> Option<TimeDelta> {
        self.seen
    }

    /// Takes an answer's `Date`. Its second was cut off and it was written somewhere between sending and receiving, so it
    /// says that the offset lies in a range; one that lies in it already stays, so that the time does not jitter.
    pub(super) fn observe(&mut self, date: DateTime<Utc>, sent: DateTime<Utc>, received: DateTime<Utc>, now: Instant) {
        // The planted bug: this machine's clock is taken to be right, whatever the server says.
        if received < sent || planted(Bug::ClockTrusted) {
            return;
        }
        let (least, most) = (date - received, date + TimeDelta::seconds(1) - sent);
        let holds = |offset: TimeDelta| least <= offset && offset <= most;
        let middle = least + (most - least) / 2;
        let fits = [self.learnt, TimeDelta::zero()].into_iter().find(|offset| holds(*offset)).unwrap_or(middle);
        self.seen = Some(fits);
        if self.distrusted_until.is_some_and(|until| now < until) {
            return;
        }
        self.distrusted_until = None;
        // A machine that is days off is told so by `check`; signing by a date that far off is for no server.
        self.learnt = if fits.abs() <= BELIEVABLE { fits } else { TimeDelta::zero() };
    }

    /// The correction did not help: this machine's own time is used for a while.
    pub(super) fn distrust(&mut self, now: Instant) {
        self.learnt = TimeDelta::zero();
        self.distrusted_until = Some(now + DISTRUST);
    }

    /// It was not the correction that was at fault: the next answer's date counts again.
    pub(super) fn trust(&mut self) {
        self.distrusted_until = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, SystemClock};

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(millis).unwrap()
    }

    fn observed(date: i64, sent: i64, received: i64) -> Offset {
        let mut offset = Offset::default();
        offset.observe(at(date), at(sent), at(received), SystemClock.monotonic());
        offset
    }

    #[test]
    fn clocks_that_may_agree_are_taken_to_agree() {
        assert_eq!(observed(10_000, 10_200, 10_900).get(), TimeDelta::zero());
        assert_eq!(observed(10_000, 9_500, 10_100).get(), TimeDelta::zero());
    }

    #[test]
    fn a_difference_is_measured_against_the_middle_of_the_exchange() {
        // The server wrote 100.0 to 101.0 s while it was 10.0 to 10.4 s here.
        assert_eq!(observed(100_000, 10_000, 10_400).get(), TimeDelta::milliseconds(90_300));
    }

    #[test]
    fn an_offset_that_fits_stays_and_one_that_does_not_is_replaced() {
        let now = SystemClock.monotonic();
        let mut offset = observed(100_000, 10_000, 10_400);
        offset.observe(at(101_000), at(11_000), at(11_400), now);
        assert_eq!(offset.get(), TimeDelta::milliseconds(90_300));
        offset.observe(at(12_000), at(12_000), at(12_400), now);
        assert_eq!(offset.get(), TimeDelta::zero());
    }

    #[test]
    fn a_date_of_another_age_is_seen_and_not_believed() {
        let offset = observed(0, 1_800_000_000_000, 1_800_000_000_100);
        assert_eq!(offset.get(), TimeDelta::zero());
        assert!(offset.seen().unwrap() < TimeDelta::days(-20_000));
    }

    #[test]
    fn what_did_not_help_is_forgotten_for_a_while() {
        let now = SystemClock.monotonic();
        let mut offset = observed(100_000, 10_000, 10_400);
        offset.distrust(now);
        offset.observe(at(101_000), at(11_000), at(11_400), now + Duration::from_secs(599));
        assert_eq!(offset.get(), TimeDelta::zero());
        offset.observe(at(101_000), at(11_000), at(11_400), now + Duration::from_mins(10));
        assert_eq!(offset.get(), TimeDelta::milliseconds(90_300));
    }

    #[test]
    fn a_clock_that_stepped_back_during_the_exchange_says_nothing() {
        assert_eq!(observed(100_000, 10_001, 10_000).seen(), None);
        // An exchange that took no time says the most.
        assert_eq!(observed(100_000, 10_000, 10_000).get(), TimeDelta::milliseconds(90_500));
    }

    #[test]
    fn a_correction_that_was_not_at_fault_is_believed_again_at_once() {
        let now = SystemClock.monotonic();
        let mut offset = observed(100_000, 10_000, 10_400);
        offset.distrust(now);
        offset.trust();
        assert_eq!(offset.get(), TimeDelta::zero());
        offset.observe(at(101_000), at(11_000), at(11_400), now);
        assert_eq!(offset.get(), TimeDelta::milliseconds(90_300));
    }
}
