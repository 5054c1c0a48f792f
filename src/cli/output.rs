//! What a command says: results on standard output, everything else on standard error.
//!
//! The only place that writes to either, so that a result never mixes with a log line, a progress bar never with both,
//! and a reader that goes away (`fuelsync status | head`) is no failure.

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use indicatif::{MultiProgress, ProgressDrawTarget};

use super::{Exit, Failure};
use crate::logging;

/// Whether what is said on standard error begins with a priority for the journal.
static PRIORITIES: AtomicBool = AtomicBool::new(false);

/// From now on a failure has its priority for the journal before it, or has none.
pub fn with_priorities(wanted: bool) {
    PRIORITIES.store(wanted, Ordering::Relaxed);
}

/// Writes a result as it is.
pub fn result(text: &str) -> Result<(), Failure> {
    bars().suspend(|| forgiving(&mut io::stdout().lock(), text.as_bytes()))
}

/// Writes a result with a line end, if it has none.
pub fn line(text: &str) -> Result<(), Failure> {
    if text.ends_with('\n') { result(text) } else { result(&format!("{text}\n")) }
}

/// Writes one JSON document.
pub fn json(document: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document)
        .map_err(|e| Failure::unexpected("the result cannot be written as JSON", e))?;
    line(&text)
}

/// Says something to the person in front of it, on standard error; no log line and no result.
pub fn say(text: &str) {
    bars().suspend(|| {
        // Nobody is left to be told when standard error is closed.
        let _ = writeln!(io::stderr().lock(), "{}", text.trim_end());
    });
}

/// Says why a command failed.
pub fn failure(failure: &Failure) {
    let said = format!("error: {failure}");
    if PRIORITIES.load(Ordering::Relaxed) {
        let priority = logging::priority(tracing::Level::ERROR);
        say(&String::from_utf8_lossy(&logging::with_priority(priority, said.as_bytes())));
    } else {
        say(&said);
    }
}

/// Where progress bars are drawn: on a terminal's standard error, else nowhere. Log lines go around them.
pub fn bars() -> &'static MultiProgress {
    static BARS: OnceLock<MultiProgress> = OnceLock::new();
    BARS.get_or_init(|| {
        MultiProgress::with_draw_target(if io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        })
    })
}

/// Writes; a reader that has gone away has what it wanted.
fn forgiving(to: &mut impl Write, bytes: &[u8]) -> Result<(), Failure> {
    match to.write_all(bytes).and_then(|()| to.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|e| Failure::new(Exit::Unexpected, "standard output cannot be written").because(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed(io::ErrorKind);

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_goes_away_is_no_failure_and_a_full_disk_is() {
        assert!(forgiving(&mut Closed(io::ErrorKind::BrokenPipe), b"text").is_ok());
        assert!(forgiving(&mut Closed(io::ErrorKind::StorageFull), b"text").is_err());
    }
}
