//! What an earlier server left in a kept folder: itself, still stopping, or only its `postmaster.pid`.

use std::{fs, path::Path, time::Duration};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::error::EmbeddedError;

const PAUSE: Duration = Duration::from_millis(100);
const PATIENCE: u32 = 200;

/// Makes sure that no server runs on `data`. Whoever calls this holds the folder's lock, so a server that runs lost the
/// process that started it: it is stopped. `PostgreSQL` itself clears the file of a process that is gone; that of a
/// process number which something else has by now (a restarted container) it cannot tell, so that one is removed.
pub(super) async fn settle(dir: &Path, data: &Path) -> Result<(), EmbeddedError> {
    let file = data.join("postmaster.pid");
    let Some(pid) = read_pid(&file) else { return Ok(()) };
    if !alive(pid) {
        return Ok(());
    }
    if !is_postgres(pid) {
        return fs::remove_file(&file).map_err(EmbeddedError::file("remove the stale", &file));
    }
    tracing::info!(pid, "an earlier private server still runs here; stopping it");
    // Not allowed, or gone in between: the wait below tells.
    let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
    for _ in 0..PATIENCE {
        if !file.exists() || !alive(pid) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(EmbeddedError::Running { dir: dir.to_path_buf(), pid: pid.unsigned_abs() })
}

fn read_pid(file: &Path) -> Option<i32> {
    fs::read_to_string(file).ok()?.lines().next()?.trim().parse().ok().filter(|pid| *pid > 1)
}

/// Whether a process of this number exists, ours to signal or not.
fn alive(pid: i32) -> bool {
    !matches!(kill(Pid::from_raw(pid), None), Err(Errno::ESRCH))
}

/// Whether the process is a `PostgreSQL` server; where the machine does not say, it counts as one.
fn is_postgres(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm"))
        .map_or_else(|_| !Path::new("/proc/self").exists(), |name| name.trim() == "postgres")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_number_that_another_program_has_by_now_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("postmaster.pid");
        fs::write(&file, format!("{}\n/somewhere\n", std::process::id())).unwrap();
        settle(dir.path(), dir.path()).await.unwrap();
        assert!(!file.exists());
    }

    #[tokio::test]
    async fn the_file_of_a_process_that_is_gone_is_left_to_the_server() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let file = dir.path().join("postmaster.pid");
        fs::write(&file, format!("{}\n", child.id())).unwrap();
        settle(dir.path(), dir.path()).await.unwrap();
        assert!(file.exists());
    }
}
