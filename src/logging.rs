//! Logs: to standard error, for people on a terminal, as JSON lines for machines.
//!
//! What the program itself says is chosen with `-v`, `-q` and `RUST_LOG`. What its dependencies say has a ceiling that
//! none of these lifts: at DEBUG and TRACE HTTP and TLS libraries print headers, and database drivers print statements
//! with rows in them.

use std::io::{self, Write};

use tracing::{Level, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer, filter::Targets, fmt::MakeWriter, layer::SubscriberExt, registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::cli::output;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// How the program logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logging {
    /// How lines look.
    pub format: LogFormat,
    /// Above 0 more than usual, below 0 less; 0 leaves it to `RUST_LOG`, or the default.
    pub verbosity: i16,
    /// Whether the terminal wants colours.
    pub colour: bool,
}

impl Logging {
    /// Starts logging for the whole process. `rust_log` is the value of `RUST_LOG`.
    pub fn start(self, rust_log: Option<&str>) {
        let (filter, wrong) = self.filter(rust_log);
        let layer = self.layer(Stderr, filter);
        // Only a second start in one process fails, and then the first one's choices hold.
        let _ = tracing_subscriber::registry().with(layer).try_init();
        if let Some(wrong) = wrong {
            tracing::warn!(fault = wrong, "RUST_LOG is not understood; logging as if it were not set");
        }
    }

    /// The directives in force, and what is wrong with `RUST_LOG`, if anything.
    fn filter(self, rust_log: Option<&str>) -> (EnvFilter, Option<String>) {
        let own = match self.verbosity {
            ..=-2 => "error",
            -1 => "warn",
            0 => "info",
            1 => "debug",
            2.. => "trace",
        };
        let others = if self.verbosity <= -2 { "error" } else { "warn" };
        let usual = || EnvFilter::new(format!("{others},fuelsync={own}"));
        match rust_log.map(str::trim).filter(|directives| !directives.is_empty() && self.verbosity == 0) {
            None => (usual(), None),
            Some(directives) => match EnvFilter::builder().parse(directives) {
                Ok(filter) => (filter, None),
                Err(wrong) => (usual(), Some(wrong.to_string())),
            },
        }
    }

    fn layer<S, W>(self, writer: W, filter: EnvFilter) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        let lines = tracing_subscriber::fmt::layer().with_writer(writer);
        // Filters of the whole registry, not of the layer: a layer's own filter forgets to clear its verdict when a
        // dependency only asks whether it may log, and then swallows the next event of that thread.
        let filters = ceiling().and_then(filter);
        match self.format {
            LogFormat::Human => filters.and_then(lines.with_ansi(self.colour).with_target(false)).boxed(),
            LogFormat::Json => {
                let lines = lines.json().flatten_event(true).with_current_span(true).with_span_list(false);
                filters.and_then(lines).boxed()
            }
        }
    }
}

/// The most that dependencies may say, whatever `RUST_LOG` asks.
fn ceiling() -> Targets {
    let quiet = ["hyper", "hyper_util", "h2", "reqwest", "rustls", "sqlx", "postgresql_embedded", "tower", "axum"];
    Targets::new()
        .with_default(Level::INFO)
        .with_target("fuelsync", Level::TRACE)
        .with_targets(quiet.map(|target| (target, Level::WARN)))
        // Statements, also the slow ones that sqlx warns of; the warehouse times its own.
        .with_target("sqlx::query", LevelFilter::OFF)
}

/// Standard error, around the progress bars.
struct Stderr;

impl<'w> MakeWriter<'w> for Stderr {
    type Writer = Line;

    fn make_writer(&'w self) -> Line {
        Line
    }
}

/// One event: tracing-subscriber hands it over in one piece.
struct Line;

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        output::bars().suspend(|| io::stderr().lock().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("lock").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(logging: Logging, rust_log: Option<&str>, log: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let (filter, _) = logging.filter(rust_log);
        let layer = logging.layer(move || writer.clone(), filter);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let bytes = kept.0.lock().expect("lock").clone();
        String::from_utf8(bytes).expect("UTF-8")
    }

    const HUMAN: Logging = Logging { format: LogFormat::Human, verbosity: 0, colour: false };

    fn everybody_says_everything() {
        tracing::trace!(target: "fuelsync::sync", "own trace");
        tracing::info!(target: "fuelsync::sync", "own info");
        tracing::trace!(target: "hyper::proto", "canary: authorization header");
        tracing::debug!(target: "rustls::client", "canary: debug");
        tracing::warn!(target: "sqlx::query", "canary: statement");
        tracing::debug!(target: "somebody_new", "canary: debug");
        tracing::warn!(target: "hyper::proto", "others' warning");
    }

    #[test]
    fn dependencies_cannot_say_more_than_the_ceiling_whatever_rust_log_asks() {
        for rust_log in ["trace", "hyper=trace,sqlx=trace,rustls=trace,fuelsync=trace,somebody_new=trace"] {
            let said = logged(HUMAN, Some(rust_log), everybody_says_everything);
            assert!(said.contains("own trace"), "{said}");
            assert!(!said.contains("canary"), "{said}");
        }
        assert!(logged(HUMAN, Some("trace"), everybody_says_everything).contains("others' warning"));
    }

    #[test]
    fn by_default_the_program_informs_and_the_others_warn() {
        let said = logged(HUMAN, None, everybody_says_everything);
        assert!(said.contains("own info") && said.contains("others' warning"), "{said}");
        assert!(!said.contains("own trace"), "{said}");
    }

    #[test]
    fn quiet_and_verbose_stand_over_rust_log() {
        let quiet = Logging { verbosity: -1, ..HUMAN };
        assert!(!logged(quiet, Some("trace"), everybody_says_everything).contains("own info"));
        let verbose = Logging { verbosity: 2, ..HUMAN };
        assert!(logged(verbose, Some("off"), everybody_says_everything).contains("own trace"));
    }

    #[test]
    fn directives_that_make_no_sense_are_named_and_not_followed() {
        let (filter, wrong) = HUMAN.filter(Some("fuelsync=loud"));
        assert!(wrong.is_some());
        assert_eq!(filter.to_string(), HUMAN.filter(None).0.to_string());
    }

    #[test]
    fn each_json_line_is_one_object_with_its_fields() {
        let json = Logging { format: LogFormat::Json, ..HUMAN };
        let said = logged(json, None, || {
            let span = tracing::info_span!(target: "fuelsync::sync", "stream", source = "hecone");
            span.in_scope(|| tracing::info!(target: "fuelsync::sync", rows = 3, "window committed"));
        });
        let line: serde_json::Value = serde_json::from_str(&said).expect("one object");
        assert_eq!(line["message"], "window committed");
        assert_eq!(line["rows"], 3);
        assert_eq!(line["span"]["source"], "hecone");
    }
}
