//! Takes the picture that the page, `/api/status` and `fuelsync status` show, from what the warehouse knows and from what
//! the configuration asks for: a stream that should be there and is not is part of the picture.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};

use super::{
    gauges::{Terms, with_terms},
    probe::{failed, probe},
    view::{DatabaseView, LineCount, StreamView, View},
};
use crate::{
    clock::Clock,
    domain::{Partition, SourceKind, StreamId},
    sync::{
        pass::{Account, Passes},
        retention,
    },
    warehouse::{Warehouse, WarehouseError, report::StreamReport, standing::LastPass},
};

/// A stream may be so much further behind than its schedule promises before it is called late: passes take time.
const LENIENCY: i64 = 5 * 60;

/// What taking pictures needs.
#[derive(Debug, Clone)]
pub struct Camera {
    /// What is looked at.
    pub warehouse: Warehouse,
    /// What the pictures are dated by.
    pub clock: Arc<dyn Clock>,
    /// When this process started.
    pub started_at: DateTime<Utc>,
    /// What the configuration asks for.
    pub accounts: Vec<Account>,
    /// `sync.publish_delay`.
    pub publish_delay: Duration,
    /// What this process has read, where it reads.
    pub passes: Option<Arc<Passes>>,
}

/// What a stream's view is made with: its interface, and when it is due.
struct Asked<'a> {
    terms: &'a Terms<'a>,
    /// From when on each stream was not read; one that is not among them never was.
    unread: &'a HashMap<StreamId, DateTime<Utc>>,
    next_due: Option<DateTime<Utc>>,
    /// Whether two rounds have begun since this process started.
    has_waited: bool,
}

impl Camera {
    /// One picture. It does not fail: a warehouse that cannot be reached is part of it.
    pub async fn take(&self) -> View {
        let now = self.clock.now();
        let (database, streams) = self.look(now).await;
        let tallied = self.passes.iter().flat_map(|passes| passes.tallies.read());
        let lines = tallied.flat_map(|(source, account, tallied)| {
            let counts = tallied.lines;
            let outcomes = [
                ("inserted", counts.inserted),
                ("updated", counts.updated),
                ("unchanged", counts.unchanged),
                ("quarantined", counts.quarantined),
                ("outside", counts.outside),
                ("duplicate", counts.duplicate),
            ];
            outcomes.map(|(outcome, lines)| LineCount {
                source,
                account: account.to_owned(),
                outcome: outcome.to_owned(),
                lines: i64::try_from(lines).unwrap_or(i64::MAX),
            })
        });
        View {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            taken_at: now,
            database,
            streams,
            lines: lines.collect(),
        }
    }

    async fn look(&self, now: DateTime<Utc>) -> (DatabaseView, Vec<StreamView>) {
        let database = probe(&self.warehouse).await;
        if !database.is_readable() {
            return (database, Vec::new());
        }
        let each = self.accounts.iter().flat_map(|account| account.kinds.iter().map(move |kind| (account, *kind)));
        let wanted: Vec<_> = each.map(|(account, kind)| retention::wanted(account, kind)).collect();
        let found =
            async { Ok::<_, WarehouseError>((self.warehouse.streams().await?, self.warehouse.unread(&wanted).await?)) };
        match found.await {
            Ok((reports, unread)) => (database, self.streams(reports, &unread, now)),
            Err(error) => (failed(&error), Vec::new()),
        }
    }

    /// What the warehouse knows of, and what the configuration asks for and the warehouse does not know.
    fn streams(
        &self,
        reports: Vec<StreamReport>,
        unread: &HashMap<StreamId, DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Vec<StreamView> {
        let mut known = BTreeMap::new();
        for report in reports {
            let Ok(source) = report.source.parse::<SourceKind>() else { continue };
            known.insert(StreamId::new(source, report.account.clone(), Partition::contract(&report.partition)), report);
        }
        let mut views = Vec::with_capacity(known.len());
        for account in &self.accounts {
            for source in &account.kinds {
                with_terms(account, *source, now, self.publish_delay, |terms| {
                    let asked = Asked {
                        terms,
                        unread,
                        next_due: account.schedule.next_after(now),
                        has_waited: account.schedule.last_but_one(now).is_some_and(|round| round > self.started_at),
                    };
                    let own = known.extract_if(.., |stream, _| terms.is_own(stream) || terms.is_list(stream));
                    let own: Vec<_> = own.collect();
                    let there: BTreeSet<_> = own.iter().map(|(stream, _)| stream.partition.clone()).collect();
                    let mut expected = terms.expected();
                    let lists_none = terms.is_listed() && !there.iter().any(|one| one.contract_no().is_some());
                    if lists_none {
                        expected.push(Partition::whole());
                    }
                    let new = expected.into_iter().filter(|partition| !there.contains(partition));
                    let new = new.map(|partition| StreamId::new(*source, account.source.account(), partition));
                    // A list that could be had is no news, unless nothing is in it.
                    let shown = own
                        .into_iter()
                        .map(|(stream, report)| asked.view(stream, Some(report)))
                        .filter(|view| lists_none || !view.is_list() || view.last_outcome != Some(LastPass::Ok));
                    views.extend(shown.chain(new.map(|stream| asked.view(stream, None))));
                });
            }
        }
        let left = known.into_iter().map(|(stream, report)| {
            let freshness_seconds = report.watermark.map(|watermark| (now - watermark).num_seconds());
            StreamView { configured: false, freshness_seconds, ..view(stream, Some(report)) }
        });
        views.extend(left.filter(|view| !view.is_list()));
        views.sort_by(|a, b| (a.source, &a.account, &a.partition).cmp(&(b.source, &b.account, &b.partition)));
        views
    }
}

impl Asked<'_> {
    /// A stream of the interface, or the list of its contracts.
    fn view(&self, stream: StreamId, report: Option<StreamReport>) -> StreamView {
        let unread_from = self.unread.get(&stream).copied();
        let unread_from = unread_from.or_else(|| Some(self.terms.wanted_from().unwrap_or(self.terms.start)));
        let view = view(stream, report);
        let is_off = matches!(view.last_outcome, Some(LastPass::Withdrawn | LastPass::NotEnabled));
        let unread_from = unread_from.filter(|_| !is_off && !view.is_list());
        let present = self.terms.present;
        let lag = self.terms.lag(view.watermark);
        // Before the first round there is nothing to wait for; `start` may lie years back.
        let is_late = lag > LENIENCY && (view.watermark.is_some() || self.has_waited);
        StreamView {
            freshness_seconds: view.watermark.map(|watermark| (self.terms.present - watermark).num_seconds()),
            lag_seconds: Some(lag),
            late: is_late,
            unread_from,
            unread_age_seconds: unread_from.map(|from| (present - from).num_seconds().max(0)),
            unrecoverable_in_seconds: unread_from
                .and_then(|from| retention::serves_for(from, present, self.terms.horizon)),
            next_due: self.next_due,
            ..view
        }
    }
}

/// What the warehouse knows of a stream.
fn view(stream: StreamId, report: Option<StreamReport>) -> StreamView {
    let outcome = report.as_ref().and_then(|report| report.last_outcome.as_deref());
    let last_outcome = outcome.and_then(|word| word.parse().ok());
    let mut view = StreamView {
        source: stream.source,
        account: stream.account,
        partition: stream.partition,
        configured: true,
        watermark: None,
        freshness_seconds: None,
        lag_seconds: None,
        late: false,
        unread_from: None,
        unread_age_seconds: None,
        unrecoverable_in_seconds: None,
        last_pass: None,
        last_outcome,
        rows: 0,
        gaps: 0,
        quarantine: 0,
        next_due: None,
        last_error: None,
        lease_owner: None,
    };
    if let Some(report) = report {
        view.watermark = report.watermark;
        view.last_pass = report.last_pass;
        view.rows = report.rows;
        view.gaps = report.gaps;
        view.quarantine = report.quarantine;
        view.last_error = report.last_error;
        view.lease_owner = report.lease_owner;
    }
    view
}
