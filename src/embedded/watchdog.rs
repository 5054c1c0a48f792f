//! A shell that ends the server when whoever started it is gone, however it went.
//!
//! It waits on a pipe whose other end only this process holds. A line on it means that all is done; its end without
//! one means that the process died (a signal that cannot be caught, an abort, a test that exits with its statics still
//! alive): then it stops the server and removes a temporary folder. It stands in a process group of its own, so that a
//! Ctrl-C at the terminal does not reach it. What it cannot survive is being killed itself together with the process and
//! not with the server; a control group or container that ends takes all three.

use std::{
    io::Write,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

use super::error::EmbeddedError;

/// `$1` the data folder, `$2` what to remove afterwards, or empty.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
if read -r word && [ "$word" = done ]; then exit 0; fi
server() { head -n 1 "$1/postmaster.pid" 2>/dev/null; }
tries=0
until pid=$(server "$1"); [ -n "$pid" ] || [ $tries -ge 20 ]; do tries=$((tries + 1)); sleep 0.1; done
case $pid in
  ''|*[!0-9]*) ;;
  *)
    kill -INT "$pid" 2>/dev/null
    tries=0
    while [ -e "$1/postmaster.pid" ] && kill -0 "$pid" 2>/dev/null && [ $tries -lt 100 ]; do
      tries=$((tries + 1)); sleep 0.1
    done
    [ ! -e "$1/postmaster.pid" ] || kill -QUIT "$pid" 2>/dev/null
    ;;
esac
[ -z "$2" ] || rm -rf -- "$2"
"#;

/// The waiting shell.
#[derive(Debug)]
pub(super) struct Watchdog {
    child: Child,
    pipe: Option<ChildStdin>,
}

impl Watchdog {
    /// Begins to watch over the server in `data`; `temporary` goes away with it.
    pub(super) fn start(data: &Path, temporary: Option<&Path>) -> Result<Self, EmbeddedError> {
        let shell = "/bin/sh";
        let mut child = Command::new(shell)
            .args(["-c", SCRIPT, "fuelsync-watchdog"])
            .arg(data)
            .arg(temporary.unwrap_or_else(|| Path::new("")))
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(EmbeddedError::file("run", shell))?;
        let pipe = child.stdin.take();
        Ok(Self { child, pipe })
    }

    /// The server is stopped: nothing to watch over.
    pub(super) fn release(mut self) {
        if let Some(mut pipe) = self.pipe.take() {
            // A watchdog that is gone already has nothing left to do.
            let _ = pipe.write_all(b"done\n");
        }
    }
}

impl Drop for Watchdog {
    /// Closes the pipe and waits for what follows.
    fn drop(&mut self) {
        self.pipe = None;
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_that_ends_without_a_word_takes_the_server_and_the_folder_away() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("temporary");
        std::fs::create_dir(&folder).unwrap();
        // As a server does, it hears signals that whoever started the tests may have let be ignored.
        let mut server = Command::new("env").args(["--default-signal=INT,QUIT", "sleep", "600"]).spawn().unwrap();
        std::fs::write(folder.join("postmaster.pid"), format!("{}\n", server.id())).unwrap();
        let reaper = std::thread::spawn(move || server.wait());

        drop(Watchdog::start(&folder, Some(&folder)).unwrap());

        assert!(!folder.exists());
        assert!(!reaper.join().unwrap().unwrap().success(), "the process was ended by a signal");
    }

    #[test]
    fn a_released_watchdog_touches_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut server = Command::new("sleep").arg("600").spawn().unwrap();
        std::fs::write(dir.path().join("postmaster.pid"), format!("{}\n", server.id())).unwrap();

        Watchdog::start(dir.path(), Some(dir.path())).unwrap().release();

        assert!(dir.path().exists());
        assert_eq!(server.try_wait().unwrap(), None, "it still runs");
        server.kill().unwrap();
        server.wait().unwrap();
    }
}
