//! Secrets: `x`, or `x_file` with a path to a file that holds it (systemd credentials, Kubernetes secrets).
//!
//! What is read here is never shown and never part of a fault: only its kind and length are.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use config::Value;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{
    key::{Key, Need, Type},
    layers::Origin,
    read::{Section, given_by},
};

/// No secret is longer; what is longer is the wrong file.
const MOST_BYTES: u64 = 64 << 10;

/// Schemes that are taken for the database's by mistake, and are named then.
const FOREIGN: [&str; 8] = ["mysql", "mariadb", "mssql", "sqlserver", "sqlite", "jdbc", "http", "https"];

impl Section<'_> {
    /// A secret, from its key or from the file that `<name>_file` names.
    pub(super) fn secret(&mut self, name: &str) -> Option<SecretString> {
        let key = self.key(name)?;
        let in_file = format!("{name}_file");
        let table = self.table;
        let (secret, origin, from) = match (table.get(name), table.get(&in_file)) {
            (None, None) => {
                match key.need {
                    Need::Required => self.missing(key),
                    Need::Optional | Need::Default(_) => {
                        self.show(name, serde_json::Value::Null, "not set".to_owned());
                    }
                }
                return None;
            }
            (Some(plain), Some(path)) if same_layer(plain, path) => {
                let found = format!("both {name} and {in_file}");
                self.object(name, found, "one of the two");
                return None;
            }
            // A variable stands over the file, whichever of the two keys it is.
            (Some(plain), path) if path.is_none() || is_variable(plain) => {
                let (given, origin) = given_by(plain);
                let from = self.named(&origin);
                let Ok(text) = given.text() else {
                    self.note(name, &origin, given.describe(true), key.kind.allowed());
                    return None;
                };
                (text.to_owned(), origin, from)
            }
            (_, path) => {
                let (text, origin) = self.secret_file(&in_file, path?)?;
                let from = format!("{in_file}, {}", self.named(&origin));
                (text, origin, from)
            }
        };
        if let Some(found) = unfit(&secret, key) {
            self.note(name, &origin, found, key.kind.allowed());
            return None;
        }
        self.show(name, hidden(&secret, &key.kind).into(), from);
        Some(secret.into())
    }

    fn secret_file(&mut self, name: &str, value: &Value) -> Option<(String, Origin)> {
        let (given, origin) = given_by(value);
        let allowed = "the path of a readable file that holds the secret and nothing else";
        let Ok(path) = given.text() else {
            self.note(name, &origin, given.describe(true), allowed.to_owned());
            return None;
        };
        let path = match (&origin, self.reading.file.as_deref().and_then(Path::parent)) {
            (Origin::File(_), Some(folder)) => folder.join(path),
            _ => PathBuf::from(path),
        };
        match read(&path) {
            Ok(text) => Some((text, origin)),
            Err(why) => {
                self.note(name, &origin, format!("{}: {why}", path.display()), allowed.to_owned());
                None
            }
        }
    }
}

fn is_variable(value: &Value) -> bool {
    matches!(Origin::of(value), Origin::Variable(_))
}

fn same_layer(one: &Value, other: &Value) -> bool {
    is_variable(one) == is_variable(other)
}

/// The content of a secret's file without one trailing newline.
fn read(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| e.to_string())?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err("longer than 64 KiB".to_owned());
    }
    let mut text = String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// Why a secret cannot be one, without saying it.
fn unfit(secret: &str, key: &Key) -> Option<String> {
    if secret.trim().is_empty() {
        return Some("an empty text".to_owned());
    }
    match key.kind {
        Type::Secret(least) => {
            let characters = secret.chars().count();
            (characters < least).then(|| format!("{characters} characters"))
        }
        Type::Server if secret.trim() == "embedded" => None,
        Type::Server => match Url::parse(secret.trim()) {
            Ok(url) if ["postgres", "postgresql"].contains(&url.scheme()) => None,
            // What stands before the first colon of another text may be a password.
            Ok(url) if FOREIGN.contains(&url.scheme()) => {
                Some(format!("an address that starts with {}:", url.scheme()))
            }
            Ok(_) => Some("an address that starts with something else".to_owned()),
            Err(e) => Some(format!("a text that is no address ({e})")),
        },
        _ => None,
    }
}

/// A secret as it may be shown: `***`, and of the database's URL all but the password.
fn hidden(secret: &str, kind: &Type) -> String {
    const HIDDEN: &str = "***";
    let Type::Server = kind else { return HIDDEN.to_owned() };
    if secret.trim() == "embedded" {
        return "embedded".to_owned();
    }
    let Ok(mut url) = Url::parse(secret.trim()) else { return HIDDEN.to_owned() };
    if url.password().is_some() && url.set_password(Some(HIDDEN)).is_err() {
        return HIDDEN.to_owned();
    }
    if url.query().is_some_and(|query| !query.is_empty()) {
        // `?password=…` is a password, too; the others say which host, database and TLS mode.
        let shown = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
            let harmless = ["host", "port", "user", "dbname", "sslmode", "application_name"].contains(&&*name);
            format!("{name}={}", if harmless { &*value } else { HIDDEN })
        };
        let query = url.query_pairs().map(shown).collect::<Vec<_>>().join("&");
        url.set_query(Some(&query));
    }
    url.to_string()
}

/// The database's URL without the spaces around it.
pub(super) fn trimmed(secret: &SecretString) -> SecretString {
    secret.expose_secret().trim().into()
}
