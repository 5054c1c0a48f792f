//! How a command begins that reads sources into the warehouse: everything is checked before the first request.

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use super::{Exit, Failure, Global, args::Select};
use crate::{
    app::{App, AppError},
    clock::SystemClock,
    config::Config,
    lifecycle::Lifecycle,
    sync::{pass::Passes, summary::Summary},
    warehouse::{Warehouse, WarehouseError},
};

/// How long the last traces are waited for, when the work is done and when the process was asked to stop.
const LAST_TRACES: Duration = Duration::from_secs(2);
pub(super) const HURRIED: Duration = Duration::from_millis(400);

/// What such a command works with.
pub(super) struct Work {
    pub(super) app: App,
    pub(super) life: Lifecycle,
    pub(super) warehouse: Warehouse,
    pub(super) passes: Passes,
}

impl Work {
    /// Reads the configuration, reaches the database, sees to its migrations.
    pub(super) async fn begin(global: &Global, select: &Select) -> Result<Self, Failure> {
        Self::begin_in(lifecycle()?, global, select).await
    }

    /// The same for a command that only looks whether they are applied, whatever `database.migrate` says.
    pub(super) async fn begin_checked(global: &Global, select: &Select) -> Result<Self, Failure> {
        Self::open(lifecycle()?, global, select, false).await
    }

    /// The same in a life that has begun, and so knows already how it ends when it is stopped meanwhile.
    pub(super) async fn begin_in(life: Lifecycle, global: &Global, select: &Select) -> Result<Self, Failure> {
        Self::open(life, global, select, true).await
    }

    async fn open(life: Lifecycle, global: &Global, select: &Select, may_migrate: bool) -> Result<Self, Failure> {
        let config = global.load_with_accounts()?;
        select.check(&config)?;
        let app = app(config)?;
        let warehouse = app.warehouse()?;
        if may_migrate && app.config.database.migrate {
            warehouse.migrate().await?;
        }
        warehouse.require_current().await?;
        let passes = app.passes(warehouse.clone(), |kind, account| select.matches(kind, account));
        Ok(Self { app, life, warehouse, passes })
    }

    /// Closes the run's row. A run whose row cannot be closed has done its work all the same.
    pub(super) async fn end(&self, run: Uuid, done: &Summary) {
        let (windows, counts) = done.totals();
        if let Err(error) = self.warehouse.end_run(run, done.outcome.as_str(), windows, &counts).await {
            tracing::warn!(error = %error, "the run's row in fuel.sync_run could not be closed");
        }
        self.close().await;
    }

    /// Closes what a command worked with. Traces that wait have a moment, and less when somebody waits for the end.
    pub(super) async fn close(&self) {
        self.warehouse.close().await;
        self.app.telemetry.stop(if self.life.is_stopping() { HURRIED } else { LAST_TRACES }).await;
    }
}

/// Of a role that may do only half of what rewrites history nothing is done.
pub(super) async fn may_rewrite(warehouse: &Warehouse, needed: &[(&str, &str)]) -> Result<(), Failure> {
    let lacking = warehouse.lacks(needed).await?;
    if lacking.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::Database, format!("the role lacks rights that this needs ({})", lacking.join(", "))).next(
        "Run it as the owner of the tables, the role that migrated: the daemon's is not to rewrite history. Nothing was \
         changed.",
    ))
}

/// What every command works with.
pub(super) fn app(config: Config) -> Result<App, Failure> {
    Ok(App::new(config, Arc::new(SystemClock))?)
}

/// The life of the process, with signals.
pub(super) fn lifecycle() -> Result<Lifecycle, Failure> {
    Lifecycle::with_signals().map_err(|e| Failure::unexpected("signals cannot be listened for", e))
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Transport(error) => Self::unexpected("the HTTP client cannot be built", error),
            AppError::Warehouse(error) => error.into(),
            AppError::Embedded => {
                Self::usage(AppError::Embedded.to_string()).next("Set database.url, or run `fuelsync demo`.")
            }
        }
    }
}

impl From<WarehouseError> for Failure {
    fn from(error: WarehouseError) -> Self {
        let next = match &error {
            WarehouseError::NoConnection(_) | WarehouseError::Unreachable(_) => {
                "See that the server runs and that database.url is right; `fuelsync check` says more. Nothing was lost."
            }
            WarehouseError::Refused(_) | WarehouseError::Forbidden(_) => {
                "See the role, its password and its grants (deploy/postgres); `fuelsync check` names what is missing."
            }
            WarehouseError::Migrations(_) => "`fuelsync migrate --check` lists them.",
            WarehouseError::Timeout(_) | WarehouseError::Conflict(_) | WarehouseError::CommitUnknown => {
                "Run the command again; what was committed stays."
            }
            WarehouseError::LeaseLost
            | WarehouseError::Overtaken
            | WarehouseError::Counts(_)
            | WarehouseError::Spool(_)
            | WarehouseError::NotKept
            | WarehouseError::Forgotten
            | WarehouseError::NotItsTurn
            | WarehouseError::TooMuch(_)
            | WarehouseError::Database { .. } => "What was committed stays; the next run goes on there.",
        };
        Self::new(Exit::Database, error.to_string()).next(next)
    }
}
