//! Scripted faults: what a server does instead of answering, and when.
//!
//! A [`Script`] names a part of the path, how many matching requests pass first, and how many are struck. Faults of the
//! connection itself (cut off, trickling) are those of a [`wire`](super::wire) before the sandbox.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A status, with `Retry-After` where given (seconds or an HTTP date), and a body as a gateway writes it.
    Status {
        /// The status.
        status: u16,
        /// The header's value.
        retry_after: Option<String>,
    },
    /// An HTML page with status 200.
    Html,
    /// This text as JSON with this status.
    Json {
        /// The status.
        status: u16,
        /// The body.
        text: String,
    },
    /// The answer comes later.
    Latency(Duration),
    /// The servers' clock stands off by so much from this request on, which is answered by it already.
    Clock(TimeDelta),
    /// Every token issued so far is forgotten, as a restart of the real server does; the request is refused with 401.
    /// Alexela, which has no tokens, refuses it all the same.
    Forgotten,
    /// The answer has other rows than it should.
    Rows(Rows),
}

/// What is wrong with the rows of an answer, whose status and form are in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// There are none, and the total says so, too.
    None,
    /// The first comes twice.
    Doubled,
    /// A page (not the first) begins so many rows early, as if others had come in before it: the total has grown by them.
    Early(usize),
    /// A page (not the first) begins so many rows late, as if others had gone: the total has shrunk by them.
    Late(usize),
    /// The offset is ignored, and there is always more to come.
    Endless,
}

/// When a fault strikes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// A part of the request's path.
    pub path: String,
    /// Matching requests that pass before.
    pub after: u64,
    /// Matching requests that are struck then; `u64::MAX` for all.
    pub times: u64,
    /// With what.
    pub fault: Fault,
}

/// The faults of one sandbox, to be changed while it runs.
#[derive(Debug, Default)]
pub struct Faults {
    scripts: Mutex<Vec<Script>>,
    offset: Mutex<TimeDelta>,
    struck: AtomicU64,
    clocks_set: AtomicU64,
}

/// What happens to one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Strike {
    /// Waited before.
    pub delay: Duration,
    /// In place of the answer.
    pub answer: Option<Fault>,
}

impl Faults {
    /// Adds a script. Scripts count independently of each other.
    pub fn script(&self, script: Script) {
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner).push(script);
    }

    /// The next `times` requests whose path holds `path` are answered with this status.
    pub fn status(&self, path: &str, times: u64, status: u16, retry_after: Option<&str>) {
        let fault = Fault::Status { status, retry_after: retry_after.map(str::to_owned) };
        self.script(Script { path: path.to_owned(), after: 0, times, fault });
    }

    /// Forgets all scripts and sets the servers' clock right.
    pub fn clear(&self) {
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.set_clock_offset(TimeDelta::zero());
    }

    /// Sets the servers' clock off: their `Date`, and what they hold signatures against.
    pub fn set_clock_offset(&self, offset: TimeDelta) {
        *self.offset.lock().unwrap_or_else(PoisonError::into_inner) = offset;
    }

    /// How far the servers' clock is off.
    pub fn clock_offset(&self) -> TimeDelta {
        *self.offset.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many requests were struck, a later answer and a clock set off not counted.
    pub fn struck(&self) -> u64 {
        self.struck.load(Ordering::Relaxed)
    }

    /// How often a script has set the servers' clock.
    pub fn clocks_set(&self) -> u64 {
        self.clocks_set.load(Ordering::Relaxed)
    }

    /// Counts a request and says what happens to it.
    pub(crate) fn strike(&self, path: &str) -> Strike {
        let mut strike = Strike::default();
        let mut scripts = self.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        for script in scripts.iter_mut().filter(|s| path.contains(&s.path)) {
            if script.after > 0 {
                script.after -= 1;
            } else if script.times > 0 {
                if let Fault::Latency(delay) = script.fault {
                    strike.delay += delay;
                } else if let Fault::Clock(offset) = script.fault {
                    self.set_clock_offset(offset);
                    self.clocks_set.fetch_add(1, Ordering::Relaxed);
                } else if strike.answer.is_some() {
                    // One fault a request; this script waits for the next.
                    continue;
                } else {
                    strike.answer = Some(script.fault.clone());
                }
                script.times = if script.times == u64::MAX { u64::MAX } else { script.times - 1 };
            }
        }
        scripts.retain(|s| s.times > 0);
        if strike.answer.is_some() {
            self.struck.fetch_add(1, Ordering::Relaxed);
        }
        strike
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_strikes_after_so_many_and_so_often() {
        let faults = Faults::default();
        let fault = Fault::Status { status: 503, retry_after: None };
        faults.script(Script { path: "/hecone/".into(), after: 1, times: 2, fault: fault.clone() });
        let struck: Vec<_> = ["/hecone/a", "/api/v1/x", "/hecone/b", "/hecone/c", "/hecone/d"]
            .into_iter()
            .map(|path| faults.strike(path).answer.is_some())
            .collect();
        assert_eq!(struck, [false, false, true, true, false]);
    }

    #[test]
    fn a_clock_is_set_off_by_the_request_that_meets_it_and_stays_off() {
        let faults = Faults::default();
        for (after, minutes) in [(1, 10), (2, -10)] {
            let fault = Fault::Clock(TimeDelta::minutes(minutes));
            faults.script(Script { path: String::new(), after, times: 1, fault });
        }
        let offsets = [0, 1, 2, 3].map(|_| {
            assert_eq!(faults.strike("/x"), Strike::default());
            faults.clock_offset().num_minutes()
        });
        assert_eq!(offsets, [0, 10, -10, -10]);
        assert_eq!((faults.struck(), faults.clocks_set()), (0, 2));
    }

    #[test]
    fn delays_add_up_and_leave_the_answer() {
        let faults = Faults::default();
        for _ in 0..2 {
            let fault = Fault::Latency(Duration::from_millis(5));
            faults.script(Script { path: String::new(), after: 0, times: u64::MAX, fault });
        }
        assert_eq!(faults.strike("/x"), Strike { delay: Duration::from_millis(10), answer: None });
    }
}
