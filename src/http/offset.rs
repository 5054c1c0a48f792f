//! How far the server's clock is from this machine's, as its answers show it.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};

use crate::failpoint::{Bug, planted};

/// A correction larger than this is not believed: it is a broken server or proxy more often than a broken clock here.
pub(super) const BELIEVABLE: TimeDelta = TimeDelta::days(1);

/// Changes of the correction that are remembered: a read during which there are more than these is no longer a read.
const CHANGES_KEPT: usize = 64;

/// What a clock may gain on the time that really passed: it is set right in small steps, too.
const STEP: TimeDelta = TimeDelta::seconds(1);

/// What this machine's clock and the server's may differ by where a read is placed. It does no harm: the watermark stays
/// behind by more (`publish_delay`). More than it, and this machine's clock was wrong without having been noticed.
pub(super) const UNNOTICED: TimeDelta = TimeDelta::minutes(1);

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
    /// The last believed answer: when it was received, by a clock that does not step, and its `Date`.
    heard: Option<(Instant, DateTime<Utc>)>,
    /// How often the correction has changed, and what it was changed to, the last times.
    changes: u64,
    changed_to: VecDeque<TimeDelta>,
}

impl Offset {
    pub(super) const fn get(&self) -> TimeDelta {
        self.learnt
    }

    pub(super) const fn seen(&self) -> Option<TimeDelta> {
        self.seen
    }

    fn correct(&mut self, offset: TimeDelta) {
        if offset != self.learnt {
            self.learnt = offset;
            self.changes += 1;
            self.changed_to.push_back(offset);
            if self.changed_to.len() > CHANGES_KEPT {
                self.changed_to.pop_front();
            }
        }
    }

    /// The server's time at an instant before its last answer, at the latest, as that answer's `Date` says; none without an
    /// answer since then.
    pub(super) fn at(&self, instant: Instant) -> Option<DateTime<Utc>> {
        let (heard, date) = self.heard?;
        let since = TimeDelta::from_std(heard.checked_duration_since(instant)?).ok()?;
        Some(date - since)
    }

    /// How often the correction has changed so far.
    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }

    /// The least correction in force since there were so many changes, but for the one that was in force then.
    pub(super) fn least_since(&self, changes: u64) -> Option<TimeDelta> {
        let new = usize::try_from(self.changes.saturating_sub(changes)).unwrap_or(usize::MAX);
        self.changed_to.iter().rev().take(new).min().copied()
    }

    /// Takes an answer's `Date`. Its second was cut off and it was written somewhere between sending and receiving, so it
    /// says that the offset lies in a range; one that lies in it already stays, so that the time does not jitter.
    ///
    /// `took` is how long the exchange really was. When this machine's clock says otherwise it stepped meanwhile, and the
    /// exchange says nothing of this clock: its range would be as wide as the step and hold what is no longer true.
    pub(super) fn observe(
        &mut self,
        date: DateTime<Utc>,
        (sent, received): (DateTime<Utc>, DateTime<Utc>),
        took: Duration,
        now: Instant,
    ) {
        // The planted bug: this machine's clock is taken to be right, whatever the server says.
        if planted(Bug::ClockTrusted) {
            return;
        }
        let is_distrusted = self.distrusted_until.is_some_and(|until| now < until);
        // Whatever this machine's clock did meanwhile, the server said its time.
        if !is_distrusted && (date - received).abs() <= BELIEVABLE {
            self.heard = Some((now, date));
        }
        let most = TimeDelta::from_std(took).map_or(TimeDelta::MAX, |took| took + STEP);
        if received < sent || received - sent > most {
            return;
        }
        let (least, most) = (date - received, date + TimeDelta::seconds(1) - sent);
        let holds = |offset: TimeDelta| least <= offset && offset <= most;
        let middle = least + (most - least) / 2;
        let fits = [self.learnt, TimeDelta::zero()].into_iter().find(|offset| holds(*offset)).unwrap_or(middle);
        self.seen = Some(fits);
        if is_distrusted {
            return;
        }
        self.distrusted_until = None;
        // A machine that is days off is told so by `check`; signing by a date that far off is for no server.
        self.correct(if fits.abs() <= BELIEVABLE { fits } else { TimeDelta::zero() });
    }

    /// The correction did not help: this machine's own time is used for a while.
    pub(super) fn distrust(&mut self, now: Instant) {
        self.correct(TimeDelta::zero());
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

    /// As long as the longest exchange here.
    const TOOK: Duration = Duration::from_millis(700);

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(millis).unwrap()
    }

    fn observed(date: i64, sent: i64, received: i64) -> Offset {
        let mut offset = Offset::default();
        offset.observe(at(date), (at(sent), at(received)), TOOK, SystemClock.monotonic());
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
        offset.observe(at(101_000), (at(11_000), at(11_400)), TOOK, now);
        assert_eq!(offset.get(), TimeDelta::milliseconds(90_300));
        offset.observe(at(12_000), (at(12_000), at(12_400)), TOOK, now);
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
        offset.observe(at(101_000), (at(11_000), at(11_400)), TOOK, now + Duration::from_secs(599));
        assert_eq!(offset.get(), TimeDelta::zero());
        offset.observe(at(101_000), (at(11_000), at(11_400)), TOOK, now + Duration::from_mins(10));
        assert_eq!(offset.get(), TimeDelta::milliseconds(90_300));
    }

    #[test]
    fn a_clock_that_stepped_back_during_the_exchange_says_nothing() {
        let offset = observed(100_000, 10_001, 10_000);
        assert_eq!((offset.seen(), offset.get()), (None, TimeDelta::zero()));
        // An exchange that took no time says the most.
        assert_eq!(observed(100_000, 10_000, 10_000).get(), TimeDelta::milliseconds(90_500));
    }

    #[test]
    fn a_clock_that_stepped_forward_during_the_exchange_says_nothing() {
        let now = SystemClock.monotonic();
        assert!(observed(10_000, 10_000, 11_700).seen().is_some(), "a second more than it took is no step");
        assert!(observed(10_000, 10_000, 11_701).seen().is_none());
        // An hour ahead since a moment ago, as another exchange has shown; this one began before.
        let mut offset = observed(10_000, 3_610_000, 3_610_000);
        let learnt = offset.get();
        assert_eq!(learnt, TimeDelta::milliseconds(-3_599_500));
        offset.observe(at(10_000), (at(9_900), at(3_609_000)), TOOK, now);
        assert_eq!(offset.get(), learnt, "its range would hold no difference at all, too");
        assert_eq!(observed(10_000, 10_000, 3_610_000).seen(), None);
    }

    #[test]
    fn the_servers_time_at_an_instant_is_told_by_a_believed_answer_after_it() {
        let (begun, later) = (SystemClock.monotonic(), Duration::from_secs(5));
        let heard = |date: i64, distrusts: bool| {
            let mut offset = Offset::default();
            if distrusts {
                offset.distrust(begun);
            }
            // This machine's clock stepped back by an hour meanwhile.
            offset.observe(at(date), (at(3_700_000), at(100_000)), TOOK, begun + later);
            offset
        };
        assert_eq!(heard(100_000, false).at(begun), Some(at(95_000)));
        assert_eq!(heard(100_000, false).at(begun + later), Some(at(100_000)));
        assert_eq!(heard(100_000, false).at(begun + 2 * later), None, "nothing was heard since");
        assert_eq!(heard(100_000, true).at(begun), None, "it is not believed for a while");
        let day = 86_400_000;
        assert_eq!(heard(100_000 + day, false).at(begun), Some(at(95_000 + day)));
        assert_eq!(heard(100_001 + day, false).at(begun), None, "of another age");
    }

    #[test]
    fn of_corrections_the_last_ones_are_remembered() {
        let mut offset = Offset::default();
        let seconds = |n: usize| TimeDelta::seconds(i64::try_from(n).unwrap());
        for n in 1..=CHANGES_KEPT {
            offset.correct(seconds(n));
        }
        assert_eq!(offset.least_since(0), Some(seconds(1)));
        offset.correct(seconds(CHANGES_KEPT + 1));
        assert_eq!(offset.least_since(0), Some(seconds(2)), "and their number has an end");
    }

    #[test]
    fn what_was_in_force_in_between_is_remembered() {
        let now = SystemClock.monotonic();
        let mut offset = observed(10_000, 10_200, 10_900);
        let begun = offset.changes();
        assert_eq!(offset.least_since(begun), None);
        for date in [100_000, 10_000] {
            offset.observe(at(date), (at(10_000), at(10_000)), TOOK, now);
        }
        offset.observe(at(10_000), (at(100_000), at(100_000)), TOOK, now);
        offset.observe(at(10_000), (at(10_000), at(10_000)), TOOK, now);
        assert_eq!(offset.get(), TimeDelta::zero());
        assert_eq!(offset.least_since(begun), Some(TimeDelta::milliseconds(-89_500)));
        assert_eq!(offset.least_since(offset.changes()), None);
    }

    #[test]
    fn a_correction_that_was_not_at_fault_is_believed_again_at_once() {
        let now = SystemClock.monotonic();
        let mut offset = observed(100_000, 10_000, 10_400);
        offset.distrust(now);
        offset.trust();
        assert_eq!(offset.get(), TimeDelta::zero());
        offset.observe(at(101_000), (at(11_000), at(11_400)), TOOK, now);
        assert_eq!(offset.get(), TimeDelta::milliseconds(90_300));
    }
}
