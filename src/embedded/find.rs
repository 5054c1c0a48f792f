//! `PostgreSQL`'s programs on this machine: where the package managers put them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The oldest version that the warehouse works with.
pub(super) const OLDEST: u32 = 14;

/// What a folder must hold to serve.
const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// The programs of one version in one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Installation {
    /// The major version.
    pub(super) major: u32,
    /// Where `initdb`, `pg_ctl` and `postgres` are.
    pub(super) bin: PathBuf,
}

/// Where to look: patterns in which one `*` stands for any part of a folder's name.
const PATTERNS: [&str; 9] = [
    "/usr/lib/postgresql/*/bin",          // Debian, Ubuntu
    "/usr/pgsql-*/bin",                   // Red Hat, the community's packages
    "/usr/libexec/postgresql*",           // Alpine
    "/usr/lib/postgresql*/bin",           // SUSE
    "/opt/homebrew/opt/postgresql@*/bin", // Homebrew on ARM
    "/usr/local/opt/postgresql@*/bin",    // Homebrew on Intel
    "/opt/local/lib/postgresql*/bin",     // MacPorts
    "/usr/local/pgsql/bin",               // built by hand
    "/usr/bin",                           // Fedora's own packages, Arch
];

/// Every folder worth a look: that of `pg_config`, those of `PATH`, the package managers' usual ones.
pub(super) fn folders() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    found.extend(said_by_pg_config());
    found.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths).filter(|dir| dir.is_absolute()));
    found.extend(PATTERNS.iter().flat_map(|pattern| expand(Path::new("/"), pattern)));
    let mut seen = std::collections::HashSet::new();
    found.retain(|dir| seen.insert(dir.clone()));
    found
}

/// The usable installations among these folders, the newest version first.
pub(super) fn installations(folders: &[PathBuf]) -> Vec<Installation> {
    let mut found: Vec<Installation> = folders
        .iter()
        .filter(|bin| PROGRAMS.iter().all(|program| bin.join(program).is_file()))
        .filter_map(|bin| Some(Installation { major: ask_version(bin)?, bin: bin.clone() }))
        .filter(|found| found.major >= OLDEST)
        .collect();
    found.sort_by_key(|found| std::cmp::Reverse(found.major));
    found
}

fn said_by_pg_config() -> Option<PathBuf> {
    let said = Command::new("pg_config").arg("--bindir").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let dir = PathBuf::from(String::from_utf8(said.stdout).ok()?.trim());
    dir.is_absolute().then_some(dir)
}

fn ask_version(bin: &Path) -> Option<u32> {
    let said = Command::new(bin.join("postgres"))
        .arg("--version")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    major(&String::from_utf8_lossy(&said.stdout))
}

/// The major version out of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, `17beta1` too.
fn major(said: &str) -> Option<u32> {
    let (_, rest) = said.split_once("(PostgreSQL)")?;
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The folders under `root` that match `pattern`.
fn expand(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![root.to_path_buf()];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        found = match part.split_once('*') {
            None => found.into_iter().map(|dir| dir.join(part)).filter(|dir| dir.is_dir()).collect(),
            Some((before, after)) => found.iter().flat_map(|dir| matching(dir, before, after)).collect(),
        };
    }
    found
}

fn matching(dir: &Path, before: &str, after: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
        })
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn install(bin: &Path, version: &str, programs: &[&str]) {
        fs::create_dir_all(bin).unwrap();
        for program in programs {
            let file = bin.join(program);
            fs::write(&file, format!("#!/bin/sh\necho '{program} (PostgreSQL) {version}'\n")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn a_version_is_read_whatever_follows_it() {
        assert_eq!(major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 17beta1"), Some(17));
        assert_eq!(major("command not found"), None);
    }

    #[test]
    fn the_newest_that_is_new_enough_and_whole_comes_first() {
        let root = tempfile::tempdir().unwrap();
        for (version, programs) in [("13", &PROGRAMS[..]), ("9.6", &PROGRAMS), ("16", &PROGRAMS), ("15", &PROGRAMS)] {
            install(&root.path().join(format!("usr/lib/postgresql/{version}/bin")), version, programs);
        }
        install(&root.path().join("usr/lib/postgresql/18/bin"), "18", &["pg_ctl"]);

        let folders = expand(root.path(), "/usr/lib/postgresql/*/bin");
        let majors: Vec<u32> = installations(&folders).iter().map(|found| found.major).collect();

        assert_eq!(folders.len(), 5);
        assert_eq!(majors, [16, 15]);
    }

    #[test]
    fn a_pattern_matches_folders_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("usr/pgsql-16/bin")).unwrap();
        fs::create_dir_all(root.path().join("usr/other/bin")).unwrap();
        fs::write(root.path().join("usr/pgsql-17"), "a file").unwrap();
        assert_eq!(expand(root.path(), "/usr/pgsql-*/bin"), [root.path().join("usr/pgsql-16/bin")]);
        assert!(expand(root.path(), "/nowhere/*/bin").is_empty());
    }
}
