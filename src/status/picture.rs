//! Takes the picture that the page, `/api/status` and `fuelsync status` show, from what the warehouse knows.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};

use super::{
    probe::{failed, probe},
    view::{DatabaseView, LineCount, StreamView, View},
};
use crate::{
    clock::Clock,
    domain::{Partition, SourceKind},
    schedule::Schedule,
    sync::pass::Passes,
    warehouse::Warehouse,
};

/// What taking pictures needs.
#[derive(Debug, Clone)]
pub struct Camera {
    /// What is looked at.
    pub warehouse: Warehouse,
    /// What the pictures are dated by.
    pub clock: Arc<dyn Clock>,
    /// When this process started.
    pub started_at: DateTime<Utc>,
    /// When each account is due.
    pub schedules: HashMap<(SourceKind, String), Schedule>,
    /// What this process has read, where it reads.
    pub passes: Option<Arc<Passes>>,
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
        if !database.is_ready() {
            return (database, Vec::new());
        }
        let reports = match self.warehouse.streams().await {
            Ok(reports) => reports,
            Err(error) => return (failed(&error), Vec::new()),
        };
        let streams = reports.into_iter().filter_map(|report| {
            let source: SourceKind = report.source.parse().ok()?;
            let schedule = self.schedules.get(&(source, report.account.clone()));
            Some(StreamView {
                source,
                next_due: schedule.and_then(|schedule| schedule.next_after(now)),
                partition: if report.partition == "-" {
                    Partition::whole()
                } else {
                    Partition::contract(report.partition)
                },
                account: report.account,
                watermark: report.watermark,
                freshness_seconds: report.freshness_seconds,
                last_pass: report.last_pass,
                rows: report.rows,
                gaps: report.gaps,
                quarantine: report.quarantine,
                last_error: report.last_error,
                lease_owner: report.lease_owner,
            })
        });
        (database, streams.collect())
    }
}
