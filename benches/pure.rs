//! What the pure parts cost: signing a request, cutting an answer into its records, normalizing a record, putting it into
//! the form in which it is sent (with the digests that tell it from another), planning a stream with years behind it.
//!
//! `cargo bench --bench pure`, or `… -- normalize` for those whose name has the word.

#![expect(clippy::expect_used, reason = "a measurement that cannot be made ends with a panic")]

use std::{collections::BTreeMap, hint::black_box, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fuelsync::{
    config::{Config, Reread},
    domain::{Grid, Partition, Record, SourceKind, StreamId, Window, product::ProductRules},
    fuzzing,
    http::Cutter,
    privacy::Guard,
    sandbox::{World, WorldOptions, listing},
    source::{Context, alexela, hecone},
    sync::plan::{Rules, Standing, plan},
    warehouse::{incoming::Incoming, ledger},
};

const ROWS: usize = 1_000;

fn at(days: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000 + days)
}

/// So many records of a source, as the sandbox writes them.
fn records(source: SourceKind) -> Vec<String> {
    let options = WorldOptions {
        sales: 2 * ROWS as u64,
        from: at(0),
        to: at(30),
        as_of: Some(at(30)),
        ..WorldOptions::only(source)
    };
    let listed = listing(&World::new(options), source, at(30));
    let records: Vec<_> = listed.into_iter().take(ROWS).map(|listed| listed.json).collect();
    assert_eq!(records.len(), ROWS, "the sandbox sold less than it was asked for");
    records
}

/// An account at Alexela, and all that has a default.
fn config() -> Config {
    let text = format!(
        "[database]\nurl = \"postgres://fuelsync@localhost/x\"\n[[alexela]]\nname = \"main\"\n\
         base_url = \"https://alexela.example/api/v1\"\naccess_id = \"me\"\npsk = \"{}\"\nstart = 2026-01-01T00:00:00Z\n",
        "0123456789abcdef".repeat(8),
    );
    fuzzing::configuration(&text, Vec::new()).expect("a configuration").config
}

fn stream(source: SourceKind) -> StreamId {
    let partition = match source {
        SourceKind::AlexelaCard => Partition::contract("10023"),
        SourceKind::HecOne | SourceKind::AlexelaBonus | SourceKind::AlexelaEv => Partition::whole(),
    };
    StreamId { source, account: "main".to_owned(), partition }
}

/// What the program does to a record's text.
fn normalizer(source: SourceKind) -> impl Fn(&str) -> Record {
    let (stream, products) = (stream(source), ProductRules::default());
    let (privacy, pointers) = (Guard::new(&config().privacy), hecone::Pointers::new(&BTreeMap::new()));
    move |raw| {
        let context = Context { stream: &stream, present: at(31), products: &products, privacy: &privacy };
        match source {
            SourceKind::HecOne => hecone::normalize(raw, &context, &pointers),
            SourceKind::AlexelaCard | SourceKind::AlexelaBonus | SourceKind::AlexelaEv => {
                alexela::normalize(raw, &context)
            }
        }
    }
}

/// Cutting, normalizing and hashing, a thousand records at a time.
fn of_records(c: &mut Criterion) {
    for (name, source) in [("alexela", SourceKind::AlexelaCard), ("hecone", SourceKind::HecOne)] {
        let records = records(source);
        let body = format!("[{}]", records.join(","));
        let normalize = normalizer(source);
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(ROWS as u64));
        group.bench_function("cut", |b| {
            b.iter(|| {
                let mut cutter = Cutter::new();
                // As it arrives from a socket.
                for chunk in body.as_bytes().chunks(16 * 1024) {
                    cutter.push(black_box(chunk), |record| drop(black_box(record.to_owned()))).expect("a list");
                }
                cutter.finish().expect("whole")
            });
        });
        group.bench_function("normalize", |b| {
            b.iter(|| records.iter().for_each(|raw| drop(black_box(normalize(black_box(raw))))));
        });
        group.bench_function("hash", |b| {
            let window = Window::new(at(0), at(30)).expect("a window");
            let normalized = || records.iter().map(|raw| normalize(raw)).collect::<Vec<_>>();
            b.iter_batched(
                normalized,
                |records| {
                    let mut incoming = Incoming::new(source, window);
                    incoming.records(records).expect("room for them");
                    incoming.complete().expect("room for them");
                    incoming.finish()
                },
                BatchSize::LargeInput,
            );
        });
        group.finish();
    }
}

fn sign(c: &mut Criterion) {
    let config = config();
    let account = config.alexela.first().expect("the account");
    let asked = || fuzzing::alexela::Asked::Contract("10023", Window::new(at(0), at(7)).expect("a window"));
    c.bench_function("sign", |b| {
        b.iter(|| fuzzing::alexela::request(account, black_box(asked()), at(8)).expect("signed"));
    });
}

/// Three years of windows of an hour, all read, those of the last weeks due again.
fn planning(c: &mut Criterion) {
    let window = |hours| Window::new(at(0) + TimeDelta::hours(hours), at(0) + TimeDelta::hours(hours + 1));
    let present = at(3 * 365);
    let entries = (0..3 * 365 * 24).filter_map(|hours| {
        let window = window(hours)?;
        Some(ledger::Entry {
            window,
            read_through: Some(window.end()),
            full_read_at: Some(window.end()),
            is_final: present - window.end() > TimeDelta::days(60),
            is_claimed: false,
            can_change: false,
            is_failing: false,
        })
    });
    let entries: Vec<_> = entries.collect();
    let again = |days: u64, every: u64| Reread {
        younger_than: Duration::from_hours(24 * days),
        every: Duration::from_hours(every),
    };
    let reread = [again(3, 6), again(35, 24)];
    let rules = Rules {
        start: at(0),
        grid: Grid::new(Duration::from_hours(1)).expect("a grid"),
        publish_delay: Duration::from_mins(15),
        overlap: Duration::from_hours(2),
        reread: &reread,
        settled_after: Some(Duration::from_hours(30 * 24)),
    };
    let standing = Standing {
        watermark: Some(present - TimeDelta::minutes(15)),
        ledger: &entries,
        gaps: &[],
        present,
        horizon: None,
    };
    let planned = plan(&rules, &standing);
    assert!(planned.reads.len() > 800, "what is due again: {}", planned.reads.len());
    c.bench_function("plan", |b| b.iter(|| plan(black_box(&rules), black_box(&standing))));
}

criterion_group!(pure, sign, of_records, planning);
criterion_main!(pure);
