//! The programs that `postgresql_embedded` runs: small shell scripts around the real ones.
//!
//! The crate runs `bin/initdb` and `bin/pg_ctl` of a trusted installation and has no hook to change the user, so an
//! installation of our own stands between. Its scripts
//!
//! - become the unprivileged account when we are root;
//! - then reach the server's files through an inherited descriptor (`/proc/self/fd/9`), so that the account needs no way
//!   through the folders above: a temporary folder with mode 0700 or one under `/root` works as it is;
//! - give `initdb` what the crate cannot: a locale that every machine has.
//!
//! The kernel wants to execute them: on a file system mounted `noexec` they fail, and the error says so.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{
    account::{Account, Switch},
    error::EmbeddedError,
};

/// What the scripts are made for.
#[derive(Debug)]
pub(super) struct Programs<'a> {
    /// The real programs.
    pub(super) bin: &'a Path,
    /// The folder of the server's files, which the account owns.
    pub(super) files: &'a Path,
    /// Who runs them; ourselves when none.
    pub(super) account: Option<&'a Account>,
    /// Whether files reach the disk.
    pub(super) durable: bool,
}

impl Programs<'_> {
    /// Writes the scripts into `installation/bin`, over earlier ones.
    pub(super) fn write(&self, installation: &Path) -> Result<(), EmbeddedError> {
        let bin = installation.join("bin");
        fs::create_dir_all(&bin).map_err(EmbeddedError::file("create", &bin))?;
        for (name, options) in [("initdb", self.initdb_options()), ("pg_ctl", "")] {
            let file = bin.join(name);
            fs::write(&file, self.script(name, options)).map_err(EmbeddedError::file("write", &file))?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755))
                .map_err(EmbeddedError::file("make executable", &file))?;
        }
        Ok(())
    }

    const fn initdb_options(&self) -> &'static str {
        if self.durable { " --locale=C" } else { " --locale=C --no-sync" }
    }

    fn script(&self, name: &str, options: &str) -> String {
        let program = quoted(&self.bin.join(name));
        let mut script =
            String::from("#!/bin/sh\n# Written by fuelsync at every start; see src/embedded/programs.rs.\n");
        script.push_str("PGCTLTIMEOUT=120; export PGCTLTIMEOUT\n");
        if let (Some(_), true) = (self.account, cfg!(target_os = "linux")) {
            script.push_str("files=");
            script.push_str(&quoted(self.files));
            script.push('\n');
            script.push_str("exec 9<\"$files\" || exit 1\n");
            script.push_str("for argument do\n  shift\n");
            script
                .push_str("  case $argument in \"$files\"*) argument=/proc/self/fd/9${argument#\"$files\"} ;; esac\n");
            script.push_str("  set -- \"$@\" \"$argument\"\ndone\n");
        }
        script.push_str("cd / || exit 1\n");
        let switch = self.account.map_or_else(String::new, become_account);
        script + "exec " + &switch + &program + options + " \"$@\"\n"
    }
}

fn become_account(account: &Account) -> String {
    let Account { name, uid, gid, switch } = account;
    match switch {
        Switch::Setpriv(path) => format!("{} --reuid={uid} --regid={gid} --clear-groups -- ", quoted(path)),
        Switch::Runuser(path) => format!("{} -u {name} -- ", quoted(path)),
        Switch::Su(path) => format!("{} -s /bin/sh {name} -c 'exec \"$0\" \"$@\"' -- ", quoted(path)),
    }
}

/// A path as one word of a shell script.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}

/// The folder that holds `bin`.
pub(super) fn installation(home: &Path) -> PathBuf {
    home.join("programs")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_script_passes_on_every_argument_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("it's here");
        fs::create_dir_all(&real).unwrap();
        fs::write(real.join("pg_ctl"), "#!/bin/sh\nprintf '<%s>' \"$@\"\n").unwrap();
        fs::set_permissions(real.join("pg_ctl"), fs::Permissions::from_mode(0o755)).unwrap();
        let programs = Programs { bin: &real, files: dir.path(), account: None, durable: true };
        programs.write(&installation(dir.path())).unwrap();

        let out = Command::new(installation(dir.path()).join("bin/pg_ctl")).args(["-o", "-c a=b", "", "x y"]).output();

        assert_eq!(String::from_utf8_lossy(&out.unwrap().stdout), "<-o><-c a=b><><x y>");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_account_reaches_the_files_through_a_descriptor_and_not_by_their_path() {
        let account =
            Account { name: "nobody".to_owned(), uid: 65534, gid: 65534, switch: Switch::Setpriv("setpriv".into()) };
        let programs =
            Programs { bin: Path::new("/b"), files: Path::new("/f"), account: Some(&account), durable: false };
        let script = programs.script("initdb", programs.initdb_options());
        assert!(script.contains("exec 9<\"$files\""), "{script}");
        assert!(
            script.ends_with(
                "exec 'setpriv' --reuid=65534 --regid=65534 --clear-groups -- '/b/initdb' --locale=C --no-sync \"$@\"\n"
            ),
            "{script}"
        );
    }
}
