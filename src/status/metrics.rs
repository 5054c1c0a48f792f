//! The Prometheus text. Labels are source, account and outcome: never a partition (there may be thousands of
//! contracts), and never a card, a plate, a person or a URL.

use std::{collections::BTreeMap, fmt::Write};

use super::view::{StreamView, View};
use crate::domain::SourceKind;

/// What the metrics say of all partitions of an account's interface together.
#[derive(Debug, Default)]
struct Sums {
    streams: i64,
    failing: i64,
    /// The oldest; none as long as one of them has none.
    watermark: Option<i64>,
    freshness: Option<i64>,
    last_pass: Option<i64>,
    rows: i64,
    gaps: i64,
    quarantine: i64,
}

impl Sums {
    fn add(&mut self, stream: &StreamView) {
        let seconds = stream.watermark.map(|at| at.timestamp());
        self.watermark = if self.streams == 0 { seconds } else { self.watermark.zip(seconds).map(|(a, b)| a.min(b)) };
        self.streams += 1;
        self.failing += i64::from(stream.last_error.is_some());
        self.freshness = self.freshness.max(stream.freshness_seconds);
        self.last_pass = self.last_pass.max(stream.last_pass.map(|at| at.timestamp()));
        self.rows += stream.rows;
        self.gaps += stream.gaps;
        self.quarantine += stream.quarantine;
    }
}

type Read = fn(&Sums) -> Option<i64>;

const GAUGES: [(&str, &str, Read); 8] = [
    ("streams", "Streams of the account's interface.", |sums| Some(sums.streams)),
    ("streams_failing", "Streams whose last window failed.", |sums| Some(sums.failing)),
    ("watermark_timestamp_seconds", "The oldest watermark: up to it everything has been read.", |sums| sums.watermark),
    ("freshness_seconds", "How far the watermark is behind, the stream furthest behind.", |sums| sums.freshness),
    ("last_pass_timestamp_seconds", "When a window was last read.", |sums| sums.last_pass),
    ("rows", "Lines in the warehouse.", |sums| Some(sums.rows)),
    ("gaps", "Stretches that the source no longer serves and that were never read.", |sums| Some(sums.gaps)),
    ("quarantine", "Records in quarantine, not resolved.", |sums| Some(sums.quarantine)),
];

/// The whole document.
pub(super) fn render(view: &View) -> String {
    let mut text = String::with_capacity(4096);
    one(&mut text, "database_up", "Whether the database is reachable.", i64::from(view.database.reachable));
    one(&mut text, "ready", "Whether the program can work with the database.", i64::from(view.database.is_ready()));
    one(&mut text, "start_timestamp_seconds", "When this process started.", view.started_at.timestamp());

    let mut accounts: BTreeMap<(SourceKind, &str), Sums> = BTreeMap::new();
    for stream in &view.streams {
        accounts.entry((stream.source, &stream.account)).or_default().add(stream);
    }
    for (name, help, read) in GAUGES {
        head(&mut text, name, help, "gauge");
        for ((source, account), sums) in &accounts {
            if let Some(value) = read(sums) {
                // Writing to a string does not fail.
                let _ = writeln!(text, "fuelsync_{name}{{{}}} {value}", labels(*source, account));
            }
        }
    }
    head(&mut text, "lines_total", "Lines read over all passes, by what became of them.", "counter");
    for count in &view.lines {
        let labels = labels(count.source, &count.account);
        let outcome = escape(&count.outcome);
        let _ = writeln!(text, "fuelsync_lines_total{{{labels},outcome=\"{outcome}\"}} {}", count.lines);
    }
    text
}

fn one(text: &mut String, name: &str, help: &str, value: i64) {
    head(text, name, help, "gauge");
    let _ = writeln!(text, "fuelsync_{name} {value}");
}

fn head(text: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(text, "# HELP fuelsync_{name} {help}\n# TYPE fuelsync_{name} {kind}");
}

fn labels(source: SourceKind, account: &str) -> String {
    format!("source=\"{source}\",account=\"{}\"", escape(account))
}

fn escape(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_end_its_quotes() {
        assert_eq!(escape("a\"b\\c\nd"), r#"a\"b\\c\nd"#);
    }
}
