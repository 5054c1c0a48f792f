//! Reading a section: every key by its declaration, every fault noted, reading goes on.
//!
//! A reader returns `None` for a key that is absent or at fault; a fault has then been noted, so that a section that
//! comes to nothing never does so silently.

use std::{fmt, path::PathBuf, time::Duration};

use chrono::{DateTime, Utc};
use config::{Value, ValueKind};
use url::Url;

use super::{
    faults::{Fault, Place},
    given::{Given, Parsed, to_json},
    key::{Key, Need, Type},
    layers::{Origin, Table},
    show::Setting,
    suggest::did_you_mean,
};
use crate::schedule::Schedule;

/// What reading a configuration gathers.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The file, when there is one.
    pub(super) file: Option<PathBuf>,
    /// What is wrong.
    pub(super) faults: Vec<Fault>,
    /// What is in force, for `config show`.
    pub(super) settings: Vec<Setting>,
}

impl Reading {
    /// Where a fault stands.
    pub(super) fn place(&self, origin: &Origin) -> Place {
        match (origin, &self.file) {
            (Origin::Variable(name), _) => Place::Variable(name.clone()),
            (Origin::File(line), Some(path)) => Place::File { path: path.clone(), line: *line, column: None },
            (Origin::Default, Some(path)) => Place::File { path: path.clone(), line: None, column: None },
            (Origin::File(_) | Origin::Default, None) => Place::Nowhere,
        }
    }
}

/// One table of the configuration being read.
pub(super) struct Section<'a> {
    pub(super) reading: &'a mut Reading,
    pub(super) table: &'a Table,
    keys: &'static [Key],
    path: String,
    pub(super) account: Option<String>,
    /// Where the table itself stands.
    origin: Origin,
    /// A list's own tables are shown as part of the list.
    shown: bool,
}

impl<'a> Section<'a> {
    /// Opens a table; unknown keys are noted at once.
    pub(super) fn open(
        reading: &'a mut Reading,
        keys: &'static [Key],
        path: String,
        table: &'a Table,
        origin: Origin,
    ) -> Self {
        let account = keys.iter().any(|k| k.name == "name").then(|| table.get("name")).flatten();
        let account = account.and_then(|name| match &name.kind {
            ValueKind::String(name) if !name.trim().is_empty() => Some(name.clone()),
            _ => None,
        });
        let section = Self { reading, table, keys, path, account, origin, shown: true };
        let known: Vec<String> = keys.iter().flat_map(Key::names).collect();
        for (name, value) in table.iter().filter(|(name, _)| !known.contains(name)) {
            let hint = did_you_mean(name, known.iter().map(String::as_str));
            let fault = Fault {
                place: section.reading.place(&Origin::of(value)),
                key: format!("{}.{name}", section.path),
                account: section.account.clone(),
                found: format!("an unknown key{hint}"),
                allowed: known.join(", "),
            };
            section.reading.faults.push(fault);
        }
        section
    }

    /// The declaration of a key. Asking for one that is not declared is a defect, and noted as one.
    pub(super) fn key(&mut self, name: &str) -> Option<&'static Key> {
        let key = self.keys.iter().find(|key| key.name == name);
        if key.is_none() {
            self.note(
                name,
                &Origin::Default,
                "a key without a declaration".to_owned(),
                "none: this is a defect".to_owned(),
            );
        }
        key
    }

    /// Notes a fault of a key.
    pub(super) fn note(&mut self, name: &str, origin: &Origin, found: String, allowed: String) {
        let place = self.reading.place(origin);
        let key = format!("{}.{name}", self.path);
        self.reading.faults.push(Fault { place, key, account: self.account.clone(), found, allowed });
    }

    /// Notes that a value does not fit another; `name` is the key to change.
    pub(super) fn object(&mut self, name: &str, found: impl fmt::Display, allowed: impl fmt::Display) {
        let origin = self.table.get(name).map_or_else(|| self.origin.clone(), Origin::of);
        self.note(name, &origin, found.to_string(), allowed.to_string());
    }

    /// Notes that a required key is not there.
    pub(super) fn missing(&mut self, key: &Key) {
        let names = key.names().collect::<Vec<_>>().join(" or ");
        let origin = self.origin.clone();
        self.note(key.name, &origin, format!("nothing; {names} is required"), key.kind.allowed());
    }

    /// Notes what is in force.
    pub(super) fn show(&mut self, name: &str, value: serde_json::Value, from: String) {
        if self.shown {
            let key = format!("{}.{name}", self.path);
            self.reading.settings.push(Setting { key, account: self.account.clone(), value, from });
        }
    }

    /// How an origin is named in `config show`.
    pub(super) fn named(&self, origin: &Origin) -> String {
        match origin {
            Origin::Default => "default".to_owned(),
            Origin::File(_) | Origin::Variable(_) => self.reading.place(origin).to_string(),
        }
    }

    fn take<T>(&mut self, name: &str, parse: impl FnOnce(Given<'a>, &Type) -> Parsed<T>) -> Option<T> {
        let key = self.key(name)?;
        let (given, origin) = match (self.table.get(name), key.need) {
            (Some(value), _) => given_by(value),
            (None, Need::Default(text)) => (Given::Untyped(text), Origin::Default),
            (None, Need::Optional) => {
                self.show(name, serde_json::Value::Null, "not set".to_owned());
                return None;
            }
            (None, Need::Required) => {
                self.missing(key);
                return None;
            }
        };
        match parse(given, &key.kind) {
            Ok(made) => {
                let from = self.named(&origin);
                self.show(name, shown(given, &key.kind), from);
                Some(made)
            }
            Err(remark) => {
                let described = given.describe(
                    matches!(key.kind, Type::Base(_) | Type::Proxy | Type::Collector) && may_hold_secret(given),
                );
                let found = if remark.is_empty() { described } else { format!("{described}: {remark}") };
                self.note(name, &origin, found, key.kind.allowed());
                None
            }
        }
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.take(name, |given, _| given.text().map(|text| text.trim().to_owned()))
    }

    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        self.take(name, |given, _| given.flag())
    }

    pub(super) fn count<N: TryFrom<u64>>(&mut self, name: &str) -> Option<N> {
        self.take(name, |given, kind| {
            let (least, most) = if let Type::Count(least, most) = kind { (*least, *most) } else { (0, u64::MAX) };
            given.count(least, most).and_then(|n| N::try_from(n).map_err(|_| "too large".to_owned()))
        })
    }

    pub(super) fn duration(&mut self, name: &str) -> Option<Duration> {
        self.take(name, |given, kind| {
            given.duration(if let Type::Duration(least) = kind { *least } else { Duration::ZERO })
        })
    }

    pub(super) fn size(&mut self, name: &str) -> Option<u64> {
        self.take(name, |given, _| given.size())
    }

    pub(super) fn moment(&mut self, name: &str) -> Option<DateTime<Utc>> {
        self.take(name, |given, _| given.moment())
    }

    pub(super) fn schedule(&mut self, name: &str) -> Option<Schedule> {
        self.take(name, |given, _| given.schedule())
    }

    pub(super) fn listen(&mut self, name: &str) -> Option<std::net::SocketAddr> {
        self.take(name, |given, _| given.listen())
    }

    pub(super) fn base_url(&mut self, name: &str) -> Option<Url> {
        self.take(name, |given, kind| given.base_url(if let Type::Base(part) = kind { part } else { "" }))
    }

    pub(super) fn proxy(&mut self, name: &str) -> Option<Url> {
        self.take(name, |given, _| given.proxy())
    }

    pub(super) fn collector(&mut self, name: &str) -> Option<Url> {
        self.take(name, |given, _| given.collector())
    }

    pub(super) fn path(&mut self, name: &str) -> Option<String> {
        self.take(name, |given, kind| given.path(if let Type::Path(part) = kind { part } else { "" }))
    }

    /// One of some words, given with what each stands for.
    pub(super) fn choice<T: Copy>(&mut self, name: &str, meanings: &[T]) -> Option<T> {
        let chosen = self.take(name, |given, kind| match kind {
            Type::Choice(words) => given.choice(words),
            _ => Err(String::new()),
        })?;
        meanings.get(chosen).copied()
    }

    /// Some of some words, given with what each stands for.
    pub(super) fn choices<T: Copy>(&mut self, name: &str, meanings: &[T]) -> Option<Vec<T>> {
        let chosen = self.take(name, |given, kind| {
            let Type::Choices(words) = kind else { return Err(String::new()) };
            let texts = given.texts()?;
            if texts.is_empty() {
                return Err("empty".to_owned());
            }
            let place = |text: &String| {
                Given::Untyped(text)
                    .choice(words)
                    .map_err(|hint| format!("{text:?} is none of them {hint}").trim().to_owned())
            };
            texts.iter().map(place).collect::<Result<Vec<_>, _>>()
        })?;
        chosen.into_iter().map(|index| meanings.get(index).copied()).collect()
    }

    pub(super) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        self.take(name, |given, _| given.texts())
    }

    /// A key of a type with a reader of its own.
    pub(super) fn special<T>(&mut self, name: &str, parse: impl FnOnce(Given<'a>) -> Parsed<T>) -> Option<T> {
        self.take(name, |given, _| parse(given))
    }

    /// The tables of a list, each read by `read`.
    pub(super) fn tables<T>(&mut self, name: &str, read: impl Fn(&mut Section<'_>) -> Option<T>) -> Option<Vec<T>> {
        let items = self.take(name, |given, _| {
            let items = given.items()?;
            let all_tables = items.iter().all(|item| matches!(item.kind, ValueKind::Table(_)));
            if all_tables { Ok(items) } else { Err("with an entry that is no table".to_owned()) }
        })?;
        let Some(Key { kind: Type::Tables(keys), .. }) = self.key(name) else { return None };
        let origin = self.table.get(name).map_or(Origin::Default, Origin::of);
        let mut made = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let ValueKind::Table(table) = &item.kind else { continue };
            let path = format!("{}.{name}[{index}]", self.path);
            let place = if item.origin().is_some() { Origin::of(item) } else { origin.clone() };
            let mut section = Section::open(self.reading, keys, path, table, place);
            section.shown = false;
            made.push(read(&mut section));
        }
        made.into_iter().collect()
    }
}

/// A value and where it came from. What a variable gives is a text that its key may read as something else.
pub(super) fn given_by(value: &Value) -> (Given<'_>, Origin) {
    match (Origin::of(value), &value.kind) {
        (origin @ Origin::Variable(_), ValueKind::String(text)) => (Given::Untyped(text), origin),
        (origin, kind) => (Given::Typed(kind), origin),
    }
}

/// Whether an address may hold a password or a token, which a fault must not show.
fn may_hold_secret(given: Given<'_>) -> bool {
    given.text().is_ok_and(|text| text.contains(['@', '?', '#']))
}

/// A value as `config show` has it: texts of variables and defaults in the type that they were read as.
fn shown(given: Given<'_>, kind: &Type) -> serde_json::Value {
    match (given, kind) {
        (Given::Typed(value), _) => to_json(value),
        (Given::Untyped(_), Type::Texts | Type::Choices(_) | Type::Tables(_)) => {
            given.items().map(|items| items.iter().map(|item| to_json(&item.kind)).collect()).unwrap_or_default()
        }
        (Given::Untyped(text), Type::Flag) => given.flag().map_or_else(|_| text.into(), Into::into),
        (Given::Untyped(text), Type::Count(..)) => given.count(0, u64::MAX).map_or_else(|_| text.into(), Into::into),
        (Given::Untyped(text), Type::Filter | Type::Pointers) => {
            given.json_object().map_or_else(|_| text.into(), serde_json::Value::Object)
        }
        (Given::Untyped(text), _) => text.into(),
    }
}
