//! Who runs the server: ourselves, or, started as root, an unprivileged account.

use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};

use super::error::EmbeddedError;

/// The accounts tried, in this order: the database's own, then the one that owns nothing.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// An unprivileged account, and the program that changes to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    /// Its name.
    pub(super) name: String,
    /// Its user.
    pub(super) uid: u32,
    /// Its group.
    pub(super) gid: u32,
    /// How to become it.
    pub(super) switch: Switch,
}

/// A program that becomes another user and stays the same process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Switch {
    /// util-linux; asks nobody.
    Setpriv(PathBuf),
    /// util-linux; goes through PAM.
    Runuser(PathBuf),
    /// Everywhere.
    Su(PathBuf),
}

impl Account {
    /// The account to run the server as; none for an ordinary user, who runs it himself.
    pub(super) fn needed() -> Result<Option<Self>, EmbeddedError> {
        if !Uid::effective().is_root() {
            return Ok(None);
        }
        let user = CANDIDATES
            .iter()
            .filter_map(|name| User::from_name(name).ok().flatten())
            .find(|user| !user.uid.is_root())
            .ok_or_else(|| EmbeddedError::NoAccount("there is no account `postgres` or `nobody`".to_owned()))?;
        let switch = Switch::find()
            .ok_or_else(|| EmbeddedError::NoAccount("none of setpriv, runuser and su is installed".to_owned()))?;
        Ok(Some(Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw(), switch }))
    }
}

impl Switch {
    fn find() -> Option<Self> {
        let program = |name: &str| {
            ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].iter().map(|dir| Path::new(dir).join(name)).find(|p| p.is_file())
        };
        // BusyBox has a setpriv that knows none of the options needed: it is a link to another name.
        let own = |path: &PathBuf| path.canonicalize().is_ok_and(|real| real.file_name() == path.file_name());
        program("setpriv")
            .filter(own)
            .map(Self::Setpriv)
            .or_else(|| program("runuser").filter(own).map(Self::Runuser))
            .or_else(|| program("su").map(Self::Su))
    }
}
