//! `PostgreSQL`'s programs from the network, when the machine has none.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::unistd::Uid;
use postgresql_embedded::{PostgreSQL, Settings, VersionReq};

use super::{error::EmbeddedError, find::Installation};

/// Where the crate's archives are published.
pub(super) const RELEASES: &str = "https://github.com/theseus-rs/postgresql-binaries";
/// The version that is downloaded.
pub(super) const MAJOR: u32 = 17;
/// The archive is about 10 MB.
const PATIENCE: Duration = Duration::from_mins(3);

/// Downloads the programs into a cache, or finds them there. `looked` is only for the error.
pub(super) async fn programs(looked: &[PathBuf]) -> Result<Installation, EmbeddedError> {
    tracing::info!(from = RELEASES, "no PostgreSQL on this machine; downloading it");
    let fetched = match tokio::time::timeout(PATIENCE, fetch(&cache(), RELEASES)).await {
        Ok(fetched) => fetched,
        Err(_) => Err(format!("no answer from {RELEASES} within {PATIENCE:?}")),
    };
    fetched.map_err(|download| EmbeddedError::NotFound { looked: listed(looked), download })
}

async fn fetch(cache: &Path, releases: &str) -> Result<Installation, String> {
    // The crate installs and makes the cluster in one step. A folder that looks like a cluster leaves only the first.
    let pretended = tempfile::tempdir().map_err(|error| error.to_string())?;
    fs::write(pretended.path().join("postgresql.conf"), "").map_err(|error| error.to_string())?;
    let mut server = PostgreSQL::new(Settings {
        releases_url: releases.to_owned(),
        version: VersionReq::parse(&format!("^{MAJOR}")).map_err(|error| error.to_string())?,
        installation_dir: cache.to_path_buf(),
        password_file: pretended.path().join("none"),
        data_dir: pretended.path().to_path_buf(),
        host: String::new(),
        port: 0,
        username: String::new(),
        password: String::new(),
        temporary: false,
        timeout: None,
        configuration: std::collections::HashMap::new(),
        trust_installation_dir: false,
        socket_dir: None,
    });
    server.setup().await.map_err(|error| with_causes(&error))?;
    Ok(Installation { major: MAJOR, bin: server.settings().binary_dir() })
}

/// The error and what caused it: the crate's own text is only "failed after 3 retries".
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string);
    causes.collect::<Vec<_>>().join(": ")
}

/// Root's own cache is closed to the account that runs the server; this one is not.
fn cache() -> PathBuf {
    let root = || PathBuf::from("/var/cache");
    let own = || {
        let given = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
        given.or_else(|| Some(std::env::home_dir()?.join(".cache"))).unwrap_or_else(std::env::temp_dir)
    };
    let base = if Uid::effective().is_root() { root() } else { own() };
    base.join("fuelsync").join("postgresql")
}

fn listed(looked: &[PathBuf]) -> String {
    looked.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn programs_that_cannot_be_downloaded_leave_nothing_that_looks_like_them() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("cache");
        assert!(fetch(&cache, "http://127.0.0.1:9/nothing/here").await.is_err());
        assert!(find_all(&cache).is_empty());
    }

    fn find_all(cache: &Path) -> Vec<PathBuf> {
        fs::read_dir(cache).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    }

    #[test]
    fn the_error_says_what_to_install() {
        let error =
            EmbeddedError::NotFound { looked: listed(&["/a".into(), "/b".into()]), download: "no network".to_owned() };
        let said = error.to_string();
        for part in ["/a, /b", "no network", "apt-get install postgresql", "brew install"] {
            assert!(said.contains(part), "{said}");
        }
    }
}
