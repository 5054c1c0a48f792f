//! The status page in a real browser: the daemon reads both vendors, a headless Chromium looks at it (`tests/page/`).
//!
//! Without a browser on the machine this says so, loudly, and checks nothing; `.ci/run` installs one.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::TimeDelta;
use fuelsync::{
    clock::{Clock, SystemClock},
    sandbox::{self, WorldOptions},
};
use nix::sys::signal::Signal;

use crate::support::{Fuelsync, TestDatabase, ends};

/// A browser to use when somebody knows better.
const GIVEN: &str = "FUELSYNC_CHROMIUM";
/// Where to keep pictures of the page, if anywhere.
const PICTURES: &str = "FUELSYNC_PAGE_PICTURES";

/// A program of the machine.
fn program(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    names.iter().find_map(|name| std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_fails_without_a_reload_in_a_real_browser() {
    let browser = std::env::var_os(GIVEN)
        .map(PathBuf::from)
        .or_else(|| program(&["chromium", "chromium-browser", "google-chrome"]));
    let (Some(browser), Some(python)) = (browser, program(&["python3"])) else {
        // Not through the test's own capture: nobody would see it.
        let _ = writeln!(
            std::io::stderr(),
            "\n*** NOT CHECKED: the status page in a browser. Install chromium and python3 \
             (`apt-get install --no-install-recommends chromium python3`), or set {GIVEN}. ***\n"
        );
        return;
    };

    let now = SystemClock.now();
    let start = now.date_naive().and_time(chrono::NaiveTime::MIN).and_utc() - TimeDelta::days(100);
    let world = WorldOptions { sales: 6_000, from: start, to: now, ..WorldOptions::default() };
    let options = sandbox::Options { world, clock: Arc::new(SystemClock), ..sandbox::Options::default() };
    let sandbox = sandbox::start(options).await.unwrap();
    let database = TestDatabase::new().await;
    let often = "schedule = \"*/2 * * * * *\"\nname = ";
    let configuration = sandbox::configuration(&sandbox, database.url(), start)
        .replace("name = ", often)
        .replace("[[hecone]]\n", "[[hecone]]\nwindow = \"24h\"\n");
    let daemon = Fuelsync::new(["run"]).config(&(configuration + "\n[http]\nmax_retries = 0\n"));
    let mut daemon = daemon.spawn();
    let said = daemon.says("fuelsync is running").await;
    let port = said.split("http://127.0.0.1:").nth(1).and_then(|rest| rest.split('/').next()).unwrap();
    let pool = database.pool().await;
    ends("all streams are read", async {
        let read =
            "SELECT count(*) FROM fuel.checkpoint WHERE last_outcome = 'ok' AND watermark > now() - interval '1 h'";
        while sqlx::query_scalar::<_, i64>(read).fetch_one(&pool).await.unwrap_or(0) < 6 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    })
    .await;

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/look.py");
    let mut arguments = vec![
        script.display().to_string(),
        "--url".to_owned(),
        format!("http://127.0.0.1:{port}"),
        "--chromium".to_owned(),
        browser.display().to_string(),
    ];
    if let Ok(folder) = std::env::var(PICTURES) {
        arguments.extend(["--pictures".to_owned(), folder]);
    }
    let call = Fuelsync::other(&python.display().to_string(), arguments);
    // Its modules stand in the repository, where it leaves nothing.
    let mut call = call.env("PYTHONDONTWRITEBYTECODE", "1");
    for name in ["FUELSYNC_AXE", "FUELSYNC_CI_CACHE", "XDG_CACHE_HOME", "PIP_INDEX_URL", "PIP_CONFIG_FILE"] {
        if let Ok(value) = std::env::var(name) {
            call = call.env(name, value);
        }
    }
    let mut look = call.spawn();
    look.says("loaded\n").await;
    sandbox.faults().status("EvTransactions", u64::MAX, 503, None);
    look.says("failing\n").await;
    sandbox.faults().clear();
    sqlx::query(
        "INSERT INTO fuel.gap (source, account, partition, gap_start, gap_end, reason) \
         SELECT source, account, partition, date_trunc('day', now()) - interval '130 days', \
             date_trunc('day', now()) - interval '116 days', 'older than the source serves' \
         FROM fuel.checkpoint WHERE source = 'alexela_card' ORDER BY partition LIMIT 1",
    )
    .execute(&pool)
    .await
    .unwrap();
    let looked = look.wait().await.ended_with(0);
    for line in looked.stdout.lines().filter(|line| line.starts_with("NOT CHECKED")) {
        let _ = writeln!(std::io::stderr(), "\n*** {line} ***\n");
    }
    daemon.signal(Signal::SIGTERM);
    daemon.wait().await.ended_with(0);
}
