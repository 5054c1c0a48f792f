//! The program itself, as a process: what a call of it takes.

use std::{process::Stdio, time::Duration};

use fuelsync::clock::{Clock as _, SystemClock};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike as _,
};
use serde_json::Value;
use tokio::process::Command;

use crate::{database::Database, vendor::Vendor};

/// What a call took.
#[derive(Debug, Clone)]
pub(crate) struct Took {
    pub(crate) wall: Duration,
    /// User and system time of the process.
    pub(crate) cpu: Duration,
    /// Peak memory, in KiB.
    pub(crate) peak: u64,
    /// Bytes of WAL that the server wrote meanwhile.
    pub(crate) wal: i64,
    pub(crate) requests: u64,
    /// From the start to the first request.
    pub(crate) until_first: Option<Duration>,
    /// The counts of all streams, added up.
    pub(crate) counts: Counts,
}

/// Of the summary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) windows: u64,
    pub(crate) fetched: u64,
    pub(crate) inserted: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
}

fn children() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the children's usage");
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros.unsigned_abs())
}

/// Runs `fuelsync sync` over a configuration to its end.
pub(crate) async fn sync(vendor: &Vendor, database: &Database, configuration: &str) -> Took {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("fuelsync.toml"), configuration).expect("a configuration");
    database.settle().await;
    // What was read less than a second ago is not due yet.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let _ = vendor.asked();
    let (wal, cpu, begun) = (database.wal().await, children(), SystemClock.monotonic());
    let child = Command::new(env!("CARGO_BIN_EXE_fuelsync"))
        .args(["sync", "--json"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program");
    let peak = tokio::spawn(peak(child.id().expect("it runs")));
    let output = child.wait_with_output().await.expect("its end");
    let (wall, cpu) = (begun.elapsed(), children().saturating_sub(cpu));
    let (requests, first) = vendor.asked();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).expect("a summary");
    let sum = |name: &str| -> u64 {
        summary["streams"].as_array().into_iter().flatten().filter_map(|stream| stream[name].as_u64()).sum()
    };
    let counts = Counts {
        windows: sum("windows"),
        fetched: sum("fetched"),
        inserted: sum("inserted"),
        updated: sum("updated"),
        unchanged: sum("unchanged"),
    };
    let until_first = first.map(|first| first.saturating_duration_since(begun));
    let wal = database.wal().await - wal;
    Took { wall, cpu, peak: peak.await.expect("a peak"), wal, requests, until_first, counts }
}

/// The high-water mark of a process, in KiB, looked at until it is gone.
async fn peak(id: u32) -> u64 {
    let mut peak = 0;
    while let Ok(status) = std::fs::read_to_string(format!("/proc/{id}/status")) {
        let Some(line) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) else { break };
        peak = line.trim().trim_end_matches(" kB").parse().unwrap_or(0).max(peak);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    peak
}
