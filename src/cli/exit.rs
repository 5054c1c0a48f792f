//! How a command ends: exit codes, and failures with what to do next.

use std::{error::Error, fmt, process::ExitCode};

use crate::config::Faults;

/// How a command ended. Scripts and service managers rely on the numbers; they are part of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// 0: done; also with gaps, quarantined rows, a stream that is not enabled, or one whose lease another process
    /// holds: each is said.
    Done = 0,
    /// 1: unexpected failure.
    Unexpected = 1,
    /// 2: bad usage or configuration; every fault is listed at once.
    Usage = 2,
    /// 3: some streams failed; what the others read is committed.
    SomeStreams = 3,
    /// 4: the database cannot be reached or refuses.
    Database = 4,
    /// 5: every account's credentials are refused; one of several refused is 3.
    Credentials = 5,
    /// 6: `check`, `verify`, `prove` or `migrate --check` found something.
    Found = 6,
    /// 130: a one-shot command stopped by SIGINT before its work was done.
    Interrupted = 130,
    /// 143: a one-shot command stopped by SIGTERM before its work was done.
    Terminated = 143,
}

impl Exit {
    /// All of them, in order.
    pub const ALL: [Self; 9] = [
        Self::Done,
        Self::Unexpected,
        Self::Usage,
        Self::SomeStreams,
        Self::Database,
        Self::Credentials,
        Self::Found,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What it means, as help and manual say it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done; gaps, quarantined rows and streams not enabled or held by another process are said",
            Self::Unexpected => "unexpected failure",
            Self::Usage => "bad usage or configuration; every fault is listed at once",
            Self::SomeStreams => "some streams failed; what the others read is committed",
            Self::Database => "the database cannot be reached or refuses",
            Self::Credentials => "every account's credentials are refused",
            Self::Found => "check, verify, prove, invoices match or migrate --check found something",
            Self::Interrupted => "stopped by SIGINT before the work was done; nothing half-written",
            Self::Terminated => "stopped by SIGTERM before the work was done; nothing half-written",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command could not do what it was asked, and what to do next. Shown as one paragraph.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    what: String,
    cause: Option<Box<dyn Error + Send + Sync>>,
    next: Option<String>,
}

impl Failure {
    /// A failure in one sentence, without its full stop.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), cause: None, next: None }
    }

    /// Bad usage: exit 2.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// Something nobody expected: exit 1.
    pub fn unexpected(what: impl Into<String>, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Exit::Unexpected, what).because(cause)
    }

    /// The error behind it; its own causes are shown, too.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// What to do next, in one sentence.
    #[must_use]
    pub fn next(mut self, step: impl Into<String>) -> Self {
        self.next = Some(step.into());
        self
    }

    /// With what the process ends.
    pub const fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.what.clone();
        let mut cause: Option<&(dyn Error + 'static)> = self.cause.as_deref().map(|cause| cause as _);
        while let Some(error) = cause {
            let text = error.to_string();
            // Many errors repeat their cause in their own text.
            if !text.is_empty() && !said.contains(&text) {
                said = format!("{}: {text}", said.trim_end_matches(['.', ':']));
            }
            cause = error.source();
        }
        f.write_str(said.trim_end())?;
        match &self.next {
            None => Ok(()),
            Some(next) if said.contains('\n') => write!(f, "\n\n{next}"),
            Some(next) if said.trim_end().ends_with(['.', '!', '?']) => write!(f, " {next}"),
            Some(next) => write!(f, ". {next}"),
        }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Self {
        Self::usage(faults.to_string())
            .next("Nothing was started. All keys with their defaults: `fuelsync config schema`, config/fuelsync.toml.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_the_contract() {
        assert_eq!(Exit::ALL.map(Exit::code), [0, 1, 2, 3, 4, 5, 6, 130, 143]);
    }

    #[test]
    fn a_failure_reads_as_one_paragraph_with_a_next_step() {
        let cause = std::io::Error::other("connection refused");
        let failure = Failure::new(Exit::Database, "the warehouse cannot be reached")
            .because(cause)
            .next("Start the server, or correct database.url.");
        assert_eq!(
            failure.to_string(),
            "the warehouse cannot be reached: connection refused. Start the server, or correct database.url."
        );
        assert_eq!(failure.exit().code(), 4);
    }

    #[test]
    fn a_cause_already_said_is_not_said_twice() {
        let failure = Failure::unexpected("it broke: disk full", std::io::Error::other("disk full"));
        assert_eq!(failure.to_string(), "it broke: disk full");
    }
}
