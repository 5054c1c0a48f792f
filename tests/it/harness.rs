//! What the other tests stand on.

use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use fuelsync::embedded::{Embedded, EmbeddedOptions};
use nix::sys::signal::Signal;
use sqlx::{Connection, PgConnection};

use crate::support::{Fuelsync, TestDatabase};

#[tokio::test]
async fn each_test_has_a_database_of_its_own_that_goes_away() {
    let (one, two) = tokio::join!(TestDatabase::new(), TestDatabase::new());
    assert_ne!(one.name(), two.name());
    let mut in_one = one.connect().await;
    sqlx::query("CREATE TABLE only_here ()").execute(&mut in_one).await.unwrap();
    let exists: bool =
        sqlx::query_scalar("SELECT to_regclass('only_here') IS NOT NULL").fetch_one(&two.pool().await).await.unwrap();
    assert!(!exists);

    let (url, name) = (two.url().replace(two.name(), one.name()), one.name().to_owned());
    drop(one);
    assert!(PgConnection::connect(&url).await.is_err(), "{name} is gone, with a connection still open to it");
}

#[tokio::test]
async fn the_binary_runs_in_a_folder_and_an_environment_of_its_own() {
    let call = Fuelsync::new(["--version"]).file("beside", "it");
    assert_eq!(std::fs::read_to_string(call.path("beside")).unwrap(), "it");
    call.run().await.ended_with(0);
}

#[tokio::test]
async fn a_call_is_watched_while_it_runs_and_keeps_all_that_it_wrote() {
    let script = r#"trap 'echo "{\"config\": \"$(cat fuelsync.toml)\", \"canary\": \"$CANARY\"}"; exit 143' TERM
        echo ready >&2; while :; do sleep 0.05; done"#;
    let call = Fuelsync::other("/bin/sh", ["-c", script]).config("a").env("CANARY", "b");
    let mut running = call.spawn();
    running.says("ready").await;
    assert!(running.arguments().starts_with(b"/bin/sh\0-c"));
    running.signal(Signal::SIGTERM);
    let ran = running.wait().await.ended_with(143);
    assert_eq!(ran.json(), serde_json::json!({"config": "a", "canary": "b"}));
    assert_eq!(ran.stderr, "ready\n");

    let again = call.again(["-c", "cat fuelsync.toml; echo $CANARY"]).run().await.ended_with(0);
    assert_eq!(again.stdout, "ab\n");
}

/// In its second role this test is the process that is killed.
#[tokio::test]
async fn a_killed_process_leaves_no_server_and_no_folder() {
    const HOLD: &str = "FUELSYNC_TEST_HOLD_A_SERVER";
    if std::env::var_os(HOLD).is_some() {
        let server = Embedded::start(EmbeddedOptions::default()).await.unwrap();
        writeln!(std::io::stderr(), "HELD {}", server.home().display()).unwrap();
        std::future::pending::<()>().await;
    }

    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "harness::a_killed_process_leaves_no_server_and_no_folder", "--nocapture"])
        .env(HOLD, "1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let held = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("HELD ").map(PathBuf::from))
        .expect("the child starts a server");
    let pid_file = std::fs::read_to_string(held.join("server/data/postmaster.pid")).unwrap();
    let server = pid_file.lines().next().unwrap().to_owned();
    assert!(runs(&server));

    // SIGKILL: no code of the process runs after it.
    child.kill().unwrap();
    child.wait().unwrap();

    let ended = async {
        while held.exists() || runs(&server) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), ended).await.expect("the server ends and its folder goes away");
}

/// Whether the process runs; one that has ended and that nobody has asked about does not.
fn runs(pid: &str) -> bool {
    let shown = Command::new("ps").args(["-o", "stat=", "-p", pid]).output();
    let ended = |stat: &str| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'));
    match shown {
        Ok(shown) => !matches!(String::from_utf8_lossy(&shown.stdout).trim().chars().next(), None | Some('Z')),
        // No `ps` on a bare machine.
        Err(_) => std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !ended(&stat)),
    }
}
