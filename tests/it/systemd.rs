//! The daemon as systemd meets it: started by the unit's own line, with a socket on which it says how it is.

use std::{
    collections::VecDeque,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    },
    path::Path,
    time::Duration,
};

use chrono::{NaiveTime, TimeDelta};
use fuelsync::{
    clock::{Clock, SystemClock},
    sandbox::{self, Sandbox, WorldOptions},
};
use nix::sys::signal::Signal;

use crate::support::{Fuelsync, TestDatabase, ends, get};

const UNIT: &str = include_str!("../../deploy/systemd/fuelsync.service");

/// The values of a setting of the unit.
fn settings(name: &str) -> Vec<&'static str> {
    UNIT.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).collect()
}

/// The socket at which a manager is told.
struct Manager {
    socket: tokio::net::UnixDatagram,
    /// What was said and not yet looked at, one state each.
    said: VecDeque<String>,
}

impl Manager {
    fn of(socket: UnixDatagram) -> Self {
        socket.set_nonblocking(true).unwrap();
        Self { socket: tokio::net::UnixDatagram::from_std(socket).unwrap(), said: VecDeque::new() }
    }

    fn at(path: &Path) -> Self {
        Self::of(UnixDatagram::bind(path).unwrap())
    }

    fn named(name: &str) -> Self {
        Self::of(UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap())
    }

    /// The next state.
    async fn next(&mut self) -> String {
        while self.said.is_empty() {
            let mut buffer = [0; 4_096];
            let length = self.socket.recv(&mut buffer).await.unwrap();
            let text = std::str::from_utf8(&buffer[..length]).unwrap();
            assert!(text.ends_with('\n'), "{text:?}");
            self.said.extend(text.lines().map(str::to_owned));
        }
        self.said.pop_front().unwrap()
    }

    /// The next state that begins so; whatever comes before it.
    async fn hears(&mut self, state: &str) -> String {
        ends(state, async {
            loop {
                let said = self.next().await;
                if said.starts_with(state) {
                    return said;
                }
            }
        })
        .await
    }

    /// What is said in so much time.
    async fn listens(&mut self, lasting: Duration) -> Vec<String> {
        let mut heard = Vec::new();
        let listening = async {
            loop {
                heard.push(self.next().await);
            }
        };
        let _ = tokio::time::timeout(lasting, listening).await;
        heard
    }
}

struct Place {
    database: TestDatabase,
    sandbox: Sandbox,
}

impl Place {
    async fn new() -> Self {
        let midnight = SystemClock.now().date_naive().and_time(NaiveTime::MIN).and_utc();
        let world =
            WorldOptions { sales: 300, from: midnight - TimeDelta::days(5), to: midnight, ..WorldOptions::default() };
        let options = sandbox::Options { world, ..sandbox::Options::default() };
        Self { database: TestDatabase::new().await, sandbox: sandbox::start(options).await.unwrap() }
    }

    /// What the unit starts, in a folder that holds its credentials as systemd would lay them there: the configuration,
    /// and beside it the secrets, which it names by their file alone.
    fn service(&self, changed: impl FnOnce(String) -> String) -> Fuelsync {
        let start = self.sandbox.options().world.from;
        let text = sandbox::configuration(&self.sandbox, self.database.url(), start);
        let psk = text.lines().find(|line| line.starts_with("psk")).unwrap().to_owned();
        let secret = psk.split('"').nth(1).unwrap().to_owned();
        let text = changed(text.replace(&psk, "psk_file = \"alexela\""));

        let [line] = settings("ExecStart")[..] else { panic!("one ExecStart") };
        let folder = Fuelsync::new(Vec::<String>::new());
        let named = "fuelsync.toml";
        assert!(settings("LoadCredential").iter().any(|loaded| loaded.split(':').next() == Some(named)));
        std::fs::create_dir(folder.path("credentials")).unwrap();
        for (name, text) in [(named, &text), ("alexela", &secret)] {
            std::fs::write(folder.path("credentials").join(name), text).unwrap();
        }
        let credentials = folder.path("credentials").display().to_string();
        let mut words = line.split(' ').map(|word| word.replace("${CREDENTIALS_DIRECTORY}", &credentials));
        let program = words.next().unwrap();
        assert_eq!(Path::new(&program).file_name().unwrap(), "fuelsync");
        let arguments: Vec<String> = words.collect();
        assert!(!arguments.iter().any(|word| word.contains('$')), "{arguments:?}");
        folder.again(arguments).env("CREDENTIALS_DIRECTORY", credentials)
    }
}

/// A watchdog's period, short enough to be waited for; the unit's own must leave room for it.
const WATCHDOG: Duration = Duration::from_millis(600);

fn watched(call: Fuelsync, socket: &str) -> Fuelsync {
    call.env("NOTIFY_SOCKET", socket).env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_units_line_starts_what_says_that_it_is_ready_works_and_stops() {
    assert_eq!((settings("Type"), settings("NotifyAccess")), (vec!["notify"], vec!["main"]));
    assert!(settings("WatchdogSec")[0].parse::<u64>().unwrap() >= 30);
    let place = Place::new().await;
    let folder = tempfile::tempdir().unwrap();
    let (path, name) = (folder.path().join("notify"), format!("fuelsync-it-{}", uuid::Uuid::new_v4()));
    let sockets = [(Manager::at(&path), path.display().to_string()), (Manager::named(&name), format!("@{name}"))];
    for (mut manager, socket) in sockets {
        let running = watched(place.service(|text| text), &socket).spawn();
        manager.hears("READY=1").await;
        let status = manager.hears("STATUS=").await;
        let page = status.split("http://").nth(1).and_then(|rest| rest.split('/').next()).expect("the page");
        assert!(get(page, "/healthz").await.starts_with("HTTP/1.1 200"), "what is ready answers");
        for _ in 0..4 {
            manager.hears("WATCHDOG=1").await;
        }
        running.signal(Signal::SIGTERM);
        manager.hears("STOPPING=1").await;
        running.wait().await.ended_with(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_nothing_ends_takes_the_watchdog_its_food() {
    let place = Place::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let mut manager = Manager::at(&path);
    let shortly = |text: String| {
        text.replace("[database]\n", "[database]\nstatement_timeout = \"4s\"\n") + "\n[sync]\npass_timeout = \"1s\"\n"
    };
    let call = watched(place.service(shortly), path.to_str().unwrap()).env("FUELSYNC_PLANT", "StuckPass");
    let mut running = call.spawn();
    let status = manager.hears("STATUS=").await;
    let page = status.split("http://").nth(1).and_then(|rest| rest.split('/').next()).expect("the page");
    manager.hears("WATCHDOG=1").await;
    assert!(get(page, "/healthz").await.starts_with("HTTP/1.1 200"), "it is not late yet");

    let why = manager.hears("STATUS=no progress").await;
    assert!(why.contains("the pass of ") && why.contains("should have been over"), "{why}");
    let after = manager.listens(WATCHDOG * 5).await;
    assert!(after.is_empty(), "the scheduler ticks, and yet nothing is said: {after:?}");
    assert!(get(page, "/healthz").await.starts_with("HTTP/1.1 503"));
    running.says("the watchdog is not fed").await;
    running.signal(Signal::SIGTERM);
    manager.hears("STOPPING=1").await;
    running.wait().await.ended_with(0);
}

/// What a call leaves in a pipe that is its standard error and that, unless `other`, is named to it as the journal's.
async fn in_the_journal(args: &[&str], other: bool) -> (String, Option<i32>) {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let it = nix::sys::stat::fstat(&writer).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_fuelsync"))
        .args(args)
        .env_clear()
        .env("JOURNAL_STREAM", format!("{}:{}", it.st_dev, it.st_ino + u64::from(other)))
        .current_dir(folder.path())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(writer)
        .spawn()
        .unwrap();
    let read = tokio::task::spawn_blocking(move || std::io::read_to_string(&mut reader).unwrap());
    let said = ends("its standard error", read).await.unwrap();
    (said, child.wait().unwrap().code())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_gets_priorities_and_who_is_not_the_journal_none() {
    let place = Place::new().await;
    let start = place.sandbox.options().world.from;
    let text = sandbox::configuration(&place.sandbox, place.database.url(), start);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("there.toml");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();

    let (said, code) = in_the_journal(&["sync", "--config", file, "-v"], false).await;
    assert_eq!(code, Some(0), "{said}");
    let mut levels = std::collections::BTreeSet::new();
    for line in said.lines() {
        let (priority, object) = line.split_at(3);
        let object: serde_json::Value = serde_json::from_str(object).unwrap_or_else(|error| panic!("{error}: {line}"));
        let level = object["level"].as_str().unwrap().to_owned();
        let expected = match level.as_str() {
            "ERROR" => "<3>",
            "WARN" => "<4>",
            "INFO" => "<6>",
            _ => "<7>",
        };
        assert_eq!(priority, expected, "{line}");
        levels.insert(level);
    }
    assert!(levels.contains("DEBUG"), "{levels:?}");

    let nowhere = ["sync", "--config", "nowhere.toml"];
    let (said, code) = in_the_journal(&nowhere, false).await;
    assert!(code == Some(2) && said.lines().all(|line| line.starts_with("<3>")), "{said}");
    let (said, code) = in_the_journal(&nowhere, true).await;
    assert!(code == Some(2) && said.starts_with("error: "), "{said}");
    let asked = [nowhere.as_slice(), &["--log-format", "journal"]].concat();
    let (said, _) = in_the_journal(&asked, true).await;
    assert!(said.starts_with("<3>error: "), "{said}");
}
