//! Traces as a collector takes them: what the real program sends, decoded, and what becomes of it where nobody takes it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::DefaultBodyLimit, http::HeaderMap, routing::post};
use chrono::{DateTime, NaiveTime, SecondsFormat, TimeDelta, Utc};
use fuelsync::{
    clock::{Clock, SystemClock},
    sandbox::{self, Sandbox, WorldOptions},
};
use nix::sys::signal::Signal;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
};
use prost::Message as _;
use secrecy::ExposeSecret as _;
use sqlx::Row as _;
use tokio::net::TcpListener;

use crate::support::{Fuelsync, TestDatabase};

/// Takes traces.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Bytes>>>);

/// A span as it arrived.
#[derive(Debug)]
struct Seen {
    name: String,
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    during: (u64, u64),
    attributes: BTreeMap<String, String>,
    failed: bool,
}

impl Collector {
    async fn start() -> (Self, SocketAddr) {
        let (kept, listener) = (Self::default(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let (into, address) = (kept.clone(), listener.local_addr().unwrap());
        let take = move |headers: HeaderMap, body: Bytes| {
            assert_eq!(headers["content-type"], "application/x-protobuf");
            into.0.lock().unwrap().push(body);
            std::future::ready(([("content-type", "application/x-protobuf")], Bytes::new()))
        };
        let router = Router::new().route("/v1/traces", post(take)).layer(DefaultBodyLimit::disable());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (kept, address)
    }

    /// What has come since the last time, with what it says of the process.
    fn taken(&self) -> (Vec<Seen>, BTreeMap<String, String>, Vec<Bytes>) {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let (mut spans, mut process) = (Vec::new(), BTreeMap::new());
        for body in &bytes {
            for of in ExportTraceServiceRequest::decode(body.clone()).unwrap().resource_spans {
                process = named(of.resource.unwrap().attributes);
                for span in of.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                    assert!(span.events.is_empty() && span.links.is_empty());
                    spans.push(Seen {
                        name: span.name,
                        trace: span.trace_id,
                        id: span.span_id,
                        parent: span.parent_span_id,
                        during: (span.start_time_unix_nano, span.end_time_unix_nano),
                        attributes: named(span.attributes),
                        failed: span.status.is_some_and(|status| status.code == 2),
                    });
                }
            }
        }
        (spans, process, bytes)
    }
}

fn named(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value.unwrap().value.unwrap() {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => panic!("neither a text nor a number: {other:?}"),
    };
    attributes.into_iter().map(|pair| (pair.key, text(pair.value))).collect()
}

struct Place {
    database: TestDatabase,
    sandbox: Sandbox,
    start: DateTime<Utc>,
}

impl Place {
    /// Both vendors with five days of sales, and an empty database.
    async fn new() -> Self {
        let midnight = SystemClock.now().date_naive().and_time(NaiveTime::MIN).and_utc();
        let start = midnight - TimeDelta::days(5);
        let world = WorldOptions { sales: 800, from: start, to: midnight, ..WorldOptions::default() };
        let options = sandbox::Options { world, ..sandbox::Options::default() };
        Self { database: TestDatabase::new().await, sandbox: sandbox::start(options).await.unwrap(), start }
    }

    fn configuration(&self, collector: Option<SocketAddr>) -> String {
        let text = sandbox::configuration(&self.sandbox, self.database.url(), self.start);
        match collector {
            None => text,
            Some(at) => {
                format!("{text}\n[telemetry]\notlp_endpoint = \"http://{at}\"\nservice_name = \"fleet-sync\"\n")
            }
        }
    }
}

const COUNTS: [&str; 8] =
    ["fetched", "inserted", "updated", "unchanged", "quarantined", "outside", "duplicate", "missing"];

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_sends_a_span_a_window_with_its_parts_and_no_secret() {
    let place = Place::new().await;
    let (collector, address) = Collector::start().await;
    // Few requests a second, so that some wait; and card numbers as they are, so that there is something to leak.
    let text = place.configuration(Some(address)).replace("requests_per_second = 1000", "requests_per_second = 10")
        + "\n[privacy]\ncard_number = \"keep\"\nreceipt_email = \"keep\"\n";
    Fuelsync::new(["sync", "--json"]).config(&text).run().await.ended_with(0);
    let (spans, process, mut bytes) = collector.taken();
    assert_eq!(process["service.name"], "fleet-sync");
    assert_eq!(process["service.version"], env!("CARGO_PKG_VERSION"));
    assert!(process.contains_key("service.instance.id") && process.contains_key("host.name"));

    let (windows, parts): (Vec<&Seen>, Vec<&Seen>) = spans.iter().partition(|span| span.name == "window");
    let pool = place.database.pool().await;
    let ledger = sqlx::query("SELECT * FROM fuel.sync_window").fetch_all(&pool).await.unwrap();
    assert!(ledger.len() > 20, "{}", ledger.len());
    assert_eq!(windows.len(), ledger.len(), "one a window");
    for row in &ledger {
        let moment = |name: &str| row.get::<DateTime<Utc>, _>(name).to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let text = |name: &str| row.get::<String, _>(name);
        let key = [text("source"), text("account"), text("partition"), moment("window_start"), moment("window_end")];
        let is_it = |window: &&&Seen| {
            let names = ["source", "account", "partition", "window_start", "window_end"];
            names.iter().zip(&key).all(|(name, value)| window.attributes[*name] == *value)
        };
        let window = windows.iter().find(is_it).unwrap_or_else(|| panic!("no span of {key:?}"));
        let mut expected: BTreeMap<&str, String> =
            COUNTS.iter().map(|name| (*name, row.get::<i64, _>(*name).to_string())).collect();
        let changed = row.get::<i64, _>("inserted") > 0;
        expected.insert("outcome", if changed { "changed" } else { "unchanged" }.to_owned());
        expected.insert("mode", "pass".to_owned());
        for (name, value) in expected {
            assert_eq!(window.attributes[name], value, "{name} of {key:?}");
        }
        assert!(!window.failed && window.parent.is_empty());
        let own: Vec<_> = parts.iter().filter(|part| part.parent == window.id).collect();
        for name in ["read", "write", "commit"] {
            assert!(own.iter().any(|part| part.name == name), "{name} of {key:?}: {own:?}");
        }
        for part in own {
            assert!(part.trace == window.trace && part.attributes.is_empty());
            assert!(window.during.0 <= part.during.0 && part.during.1 <= window.during.1, "{part:?} in {window:?}");
        }
    }
    let names: BTreeSet<_> = parts.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["commit", "rate_wait", "read", "write"]));
    let ids: BTreeSet<_> = windows.iter().map(|window| &window.id).collect();
    assert!(parts.iter().all(|part| ids.contains(&part.parent)), "each part is a window's");
    let allowed: BTreeSet<&str> = COUNTS
        .into_iter()
        .chain(["mode", "source", "account", "partition", "window_start", "window_end", "outcome", "rate_wait_ms"])
        .collect();
    assert!(windows.iter().flat_map(|window| window.attributes.keys()).all(|name| allowed.contains(name.as_str())));

    // The same when it goes wrong: errors are told by their kind.
    let options = place.sandbox.options();
    let (psk, wrong) = (options.alexela.psk.expose_secret().to_owned(), "0".repeat(128));
    let refusing = Fuelsync::new(["sync", "--source", "alexela_ev"]).config(&text.replace(&psk, &wrong));
    refusing.run().await.ended_with(5);
    let (spans, _, more) = collector.taken();
    let refused = spans.iter().find(|span| span.attributes.get("outcome").is_some_and(|outcome| outcome == "refused"));
    assert!(refused.expect("the window").failed);
    bytes.extend(more);
    Fuelsync::new(["verify", "--from", &place.start.to_rfc3339(), "--to", &SystemClock.now().to_rfc3339()])
        .config(&text)
        .run()
        .await;
    let (spans, _, more) = collector.taken();
    assert!(spans.iter().any(|span| span.name == "compare"));
    assert!(spans.iter().filter(|span| span.name == "window").all(|span| span.attributes["mode"] == "verify"));
    bytes.extend(more);

    let mut canaries: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT v FROM fuel.transaction, unnest(ARRAY[card_number, license_plate, driver_name]) v WHERE v IS NOT NULL",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert!(canaries.iter().any(|value| value.len() >= 16) && canaries.len() > 10, "{}", canaries.len());
    canaries.extend([psk, wrong, options.hecone.client_secret.expose_secret().to_owned()]);
    canaries.extend(["postgres:", "postgresql:", "http:", "https:", "example.com"].map(str::to_owned));
    for canary in canaries {
        let told = bytes.iter().any(|body| body.windows(canary.len()).any(|part| part == canary.as_bytes()));
        assert!(!told, "{canary}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_in_the_configuration_nothing_is_sent() {
    let place = Place::new().await;
    let (collector, address) = Collector::start().await;
    let call = Fuelsync::new(["sync"]).config(&place.configuration(None));
    call.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}")).run().await.ended_with(0);
    assert!(collector.taken().0.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_or_does_not_answer_delays_and_fails_nothing() {
    let timed = async |collector: Option<SocketAddr>| {
        let place = Place::new().await;
        let begun = SystemClock.monotonic();
        let call = Fuelsync::new(["sync", "--json"]).config(&place.configuration(collector));
        let ran = call.run().await.ended_with(0);
        (begun.elapsed(), ran)
    };
    // Nobody listens at the first; the second takes connections and never says a word.
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let deaf = silent.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok(connection) = silent.accept().await {
            held.push(connection);
        }
    });
    let (plain, _) = timed(None).await;
    for collector in [nobody, deaf] {
        let (took, ran) = timed(Some(collector)).await;
        assert!(took < plain + Duration::from_secs(20), "{took:?}, and {plain:?} without traces");
        assert_eq!(ran.json()["outcome"], "ok");
        assert!(ran.stderr.matches("does not take traces").count() <= 1, "{}", ran.stderr);
    }

    let place = Place::new().await;
    let mut running = Fuelsync::new(["run", "--log-format", "json"]).config(&place.configuration(Some(deaf))).spawn();
    running.says("pass done").await;
    running.says("does not take traces").await;
    let begun = SystemClock.monotonic();
    running.signal(Signal::SIGTERM);
    running.wait().await.ended_with(0);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
