//! The Prometheus text, as `docs/METRICS.md` promises it: a pure function of a [`Reading`]. Labels are source, account,
//! outcome and version: never a partition (there may be thousands of contracts), and never a card, a plate, a person or a
//! URL.

#[cfg(test)]
mod tests;
mod text;

use chrono::{DateTime, Utc};

use self::text::{Document, Family, Kind, Label, seconds, signed_seconds};
use super::{
    gauges::Gauges,
    meter::{Interface, Reading},
};
use crate::{
    http::traffic::{BUCKETS, Ended},
    sync::{summary::StreamOutcome, tally::WindowOutcome},
};

/// Reads a gauge of the warehouse; none where there is nothing to be said.
type Gauge = fn(&Gauges) -> Option<i64>;

const GAUGES: [(&str, &str, Gauge); 16] = [
    ("streams", "Streams that are read.", |of| Some(count(of.streams))),
    ("streams_failing", "Streams whose last pass failed.", |of| Some(count(of.failing))),
    ("streams_refused", "Streams whose last pass ended because the vendor refuses the credentials.", |of| {
        Some(count(of.refused))
    }),
    ("streams_off", "Streams that are not read: not enabled, or withdrawn.", |of| Some(count(of.off))),
    ("leases_held", "Streams whose lease this process holds.", |of| Some(count(of.leases))),
    ("windows_failing", "Windows whose last read failed.", |of| Some(count(of.windows_failing))),
    ("watermark_timestamp_seconds", "The oldest watermark: up to it everything has been read.", |of| at(of.watermark)),
    ("freshness_seconds", "How far the watermark is behind the present, of the stream furthest behind.", |of| {
        of.freshness
    }),
    (
        "watermark_lag_seconds",
        "How far the watermark is behind what the schedule promises, of the stream furthest behind.",
        |of| of.lag,
    ),
    ("last_pass_timestamp_seconds", "When a pass over one of the streams last ended.", |of| at(of.last_pass_at)),
    ("quarantine", "Records in quarantine that are not resolved.", |of| Some(count(of.quarantine))),
    ("quarantine_met_timestamp_seconds", "When the youngest record in quarantine was first met.", |of| {
        at(of.quarantined_at)
    }),
    ("gaps", "Stretches that were never read and that the source no longer serves.", |of| Some(count(of.gaps))),
    ("gap_recorded_timestamp_seconds", "When a gap was last recorded.", |of| at(of.gap_recorded_at)),
    ("contract_list_failing", "Whether the last list of contracts could not be had.", |of| {
        of.list_failing.map(i64::from)
    }),
    ("unrecoverable_in_seconds", "How long the source still serves the oldest stretch that was not read yet.", |of| {
        of.unrecoverable_in
    }),
];

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn at(time: Option<DateTime<Utc>>) -> Option<i64> {
    time.map(|time| time.timestamp())
}

/// The whole document. `healthy`: what `/healthz` says.
pub fn render(reading: &Reading, healthy: bool) -> String {
    let mut document = Document::default();
    let one = |family: &mut Family<'_>, value: i64| family.sample(&[], value);
    let database = &reading.database;
    document.family("build_info", Kind::Gauge, "The version that runs.").sample(&[("version", reading.version)], 1);
    let started_at = reading.started_at.timestamp();
    one(&mut document.family("start_timestamp_seconds", Kind::Gauge, "When this process started."), started_at);
    one(
        &mut document.family("healthy", Kind::Gauge, "Whether the scheduler ticks and nothing is stuck."),
        i64::from(healthy),
    );
    let up = i64::from(database.reachable);
    one(&mut document.family("database_up", Kind::Gauge, "Whether the database answers this process."), up);
    let ready = i64::from(database.is_ready());
    one(&mut document.family("ready", Kind::Gauge, "Whether this process can work with the database."), ready);
    process(&mut document, &reading.interfaces);
    requests(&mut document, &reading.interfaces);
    for (name, help, read) in GAUGES {
        let mut family = document.family(name, Kind::Gauge, help);
        for interface in &reading.interfaces {
            if let Some(value) = interface.gauges.as_ref().and_then(read) {
                family.sample(&labels(interface), value);
            }
        }
    }
    document.end()
}

/// What this process has read.
fn process(document: &mut Document, interfaces: &[Interface]) {
    let mut passes = document.family("passes_total", Kind::Counter, "Passes over one stream, by how they ended.");
    for interface in interfaces {
        for (outcome, count) in StreamOutcome::ALL.into_iter().zip(interface.tallied.passes) {
            passes.sample(&with_outcome(interface, outcome.as_str()), count);
        }
    }
    let mut windows = document.family("windows_total", Kind::Counter, "Windows read, by what came of them.");
    for interface in interfaces {
        for (outcome, count) in WindowOutcome::ALL.into_iter().zip(interface.tallied.windows) {
            windows.sample(&with_outcome(interface, outcome.as_str()), count);
        }
    }
    let mut lines = document.family("lines_total", Kind::Counter, "Product lines read, by what became of them.");
    for interface in interfaces {
        let counts = &interface.tallied.lines;
        for (outcome, count) in [
            ("inserted", counts.inserted),
            ("updated", counts.updated),
            ("unchanged", counts.unchanged),
            ("quarantined", counts.quarantined),
            ("outside", counts.outside),
            ("duplicate", counts.duplicate),
        ] {
            lines.sample(&with_outcome(interface, outcome), count);
        }
    }
    let help = "Lines marked as missing: two whole reads in a row no longer had them.";
    let mut missing = document.family("lines_missing_total", Kind::Counter, help);
    for interface in interfaces {
        missing.sample(&labels(interface), interface.tallied.lines.marked);
    }
}

/// What it asked of the vendors.
fn requests(document: &mut Document, interfaces: &[Interface]) {
    let help = "Requests sent to the vendor, each attempt, by how it ended.";
    let mut ended = document.family("http_requests_total", Kind::Counter, help);
    for interface in interfaces {
        for (how, count) in Ended::ALL.into_iter().zip(interface.counted.ended) {
            ended.sample(&with_outcome(interface, how.as_str()), count);
        }
    }
    let help = "From sending a request to the end of its answer or to its failure.";
    let mut took = document.family("http_request_duration_seconds", Kind::Histogram, help);
    for interface in interfaces {
        took.histogram(&labels(interface), &BUCKETS, &interface.counted.took, interface.counted.time);
    }
    let help = "Attempts after the first of an exchange.";
    let mut retries = document.family("http_retries_total", Kind::Counter, help);
    for interface in interfaces {
        retries.sample(&labels(interface), interface.counted.retries);
    }
    let help = "Time that requests waited before they were sent, for the rate or because the vendor asked to.";
    let mut waited = document.family("rate_limit_wait_seconds_total", Kind::Counter, help);
    for interface in interfaces {
        waited.sample(&labels(interface), seconds(interface.counted.waited));
    }
    let help = "The vendor's clock minus this machine's, as its last answer showed it.";
    let mut offset = document.family("clock_offset_seconds", Kind::Gauge, help);
    for interface in interfaces {
        if let Some(skew) = interface.skew {
            offset.sample(&labels(interface), signed_seconds(skew));
        }
    }
}

fn labels(interface: &Interface) -> [Label<'_>; 2] {
    [("source", interface.source.as_str()), ("account", interface.account.as_str())]
}

fn with_outcome<'a>(interface: &'a Interface, outcome: &'a str) -> [Label<'a>; 3] {
    let [source, account] = labels(interface);
    [source, account, ("outcome", outcome)]
}
