//! The figures, in the order of their goals.

use std::pin::Pin;

use fuelsync::failpoint::Bug;

use crate::{
    Measured, Run, bomb, changes, clock, commit_lost, faults, hang, kill, leaks, pages, replay, replicas, takeover,
    term, truncate, verify,
};

/// A measurement under way.
pub(crate) type Measuring = Pin<Box<dyn Future<Output = Measured>>>;

/// A figure.
pub(crate) struct Figure {
    /// Its name.
    pub(crate) name: &'static str,
    /// What is to be reached, in words.
    pub(crate) goal: &'static str,
    /// What `size` counts.
    pub(crate) unit: &'static str,
    /// The size of every `cargo test`.
    pub(crate) small: u64,
    /// The size of the goal.
    pub(crate) full: u64,
    /// The bug that must turn it red.
    pub(crate) bug: Bug,
    /// Measures it.
    pub(crate) measure: fn(Run) -> Measuring,
}

/// All of them, in the order of the goals.
pub(crate) const FIGURES: &[Figure] = &[
    Figure {
        name: "kill",
        goal: "SIGKILL at random moments and at every failpoint: 0 lost, 0 twice, all tables identical to an uninterrupted run's",
        unit: "kills at random moments",
        small: 24,
        full: 10_000,
        bug: Bug::SplitCommit,
        measure: |run| Box::pin(kill::measure(run)),
    },
    Figure {
        name: "faults",
        goal: "every fault × every source: the table right at the end, the watermark never past what was read, requests at most 1.2 × the least needed",
        unit: "cells",
        small: 10,
        full: 1_000,
        bug: Bug::WatermarkOfFailure,
        measure: |run| Box::pin(faults::measure(run)),
    },
    Figure {
        name: "truncate",
        goal: "every byte of an answer, every framing: 0 partial windows committed",
        unit: "answers",
        small: 2,
        full: 12,
        bug: Bug::CutOffIsWhole,
        measure: |run| Box::pin(truncate::measure(run)),
    },
    Figure {
        name: "commit-lost",
        goal: "the answer to COMMIT cut: table identical to an uninterrupted run's, nothing written twice",
        unit: "answers lost",
        small: 60,
        full: 1_000,
        bug: Bug::CommitAssumed,
        measure: |run| Box::pin(commit_lost::measure(run)),
    },
    Figure {
        name: "hang",
        goal: "no operation more than a second past its deadline",
        unit: "random freezes",
        small: 6,
        full: 300,
        bug: Bug::NoDeadline,
        measure: |run| Box::pin(hang::measure(run)),
    },
    Figure {
        name: "replicas",
        goal: "8 processes on one warehouse with kills and freezes: 0 deadlocks, 0 watermarks back, 0 rows wrong",
        unit: "seconds",
        small: 8,
        full: 600,
        bug: Bug::NoFence,
        measure: |run| Box::pin(replicas::measure(run)),
    },
    Figure {
        name: "takeover",
        goal: "after a kill or a freeze: within the lease's time plus 2 s, p99",
        unit: "streams taken over",
        small: 40,
        full: 1_000,
        bug: Bug::LeaseForEver,
        measure: |run| Box::pin(takeover::measure(run)),
    },
    Figure {
        name: "pages",
        goal: "rows moving between pages: 0 lost, 0 invented, none marked missing that is there",
        unit: "schedules",
        small: 160,
        full: 10_000,
        bug: Bug::PagesTrusted,
        measure: |run| Box::pin(pages::measure(run)),
    },
    Figure {
        name: "replay",
        goal: "ten full passes over unchanged data: 0 rows written, WAL at most 2 % of the first load",
        unit: "sales",
        small: 12_000,
        full: 200_000,
        bug: Bug::AlwaysWrite,
        measure: |run| Box::pin(replay::measure(run)),
    },
    Figure {
        name: "clock",
        goal: "±10 minutes: signed within two attempts; steps and both DST nights: no window missed or doubled",
        unit: "runs",
        small: 6,
        full: 400,
        bug: Bug::ClockTrusted,
        measure: |run| Box::pin(clock::measure(run)),
    },
    Figure {
        name: "bomb",
        goal: "peak memory at most 128 MiB for every hostile body, nothing partial written",
        unit: "MiB of each body",
        small: 48,
        full: 1024,
        bug: Bug::NoLimits,
        measure: |run| Box::pin(bomb::measure(run)),
    },
    Figure {
        name: "term",
        goal: "stops at random moments: p99 at most 1 s, none over 5 s, nothing half-written",
        unit: "stops",
        small: 9,
        full: 1_000,
        bug: Bug::Deaf,
        measure: |run| Box::pin(term::measure(run)),
    },
    Figure {
        name: "leaks",
        goal: "20 secrets and personal values over every fault: 0 found in anything written",
        unit: "runs",
        small: 14,
        full: 400,
        bug: Bug::LoudLog,
        measure: |run| Box::pin(leaks::measure(run)),
    },
    Figure {
        name: "verify",
        goal: "verify and prove: 0 false alarms on a good warehouse; one line altered, one deleted, one invented by hand at each source are each named, and nothing else is",
        unit: "rows",
        small: 4_000,
        full: 1_000_000,
        bug: Bug::DigestTrusted,
        measure: |run| Box::pin(verify::measure(run)),
    },
    Figure {
        name: "changes",
        goal: "consumers of fuel.changes beside 8 writers that commit, abort and stall: 0 missed, 0 twice, 0 out of order",
        unit: "seconds",
        small: 6,
        full: 300,
        bug: Bug::NotAnnounced,
        measure: |run| Box::pin(changes::measure(run)),
    },
];
