//! The folder of one private server: what lies in it, who may use it.
//!
//! `lock` (held while a process uses the folder), `password` (ours alone), `programs/` (see [`super::programs`]) and
//! `server/`, which belongs to the account that runs the server: `server/data` is the cluster.

use std::{
    fs::{self, File, TryLockError},
    os::unix::fs::{OpenOptionsExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use rand::{RngExt, distr::Alphanumeric};
use tempfile::TempDir;

use super::{account::Account, error::EmbeddedError};

/// The folder, held for this process.
#[derive(Debug)]
pub(super) struct Home {
    path: PathBuf,
    /// Held, not read; given back by [`Drop`].
    lock: File,
    /// Last, so that it goes away after all else.
    temporary: Option<TempDir>,
}

impl Home {
    /// Opens or makes the folder; a temporary one when no path is given.
    pub(super) fn open(given: Option<&Path>) -> Result<Self, EmbeddedError> {
        let (path, temporary) = if let Some(path) = given {
            let path = std::path::absolute(path).map_err(EmbeddedError::file("find", path))?;
            fs::create_dir_all(&path).map_err(EmbeddedError::file("create", &path))?;
            (path, None)
        } else {
            let parent = std::env::temp_dir();
            let made = tempfile::Builder::new().prefix("fuelsync-pg-").tempdir();
            let dir = made.map_err(EmbeddedError::file("create a folder in", parent))?;
            (dir.path().to_path_buf(), Some(dir))
        };
        let lock = path.join("lock");
        let empty = fs::read_dir(&path).map_err(EmbeddedError::file("read", &path))?.next().is_none();
        if !empty && !lock.is_file() {
            return Err(EmbeddedError::NotOurs(path));
        }
        let file = File::create(&lock).map_err(EmbeddedError::file("write", &lock))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path, lock: file, temporary }),
            Err(TryLockError::WouldBlock) => Err(EmbeddedError::InUse(path)),
            Err(TryLockError::Error(source)) => Err(EmbeddedError::File { doing: "lock", path: lock, source }),
        }
    }

    /// The folder itself.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder when it goes away at the end.
    pub(super) fn temporary(&self) -> Option<&Path> {
        self.temporary.as_ref().map(TempDir::path)
    }

    /// What belongs to the server.
    pub(super) fn files(&self) -> PathBuf {
        self.path.join("server")
    }

    /// The cluster.
    pub(super) fn data(&self) -> PathBuf {
        self.files().join("data")
    }

    /// The version of the cluster that is here; none when there is none yet.
    pub(super) fn major(&self) -> Option<u32> {
        fs::read_to_string(self.data().join("PG_VERSION")).ok()?.trim().parse().ok()
    }

    /// The server's password: made at the first start, then kept beside the cluster.
    pub(super) fn password(&self) -> Result<String, EmbeddedError> {
        let file = self.path.join("password");
        match fs::read_to_string(&file) {
            Ok(kept) if !kept.trim().is_empty() => Ok(kept.trim().to_owned()),
            Ok(_) | Err(_) => {
                let password: String = rand::rng().sample_iter(&Alphanumeric).take(32).map(char::from).collect();
                write_private(&file, &password, None)?;
                Ok(password)
            }
        }
    }

    /// Makes the server's folder, clears what an interrupted first start left, and gives it to the account.
    pub(super) fn prepare(&self, account: Option<&Account>) -> Result<(), EmbeddedError> {
        let files = self.files();
        fs::create_dir_all(&files).map_err(EmbeddedError::file("create", &files))?;
        fs::set_permissions(&files, fs::Permissions::from_mode(0o700))
            .map_err(EmbeddedError::file("change the mode of", &files))?;
        let data = self.data();
        if data.exists() && !self.finished().is_file() {
            fs::remove_dir_all(&data).map_err(EmbeddedError::file("remove the half-made", &data))?;
        }
        if let Some(account) = account {
            give(&files, account)?;
        }
        Ok(())
    }

    /// A file whose presence says that the cluster was made whole.
    fn finished(&self) -> PathBuf {
        self.path.join("made")
    }

    /// The cluster is whole: the next start uses it.
    pub(super) fn finish(&self) -> Result<(), EmbeddedError> {
        let finished = self.finished();
        fs::write(&finished, "").map_err(EmbeddedError::file("write", &finished))
    }
}

impl Drop for Home {
    /// Gives the lock back by word, not by closing the file: a program that another thread is just starting has the file
    /// open as well until it runs, and as long as that the lock would stay.
    fn drop(&mut self) {
        // When it fails, the lock still ends with the last who has the file open.
        let _ = self.lock.unlock();
    }
}

/// Gives a folder and all in it to the account, so that a cluster made by another one (an ordinary user's, now used by
/// root) can be used. Links are given, not followed.
fn give(path: &Path, account: &Account) -> Result<(), EmbeddedError> {
    std::os::unix::fs::lchown(path, Some(account.uid), Some(account.gid))
        .map_err(EmbeddedError::file("give away", path))?;
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).map_err(EmbeddedError::file("read", path))? {
            give(&entry.map_err(EmbeddedError::file("read", path))?.path(), account)?;
        }
    }
    Ok(())
}

/// Writes a file that only its owner reads.
pub(super) fn write_private(file: &Path, text: &str, owner: Option<&Account>) -> Result<(), EmbeddedError> {
    let write = || {
        let _ = fs::remove_file(file);
        let mut open = File::options().write(true).create_new(true).mode(0o600).open(file)?;
        std::io::Write::write_all(&mut open, text.as_bytes())?;
        owner.map_or(Ok(()), |account| chown(file, Some(account.uid), Some(account.gid)))
    };
    write().map_err(EmbeddedError::file("write", file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_serves_one_process_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = Home::open(Some(dir.path())).unwrap();
        assert!(matches!(Home::open(Some(dir.path())), Err(EmbeddedError::InUse(_))));
        drop(first);
        assert!(Home::open(Some(dir.path())).is_ok());
    }

    #[test]
    fn a_folder_is_free_at_once_also_while_another_program_is_being_started() {
        let dir = tempfile::tempdir().unwrap();
        let first = Home::open(Some(dir.path())).unwrap();
        // What a child has between its fork and its exec.
        let _inherited = first.lock.try_clone().unwrap();
        drop(first);
        assert!(Home::open(Some(dir.path())).is_ok());
    }

    #[test]
    fn a_folder_with_other_things_in_it_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("letters.txt"), "dear").unwrap();
        assert!(matches!(Home::open(Some(dir.path())), Err(EmbeddedError::NotOurs(_))));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_password_stays_and_nobody_else_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(Some(dir.path())).unwrap();
        let first = home.password().unwrap();
        assert_eq!(home.password().unwrap(), first);
        assert!(first.len() >= 32);
        let mode = fs::metadata(dir.path().join("password")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_cluster_that_was_not_finished_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(Some(dir.path())).unwrap();
        fs::create_dir_all(home.data()).unwrap();
        home.prepare(None).unwrap();
        assert!(!home.data().exists());

        fs::create_dir_all(home.data()).unwrap();
        home.finish().unwrap();
        home.prepare(None).unwrap();
        assert!(home.data().exists());
    }
}
