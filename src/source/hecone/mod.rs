//! `HecOne` 360: transactions of one account's sites.
//!
//! [`auth`] logs in and renews; [`wire`] writes the operations as URLs; [`client`] sends them with a token; [`pages`]
//! reads a stretch page by page until it is known to be whole; [`answer`] understands what is not a page;
//! [`statistics`] and [`mod@write`] are for `verify` and for integrators; [`examine`] looks around for `check`.
//! [`mod@normalize`] makes lines of a record, through [`Pointers`], with the published rules of [`state`].

mod answer;
mod auth;
mod client;
mod examine;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
pub mod normalize;
mod pages;
mod pointers;
mod report;
mod state;
pub mod statistics;
#[cfg(test)]
mod tests;
mod wire;
pub mod write;

pub use normalize::normalize;
pub use pointers::Pointers;
pub use report::{Report, report};

use std::fmt;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use tokio::sync::mpsc;

use self::{
    client::Client,
    statistics::Statistics,
    wire::Operation,
    write::{NewTransaction, TransactionUpdate},
};
use super::{Finding, Known, Normalizer, ReadEnd, ReadEvent, Source, SourceError};
use crate::{
    config::HecOne,
    domain::{Partition, Record, SourceKind, StreamId, Window},
    http::{Link, Transport},
};

/// One account at a `HecOne` server.
pub struct HecOneSource {
    client: Client,
    normalize: Normalizer,
}

impl HecOneSource {
    /// The account, over the program's transport. Asks nothing yet.
    pub fn new(config: HecOne, transport: Transport, normalize: Normalizer) -> Self {
        Self { client: Client::new(config, transport), normalize }
    }

    /// The account's only stream.
    pub fn stream(&self) -> StreamId {
        StreamId::new(SourceKind::HecOne, self.account(), Partition::whole())
    }

    /// The vendor's own totals of a stretch; needs `mandator_id`.
    pub async fn statistics(&self, stretch: Window) -> Result<Statistics, SourceError> {
        self.client.ask(Operation::Statistics(stretch), statistics::read).await
    }

    /// Adds a transaction, and gives it as the vendor has it then. For integrators: the daemon never writes.
    pub async fn create(&self, transaction: &NewTransaction) -> Result<Record, SourceError> {
        let body = write::body(transaction)?;
        self.written(Operation::Create(&body)).await
    }

    /// Adds or changes articles and payments of a transaction, and gives it as the vendor has it then.
    pub async fn update(&self, id: &str, update: &TransactionUpdate) -> Result<Record, SourceError> {
        let body = write::body(update)?;
        self.written(Operation::Update(id, &body)).await
    }

    async fn written(&self, operation: Operation<'_>) -> Result<Record, SourceError> {
        let raw = self.client.ask(operation, answer::one).await?;
        let raw = raw.ok_or_else(|| SourceError::Rejected("without the transaction that was written".to_owned()))?;
        Ok(self.normalize.record(&self.stream(), self.present(), &raw))
    }
}

impl fmt::Debug for HecOneSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HecOneSource").field("account", &self.client.config.name).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl Source for HecOneSource {
    fn account(&self) -> &str {
        &self.client.config.name
    }

    fn link(&self) -> Option<&Link> {
        Some(&self.client.link)
    }

    fn kinds(&self) -> Vec<SourceKind> {
        vec![SourceKind::HecOne]
    }

    async fn partitions(&self, _: SourceKind) -> Result<Vec<Partition>, SourceError> {
        Ok(vec![Partition::whole()])
    }

    async fn settle_clock(&self) -> Result<(), SourceError> {
        if self.client.link.skew().is_none() {
            self.client.log_in().await?;
        }
        self.client.link.unbelievable_skew().map_or(Ok(()), |skew| Err(SourceError::ClockOff(skew)))
    }

    fn present(&self) -> DateTime<Utc> {
        self.client.link.present()
    }

    fn horizon(&self, _: SourceKind, _: DateTime<Utc>) -> Option<DateTime<Utc>> {
        None
    }

    fn widen(&self, _: SourceKind, stretch: Window) -> Window {
        whole_seconds(stretch)
    }

    fn certain(&self, stretch: Window) -> Window {
        // A second is the least that can be asked for: whether `start_date` itself is served is not said, what follows it is.
        Window::new(stretch.start() - TimeDelta::seconds(1), stretch.end()).unwrap_or(stretch)
    }

    async fn read(
        &self,
        stream: &StreamId,
        stretch: Window,
        known: &Known,
        events: mpsc::Sender<ReadEvent>,
    ) -> Result<ReadEnd, SourceError> {
        let marker = self.normalize.marker(&self.client.config.client_secret);
        let by = (&self.normalize, &marker);
        let end = pages::Reading::new(&self.client, by, stream, known, events).run(whole_seconds(stretch)).await?;
        // What was read by a clock days off cannot be placed: the watermark would stand in another time.
        self.client.link.unbelievable_skew().map_or(Ok(end), |skew| Err(SourceError::ClockOff(skew)))
    }

    async fn read_one(&self, stream: &StreamId, id: &str) -> Result<Option<Record>, SourceError> {
        let present = self.present();
        let Some(raw) = self.client.find(Operation::One(id), answer::one).await?.flatten() else { return Ok(None) };
        let record = self.normalize.record(stream, present, &raw);
        // Another transaction than the one asked for must not be taken for it.
        if record.id.is_empty() || record.id == id {
            Ok(Some(record))
        } else {
            Err(SourceError::Rejected("with another transaction than the one asked for".to_owned()))
        }
    }

    async fn totals(&self, stretch: Window) -> Option<Result<Statistics, SourceError>> {
        Some(self.statistics(whole_seconds(stretch)).await)
    }

    fn is_filtered(&self) -> bool {
        self.client.config.filter.is_some()
    }

    async fn examine(&self) -> Vec<Finding> {
        examine::examine(&self.client).await
    }
}

/// Requests carry whole seconds; a row in a part of one is read with its second.
fn whole_seconds(stretch: Window) -> Window {
    let end = stretch.end().trunc_subsecs(0);
    let end = if end < stretch.end() { end + TimeDelta::seconds(1) } else { end };
    Window::new(stretch.start().trunc_subsecs(0), end).unwrap_or(stretch)
}
