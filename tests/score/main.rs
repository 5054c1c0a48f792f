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
    process::ExitCode,
    time::{Duration, Instant},
};

use fuelsync::failpoint::plant;
use serde_json::{Map, Value};

#[path = "../support/mod.rs"]
#[expect(dead_code, clippy::unwrap_used, clippy::panic, reason = "shared with the other targets")]
mod support;

mod bomb;
mod changes;
mod clock;
mod commit_lost;
mod faults;
mod figures;
mod hang;
mod kill;
mod leaks;
mod pages;
mod replay;
mod replicas;
mod takeover;
mod term;
mod truncate;
mod verify;
mod wired;
mod yard;

use figures::{FIGURES, Figure};

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

/// The time zone of the figures, and of the processes that they start.
const ZONE: &str = "Europe/Tallinn";

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
    // Where the clocks change by law: a figure that meets such a night must meet it in the process's own time, too.
    if std::env::var_os("TZ").is_none() {
        let program = std::env::current_exe().expect("this program");
        let status = std::process::Command::new(program).args(std::env::args_os().skip(1)).env("TZ", ZONE).status();
        return ExitCode::from(u8::try_from(status.expect("this program again").code().unwrap_or(1)).unwrap_or(1));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        if asked.names.is_empty() {
            return every_small(asked.seed).await;
        }
        let chosen: Vec<_> =
            FIGURES.iter().filter(|figure| asked.names.iter().any(|name| name == figure.name)).collect();
        if chosen.is_empty() && (asked.size.is_some() || asked.plant) {
            eprintln!("no figure of this name; there are: {}", names());
            return ExitCode::from(2);
        }
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

/// Small as they are, a few figures meet their bug by chance only: as many seeds are tried before it counts as not found.
const SEEDS: u64 = 4;

/// What every `cargo test` runs: each figure at its small size reaches its goal, and does not with its bug planted.
async fn every_small(seed: u64) -> ExitCode {
    let (mut passed, mut failed) = (0, 0);
    for figure in FIGURES {
        let run = Run { size: figure.small, seed };
        if measure(figure, run, false).await {
            passed += 1;
        } else {
            failed += 1;
            eprintln!("FAILED: {}", figure.name);
        }
        let mut is_found = false;
        for seed in seed..seed + SEEDS {
            is_found = !measure(figure, Run { seed, ..run }, true).await;
            if is_found {
                break;
            }
        }
        if is_found {
            passed += 1;
        } else {
            failed += 1;
            eprintln!("FAILED: {} stays green with its bug planted", figure.name);
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
            // What `cargo test` passes to every target alike, and means nothing here.
            flag if flag.starts_with("--test-threads=")
                || flag.starts_with("--format=")
                || flag.starts_with("--color=") => {}
            "--nocapture" | "--no-capture" | "--quiet" | "-q" | "--exact" | "--ignored" | "--include-ignored"
            | "--show-output" => {}
            flag if flag.starts_with('-') => return Err(format!("{flag} is no flag of the score")),
            name => asked.names.push(name.to_owned()),
        }
    }
    Ok(asked)
}
