//! Everything that is wrong with a configuration, listed at once: where it stands, what was found, what is allowed.
//!
//! No value of a secret ever gets into a [`Fault`]: the readers describe a secret by its kind and length only.

use std::{fmt, path::PathBuf};

/// Where a fault stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In a file, where known with line (and column).
    File {
        /// The file, as it was named or found.
        path: PathBuf,
        /// Counted from 1.
        line: Option<usize>,
        /// Counted from 1.
        column: Option<usize>,
    },
    /// In an environment variable.
    Variable(String),
    /// In what is missing altogether: there is no file.
    Nowhere,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => {
                write!(f, "{}", path.display())?;
                line.map_or(Ok(()), |line| write!(f, ":{line}"))?;
                column.map_or(Ok(()), |column| write!(f, ":{column}"))
            }
            Self::Variable(name) => f.write_str(name),
            Self::Nowhere => f.write_str("(no configuration file)"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// File and line, or the environment variable.
    pub place: Place,
    /// The key's path, e.g. `alexela[0].psk`; empty when the fault is not about a key.
    pub key: String,
    /// The account's name, where the key belongs to one.
    pub account: Option<String>,
    /// What was found. Never a secret's value.
    pub found: String,
    /// What is allowed instead.
    pub allowed: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place)?;
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        if let Some(account) = &self.account {
            write!(f, " (account {account:?})")?;
        }
        write!(f, "\n      found:   {}\n      allowed: {}", self.found, self.allowed)
    }
}

/// All that is wrong with a configuration. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// The faults, in the order of the file.
    pub fn all(&self) -> &[Fault] {
        &self.0
    }

    /// What was made of a configuration, or the faults met on the way.
    pub(super) fn unless<T>(mut faults: Vec<Fault>, made: Option<T>) -> Result<T, Self> {
        if let (true, Some(made)) = (faults.is_empty(), made) {
            return Ok(made);
        }
        if faults.is_empty() {
            // A section gave nothing without saying why: a defect of this program, said rather than hidden.
            faults.push(Fault {
                place: Place::Nowhere,
                key: String::new(),
                account: None,
                found: "a setting that was read as nothing, without a reason".to_owned(),
                allowed: "this is a defect of fuelsync; please report it".to_owned(),
            });
        }
        faults.sort();
        faults.dedup();
        Err(Self(faults))
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the configuration has 1 fault:")?,
            n => write!(f, "the configuration has {n} faults:")?,
        }
        for fault in &self.0 {
            write!(f, "\n\n  - {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
