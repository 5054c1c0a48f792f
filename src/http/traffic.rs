//! What one account asked of its vendor since the process started, by source: the counters of `/metrics`.
//!
//! An attempt and a wait are counted when they are dropped, so that one that is given up in the middle (the window's time
//! was up, the process stops) counts as well.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};

use super::HttpError;
use crate::{clock::Clock, domain::SourceKind, telemetry};

/// How an attempt at a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Its answer was read to its end.
    Ok,
    /// 401 or 403.
    Refused,
    /// 429.
    RateLimited,
    /// Any other 4xx.
    ClientError,
    /// 5xx, and what else is no success.
    ServerError,
    /// No answer, or not all of it, in time.
    Timeout,
    /// No connection.
    NoConnection,
    /// The connection broke, or the answer was not the document that it should be.
    Broken,
    /// The answer was more than is taken.
    TooLarge,
    /// Nobody waited for its end any more.
    GivenUp,
}

impl Ended {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 10] = [
        Self::Ok,
        Self::Refused,
        Self::RateLimited,
        Self::ClientError,
        Self::ServerError,
        Self::Timeout,
        Self::NoConnection,
        Self::Broken,
        Self::TooLarge,
        Self::GivenUp,
    ];

    /// The word in the label `outcome`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::RateLimited => "rate_limited",
            Self::ClientError => "client_error",
            Self::ServerError => "server_error",
            Self::Timeout => "timeout",
            Self::NoConnection => "no_connection",
            Self::Broken => "broken",
            Self::TooLarge => "too_large",
            Self::GivenUp => "given_up",
        }
    }

    /// What an error makes of its attempt; none when nothing was sent.
    pub const fn of(error: &HttpError) -> Option<Self> {
        match error {
            HttpError::Request(_) => None,
            HttpError::Connect(_) => Some(Self::NoConnection),
            HttpError::Timeout(_) => Some(Self::Timeout),
            HttpError::Broken(_) | HttpError::Malformed(_) => Some(Self::Broken),
            HttpError::TooLarge(_) | HttpError::Excessive(_) => Some(Self::TooLarge),
            HttpError::Status { status, .. } => Some(match status {
                401 | 403 => Self::Refused,
                429 => Self::RateLimited,
                400..=499 => Self::ClientError,
                0..=399 | 500..=u16::MAX => Self::ServerError,
            }),
        }
    }
}

/// The upper bounds of the histogram of how long attempts took; the last bucket has none.
pub const BUCKETS: [Duration; 11] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_mins(1),
    Duration::from_mins(2),
];

/// Shorter than this nothing has waited: it is what asking for the turn takes.
const NO_WAIT: Duration = Duration::from_millis(1);

/// The counters of one account. They only grow.
#[derive(Debug, Default)]
pub struct Traffic {
    /// In the order of [`SourceKind::ALL`].
    sources: [Counters; SourceKind::ALL.len()],
}

#[derive(Debug, Default)]
struct Counters {
    ended: [AtomicU64; Ended::ALL.len()],
    /// Attempts that took no longer than each bound, and longer than the one before it.
    took: [AtomicU64; BUCKETS.len() + 1],
    nanos: AtomicU64,
    retries: AtomicU64,
    waited_nanos: AtomicU64,
}

/// What was counted of one source of the account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counted {
    /// Attempts by how they ended, in the order of [`Ended::ALL`].
    pub ended: [u64; Ended::ALL.len()],
    /// Attempts that took no longer than each of [`BUCKETS`], and longer than the one before it; at the end those that
    /// took longer than all.
    pub took: [u64; BUCKETS.len() + 1],
    /// How long all of them took together.
    pub time: Duration,
    /// Attempts after the first of an exchange.
    pub retries: u64,
    /// How long requests waited before they were sent, all together.
    pub waited: Duration,
}

impl Counted {
    /// How many attempts ended so.
    pub const fn ended(&self, how: Ended) -> u64 {
        self.ended[how as usize]
    }
}

impl Traffic {
    /// What was counted of a source.
    pub fn read(&self, source: SourceKind) -> Counted {
        let counters = self.of(source);
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counted {
            ended: counters.ended.each_ref().map(load),
            took: counters.took.each_ref().map(load),
            time: Duration::from_nanos(load(&counters.nanos)),
            retries: load(&counters.retries),
            waited: Duration::from_nanos(load(&counters.waited_nanos)),
        }
    }

    const fn of(&self, source: SourceKind) -> &Counters {
        &self.sources[source as usize]
    }

    /// An attempt begins now.
    pub(super) fn begin<'a>(&'a self, source: SourceKind, clock: &'a dyn Clock) -> UnderWay<'a> {
        UnderWay { counters: self.of(source), clock, begun: clock.monotonic(), ended: Some(Ended::GivenUp) }
    }

    /// A request waits from now on, until what this gives is dropped.
    pub(super) fn wait<'a>(&'a self, source: SourceKind, clock: &'a dyn Clock) -> Waiting<'a> {
        Waiting { counters: self.of(source), clock, at: clock.now(), begun: clock.monotonic() }
    }

    /// An exchange is tried again.
    pub(super) fn retried(&self, source: SourceKind) {
        self.of(source).retries.fetch_add(1, Ordering::Relaxed);
    }
}

/// An attempt that is under way; dropped before it has ended, it was given up.
pub(super) struct UnderWay<'a> {
    counters: &'a Counters,
    clock: &'a dyn Clock,
    begun: Instant,
    /// None: nothing was sent.
    ended: Option<Ended>,
}

impl UnderWay<'_> {
    pub(super) fn ended(mut self, how: Option<Ended>) {
        self.ended = how;
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let Some(ended) = self.ended else { return };
        let took = self.clock.monotonic().saturating_duration_since(self.begun);
        let bucket = BUCKETS.iter().position(|most| took <= *most).unwrap_or(BUCKETS.len());
        self.counters.ended[ended as usize].fetch_add(1, Ordering::Relaxed);
        self.counters.took[bucket].fetch_add(1, Ordering::Relaxed);
        self.counters.nanos.fetch_add(nanos(took), Ordering::Relaxed);
    }
}

/// A request that waits.
pub(super) struct Waiting<'a> {
    counters: &'a Counters,
    clock: &'a dyn Clock,
    at: DateTime<Utc>,
    begun: Instant,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let waited = self.clock.monotonic().saturating_duration_since(self.begun);
        if waited >= NO_WAIT {
            self.counters.waited_nanos.fetch_add(nanos(waited), Ordering::Relaxed);
            telemetry::waited(self.at, waited);
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    const EV: SourceKind = SourceKind::AlexelaEv;

    #[test]
    fn places_are_those_of_the_lists() {
        for (place, how) in Ended::ALL.into_iter().enumerate() {
            assert_eq!(how as usize, place, "{how:?}");
        }
        for (place, source) in SourceKind::ALL.into_iter().enumerate() {
            assert_eq!(source as usize, place, "{source}");
        }
    }

    #[test]
    fn each_status_is_what_the_document_says() {
        let status = |status| Ended::of(&HttpError::Status { status, retry_after: None, said: None });
        for (code, how) in [
            (401, Ended::Refused),
            (403, Ended::Refused),
            (429, Ended::RateLimited),
            (400, Ended::ClientError),
            (408, Ended::ClientError),
            (425, Ended::ClientError),
            (302, Ended::ServerError),
            (500, Ended::ServerError),
            (600, Ended::ServerError),
        ] {
            assert_eq!(status(code), Some(how), "{code}");
        }
        assert_eq!(Ended::of(&HttpError::Request("its body cannot be sent".to_owned())), None);
    }

    #[test]
    fn an_attempt_that_is_dropped_was_given_up_and_one_that_was_never_sent_does_not_count() {
        let traffic = Traffic::default();
        drop(traffic.begin(EV, &SystemClock));
        traffic.begin(EV, &SystemClock).ended(None);
        traffic.begin(EV, &SystemClock).ended(Some(Ended::Ok));
        let counted = traffic.read(EV);
        assert_eq!((counted.ended(Ended::GivenUp), counted.ended(Ended::Ok)), (1, 1));
        assert_eq!((counted.ended.iter().sum::<u64>(), counted.took.iter().sum::<u64>()), (2, 2));
        assert_eq!(traffic.read(SourceKind::AlexelaCard), Counted::default());
    }

    #[test]
    fn a_wait_counts_for_as_long_as_it_lasts_and_none_is_none() {
        let traffic = Traffic::default();
        drop(traffic.wait(EV, &SystemClock));
        let waiting = traffic.wait(EV, &SystemClock);
        std::thread::sleep(Duration::from_millis(20));
        drop(waiting);
        assert!(traffic.read(EV).waited >= Duration::from_millis(20));
    }
}
