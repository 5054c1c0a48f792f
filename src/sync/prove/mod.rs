//! The completeness certificate of a stretch: for each window of each stream what is known of it, what the table has of
//! it, one root over all, what is not what the records and the ledger say, and what changed since the last certificate.
//!
//! All of it is read from the tables as they are at one moment; no source is asked.

mod accounts;
mod pieces;
mod report;
mod unlike;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use self::report::{Certificate, Proved, ProvedWindow, SinceEarlier, State};
use self::{
    accounts::Accounts,
    pieces::{Cover, Standing},
};
use crate::{
    config,
    domain::{Grid, Partition, Record, SourceKind, StreamId, Window},
    source::Normalizer,
    warehouse::{
        Warehouse, WarehouseError,
        certificate::{Digest, Earlier, Findings, Kept, Snapshot, Stream, digest},
    },
};

/// An account of the configuration.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// The sources selected, of those that it reads.
    pub kinds: Vec<SourceKind>,
    /// The first instant ever to read.
    pub start: DateTime<Utc>,
    /// The grid of new windows.
    pub grid: Grid,
    /// The contracts that are named; empty for all that the source lists.
    pub contracts: Vec<String>,
}

impl Account {
    fn reads(&self, id: &StreamId) -> bool {
        let named = &self.contracts;
        self.name == id.account
            && self.kinds.contains(&id.source)
            && (id.source != SourceKind::AlexelaCard
                || named.is_empty()
                || named.iter().any(|n| n == id.partition.as_str()))
    }

    /// The streams that it must have.
    fn streams(&self) -> impl Iterator<Item = StreamId> {
        let of = move |kind: SourceKind| {
            let of_contracts = kind == SourceKind::AlexelaCard && !self.contracts.is_empty();
            let whole = (!of_contracts).then(Partition::whole);
            let named =
                self.contracts.iter().filter(move |_| of_contracts).map(|name| Partition::contract(name.clone()));
            whole.into_iter().chain(named).map(move |partition| StreamId::new(kind, self.name.clone(), partition))
        };
        self.kinds.iter().flat_map(move |kind| of(*kind))
    }
}

/// What proving works with.
pub struct Prove<'a> {
    /// Where the sales are.
    pub warehouse: &'a Warehouse,
    /// How.
    pub settings: &'a config::Sync,
    /// Machine.
    pub host: &'a str,
    /// The accounts of the configuration.
    pub accounts: &'a [Account],
    /// Whether a stream is selected.
    pub selected: &'a (dyn Fn(SourceKind, &str) -> bool + Send + Sync),
    /// What makes lines of a stream's records today; none when no account of the configuration reads it.
    pub normalizer: &'a (dyn Fn(&StreamId) -> Option<Normalizer> + Send + Sync),
    /// The time.
    pub present: DateTime<Utc>,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The database.
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    /// The process is stopping.
    #[error("stopped before the certificate was made; nothing was kept of it")]
    Stopped,
}

impl Prove<'_> {
    /// Makes the certificate of a stretch and keeps it.
    pub async fn run(&self, stretch: Window, stop: &CancellationToken) -> Result<Certificate, ProveError> {
        let made = async {
            let mut snapshot = self.warehouse.snapshot(self.settings.window_timeout).await?;
            let made = Box::pin(self.read(&mut snapshot, stretch)).await?;
            let moment = (snapshot.at, snapshot.through_seq);
            snapshot.end().await?;
            Ok::<_, WarehouseError>((made, moment))
        };
        let (certificate, moment) = tokio::select! {
            made = made => made?,
            () = stop.cancelled() => return Err(ProveError::Stopped),
        };
        let kept = Kept {
            id: certificate.certificate,
            stretch,
            host: self.host,
            findings: certificate.findings.count,
            root: certificate.root,
            windows: certificate.kept(),
        };
        self.warehouse.keep_certificate(&kept, moment).await?;
        Ok(certificate)
    }

    async fn read(&self, snapshot: &mut Snapshot, stretch: Window) -> Result<Certificate, WarehouseError> {
        let (streams, unknown) = snapshot.streams().await?;
        let earlier = snapshot.earlier(stretch).await?;
        // Windows are held against the ledger whole, also where they reach over the ends of the stretch: what is found there is
        // of another certificate, and only accounts for what a window came to.
        let (mut findings, mut beyond) = (Findings::default(), Findings::default());
        let mut proved: Vec<Proved> = Vec::new();
        for stream in self.with_those_never_read(streams) {
            let key = (
                stream.id.source.as_str().to_owned(),
                stream.id.account.clone(),
                stream.id.partition.as_str().to_owned(),
            );
            let of_stream = self.stream(snapshot, stretch, stream, earlier.get(&key), &mut findings, &mut beyond);
            proved.push(Box::pin(of_stream).await?);
        }
        let reach = proved.iter().flat_map(|of| of.unlike.iter().map(|unlike| unlike.entry.window));
        let hull = reach.fold(stretch, |hull, window| hull.hull(&window));
        let mut names: Vec<_> = proved.iter().map(|of| (of.stream.source, of.stream.account.clone())).collect();
        names.dedup();
        for (source, account) in names {
            let whole = StreamId::new(source, account, Partition::whole());
            let normalizer = (self.normalizer)(&whole);
            let normalize = |stream: &StreamId, text: &str| self.normalized(normalizer.as_ref(), stream, text);
            snapshot.deleted(&whole, (stretch, hull), &normalize, &mut findings, &mut beyond).await?;
        }
        let mut accounts = Accounts::of(&findings, &beyond);
        for of in &mut proved {
            of.settle(&mut findings, &mut accounts);
        }
        let digests: Vec<Digest> = proved.iter().flat_map(Proved::digests).collect();
        let root = digest::root(stretch, digests);
        Ok(Certificate::of(Uuid::now_v7(), stretch, snapshot.at, root, proved, findings, unknown))
    }

    /// The streams that are selected, and for each source and named contract of the configuration of which nothing was ever
    /// read one that says so.
    fn with_those_never_read(&self, streams: Vec<Stream>) -> Vec<Stream> {
        let mut selected: Vec<_> =
            streams.into_iter().filter(|stream| (self.selected)(stream.id.source, &stream.id.account)).collect();
        for account in self.accounts {
            for id in account.streams() {
                // Where no contract is named, any is one of it.
                let is_it = |stream: &Stream| {
                    stream.id == id
                        || account.contracts.is_empty()
                            && stream.id.source == id.source
                            && stream.id.account == id.account
                };
                if !selected.iter().any(is_it) {
                    selected.push(Stream { id, watermark: None, last_outcome: None, read_until: None });
                }
            }
        }
        let key = |stream: &Stream| {
            (stream.id.source.as_str(), stream.id.account.clone(), stream.id.partition.as_str().to_owned())
        };
        selected.sort_by_key(key);
        selected
    }

    fn normalized(&self, normalizer: Option<&Normalizer>, stream: &StreamId, text: &str) -> Option<Record> {
        normalizer.map(|normalizer| normalizer.record(stream, self.present, text))
    }

    async fn stream(
        &self,
        snapshot: &mut Snapshot,
        stretch: Window,
        stream: Stream,
        earlier: Option<&Earlier>,
        findings: &mut Findings,
        beyond: &mut Findings,
    ) -> Result<Proved, WarehouseError> {
        let (ledger, gaps) = snapshot.ledger(&stream.id, stretch).await?;
        let account = self.accounts.iter().find(|account| account.reads(&stream.id));
        let ended = match (stream.last_outcome.as_deref(), account) {
            (_, None) => Some("no account of the configuration reads it"),
            (Some("withdrawn"), _) => Some("the source no longer lists it"),
            (Some("not_enabled"), _) => Some("it is not enabled at the source"),
            (_, Some(_)) => None,
        };
        let standing = Standing {
            ledger: &ledger,
            gaps: &gaps,
            watermark: stream.watermark,
            present: self.present,
            account: account.map(|account| (account.start, account.grid)),
            has_ended: ended.is_some(),
            read_until: stream.read_until,
        };
        let normalizer = (self.normalizer)(&stream.id);
        let normalize = |stream: &StreamId, text: &str| self.normalized(normalizer.as_ref(), stream, text);
        let left = snapshot.left_over(&stream.id, stretch).await?;
        let mut proved = Proved::new(&stream, ended, left, normalizer.is_some());
        for piece in pieces::tile(stretch, &standing) {
            let lines = snapshot.lines(&stream.id, piece.window, &normalize, findings).await?;
            let entry = match piece.cover {
                Cover::Read(number) => ledger.get(number),
                Cover::Unread | Cover::Gap | Cover::BeforeStart | Cover::AfterWatermark | Cover::Ended => None,
            };
            proved.windows.push(ProvedWindow::of(piece, entry, lines));
        }
        snapshot.hidden(&stream.id, stretch, findings).await?;
        proved.unlike = unlike::of_ledger(snapshot, &stream.id, &ledger, &proved.windows, &normalize, beyond).await?;
        if let Some(earlier) = earlier {
            let since = snapshot.since(&stream.id, stretch, earlier).await?;
            proved.since = Some(SinceEarlier::of(earlier, since, &proved.windows));
        }
        Ok(proved)
    }
}
