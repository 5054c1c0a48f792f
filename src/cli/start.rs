//! How a command begins that reads sources into the warehouse: everything is checked before the first request.

use std::sync::Arc;

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

    /// The same in a life that has begun, and so knows already how it ends when it is stopped meanwhile.
    pub(super) async fn begin_in(life: Lifecycle, global: &Global, select: &Select) -> Result<Self, Failure> {
        let config = global.load_with_accounts()?;
        select.check(&config)?;
        let app = app(config)?;
        let warehouse = app.warehouse()?;
        if app.config.database.migrate {
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
        self.warehouse.close().await;
    }
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
