//! What is under way, and until when it must be over: by this the process knows whether it still does its work.
//!
//! Each deadline of the program is a timer that drops a future. A future that does not come back from being polled, or whose
//! timer was forgotten, is not ended by it, and nothing else here would notice. So whoever works for the daemon writes down
//! what it is at and how long that may take, all its deadlines together; who is asked for the process's health looks for
//! what should have been over and is not.

use std::{
    collections::BTreeMap,
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::doorbell::Pulse;
use crate::clock::Clock;

/// What is under way in this process.
#[derive(Debug)]
pub struct Watch {
    clock: Arc<dyn Clock>,
    steps: Mutex<Steps>,
}

#[derive(Debug, Default)]
struct Steps {
    next: u64,
    open: BTreeMap<u64, Step>,
}

#[derive(Debug)]
struct Step {
    what: &'static str,
    of: String,
    /// None: so far away that no clock shows it.
    until: Option<Instant>,
}

/// Something that should have been over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} of {of} should have been over for {} s", .late.as_secs())]
pub struct Stuck {
    /// What it is.
    pub what: &'static str,
    /// Whose: a stream, or an account's interface.
    pub of: String,
    /// For how long.
    pub late: Duration,
}

impl Watch {
    /// Nothing is under way.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, steps: Mutex::default() }
    }

    /// Something begins that is over within `limit`, or was [continued](UnderWay::goes_on) by then. It is over when what
    /// this gives is dropped.
    pub fn begin(self: &Arc<Self>, what: &'static str, of: impl Display, limit: Duration) -> UnderWay {
        let step = Step { what, of: of.to_string(), until: self.after(limit) };
        let mut steps = self.steps();
        let number = steps.next;
        steps.next += 1;
        steps.open.insert(number, step);
        drop(steps);
        UnderWay { watch: Arc::clone(self), number }
    }

    /// What should have been over for longest.
    pub fn stuck(&self) -> Option<Stuck> {
        let now = self.clock.monotonic();
        let steps = self.steps();
        let late = steps.open.values().filter_map(|step| {
            let late = now.checked_duration_since(step.until?)?;
            (late > Duration::ZERO).then(|| Stuck { what: step.what, of: step.of.clone(), late })
        });
        late.max_by_key(|stuck| stuck.late)
    }

    fn after(&self, limit: Duration) -> Option<Instant> {
        self.clock.monotonic().checked_add(limit)
    }

    fn steps(&self) -> MutexGuard<'_, Steps> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something under way; dropped, it is over.
#[derive(Debug)]
#[must_use = "what is dropped is over"]
pub struct UnderWay {
    watch: Arc<Watch>,
    number: u64,
}

impl UnderWay {
    /// It has come further, and the rest is over within `limit` from now on.
    pub fn goes_on(&self, limit: Duration) {
        let until = self.watch.after(limit);
        if let Some(step) = self.watch.steps().open.get_mut(&self.number) {
            step.until = until;
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.watch.steps().open.remove(&self.number);
    }
}

/// Whether the daemon makes progress: what the watchdog is fed by, and what `/healthz` says.
#[derive(Debug, Clone)]
pub struct Vitals {
    pulse: Pulse,
    watch: Arc<Watch>,
}

/// Why it does not. To start the process again is what helps: all that counts is in the database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Standstill {
    /// Neither the scheduler nor what stands in for it was heard from.
    #[error("the scheduler has been silent for {} s", .0.as_secs())]
    Silent(Duration),
    /// Something was not ended by its own deadline.
    #[error(transparent)]
    Stuck(#[from] Stuck),
}

impl Vitals {
    /// By the bells, and by what is under way.
    pub const fn new(pulse: Pulse, watch: Arc<Watch>) -> Self {
        Self { pulse, watch }
    }

    /// What stands still that should move, if anything does.
    pub fn standstill(&self) -> Option<Standstill> {
        let silent = self.pulse.too_silent().map(Standstill::Silent);
        silent.or_else(|| self.watch.stuck().map(Standstill::Stuck))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    const AT_ONCE: Duration = Duration::ZERO;
    const LATER: Duration = Duration::from_hours(1);

    fn watch() -> Arc<Watch> {
        Arc::new(Watch::new(Arc::new(SystemClock)))
    }

    fn a_moment() {
        std::thread::sleep(Duration::from_millis(5));
    }

    #[test]
    fn what_is_not_over_in_time_is_stuck_until_it_is_over() {
        let watch = watch();
        let _fine = watch.begin("the pass", "hecone/north/-", LATER);
        assert_eq!(watch.stuck(), None);
        let late = watch.begin("the reading of a window", "alexela_ev/fleet/-", AT_ONCE);
        a_moment();
        let stuck = watch.stuck().expect("one is late");
        assert_eq!((stuck.what, stuck.of.as_str()), ("the reading of a window", "alexela_ev/fleet/-"));
        assert!(stuck.late >= Duration::from_millis(5), "{stuck:?}");
        assert_eq!(stuck.to_string(), "the reading of a window of alexela_ev/fleet/- should have been over for 0 s");
        drop(late);
        assert_eq!(watch.stuck(), None);
    }

    #[test]
    fn what_comes_further_has_its_time_anew_and_no_limit_is_too_long() {
        let watch = watch();
        let step = watch.begin("the list of contracts", "alexela_card/fleet/-", AT_ONCE);
        let _endless = watch.begin("the pass", "hecone/north/-", Duration::MAX);
        a_moment();
        assert!(watch.stuck().is_some());
        step.goes_on(LATER);
        assert_eq!(watch.stuck(), None);
    }

    #[test]
    fn a_process_stands_still_as_long_as_something_is_stuck() {
        let watch = watch();
        let vitals = Vitals::new(Pulse::without_bells(Arc::new(SystemClock)), Arc::clone(&watch));
        assert_eq!(vitals.standstill(), None);
        let late = watch.begin("the pass", "hecone/north/-", AT_ONCE);
        a_moment();
        assert!(matches!(vitals.standstill(), Some(Standstill::Stuck(_))));
        drop(late);
        assert_eq!(vitals.standstill(), None);
    }
}
