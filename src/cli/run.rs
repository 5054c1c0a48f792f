//! `run`: the daemon, scheduled pollers and the status server.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use chrono::TimeDelta;
use tokio::net::TcpListener;

use super::{
    Exit, Failure, Global,
    args::{RunArgs, Select},
    start,
};
use crate::{
    app::App,
    lifecycle::Lifecycle,
    status::{
        self, StatusState,
        meter::Meter,
        page::{Book, Cadence, Cadences},
        picture::Camera,
    },
    sync::{daemon, doorbell::Doorbell, pass::Passes},
    warehouse::Warehouse,
};

/// How long the work under way may take after a first signal.
const GRACE: Duration = Duration::from_secs(4);

pub(super) async fn run(_args: RunArgs, global: &Global) -> Result<Exit, Failure> {
    let life = start::lifecycle()?;
    life.stops_are_ordinary();
    let start::Work { app, life, warehouse, passes } = start::Work::begin_in(life, global, &Select::default()).await?;
    let listener = listen(&app).await?;
    let passes = Arc::new(passes);
    serve(&app, &life, &warehouse, &passes, listener).await?;
    let ended = life.finish(GRACE).await;
    warehouse.close().await;
    ended.map(|()| Exit::Done).map_err(|died| {
        Failure::unexpected("the daemon stopped", died).next("What was committed stays; its manager starts it again.")
    })
}

/// Listens where the configuration says.
pub(super) async fn listen(app: &App) -> Result<TcpListener, Failure> {
    let at = app.config.server.listen;
    TcpListener::bind(at).await.map_err(|e| {
        Failure::usage(format!("cannot listen on {at} (server.listen)"))
            .because(e)
            .next("Choose another port, or stop what listens there.")
    })
}

/// The daemon and its page, until the life ends.
pub(super) async fn serve(
    app: &App,
    life: &Lifecycle,
    warehouse: &Warehouse,
    passes: &Arc<Passes>,
    listener: TcpListener,
) -> Result<(), Failure> {
    let schedules: Vec<_> = passes.accounts.iter().map(|account| account.schedule.clone()).collect();
    let (doorbell, bells) = Doorbell::start(&schedules, Arc::clone(&app.clock), life.token())
        .await
        .map_err(|e| Failure::unexpected("the scheduler cannot be started", e))?;
    let camera = camera(app, warehouse, Some(passes));
    let pulse = doorbell.pulse();
    let meter = Meter::new(warehouse.clone(), Arc::clone(&app.clock), Arc::clone(passes));
    let probing = meter.clone();
    let state = StatusState::new(
        move || {
            let camera = camera.clone();
            async move { camera.take().await }
        },
        move || {
            let meter = meter.clone();
            async move { meter.read().await }
        },
        move || {
            let meter = probing.clone();
            async move { meter.database().await }
        },
        pulse.clone(),
    )
    .with_book(Book::new(warehouse.clone(), Arc::clone(&app.clock), cadences(app)));
    let address = listener.local_addr().map_or_else(|_| app.config.server.listen.to_string(), |at| at.to_string());
    life.supervise("status server", status::serve(listener, state, life.token()));
    life.supervise("daemon", daemon::run(Arc::clone(passes), bells, Arc::clone(&app.host), life.token()));
    life.feed_watchdog(move || pulse.too_silent().is_none());
    life.ready();
    tracing::info!(accounts = passes.accounts.len(), page = %format!("http://{address}/"), "fuelsync is running");
    life.stopping().await;
    // Whatever keeps a bell from ending keeps the process no longer than its other tasks.
    if tokio::time::timeout(GRACE, doorbell.stopped()).await.is_err() {
        tracing::warn!("the scheduler did not stop in time and is left behind");
    }
    Ok(())
}

/// What takes pictures of the warehouse.
pub(super) fn camera(app: &App, warehouse: &Warehouse, passes: Option<&Arc<Passes>>) -> Camera {
    let mut schedules = HashMap::new();
    for account in app.accounts(|_, _| true) {
        for kind in &account.kinds {
            schedules.insert((*kind, account.source.account().to_owned()), account.schedule.clone());
        }
    }
    Camera {
        warehouse: warehouse.clone(),
        clock: Arc::clone(&app.clock),
        started_at: app.clock.now(),
        schedules,
        passes: passes.cloned(),
    }
}

/// When each account is read, for the page.
fn cadences(app: &App) -> Cadences {
    let delta = |length: Duration| TimeDelta::from_std(length).unwrap_or(TimeDelta::MAX);
    let mut accounts = BTreeMap::new();
    for account in app.accounts(|_, _| true) {
        let cadence = Cadence {
            schedule: account.schedule.as_str().to_owned(),
            period: delta(account.schedule.period()),
            start: account.start,
        };
        for kind in &account.kinds {
            accounts.insert((*kind, account.source.account().to_owned()), cadence.clone());
        }
    }
    Cadences { accounts, publish_delay: delta(app.config.sync.publish_delay) }
}
