//! `prove`: the completeness certificate of a month.

use std::{fmt::Write as _, time::Duration};

use chrono::{DateTime, Utc};
use comfy_table::{Cell, CellAlignment};

use super::{Exit, Failure, Global, args::ProveArgs, output, start, table};
use crate::{
    app::App,
    config::Config,
    domain::SourceKind,
    lifecycle::Signal,
    sync::prove::{Account, Certificate, Prove, ProveError, Proved, State},
    warehouse::{
        certificate::{Finding, Reason, digest},
        sums::Total,
    },
};

pub(super) async fn run(args: ProveArgs, global: &Global) -> Result<Exit, Failure> {
    let window = args.month.window().ok_or_else(|| Failure::usage("the month is out of range"))?;
    let config = global.load()?;
    if !args.select.account.is_empty() {
        args.select.check(&config)?;
    }
    let life = start::lifecycle()?;
    let app = start::app(config)?;
    let warehouse = app.warehouse()?;
    warehouse.require_current().await?;
    // Records are normalized again as a load would: without those who are forgotten.
    warehouse.heed(&app.forgotten).await?;
    let began = app.clock.monotonic();
    let selected = |kind: SourceKind, account: &str| args.select.matches(kind, account);
    let accounts = accounts(&app.config, &selected);
    let prove = Prove {
        warehouse: &warehouse,
        settings: &app.config.sync,
        host: &app.host,
        accounts: &accounts,
        selected: &selected,
        normalizer: &|stream| App::normalizer(&app, stream),
        present: app.clock.now(),
    };
    let made = Box::pin(prove.run(window, &life.token())).await;
    warehouse.close().await;
    let certificate = match made {
        Ok(certificate) => certificate,
        Err(ProveError::Warehouse(error)) => return Err(error.into()),
        Err(error @ ProveError::Stopped) => {
            output::say(&error.to_string());
            return Ok(life.signal().map_or(Exit::Interrupted, Signal::exit));
        }
    };
    if global.json {
        output::json(&certificate)?;
    } else {
        let took = app.clock.monotonic().saturating_duration_since(began);
        output::line(&text(&certificate, took))?;
    }
    Ok(if certificate.found > 0 { Exit::Found } else { Exit::Done })
}

/// What the configuration has of the accounts, as far as it is selected.
pub fn accounts(config: &Config, selected: &dyn Fn(SourceKind, &str) -> bool) -> Vec<Account> {
    let hecone = config.hecone.iter().map(|a| (a.name.clone(), vec![SourceKind::HecOne], a.start, a.grid, Vec::new()));
    let alexela =
        config.alexela.iter().map(|a| (a.name.clone(), a.sources.clone(), a.start, a.grid, a.contracts.clone()));
    hecone
        .chain(alexela)
        .map(|(name, mut kinds, start, grid, contracts)| {
            kinds.retain(|kind| selected(*kind, &name));
            Account { name, kinds, start, grid, contracts }
        })
        .collect()
}

/// Lines named in the text, of findings and of changes each; the document names all.
const SHOWN: usize = 200;

/// What is said of a certificate that took so long to make.
pub fn text(certificate: &Certificate, took: Duration) -> String {
    let mut said = vec![streams(certificate)];
    said.extend(open_windows(certificate));
    said.extend(sums(certificate));
    said.extend(changes(certificate));
    for finding in certificate.named().iter().take(SHOWN) {
        said.push(found(finding));
    }
    if certificate.found > SHOWN as u64 {
        said.push(format!("… and {} more; --json names them.", certificate.found - SHOWN as u64));
    }
    if certificate.other_rules > 0 {
        said.push(format!(
            "{} line(s) are what was written, and today's rules would make something else of their records.",
            certificate.other_rules
        ));
    }
    if certificate.unplaced > 0 {
        said.push(format!(
            "{} record(s) have no line, and today's rules cannot say of which month they are.",
            certificate.unplaced
        ));
    }
    if certificate.without_ledger_digest > 0 {
        said.push(format!(
            "{} window(s) that were read are not vouched for by the ledger line by line: that one went from them with all that \
             belongs to it is noticed by the sums of their sales, by an earlier certificate, or by verify.",
            certificate.without_ledger_digest
        ));
    }
    if certificate.without_ledger_sums > 0 {
        said.push(format!(
            "{} window(s) that were read have no sums in the ledger: their last read was not of the whole window.",
            certificate.without_ledger_sums
        ));
    }
    if certificate.unsure_ledger_sums > 0 {
        said.push(format!(
            "{} window(s): the ledger has other sums. It may be due to lines that were being written while the window was read, or that \
             were altered by hand and have been written again since; only verify, which asks the source, can tell.",
            certificate.unsure_ledger_sums
        ));
    }
    for stream in certificate.streams.iter().filter(|stream| !stream.has_rules) {
        said.push(format!(
            "{}: no account of the configuration reads it: its records were not normalized again",
            stream.stream
        ));
    }
    said.extend(
        certificate.unknown_sources.iter().map(|name| format!("{name}: a source that this version does not know")),
    );
    for of in &certificate.streams {
        said.extend(left_over(of));
    }
    said.push(format!("root  {}", digest::hex(&certificate.root)));
    said.push(closing(certificate, took));
    said.join("\n")
}

fn right(text: impl ToString) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

const STATES: [State; 5] = [State::Final, State::Provisional, State::Quarantined, State::Missing, State::NotCovered];

/// How many windows of each stream are in each state.
fn streams(certificate: &Certificate) -> String {
    let mut table = table::plain();
    let mut head = vec!["stream", "rows"];
    head.extend(STATES.map(words));
    table.set_header(head);
    for stream in &certificate.streams {
        let states = stream.states();
        let rows: u64 = stream.windows.iter().map(|window| window.lines.rows).sum();
        let mut row = vec![Cell::new(stream.stream.to_string()), right(rows)];
        row.extend(STATES.map(|state| right(states.get(&state).copied().unwrap_or(0))));
        table.add_row(row);
    }
    table.to_string()
}

const fn words(state: State) -> &'static str {
    match state {
        State::Final => "final",
        State::Provisional => "provisional",
        State::Quarantined => "quarantined",
        State::Missing => "missing",
        State::NotCovered => "not covered",
    }
}

/// The windows that are not final: those of one stream, state and reason that touch are one line.
fn open_windows(certificate: &Certificate) -> Vec<String> {
    let mut said = Vec::new();
    for stream in &certificate.streams {
        let open: Vec<_> = stream.windows.iter().filter(|window| window.state != State::Final).collect();
        for alike in open.chunk_by(|a, b| a.state == b.state && a.why == b.why && a.window.end() == b.window.start()) {
            let (Some(first), Some(last)) = (alike.first(), alike.last()) else { continue };
            said.push(format!(
                "{}: {} {} – {}: {}",
                stream.stream,
                words(first.state),
                moment(first.window.start()),
                moment(last.window.end()),
                first.why
            ));
        }
    }
    said
}

fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}

/// What was sold, by product.
fn sums(certificate: &Certificate) -> Option<String> {
    certificate.sums.iter().next()?;
    let mut table = table::plain();
    table.set_header(["product", "", "", "sales", "quantity", "net", "VAT", "gross"]);
    for (of, sum) in certificate.sums.iter() {
        let name = |name: Option<&str>| Cell::new(name.unwrap_or("–"));
        let mut row =
            vec![name(of.product.as_deref()), name(of.currency.as_deref()), name(of.unit.as_deref()), right(sum.rows)];
        row.push(right(sum.quantity));
        // Of what is sold in no currency no amount is known: a sum of none is not nothing.
        let is_unknown = of.currency.is_none() && [sum.net, sum.vat, sum.gross].into_iter().all(Total::is_zero);
        row.extend([sum.net, sum.vat, sum.gross].map(|sum| if is_unknown { right("–") } else { right(sum) }));
        table.add_row(row);
    }
    Some(format!("\n{table}\n"))
}

/// What changed since the last certificate, line by line.
fn changes(certificate: &Certificate) -> Vec<String> {
    let mut said = Vec::new();
    let mut shown = 0;
    for Proved { stream, since, .. } in &certificate.streams {
        let Some(since) = since else { continue };
        let counts: Vec<_> =
            since.since.counts.iter().map(|(why, count)| format!("{count} {}", Reason::words(*why))).collect();
        let counts = if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") };
        said.push(format!("{stream}: changed since {}: {counts}", moment(since.made_at)));
        for change in since.since.changes.iter().take(SHOWN - shown) {
            shown += 1;
            let columns =
                if change.columns.is_empty() { String::new() } else { format!(": {}", change.columns.join(", ")) };
            said.push(format!(
                "  {} {} line {} of {}{columns}",
                change.why.words(),
                change.source_transaction_id,
                change.line_id,
                moment(change.occurred_at)
            ));
        }
        let left = since.since.count().saturating_sub(since.since.changes.len().min(SHOWN) as u64);
        if left > 0 {
            said.push(format!("  … and {left} more; --json names them."));
        }
    }
    said
}

/// What of a stream is in no window of the table, and why nobody waits for it.
fn left_over(of: &Proved) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(why) = of.ended {
        let until =
            of.read_until.map_or_else(|| "never read".to_owned(), |until| format!("read up to {}", moment(until)));
        said.push(format!("{}: {why}; {until}, and what is behind is not waited for", of.stream));
    }
    if of.quarantined_elsewhere > 0 {
        said.push(format!(
            "{}: {} record(s) cannot be normalized, and nothing says of which month they are: fuelsync quarantine list",
            of.stream, of.quarantined_elsewhere
        ));
    }
    if !of.dropped.is_empty() {
        said.push(format!(
            "{}: {} record(s) were dropped by hand, and nothing of them is here:",
            of.stream,
            of.dropped.len()
        ));
    }
    for dropped in of.dropped.iter().take(SHOWN) {
        let id = dropped.source_transaction_id.as_deref().unwrap_or("without an id");
        said.push(format!("  {id}, dropped {}: number {}", moment(dropped.dropped_at), dropped.id));
    }
    said
}

/// What is not what it should be, in words.
fn found(finding: &Finding) -> String {
    let Finding { source, account, partition, .. } = finding;
    let partition = partition.as_ref().map_or_else(String::new, |partition| format!("/{partition}"));
    let mut said = format!("{} {source}/{account}{partition}", finding.what.words());
    if let Some(id) = &finding.source_transaction_id {
        let _ = write!(said, " {id}");
    }
    if let Some(line) = &finding.line_id {
        let _ = write!(said, " line {line}");
    }
    if let Some(at) = finding.occurred_at {
        let _ = write!(said, " of {}", moment(at));
    }
    if !finding.columns.is_empty() {
        let _ = write!(said, ": {}", finding.columns.join(", "));
    }
    if let Some(at) = finding.was_at {
        let _ = write!(said, ", it was of {}", moment(at));
    }
    if let Some(contract) = &finding.was_of {
        let _ = write!(said, ", it was of contract {contract}");
    }
    format!("{said} ({})", finding.why)
}

fn closing(certificate: &Certificate, took: Duration) -> String {
    let (rows, seconds) = (certificate.rows, took.as_secs_f64());
    let words = if certificate.found > 0 {
        format!("{} finding(s): the table is not what its records and its ledger say.", certificate.found)
    } else if certificate.complete && certificate.cut_short > 0 {
        format!(
            "Complete and final as far as it was to be read: {} stream(s) ended before, as said above.",
            certificate.cut_short
        )
    } else if certificate.complete {
        "Complete and final.".to_owned()
    } else {
        "As it was read; not all of it is final.".to_owned()
    };
    format!("{words} {rows} rows in {seconds:.1} s. Certificate {}.", certificate.certificate)
}
