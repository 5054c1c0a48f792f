//! Prometheus' text format, version 0.0.4. Pure.

use std::{
    fmt::{Display, Write},
    time::Duration,
};

use chrono::TimeDelta;

/// What every name begins with.
const PREFIX: &str = "fuelsync";

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It goes up and down.
    Gauge,
    /// It only grows.
    Counter,
    /// Counts by upper bounds.
    Histogram,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
        }
    }
}

/// A name and its value.
pub(super) type Label<'a> = (&'a str, &'a str);

/// A document that is being written.
#[derive(Debug, Default)]
pub(super) struct Document(String);

/// A metric of a document: its head is written with its first sample, so that one without samples leaves no trace.
#[derive(Debug)]
pub(super) struct Family<'a> {
    document: &'a mut Document,
    name: &'static str,
    kind: Kind,
    help: &'static str,
    begun: bool,
}

impl Document {
    /// A metric; its samples follow.
    pub(super) const fn family(&mut self, name: &'static str, kind: Kind, help: &'static str) -> Family<'_> {
        Family { document: self, name, kind, help, begun: false }
    }

    /// The text.
    pub(super) fn end(self) -> String {
        self.0
    }
}

impl Family<'_> {
    /// A sample.
    pub(super) fn sample(&mut self, labels: &[Label<'_>], value: impl Display) {
        self.series("", labels, value);
    }

    /// The samples of a histogram: observations up to each bound and beyond the one before it, at the end those beyond all
    /// of them; and the sum of what was observed.
    pub(super) fn histogram(&mut self, labels: &[Label<'_>], bounds: &[Duration], counts: &[u64], sum: Duration) {
        let mut so_far = 0;
        let bounds = bounds.iter().map(|bound| seconds(*bound)).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(counts) {
            so_far += count;
            let labels: Vec<_> = labels.iter().copied().chain([("le", bound.as_str())]).collect();
            self.series("_bucket", &labels, so_far);
        }
        self.series("_sum", labels, seconds(sum));
        self.series("_count", labels, so_far);
    }

    fn series(&mut self, suffix: &str, labels: &[Label<'_>], value: impl Display) {
        let Self { name, help, .. } = *self;
        let text = &mut self.document.0;
        // Writing to a string does not fail.
        if !std::mem::replace(&mut self.begun, true) {
            let kind = self.kind.as_str();
            let _ = writeln!(text, "# HELP {PREFIX}_{name} {help}\n# TYPE {PREFIX}_{name} {kind}");
        }
        let _ = write!(text, "{PREFIX}_{name}{suffix}");
        for (number, (label, value)) in labels.iter().enumerate() {
            let before = if number == 0 { '{' } else { ',' };
            let _ = write!(text, "{before}{label}=\"{}\"", escape(value));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(text, "{end} {value}");
    }
}

/// Seconds with as many decimals as it takes.
pub(super) fn seconds(time: Duration) -> String {
    let (whole, nanos) = (time.as_secs(), time.subsec_nanos());
    if nanos == 0 {
        return whole.to_string();
    }
    format!("{whole}.{nanos:09}").trim_end_matches('0').to_owned()
}

/// The same of a time that may be negative.
pub(super) fn signed_seconds(time: TimeDelta) -> String {
    let sign = if time < TimeDelta::zero() { "-" } else { "" };
    format!("{sign}{}", seconds(time.abs().to_std().unwrap_or(Duration::MAX)))
}

fn escape(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_end_its_quotes_or_its_line() {
        let mut document = Document::default();
        let labels = [("account", "a\"} 1\nfuelsync_ready 1\\"), ("outcome", "ok")];
        document.family("x", Kind::Gauge, "Help.").sample(&labels, 2);
        assert_eq!(
            document.end(),
            "# HELP fuelsync_x Help.\n# TYPE fuelsync_x gauge\n\
             fuelsync_x{account=\"a\\\"} 1\\nfuelsync_ready 1\\\\\",outcome=\"ok\"} 2\n"
        );
    }

    #[test]
    fn a_metric_without_samples_leaves_no_trace_and_one_without_labels_has_no_braces() {
        let mut document = Document::default();
        document.family("nothing", Kind::Gauge, "Help.");
        document.family("one", Kind::Counter, "Help.").sample(&[], 1);
        assert_eq!(document.end(), "# HELP fuelsync_one Help.\n# TYPE fuelsync_one counter\nfuelsync_one 1\n");
    }

    #[test]
    fn buckets_add_up() {
        let mut document = Document::default();
        let bounds = [Duration::from_millis(50), Duration::from_secs(1)];
        document.family("t", Kind::Histogram, "Help.").histogram(
            &[],
            &bounds,
            &[3, 0, 2],
            Duration::from_millis(4_250),
        );
        let text = document.end();
        let samples: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(
            samples,
            [
                "fuelsync_t_bucket{le=\"0.05\"} 3",
                "fuelsync_t_bucket{le=\"1\"} 3",
                "fuelsync_t_bucket{le=\"+Inf\"} 5",
                "fuelsync_t_sum 4.25",
                "fuelsync_t_count 5",
            ]
        );
    }

    #[test]
    fn seconds_have_the_decimals_that_they_need() {
        let shown = [0, 1, 1_500_000_000, 50_000_000, 10_000_000_000].map(|nanos| seconds(Duration::from_nanos(nanos)));
        assert_eq!(shown, ["0", "0.000000001", "1.5", "0.05", "10"]);
        assert_eq!(signed_seconds(TimeDelta::milliseconds(-89_500)), "-89.5");
        assert_eq!(signed_seconds(TimeDelta::milliseconds(250)), "0.25");
    }
}
