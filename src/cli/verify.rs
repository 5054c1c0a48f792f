//! `verify`: reads a stretch again and compares it with the warehouse.

use std::{fmt::Write as _, time::Duration};

use chrono::{DateTime, Utc};
use comfy_table::{Cell, CellAlignment};

use super::{
    Exit, Failure, Global,
    args::{VerifyArgs, stretch},
    bar::Bar,
    output, start, summary, table,
};
use crate::{
    sync::{
        summary::Outcome,
        verify::{self, Compared, Repaired, StreamVerified, Stretch, Totals, Verified},
    },
    warehouse::verify::Difference,
};

pub(super) async fn run(args: VerifyArgs, global: &Global) -> Result<Exit, Failure> {
    let window = stretch(args.from, args.to)?;
    let work = start::Work::begin_checked(global, &args.select).await?;
    let began = work.app.clock.monotonic();
    let run = work.warehouse.begin_run("verify", &work.app.host).await?;
    let bar = Bar::follow(&work.passes.progress);
    let asked = Stretch { window, repair: args.repair, workers: work.app.config.sync.workers };
    let done = Box::pin(verify::run(&work.passes, asked, &work.life.token())).await;
    bar.finish();
    let (windows, counts) = done.totals();
    if let Err(error) = work.warehouse.end_run(run, done.outcome.as_str(), windows, &counts).await {
        tracing::warn!(error = %error, "the run's row in fuel.sync_run could not be closed");
    }
    work.close().await;
    let took = work.app.clock.monotonic().saturating_duration_since(began);
    if global.json {
        output::json(&done)?;
    } else {
        output::line(&text(&done, took))?;
    }
    Ok(match summary::exit_of(done.outcome, work.life.signal()) {
        Exit::Done if done.has_found() => Exit::Found,
        exit => exit,
    })
}

/// Lines named in the text; the document names all.
const SHOWN: usize = 200;

/// What is said of a verification that took so long.
pub fn text(done: &Verified, took: Duration) -> String {
    let mut head = table::plain();
    head.set_header(["stream", "windows", "read", "missing here", "missing at source", "different", "quarantined"]);
    for stream in &done.streams {
        let tally = &stream.tally;
        let numbers = [
            stream.windows,
            stream.counts.fetched,
            tally.missing_here,
            tally.missing_at_source,
            tally.different,
            tally.quarantined,
        ];
        let mut row = vec![Cell::new(stream.stream.to_string())];
        row.extend(numbers.map(right));
        head.add_row(row);
    }
    let mut said = vec![head.to_string()];
    said.extend(products(done));
    let mut shown = 0;
    for stream in &done.streams {
        for row in stream.rows.iter().take(SHOWN - shown) {
            said.push(format!("{}: {}", stream.stream, named(row)));
            shown += 1;
        }
        said.extend(beside(stream));
    }
    let all = done.tally.differing() + done.tally.quarantined;
    if all > shown as u64 {
        said.push(format!("… and {} more; --json names them.", all - shown as u64));
    }
    said.push(closing(done, took));
    said.join("\n")
}

/// What both sides have, by product; only what differs is marked.
fn products(done: &Verified) -> Option<String> {
    if done.streams.iter().all(|stream| stream.products.is_empty()) {
        return None;
    }
    let mut table = table::plain();
    table.set_header(["stream", "product", "", "", "rows", "quantity", "gross"]);
    for stream in &done.streams {
        for Compared { of, source, warehouse } in &stream.products {
            let name = |name: Option<&str>| Cell::new(name.unwrap_or("–"));
            let both = |source: String, here: String| {
                right(if source == here { source } else { format!("{source} ≠ {here}") })
            };
            // Of what is sold in no currency no amount is known: a sum of none is not nothing.
            let is_unknown = of.currency.is_none() && source.gross.is_zero() && warehouse.gross.is_zero();
            let gross = both(source.gross.to_string(), warehouse.gross.to_string());
            table.add_row(vec![
                Cell::new(stream.stream.to_string()),
                name(of.product.as_deref()),
                name(of.currency.as_deref()),
                name(of.unit.as_deref()),
                both(source.rows.to_string(), warehouse.rows.to_string()),
                both(source.quantity.to_string(), warehouse.quantity.to_string()),
                if is_unknown { right("–") } else { gross },
            ]);
        }
    }
    Some(format!("\n{table}\n"))
}

fn right(text: impl ToString) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// One line, in words.
fn named(row: &Difference) -> String {
    let id = row.source_transaction_id.as_deref().unwrap_or("(no id)");
    let line = row.line_id.as_ref().map_or_else(String::new, |line| format!(" line {line}"));
    let mut said = format!("{} {id}{line}", row.what.words());
    if let Some(at) = row.occurred_at {
        let _ = write!(said, " of {}", moment(at));
    }
    if !row.columns.is_empty() {
        let _ = write!(said, ": {}", row.columns.join(", "));
    }
    if row.altered_here {
        said.push_str(" (altered here, by hand)");
    }
    if let Some(why) = &row.why {
        let _ = write!(said, " ({why})");
    }
    said
}

fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// What else is said of a stream.
fn beside(stream: &StreamVerified) -> Vec<String> {
    let mut said = Vec::new();
    for left in &stream.left {
        said.push(format!("not compared {}: {}", left.window, left.why.words()));
    }
    if stream.moving > 0 {
        said.push(format!(
            "of {} window(s) the source's pages kept moving: what the source does not have of them was not looked for",
            stream.moving
        ));
    }
    if stream.tally.meanwhile > 0 {
        said.push(format!("{} line(s) were written meanwhile and not compared", stream.tally.meanwhile));
    }
    said.extend(stream.totals.as_ref().map(totals));
    if let Some(Repaired { windows, left, counts }) = &stream.repaired
        && windows + left > 0
    {
        said.push(format!(
            "repaired: {windows} window(s) loaded ({} inserted, {} updated, {} missing at the source), {left} left",
            counts.inserted, counts.updated, counts.missing
        ));
    }
    said.extend(stream.remarks.iter().cloned());
    said.extend(stream.error.as_ref().map(|error| format!("{}: {error}", summary::word(stream.outcome))));
    said.into_iter().map(|line| format!("{}: {line}", stream.stream)).collect()
}

fn totals(totals: &Totals) -> String {
    let mut said = Vec::new();
    if let Some(count) = totals.count {
        let differs = match (totals.count_differs(), totals.filtered) {
            (false, _) => "",
            (true, false) => ", which is not the same",
            (true, true) => ", which is not the same: the list is read with a filter",
        };
        let ends = match (totals.at_start, totals.at_end) {
            (0, 0) => String::new(),
            (first, last) => format!(
                " ({first} of them at the very start of the stretch, {last} more at its very end: the source may count these \
                 or not)"
            ),
        };
        said.push(format!("{count} transactions, {} were read{ends}{differs}", totals.count_read));
    }
    if let Some(amount) = &totals.amount {
        let read = totals.amount_read.iter().map(|read| match &read.currency {
            Some(currency) => format!("{} {currency}", read.gross),
            None => read.gross.to_string(),
        });
        said.push(format!("an amount of {amount}, lines of {} were read", read.collect::<Vec<_>>().join(" and ")));
    }
    said.extend(totals.paid_amount.as_ref().map(|paid| format!("{paid} paid")));
    if !totals.not_found.is_empty() {
        said.push(format!("not found: {}", totals.not_found.join(", ")));
    }
    format!("the source's own totals say {}", said.join("; "))
}

fn closing(done: &Verified, took: Duration) -> String {
    let (rows, seconds) = (done.totals().1.fetched, took.as_secs_f64());
    let differing = done.tally.differing();
    let (any, all) =
        (done.streams.iter().any(|stream| stream.windows > 0), !done.streams.iter().any(StreamVerified::is_partial));
    match done.outcome {
        Outcome::Ok if !any => "Nothing was compared.".to_owned(),
        Outcome::Ok if done.has_found() && differing == 0 => format!(
            "No row differs, of {rows} in {seconds:.1} s; but a source counts other transactions than it sent, as said above."
        ),
        Outcome::Ok if differing == 0 && all => {
            format!("The warehouse has what the sources have: {rows} rows in {seconds:.1} s.")
        }
        Outcome::Ok if differing == 0 => format!(
            "Of what was compared, the warehouse has what the sources have: {rows} rows in {seconds:.1} s. Not all of the stretch was \
             compared, as said above."
        ),
        Outcome::Ok => format!("{differing} row(s) differ, of {rows} in {seconds:.1} s."),
        Outcome::Partial => format!("Some streams failed; of what was compared, {differing} row(s) differ."),
        Outcome::Refused => "Every account's credentials are refused; `fuelsync check` says more.".to_owned(),
        Outcome::NoDatabase => "The database cannot be reached or refuses; `fuelsync check` says more.".to_owned(),
        Outcome::Stopped => format!("Stopped before all was compared; so far, {differing} row(s) differ."),
    }
}
