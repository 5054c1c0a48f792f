//! The document against what `docs/METRICS.md` promises.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::TimeDelta;

use super::*;
use crate::{
    domain::SourceKind, http::traffic::Counted, status::view::DatabaseView, sync::tally::Tallied,
    warehouse::load::Counts,
};

fn when(text: &str) -> Option<DateTime<Utc>> {
    text.parse().ok()
}

/// Something of everything: one interface that has read, one of which nothing is known yet.
fn reading() -> Reading {
    let lines = Counts {
        inserted: 1,
        updated: 2,
        unchanged: 3,
        quarantined: 4,
        outside: 5,
        duplicate: 6,
        marked: 7,
        ..Counts::default()
    };
    let read = Interface {
        source: SourceKind::AlexelaCard,
        account: "fleet".to_owned(),
        tallied: Tallied { passes: [1, 2, 3, 4, 5, 6, 7, 8], windows: [1, 2, 3, 4], lines },
        counted: Counted {
            ended: [90, 1, 2, 3, 4, 5, 6, 7, 8, 9],
            took: [80, 20, 10, 5, 5, 5, 4, 3, 2, 1, 0, 0],
            time: Duration::from_millis(61_250),
            retries: 12,
            waited: Duration::from_millis(2_500),
        },
        skew: Some(TimeDelta::milliseconds(-1_500)),
        gauges: Some(Gauges {
            streams: 10,
            failing: 1,
            refused: 2,
            off: 3,
            leases: 4,
            windows_failing: 5,
            watermark: when("2026-11-21T11:45:00Z"),
            freshness: Some(1_320),
            lag: Some(60),
            last_pass_at: when("2026-11-21T12:00:05Z"),
            quarantine: 6,
            gaps: 7,
            gap_recorded_at: when("2026-11-21T11:00:00Z"),
            quarantined_at: when("2026-11-21T10:00:00Z"),
            list_failing: Some(true),
            unrecoverable_in: Some(86_400),
        }),
    };
    let new = Interface {
        source: SourceKind::HecOne,
        account: "south \"2\"".to_owned(),
        tallied: Tallied::default(),
        counted: Counted::default(),
        skew: None,
        gauges: Some(Gauges { streams: 1, lag: Some(0), ..Gauges::default() }),
    };
    Reading {
        version: "1.2.3",
        started_at: when("2026-11-21T08:00:00Z").unwrap(),
        database: DatabaseView::ready(),
        interfaces: vec![read, new],
    }
}

#[test]
fn a_whole_document() {
    insta::assert_snapshot!(render(&reading(), true));
}

#[test]
fn without_the_database_what_the_process_counts_is_there_and_what_the_warehouse_knows_is_not() {
    let mut reading = reading();
    reading.database = DatabaseView::unreachable("connection refused");
    for interface in &mut reading.interfaces {
        interface.gauges = None;
    }
    let text = render(&reading, false);
    for line in ["fuelsync_database_up 0", "fuelsync_ready 0", "fuelsync_healthy 0"] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(text.contains("fuelsync_passes_total{") && text.contains("fuelsync_http_requests_total{"));
    for (name, _, _) in GAUGES {
        assert!(!text.contains(&format!("fuelsync_{name}")), "{name}");
    }
}

/// Name → type, labels.
type Promised = BTreeMap<String, (String, BTreeSet<String>)>;

/// The tables of `docs/METRICS.md`.
fn promised() -> Promised {
    let rows = include_str!("../../../docs/METRICS.md").lines().filter(|line| line.starts_with("| `fuelsync_"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let labels = cells[4].split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (cells[1].trim_matches('`').to_owned(), (cells[2].to_owned(), labels))
    })
    .collect()
}

/// What a document holds: each sample's labels, those of a histogram at its own name and without `le`.
fn served(text: &str) -> Promised {
    let types: BTreeMap<_, _> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let mut served = Promised::new();
    for sample in text.lines().filter(|line| !line.starts_with('#')) {
        let series = sample.rsplit_once(' ').unwrap().0;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let stem = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        let name = stem.filter(|stem| types.get(stem) == Some(&"histogram")).unwrap_or(name);
        let labels = labels.split(',').filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
        let entry = served.entry(name.to_owned()).or_insert_with(|| (types[name].to_owned(), BTreeSet::new()));
        entry.1.extend(labels.filter(|label| label != "le"));
    }
    served
}

#[test]
fn what_the_document_promises_is_served_and_nothing_else() {
    assert_eq!(served(&render(&reading(), true)), promised());
}

#[test]
fn each_outcome_stands_in_the_document_and_is_there_from_the_start() {
    let document = include_str!("../../../docs/METRICS.md");
    let text = render(&reading(), true);
    let words: BTreeSet<_> =
        text.split("outcome=\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect();
    assert_eq!(words.len(), 24, "{words:?}");
    for word in words {
        assert!(document.contains(&format!("`{word}`")), "{word}");
        // As often for what was never read.
        let of = |account: &str| {
            let label = format!("{account},outcome=\"{word}\"}} ");
            text.lines().filter(|line| line.contains(&label)).count()
        };
        assert_eq!(of("account=\"fleet\""), of("account=\"south \\\"2\\\"\""), "{word}");
    }
}
