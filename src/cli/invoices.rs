//! `invoices match`: a supplier's invoice against the rows that carry its number.

use std::fmt::Write as _;

use chrono::{Months, NaiveTime};
use serde::Serialize;

use super::{Exit, Failure, Global, args::InvoicesMatchArgs, output, start, table};
use crate::{
    domain::Window,
    invoices::{
        Invoices, file,
        matching::{Finding, Matched, compare},
    },
};

/// How long before the invoices' dates their sales are looked for: longer than any vendor serves them.
const BEFORE: Months = Months::new(6);
/// And how long behind, for a line's date may be its sale's.
const BEHIND: Months = Months::new(2);
/// Bytes of a file.
const MOST: u64 = 64 * 1024 * 1024;

/// What `--json` prints.
#[derive(Serialize)]
struct Said {
    /// Whether everything agrees.
    agrees: bool,
    /// From when to when rows were looked for; none: all of them.
    looked_at: Option<String>,
    invoices: Vec<Matched>,
}

pub(super) async fn run(args: InvoicesMatchArgs, global: &Global) -> Result<Exit, Failure> {
    let shown = args.file.display().to_string();
    let unreadable = |e: std::io::Error| Failure::usage(format!("{shown} cannot be read")).because(e);
    let size = std::fs::metadata(&args.file).map_err(unreadable)?.len();
    if size > MOST {
        return Err(Failure::usage(format!("{shown} is larger than 64 MiB")));
    }
    let text = std::fs::read_to_string(&args.file).map_err(unreadable)?;
    let invoices = file::parse(&text).map_err(|faults| {
        Failure::usage(format!("{shown} has faults; nothing was compared:\n{}", faults.join("\n")))
    })?;
    let config = global.load()?;
    if !args.select.account.is_empty() || !args.select.source.is_empty() {
        args.select.check(&config)?;
    }
    let app = start::app(config)?;
    let warehouse = app.warehouse()?;
    warehouse.require_current().await?;
    let stretch = around(&invoices);
    let (sources, accounts) = (&args.select.source, &args.select.account);
    let limit = app.config.sync.window_timeout;
    let rows = warehouse.invoiced(&invoices.numbers(), sources, accounts, stretch, limit).await?;
    warehouse.close().await;
    let matched = compare(&invoices, &rows);
    let agrees = matched.iter().all(Matched::agrees);
    let said = Said { agrees, looked_at: stretch.map(|stretch| stretch.to_string()), invoices: matched };
    if global.json {
        output::json(&said)?;
    } else {
        output::line(&said.text())?;
    }
    Ok(if agrees { Exit::Done } else { Exit::Found })
}

/// The time around the invoices' dates, where each has one.
fn around(invoices: &Invoices) -> Option<Window> {
    let (first, last) = invoices.dates()?;
    let midnight = |day: chrono::NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    Window::new(midnight(first.checked_sub_months(BEFORE)?), midnight(last.checked_add_months(BEHIND)?.succ_opt()?))
}

impl Said {
    /// A line an invoice, then a line for each that does not match.
    fn text(&self) -> String {
        let mut table = table::plain();
        table.set_header(["invoice", "lines", "rows", "invoiced", "here", "verdict"]);
        for invoice in &self.invoices {
            let verdicts: Vec<_> =
                invoice.verdicts.iter().map(|(verdict, count)| format!("{count} {verdict}")).collect();
            table.add_row([
                invoice.invoice_no.clone(),
                if invoice.lines > 0 { invoice.lines.to_string() } else { "–".to_owned() },
                invoice.rows.to_string(),
                invoice.there.clone(),
                invoice.here.clone(),
                verdicts.join(", "),
            ]);
        }
        let mut said = table.to_string();
        for invoice in &self.invoices {
            for finding in &invoice.findings {
                // Writing to a text does not fail.
                let _ = write!(said, "\n{}: {}", invoice.invoice_no, sentence(finding));
            }
        }
        let looked_at = self.looked_at.as_deref().map_or_else(
            || "all rows: not every invoice has a date".to_owned(),
            |stretch| format!("sales in {stretch}"),
        );
        let end = if self.agrees { "Everything agrees." } else { "Not everything agrees." };
        let _ = write!(said, "\n\n{end} Looked at: {looked_at}.");
        said
    }
}

fn sentence(finding: &Finding) -> String {
    let mut said = finding.verdict.as_str().to_owned();
    if let Some(at) = finding.at {
        let _ = write!(said, ", line {at}");
    }
    if let Some(row) = &finding.row {
        let _ = write!(said, ", {row}");
    }
    let _ = write!(said, ": {}", finding.what);
    match (&finding.there, &finding.here) {
        (Some(there), Some(here)) => said + &format!(" {there} invoiced, {here} here"),
        (Some(there), None) => said + &format!(" {there} invoiced"),
        (None, Some(here)) => said + &format!(" {here} here"),
        (None, None) => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_match_is_said_line_by_line() {
        let invoices = file::parse("invoice_no,date,total,net\nA1,2026-05-31,10,8\n").expect("a file");
        let said = Said {
            agrees: false,
            looked_at: around(&invoices).map(|stretch| stretch.to_string()),
            invoices: compare(&invoices, &[]),
        };
        insta::assert_snapshot!(said.text());
    }
}
