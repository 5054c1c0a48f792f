//! Takes the readings that `/metrics` shows: the counters of this process, and what the warehouse knows.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;

use super::{
    gauges::{Gauges, Terms, with_terms},
    probe::{failed, probe, silent},
    view::DatabaseView,
};
use crate::{
    clock::Clock,
    domain::SourceKind,
    http::{Link, traffic::Counted},
    sync::{
        pass::{Account, Passes},
        retention,
        tally::Tallied,
    },
    warehouse::{
        Warehouse,
        standing::{StreamStanding, Wanted},
    },
};

/// How long the warehouse may take, the wait for another reading with it: whoever scrapes has little more patience.
const LIMIT: Duration = Duration::from_secs(4);

/// What readings are taken with.
#[derive(Debug, Clone)]
pub struct Meter {
    warehouse: Warehouse,
    clock: Arc<dyn Clock>,
    started_at: DateTime<Utc>,
    passes: Arc<Passes>,
    /// One reading at a time: observers must not take the connections that the work needs.
    turn: Arc<Mutex<()>>,
}

/// One reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The program's version.
    pub version: &'static str,
    /// When this process started.
    pub started_at: DateTime<Utc>,
    /// Whether the database can be worked with.
    pub database: DatabaseView,
    /// Every interface of the configuration, in the order of their names.
    pub interfaces: Vec<Interface>,
}

/// One interface of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The vendor interface.
    pub source: SourceKind,
    /// The account's name in the configuration.
    pub account: String,
    /// What this process has read of it.
    pub tallied: Tallied,
    /// What it asked for that.
    pub counted: Counted,
    /// The vendor's clock minus this machine's, as its last answer showed it, believed or not.
    pub skew: Option<TimeDelta>,
    /// What the warehouse knows; none when it cannot be asked.
    pub gauges: Option<Gauges>,
}

impl Meter {
    /// A meter of the passes of this process, which starts now.
    pub fn new(warehouse: Warehouse, clock: Arc<dyn Clock>, passes: Arc<Passes>) -> Self {
        let started_at = clock.now();
        Self { warehouse, clock, started_at, passes, turn: Arc::default() }
    }

    /// Whether the database can be worked with, and nothing else.
    pub async fn database(&self) -> DatabaseView {
        let asked = async {
            let _turn = self.turn.lock().await;
            probe(&self.warehouse).await
        };
        tokio::time::timeout(LIMIT, asked).await.unwrap_or_else(|_| silent())
    }

    /// One reading. It does not fail: a warehouse that does not answer within four seconds is part of it.
    pub async fn read(&self) -> Reading {
        let asked = async {
            let _turn = self.turn.lock().await;
            let database = probe(&self.warehouse).await;
            // What it holds is told as long as it can be read: that nothing comes along is what it shows then.
            if !database.is_readable() {
                return (database, None);
            }
            match self.warehouse.standings(&self.passes.owner, &self.wanted()).await {
                Ok(standings) => (database, Some(standings)),
                Err(error) => (failed(&error), None),
            }
        };
        let (database, standings) = tokio::time::timeout(LIMIT, asked).await.unwrap_or_else(|_| (silent(), None));
        Reading {
            version: env!("CARGO_PKG_VERSION"),
            started_at: self.started_at,
            database,
            interfaces: self.interfaces(standings.as_deref()),
        }
    }

    fn interfaces(&self, standings: Option<&[StreamStanding]>) -> Vec<Interface> {
        let now = self.clock.now();
        let mut interfaces = Vec::new();
        for (account, source) in self.each() {
            let name = account.source.account();
            let tallied = self.passes.tallies.read().find(|(of, whose, _)| (*of, *whose) == (source, name));
            let link = account.source.link();
            interfaces.push(Interface {
                source,
                account: name.to_owned(),
                tallied: tallied.map(|(.., tallied)| tallied).unwrap_or_default(),
                counted: link.map(|link| link.traffic().read(source)).unwrap_or_default(),
                skew: link.and_then(Link::skew),
                gauges: standings
                    .map(|standings| self.with_terms(account, source, now, |terms| Gauges::of(terms, standings))),
            });
        }
        interfaces.sort_by(|a, b| (a.source, &a.account).cmp(&(b.source, &b.account)));
        interfaces
    }

    /// What is to be read of the sources that do not serve everything for ever.
    fn wanted(&self) -> Vec<Wanted> {
        retention::forgetful(&self.passes.accounts).map(|(account, kind)| retention::wanted(account, kind)).collect()
    }

    fn each(&self) -> impl Iterator<Item = (&Account, SourceKind)> {
        self.passes.accounts.iter().flat_map(|account| account.kinds.iter().map(move |kind| (account, *kind)))
    }

    fn with_terms<T>(
        &self,
        account: &Account,
        source: SourceKind,
        now: DateTime<Utc>,
        work: impl FnOnce(&Terms<'_>) -> T,
    ) -> T {
        with_terms(account, source, now, self.passes.settings.publish_delay, work)
    }
}
