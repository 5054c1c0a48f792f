//! What was given for a key, and how each type is read from it.
//!
//! A file gives typed values; a variable or a default gives a text, which is read as what the key wants. Each reader
//! returns the value, or a remark on what is wrong with it (empty when the type's own description says it all).

use std::{borrow::Cow, collections::BTreeMap, net::SocketAddr, time::Duration};

use chrono::{DateTime, Utc};
use config::{Value, ValueKind};
use url::{Host, Url};

use super::{layers, units};
use crate::{schedule::Schedule, source::hecone::Pointers};

/// The value, or a remark on what is wrong with it.
pub(super) type Parsed<T> = Result<T, String>;

/// What was given for a key.
#[derive(Clone, Copy)]
pub(super) enum Given<'v> {
    /// By the file.
    Typed(&'v ValueKind),
    /// By a variable or a default.
    Untyped(&'v str),
}

const fn wrong() -> String {
    String::new()
}

impl<'v> Given<'v> {
    /// What was found, as a fault says it; a secret only by its kind.
    pub(super) fn describe(self, secret: bool) -> String {
        let short = |text: &str| match text.char_indices().nth(80) {
            None => format!("{text:?}"),
            Some((end, _)) => format!("{:?} …", &text[..end]),
        };
        let text = |text: &str| match text {
            "" => "an empty text".to_owned(),
            text if secret => format!("{} characters", text.chars().count()),
            text => short(text),
        };
        match self {
            Self::Untyped(given) => text(given),
            Self::Typed(ValueKind::String(given)) => text(given),
            Self::Typed(ValueKind::Boolean(flag)) if !secret => flag.to_string(),
            Self::Typed(ValueKind::I64(number)) if !secret => format!("the number {number}"),
            Self::Typed(ValueKind::Nil) => "nothing".to_owned(),
            Self::Typed(ValueKind::Boolean(_)) => "true or false".to_owned(),
            Self::Typed(ValueKind::Table(_)) => "a table".to_owned(),
            Self::Typed(ValueKind::Array(_)) => "a list".to_owned(),
            Self::Typed(ValueKind::Float(_)) => "a number that is not whole or too large".to_owned(),
            Self::Typed(ValueKind::I64(_) | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_)) => {
                "a number".to_owned()
            }
        }
    }

    /// A text that is not empty.
    pub(super) fn text(self) -> Parsed<&'v str> {
        match self {
            Self::Untyped(text) => Some(text),
            Self::Typed(ValueKind::String(text)) => Some(text.as_str()),
            Self::Typed(_) => None,
        }
        .filter(|text| !text.trim().is_empty())
        .ok_or_else(wrong)
    }

    pub(super) fn flag(self) -> Parsed<bool> {
        match self {
            Self::Typed(ValueKind::Boolean(flag)) => Ok(*flag),
            Self::Untyped(text) => text.trim().to_ascii_lowercase().parse().map_err(|_| wrong()),
            Self::Typed(_) => Err(wrong()),
        }
    }

    pub(super) fn count(self, least: u64, most: u64) -> Parsed<u64> {
        let number = match self {
            Self::Typed(ValueKind::I64(number)) => u64::try_from(*number).ok(),
            Self::Untyped(text) => text.trim().parse().ok(),
            Self::Typed(_) => None,
        };
        number.filter(|n| (least..=most).contains(n)).ok_or_else(wrong)
    }

    pub(super) fn duration(self, least: Duration) -> Parsed<Duration> {
        // Ten years: far beyond any use, and no sum with a time can overflow.
        let most = Duration::from_hours(10 * 366 * 24);
        let length = units::duration(self.text()?).ok_or_else(wrong)?;
        if length > most {
            return Err("more than ten years".to_owned());
        }
        Some(length).filter(|length| *length >= least).ok_or_else(wrong)
    }

    pub(super) fn size(self) -> Parsed<u64> {
        let bytes = match self {
            Self::Typed(ValueKind::I64(number)) => u64::try_from(*number).ok(),
            Self::Typed(_) | Self::Untyped(_) => units::size(self.text()?),
        };
        bytes.filter(|bytes| *bytes >= 1 << 10).ok_or_else(wrong)
    }

    pub(super) fn moment(self) -> Parsed<DateTime<Utc>> {
        let moment = units::moment(self.text()?).ok_or_else(wrong)?;
        Some(moment).filter(|at| *at >= DateTime::UNIX_EPOCH).ok_or_else(|| "before 1970".to_owned())
    }

    pub(super) fn schedule(self) -> Parsed<Schedule> {
        self.text()?.parse().map_err(|e: crate::schedule::ScheduleError| e.to_string())
    }

    pub(super) fn listen(self) -> Parsed<SocketAddr> {
        self.text()?.trim().parse().map_err(|_| wrong())
    }

    /// A vendor's base URL: https, or http on loopback; the trailing slash is cut off.
    pub(super) fn base_url(self, part: &str) -> Parsed<Url> {
        let mut url = Url::parse(self.text()?.trim()).map_err(|e| e.to_string())?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("with a user or password in it".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("with a query or fragment".to_owned());
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err("http:// to another machine".to_owned()),
            other => return Err(format!("the scheme {other}:")),
        }
        let path = url.path().trim_end_matches('/').to_owned();
        if !format!("{path}/").contains(part) {
            return Err(format!("without {part:?}"));
        }
        url.set_path(&path);
        Ok(url)
    }

    pub(super) fn proxy(self) -> Parsed<Url> {
        let url = Url::parse(self.text()?.trim()).map_err(|e| e.to_string())?;
        let plain = url.username().is_empty() && url.password().is_none() && url.has_host();
        Some(url).filter(|url| plain && ["http", "https"].contains(&url.scheme())).ok_or_else(wrong)
    }

    /// A collector's address. What it gets is no secret, so `http` to another machine is its operator's to allow.
    pub(super) fn collector(self) -> Parsed<Url> {
        let url = Url::parse(self.text()?.trim()).map_err(|e| e.to_string())?;
        let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        let fits = plain && url.fragment().is_none() && url.has_host() && ["http", "https"].contains(&url.scheme());
        Some(url).filter(|_| fits).ok_or_else(wrong)
    }

    pub(super) fn path(self, part: &str) -> Parsed<String> {
        let text = self.text()?.trim();
        let fine = text.starts_with('/') && text.contains(part) && !text.contains(['?', '#', ' ']);
        Some(text.to_owned()).filter(|_| fine).ok_or_else(wrong)
    }

    /// One of some words, as its place among them.
    pub(super) fn choice(self, words: &[&str]) -> Parsed<usize> {
        let text = self.text()?.trim();
        let remark = || super::suggest::did_you_mean(text, words.iter().copied()).trim_start_matches("; ").to_owned();
        words.iter().position(|word| *word == text).ok_or_else(remark)
    }

    /// The entries of a list. A variable gives a TOML list, or texts with commas between them.
    pub(super) fn items(self) -> Parsed<Cow<'v, [Value]>> {
        match self {
            Self::Typed(ValueKind::Array(items)) => Ok(Cow::Borrowed(items.as_slice())),
            Self::Untyped(text) if text.trim_start().starts_with('[') => match layers::value(text).map(|v| v.kind) {
                Some(ValueKind::Array(items)) => Ok(Cow::Owned(items)),
                _ => Err("not a TOML list".to_owned()),
            },
            Self::Untyped(text) => {
                let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
                Ok(Cow::Owned(entries.map(|entry| Value::from(entry.to_owned())).collect()))
            }
            Self::Typed(_) => Err(wrong()),
        }
    }

    /// A list of texts, none empty, none twice.
    pub(super) fn texts(self) -> Parsed<Vec<String>> {
        let mut texts: Vec<String> = Vec::new();
        for item in self.items()?.iter() {
            let item = Given::Typed(&item.kind);
            let text = item.text().map_err(|_| format!("with {}", item.describe(false)))?.trim();
            if texts.iter().any(|known| known == text) {
                return Err(format!("with {text:?} twice"));
            }
            texts.push(text.to_owned());
        }
        Ok(texts)
    }

    /// A table, as JSON.
    pub(super) fn json_object(self) -> Parsed<serde_json::Map<String, serde_json::Value>> {
        let json = match self {
            Self::Typed(ValueKind::String(text)) => serde_json::from_str(text).map_err(|e| e.to_string())?,
            Self::Untyped(text) => match serde_json::from_str(text) {
                Ok(json) => json,
                Err(e) => layers::value(text).map(|value| to_json(&value.kind)).ok_or_else(|| e.to_string())?,
            },
            Self::Typed(kind) => to_json(kind),
        };
        match json {
            serde_json::Value::Object(object) => Ok(object),
            _ => Err(wrong()),
        }
    }

    /// Field names, each with a JSON pointer or several.
    pub(super) fn pointers(self) -> Parsed<BTreeMap<String, Vec<String>>> {
        let parsed;
        let table = match self {
            Self::Typed(ValueKind::Table(table)) => table,
            Self::Untyped(text) => {
                parsed = layers::value(text).map(|value| value.kind);
                match &parsed {
                    Some(ValueKind::Table(table)) => table,
                    _ => return Err(wrong()),
                }
            }
            Self::Typed(_) => return Err(wrong()),
        };
        let mut fields = BTreeMap::new();
        // In the order of their names, so that of two faults the same one is said each time.
        for (name, pointers) in table.iter().collect::<BTreeMap<_, _>>() {
            if !Pointers::knows(name) {
                let hint = super::suggest::did_you_mean(name, Pointers::NAMES.iter().copied());
                return Err(format!("with the unknown field {name:?}{hint}"));
            }
            let given = Given::Typed(&pointers.kind);
            let pointers = match given.text() {
                Ok(one) if one.trim_start().starts_with('[') => Given::Untyped(one).texts(),
                Ok(one) => Ok(vec![one.to_owned()]),
                Err(_) => given.texts(),
            };
            let pointers = pointers.map_err(|_| format!("{name} with {}", given.describe(false)))?;
            if let Some(bad) = pointers.iter().find(|pointer| !is_pointer(pointer)) {
                return Err(format!("{name} with {bad:?}, which is no JSON pointer"));
            }
            fields.insert(name.clone(), pointers);
        }
        Ok(fields)
    }
}

/// Whether a text is a pointer of RFC 6901 to something inside a record: `~` stands only before `0` or `1`.
fn is_pointer(text: &str) -> bool {
    text.starts_with('/') && text.split('~').skip(1).all(|after| after.starts_with(['0', '1']))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A value as JSON, for `config show` and for the filter; keys in alphabetical order.
pub(super) fn to_json(kind: &ValueKind) -> serde_json::Value {
    match kind {
        ValueKind::Nil => serde_json::Value::Null,
        ValueKind::Boolean(flag) => (*flag).into(),
        ValueKind::I64(number) => (*number).into(),
        ValueKind::U64(number) => (*number).into(),
        ValueKind::Float(number) => (*number).into(),
        ValueKind::I128(number) => number.to_string().into(),
        ValueKind::U128(number) => number.to_string().into(),
        ValueKind::String(text) => text.as_str().into(),
        ValueKind::Array(items) => items.iter().map(|item| to_json(&item.kind)).collect(),
        ValueKind::Table(table) => {
            let sorted: BTreeMap<_, _> = table.iter().collect();
            sorted.into_iter().map(|(key, value)| (key.clone(), to_json(&value.kind))).collect()
        }
    }
}
