//! Scripted faults: what a server does instead of answering, and when.
//!
//! A [`Script`] names a part of the path, how many matching requests pass first, and how many are struck. Faults of the
//! connection itself (cut off, trickling) belong into [`Fault`] too, to be acted out in `server`.

use std::{
    sync::{Mutex, PoisonError},
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
    fn delays_add_up_and_leave_the_answer() {
        let faults = Faults::default();
        for _ in 0..2 {
            let fault = Fault::Latency(Duration::from_millis(5));
            faults.script(Script { path: String::new(), after: 0, times: u64::MAX, fault });
        }
        assert_eq!(faults.strike("/x"), Strike { delay: Duration::from_millis(10), answer: None });
    }
}
