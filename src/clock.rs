//! The only place that asks for the time.

use std::{
    fmt::Debug,
    sync::Mutex,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};

/// Where the time comes from. The program uses [`SystemClock`]; tests hold a [`ManualClock`].
pub trait Clock: Debug + Send + Sync + 'static {
    /// The wall clock of this machine, uncorrected.
    fn now(&self) -> DateTime<Utc>;

    /// A clock that never steps, for measuring how long something took.
    fn monotonic(&self) -> Instant;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that may ask")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that may ask")]
    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

/// A clock that stands where it was put until it is moved. Waiting does not move it.
#[derive(Debug)]
pub struct ManualClock(Mutex<DateTime<Utc>>);

impl ManualClock {
    /// A clock that stands at `now`.
    pub const fn at(now: DateTime<Utc>) -> Self {
        Self(Mutex::new(now))
    }

    /// Puts the clock somewhere else, forward or back.
    pub fn set(&self, now: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = now;
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *now += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    #[expect(clippy::disallowed_methods, reason = "elapsed time is real in tests, too")]
    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}
