//! The scenarios, each a figure of issue and README: what is loaded, how often, and against what.

use std::{pin::Pin, time::Duration};

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use fuelsync::{
    clock::{Clock as _, SystemClock},
    domain::{Grid, SourceKind},
};
use serde_json::{Value, json};

use crate::{
    baseline,
    database::Server,
    parsed,
    program::{Took, sync},
    vendor::{Records, Vendor},
};

/// What was asked for on the command line.
#[derive(Debug)]
pub(crate) struct Asked {
    names: Vec<String>,
    pub(crate) rows: u64,
    pub(crate) times: usize,
    /// Statements for the server, one after the other.
    pub(crate) server: Vec<String>,
    /// Statements for the tables of each database.
    pub(crate) tables: Vec<String>,
}

/// A scenario that runs.
type Running<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A scenario.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: for<'a> fn(&'a Server, &'a Asked) -> Running<'a>,
}

/// All of them.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "alexela",
        about: "one contract's card sales, windows of a week: first load, identical re-read, re-read with 1 % changed",
        run: |server, asked| Box::pin(loads(server, asked, &ALEXELA)),
    },
    Scenario {
        name: "hecone",
        about: "transactions with their articles, windows of a day, pages of 1,000: the same",
        run: |server, asked| Box::pin(loads(server, asked, &HECONE)),
    },
    Scenario {
        name: "contracts",
        about: "the card sales of twelve contracts at once, over two connections: the same",
        run: |server, asked| Box::pin(loads(server, asked, &CONTRACTS)),
    },
    Scenario {
        name: "window",
        about: "all of one contract's card sales in one window: peak memory",
        run: |server, asked| Box::pin(loads(server, asked, &WINDOW)),
    },
    Scenario {
        name: "growth",
        about: "a further window's load and re-read, of 10,000 rows, by the rows that the table has already",
        run: |server, asked| Box::pin(growth(server, asked)),
    },
    Scenario {
        name: "streams",
        about: "a pass over 1,000 streams with nothing new; a sync with nothing due",
        run: |server, asked| Box::pin(streams(server, asked)),
    },
];

/// What is loaded, and how.
struct Shape {
    name: &'static str,
    source: SourceKind,
    contracts: usize,
    /// Days of sales.
    days: i64,
    /// The grid of its windows, in days.
    grid: u32,
    /// COPY over so many connections is what it is held against.
    connections: u32,
}

const ALEXELA: Shape =
    Shape { name: "alexela", source: SourceKind::AlexelaCard, contracts: 1, days: 140, grid: 7, connections: 1 };
const HECONE: Shape =
    Shape { name: "hecone", source: SourceKind::HecOne, contracts: 1, days: 140, grid: 1, connections: 1 };
const CONTRACTS: Shape = Shape { name: "contracts", contracts: 12, connections: 2, ..ALEXELA };
const WINDOW: Shape = Shape { name: "window", days: 28, grid: 28, ..ALEXELA };

impl Asked {
    /// `NAME… [--rows N] [--times N] [--server SQL]… [--tables SQL]…`; what cargo adds is passed over.
    pub(crate) fn of(args: impl Iterator<Item = String>) -> Self {
        let mut asked = Self { names: Vec::new(), rows: 1_000_000, times: 5, server: Vec::new(), tables: Vec::new() };
        let mut args = args.filter(|arg| arg != "--bench");
        while let Some(arg) = args.next() {
            let mut value = || args.next().unwrap_or_else(|| panic!("{arg} what?"));
            let number = |value: String| value.parse::<u64>().unwrap_or_else(|_| panic!("{value:?} is no number"));
            match arg.as_str() {
                "--rows" => asked.rows = number(value()),
                "--times" => asked.times = usize::try_from(number(value())).expect("a count"),
                "--server" => asked.server.push(value()),
                "--tables" => asked.tables.push(value()),
                name if SCENARIOS.iter().any(|scenario| scenario.name == name) => asked.names.push(arg),
                other => panic!("no scenario or option {other:?}"),
            }
        }
        asked
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|n| n == name)
    }
}

/// The last windows of a grid that are over and a day old: `days` of them.
fn stretch(days: i64, grid: u32) -> (DateTime<Utc>, DateTime<Utc>) {
    let yesterday = (SystemClock.now() - TimeDelta::days(2)).date_naive().and_time(NaiveTime::MIN).and_utc();
    let to = Grid::days(grid).and_then(|grid| grid.cell(yesterday)).expect("a window").start();
    (to - TimeDelta::days(days), to)
}

fn configuration(shape: &Shape, vendor: &Vendor, database: &str, start: DateTime<Utc>, again: bool) -> String {
    let address = vendor.address;
    let account = match shape.source {
        SourceKind::HecOne => format!(
            "[[hecone]]\nname = \"bench\"\nbase_url = \"http://{address}\"\nclient_id = \"bench\"\n\
             client_secret = \"bench\"\nstart = \"{start}\"\nrequests_per_second = 10000\nwindow = \"{}d\"\n\
             page_limit = 1000\n",
            shape.grid,
            start = start.format("%Y-%m-%d"),
        ),
        SourceKind::AlexelaCard | SourceKind::AlexelaBonus | SourceKind::AlexelaEv => format!(
            "[[alexela]]\nname = \"bench\"\nbase_url = \"http://{address}/api/v1\"\naccess_id = \"bench\"\n\
             psk = \"{psk}\"\nsources = [\"alexela_card\"]\nstart = \"{start}\"\nrequests_per_second = 10000\n\
             window_days = {}\n",
            shape.grid,
            psk = "0123456789abcdef".repeat(8),
            start = start.format("%Y-%m-%d"),
        ),
    };
    let every = if again { "1s" } else { "300d" };
    let reread = format!("[{{ younger_than = \"300d\", every = \"{every}\" }}]");
    // A million records in one answer are more than is let in as it comes.
    format!(
        "[database]\nurl = \"{database}\"\nmigrate = true\n\n[sync]\nreread = {reread}\n\n[http]\nmax_body = \"2GiB\"\n\n{account}"
    )
}

/// One measurement as a line.
fn line(scenario: &str, what: &str, took: &Took, lines: u64) -> Value {
    let lines = lines as f64;
    json!({
        "scenario": scenario,
        "what": what,
        "seconds": round(took.wall.as_secs_f64()),
        "rows_per_second": (lines / took.wall.as_secs_f64()).round(),
        "cpu_us_per_row": round(took.cpu.as_secs_f64() * 1e6 / lines),
        "peak_mib": round(took.peak as f64 / 1024.0),
        "wal_bytes_per_row": round(took.wal as f64 / lines),
        "wal_kb_per_window": round(took.wal as f64 / 1e3 / took.counts.windows.max(1) as f64),
        "requests": took.requests,
        "windows": took.counts.windows,
        "ms_to_first_request": took.until_first.map(|d| round(d.as_secs_f64() * 1e3)),
    })
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// First load, the same again, the same with every hundredth record changed, and what it is held against.
async fn loads(server: &Server, asked: &Asked, shape: &Shape) {
    let (from, to) = stretch(shape.days, shape.grid);
    let records = Records::render(shape.source, asked.rows, shape.contracts, from, to);
    let changed = records.changed(100);
    let vendor = Vendor::start(records).await;
    let original = vendor.records();
    let changed = std::sync::Arc::new(changed);
    let mut ratios: Vec<(&str, f64, Vec<f64>)> = Vec::new();
    let mut ratio = |name: &'static str, goal: f64, value: f64| match ratios.iter_mut().find(|(n, ..)| *n == name) {
        Some((.., values)) => values.push(value),
        None => ratios.push((name, goal, vec![value])),
    };
    for _ in 0..asked.times {
        vendor.serve(std::sync::Arc::clone(&original));
        let database = server.migrated().await;
        let configuration = |again| configuration(shape, &vendor, &database.url, from, again);
        let first = sync(&vendor, &database, &configuration(false)).await;
        let lines = first.counts.inserted;
        assert_eq!(lines, first.counts.fetched, "every line is new: {first:?}");
        println!("{}", line(shape.name, "first load", &first, lines));
        let again = sync(&vendor, &database, &configuration(true)).await;
        assert_eq!((again.counts.unchanged, again.counts.updated), (lines, 0), "{again:?}");
        println!("{}", line(shape.name, "identical re-read", &again, lines));
        let copied = baseline::same_tables(&database, shape.connections).await;
        let naive = baseline::naive(&database, shape.connections).await;
        vendor.serve(std::sync::Arc::clone(&changed));
        let corrected = sync(&vendor, &database, &configuration(true)).await;
        assert!(corrected.counts.updated >= lines / 120 && corrected.counts.inserted == 0, "{corrected:?}");
        println!("{}", line(shape.name, "re-read with 1 % changed", &corrected, lines));
        database.drop().await;
        let same = baseline::copy(server, &copied).await;
        let naive = baseline::copy(server, &naive).await;
        vendor.serve(std::sync::Arc::clone(&original));
        let only = parsed::parsed(&vendor, shape.source, from, to).await;
        let per_second = |took: Duration| (lines as f64 / took.as_secs_f64()).round();
        println!(
            "{}",
            json!({
                "scenario": shape.name,
                "copy_same_tables_rows_per_second": per_second(same),
                "copy_naive_rows_per_second": per_second(naive),
                "served_rows_per_second": per_second(only.served),
                "parsed_rows_per_second": per_second(only.parsed),
                "connections": shape.connections,
            })
        );
        let of = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
        ratio("first load / COPY into the same tables", 0.8, of(same, first.wall));
        ratio("first load / COPY into the naive table", 1.1, of(naive, first.wall));
        ratio("identical re-read / first load", 8.0, of(first.wall, again.wall));
        ratio("identical re-read / only parsed", 0.7, of(only.parsed, again.wall));
        ratio("re-read with 1 % changed / first load", 5.0, of(first.wall, corrected.wall));
        ratio("CPU of a first load, µs a row", 0.0, first.cpu.as_secs_f64() * 1e6 / lines as f64);
        ratio("CPU of a re-read, µs a row", 0.0, again.cpu.as_secs_f64() * 1e6 / lines as f64);
        ratio("peak memory, MiB", 64.0, first.peak.max(again.peak).max(corrected.peak) as f64 / 1024.0);
        ratio("WAL of a re-read, KB a window", 10.0, again.wal as f64 / 1e3 / again.counts.windows.max(1) as f64);
    }
    for (name, goal, values) in ratios {
        println!("{}", json!({ "scenario": shape.name, "median": name, "value": round(median(values)), "goal": goal }));
    }
}

/// What a further window costs by how many rows are there.
async fn growth(server: &Server, asked: &Asked) {
    const FURTHER: u64 = 10_000;
    // As many as the vendor has to keep in memory; more are these over and over, in the years before.
    const LOADED: u64 = 1_000_000;
    let mut sizes = vec![10_000, 100_000, 1_000_000, 10_000_000];
    sizes.retain(|size| *size <= asked.rows.max(10_000));
    for size in sizes {
        let shape = Shape { name: "growth", days: 133, ..ALEXELA };
        let (from, to) = stretch(140, 7);
        let last = to - TimeDelta::days(7);
        let before = Records::render(shape.source, size.min(LOADED), 1, from, last);
        let further = Records::render(shape.source, FURTHER, 1, last, to);
        let vendor = Vendor::start(before).await;
        let database = server.migrated().await;
        let there = sync(&vendor, &database, &configuration(&shape, &vendor, &database.url, from, false)).await;
        let earlier = database.again_and_again((size / LOADED).saturating_sub(1), shape.days).await;
        // A stream that begins where the other ended: another account would be another key.
        let all = vendor.records().with(&further);
        vendor.serve(std::sync::Arc::new(all));
        let from = last;
        database.run("DELETE FROM fuel.sync_window WHERE window_start >= $1", from).await;
        database.run("UPDATE fuel.checkpoint SET watermark = $1", from).await;
        let first = sync(&vendor, &database, &configuration(&shape, &vendor, &database.url, from, false)).await;
        let again = sync(&vendor, &database, &configuration(&shape, &vendor, &database.url, from, true)).await;
        let lines = first.counts.inserted;
        println!(
            "{}",
            json!({
                "scenario": shape.name, "rows_there": there.counts.inserted + earlier, "rows": lines,
                "load_us_per_row": round(first.wall.as_secs_f64() * 1e6 / lines as f64),
                // All that the vendor has is read again, the further window with it.
                "reread_us_per_row": round(again.wall.as_secs_f64() * 1e6 / again.counts.fetched as f64),
                "load_wal_bytes_per_row": round(first.wal as f64 / lines as f64),
            })
        );
        database.drop().await;
    }
}

/// Many streams, and nothing to do.
async fn streams(server: &Server, asked: &Asked) {
    for contracts in [1, 100, 1_000] {
        let shape = Shape { name: "streams", contracts, days: 7, ..ALEXELA };
        let (from, to) = stretch(shape.days, shape.grid);
        let vendor = Vendor::start(Records::render(shape.source, asked.rows.min(20_000), contracts, from, to)).await;
        let database = server.migrated().await;
        sync(&vendor, &database, &configuration(&shape, &vendor, &database.url, from, false)).await;
        for _ in 0..asked.times {
            let queries = database.number("SELECT coalesce(sum(xact_commit), 0)::bigint FROM pg_stat_database").await;
            let idle = sync(&vendor, &database, &configuration(&shape, &vendor, &database.url, from, false)).await;
            let transactions =
                database.number("SELECT coalesce(sum(xact_commit), 0)::bigint FROM pg_stat_database").await - queries;
            println!(
                "{}",
                json!({
                    "scenario": shape.name, "contracts": contracts, "seconds": round(idle.wall.as_secs_f64()),
                    "cpu_ms": round(idle.cpu.as_secs_f64() * 1e3), "peak_mib": round(idle.peak as f64 / 1024.0),
                    "requests": idle.requests, "transactions": transactions,
                    "ms_to_first_request": idle.until_first.map(|d| round(d.as_secs_f64() * 1e3)),
                })
            );
        }
        database.drop().await;
    }
}
