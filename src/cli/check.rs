//! `check`: configuration, database, credentials, clocks: one line a check, and what to do about each failure.

use futures_util::future;
use serde::Serialize;

use super::{Exit, Failure, Global, args::CheckArgs, output, start, table};
use crate::{
    app::{App, AppError},
    privacy::Guard,
    source::Finding,
    warehouse::{
        Warehouse, WarehouseError,
        grants::{Right, Rights},
    },
};

/// One check.
#[derive(Debug, Serialize)]
struct Line {
    check: String,
    ok: bool,
    /// Nothing fails by it, and it should be put right all the same.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    warning: bool,
    seen: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    todo: String,
}

#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    checks: Vec<Line>,
}

impl Line {
    fn good(check: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { check: check.into(), ok: true, warning: false, seen: seen.into(), todo: String::new() }
    }

    fn bad(check: impl Into<String>, seen: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { check: check.into(), ok: false, warning: false, seen: seen.into(), todo: todo.into() }
    }

    fn warn(check: impl Into<String>, seen: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { check: check.into(), ok: true, warning: true, seen: seen.into(), todo: todo.into() }
    }

    fn of(account: &str, finding: Finding) -> Self {
        let check = format!("{account}: {}", finding.what);
        Self { check, ok: finding.ok, warning: false, seen: finding.seen, todo: finding.todo }
    }
}

pub(super) async fn run(args: CheckArgs, global: &Global) -> Result<Exit, Failure> {
    let config = global.load_with_accounts()?;
    args.select.check(&config)?;
    let app = start::app(config)?;
    let mut checks = vec![Line::good("configuration", "every key is known and usable")];
    checks.extend(key_of_hash(&app));
    checks.extend(proxy_in_environment(&app));
    let accounts = app.accounts(|kind, account| args.select.matches(kind, account));
    let examined = future::join_all(accounts.iter().map(async |account| {
        let kind = account.kinds.first().map_or("account", |kind| kind.as_str()).split('_').next().unwrap_or("account");
        let name = format!("{kind}/{}", account.source.account());
        account.source.examine().await.into_iter().map(|finding| Line::of(&name, finding)).collect::<Vec<_>>()
    }));
    let (database, examined) = future::join(database(&app), examined).await;
    checks.extend(database);
    checks.extend(examined.into_iter().flatten());
    let ok = checks.iter().all(|line| line.ok);
    let report = Report { ok, checks };
    if global.json {
        output::json(&report)?;
    } else {
        output::line(&text(&report))?;
    }
    Ok(if ok { Exit::Done } else { Exit::Found })
}

fn text(report: &Report) -> String {
    let mut table = table::plain();
    for line in &report.checks {
        let how = match (line.ok, line.warning) {
            (false, _) => "FAIL",
            (true, true) => "WARN",
            (true, false) => "ok",
        };
        table.add_row([how, &line.check, &line.seen]);
        if !line.todo.is_empty() {
            table.add_row(["", "", &format!("→ {}", line.todo)]);
        }
    }
    let failed = report.checks.iter().filter(|line| !line.ok).count();
    let warned = report.checks.iter().filter(|line| line.warning).count();
    let closing = if failed == 0 {
        "All is well.".to_owned()
    } else {
        format!("{failed} of {} checks failed.", report.checks.len())
    };
    let warnings = match warned {
        0 => String::new(),
        1 => " 1 warning.".to_owned(),
        _ => format!(" {warned} warnings."),
    };
    format!("{table}\n{closing}{warnings}")
}

/// By which key values are hashed: the id stands before each hash.
fn key_of_hash(app: &App) -> Option<Line> {
    let guard = Guard::new(&app.config.privacy);
    guard.hash_key().map(|key| Line::good("privacy", format!("the key of hash has the id {}", key.id())))
}

/// The environment's proxy is not used; who set one may expect otherwise.
fn proxy_in_environment(app: &App) -> Option<Line> {
    let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"];
    let set = names.into_iter().find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))?;
    Some(if app.config.http.proxy.is_some() {
        Line::good("proxy", format!("http.proxy is used; {set} in the environment is not"))
    } else {
        Line::good(
            "proxy",
            format!("none is used: {set} in the environment counts only as http.proxy in the configuration"),
        )
    })
}

async fn database(app: &App) -> Vec<Line> {
    let warehouse = match app.warehouse() {
        Ok(warehouse) => warehouse,
        Err(error @ (AppError::Embedded | AppError::Warehouse(_) | AppError::Transport(_))) => {
            return vec![Line::bad("database", error.to_string(), "correct database.url")];
        }
    };
    let mut lines = Vec::new();
    match warehouse.server().await {
        Ok((version, number, role)) if number >= 140_000 => {
            lines.push(Line::good("database", format!("PostgreSQL {version}, as {role}")));
        }
        Ok((version, ..)) => {
            lines.push(Line::bad("database", format!("PostgreSQL {version}"), "use PostgreSQL 14 or later"));
        }
        Err(error) => {
            let todo = "see that the server runs, that it is reachable from here, and that database.url, role and password are right";
            lines.push(Line::bad("database", error.to_string(), todo));
            return lines;
        }
    }
    lines.extend(tables(&warehouse, app.config.database.migrate).await);
    warehouse.close().await;
    lines
}

async fn tables(warehouse: &Warehouse, migrates: bool) -> Vec<Line> {
    match warehouse.require_current().await {
        Ok(()) => {}
        Err(error @ WarehouseError::Migrations(_)) => {
            return vec![Line::bad(
                "migrations",
                error.to_string(),
                "run `fuelsync migrate` as a role that may create the schema fuel",
            )];
        }
        Err(error @ (WarehouseError::Refused(_) | WarehouseError::Forbidden(_) | WarehouseError::Database { .. })) => {
            let missing = warehouse.rights(migrates).await.unwrap_or_default().missing;
            if !missing.is_empty() {
                return missing.into_iter().map(lacks).collect();
            }
            let todo =
                "GRANT USAGE ON SCHEMA fuel and SELECT ON fuel._migration to the role (deploy/postgres/role.sql)";
            return vec![Line::bad("permissions", error.to_string(), todo)];
        }
        Err(error) => return vec![Line::bad("migrations", error.to_string(), "see the database's log")],
    }
    let mut lines = vec![Line::good("migrations", "all applied")];
    match warehouse.rights(migrates).await {
        Ok(Rights { missing, surplus }) => {
            if missing.is_empty() {
                let more = if surplus.is_empty() { ", and no more" } else { "" };
                lines.push(Line::good("permissions", format!("the role may do what the daemon does{more}")));
            }
            lines.extend(missing.into_iter().map(lacks));
            lines.extend(surplus.into_iter().map(|right| Line::warn("permissions", right.said, right.mend)));
        }
        Err(error) => {
            lines.push(Line::bad("permissions", error.to_string(), "grant USAGE on the schema fuel to the role"));
        }
    }
    lines
}

fn lacks(right: Right) -> Line {
    Line::bad("permissions", format!("missing: {}", right.said), right.mend)
}
