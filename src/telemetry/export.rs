//! Sends spans to a collector: OTLP over HTTP, in protobuf.
//!
//! OpenTelemetry's batch processor has a thread of its own, on which it waits for one answer at a time. The program's HTTP
//! client needs the runtime, so each request is a task there. Neither ever waits for the other without a limit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, Span, SpanData, SpanProcessor},
};
use tokio::runtime::Handle;
use url::Url;

use super::Telemetry;
use crate::config;

/// A collector's answer is waited for this long, attempts after the first included.
const LIMIT: Duration = Duration::from_secs(3);
/// Spans are sent after this, or when there are enough for a request.
const DELAY: Duration = Duration::from_secs(2);
/// Spans that wait; more are dropped. A window has four or a few more, each of about a kilobyte.
const QUEUE: usize = 8_192;
/// Spans of a request.
const BATCH: usize = 512;
/// As much of an answer is read.
const ANSWER: usize = 64 * 1024;
/// The longest that anybody waits for the last spans.
const LAST: Duration = Duration::from_secs(2);

/// Who traces.
#[derive(Debug, Clone, Copy)]
pub struct Process<'a> {
    /// This machine's name.
    pub host: &'a str,
    /// This process, and no other.
    pub instance: &'a str,
}

impl Telemetry {
    /// Begins to trace, where the configuration names a collector. A collector that cannot be used is said and is no
    /// failure: nothing depends on traces.
    pub fn start(settings: &config::Telemetry, client: &reqwest::Client, process: Process<'_>) -> Self {
        let Some(endpoint) = &settings.otlp_endpoint else { return Self::off() };
        let Ok(runtime) = Handle::try_current() else { return Self::off() };
        let courier = Courier { client: client.clone(), runtime, failing: Arc::default() };
        match exporter(endpoint, courier) {
            Ok(exporter) => Self::by(provider(exporter, &settings.service_name, process)),
            Err(error) => {
                tracing::warn!(error = %error, "traces cannot be sent; nothing else depends on them");
                Self::off()
            }
        }
    }
}

fn exporter(endpoint: &Url, courier: Courier) -> Result<SpanExporter, ExporterBuildError> {
    SpanExporter::builder()
        .with_http()
        .with_http_client(courier)
        .with_endpoint(traces(endpoint))
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(LIMIT)
        .build()
}

/// Where a collector at this address takes traces.
pub(super) fn traces(endpoint: &Url) -> String {
    const PATH: &str = "/v1/traces";
    let base = endpoint.as_str().trim_end_matches('/');
    if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") }
}

fn provider(exporter: SpanExporter, service: &str, process: Process<'_>) -> SdkTracerProvider {
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(DELAY)
        .build();
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
    let resource = Resource::builder_empty()
        .with_service_name(service.to_owned())
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", process.instance.to_owned()),
            KeyValue::new("host.name", process.host.to_owned()),
        ])
        .build();
    SdkTracerProvider::builder()
        .with_span_processor(Brief(processor))
        .with_sampler(Sampler::AlwaysOn)
        .with_resource(resource)
        .build()
}

/// A processor that is not waited for as long as its provider would, when that is dropped: five seconds.
#[derive(Debug)]
struct Brief(BatchSpanProcessor);

impl SpanProcessor for Brief {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.0.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, limit: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(limit.min(LAST))
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

/// Makes a request of the exporter's a task of the runtime.
#[derive(Debug)]
struct Courier {
    client: reqwest::Client,
    runtime: Handle,
    failing: Arc<AtomicBool>,
}

#[async_trait::async_trait]
impl HttpClient for Courier {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let delivering = deliver(&client, request);
            tokio::time::timeout(LIMIT, delivering).await.unwrap_or_else(|_| Err("no answer in time".into()))
        });
        // A runtime that is going down ends its tasks, so this always comes back.
        let answer = sent.await.unwrap_or_else(|_| Err("the process is stopping".into()));
        self.note(match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("HTTP {}", answer.status().as_u16())),
            Err(error) => Some(error.to_string()),
        });
        answer
    }
}

impl Courier {
    /// Says that traces cannot be delivered, and that they are again; not each time.
    fn note(&self, fault: Option<String>) {
        let was_failing = self.failing.swap(fault.is_some(), Ordering::Relaxed);
        match fault {
            Some(fault) if !was_failing => {
                tracing::warn!(
                    error = fault,
                    "the collector of telemetry.otlp_endpoint does not take traces; those of this time are lost, and nothing else waits for it"
                );
            }
            None if was_failing => tracing::info!("the collector takes traces again"),
            Some(_) | None => {}
        }
    }
}

/// One request, whose answer is read up to a limit.
async fn deliver(client: &reqwest::Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let short = |error: reqwest::Error| -> HttpError {
        // Its own text has the URL in it.
        let what = if error.is_connect() { "no connection" } else { "the connection broke" };
        what.into()
    };
    let mut answer = client.execute(reqwest::Request::try_from(request).map_err(short)?).await.map_err(short)?;
    let mut made = Response::new(Bytes::new());
    *made.status_mut() = answer.status();
    *made.headers_mut() = answer.headers().clone();
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(short)? {
        if body.len() + part.len() > ANSWER {
            return Err("an answer that is too long".into());
        }
        body.extend_from_slice(&part);
    }
    *made.body_mut() = body.into();
    Ok(made)
}
