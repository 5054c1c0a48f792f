//! Which file is read: the one named, `FUELSYNC_CONFIG`, `./fuelsync.toml`, the system's.

use std::path::{Path, PathBuf};

use super::{Fault, Faults, Loaded, Place, read_all, variables::PREFIX};

/// Names the file, when the command line does not.
const VARIABLE: &str = "FUELSYNC_CONFIG";

/// Where it is looked for when nobody names it.
const PLACES: [&str; 2] = ["fuelsync.toml", "/etc/fuelsync/fuelsync.toml"];

/// Finds the file and reads it with the variables over it.
pub(super) fn load(
    path: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
    accounts: bool,
) -> Result<Loaded, Faults> {
    let env: Vec<_> = env.filter(|(name, _)| name.starts_with(PREFIX) || name == VARIABLE).collect();
    let by_variable = env.iter().find(|(name, value)| name == VARIABLE && !value.is_empty());
    let named = path.map(Path::to_owned).or_else(|| by_variable.map(|(_, value)| PathBuf::from(value)));
    let found = named.or_else(|| PLACES.iter().map(PathBuf::from).find(|place| place.exists()));
    let Some(file) = found else {
        if env.iter().any(|(name, _)| name.starts_with(PREFIX)) {
            return read_all(None, env, accounts);
        }
        return Err(Faults::from(Fault {
            place: Place::Nowhere,
            key: String::new(),
            account: None,
            found: format!("no file; looked for {} ({VARIABLE} is not set)", PLACES.join(" and ")),
            allowed: "a file there, one named with --config, or FUELSYNC__SECTION__KEY variables".to_owned(),
        }));
    };
    let text = std::fs::read_to_string(&file).map_err(|why| Fault {
        place: Place::File { path: file.clone(), line: None, column: None },
        key: String::new(),
        account: None,
        found: format!("a file that cannot be read: {why}"),
        allowed: "a readable file in UTF-8".to_owned(),
    })?;
    read_all(Some((file, &text)), env, accounts)
}
