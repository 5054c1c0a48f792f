//! The declaration of a key: name, type, default, and what it is for.
//!
//! Each section lists its keys once. The list drives reading (types, bounds, defaults, unknown keys), `config show`,
//! `config schema` and the test that keeps the sample file complete: none of them can fall out of step.

use std::time::Duration;

use super::units::show_duration;

/// One key of a section.
#[derive(Debug)]
pub(super) struct Key {
    /// As written in the file.
    pub(super) name: &'static str,
    /// What a value must look like.
    pub(super) kind: Type,
    /// Whether it must be there.
    pub(super) need: Need,
    /// What it is for, one sentence for the schema.
    pub(super) about: &'static str,
}

/// Whether a key must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// A fault when absent.
    Required,
    /// Nothing when absent.
    Optional,
    /// This text when absent, as an environment variable would give it.
    Default(&'static str),
}

/// What a value must look like.
#[derive(Debug)]
pub(super) enum Type {
    /// Text that is not empty.
    Text,
    /// A text that is never shown, of at least so many characters; also as `<name>_file`.
    Secret(usize),
    /// Where the warehouse is: a secret, shown without its password.
    Server,
    /// `true` or `false`.
    Flag,
    /// A whole number within bounds, both included.
    Count(u64, u64),
    /// A duration of at least this.
    Duration(Duration),
    /// A number of bytes.
    Size,
    /// A date or a time.
    Moment,
    /// A cron expression.
    Schedule,
    /// Address and port to listen on.
    Listen,
    /// A vendor's base URL, whose path must hold this text.
    Base(&'static str),
    /// A proxy's URL.
    Proxy,
    /// The URL of a collector of traces.
    Collector,
    /// A URL path that must hold this text.
    Path(&'static str),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Some of these words.
    Choices(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A list of tables with these keys.
    Tables(&'static [Key]),
    /// `HecOne`'s filter descriptor.
    Filter,
    /// A table of `HecOne`'s field names and JSON pointers.
    Pointers,
}

/// A second, for bounds.
pub(super) const SECOND: Duration = Duration::from_secs(1);

impl Key {
    /// A key that must be there.
    pub(super) const fn required(name: &'static str, kind: Type, about: &'static str) -> Self {
        Self { name, kind, need: Need::Required, about }
    }

    /// A key that may be absent.
    pub(super) const fn optional(name: &'static str, kind: Type, about: &'static str) -> Self {
        Self { name, kind, need: Need::Optional, about }
    }

    /// A key with a default.
    pub(super) const fn or(name: &'static str, kind: Type, default: &'static str, about: &'static str) -> Self {
        Self { name, kind, need: Need::Default(default), about }
    }

    /// Whether the value must never be shown, and may stand in a file of its own.
    pub(super) const fn is_secret(&self) -> bool {
        matches!(self.kind, Type::Secret(_) | Type::Server)
    }

    /// The names under which the key may stand in a table.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let file = self.is_secret().then(|| format!("{}_file", self.name));
        std::iter::once(self.name.to_owned()).chain(file)
    }
}

impl Type {
    /// What is allowed, as a fault says it.
    pub(super) fn allowed(&self) -> String {
        let quoted = |words: &[&str]| words.iter().map(|w| format!("{w:?}")).collect::<Vec<_>>().join(", ");
        match self {
            Self::Text => "a text in quotes that is not empty".to_owned(),
            Self::Secret(0 | 1) => "a text that is not empty".to_owned(),
            Self::Secret(least) => format!("at least {least} characters, exactly as the vendor issued it"),
            Self::Server => "\"postgres://user@host/database\", or \"embedded\"".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Count(least, most) => format!("a whole number from {least} to {most}"),
            Self::Duration(least) => {
                let bound =
                    if least.is_zero() { String::new() } else { format!(", at least {}", show_duration(*least)) };
                format!("a duration such as \"90s\", \"15m\", \"6h\" or \"2d\"{bound}")
            }
            Self::Size => "a size such as \"64KiB\", \"512MiB\" or \"1GiB\", at least 1KiB".to_owned(),
            Self::Moment => "a date (\"2026-01-01\", its UTC midnight) or an RFC 3339 time, from 1970 on".to_owned(),
            Self::Schedule => "six cron fields, seconds first, in UTC, such as \"0 */5 * * * *\"".to_owned(),
            Self::Listen => "an IP address and a port, such as \"127.0.0.1:9464\"".to_owned(),
            Self::Base("") => BASE.to_owned(),
            Self::Base(part) => format!("{BASE}; with {part:?} in its path"),
            Self::Proxy => "http://host:port or https://host:port, without user and password".to_owned(),
            Self::Collector => {
                "http://host:port or https://host:port, with a path or without, without user, query and fragment"
                    .to_owned()
            }
            Self::Path("") => "a path that starts with \"/\"".to_owned(),
            Self::Path(part) => format!("a path that starts with \"/\" and holds {part:?}"),
            Self::Choice(words) => format!("one of {}", quoted(words)),
            Self::Choices(words) => format!("a list of one or more of {}, none twice", quoted(words)),
            Self::Texts => "a list of texts in quotes, none twice, such as [\"22297\"]".to_owned(),
            Self::Tables(keys) => {
                let keys = keys.iter().map(|k| format!("{} = …", k.name)).collect::<Vec<_>>().join(", ");
                format!("a list of tables such as [ {{ {keys} }} ]")
            }
            Self::Filter => "{ parameter = \"composite_filter_descriptor\" or \"filter_descriptor\", json = the \
                             descriptor as JSON text or as an inline table }"
                .to_owned(),
            Self::Pointers => {
                "a table of field names, each with a JSON pointer such as \"/card/number\" or a list of them".to_owned()
            }
        }
    }
}

const BASE: &str = "an https:// address (http:// for a loopback address only), without user, query and fragment";
