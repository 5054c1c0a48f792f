//! Environment variables as a layer over the file: `FUELSYNC__SECTION__KEY`.
//!
//! Sections that are lists take an index (`FUELSYNC__HECONE__0__CLIENT_SECRET`) or, for accounts, the account's name
//! (`FUELSYNC__ALEXELA__FLEET__PSK`), case aside and with `_` for whatever a variable's name cannot hold.

use std::{collections::BTreeMap, fmt};

use config::{ConfigError, Source, Value, ValueKind};

use super::{
    faults::{Fault, Place},
    layers::Table,
    sections::{SECTIONS, SectionSpec, section},
    suggest::did_you_mean,
};

/// What every variable of the configuration starts with.
pub(super) const PREFIX: &str = "FUELSYNC__";

/// The variables' layer: the path that each one sets.
#[derive(Clone, Default)]
pub(super) struct Layer(BTreeMap<String, (String, String)>);

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values may be secrets.
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Table, ConfigError> {
        let set = |(path, (variable, text)): (&String, &(String, String))| {
            (path.clone(), Value::new(Some(variable), ValueKind::String(text.clone())))
        };
        Ok(self.0.iter().map(set).collect())
    }
}

impl Layer {
    /// Finds the path that each variable sets, given the file that they are laid over.
    pub(super) fn over(file: &Table, variables: Vec<(String, String)>, faults: &mut Vec<Fault>) -> Self {
        let mut variables: Vec<_> = variables.into_iter().filter_map(|v| Variable::split(v, file, faults)).collect();
        // Indexed ones first, in order: they may bring the accounts and names that others are about.
        variables.sort_by_key(|v| (v.index().is_none(), v.index(), v.name.clone()));
        let mut lists: BTreeMap<&'static str, Vec<String>> = SECTIONS
            .iter()
            .filter(|s| s.many)
            .map(|spec| (spec.name, if spec.shape_is_right(file) { names_in(file.get(spec.name)) } else { Vec::new() }))
            .collect();
        let mut layer = Self::default();
        for variable in variables {
            if let Some(path) = variable.path(&mut lists, faults) {
                layer.set(path, variable, faults);
            }
        }
        layer
    }

    fn set(&mut self, path: String, variable: Variable, faults: &mut Vec<Fault>) {
        // The same key, or a table and a key in it: which of the two would stand is nobody's to guess.
        let clash = |set: &String| *set == path || inside(set, &path) || inside(&path, set);
        if let Some((_, (other, _))) = self.0.iter().find(|(set, _)| clash(set)) {
            faults.push(fault(&variable.name, &path, &format!("{other} sets the same key"), "one of the two"));
            return;
        }
        self.0.insert(path, (variable.name, variable.text));
    }
}

/// Whether a path leads into a table.
fn inside(path: &str, table: &str) -> bool {
    path.strip_prefix(table).is_some_and(|rest| rest.starts_with('.'))
}

/// The names of the accounts in a list, an empty text for one without.
fn names_in(list: Option<&Value>) -> Vec<String> {
    let Some(ValueKind::Array(accounts)) = list.map(|list| &list.kind) else { return Vec::new() };
    let name = |account: &Value| match &account.kind {
        ValueKind::Table(table) => match table.get("name").map(|name| &name.kind) {
            Some(ValueKind::String(name)) => as_segment(name),
            _ => String::new(),
        },
        _ => String::new(),
    };
    accounts.iter().map(name).collect()
}

/// A name as it stands in a variable.
fn as_segment(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

/// A variable, split at `__`.
struct Variable {
    name: String,
    text: String,
    section: &'static SectionSpec,
    rest: Vec<String>,
}

impl Variable {
    fn split((name, text): (String, String), file: &Table, faults: &mut Vec<Fault>) -> Option<Self> {
        let segments: Vec<String> = name.strip_prefix(PREFIX)?.split("__").map(str::to_ascii_lowercase).collect();
        let (first, rest) = segments.split_first()?;
        let known = || SECTIONS.iter().map(|s| s.name);
        let Some(section) = section(first) else {
            let found = format!("no section {first:?}{}", did_you_mean(first, known()));
            let allowed =
                format!("FUELSYNC__SECTION__KEY with a section of {}", known().collect::<Vec<_>>().join(", "));
            faults.push(fault(&name, "", &found, &allowed));
            return None;
        };
        if text.contains(char::REPLACEMENT_CHARACTER) {
            faults.push(fault(&name, section.name, "a value that is not UTF-8", "UTF-8"));
            return None;
        }
        // A section of the wrong shape is a fault of the file; laying anything over it would hide that.
        let variable = Self { name, text, section, rest: rest.to_vec() };
        section.shape_is_right(file).then_some(variable)
    }

    /// The index in a list, where this variable names one.
    fn index(&self) -> Option<usize> {
        self.section.many.then(|| self.rest.first()?.parse().ok()).flatten()
    }

    /// The path that this variable sets, e.g. `alexela[0].psk`. `lists` holds the names of the accounts met so far.
    fn path(&self, lists: &mut BTreeMap<&'static str, Vec<String>>, faults: &mut Vec<Fault>) -> Option<String> {
        let section = self.section.name;
        let (root, keys) = match (lists.get_mut(section), self.rest.split_first()) {
            (Some(names), Some((segment, keys))) => {
                let index = self.entry(segment, keys, names).map_err(|fault| faults.push(*fault)).ok()?;
                (format!("{section}[{index}]"), keys)
            }
            _ => (section.to_owned(), self.rest.as_slice()),
        };
        let plain = |key: &String| {
            !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c))
        };
        let deep_enough = match keys {
            [_] => true,
            [key, _] => self.section.holds_tables(key),
            _ => false,
        };
        if deep_enough && keys.iter().all(plain) {
            return Some(format!("{root}.{}", keys.join(".")));
        }
        let allowed = match (self.section.many, self.section.has_names()) {
            (true, true) => format!("{PREFIX}{}__<index or account>__KEY", section.to_uppercase()),
            (true, false) => format!("{PREFIX}{}__<index>__KEY", section.to_uppercase()),
            (false, _) => format!("{PREFIX}{}__KEY", section.to_uppercase()),
        };
        faults.push(fault(&self.name, &root, "a name that leads to no key", &allowed));
        None
    }

    /// The place in the list that a segment stands for, adding one where an index follows the last.
    fn entry(&self, segment: &str, keys: &[String], names: &mut Vec<String>) -> Result<usize, Box<Fault>> {
        let section = self.section.name;
        if let Ok(index) = segment.parse::<usize>() {
            if index == names.len() {
                names.push(String::new());
            }
            let Some(name) = names.get_mut(index) else {
                let found = format!("entry {index} of {section}, which has {}", names.len());
                let allowed = format!("an index from 0 to {}", names.len());
                return Err(Box::new(fault(&self.name, section, &found, &allowed)));
            };
            if matches!(keys, [key] if key == "name") {
                *name = as_segment(&self.text);
            }
            return Ok(index);
        }
        let mut matching = (0..names.len()).filter(|index| names[*index] == segment && self.section.has_names());
        match (matching.next(), matching.next()) {
            (Some(index), None) => Ok(index),
            (Some(_), Some(_)) => {
                let found = format!("{segment:?}, which stands for more than one account");
                Err(Box::new(fault(&self.name, section, &found, "the account's index instead of its name")))
            }
            (None, _) => {
                let known: Vec<_> = names.iter().filter(|n| !n.is_empty()).map(|n| n.to_uppercase()).collect();
                let found =
                    format!("no account {segment:?}{}", did_you_mean(segment, names.iter().map(String::as_str)));
                let allowed = if known.is_empty() {
                    "an index, counted from 0".to_owned()
                } else {
                    format!("an index, counted from 0, or an account's name: {}", known.join(", "))
                };
                Err(Box::new(fault(&self.name, section, &found, &allowed)))
            }
        }
    }
}

fn fault(variable: &str, key: &str, found: &str, allowed: &str) -> Fault {
    Fault {
        place: Place::Variable(variable.to_owned()),
        key: key.to_owned(),
        account: None,
        found: found.to_owned(),
        allowed: allowed.to_owned(),
    }
}
