//! Traces over OTLP, when `[telemetry]` names a collector: a span for each window that is read, with its parts.
//!
//! Only what stands here is ever told: which stream and stretch, how it ended, how many lines, when its parts began and ended.
//! Never a text that came from a vendor, a database or an error, so never a card, a person, a URL or a secret. This is why the
//! log is not sent along: a span is made here and not of what `tracing` has.
//!
//! Nothing waits for the collector. Spans go into a queue that drops what does not fit, a thread of its own sends them
//! ([`export`]), and at the end of the process what waits has a moment.
//!
//! Whoever reads or writes a window does so within [`WindowSpan::scope`]; there [`part`] and [`waited`] find it, however deep
//! they are called. Elsewhere, and where nothing is traced, they do nothing.

mod export;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use chrono::{DateTime, SecondsFormat, Utc};
use opentelemetry::{
    Context, KeyValue,
    trace::{Span as _, SpanBuilder, Status, TraceContextExt as _, Tracer as _},
};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};
use tokio::task::futures::TaskLocalFuture;

pub use export::Process;

use crate::domain::{StreamId, Window};

/// Waits of a window that have a span of their own; all of them are in its attribute `rate_wait_ms`.
const WAITS: u32 = 64;

tokio::task_local! {
    static WINDOW: WindowSpan;
}

/// Where traces go. Clones are the same way.
#[derive(Debug, Clone, Default)]
pub struct Telemetry(Option<Arc<Tracing>>);

#[derive(Debug)]
struct Tracing {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// What a window is read for: the attribute `mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A pass of `sync`, `run` or `demo`.
    Pass,
    /// A backfill, or what `verify --repair` loads.
    Backfill,
    /// `verify`: compared, not written.
    Verify,
}

/// A part of what is done to a window: a span below the window's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// It is asked for and read from its source, whole.
    Read,
    /// It is written, up to the COMMIT; a window that is copied before its turn waits for that here, too.
    Write,
    /// The COMMIT, until its end is known.
    Commit,
    /// It is held against the table.
    Compare,
}

impl Mode {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Backfill => "backfill",
            Self::Verify => "verify",
        }
    }
}

impl Part {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Commit => "commit",
            Self::Compare => "compare",
        }
    }
}

impl Telemetry {
    /// Nothing is traced.
    pub const fn off() -> Self {
        Self(None)
    }

    fn by(provider: SdkTracerProvider) -> Self {
        use opentelemetry::trace::TracerProvider as _;
        let tracer = provider.tracer("fuelsync");
        Self(Some(Arc::new(Tracing { provider, tracer })))
    }

    /// A window begins to be read.
    pub fn window(&self, mode: Mode, stream: &StreamId, window: Window) -> WindowSpan {
        let Some(tracing) = &self.0 else { return WindowSpan(None) };
        let moment = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let span = SpanBuilder::from_name("window").with_attributes([
            KeyValue::new("mode", mode.as_str()),
            KeyValue::new("source", stream.source.as_str()),
            KeyValue::new("account", stream.account.clone()),
            KeyValue::new("partition", stream.partition.as_str().to_owned()),
            KeyValue::new("window_start", moment(window.start())),
            KeyValue::new("window_end", moment(window.end())),
        ]);
        // A trace of its own: a first load has thousands of windows.
        let span = span.start_with_context(&tracing.tracer, &Context::new());
        WindowSpan(Some(Arc::new(Open {
            tracer: tracing.tracer.clone(),
            context: Context::new().with_span(span),
            ended: AtomicBool::new(false),
            waits: AtomicU32::new(0),
            waited_ms: AtomicU64::new(0),
        })))
    }

    /// Sends what waits, for at most so long. Nothing is traced any more.
    pub async fn stop(&self, limit: Duration) {
        let Some(tracing) = self.0.clone() else { return };
        let stopping = tokio::task::spawn_blocking(move || tracing.provider.shutdown_with_timeout(limit));
        // What the collector did not take in time is lost, and the log has said why.
        let _ = tokio::time::timeout(limit, stopping).await;
    }
}

/// A window that is being read or written. Clones are the same one; when the last is dropped before it has
/// [ended](Self::ended), it was given up.
#[derive(Debug, Clone, Default)]
pub struct WindowSpan(Option<Arc<Open>>);

#[derive(Debug)]
struct Open {
    tracer: SdkTracer,
    context: Context,
    ended: AtomicBool,
    waits: AtomicU32,
    waited_ms: AtomicU64,
}

impl WindowSpan {
    /// Does some of the window's work: what happens in it is a part of the window.
    pub fn scope<F: Future>(&self, work: F) -> TaskLocalFuture<Self, F> {
        WINDOW.scope(self.clone(), work)
    }

    /// The window has come to its end.
    pub fn ended(&self, outcome: &'static str, failed: bool, counts: impl IntoIterator<Item = (&'static str, u64)>) {
        let Some(open) = &self.0 else { return };
        let span = open.context.span();
        for (name, count) in counts {
            span.set_attribute(KeyValue::new(name, i64::try_from(count).unwrap_or(i64::MAX)));
        }
        open.end(outcome, failed);
    }

    fn part(&self, part: Part) -> PartSpan {
        PartSpan(self.0.as_ref().map(|open| Box::new(open.tracer.start_with_context(part.as_str(), &open.context))))
    }
}

impl Open {
    fn end(&self, outcome: &'static str, failed: bool) {
        if self.ended.swap(true, Ordering::Relaxed) {
            return;
        }
        let span = self.context.span();
        let waited = i64::try_from(self.waited_ms.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
        span.set_attribute(KeyValue::new("rate_wait_ms", waited));
        span.set_attribute(KeyValue::new("outcome", outcome));
        if failed {
            // The log has the error in words.
            span.set_status(Status::error(outcome));
        }
        span.end();
    }

    fn waited(&self, since: SystemTime, lasting: Duration) {
        let ms = u64::try_from(lasting.as_millis()).unwrap_or(u64::MAX);
        self.waited_ms.fetch_add(ms, Ordering::Relaxed);
        if self.waits.fetch_add(1, Ordering::Relaxed) < WAITS {
            let span = SpanBuilder::from_name("rate_wait").with_start_time(since);
            drop(span.start_with_context(&self.tracer, &self.context));
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.end("given_up", false);
    }
}

/// A part of a window; it ends when this is dropped. On the heap, so that who works does not carry it.
#[derive(Debug)]
#[must_use = "what is dropped has ended"]
pub struct PartSpan(Option<Box<Span>>);

impl Drop for PartSpan {
    fn drop(&mut self) {
        if let Some(span) = &mut self.0 {
            span.end();
        }
    }
}

/// A part of the window that is being read or written here begins.
pub fn part(part: Part) -> PartSpan {
    WINDOW.try_with(|window| window.part(part)).unwrap_or(PartSpan(None))
}

/// A request of the window that is being read here has waited for its account's rate until now.
pub(crate) fn waited(since: DateTime<Utc>, lasting: Duration) {
    // Outside of a window nothing is told.
    let _ = WINDOW.try_with(|window| {
        if let Some(open) = &window.0 {
            open.waited(since.into(), lasting);
        }
    });
}
