//! One round over everything that is due: all accounts, all their sources, all their streams.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, future, stream};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{
    stream::Reader,
    summary::{Progress, StreamOutcome, StreamSummary, Summary},
    tally::Tallies,
    watch::{UnderWay, Watch},
};
use crate::{
    clock::Clock,
    config,
    domain::{Grid, Partition, SourceKind, StreamId},
    http::HttpError,
    privacy::Forgotten,
    schedule::Schedule,
    source::{Disposition, Source, SourceError},
    telemetry::Telemetry,
    warehouse::{Warehouse, checkpoint::PassEnd},
};

/// How long what is not enabled is not asked again: a vendor that says so once may have been wrong, or mend it.
const ASKED_AGAIN: TimeDelta = TimeDelta::days(1);

/// An account that is read: its source and what the configuration says of it.
#[derive(Debug, Clone)]
pub struct Account {
    /// The vendor's side.
    pub source: Arc<dyn Source>,
    /// The first instant ever to read.
    pub start: DateTime<Utc>,
    /// The grid of new windows.
    pub grid: Grid,
    /// When the daemon polls.
    pub schedule: Schedule,
    /// The contracts that the configuration names; where it names none, the vendor does.
    pub contracts: Vec<String>,
    /// The sources selected, of those that the account has.
    pub kinds: Vec<SourceKind>,
}

/// What a run works with.
#[derive(Debug)]
pub struct Passes {
    /// Where to.
    pub warehouse: Warehouse,
    /// How.
    pub settings: Arc<config::Sync>,
    /// From where.
    pub accounts: Vec<Account>,
    /// Who writes: host, process and a random part.
    pub owner: Arc<str>,
    /// How far it has come.
    pub progress: Arc<Progress>,
    /// What came of all that this process has read.
    pub tallies: Arc<Tallies>,
    /// Who is forgotten, as the sources' normalizing heeds it.
    pub forgotten: Forgotten,
    /// What is under way, for who asks whether the process still does its work.
    pub watch: Arc<Watch>,
    /// Where traces go.
    pub telemetry: Telemetry,
    /// What is not enabled, and when the source said so, by its clock.
    off: Mutex<HashMap<StreamId, DateTime<Utc>>>,
}

/// What an account's source has now.
#[derive(Debug, Default)]
pub struct Discovered {
    /// Streams to read.
    pub streams: Vec<StreamId>,
    /// What is to be said beside them: contracts withdrawn, a list that could not be had.
    pub remarks: Vec<StreamSummary>,
}

impl Passes {
    /// Passes over some accounts.
    pub fn new(
        warehouse: Warehouse,
        settings: Arc<config::Sync>,
        accounts: Vec<Account>,
        owner: Arc<str>,
        progress: Arc<Progress>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let interfaces = accounts
            .iter()
            .flat_map(|account| account.kinds.iter().map(|kind| (*kind, account.source.account().to_owned())));
        let tallies = Arc::new(Tallies::new(interfaces));
        let (forgotten, watch) = (Forgotten::default(), Arc::new(Watch::new(clock)));
        let (telemetry, off) = (Telemetry::off(), Mutex::default());
        Self { warehouse, settings, accounts, owner, progress, tallies, forgotten, watch, telemetry, off }
    }

    /// What reads the streams of an account.
    pub fn reader(&self, account: &Account) -> Reader {
        Reader {
            warehouse: self.warehouse.clone(),
            source: Arc::clone(&account.source),
            settings: Arc::clone(&self.settings),
            start: account.start,
            grid: account.grid,
            owner: Arc::clone(&self.owner),
            progress: Arc::clone(&self.progress),
            tallies: Arc::clone(&self.tallies),
            forgotten: self.forgotten.clone(),
            watch: Arc::clone(&self.watch),
            telemetry: self.telemetry.clone(),
            run_on: None,
        }
    }

    /// When a turn of a stream's worker is over: a pass, and what is asked of the database before and after it.
    pub fn longest_turn(&self) -> Duration {
        self.settings.pass_timeout.saturating_add(self.warehouse.patience() * 6)
    }

    /// One round. Never fails: what fails is in the summary.
    pub async fn pass(&self, stop: &CancellationToken) -> Summary {
        let found =
            future::join_all(self.accounts.iter().map(async |account| (account, self.discover(account, stop).await)))
                .await;
        let mut summaries = Vec::new();
        let mut work = Vec::new();
        for (account, discovered) in found {
            let refused =
                Arc::new(AtomicBool::new(discovered.remarks.iter().any(|r| r.outcome == StreamOutcome::Refused)));
            summaries.extend(discovered.remarks);
            work.extend(
                discovered.streams.into_iter().map(|stream| (self.reader(account), stream, Arc::clone(&refused))),
            );
        }
        let streams: Vec<_> = work.iter().map(|(_, stream, _)| stream.clone()).collect();
        let urgencies = self.urgencies(&streams, stop).await;
        work.sort_by_key(|(_, stream, _)| urgencies.get(stream).copied());
        let read: Vec<_> = stream::iter(work)
            .map(async |(reader, stream, refused): (Reader, StreamId, Arc<AtomicBool>)| {
                let ended = |outcome, why: &str| StreamSummary::new(stream.clone()).ended(outcome, why);
                if refused.load(Ordering::Relaxed) {
                    let why = "not asked: the vendor refuses the credentials of this account";
                    // `status` must not go on saying that all is well with it.
                    self.note(&stream, PassEnd::Refused(why)).await;
                    return ended(StreamOutcome::Refused, why);
                }
                if stop.is_cancelled() {
                    return ended(StreamOutcome::Stopped, "stopped before it was read");
                }
                let summary = reader.pass(&stream, stop).await;
                self.remember(&summary);
                if summary.outcome == StreamOutcome::Refused {
                    refused.store(true, Ordering::Relaxed);
                }
                summary
            })
            .buffer_unordered(self.settings.workers.max(1))
            .collect()
            .await;
        summaries.extend(read);
        Summary::of(summaries)
    }

    /// Remembers how a pass ended, and a stream that is not enabled.
    pub fn remember(&self, summary: &StreamSummary) {
        self.tallies.passed(&summary.stream, summary.outcome);
        let account = self.accounts.iter().find(|account| {
            account.source.account() == summary.stream.account && account.kinds.contains(&summary.stream.source)
        });
        if let (StreamOutcome::NotEnabled, Some(account)) = (summary.outcome, account) {
            let said_at = account.source.present();
            self.off.lock().unwrap_or_else(PoisonError::into_inner).insert(summary.stream.clone(), said_at);
        }
    }

    /// Whether the source said within a day that the stream is not enabled.
    fn is_off(&self, stream: &StreamId, present: DateTime<Utc>) -> bool {
        let off = self.off.lock().unwrap_or_else(PoisonError::into_inner);
        off.get(stream).is_some_and(|said_at| present - *said_at < ASKED_AGAIN)
    }

    async fn note(&self, stream: &StreamId, end: PassEnd<'_>) {
        if let Err(error) = self.warehouse.note_pass(stream, None, end).await {
            tracing::warn!(stream = %stream, error = %error, "how the pass ended could not be noted");
        }
    }

    /// Asks an account which streams it has. A list that cannot be had does not keep the streams already known from
    /// being read, unless the credentials are refused.
    pub async fn discover(&self, account: &Account, stop: &CancellationToken) -> Discovered {
        let discovered = self.look(account, stop).await;
        // What keeps a whole interface from being read is the end of the passes that do not begin.
        for remark in discovered.remarks.iter().filter(|remark| remark.stream.partition.contract_no().is_none()) {
            self.tallies.passed(&remark.stream, remark.outcome);
        }
        discovered
    }

    async fn look(&self, account: &Account, stop: &CancellationToken) -> Discovered {
        let mut discovered = Discovered::default();
        for kind in &account.kinds {
            let whole = StreamId::new(*kind, account.source.account(), Partition::whole());
            let patience = self.warehouse.patience() * 2;
            let limit = self.settings.window_timeout.saturating_add(patience);
            let under_way = self.watch.begin("the list of contracts", &whole, limit);
            let listed = tokio::select! {
                listed = self.listed(account, *kind).instrument(tracing::error_span!("contracts", stream = %whole)) => listed,
                () = stop.cancelled() => {
                    discovered.remarks.push(StreamSummary::new(whole).ended(StreamOutcome::Stopped, "stopped before it was read"));
                    return discovered;
                }
            };
            let known = match self.warehouse.known_partitions(*kind, account.source.account()).await {
                Ok(known) => known,
                Err(error) => {
                    discovered
                        .remarks
                        .push(StreamSummary::new(whole).ended(StreamOutcome::NoDatabase, error.to_string()));
                    return discovered;
                }
            };
            match listed {
                Ok(partitions) => {
                    let listed: BTreeSet<_> = partitions.into_iter().collect();
                    if account.contracts.is_empty() {
                        self.withdraw(account, &whole, (&listed, known.as_slice()), &under_way, &mut discovered).await;
                    }
                    let streams =
                        listed.into_iter().map(|partition| StreamId::new(*kind, account.source.account(), partition));
                    let present = account.source.present();
                    discovered.streams.extend(streams.filter(|stream| !self.is_off(stream, present)));
                    // Where a list could not be had before, that is over.
                    let failed = known.iter().any(|(partition, outcome)| {
                        *kind == SourceKind::AlexelaCard
                            && partition.contract_no().is_none()
                            && outcome.as_deref() != Some("ok")
                    });
                    if failed {
                        self.note(&whole, PassEnd::Ok).await;
                    }
                }
                Err(error) => {
                    let why =
                        self.forgotten.persons().left_of(format!("the list of contracts could not be had: {error}"));
                    // The list has an end of its own, which those of the contracts known from before do not hide.
                    self.note(&whole, unlisted_end(&error, &why)).await;
                    let known = known.into_iter().filter(|(partition, outcome)| {
                        partition.contract_no().is_some() && outcome.as_deref() != Some("withdrawn")
                    });
                    let known = known.map(|(partition, _)| StreamId::new(*kind, account.source.account(), partition));
                    if error.disposition() == Disposition::NextPass {
                        discovered.streams.extend(known);
                    } else {
                        // `status` must not go on saying that all is well with streams that are not read.
                        for stream in known {
                            under_way.goes_on(patience);
                            self.note(&stream, unlisted_end(&error, &why)).await;
                        }
                    }
                    discovered.remarks.push(unlisted(whole, &error));
                }
            }
        }
        discovered
    }

    /// The partitions of one of the account's sources, in no more time than a window may take.
    async fn listed(&self, account: &Account, kind: SourceKind) -> Result<Vec<Partition>, SourceError> {
        let limit = self.settings.window_timeout;
        tokio::time::timeout(limit, account.source.partitions(kind))
            .await
            .unwrap_or(Err(SourceError::Http(HttpError::Timeout(limit))))
    }

    /// Contracts that have a checkpoint and are no longer listed: their rows stay as they are, and their stream says so.
    async fn withdraw(
        &self,
        account: &Account,
        whole: &StreamId,
        (listed, known): (&BTreeSet<Partition>, &[(Partition, Option<String>)]),
        under_way: &UnderWay,
        discovered: &mut Discovered,
    ) {
        for (partition, outcome) in
            known.iter().filter(|(partition, _)| partition.contract_no().is_some() && !listed.contains(partition))
        {
            under_way.goes_on(self.warehouse.patience() * 2);
            let stream = StreamId::new(whole.source, account.source.account(), partition.clone());
            let why = "the vendor no longer lists this contract; its rows stay as they are";
            if outcome.as_deref() != Some("withdrawn") {
                tracing::warn!(stream = %stream, "the vendor no longer lists this contract; its rows stay as they are, nothing is marked missing");
                self.note(&stream, PassEnd::Withdrawn(why)).await;
            }
            discovered.remarks.push(StreamSummary::new(stream).ended(StreamOutcome::Withdrawn, why));
        }
    }
}

/// How the passes over its streams end when the list of an account's contracts could not be had.
fn unlisted_end<'a>(error: &SourceError, why: &'a str) -> PassEnd<'a> {
    match error.disposition() {
        Disposition::StopAccount => PassEnd::Refused(why),
        Disposition::SwitchOff => PassEnd::NotEnabled(why),
        Disposition::Rest | Disposition::Stop | Disposition::NextPass | Disposition::Gap => PassEnd::Failed(why),
    }
}

/// The list of an account's contracts could not be had.
fn unlisted(whole: StreamId, error: &SourceError) -> StreamSummary {
    let outcome = match error.disposition() {
        Disposition::StopAccount => StreamOutcome::Refused,
        Disposition::SwitchOff => StreamOutcome::NotEnabled,
        Disposition::Rest => StreamOutcome::Withdrawn,
        Disposition::Stop => StreamOutcome::Stopped,
        Disposition::NextPass | Disposition::Gap => StreamOutcome::Failed,
    };
    tracing::error!(stream = %whole, error = %error, "the list of contracts could not be had; contracts already known are read all the same, unless the credentials are refused");
    StreamSummary::new(whole).ended(outcome, format!("the list of contracts could not be had: {error}"))
}
