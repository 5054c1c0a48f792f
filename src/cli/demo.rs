//! `demo`: everything on one machine with nothing configured: a private PostgreSQL, both vendors' sandbox with a year of
//! invented sales, the daemon and its page.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use super::{Exit, Failure, Global, args::DemoArgs, bar::Bar, output, run as daemon, start, summary};
use crate::{
    app::App,
    clock::{Clock, SystemClock},
    config::Config,
    domain::Grid,
    embedded::{Embedded, EmbeddedError, EmbeddedOptions},
    lifecycle::Lifecycle,
    sandbox::{self, Sandbox, WorldOptions},
    schedule::Schedule,
    warehouse::Warehouse,
};

/// Sales in the demonstration's year.
const SALES: u64 = 20_000;
/// The page's usual port; any free one when it is taken.
const PAGE: u16 = 9464;

/// What makes the demonstration's world, kept beside a kept database so that it is the same world again.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Made {
    seed: u64,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

pub(super) async fn run(args: DemoArgs, global: &Global) -> Result<Exit, Failure> {
    let life = start::lifecycle()?;
    life.stops_are_ordinary();
    // Before anything is started: an address that cannot be had is said at once.
    let listener = if args.once { None } else { Some(listen(args.listen).await?) };
    let made = made(args.keep.as_deref())?;
    output::say("Starting a private PostgreSQL and both vendors' sandbox with a year of invented sales …");
    let data_dir: Option<PathBuf> = args.keep.clone();
    let database = Embedded::start(EmbeddedOptions { data_dir, durable: true }).await?;
    // Only now: a private database begins in an empty directory.
    if let Some(directory) = &args.keep {
        keep_made(directory, made)?;
    }
    let sandbox = sandbox(made, args.once).await?;
    let app = App::new(configuration(&sandbox, made)?, Arc::new(SystemClock))?;
    let warehouse = app.warehouse_at(&database.url())?;
    warehouse.migrate().await?;
    let exit = match listener {
        None => once(&app, &life, &warehouse, global).await?,
        Some(listener) => {
            live(&app, &life, &warehouse, &database, listener).await?;
            Exit::Done
        }
    };
    warehouse.close().await;
    sandbox.stop().await;
    database.stop().await?;
    Ok(exit)
}

/// The first full pass, and its summary.
async fn once(app: &App, life: &Lifecycle, warehouse: &Warehouse, global: &Global) -> Result<Exit, Failure> {
    let passes = app.passes(warehouse.clone(), |_, _| true);
    let run = warehouse.begin_run("demo", &app.host).await?;
    let bar = Bar::follow(&passes.progress);
    let done = passes.pass(&life.token()).await;
    bar.finish();
    let (windows, counts) = done.totals();
    warehouse.end_run(run, done.outcome.as_str(), windows, &counts).await?;
    summary::print(&done, global.json)?;
    // Asked to stop, the demonstration has done all that it was asked.
    Ok(if life.is_stopping() { Exit::Done } else { summary::exit(&done, None) })
}

/// Where the page is served: there, or on its usual port, or on a free one.
async fn listen(at: Option<SocketAddr>) -> Result<TcpListener, Failure> {
    if let Some(at) = at {
        return daemon::listen(at, "--listen").await;
    }
    match TcpListener::bind((Ipv4Addr::LOCALHOST, PAGE)).await {
        Ok(listener) => Ok(listener),
        Err(_) => daemon::listen((Ipv4Addr::LOCALHOST, 0).into(), "any free port").await,
    }
}

/// The daemon with its page, until it is stopped.
async fn live(
    app: &App,
    life: &Lifecycle,
    warehouse: &Warehouse,
    database: &Embedded,
    listener: TcpListener,
) -> Result<(), Failure> {
    let address = listener.local_addr().map_err(|e| Failure::unexpected("the page has no address", e))?;
    output::line(&format!(
        "Status page  http://{address}/\nDatabase     {}\nStop it with Ctrl-C.",
        database.psql_line()
    ))?;
    let passes = Arc::new(app.passes(warehouse.clone(), |_, _| true));
    let bar = Bar::follow_first_load(&passes.progress);
    let served = daemon::serve(app, life, warehouse, &passes, listener).await;
    bar.finish();
    served?;
    life.finish(Duration::from_secs(5)).await.map_err(|died| Failure::unexpected("the demonstration stopped", died))
}

/// The world of the sandbox: with `--once` it stands still, so that a second pass over a kept database finds nothing new.
async fn sandbox(made: Made, still: bool) -> Result<Sandbox, Failure> {
    let world = WorldOptions {
        seed: made.seed,
        sales: SALES,
        from: made.from,
        to: made.to,
        as_of: still.then_some(made.to),
        ..WorldOptions::default()
    };
    let options = sandbox::Options { world, ..sandbox::Options::default() };
    sandbox::start(options).await.map_err(|e| Failure::unexpected("the sandbox cannot be started", e))
}

/// The configuration that a user would write, with a bell every few seconds, and no day asked for that the sandbox's
/// Alexela has forgotten already.
fn configuration(sandbox: &Sandbox, made: Made) -> Result<Config, Failure> {
    let mut config =
        Config::from_text("demo", &sandbox::configuration(sandbox, "embedded", made.from), std::iter::empty())?;
    let often =
        Schedule::parse("*/10 * * * * *").map_err(|e| Failure::unexpected("the demonstration's schedule", e))?;
    let served = sandbox::truth::alexela_horizon(SystemClock.now());
    for account in &mut config.alexela {
        account.schedule = often.clone();
        account.start = account.start.max(served);
    }
    for account in &mut config.hecone {
        account.schedule = often.clone();
        account.page_limit = 200;
        account.grid = Grid::days(7).unwrap_or(account.grid);
    }
    Ok(config)
}

/// Where what the world is made from is kept.
const MADE: &str = "demo.json";

/// What the world is made from: as it was kept in the directory, if it was.
fn made(keep: Option<&Path>) -> Result<Made, Failure> {
    let now = SystemClock.now();
    let midnight = now.date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    let new = Made { seed: 1, from: midnight - TimeDelta::days(365), to: now };
    let Some(directory) = keep else { return Ok(new) };
    match std::fs::read(directory.join(MADE)) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| unusable(directory, e)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(new),
        Err(error) => Err(unusable(directory, error)),
    }
}

/// Keeps what the world is made from, so that the kept database meets the same world again.
fn keep_made(directory: &Path, made: Made) -> Result<(), Failure> {
    let bytes = serde_json::to_vec(&made).map_err(|e| unusable(directory, e))?;
    std::fs::write(directory.join(MADE), bytes).map_err(|e| unusable(directory, e))
}

fn unusable(directory: &Path, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    Failure::usage(format!("{} cannot be used", directory.join(MADE).display()))
        .because(error)
        .next("Choose another directory for --keep, or empty this one.")
}

impl From<EmbeddedError> for Failure {
    fn from(error: EmbeddedError) -> Self {
        Self::new(Exit::Database, "the private database cannot be used").because(error)
    }
}
