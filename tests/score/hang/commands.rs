//! Each command as a whole, held up by a vendor or by the database.

use std::time::Duration;

use fuelsync::{failpoint::planted_now, sandbox};

use super::{
    Case, SECOND, Yard,
    vendor::{Dripping, Manner},
};
use crate::{
    now,
    support::{Fuelsync, dbproxy::DbProxy, fleet},
};

/// The yard's configuration as a file, with small limits.
fn text(yard: &Yard, database: &str, vendor: Option<&str>) -> String {
    let sandbox = &yard.fleet.sandbox;
    let text = sandbox::configuration(sandbox, database, fleet::start())
        .replace("migrate = true", "connect_timeout = \"1s\"\nstatement_timeout = \"1s\"\nlock_timeout = \"1s\"");
    let text = match vendor {
        Some(url) => text.replace(&sandbox.hecone_url(), url).replace(&sandbox.alexela_url(), url),
        None => text,
    };
    let limits = "[http]\nconnect_timeout = \"1s\"\nrequest_timeout = \"1s\"\nmax_retries = 0\n\
                  [sync]\nwindow_timeout = \"2s\"\npass_timeout = \"3s\"\n";
    format!("{text}\n{limits}")
}

fn command<K: 'static>(name: String, limit: Duration, kept: K, args: &[&str], text: &str) -> Case {
    let mut call = Fuelsync::new(args.iter().copied()).config(text);
    if let Some(bug) = planted_now() {
        call = call.env("FUELSYNC_PLANT", bug);
    }
    Case::new(name, limit, kept, async move {
        let ran = call.run().await;
        if ran.code == Some(0) { Ok(()) } else { Err(ran.stderr) }
    })
}

pub(super) async fn cases(yard: &Yard) -> Vec<Case> {
    let begun = now();
    Fuelsync::new(["--version"]).run().await;
    // What a process needs to begin and to end is no waiting for anybody.
    let start = begun.elapsed();
    let mut cases = Vec::new();
    // Requests that follow each other each have their time.
    for (args, requests) in [
        (&["check"][..], 1),
        (&["preview", "--source", "alexela_card"], 1),
        (&["preview", "--source", "hecone"], 1),
        // The list of contracts; then the others at the same time.
        (&["sync"], 2),
        // The list of contracts; then one stream after the other.
        (&["backfill", "--from", "2026-09-20"], 4),
    ] {
        let server = Dripping::new(Manner::DripsBody).await;
        let text = text(yard, yard.fleet.database.url(), Some(&server.url));
        let name = format!("fuelsync {}, a vendor drips", args.join(" "));
        cases.push(command(name, SECOND * requests + start, server, args, &text));
    }
    for args in [
        &["check"][..],
        &["status"],
        &["sync"],
        &["backfill", "--from", "2026-09-20"],
        &["migrate"],
        &["migrate", "--check"],
        &["run"],
        &["quarantine", "list"],
        &["quarantine", "replay"],
        &["preview", "--source", "hecone"],
    ] {
        let proxy = DbProxy::new(yard.fleet.database.url()).await;
        proxy.freeze();
        let text = text(yard, proxy.url(), None);
        let name = format!("fuelsync {}, the database does not answer", args.join(" "));
        cases.push(command(name, SECOND + start, proxy, args, &text));
    }
    cases
}
