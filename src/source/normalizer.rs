//! What a source is given so that it knows neither the product rules nor the privacy rules.

use std::{fmt, sync::Arc};

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::{RecordText, known::Marker};
use crate::domain::{Record, StreamId};

type Apply = dyn Fn(&StreamId, DateTime<Utc>, RecordText<'_>) -> Record + Send + Sync;

/// Turns a record's exact text, read from a stream at a source time, into a [`Record`] with the privacy rules applied.
#[derive(Clone)]
pub struct Normalizer {
    rules: Arc<str>,
    apply: Arc<Apply>,
}

impl Normalizer {
    /// `rules`: all that it depends on besides its arguments, in words. Other rules, other words; a secret among them
    /// only as a digest.
    pub fn new(
        rules: &str,
        apply: impl Fn(&StreamId, DateTime<Utc>, RecordText<'_>) -> Record + Send + Sync + 'static,
    ) -> Self {
        Self { rules: rules.into(), apply: Arc::new(apply) }
    }

    /// One record.
    pub fn record<'t>(&self, stream: &StreamId, present: DateTime<Utc>, text: impl Into<RecordText<'t>>) -> Record {
        (self.apply)(stream, present, text.into())
    }

    /// Marks the texts that it would normalize, under a key made of an account's secret.
    pub fn marker(&self, secret: &SecretString) -> Marker {
        Marker::new(secret, &self.rules)
    }
}

impl fmt::Debug for Normalizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Normalizer")
    }
}
