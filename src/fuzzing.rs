//! What the fuzz targets (`fuzz/`) call and the library does not show: each a private function under its own name, or
//! with what it takes and gives in plain types. Only with the feature `fuzzing`; no release has it.

use chrono::{DateTime, Utc};

use crate::{
    config::{Faults, Loaded},
    source::time,
};

/// Alexela's answers and requests.
pub mod alexela {
    pub use crate::source::alexela::fuzzing::{Asked, Sent, counts, request, server_accepts};
}

/// `HecOne`'s answers.
pub mod hecone {
    pub use crate::source::hecone::fuzzing::{follow, page, single};
}

/// A date-time as vendors write it: none for `0001-01-01`, an error for what is no date-time.
pub fn date(text: &str) -> Result<Option<DateTime<Utc>>, String> {
    time::parse(text).map_err(|error| error.to_string())
}

/// A date-time as requests carry it.
pub fn wire_date(at: DateTime<Utc>) -> String {
    time::wire(at)
}

/// A configuration from a text and variables.
pub fn configuration(text: &str, variables: Vec<(String, String)>) -> Result<Loaded, Faults> {
    Loaded::from_text(text, variables)
}
