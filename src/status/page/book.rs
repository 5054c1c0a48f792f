//! Fills the pages: what they ask of the warehouse beyond the picture, and how long an answer does.

use std::{sync::Arc, time::Duration};

use chrono::{NaiveTime, TimeDelta};
use tokio::sync::Semaphore;

use super::{
    charts, days,
    kept::{Kept, Known},
    model::{Cadences, Group, Ledger, Overview, QuarantinePage, SALES_DAYS, StreamPage, first_of},
    quarantine,
};
use crate::{
    clock::Clock,
    domain::Window,
    status::view::{StreamView, View},
    warehouse::{
        Warehouse, WarehouseError,
        activity::{DayOfSales, HourOfRuns},
        coverage::Span,
    },
};

/// How old the strips may be: as old as the page is between two looks.
const COVERAGE: Duration = Duration::from_secs(10);
/// How old the hours of reading may be.
const RUNS: Duration = Duration::from_mins(1);
/// How old sales a day may be: they are counted from the index entries of all lines of three months.
const SALES: Duration = Duration::from_mins(5);

/// What the pages are filled from. Its clones share what they keep.
#[derive(Debug, Clone)]
pub struct Book {
    warehouse: Warehouse,
    clock: Arc<dyn Clock>,
    cadences: Arc<Cadences>,
    coverage: Arc<Kept<Vec<Span>>>,
    runs: Arc<Kept<Vec<HourOfRuns>>>,
    sales: Arc<Kept<Vec<DayOfSales>>>,
}

impl Book {
    /// Over a warehouse, with what the configuration says of the accounts.
    pub fn new(warehouse: Warehouse, clock: Arc<dyn Clock>, cadences: Cadences) -> Self {
        let turn = Arc::new(Semaphore::new(1));
        Self {
            warehouse,
            cadences: Arc::new(cadences),
            coverage: Kept::new(COVERAGE, Arc::clone(&clock), Arc::clone(&turn)),
            runs: Kept::new(RUNS, Arc::clone(&clock), Arc::clone(&turn)),
            sales: Kept::new(SALES, Arc::clone(&clock), turn),
            clock,
        }
    }

    /// The front page, of one group only when it is asked for. A database that is out of reach is not asked.
    pub(super) async fn overview(&self, view: View, only: Option<Group>) -> Overview {
        let now = view.taken_at;
        let (coverage, runs, sales) = if view.database.is_readable() {
            let since = first_of(days::SHOWN, now).and_time(NaiveTime::MIN).and_utc();
            let warehouse = self.warehouse.clone();
            let left_out: Vec<_> =
                view.streams.iter().filter(|stream| !stream.configured).map(StreamView::id).collect();
            let coverage = self.coverage.get(async move { said(warehouse.coverage(since, &left_out).await) });
            let warehouse = self.warehouse.clone();
            let hours = now - TimeDelta::hours(charts::HOURS);
            let runs = self.runs.get(async move { said(warehouse.runs_by_hour(hours).await) });
            let warehouse = self.warehouse.clone();
            let first = first_of(SALES_DAYS, now).and_time(NaiveTime::MIN).and_utc();
            let stretch = Window::new(first, now + TimeDelta::days(1));
            let sales = self.sales.get(async move {
                match stretch {
                    Some(stretch) => said(warehouse.sales_by_day(stretch).await),
                    None => Ok(Vec::new()),
                }
            });
            tokio::join!(coverage, runs, sales)
        } else {
            (Known::nothing(), Known::nothing(), Known::nothing())
        };
        Overview { view, cadences: Arc::clone(&self.cadences), coverage, sales, runs, only }
    }

    /// The page of one of the picture's streams.
    pub(super) async fn stream(&self, view: &View, stream: StreamView) -> StreamPage {
        let id = stream.id();
        let since = first_of(days::SHOWN, view.taken_at).and_time(NaiveTime::MIN).and_utc();
        let ledger = async {
            Ok(Ledger {
                days: self.warehouse.coverage_of(&id, since).await?,
                windows: self.warehouse.windows(&id, since).await?,
                gaps: self.warehouse.gap_reports(&id).await?,
            })
        };
        let ledger = said(ledger.await);
        StreamPage { stream, taken_at: view.taken_at, cadences: Arc::clone(&self.cadences), ledger }
    }

    /// The page of the quarantine.
    pub(super) async fn quarantine(&self, view: &View) -> QuarantinePage {
        let found = match &view.database.problem {
            Some(problem) if !view.database.is_readable() => Err(problem.clone()),
            Some(_) | None => said(self.warehouse.in_quarantine(quarantine::SHOWN).await),
        };
        let all = view.database.is_readable().then(|| view.streams.iter().map(|stream| stream.quarantine).sum());
        QuarantinePage { taken_at: self.clock.now(), all, found }
    }
}

/// An error as the page shows it.
fn said<T>(answer: Result<T, WarehouseError>) -> Result<T, String> {
    answer.map_err(|error| error.to_string())
}
