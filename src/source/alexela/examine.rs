//! What `check` says about an account: credentials, clock, contracts, what is enabled, rate. One line each, no cards.

use chrono::TimeDelta;

use super::{
    calendar,
    client::{Client, Reply, TOLERABLE_SKEW, unwrap_list},
    wire::Operation,
};
use crate::{
    domain::{SourceKind, Window},
    http::{Body, HttpError, Records},
    source::{Finding, SourceError},
};

/// Contracts named in one line at most.
const NAMED: usize = 20;

/// Tries the credentials and looks around.
pub(super) async fn examine(client: &Client) -> Vec<Finding> {
    let listed = client.contract_numbers().await;
    let tried = match client.link.unbelievable_skew() {
        // A signature dated days off is refused whatever the key is.
        Some(skew) if listed.is_err() => bad(
            "credentials",
            "not known: the clock is too far off for any signature to be accepted".to_owned(),
            &format!("set this machine's clock first: it is {skew} s from the server's"),
        ),
        Some(_) | None => credentials(&listed),
    };
    let mut findings = vec![tried, clock(client)];
    if let Ok(listed) = &listed {
        findings.push(contracts(client, listed));
        for kind in [SourceKind::AlexelaBonus, SourceKind::AlexelaEv] {
            if client.config.sources.contains(&kind) {
                findings.push(enabled(client, kind).await);
            }
        }
    }
    let per_second = client.config.requests_per_second;
    findings.push(good("rate", format!("at most {per_second} requests in any second (requests_per_second)")));
    findings
}

fn credentials(listed: &Result<Vec<String>, SourceError>) -> Finding {
    match listed {
        Ok(_) => good("credentials", "accepted".to_owned()),
        Err(SourceError::Refused(seen)) => bad(
            "credentials",
            format!("refused ({seen})"),
            "check access_id and psk; the key is used as issued, all its characters, nothing decoded",
        ),
        Err(SourceError::Http(error)) => {
            bad("credentials", error.to_string(), "check base_url, the network and whether the vendor is up")
        }
        Err(error) => bad("credentials", error.to_string(), "check base_url; it ends with /api/v1"),
    }
}

fn clock(client: &Client) -> Finding {
    let Some(skew) = client.link.skew() else {
        return bad("clock", "no answer with a date yet".to_owned(), "see the credentials above");
    };
    let direction = if skew > TimeDelta::zero() { "behind" } else { "ahead of" };
    if skew.abs() <= TOLERABLE_SKEW {
        return good("clock", format!("within {} s of the server's", skew.abs().num_seconds().max(1)));
    }
    let corrected = if client.link.offset().is_zero() {
        "too far off to be corrected: requests are dated by this machine"
    } else {
        "requests are dated by the server's clock"
    };
    bad(
        "clock",
        format!("this machine is {} s {direction} the server; {corrected}", skew.abs().num_seconds()),
        "set this machine's clock (NTP)",
    )
}

fn contracts(client: &Client, listed: &[String]) -> Finding {
    let wanted = client.config.sources.contains(&SourceKind::AlexelaCard);
    let hidden: Vec<&str> =
        client.config.contracts.iter().filter(|contract| !listed.contains(contract)).map(String::as_str).collect();
    if wanted && !hidden.is_empty() {
        return bad(
            "contracts",
            format!("not visible to this account: {}", hidden.join(", ")),
            "ask the vendor to open them to this account, or take them out of contracts",
        );
    }
    if wanted && listed.is_empty() {
        return bad("contracts", "none visible".to_owned(), "ask the vendor to open your contracts to this account");
    }
    let more = if listed.len() > NAMED { ", …" } else { "" };
    let names = listed[..listed.len().min(NAMED)].join(", ");
    good("contracts", format!("{} visible: {names}{more}", listed.len()))
}

/// Asks for one day: today, by the server's clock.
async fn enabled(client: &Client, kind: SourceKind) -> Finding {
    let today = client.link.present();
    let Some(day) = Window::new(today, today + TimeDelta::seconds(1)).map(calendar::whole_days) else {
        return bad(kind.as_str(), "no day to ask for".to_owned(), "set this machine's clock");
    };
    let operation = match kind {
        SourceKind::AlexelaBonus => Operation::BonuscardTransactions(day),
        SourceKind::AlexelaEv | SourceKind::AlexelaCard | SourceKind::HecOne => Operation::EvTransactions(day),
    };
    match client.ask(operation, count).await {
        Ok(rows) => good(kind.as_str(), format!("enabled; {rows} rows today")),
        Err(error @ SourceError::NotEnabled(..)) => {
            bad(kind.as_str(), error.to_string(), "ask the vendor to enable it, or take it out of sources")
        }
        Err(error) => bad(kind.as_str(), error.to_string(), "try again; if it stays, ask the vendor"),
    }
}

async fn count(body: Body) -> Result<Reply<u64>, HttpError> {
    let mut records = Records::of(body);
    while records.next().await?.is_some() {}
    let rest = records.finish()?;
    Ok(match unwrap_list(&rest)? {
        Reply::Given(()) => Reply::Given(rest.records),
        Reply::Denied(said) => Reply::Denied(said),
    })
}

fn good(what: &str, seen: String) -> Finding {
    Finding { what: what.to_owned(), ok: true, seen, todo: String::new() }
}

fn bad(what: &str, seen: String, todo: &str) -> Finding {
    Finding { what: what.to_owned(), ok: false, seen, todo: todo.to_owned() }
}
