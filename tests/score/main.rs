//! The figures that the program is measured by, each with a goal, a seed, and a planted bug that must turn it red.
//!
//! ```text
//! cargo test --release --test score                                  every figure, small, and its planted bug
//! cargo test --release --test score -- kill                          one figure at its full size
//! cargo test --release --test score -- kill --size 500 --seed 7      at another size, with another seed
//! cargo test --release --test score -- kill --plant                  with its bug: it must turn red (exit 1)
//! ```
//!
//! Each run prints one line of JSON: the figure, its size and seed, its goal, what was measured, and whether it is
//! reached. A figure is a function from [`Run`] to [`Measured`]; [`FIGURES`] lists them.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the lines are what it is for")]
#![expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "shares and seconds of a measurement")]
#![expect(clippy::expect_used, reason = "a measurement that cannot be made ends with a panic")]

use std::{
    fmt::Write as _,
    pin::Pin,
    process::ExitCode,
    time::{Duration, Instant},
};

use fuelsync::failpoint::{Bug, plant};
use serde_json::{Map, Value};

#[path = "../support/mod.rs"]
#[expect(dead_code, clippy::unwrap_used, clippy::panic, reason = "shared with the other targets")]
mod support;

mod bomb;
mod kill;
mod leaks;
mod pages;
mod replay;
mod replicas;
mod takeover;
mod term;
mod yard;

/// What a figure is asked to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// How much: what it counts is the figure's own ([`Figure::unit`]).
    pub(crate) size: u64,
    /// Where its dice begin.
    pub(crate) seed: u64,
}

/// What a figure came to.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// What was measured, for the line.
    shown: Map<String, Value>,
    /// What does not reach the goal.
    red: Vec<String>,
}

impl Measured {
    /// Notes a value.
    pub(crate) fn note(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        self.shown.insert(name.to_owned(), value.into());
        self
    }

    /// Whether nothing is wrong so far.
    pub(crate) fn is_green(&self) -> bool {
        self.red.is_empty()
    }

    /// Notes a fault; any makes the figure red.
    pub(crate) fn fault(&mut self, fault: impl Into<String>) -> &mut Self {
        self.red.push(fault.into());
        self
    }

    /// Notes a fault unless this holds.
    pub(crate) fn goal(&mut self, holds: bool, fault: impl FnOnce() -> String) -> &mut Self {
        if !holds {
            self.red.push(fault());
        }
        self
    }
}

type Measuring = Pin<Box<dyn Future<Output = Measured>>>;

/// A figure.
struct Figure {
    name: &'static str,
    goal: &'static str,
    /// What `size` counts.
    unit: &'static str,
    /// The size of every `cargo test`.
    small: u64,
    /// The size of the goal.
    full: u64,
    bug: Bug,
    measure: fn(Run) -> Measuring,
}

/// All of them, in the order of the goals.
const FIGURES: &[Figure] = &[
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
];

/// A figure that takes longer than this hangs.
const LONGEST: Duration = Duration::from_hours(2);

struct Asked {
    names: Vec<String>,
    size: Option<u64>,
    seed: u64,
    plant: bool,
    list: bool,
}

fn main() -> ExitCode {
    let asked = match asked(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(fault) => {
            eprintln!("{fault}");
            return ExitCode::from(2);
        }
    };
    if asked.list {
        for figure in FIGURES {
            println!("{}: test", figure.name);
        }
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        if asked.names.is_empty() {
            return every_small(asked.seed).await;
        }
        let chosen: Vec<_> =
            FIGURES.iter().filter(|figure| asked.names.iter().any(|name| name == figure.name)).collect();
        if chosen.is_empty() {
            // As any test target does that a filter leaves nothing of; a figure's name is spelt in full.
            println!("no figure of this name; there are: {}", names());
            return ExitCode::SUCCESS;
        }
        let mut reached = true;
        for figure in chosen {
            let run = Run { size: asked.size.unwrap_or(figure.full), seed: asked.seed };
            reached &= measure(figure, run, asked.plant).await;
        }
        if reached { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    })
}

/// What every `cargo test` runs: each figure at its small size reaches its goal, and does not with its bug planted.
async fn every_small(seed: u64) -> ExitCode {
    let (mut passed, mut failed) = (0, 0);
    for figure in FIGURES {
        let run = Run { size: figure.small, seed };
        for planted in [false, true] {
            if measure(figure, run, planted).await == planted {
                failed += 1;
                eprintln!("FAILED: {}{}", figure.name, if planted { " stays green with its bug planted" } else { "" });
            } else {
                passed += 1;
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Measures a figure, prints its line, and says whether the goal is reached.
async fn measure(figure: &Figure, run: Run, planted: bool) -> bool {
    plant(planted.then_some(figure.bug));
    let begun = now();
    let measured = tokio::time::timeout(LONGEST, (figure.measure)(run)).await.unwrap_or_else(|_| {
        let mut measured = Measured::default();
        measured.fault("it did not end");
        measured
    });
    plant(None);
    let mut line = Map::new();
    line.insert("figure".into(), figure.name.into());
    line.insert("size".into(), run.size.into());
    line.insert("unit".into(), figure.unit.into());
    line.insert("seed".into(), run.seed.into());
    line.insert("goal".into(), figure.goal.into());
    if planted {
        line.insert("planted".into(), format!("{:?}", figure.bug).into());
    }
    line.insert("reached".into(), measured.red.is_empty().into());
    line.extend(measured.shown);
    if !measured.red.is_empty() {
        line.insert("faults".into(), measured.red.len().into());
        line.insert("first_faults".into(), measured.red.iter().take(3).cloned().collect::<Vec<_>>().into());
    }
    line.insert("seconds".into(), (begun.elapsed().as_millis() as f64 / 1000.0).into());
    println!("{}", Value::Object(line));
    measured.red.is_empty()
}

/// The real time; the program's own clock is what is under test.
#[expect(clippy::disallowed_methods, reason = "a measurement needs a clock that the program does not have")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

fn names() -> String {
    FIGURES.iter().fold(String::new(), |mut names, figure| {
        let _ = write!(names, "{}{}", if names.is_empty() { "" } else { ", " }, figure.name);
        names
    })
}

/// Reads the arguments. Those that `cargo test` passes to every target alike are understood, and do nothing here.
fn asked(mut args: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut asked = Asked { names: Vec::new(), size: None, seed: 1, plant: false, list: false };
    while let Some(arg) = args.next() {
        let mut number = |what: &str| {
            let text = args.next().unwrap_or_default();
            text.replace('_', "").parse::<u64>().map_err(|_| format!("{what} takes a whole number, not {text:?}"))
        };
        match arg.as_str() {
            "--size" => asked.size = Some(number("--size")?),
            "--seed" => asked.seed = number("--seed")?,
            "--plant" => asked.plant = true,
            "--list" => asked.list = true,
            "--test-threads" | "--format" | "--color" | "--skip" => drop(args.next()),
            flag if flag.starts_with('-') => {}
            name => asked.names.push(name.to_owned()),
        }
    }
    Ok(asked)
}
