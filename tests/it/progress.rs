//! Progress bars: on a terminal, and nowhere else.

use std::{
    fs::File,
    io::Read as _,
    process::{Command, Stdio},
};

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use fuelsync::{
    clock::{Clock, SystemClock},
    sandbox::{self, Sandbox, WorldOptions},
};
use nix::pty::{Winsize, openpty};

use crate::support::{Fuelsync, TestDatabase, ends};

/// What a call writes to a terminal of 80 columns that is its standard error.
async fn on_a_terminal(args: &[&str], folder: &std::path::Path) -> String {
    let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    let pair = openpty(Some(&size), None).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_fuelsync"))
        .args(args)
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(pair.slave)
        .spawn()
        .unwrap();
    let mut terminal = File::from(pair.master);
    let reading = tokio::task::spawn_blocking(move || {
        let (mut said, mut buffer) = (Vec::new(), [0; 4_096]);
        // A terminal whose last writer has gone is an error to read.
        while let Ok(read @ 1..) = terminal.read(&mut buffer) {
            said.extend_from_slice(&buffer[..read]);
        }
        String::from_utf8_lossy(&said).into_owned()
    });
    let said = ends("what it writes to its terminal", reading).await.unwrap();
    let status = child.wait().unwrap();
    // 6: the vendors go on selling while it is verified.
    assert!(matches!(status.code(), Some(0 | 6)), "{args:?}: {status}\n{said}");
    said
}

/// What the bar says of the rest.
fn drawn(said: &str) -> bool {
    said.contains(" windows, ") && said.contains(" rows, ") && said.contains(" rows/s, ") && said.contains(" left")
}

struct Place {
    database: TestDatabase,
    sandbox: Sandbox,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
}

impl Place {
    async fn new() -> Self {
        let end = SystemClock.now().date_naive().and_time(NaiveTime::MIN).and_utc();
        let start = end - TimeDelta::days(5);
        let world = WorldOptions { sales: 500, from: start, to: end, ..WorldOptions::default() };
        let options = sandbox::Options { world, ..sandbox::Options::default() };
        Self { database: TestDatabase::new().await, sandbox: sandbox::start(options).await.unwrap(), start, end }
    }

    /// Few requests a second, so that there is something to look at.
    fn configuration(&self) -> String {
        sandbox::configuration(&self.sandbox, self.database.url(), self.start)
            .replace("requests_per_second = 1000", "requests_per_second = 10")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reads_windows_shows_how_far_it_is_on_a_terminal_alone() {
    let place = Place::new().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("fuelsync.toml"), place.configuration()).unwrap();
    let (from, to) = (place.start.to_rfc3339(), place.end.to_rfc3339());
    for args in [
        ["sync"].as_slice(),
        &["backfill", "--from", &from, "--to", &to, "--again"],
        &["verify", "--from", &from, "--to", &to],
    ] {
        let said = on_a_terminal(args, folder.path()).await;
        assert!(drawn(&said), "{args:?}: {said:?}");
        let piped = Fuelsync::new(args.iter().copied()).config(&place.configuration()).run().await;
        assert!(matches!(piped.code, Some(0 | 6)), "{args:?}: {}", piped.stderr);
        assert!(!piped.stderr.contains("rows/s") && !piped.stdout.contains("rows/s"), "{}", piped.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demonstration_shows_how_far_it_is_too() {
    let folder = tempfile::tempdir().unwrap();
    let said = on_a_terminal(&["demo", "--once"], folder.path()).await;
    assert!(drawn(&said), "{said:?}");
}
