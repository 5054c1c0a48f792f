//! The completeness certificate of a stretch: for each window of each stream what is known of it, what the table has of
//! it, one root over all, what is not what the records and the ledger say, and what changed since the last certificate.
//!
//! All of it is read from the tables as they are at one moment; no source is asked.

mod pieces;
mod report;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::pieces::{Cover, Standing};
pub use self::report::{Certificate, Proved, ProvedWindow, SinceEarlier, State};
use crate::{
    config,
    domain::{Grid, Partition, Record, SourceKind, StreamId, Window},
    source::Normalizer,
    warehouse::{
        Warehouse, WarehouseError,
        certificate::{Digest, Earlier, Finding, Findings, Kept, LedgerWindow, Snapshot, Stream, What, digest},
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
        let mut findings = Findings::default();
        let mut proved = Vec::new();
        for stream in self.with_those_never_read(streams) {
            let key = (
                stream.id.source.as_str().to_owned(),
                stream.id.account.clone(),
                stream.id.partition.as_str().to_owned(),
            );
            let of_stream = self.stream(snapshot, stretch, stream, earlier.get(&key), &mut findings);
            proved.push(Box::pin(of_stream).await?);
        }
        let mut accounts: Vec<_> = proved.iter().map(|of| (of.stream.source, of.stream.account.clone())).collect();
        accounts.dedup();
        for (source, account) in accounts {
            let whole = StreamId::new(source, account, Partition::whole());
            let normalizer = (self.normalizer)(&whole);
            let normalize = |stream: &StreamId, text: &str| self.normalized(normalizer.as_ref(), stream, text);
            snapshot.deleted(&whole, stretch, &normalize, &mut findings).await?;
        }
        for of in &mut proved {
            of.settle(&mut findings);
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
        for entry in &ledger {
            if let Some(rows) = snapshot.unlike_ledger(&stream.id, entry).await? {
                proved.unlike.push((entry.clone(), rows));
            }
        }
        if let Some(earlier) = earlier {
            let since = snapshot.since(&stream.id, stretch, earlier).await?;
            proved.since = Some(SinceEarlier::of(earlier, since, &proved.windows));
        }
        Ok(proved)
    }
}

/// A window whose lines are not those of the ledger, though nothing says that any was written or went since.
fn unexplained(stream: &StreamId, at: DateTime<Utc>, why: String) -> Finding {
    Finding {
        what: What::Unexplained,
        source: stream.source.as_str().to_owned(),
        account: stream.account.clone(),
        partition: Some(stream.partition.as_str().to_owned()),
        source_transaction_id: None,
        line_id: None,
        occurred_at: Some(at),
        columns: Vec::new(),
        why,
    }
}

impl Proved {
    /// Says of windows that hold other lines than the ledger or the earlier certificate, unless the lines that were named
    /// account for it.
    fn settle(&mut self, findings: &mut Findings) {
        for (entry, rows) in std::mem::take(&mut self.unlike) {
            if !self.is_accounted_for(&entry, rows, findings) {
                let held = entry.held.map_or(0, |(held, _)| held);
                let why = format!(
                    "the last read of the window {} left {held} lines here; now there are {rows}, or others, and nothing says \
                     that one was written or went since",
                    entry.window
                );
                findings.add(unexplained(&self.stream, entry.window.start(), why));
            }
        }
        let Some(since) = &self.since else { return };
        for window in &since.unlike {
            let named = findings.named.iter().any(|finding| self.is_in(finding, *window));
            let changed = since.since.changes.iter().any(|change| window.contains(change.occurred_at));
            if !named && !changed && since.since.count() == since.since.changes.len() as u64 {
                let why = format!(
                    "the window {window} held other lines when the certificate {} was made, and nothing says that one was \
                     written or went since",
                    since.certificate
                );
                findings.add(unexplained(&self.stream, window.start(), why));
            }
        }
    }

    /// Whether a finding is of this stream, as far as is known, and lies in a window.
    fn is_in(&self, finding: &Finding, window: Window) -> bool {
        finding.source == self.stream.source.as_str()
            && finding.account == self.stream.account
            && finding.partition.as_deref().is_none_or(|partition| partition == self.stream.partition.as_str())
            && finding.occurred_at.is_some_and(|at| window.contains(at))
    }

    /// Whether the lines that were named as deleted or invented make the difference to the ledger.
    fn is_accounted_for(&self, entry: &LedgerWindow, rows: u64, findings: &Findings) -> bool {
        let held = entry.held.as_ref().map_or(0, |(held, _)| *held);
        let count = |what| {
            findings.named.iter().filter(|finding| finding.what == what && self.is_in(finding, entry.window)).count()
                as u64
        };
        let (deleted, invented, altered) = (count(What::Deleted), count(What::Invented), count(What::Altered));
        rows + deleted == held + invented && deleted + invented + altered > 0
    }
}
