//! What a source is given so that it knows neither the product rules nor the privacy rules.

use std::{fmt, sync::Arc};

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::{RecordText, known::Marker};
use crate::{
    domain::{Record, StreamId},
    privacy::Forgotten,
};

type Apply = dyn Fn(&StreamId, DateTime<Utc>, RecordText<'_>) -> Record + Send + Sync;

/// Turns a record's exact text, read from a stream at a source time, into a [`Record`] with the privacy rules applied.
#[derive(Clone)]
pub struct Normalizer {
    rules: Arc<str>,
    apply: Arc<Apply>,
    forgotten: Forgotten,
}

impl Normalizer {
    /// `rules`: all that it depends on besides its arguments, in words. Other rules, other words; a secret among them
    /// only as a digest.
    pub fn new(
        rules: &str,
        apply: impl Fn(&StreamId, DateTime<Utc>, RecordText<'_>) -> Record + Send + Sync + 'static,
    ) -> Self {
        Self { rules: rules.into(), apply: Arc::new(apply), forgotten: Forgotten::default() }
    }

    /// The same; what it applies heeds that these are forgotten.
    #[must_use]
    pub fn heeding(self, forgotten: Forgotten) -> Self {
        Self { forgotten, ..self }
    }

    /// Who is forgotten, as what it applies heeds it.
    pub const fn forgotten(&self) -> &Forgotten {
        &self.forgotten
    }

    /// One record.
    pub fn record<'t>(&self, stream: &StreamId, present: DateTime<Utc>, text: impl Into<RecordText<'t>>) -> Record {
        (self.apply)(stream, present, text.into())
    }

    /// Marks the texts that it would normalize now, under a key made of an account's secret. Once more persons are
    /// forgotten it marks them otherwise.
    pub fn marker(&self, secret: &SecretString) -> Marker {
        match self.forgotten.number() {
            0 => Marker::new(secret, &self.rules),
            number => Marker::new(secret, &format!("{} forgotten {number}", self.rules)),
        }
    }
}

impl fmt::Debug for Normalizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Normalizer")
    }
}
