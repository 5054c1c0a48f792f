//! When to stop: signals, supervised tasks, and what the service manager is told.
//!
//! The first SIGTERM or SIGINT asks politely: the token is cancelled, and what is being committed is committed. What has
//! not ended within a limit, and a second signal, end the process at once; the database rolls back what was not committed.
//! A supervised task that ends before it was asked to stops the process, too, and within the same limit: half a daemon is
//! worse than none, because nobody restarts it.

mod systemd;

use std::{
    fmt::Display,
    io,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures_util::FutureExt;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::systemd::tell;
use crate::{
    cli::Exit,
    failpoint::{Bug, planted},
};

/// Longest time from the first signal, or from a task's death, to the end of the process. Service managers and people wait; the warehouse does
/// not need it: what was not committed is rolled back and read again.
const LONGEST_STOP: Duration = Duration::from_millis(4_500);

/// A signal that asks to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT, Ctrl-C.
    Interrupt,
    /// SIGTERM, from systemd or Kubernetes.
    Terminate,
}

impl Signal {
    /// How a one-shot command ends that this signal stopped.
    pub const fn exit(self) -> Exit {
        match self {
            Self::Interrupt => Exit::Interrupted,
            Self::Terminate => Exit::Terminated,
        }
    }
}

/// Why the process is stopping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// Somebody asked for it.
    Signal(Signal),
    /// The work is done.
    Done,
    /// A task ended that should not have.
    TaskDied(TaskDied),
}

/// A supervised task that ended before it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the task {task:?} {how}")]
pub struct TaskDied {
    /// Its name.
    pub task: &'static str,
    /// How it ended.
    pub how: String,
}

/// The life of the process. Clones are the same life.
#[derive(Debug, Clone)]
pub struct Lifecycle(Arc<Inner>);

struct Inner {
    soft: CancellationToken,
    tasks: TaskTracker,
    why: Mutex<Option<Stop>>,
    /// Apart from `why`: a signal may come when the process is stopping already.
    asked: Mutex<Option<Signal>>,
    last_act: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    /// How the process ends when it is ended at once, in place of the signal's own code.
    ends_with: Mutex<Option<Exit>>,
    /// How long the life lasts after its first signal or a task's death, and what ends it then.
    longest_stop: Option<(Duration, End)>,
}

/// Ends a life that did not end by itself, with this code.
type End = fn(&Lifecycle, Exit);

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("why", &self.why).field("tasks", &self.tasks.len()).finish_non_exhaustive()
    }
}

impl Lifecycle {
    /// A life that no signal ends, for tests and for commands that need none.
    pub fn without_signals() -> Self {
        Self::new(None)
    }

    fn new(longest_stop: Option<(Duration, End)>) -> Self {
        Self(Arc::new(Inner {
            soft: CancellationToken::new(),
            tasks: TaskTracker::new(),
            why: Mutex::new(None),
            asked: Mutex::new(None),
            last_act: Mutex::new(None),
            ends_with: Mutex::new(None),
            longest_stop,
        }))
    }

    /// Listens for SIGINT and SIGTERM from now on. Must be called inside the runtime.
    pub fn with_signals() -> io::Result<Self> {
        let life =
            Self::new(Some((LONGEST_STOP, |life, exit| life.end_at_once(exit, "the work did not stop in time"))));
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let listening = life.clone();
        tokio::spawn(async move {
            loop {
                let received = tokio::select! {
                    Some(()) = interrupt.recv() => Signal::Interrupt,
                    Some(()) = terminate.recv() => Signal::Terminate,
                    else => return,
                };
                if planted(Bug::Deaf) {
                    continue;
                }
                if let Some(exit) = listening.receive(received) {
                    listening.end_at_once(listening.hurried(exit), "a second signal");
                }
                listening.end_in_time(received.exit());
            }
        });
        Ok(life)
    }

    /// Takes a signal: the first stops softly, a further one says with what to end at once.
    fn receive(&self, signal: Signal) -> Option<Exit> {
        if lock(&self.0.asked).replace(signal).is_some() {
            return Some(signal.exit());
        }
        tracing::info!(?signal, "stopping: what is being written is finished; a second signal stops at once");
        self.because(Stop::Signal(signal));
        None
    }

    /// The code of an end at once: a death is one however the end came, a stop by signal may be an ordinary end.
    fn hurried(&self, exit: Exit) -> Exit {
        match self.why() {
            Some(Stop::TaskDied(_)) => Exit::Unexpected,
            Some(Stop::Signal(_) | Stop::Done) | None => lock(&self.0.ends_with).unwrap_or(exit),
        }
    }

    /// Ends this life after [`LONGEST_STOP`], unless it is over by then. A thread, because the runtime's own may all be
    /// busy; it knows the life weakly, so that it does not make it longer.
    fn end_in_time(&self, exit: Exit) {
        let Some((limit, end)) = self.0.longest_stop else { return };
        let life: Weak<Inner> = Arc::downgrade(&self.0);
        let late = move || {
            std::thread::sleep(limit);
            if let Some(life) = life.upgrade().map(Self) {
                end(&life, life.hurried(exit));
            }
        };
        if let Err(error) = std::thread::Builder::new().name("longest-stop".to_owned()).spawn(late) {
            tracing::warn!(%error, "no thread to end the process in time");
        }
    }

    fn end_at_once(&self, exit: Exit, why: &str) -> ! {
        tracing::warn!(why, "stopped at once; what was not committed will be read again");
        if let Some(act) = lock(&self.0.last_act).take() {
            act();
        }
        std::process::exit(i32::from(exit.code()))
    }

    /// What must still be done when the process ends at once, such as stopping a database of its own. Must be short.
    pub fn before_ending_at_once(&self, act: impl FnOnce() + Send + 'static) {
        *lock(&self.0.last_act) = Some(Box::new(act));
    }

    /// Makes a stop by signal the ordinary end: `run` and `demo` end with 0 however fast they must.
    pub fn stops_are_ordinary(&self) {
        *lock(&self.0.ends_with) = Some(Exit::Done);
    }

    /// Cancelled when the process should stop.
    pub fn token(&self) -> CancellationToken {
        self.0.soft.clone()
    }

    /// Whether the process should stop.
    pub fn is_stopping(&self) -> bool {
        self.0.soft.is_cancelled()
    }

    /// Stops because the work is done.
    pub fn stop(&self) {
        self.because(Stop::Done);
    }

    /// Why the process is stopping, when it is. The first reason stays.
    pub fn why(&self) -> Option<Stop> {
        lock(&self.0.why).clone()
    }

    /// The signal that stopped the work, if one did; a signal after the work was done stopped nothing.
    pub fn signal(&self) -> Option<Signal> {
        match self.why() {
            Some(Stop::Signal(signal)) => Some(signal),
            Some(Stop::Done | Stop::TaskDied(_)) | None => None,
        }
    }

    fn because(&self, reason: Stop) {
        lock(&self.0.why).get_or_insert(reason);
        if !self.0.soft.is_cancelled() {
            self.0.soft.cancel();
            tell(&[NotifyState::Stopping, NotifyState::Status("stopping: what is being written is finished")]);
        }
    }

    /// Runs a task that lives as long as the process. If it ends by itself, fails or panics, the process stops.
    pub fn supervise<F, E>(&self, task: &'static str, future: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send,
    {
        let life = self.clone();
        self.0.tasks.spawn(async move {
            let how = match AssertUnwindSafe(future).catch_unwind().await {
                Ok(Ok(())) if life.is_stopping() => return,
                Ok(Ok(())) => "ended before it was asked to".to_owned(),
                Ok(Err(error)) => format!("failed: {error}"),
                Err(_) => "panicked; the message above says where".to_owned(),
            };
            tracing::error!(task, how, "a task died; the process stops");
            life.because(Stop::TaskDied(TaskDied { task, how }));
            life.end_in_time(Exit::Unexpected);
        });
    }

    /// Waits until the process should stop.
    pub async fn stopping(&self) {
        self.0.soft.cancelled().await;
    }

    /// Waits for the end of all supervised tasks, at most this long, and says whether one of them died. Call it once
    /// the process should stop.
    pub async fn finish(&self, limit: Duration) -> Result<(), TaskDied> {
        self.0.tasks.close();
        if tokio::time::timeout(limit, self.0.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.0.tasks.len(), ?limit, "tasks did not stop in time and are left behind");
        }
        match self.why() {
            Some(Stop::TaskDied(died)) => Err(died),
            Some(Stop::Signal(_) | Stop::Done) | None => Ok(()),
        }
    }

    /// Tells systemd that the service is up, and what it does. Does nothing elsewhere.
    pub fn ready(&self, doing: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(doing)]);
    }

    /// Tells systemd's watchdog, three times in its period, that the process makes progress; as long as there is a
    /// `standstill`, it is told nothing but why, and systemd starts the service again. Does nothing where no watchdog is set.
    pub fn feed_watchdog(&self, doing: String, standstill: impl Fn() -> Option<String> + Send + 'static) {
        let Some(period) = systemd::watchdog() else { return };
        let token = self.token();
        self.supervise("watchdog", async move {
            let mut fed = true;
            while !token.is_cancelled() {
                let standstill = standstill();
                match &standstill {
                    None if fed => tell(&[NotifyState::Watchdog]),
                    None => {
                        tracing::info!("the process makes progress again; the watchdog is fed again");
                        tell(&[NotifyState::Watchdog, NotifyState::Status(&doing)]);
                    }
                    Some(standstill) if fed => {
                        tracing::error!(
                            standstill,
                            "no progress: the watchdog is not fed, and systemd will start the service again"
                        );
                        tell(&[NotifyState::Status(&format!("no progress: {standstill}"))]);
                    }
                    Some(_) => {}
                }
                fed = standstill.is_none();
                tokio::select! {
                    () = tokio::time::sleep(period / 3) => {}
                    () = token.cancelled() => {}
                }
            }
            Ok::<_, std::convert::Infallible>(())
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn the_first_signal_asks_and_the_second_ends_at_once() {
        let life = Lifecycle::without_signals();
        assert_eq!(life.receive(Signal::Interrupt), None);
        assert!(life.is_stopping());
        assert_eq!(life.signal(), Some(Signal::Interrupt));
        assert_eq!(life.receive(Signal::Terminate), Some(Exit::Terminated));
        assert_eq!(life.signal(), Some(Signal::Interrupt));
    }

    #[tokio::test]
    async fn a_signal_after_the_work_is_done_still_asks_first() {
        let life = Lifecycle::without_signals();
        life.stop();
        assert_eq!(life.receive(Signal::Terminate), None);
        assert_eq!(life.receive(Signal::Terminate), Some(Exit::Terminated));
    }

    #[tokio::test]
    async fn a_real_sigterm_cancels_the_token() {
        let life = Lifecycle::with_signals().expect("signals");
        nix::sys::signal::raise(nix::sys::signal::Signal::SIGTERM).expect("raise");
        life.stopping().await;
        assert_eq!(life.signal(), Some(Signal::Terminate));
    }

    #[tokio::test]
    async fn a_task_that_ends_fails_or_panics_by_itself_stops_the_process() {
        type Made = std::pin::Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
        let cases: [(Made, &str); 3] = [
            (Box::pin(async { Ok(()) }), "ended before it was asked to"),
            (Box::pin(async { Err("no socket".to_owned()) }), "failed: no socket"),
            (Box::pin(async { panic!("on purpose") }), "panicked"),
        ];
        for (task, how) in cases {
            let life = Lifecycle::without_signals();
            life.supervise("server", task);
            life.stopping().await;
            let died = life.finish(SOON).await.expect_err("a death");
            assert_eq!(died.task, "server");
            assert!(died.how.starts_with(how), "{died}");
        }
    }

    #[tokio::test]
    async fn a_death_ends_the_process_in_time_also_when_the_runtime_is_busy_and_never_as_an_ordinary_stop() {
        static ENDED: Mutex<Option<Exit>> = Mutex::new(None);
        let life = Lifecycle::new(Some((Duration::from_millis(20), |_, exit| *lock(&ENDED) = Some(exit))));
        life.stops_are_ordinary();
        life.supervise("server", async { Err("no socket") });
        life.stopping().await;
        // The runtime's only thread: no timer of its own could ring.
        for _ in 0..600 {
            if lock(&ENDED).is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(*lock(&ENDED), Some(Exit::Unexpected));
        assert_eq!(life.receive(Signal::Terminate), None);
        assert_eq!(life.hurried(Exit::Terminated), Exit::Unexpected, "a signal after it does not make it one");
    }

    #[tokio::test]
    async fn tasks_that_end_when_asked_are_waited_for() {
        let life = Lifecycle::without_signals();
        let token = life.token();
        life.supervise("server", async move {
            token.cancelled().await;
            Ok::<_, String>(())
        });
        life.stop();
        assert_eq!(life.finish(SOON).await, Ok(()));
        assert_eq!(life.why(), Some(Stop::Done));
    }
}
