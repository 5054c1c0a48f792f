//! What came of a run, as a table or as JSON, and the bar while it lasts.

use std::{sync::Arc, time::Duration};

use comfy_table::{Cell, CellAlignment};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use super::{Exit, Failure, output, table};
use crate::{
    lifecycle::Signal,
    sync::summary::{Outcome, Progress, StreamOutcome, Summary},
};

/// With what a run ends.
pub(super) fn exit(summary: &Summary, signal: Option<Signal>) -> Exit {
    exit_of(summary.outcome, signal)
}

/// The same, of an outcome alone.
pub(super) fn exit_of(outcome: Outcome, signal: Option<Signal>) -> Exit {
    match outcome {
        Outcome::Ok => Exit::Done,
        Outcome::Partial => Exit::SomeStreams,
        Outcome::Refused => Exit::Credentials,
        Outcome::NoDatabase => Exit::Database,
        Outcome::Stopped => signal.map_or(Exit::Interrupted, Signal::exit),
    }
}

/// Prints a summary.
pub(super) fn print(summary: &Summary, json: bool) -> Result<(), Failure> {
    if json { output::json(summary) } else { output::line(&text(summary)) }
}

/// The table, and below it a line for each stream that has something to say.
pub(super) fn text(summary: &Summary) -> String {
    let mut table = table::plain();
    table.set_header(["stream", "windows", "fetched", "inserted", "updated", "unchanged", "quarantined", "watermark"]);
    for stream in &summary.streams {
        let counts = &stream.counts;
        let mut row = vec![Cell::new(stream.stream.to_string())];
        let numbers =
            [stream.windows, counts.fetched, counts.inserted, counts.updated, counts.unchanged, counts.quarantined];
        row.extend(numbers.map(|n| Cell::new(n).set_alignment(CellAlignment::Right)));
        row.push(Cell::new(
            stream.watermark.map_or_else(|| "–".to_owned(), |w| w.format("%Y-%m-%d %H:%M").to_string()),
        ));
        table.add_row(row);
    }
    let mut said = vec![table.to_string()];
    for stream in &summary.streams {
        let c = &stream.counts;
        let beside: Vec<_> =
            [("outside their window", c.outside), ("duplicate", c.duplicate), ("missing at the source", c.missing)]
                .into_iter()
                .filter(|(_, count)| *count > 0)
                .map(|(what, count)| format!("{count} {what}"))
                .collect();
        if !beside.is_empty() {
            said.push(format!("{}: {}", stream.stream, beside.join(", ")));
        }
        for gap in &stream.gaps {
            said.push(format!(
                "{}: LOST AT THE SOURCE {gap}: it no longer serves this stretch, which was never read",
                stream.stream
            ));
        }
        if let Some(error) = &stream.error {
            said.push(format!("{}: {}: {error}", stream.stream, word(stream.outcome)));
        }
    }
    said.push(closing(summary));
    said.join("\n")
}

/// How a stream ended, as people read it.
pub(super) const fn word(outcome: StreamOutcome) -> &'static str {
    match outcome {
        StreamOutcome::Ok => "ok",
        StreamOutcome::Failed => "FAILED",
        StreamOutcome::Refused => "REFUSED",
        StreamOutcome::Held => "left to its owner",
        StreamOutcome::NotEnabled => "not enabled",
        StreamOutcome::Withdrawn => "withdrawn",
        StreamOutcome::NoDatabase => "DATABASE",
        StreamOutcome::Stopped => "stopped",
    }
}

fn closing(summary: &Summary) -> String {
    let held = summary.streams.iter().filter(|stream| stream.outcome == StreamOutcome::Held).count();
    match summary.outcome {
        Outcome::Ok if held > 0 => format!("Done; {held} stream(s) left to another process."),
        Outcome::Ok => "Done.".to_owned(),
        Outcome::Partial => {
            "Some streams failed; what the others read is committed. The next run goes on where they wait.".to_owned()
        }
        Outcome::Refused => "Every account's credentials are refused; `fuelsync check` says more.".to_owned(),
        Outcome::NoDatabase => {
            "The database cannot be reached or refuses; what was committed stays. `fuelsync check` says more."
                .to_owned()
        }
        Outcome::Stopped => {
            "Stopped before the work was done; what was committed stays. The next run goes on there.".to_owned()
        }
    }
}

/// A bar that follows a run, on a terminal only.
pub(super) struct Bar {
    bar: ProgressBar,
    drawing: JoinHandle<()>,
}

impl Bar {
    /// Draws until finished.
    pub(super) fn follow(progress: &Arc<Progress>) -> Self {
        let bar = output::bars().add(ProgressBar::new(0));
        if let Ok(style) =
            ProgressStyle::with_template("{bar:30} {pos}/{len} windows  {msg}  {elapsed_precise}, {eta} left")
        {
            bar.set_style(style);
        }
        let (drawn, progress) = (bar.clone(), Arc::clone(progress));
        let drawing = tokio::spawn(async move {
            let mut beat = tokio::time::interval(Duration::from_millis(200));
            let mut before = 0;
            let mut speed = 0;
            let mut beats = 0u64;
            loop {
                beat.tick().await;
                let (planned, done, lines) = progress.read();
                beats += 1;
                if beats.is_multiple_of(5) {
                    speed = lines - before;
                    before = lines;
                }
                drawn.set_length(planned);
                drawn.set_position(done);
                drawn.set_message(format!("{lines} rows, {speed} rows/s"));
            }
        });
        Self { bar, drawing }
    }

    /// Takes the bar away.
    pub(super) fn finish(self) {
        self.drawing.abort();
        self.bar.finish_and_clear();
    }
}
