//! The rate of one account: at most so many requests in any second, in the order in which they asked.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::clock::Clock;

const SECOND: Duration = Duration::from_secs(1);

/// Lets `per_second` requests go at once, and never more than that within a second.
#[derive(Debug)]
pub(super) struct Limiter {
    clock: Arc<dyn Clock>,
    per_second: usize,
    /// When the last `per_second` requests went. Who holds the lock is first in the queue; tokio's lock is fair.
    gone: tokio::sync::Mutex<VecDeque<Instant>>,
    held_until: Mutex<Option<Instant>>,
}

impl Limiter {
    pub(super) fn new(clock: Arc<dyn Clock>, per_second: u32) -> Self {
        let per_second = usize::try_from(per_second).unwrap_or(usize::MAX).clamp(1, 10_000);
        Self {
            clock,
            per_second,
            gone: tokio::sync::Mutex::new(VecDeque::with_capacity(per_second)),
            held_until: Mutex::new(None),
        }
    }

    /// Waits until the next request may go. Dropping it gives the place in the queue up and uses nothing.
    pub(super) async fn wait(&self) {
        let mut gone = self.gone.lock().await;
        loop {
            let now = self.clock.monotonic();
            let oldest = (gone.len() >= self.per_second).then(|| gone.front().map(|at| *at + SECOND)).flatten();
            let held = *self.held_until.lock().unwrap_or_else(PoisonError::into_inner);
            match oldest.max(held).map(|until| until.saturating_duration_since(now)) {
                None | Some(Duration::ZERO) => break,
                Some(wait) => tokio::time::sleep(wait).await,
            }
        }
        if gone.len() >= self.per_second {
            gone.pop_front();
        }
        gone.push_back(self.clock.monotonic());
    }

    /// How long no request may go yet, because the server asked for it.
    pub(super) fn held_for(&self) -> Duration {
        let held = *self.held_until.lock().unwrap_or_else(PoisonError::into_inner);
        held.map_or(Duration::ZERO, |until| until.saturating_duration_since(self.clock.monotonic()))
    }

    /// Lets no request go for so long: the server asked for it.
    pub(super) fn hold(&self, wait: Duration) {
        let until = self.clock.monotonic() + wait;
        let mut held = self.held_until.lock().unwrap_or_else(PoisonError::into_inner);
        *held = (*held).max(Some(until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[tokio::test]
    async fn one_seconds_worth_goes_at_once_and_no_more_within_any_second() {
        let limiter = Limiter::new(Arc::new(SystemClock), 5);
        let mut went = Vec::new();
        for _ in 0..12 {
            limiter.wait().await;
            went.push(SystemClock.monotonic());
        }
        for six in went.windows(6) {
            // The limiter notes the time just before it lets go: a hair of difference is ours, not its.
            assert!(six[5] - six[0] >= Duration::from_millis(990), "{:?}", six[5] - six[0]);
        }
    }

    #[tokio::test]
    async fn a_held_account_waits() {
        let limiter = Limiter::new(Arc::new(SystemClock), 5);
        let begun = SystemClock.monotonic();
        limiter.hold(Duration::from_millis(120));
        limiter.wait().await;
        assert!(SystemClock.monotonic() - begun >= Duration::from_millis(120));
    }
}
