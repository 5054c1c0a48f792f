//! The configuration: raw (what serde reads) → checked (what the program may use).
//!
//! Nothing below this module sees a text that could still be wrong: a schedule parses, a key is long enough, a base URL
//! is `https` or loopback, a secret cannot be printed.
//!
//! The way of a setting: `locate` finds the file, `layers` reads it and lays the `variables` over it, `read` takes
//! each key by its declaration (`key`; each section lists its own) from what was `given` or from a `secret`'s file, and
//! notes every fault (`faults`) on the way. `show` and `schema` come from the same declarations.

pub mod account;
pub mod database;
mod faults;
mod given;
mod key;
mod layers;
mod locate;
pub mod privacy;
mod product;
mod read;
mod schema;
mod secret;
mod sections;
mod show;
mod suggest;
pub mod sync;
pub mod telemetry;
#[cfg(test)]
mod tests;
pub mod units;
mod variables;

use std::path::{Path, PathBuf};

pub use account::{Alexela, AlexelaMethod, DateFormat, HecOne, UpdateMethod};
pub use database::{Database, DatabaseUrl};
pub use faults::{Fault, Faults, Place};
pub use privacy::{Privacy, Rule};
pub use schema::schema;
pub use show::{Setting, as_json, as_text};
pub use sync::{Http, Reread, Server, Sync};
pub use telemetry::Telemetry;

use config::ValueKind;

use self::{
    layers::{Document, Origin, Table},
    read::{Reading, Section},
    sections::{SECTIONS, section},
};
use crate::domain::product::ProductRule;

/// Everything the program may be told, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the warehouse is.
    pub database: Database,
    /// The status page.
    pub server: Server,
    /// How the pass works.
    pub sync: Sync,
    /// Time limits, retries and size limits of every request.
    pub http: Http,
    /// The rules for personal data.
    pub privacy: Privacy,
    /// Where traces go.
    pub telemetry: Telemetry,
    /// `HecOne` accounts, in the order of the file.
    pub hecone: Vec<HecOne>,
    /// Alexela accounts, in the order of the file.
    pub alexela: Vec<Alexela>,
    /// Product rules (`[[product]]`) that stand before those shipped with the program.
    pub products: Vec<ProductRule>,
}

/// A configuration with the account of where it came from, for `config show`.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What the program may use.
    pub config: Config,
    /// The file, when there was one.
    pub file: Option<PathBuf>,
    /// Every key, its value (secrets hidden) and its origin.
    pub settings: Vec<Setting>,
}

impl Config {
    /// Reads the file (the one named, or the first found where it is looked for) with the variables laid over it.
    /// Having no account is no fault here; commands that need one ask [`Config::require_accounts`], or load with
    /// [`Config::load_with_accounts`].
    pub fn load(path: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Self, Faults> {
        Ok(Loaded::load(path, env)?.config)
    }

    /// As [`Config::load`], where having no account is one fault more.
    pub fn load_with_accounts(
        path: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Faults> {
        Ok(locate::load(path, env, true)?.config)
    }

    /// Reads a text instead of a file; `name` stands for it in faults. `demo` and tests make their configuration so.
    pub fn from_text(
        name: impl Into<PathBuf>,
        text: &str,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Faults> {
        Ok(read_all(Some((name.into(), text)), env.collect(), false)?.config)
    }

    /// A fault when there is no account at all.
    pub fn require_accounts(&self) -> Result<(), Faults> {
        if self.hecone.is_empty() && self.alexela.is_empty() { Err(no_account(Place::Nowhere).into()) } else { Ok(()) }
    }
}

impl Loaded {
    /// As [`Config::load`], with origins.
    pub fn load(path: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Self, Faults> {
        locate::load(path, env, false)
    }

    /// As [`Config::from_text`], with origins.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn from_text(text: &str, env: Vec<(String, String)>) -> Result<Self, Faults> {
        read_all(Some(("text".into(), text)), env, false)
    }
}

/// Reads a configuration from a file's text, if any, and the variables.
fn read_all(file: Option<(PathBuf, &str)>, env: Vec<(String, String)>, accounts: bool) -> Result<Loaded, Faults> {
    let mut reading = Reading { file: file.as_ref().map(|(path, _)| path.clone()), ..Reading::default() };
    let document = match file {
        None => Document::empty(),
        Some((path, text)) => match Document::parse(text) {
            Ok(document) => document,
            Err(errors) => {
                let fault = |e: layers::SyntaxError| Fault {
                    place: Place::File { path: path.clone(), line: Some(e.line), column: Some(e.column) },
                    key: String::new(),
                    account: None,
                    found: format!("a text that is not TOML: {}", e.message),
                    allowed: "TOML, as in config/fuelsync.toml".to_owned(),
                };
                return Faults::unless(errors.into_iter().map(fault).collect(), None);
            }
        },
    };
    let variables = variables::Layer::over(document.table(), env, &mut reading.faults);
    // Both layers are in memory and well-formed: that they cannot be merged would be a defect, and is said as one.
    let Ok(merged) = layers::merge(document, variables) else { return Faults::unless(reading.faults, None) };
    let config = read_sections(&mut reading, &merged);
    if accounts && !["hecone", "alexela"].iter().any(|vendor| merged.contains_key(*vendor)) {
        let place = reading.place(&Origin::Default);
        reading.faults.push(no_account(place));
    }
    let Reading { file, faults, settings } = reading;
    Ok(Loaded { config: Faults::unless(faults, config)?, file, settings })
}

fn read_sections(reading: &mut Reading, merged: &Table) -> Option<Config> {
    for (name, value) in merged.iter().filter(|(name, _)| section(name).is_none()) {
        let known: Vec<_> = SECTIONS.iter().map(|section| section.name).collect();
        let what = if matches!(value.kind, ValueKind::Table(_) | ValueKind::Array(_)) { "section" } else { "key" };
        reading.faults.push(Fault {
            place: reading.place(&Origin::of(value)),
            key: name.clone(),
            account: None,
            found: format!("an unknown {what}{}", suggest::did_you_mean(name, known.iter().copied())),
            allowed: format!("the sections {}", known.join(", ")),
        });
    }
    let database = one(reading, merged, "database", database::read);
    let server = one(reading, merged, "server", sync::read_server);
    let sync = one(reading, merged, "sync", sync::read_sync);
    let http = one(reading, merged, "http", sync::read_http);
    let privacy = one(reading, merged, "privacy", privacy::read);
    let telemetry = one(reading, merged, "telemetry", telemetry::read);
    let hecone = many(reading, merged, "hecone", account::hecone::read);
    let alexela = many(reading, merged, "alexela", account::alexela::read);
    let products = many(reading, merged, "product", product::read);
    names_are_unique(reading, merged, "hecone");
    names_are_unique(reading, merged, "alexela");
    Some(Config {
        database: database?,
        server: server?,
        sync: sync?,
        http: http?,
        privacy: privacy?,
        telemetry: telemetry?,
        hecone: hecone?,
        alexela: alexela?,
        products: products?,
    })
}

/// Reads a section that is one table; absent, it is all defaults.
fn one<T>(
    reading: &mut Reading,
    merged: &Table,
    name: &'static str,
    read: fn(&mut Section<'_>) -> Option<T>,
) -> Option<T> {
    let spec = section(name)?;
    let absent = Table::new();
    let (table, origin) = match merged.get(name) {
        None => (&absent, Origin::Default),
        Some(value) => match &value.kind {
            ValueKind::Table(table) => (table, Origin::Default),
            other => {
                wrong_shape(reading, value, name.to_owned(), other, format!("one table, [{name}]"));
                return None;
            }
        },
    };
    read(&mut Section::open(reading, spec.keys, name.to_owned(), table, origin))
}

/// Reads a section that is a list of tables.
fn many<T>(
    reading: &mut Reading,
    merged: &Table,
    name: &'static str,
    read: fn(&mut Section<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let spec = section(name)?;
    let Some(value) = merged.get(name) else { return Some(Vec::new()) };
    let ValueKind::Array(entries) = &value.kind else {
        wrong_shape(reading, value, name.to_owned(), &value.kind, format!("a list of tables, each under [[{name}]]"));
        return None;
    };
    let mut made = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let path = format!("{name}[{index}]");
        if let ValueKind::Table(table) = &entry.kind {
            // An entry made of variables only stands nowhere in the file.
            let origin = if entry.origin().is_some() { Origin::of(entry) } else { Origin::Default };
            made.push(read(&mut Section::open(reading, spec.keys, path, table, origin)));
        } else {
            wrong_shape(reading, entry, path, &entry.kind, format!("a table, under [[{name}]]"));
            made.push(None);
        }
    }
    made.into_iter().collect()
}

fn wrong_shape(reading: &mut Reading, value: &config::Value, key: String, kind: &ValueKind, allowed: String) {
    let place = reading.place(&Origin::of(value));
    // The value may hold secrets: only its kind is said.
    let found = given::Given::Typed(kind).describe(true);
    reading.faults.push(Fault { place, key, account: None, found, allowed });
}

/// Notes accounts of one vendor with one name: their rows could not be told apart.
fn names_are_unique(reading: &mut Reading, merged: &Table, vendor: &str) {
    let Some(ValueKind::Array(entries)) = merged.get(vendor).map(|value| &value.kind) else { return };
    let mut known: Vec<&str> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let ValueKind::Table(table) = &entry.kind else { continue };
        let Some(value) = table.get("name") else { continue };
        let ValueKind::String(name) = &value.kind else { continue };
        let name = name.trim();
        if known.contains(&name) {
            reading.faults.push(Fault {
                place: reading.place(&Origin::of(value)),
                key: format!("{vendor}[{index}].name"),
                account: Some(name.to_owned()),
                found: format!("{name:?}, which another {vendor} account has"),
                allowed: "a name of its own for each account".to_owned(),
            });
        }
        known.push(name);
    }
}

fn no_account(place: Place) -> Fault {
    Fault {
        place,
        key: String::new(),
        account: None,
        found: "no account".to_owned(),
        allowed: "at least one, under [[hecone]] or [[alexela]]; config/fuelsync.toml shows how".to_owned(),
    }
}
