//! `hang`: nothing waits longer than its limit says.
//!
//! Every place at which the program waits for somebody is held up there: the database at connecting, BEGIN, a statement,
//! COPY, COMMIT, a lock, an exhausted pool, a stopped backend; a vendor at connecting, headers, body, between pages; and
//! each command as a whole. Beside these the wire freezes at random messages of a pass, as many as the size says. Each
//! operation must end, with an error, within a second of the limit that the configuration sets for it.

mod commands;
mod database;
mod pass;
mod vendor;

use std::{cell::RefCell, fmt::Debug, pin::Pin, sync::Arc, time::Duration};

use fuelsync::{app::App, clock::Clock, config::Config, domain::SourceKind, sync::pass::Passes, warehouse::Warehouse};
use futures_util::{StreamExt as _, stream};

use crate::{
    Measured, Run, now,
    support::{TestDatabase, fleet::Fleet},
};

/// How long an operation may take beyond its limit.
const ALLOWED: Duration = Duration::from_secs(1);

/// Who takes this long beyond it never ends.
const NEVER: Duration = Duration::from_secs(4);

/// Operations held up at the same time; they do little but wait.
const AT_ONCE: usize = 24;

/// An operation that is held up.
struct Case {
    /// What is held up, and where.
    name: String,
    /// The limit that must end it.
    limit: Duration,
    /// Who ends before was not held up where it should have been.
    least: Duration,
    /// Ends when the operation does; an error is what should come of it.
    operation: Pin<Box<dyn Future<Output = Result<(), String>>>>,
}

impl Case {
    /// The operation, ended by this limit and no other, and what holds it up, kept until it ends.
    fn new<T, E: Debug, K: 'static>(
        name: impl Into<String>,
        limit: Duration,
        kept: K,
        operation: impl Future<Output = Result<T, E>> + 'static,
    ) -> Self {
        Self { least: limit / 2, ..Self::at_most(name, limit, kept, operation) }
    }

    /// An operation of several steps: the first that is held up may end it.
    fn at_most<T, E: Debug, K: 'static>(
        name: impl Into<String>,
        limit: Duration,
        kept: K,
        operation: impl Future<Output = Result<T, E>> + 'static,
    ) -> Self {
        let operation = Box::pin(async move {
            let ended = operation.await;
            drop(kept);
            ended.map(drop).map_err(|error| format!("{error:?}"))
        });
        Self { name: name.into(), limit, least: SECOND / 2, operation }
    }

    /// How far it went beyond its limit, or what is wrong with it.
    async fn held_up(self) -> (String, Result<Duration, String>) {
        let begun = now();
        let ended = tokio::time::timeout(self.limit + NEVER, self.operation).await;
        let took = begun.elapsed();
        let beyond = took.saturating_sub(self.limit);
        let verdict = match ended {
            Err(_) => Err(format!("does not end; its limit is {:?}", self.limit)),
            Ok(Ok(())) => Err("was not held up at all".to_owned()),
            Ok(Err(error)) if took < self.least => Err(format!("ended after {took:?} by something else: {error}")),
            Ok(Err(error)) if beyond > ALLOWED => {
                Err(format!("took {beyond:?} more than its limit of {:?}: {error}", self.limit))
            }
            Ok(Err(_)) => Ok(beyond),
        };
        (self.name, verdict)
    }
}

/// Holds everything up.
pub(crate) async fn measure(run: Run) -> Measured {
    let mut measured = Measured::default();
    let yard = Yard::new(run).await;
    let mut cases = database::cases(&yard).await;
    let stopped = database::Stopped::new().await;
    cases.extend(stopped.cases(&yard).await);
    cases.extend(vendor::cases(&yard).await);
    cases.extend(commands::cases(&yard).await);
    let named = cases.len();
    cases.extend(pass::cases(&yard, run).await);
    let total = cases.len();
    let mut furthest = (Duration::ZERO, String::new());
    let mut ended = stream::iter(cases).map(Case::held_up).buffer_unordered(AT_ONCE);
    while let Some((name, verdict)) = ended.next().await {
        match verdict {
            Ok(beyond) if beyond >= furthest.0 => furthest = (beyond, name),
            Ok(_) => {}
            Err(fault) => {
                measured.fault(format!("{name}: {fault}"));
            }
        }
    }
    drop(stopped);
    measured
        .note("places", named)
        .note("random_freezes", total - named)
        .note("furthest_beyond_limit_ms", u64::try_from(furthest.0.as_millis()).unwrap_or(u64::MAX))
        .note("furthest", furthest.1);
    measured
}

/// Where it happens: both vendors and a database, and small limits.
struct Yard {
    fleet: Fleet,
    config: Config,
    /// Databases of single cases. Dropped last: dropping one waits for every backend of the server to take note, and a
    /// case that holds one up must have ended by then.
    databases: RefCell<Vec<TestDatabase>>,
}

/// To a connection, and a lock; a request.
const SECOND: Duration = Duration::from_secs(1);
/// A window, and a short transaction where something else shall end it.
const WINDOW: Duration = Duration::from_secs(2);
/// A pass over a stream.
const PASS: Duration = Duration::from_secs(3);

impl Yard {
    async fn new(run: Run) -> Self {
        let fleet = Fleet::new(500, |options| options.world.seed = run.seed).await;
        let mut config = fleet.config.clone();
        config.database.connect_timeout = SECOND;
        config.database.statement_timeout = SECOND;
        config.database.lock_timeout = SECOND;
        config.database.max_connections = 2;
        config.http.connect_timeout = SECOND;
        config.http.request_timeout = SECOND;
        config.http.max_retries = 0;
        config.sync.window_timeout = WINDOW;
        config.sync.pass_timeout = PASS;
        let start = fleet.clock.now() - chrono::TimeDelta::days(3);
        for account in &mut config.alexela {
            account.start = start;
            account.sources = vec![SourceKind::AlexelaCard, SourceKind::AlexelaEv];
        }
        for account in &mut config.hecone {
            account.start = start;
        }
        Self { fleet, config, databases: RefCell::default() }
    }

    /// The way to the database at this URL.
    fn warehouse(config: &Config, url: &str) -> Warehouse {
        Warehouse::new(&config.database, &url.into()).expect("a usable URL")
    }

    /// A process with this configuration.
    fn process(&self, config: Config, warehouse: Warehouse, kind: SourceKind) -> Passes {
        let clock = Arc::clone(&self.fleet.clock);
        let clock: Arc<dyn Clock> = clock;
        App::new(config, clock).expect("an app").passes(warehouse, move |selected, _| selected == kind)
    }
}
