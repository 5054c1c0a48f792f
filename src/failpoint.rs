//! Where a test kills the program, and the faults that a test plants in it.
//!
//! Without the feature `failpoints`, which only the tests switch on, every question here is a constant `false` and
//! leaves no code behind. With it, a figure of `tests/score` says what is wanted: to a process of its own by
//! `FUELSYNC_FAILPOINT=POINT@N` (die at the Nth time) and `FUELSYNC_PLANT=BUG`, inside its own process by `plant`.
//! Each figure has a planted bug that must turn it red: a figure that cannot fail shows nothing.

/// A place at which the process may die, named by what has just happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// A stream's lease is ours, nothing is read yet.
    LeaseTaken,
    /// The plan is made, its gaps are recorded.
    Planned,
    /// Some records of an answer have arrived.
    RecordsArrived,
    /// The whole answer waits in the log.
    AnswerWhole,
    /// The writing transaction has begun.
    WriteBegun,
    /// Lines are in the staging table.
    Staged,
    /// Lines and versions are written, not committed.
    RowsWritten,
    /// The window's counts are written, not committed.
    LedgerWritten,
    /// The watermark is written, not committed.
    WatermarkWritten,
    /// COMMIT was answered.
    Committed,
    /// The stream's windows are read, its lease is not yet given back.
    PassDone,
    /// A backfill has claimed a window.
    Claimed,
}

impl Point {
    /// All of them, in the order in which a pass meets them.
    pub const ALL: [Self; 12] = [
        Self::LeaseTaken,
        Self::Planned,
        Self::RecordsArrived,
        Self::AnswerWhole,
        Self::WriteBegun,
        Self::Staged,
        Self::RowsWritten,
        Self::LedgerWritten,
        Self::WatermarkWritten,
        Self::Committed,
        Self::PassDone,
        Self::Claimed,
    ];

    /// Its name in `FUELSYNC_FAILPOINT`.
    pub fn name(self) -> String {
        format!("{self:?}")
    }
}

/// A fault that a test plants: one for each figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// `kill`: counts and watermark are committed before the rows.
    SplitCommit,
    /// `faults`: a window that failed moves the watermark all the same.
    WatermarkOfFailure,
    /// `truncate`: an answer that was cut off counts as whole.
    CutOffIsWhole,
    /// `commit-lost`: a COMMIT without an answer is taken for done.
    CommitAssumed,
    /// `hang`: no time limit of the program's own.
    NoDeadline,
    /// `replicas`: the writing transaction does not look at the lease, and the watermark may move back.
    NoFence,
    /// `takeover`: a lease never expires.
    LeaseForEver,
    /// `pages`: rows that move between pages are not noticed.
    PagesTrusted,
    /// `replay`: what has not changed is written again.
    AlwaysWrite,
    /// `clock`: the server's time is not looked at.
    ClockTrusted,
    /// `bomb`: no limit on what a vendor sends.
    NoLimits,
    /// `term`: a signal is not heard.
    Deaf,
    /// `leaks`: requests and answers are logged as they are.
    LoudLog,
    /// `tests/it/systemd.rs`: a pass that none of its deadlines ends.
    StuckPass,
    /// `verify`: a line is taken for what its digest says, whatever its columns hold.
    DigestTrusted,
    /// `changes`: a writer does not announce the number behind which its own come.
    NotAnnounced,
}

/// Ends the process as SIGKILL does if this is the point, and the time, at which it should.
#[inline]
pub fn reached(point: Point) {
    #[cfg(feature = "failpoints")]
    armed::reached(point);
    #[cfg(not(feature = "failpoints"))]
    let _ = point;
}

/// Whether this bug is planted.
#[inline]
pub fn planted(bug: Bug) -> bool {
    #[cfg(feature = "failpoints")]
    return armed::planted(bug);
    #[cfg(not(feature = "failpoints"))]
    {
        let _ = bug;
        false
    }
}

#[cfg(feature = "failpoints")]
pub use armed::{plant, planted_now};

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    };

    use super::{Bug, Point};

    static DEATH: LazyLock<Option<(String, AtomicU64)>> = LazyLock::new(|| {
        let asked = std::env::var("FUELSYNC_FAILPOINT").ok()?;
        let (point, times) = asked.split_once('@').unwrap_or((&asked, "1"));
        Some((point.to_owned(), AtomicU64::new(times.parse().unwrap_or(1))))
    });
    static BUG: LazyLock<Mutex<Option<String>>> = LazyLock::new(|| Mutex::new(std::env::var("FUELSYNC_PLANT").ok()));

    pub(super) fn reached(point: Point) {
        if let Some((wanted, left)) = &*DEATH
            && *wanted == point.name()
            && left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            // Nothing of the process runs after this: no destructor, no goodbye to the database.
            let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
        }
    }

    pub(super) fn planted(bug: Bug) -> bool {
        BUG.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|name| *name == format!("{bug:?}"))
    }

    /// Plants a bug in this process, or takes it away.
    pub fn plant(bug: Option<Bug>) {
        *BUG.lock().unwrap_or_else(PoisonError::into_inner) = bug.map(|bug| format!("{bug:?}"));
    }

    /// The value of `FUELSYNC_PLANT` that gives a child the bug of this process.
    pub fn planted_now() -> Option<String> {
        BUG.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
