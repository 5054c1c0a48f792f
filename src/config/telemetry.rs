//! `[telemetry]`: where traces go.

use url::Url;

use super::{
    key::{Key, Type},
    read::Section,
};

/// Where traces go.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// The collector, by OTLP over HTTP; none: nothing is traced.
    pub otlp_endpoint: Option<Url>,
    /// What traces say they come from.
    pub service_name: String,
}

/// The keys of `[telemetry]`.
pub(super) const KEYS: &[Key] = &[
    Key::optional(
        "otlp_endpoint",
        Type::Collector,
        "A collector that gets a trace of each window: OTLP over HTTP. Without it nothing is traced.",
    ),
    Key::or("service_name", Type::Text, "fuelsync", "What the traces say they come from (service.name)."),
];

pub(super) fn read(section: &mut Section<'_>) -> Option<Telemetry> {
    let otlp_endpoint = section.collector("otlp_endpoint");
    let service_name = section.text("service_name");
    Some(Telemetry { otlp_endpoint, service_name: service_name? })
}
