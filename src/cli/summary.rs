//! What came of a run, as a table or as JSON.

use comfy_table::{Cell, CellAlignment};

use super::{Exit, Failure, output, table};
use crate::{
    lifecycle::Signal,
    sync::summary::{Outcome, StreamOutcome, Summary},
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
