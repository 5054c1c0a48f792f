//! Alexela OCC Partners: payment cards by contract, bonus cards, charging.
//!
//! `sign` signs a request, a pure function of its parts; `wire` writes the five operations as URLs and bodies;
//! `verdict` says what an error of this vendor means; `client` sends, with the clock corrected and a refusal
//! remembered; `read` reads a stretch of a stream within the vendor's limits (60 days a request, 5 months back);
//! `calendar` knows these limits; `normalize` makes a row of a record; `examine` looks around for `check`.

mod calendar;
mod client;
mod examine;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
pub mod normalize;
mod read;
mod report;
mod sign;
#[cfg(test)]
mod tests;
mod verdict;
mod wire;

pub(super) use calendar::horizon;
pub use normalize::normalize;
pub use report::report;

use std::fmt;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;

use self::client::Client;
use super::{Finding, Known, Normalizer, ReadEnd, ReadEvent, Source, SourceError, recognize::Recognizer};
use crate::{
    config::Alexela,
    domain::{Partition, Record, SourceKind, StreamId, Window},
    http::{Link, Transport},
};

/// One account at Alexela.
pub struct AlexelaSource {
    client: Client,
    normalize: Normalizer,
    shortfall: calendar::Shortfall,
}

impl AlexelaSource {
    /// The account, over the program's transport. Asks nothing yet.
    pub fn new(config: Alexela, transport: Transport, normalize: Normalizer) -> Self {
        Self { client: Client::new(config, transport), normalize, shortfall: calendar::Shortfall::default() }
    }

    /// Puts bonus cards into the groups of regular and premium drivers; only then are their transactions served.
    pub async fn define_bonuscards(&self, regular: &[String], premium: &[String]) -> Result<(), SourceError> {
        self.client.define_bonuscards(regular, premium).await
    }
}

impl fmt::Debug for AlexelaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlexelaSource").field("account", &self.client.config.name).finish_non_exhaustive()
    }
}

impl AlexelaSource {
    /// Days between this machine's clock and the vendor's are a fault of the clock, whatever came of the request.
    fn placed<T>(&self, read: Result<T, SourceError>) -> Result<T, SourceError> {
        match (self.client.link.unbelievable_skew(), read) {
            (None, read) | (Some(_), read @ Err(SourceError::Http(_) | SourceError::Stopped)) => read,
            (Some(skew), _) => Err(SourceError::ClockOff(skew)),
        }
    }
}

#[async_trait::async_trait]
impl Source for AlexelaSource {
    fn account(&self) -> &str {
        &self.client.config.name
    }

    fn link(&self) -> Option<&Link> {
        Some(&self.client.link)
    }

    fn kinds(&self) -> Vec<SourceKind> {
        self.client.config.sources.clone()
    }

    async fn partitions(&self, kind: SourceKind) -> Result<Vec<Partition>, SourceError> {
        if kind != SourceKind::AlexelaCard {
            return Ok(vec![Partition::whole()]);
        }
        let configured = &self.client.config.contracts;
        let contracts =
            if configured.is_empty() { self.placed(self.client.contract_numbers().await)? } else { configured.clone() };
        Ok(contracts.into_iter().map(Partition::contract).collect())
    }

    async fn settle_clock(&self) -> Result<(), SourceError> {
        if self.client.link.skew().is_none() {
            let asked = self.client.contract_numbers().await;
            // Any answer carries the time, a refusal too; only silence leaves it unknown.
            if self.client.link.skew().is_none() {
                asked?;
            }
        }
        self.placed(Ok(()))
    }

    fn present(&self) -> DateTime<Utc> {
        self.client.link.present()
    }

    fn horizon(&self, _: SourceKind, present: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.shortfall.horizon(present)
    }

    fn widen(&self, _: SourceKind, stretch: Window) -> Window {
        calendar::whole_days(stretch)
    }

    async fn read(
        &self,
        stream: &StreamId,
        stretch: Window,
        known: &Known,
        events: mpsc::Sender<ReadEvent>,
    ) -> Result<ReadEnd, SourceError> {
        let marker = self.normalize.marker(&self.client.config.psk);
        let recognizer = Recognizer::new(&self.normalize, &marker, stream, known);
        let read = read::Reading::new(&self.client, recognizer, stream, events).run(stretch).await;
        let served_from = match &read {
            Ok(end) => end.served_from,
            Err(SourceError::BeyondHorizon { from, .. }) => Some(calendar::next_day(*from)),
            Err(_) => None,
        };
        if let (Some(from), None) = (served_from, self.client.link.unbelievable_skew()) {
            self.shortfall.learn(from, self.present());
        }
        self.placed(read)
    }

    async fn read_one(&self, _: &StreamId, _: &str) -> Result<Option<Record>, SourceError> {
        Err(SourceError::Rejected("nothing: Alexela has no way to ask for one transaction".to_owned()))
    }

    async fn examine(&self) -> Vec<Finding> {
        examine::examine(&self.client).await
    }
}
