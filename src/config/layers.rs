//! The layers of a configuration: a TOML file, and environment variables over it.
//!
//! Both are sources of the `config` crate, which lays one over the other. Each value carries where it came from: the
//! line in the file, or the variable's name.

use std::collections::HashMap;

use config::{ConfigError, Source, Value, ValueKind};
use toml::de::{DeTable, DeValue};

/// A table of the `config` crate.
pub(super) type Table = config::Map<String, Value>;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The file, with the line where it is known.
    File(Option<usize>),
    /// An environment variable.
    Variable(String),
    /// Nobody said anything.
    Default,
}

impl Origin {
    /// The origin that a layer put on a value.
    pub(super) fn of(value: &Value) -> Self {
        match value.origin() {
            Some(name) if name.starts_with(super::variables::PREFIX) => Self::Variable(name.to_owned()),
            line => Self::File(line.and_then(|line| line.parse().ok())),
        }
    }
}

/// Why a text is not TOML.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// Counted from 1.
    pub(super) line: usize,
    /// Counted from 1.
    pub(super) column: usize,
    /// What is wrong, without the text itself: it may hold a secret.
    pub(super) message: String,
}

/// The file's layer.
#[derive(Clone)]
pub(super) struct Document(Table);

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The values may be secrets.
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Document {
    /// Reads TOML; every value gets its line as origin.
    pub(super) fn parse(text: &str) -> Result<Self, Vec<SyntaxError>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok(Self(table_of(table.get_ref(), &Lines::of(text))));
        }
        let lines = Lines::of(text);
        let describe = |error: &toml::de::Error| {
            let (line, column) = lines.place(text, error.span().map_or(0, |span| span.start));
            SyntaxError { line, column, message: error.message().lines().collect::<Vec<_>>().join(", ") }
        };
        Err(errors.iter().map(describe).collect())
    }

    /// An empty file.
    pub(super) fn empty() -> Self {
        Self(Table::new())
    }

    /// The file's tables, before anything is laid over them.
    pub(super) const fn table(&self) -> &Table {
        &self.0
    }
}

impl Source for Document {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Table, ConfigError> {
        Ok(self.0.clone())
    }
}

/// Reads one TOML value, as environment variables and defaults hold lists and tables.
pub(super) fn value(text: &str) -> Option<Value> {
    let parsed = DeValue::parse(text).ok()?;
    Some(value_of(&parsed, None, &Lines::of("")))
}

/// Lays the layers over each other, the last on top.
pub(super) fn merge(document: Document, variables: super::variables::Layer) -> Result<Table, ConfigError> {
    let merged = config::Config::builder().add_source(document).add_source(variables).build()?;
    match merged.cache.kind {
        ValueKind::Table(table) => Ok(table),
        _ => Ok(Table::new()),
    }
}

fn table_of(table: &DeTable<'_>, lines: &Lines) -> Table {
    table
        .iter()
        .map(|(key, value)| {
            let line = lines.line(key.span().start);
            (key.get_ref().clone().into_owned(), value_of(value, Some(line), lines))
        })
        .collect::<HashMap<_, _>>()
}

fn value_of(value: &toml::Spanned<DeValue<'_>>, line: Option<usize>, lines: &Lines) -> Value {
    let origin = line.map(|line| line.to_string());
    let kind = match value.get_ref() {
        DeValue::String(text) => ValueKind::String(text.clone().into_owned()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => ValueKind::I64(number),
            // Too large for any setting: kept as what it is, so that the key's own reader says what is allowed.
            Err(_) => ValueKind::Float(f64::INFINITY),
        },
        DeValue::Float(number) => ValueKind::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => ValueKind::Boolean(*flag),
        DeValue::Datetime(time) => ValueKind::String(time.to_string()),
        DeValue::Array(items) => {
            let item = |item| value_of(item, line.map(|_| lines.line(item.span().start)), lines);
            ValueKind::Array(items.iter().map(item).collect())
        }
        DeValue::Table(table) => ValueKind::Table(table_of(table, lines)),
    };
    Value::new(origin.as_ref(), kind)
}

/// Where each line starts.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    fn line(&self, at: usize) -> usize {
        self.0.partition_point(|start| *start <= at)
    }

    fn place(&self, text: &str, at: usize) -> (usize, usize) {
        let line = self.line(at);
        let start = line.checked_sub(1).and_then(|index| self.0.get(index)).copied().unwrap_or(0);
        (line, text.get(start..at).map_or(0, |before| before.chars().count()) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_knows_its_line() {
        let document = Document::parse("[sync]\nworkers = 4\n\n[[hecone]]\nname = \"north\"\n").expect("TOML");
        let merged = merge(document, super::super::variables::Layer::default()).expect("merge");
        let ValueKind::Table(sync) = &merged["sync"].kind else { panic!("a table") };
        assert_eq!(Origin::of(&sync["workers"]), Origin::File(Some(2)));
        let ValueKind::Array(accounts) = &merged["hecone"].kind else { panic!("a list") };
        assert_eq!(Origin::of(&accounts[0]), Origin::File(Some(4)));
    }

    #[test]
    fn a_syntax_error_has_its_place_and_not_the_text() {
        let errors = Document::parse("[sync]\nworkers = 4\npsk = \"canary-secret\n").expect_err("no TOML");
        assert_eq!(errors[0].line, 3);
        assert!(errors[0].column > 1);
        assert!(!format!("{errors:?}").contains("canary"), "{errors:?}");
    }
}
