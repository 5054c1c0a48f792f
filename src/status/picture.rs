//! Takes the picture that the page, the metrics and `fuelsync status` show, from what the warehouse knows.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};

use super::view::{DatabaseView, LineCount, StreamView, View};
use crate::{
    clock::Clock,
    domain::{Partition, SourceKind},
    schedule::Schedule,
    sync::pass::Passes,
    warehouse::Warehouse,
};

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_millis(900);

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
        let (database, streams) = match self.look(now).await {
            Ok(looked) => looked,
            Err(problem) => (DatabaseView::unreachable(problem), Vec::new()),
        };
        let lines = self.passes.as_ref().map(|passes| passes.tallies()).unwrap_or_default().into_iter().flat_map(
            |((source, account), counts)| {
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
                    account: account.clone(),
                    outcome: outcome.to_owned(),
                    lines: i64::try_from(lines).unwrap_or(i64::MAX),
                })
            },
        );
        View {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            taken_at: now,
            database,
            streams,
            lines: lines.collect(),
        }
    }

    async fn look(&self, now: DateTime<Utc>) -> Result<(DatabaseView, Vec<StreamView>), String> {
        // Observers have little patience: a database that does not answer at once is reported, not waited for.
        let state = tokio::time::timeout(PATIENCE, self.warehouse.migration_state())
            .await
            .map_err(|_| "the database does not answer".to_owned())?
            .map_err(|e| e.to_string())?;
        if !state.is_current() {
            let problem = "the migrations of this version are not all applied; run `fuelsync migrate`".to_owned();
            return Ok((DatabaseView { reachable: true, migrated: false, problem: Some(problem) }, Vec::new()));
        }
        let reports = self.warehouse.streams().await.map_err(|e| e.to_string())?;
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
        Ok((DatabaseView::ready(), streams.collect()))
    }
}
