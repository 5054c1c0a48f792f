//! Logs: to standard error, for people on a terminal, as JSON lines for machines, each with its priority for the journal.
//!
//! What the program itself says is chosen with `-v`, `-q` and `RUST_LOG`. What its dependencies say has a ceiling that
//! none of these lifts: at DEBUG and TRACE HTTP and TLS libraries print headers, and database drivers print statements
//! with rows in them.

use std::io::{self, Write};

use tracing::{Level, Metadata, Subscriber, level_filters::LevelFilter};
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
    /// The same, each line with its priority before it, for systemd's journal.
    Journal,
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
    /// Whether each line begins with its priority, whatever its format: standard error is the journal's.
    pub priorities: bool,
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
        let priorities = self.priorities;
        let lines = tracing_subscriber::fmt::layer().with_writer(Prioritizing { writer, priorities });
        // Filters of the whole registry, not of the layer: a layer's own filter forgets to clear its verdict when a
        // dependency only asks whether it may log, and then swallows the next event of that thread.
        let filters = ceiling().and_then(filter);
        match self.format {
            LogFormat::Human => filters.and_then(lines.with_ansi(self.colour).with_target(false)).boxed(),
            LogFormat::Json | LogFormat::Journal => {
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

/// Whether standard error is the journal's, by what `JOURNAL_STREAM` says: device and inode, as systemd.exec(5) has it. A
/// variable that was inherited and a standard error that was sent elsewhere do not agree.
pub fn is_the_journal(stream: Option<&str>) -> bool {
    let here = nix::sys::stat::fstat(io::stderr()).map(|it| format!("{}:{}", it.st_dev, it.st_ino));
    stream.is_some_and(|stream| here.is_ok_and(|here| here == stream))
}

/// What stands before a line of this level, as sd-daemon(3) says: the journal takes it off and keeps it as the priority.
pub const fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}

/// Writes where `writer` does, with the event's priority before each line, if they are asked for.
struct Prioritizing<W> {
    writer: W,
    priorities: bool,
}

/// One event's lines.
struct Prioritized<W> {
    writer: W,
    priority: Option<&'static str>,
}

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for Prioritizing<W> {
    type Writer = Prioritized<W::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        Prioritized { writer: self.writer.make_writer(), priority: None }
    }

    fn make_writer_for(&'w self, event: &Metadata<'_>) -> Self::Writer {
        let priority = self.priorities.then(|| priority(*event.level()));
        Prioritized { writer: self.writer.make_writer_for(event), priority }
    }
}

impl<W: Write> Write for Prioritized<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(priority) = self.priority else { return self.writer.write(bytes) };
        self.writer.write_all(&with_priority(priority, bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// The journal makes an entry of each line, so each has its own.
pub fn with_priority(priority: &str, text: &[u8]) -> Vec<u8> {
    text.split_inclusive(|byte| *byte == b'\n').flat_map(|line| [priority.as_bytes(), line].concat()).collect()
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

    const HUMAN: Logging = Logging { format: LogFormat::Human, verbosity: 0, colour: false, priorities: false };

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

    fn every_level() {
        tracing::error!(target: "fuelsync::sync", "lost");
        tracing::warn!(target: "fuelsync::sync", "odd");
        tracing::info!(target: "fuelsync::sync", "done");
        tracing::debug!(target: "fuelsync::sync", "asked");
        tracing::trace!(target: "fuelsync::sync", "seen");
    }

    #[test]
    fn the_journal_gets_each_lines_priority_and_behind_it_one_object() {
        let journal = Logging { format: LogFormat::Journal, verbosity: 2, priorities: true, ..HUMAN };
        let json = Logging { format: LogFormat::Json, verbosity: 2, priorities: true, ..HUMAN };
        for logging in [journal, json] {
            let said = logged(logging, None, every_level);
            let lines: Vec<_> = said.lines().collect();
            assert_eq!(lines.len(), 5, "{said}");
            let expected = [("<3>", "ERROR"), ("<4>", "WARN"), ("<6>", "INFO"), ("<7>", "DEBUG"), ("<7>", "TRACE")];
            for (line, (priority, level)) in lines.into_iter().zip(expected) {
                let object = line.strip_prefix(priority).unwrap_or_else(|| panic!("{priority} before {line}"));
                let object: serde_json::Value = serde_json::from_str(object).expect("one object");
                assert_eq!(object["level"], level);
            }
        }
    }

    #[test]
    fn a_priority_stands_before_each_line_of_an_event_and_only_where_it_is_asked_for() {
        let many = || tracing::warn!(target: "fuelsync::sync", error = %"first\nsecond", "odd");
        let said = logged(Logging { priorities: true, ..HUMAN }, None, many);
        assert_eq!(said.lines().count(), 2, "{said}");
        assert!(said.lines().all(|line| line.starts_with("<4>")), "{said}");
        for logging in [HUMAN, Logging { format: LogFormat::Json, ..HUMAN }] {
            assert!(!logged(logging, None, many).contains("<4>"));
        }
    }

    #[test]
    fn the_journal_is_known_by_device_and_inode_of_standard_error() {
        let it = nix::sys::stat::fstat(io::stderr()).expect("standard error");
        assert!(is_the_journal(Some(&format!("{}:{}", it.st_dev, it.st_ino))));
        for other in
            [format!("{}:{}", it.st_dev, it.st_ino + 1), format!("{}", it.st_ino), String::new(), ":".to_owned()]
        {
            assert!(!is_the_journal(Some(&other)), "{other}");
        }
        assert!(!is_the_journal(None));
    }
}
