//! What `check` says about an account: credentials, clock, list, fields, statistics, rate. One line each, no values.

use chrono::TimeDelta;

use super::{
    Pointers,
    answer::{Page, texts},
    client::Client,
    report, statistics,
    wire::Operation,
};
use crate::{
    domain::Window,
    source::{Finding, SourceError},
};

/// A difference of clocks that is worth setting this machine's right.
const TOLERABLE_SKEW: TimeDelta = TimeDelta::seconds(60);
/// Names in one line at most.
const NAMED: usize = 20;
/// Fields without which a row says little.
const WANTED: [&str; 6] =
    ["source_transaction_id", "occurred_at", "articles", "quantity", "gross_amount", "product_name"];

/// Tries the credentials and looks around.
pub(super) async fn examine(client: &Client) -> Vec<Finding> {
    let login = client.log_in().await;
    let mut findings = vec![credentials(&login), clock(client)];
    let present = client.link.present();
    if login.is_ok()
        && let Some(day) = Window::new(present - TimeDelta::days(1), present).map(super::whole_seconds)
    {
        let listed = client.ask(Operation::Page { window: day, offset: 0, limit: 1 }, texts).await;
        findings.push(list(&listed));
        if let Ok(Page { rows, .. }) = &listed {
            findings.extend(rows.first().map(|row| fields(row, &Pointers::new(&client.config.fields))));
        }
        if client.config.mandator_id.is_some() {
            findings.push(totals(client, day).await);
        }
    }
    let per_second = client.config.requests_per_second;
    findings.push(good("rate", format!("at most {per_second} requests in any second (requests_per_second)")));
    findings
}

fn credentials(login: &Result<(), SourceError>) -> Finding {
    match login {
        Ok(()) => good("credentials", "accepted".to_owned()),
        Err(SourceError::Refused(seen)) => {
            bad("credentials", format!("refused ({seen})"), "check client_id and client_secret")
        }
        Err(SourceError::Http(error)) => bad(
            "credentials",
            error.to_string(),
            "check base_url and login_path, the network and whether the vendor is up",
        ),
        Err(error) => bad("credentials", error.to_string(), "check base_url and login_path"),
    }
}

fn clock(client: &Client) -> Finding {
    let Some(skew) = client.link.skew() else {
        return bad("clock", "no answer with a date yet".to_owned(), "see the credentials above");
    };
    if skew.abs() <= TOLERABLE_SKEW {
        return good("clock", format!("within {} s of the server's", skew.abs().num_seconds().max(1)));
    }
    let direction = if skew > TimeDelta::zero() { "behind" } else { "ahead of" };
    bad(
        "clock",
        format!("this machine is {} s {direction} the server", skew.abs().num_seconds()),
        "set this machine's clock (NTP)",
    )
}

fn list(listed: &Result<Page<String>, SourceError>) -> Finding {
    match listed {
        Ok(Page { total: Some(total), .. }) => good("transactions", format!("readable; {total} in the last day")),
        Ok(Page { rows, .. }) if rows.is_empty() => good("transactions", "readable; none in the last day".to_owned()),
        Ok(_) => {
            good("transactions", "readable; the server gives no total, so pages are read to an empty one".to_owned())
        }
        Err(error) => bad(
            "transactions",
            error.to_string(),
            "check the account's rights at the vendor, base_url and transactions_path",
        ),
    }
}

/// Names only: the values are sales.
fn fields(row: &str, pointers: &Pointers) -> Finding {
    let report = report(row, pointers);
    let fed = report.fed.iter().filter(|(_, paths)| !paths.is_empty()).count();
    let missing: Vec<&str> = WANTED
        .into_iter()
        .filter(|wanted| report.fed.iter().any(|(name, paths)| name == wanted && paths.is_empty()))
        .collect();
    let more = if report.unused.len() > NAMED { ", …" } else { "" };
    let unused = report.unused[..report.unused.len().min(NAMED)].join(", ");
    let unused = if unused.is_empty() { String::new() } else { format!("; feeding none: {unused}{more}") };
    if missing.is_empty() {
        return good("fields", format!("{fed} found in one record{unused}"));
    }
    let todo = "compare with `preview`; if the server names them differently, say where they stand in [hecone.fields]";
    bad("fields", format!("not found in one record: {}{unused}", missing.join(", ")), todo)
}

async fn totals(client: &Client, day: Window) -> Finding {
    match client.ask(Operation::Statistics(day), statistics::read).await {
        Ok(found) => {
            let missing = found.not_found();
            let seen =
                if missing.is_empty() { "all found".to_owned() } else { format!("not found: {}", missing.join(", ")) };
            good("statistics", format!("readable; {seen}"))
        }
        Err(error) => bad("statistics", error.to_string(), "check mandator_id and statistics_path"),
    }
}

fn good(what: &str, seen: String) -> Finding {
    Finding { what: what.to_owned(), ok: true, seen, todo: String::new() }
}

fn bad(what: &str, seen: String, todo: &str) -> Finding {
    Finding { what: what.to_owned(), ok: false, seen, todo: todo.to_owned() }
}
