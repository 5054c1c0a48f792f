//! `bomb`: answers made to exhaust the reader's memory, for both vendors, read by the real binary.
//!
//! Each body is made while it is sent, by a server of the figure's own. The peak is the process's own high-water mark.
//! It must end by itself, and of what was cut off or refused nothing may have been written.

mod bodies;
mod server;

use std::time::Duration;

use fuelsync::failpoint::planted_now;

use self::bodies::{Body, Ends};
use crate::{
    Measured, Run, now,
    support::{Fuelsync, TestDatabase},
};

/// The goal.
const PEAK: u64 = 128 * 1024;
/// At this size all bodies are sent; below it those that show the most in the least time.
const FULL: u64 = 256;
/// The program's own limit for a window, and what start, end and a busy machine may add.
const WINDOW: u64 = 100;
const LONGEST: Duration = Duration::from_secs(280);

/// Has the program read every body of `size` MiB.
pub(crate) async fn measure(run: Run) -> Measured {
    let mut measured = Measured::default();
    let bodies = Body::ALL.iter().filter(|body| run.size >= FULL || body.is_quick());
    let (mut most, mut sent) = ((0, ""), 0);
    for body in bodies {
        let (peak, faults) = one(*body, run).await;
        sent += 1;
        measured.note(body.name(), peak / 1024);
        most = most.max((peak, body.name()));
        measured.goal(peak <= PEAK, || format!("{}: {} MiB at its peak", body.name(), peak / 1024));
        for fault in faults {
            measured.fault(format!("{}: {fault}", body.name()));
        }
    }
    measured.note("bodies", sent).note("largest_mib", most.0 / 1024).note("largest", most.1);
    measured
}

/// One body: the peak in KiB, and what went wrong.
async fn one(body: Body, run: Run) -> (u64, Vec<String>) {
    let server = server::serve(body, run).await;
    let database = TestDatabase::new().await;
    let text = server.configuration(body, database.url(), WINDOW);
    let mut call = Fuelsync::new(["sync", "--json"]).config(&text);
    if let Some(bug) = planted_now() {
        call = call.env("FUELSYNC_PLANT", bug);
    }
    let running = call.spawn();
    let id = running.id().expect("it runs");
    let peak = tokio::spawn(peak(id));
    let begun = now();
    let Ok(ran) = tokio::time::timeout(LONGEST, running.wait()).await else {
        return (peak.await.expect("a peak"), vec![format!("no end within {LONGEST:?}")]);
    };
    let peak = peak.await.expect("a peak");
    let mut faults = Vec::new();
    let pool = database.pool().await;
    let count = |table: &str| {
        let sql = format!("SELECT count(*) FROM fuel.{table}");
        let pool = pool.clone();
        async move { sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(sql)).fetch_one(&pool).await.expect("a count") }
    };
    let there = (count("transaction").await, count("quarantine").await);
    let (code, rows, quarantined) = match body.ends() {
        Ends::Refused => (Some(3), 0, 0),
        Ends::Loaded { rows, quarantined } => (Some(0), rows, quarantined),
    };
    if ran.code != code {
        faults.push(format!("ended with {:?}, not {code:?}: {}", ran.code, tail(&ran.stderr)));
    }
    if there != (rows, quarantined) {
        faults.push(format!("{there:?} rows and quarantined records there, not {:?}", (rows, quarantined)));
    }
    if std::env::var_os("BOMB_SHOWN").is_some() {
        eprintln!("{} {} MiB, {:?}, {there:?}, {}", body.name(), peak / 1024, begun.elapsed(), tail(&ran.stderr));
    }
    (peak, faults)
}

fn tail(text: &str) -> &str {
    &text[text.floor_char_boundary(text.len().saturating_sub(600))..]
}

/// The high-water mark of a process, in KiB, looked at until it is gone.
async fn peak(id: u32) -> u64 {
    let mut peak = 0;
    while let Ok(status) = std::fs::read_to_string(format!("/proc/{id}/status")) {
        let Some(line) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) else { break };
        peak = line.trim().trim_end_matches(" kB").parse().unwrap_or(0).max(peak);
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    peak
}
