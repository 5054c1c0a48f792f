//! What is told of a window, seen by an exporter that keeps it.

use std::sync::{Mutex, PoisonError};

use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter},
};

use super::*;
use crate::{
    clock::{Clock as _, SystemClock},
    domain::{Partition, SourceKind},
};

#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(batch);
        Ok(())
    }
}

impl Kept {
    fn traced() -> (Telemetry, Self) {
        let kept = Self::default();
        (Telemetry::by(SdkTracerProvider::builder().with_simple_exporter(kept.clone()).build()), kept)
    }

    fn spans(&self) -> Vec<SpanData> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn names(&self) -> Vec<String> {
        self.spans().into_iter().map(|span| span.name.into_owned()).collect()
    }
}

fn opened(telemetry: &Telemetry) -> WindowSpan {
    let stream = StreamId::new(SourceKind::AlexelaCard, "fleet", Partition::contract("22297"));
    let at = |text: &str| text.parse().unwrap();
    let window = Window::new(at("2026-11-20T00:00:00Z"), at("2026-11-27T00:00:00Z")).unwrap();
    telemetry.window(Mode::Pass, &stream, window)
}

fn value(span: &SpanData, key: &str) -> Option<String> {
    span.attributes.iter().find(|kept| kept.key.as_str() == key).map(|kept| kept.value.to_string())
}

#[tokio::test]
async fn a_window_has_its_parts_its_waits_and_its_counts() {
    let (telemetry, kept) = Kept::traced();
    let window = opened(&telemetry);
    let reading = async {
        let _read = part(Part::Read);
        let since = SystemClock.now();
        tokio::time::sleep(Duration::from_millis(20)).await;
        waited(since, Duration::from_millis(20));
    };
    window.scope(reading).await;
    window
        .scope(async {
            drop(part(Part::Write));
            drop(part(Part::Commit));
        })
        .await;
    window.ended("changed", false, [("fetched", 3), ("inserted", 2)]);
    drop(window);

    assert_eq!(kept.names(), ["rate_wait", "read", "write", "commit", "window"]);
    let spans = kept.spans();
    let whole = spans.last().unwrap();
    for part in &spans[..4] {
        assert_eq!(part.parent_span_id, whole.span_context.span_id(), "{}", part.name);
        assert_eq!(part.span_context.trace_id(), whole.span_context.trace_id());
        assert!(part.attributes.is_empty(), "{part:?}");
    }
    let wait = spans[0].end_time.duration_since(spans[0].start_time).unwrap();
    assert!(wait >= Duration::from_millis(20), "{wait:?}");
    for (key, expected) in [
        ("source", "alexela_card"),
        ("account", "fleet"),
        ("partition", "22297"),
        ("window_start", "2026-11-20T00:00:00Z"),
        ("window_end", "2026-11-27T00:00:00Z"),
        ("mode", "pass"),
        ("outcome", "changed"),
        ("fetched", "3"),
        ("inserted", "2"),
        ("rate_wait_ms", "20"),
    ] {
        assert_eq!(value(whole, key).as_deref(), Some(expected), "{key}");
    }
    assert_eq!((whole.attributes.len(), &whole.status), (10, &Status::Unset));
}

#[tokio::test]
async fn a_window_that_is_dropped_was_given_up_and_one_that_failed_says_so_once() {
    let (telemetry, kept) = Kept::traced();
    drop(opened(&telemetry));
    let failed = opened(&telemetry);
    failed.ended("failed", true, []);
    failed.ended("changed", false, []);
    drop(failed);
    let ends: Vec<_> = kept.spans().iter().map(|span| (value(span, "outcome").unwrap(), span.status.clone())).collect();
    assert_eq!(ends, [("given_up".to_owned(), Status::Unset), ("failed".to_owned(), Status::error("failed"))]);
}

#[tokio::test]
async fn a_read_that_waits_often_does_not_flood_and_counts_all_of_it() {
    let (telemetry, kept) = Kept::traced();
    let window = opened(&telemetry);
    window
        .scope(async {
            for _ in 0..1_000 {
                waited(SystemClock.now(), Duration::from_millis(7));
            }
        })
        .await;
    window.ended("unchanged", false, []);
    let spans = kept.spans();
    assert_eq!(spans.len(), 65);
    assert_eq!(value(spans.last().unwrap(), "rate_wait_ms").as_deref(), Some("7000"));
}

#[tokio::test]
async fn outside_of_a_window_and_without_a_collector_nothing_is_told() {
    let (_telemetry, kept) = Kept::traced();
    drop(part(Part::Read));
    waited(SystemClock.now(), Duration::from_secs(1));
    let off = Telemetry::off();
    let window = opened(&off);
    assert_eq!(window.scope(async { 7 }).await, 7);
    window.ended("changed", false, [("fetched", 3)]);
    off.stop(Duration::ZERO).await;
    assert!(kept.names().is_empty());
}

#[test]
fn a_collector_takes_traces_at_its_usual_path() {
    for (given, expected) in [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("https://collector.example/otlp", "https://collector.example/otlp/v1/traces"),
        ("https://collector.example/otlp/v1/traces", "https://collector.example/otlp/v1/traces"),
    ] {
        assert_eq!(export::traces(&given.parse().unwrap()), expected);
    }
}
