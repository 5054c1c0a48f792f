//! The real binary: with arguments, a configuration, an environment of its own, and an end.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
    task::JoinHandle,
};

/// A hang is a failure; no test is judged by how fast it is.
const LIMIT: Duration = Duration::from_mins(5);

/// One call of `fuelsync`, in a folder of its own.
#[derive(Debug)]
pub(crate) struct Fuelsync {
    program: String,
    args: Vec<String>,
    envs: Vec<(String, String)>,
    dir: Arc<TempDir>,
}

/// What a call left.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit code; none when a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it answered.
    pub(crate) stdout: String,
    /// What it said.
    pub(crate) stderr: String,
}

/// A call that is still running; killed when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stdout: Captured,
    stderr: Captured,
    _dir: Arc<TempDir>,
}

impl Fuelsync {
    /// `fuelsync ARGS…`, in an empty folder and with an environment of only `PATH`, `HOME` and `TMPDIR`.
    pub(crate) fn new<S: Into<String>>(args: impl IntoIterator<Item = S>) -> Self {
        Self::other(env!("CARGO_BIN_EXE_fuelsync"), args)
    }

    /// Another program, run in the same way (`faketime`, a shell).
    pub(crate) fn other<S: Into<String>>(program: &str, args: impl IntoIterator<Item = S>) -> Self {
        let dir = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let kept = ["PATH", "HOME", "TMPDIR"].into_iter();
        let envs = kept.filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?))).collect();
        Self { program: program.to_owned(), args: args.into_iter().map(Into::into).collect(), envs, dir }
    }

    /// Another call in the same folder, with the same environment.
    pub(crate) fn again<S: Into<String>>(&self, args: impl IntoIterator<Item = S>) -> Self {
        Self {
            program: self.program.clone(),
            args: args.into_iter().map(Into::into).collect(),
            envs: self.envs.clone(),
            dir: Arc::clone(&self.dir),
        }
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.envs.push((name.to_owned(), value.into()));
        self
    }

    /// Writes `fuelsync.toml`, where the program looks first.
    pub(crate) fn config(self, text: &str) -> Self {
        self.file("fuelsync.toml", text)
    }

    /// Writes a file beside it.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.path(name), text).expect("a file in the temporary folder");
        self
    }

    /// A path in the call's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        Path::new(self.dir.path()).join(name)
    }

    /// Runs to its end.
    pub(crate) async fn run(&self) -> Ran {
        self.spawn().wait().await
    }

    /// Starts it.
    pub(crate) fn spawn(&self) -> Running {
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .env_clear()
            .envs(self.envs.iter().map(|(name, value)| (name, value)))
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", self.program));
        let stdout = Captured::of(child.stdout.take().expect("piped"));
        let stderr = Captured::of(child.stderr.take().expect("piped"));
        Running { child, stdout, stderr, _dir: Arc::clone(&self.dir) }
    }
}

impl Running {
    /// Its arguments, as every user of the machine can see them.
    pub(crate) fn arguments(&self) -> Vec<u8> {
        self.child.id().and_then(|pid| std::fs::read(format!("/proc/{pid}/cmdline")).ok()).unwrap_or_default()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.id().expect("it still runs");
        kill(Pid::from_raw(pid.cast_signed()), signal).expect("a signal to our own child");
    }

    /// Its process id, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until what it wrote so far, on either stream, holds `text`, and gives all of it.
    pub(crate) async fn says(&mut self, text: &str) -> String {
        let said = async {
            loop {
                let written = self.stdout.text() + &self.stderr.text();
                if written.contains(text) {
                    return Some(written);
                }
                if self.child.try_wait().expect("a child").is_some() {
                    // What was written last may not have been read yet.
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    let written = self.stdout.text() + &self.stderr.text();
                    return written.contains(text).then_some(written);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(LIMIT, said).await {
            Ok(Some(written)) => written,
            Ok(None) | Err(_) => {
                panic!("it never said {text:?}\n--- stdout\n{}\n--- stderr\n{}", self.stdout.text(), self.stderr.text())
            }
        }
    }

    /// Waits for its end.
    pub(crate) async fn wait(mut self) -> Ran {
        let Ok(status) = tokio::time::timeout(LIMIT, self.child.wait()).await else {
            panic!("no end within {LIMIT:?}\n--- stdout\n{}\n--- stderr\n{}", self.stdout.text(), self.stderr.text());
        };
        let (stdout, stderr) = (self.stdout.end().await, self.stderr.end().await);
        Ran { code: status.expect("a child").code(), stdout, stderr }
    }
}

impl Ran {
    /// Fails, showing all that was written, unless it ended with this code.
    #[track_caller]
    pub(crate) fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// The one JSON document on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.stdout, self.stderr))
    }
}

/// A stream of the child, read while it runs: a full pipe would stop it.
#[derive(Debug)]
struct Captured {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Captured {
    fn of(mut stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&bytes);
        let reader = tokio::spawn(async move {
            let mut buffer = vec![0; 8192];
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                into.lock().expect("not poisoned").extend_from_slice(&buffer[..read]);
            }
        });
        Self { bytes, reader }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("not poisoned")).into_owned()
    }

    /// All of it. A grandchild that keeps the pipe open does not keep us.
    async fn end(mut self) -> String {
        let _ = tokio::time::timeout(Duration::from_secs(10), &mut self.reader).await;
        self.text()
    }
}
