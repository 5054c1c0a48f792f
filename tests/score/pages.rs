//! `pages`: rows that move between the pages of a list while it is read.
//!
//! Each window of an hour has a schedule of its own: which rows come, go or change places between which pages, and
//! whether the list says how many rows it has. A first pass reads while the rows move, later ones when they have come to
//! rest. What moves in sight (a row met twice, a total that shrinks or does not fit) must have been noticed at once: a
//! row may only be absent after the first pass where nothing of the pages that were served showed it. In the end
//! nothing is absent, nothing is there that is not at the source, and nothing is marked missing that is.

mod list;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use fuelsync::{
    app::App,
    clock::{Clock, ManualClock},
    config::{Config, Reread},
    sync::summary::{Outcome, Summary},
    warehouse::Warehouse,
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use self::list::{Lists, Seen};
use crate::{Measured, Run, support::TestDatabase};

/// Accounts, read side by side: the schedules are spread over them.
const ACCOUNTS: u64 = 4;
/// Rows asked for in one page.
const LIMIT: usize = 5;

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_750_000_000 / 3600 * 3600, 0).expect("a time")
}

/// Reads `size` windows while their rows move, and again when they rest.
pub(crate) async fn measure(run: Run) -> Measured {
    let mut measured = Measured::default();
    let hours = run.size.div_ceil(ACCOUNTS);
    let lists = Lists::new(run, ACCOUNTS, hours, start());
    let server = list::serve(Arc::clone(&lists)).await;
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    let passes = Passes::new(&server.url(), database.url(), hours).await;

    let first = passes.pass().await;
    measured.goal(first.outcome == Outcome::Ok, || format!("the pass with moving rows ended {:?}", first.outcome));
    let table = there(&pool).await;
    let (mut unseen, mut narrow) = (0u64, 0u64);
    for (place, row) in lists.rows() {
        if table.contains_key(&(place.0, row.id.clone())) {
            continue;
        }
        match lists.seen(place, row.at) {
            Seen::Nothing => unseen += 1,
            // A minute that never came to rest is accepted, flagged, and read again by its age.
            Seen::Movement { minute: true } => narrow += 1,
            Seen::Movement { minute: false } => {
                let window = start() + TimeDelta::hours(i64::try_from(place.1).unwrap_or(0));
                measured.fault(format!("row {} of {window} lost, though its pages showed that rows moved", row.id));
            }
        }
    }
    let moves = lists.rest();
    for _ in 0..3 {
        passes.clock.advance(Duration::from_secs(2));
        let quiet = passes.pass().await;
        measured.goal(quiet.outcome == Outcome::Ok, || format!("a quiet pass ended {:?}", quiet.outcome));
    }
    let mut table = there(&pool).await;
    let (mut rows, mut lost, mut missing) = (0u64, 0u64, 0u64);
    for (place, row) in lists.rows() {
        rows += 1;
        match table.remove(&(place.0, row.id.clone())) {
            None => lost += 1,
            Some(marked) => missing += u64::from(marked),
        }
    }
    // What is left in the table is no longer at the source: it was there once, and it is marked.
    let (mut gone, mut invented) = (0u64, 0u64);
    for ((account, id), marked) in table {
        if lists.was_there(account, &id) && marked {
            gone += 1;
        } else {
            invented += 1;
        }
    }
    let served = lists.served();
    measured
        .goal(lost == 0, || format!("{lost} rows lost"))
        .goal(invented == 0, || format!("{invented} rows that are not at the source"))
        .goal(missing == 0, || format!("{missing} rows marked missing that are at the source"))
        .note("rows", rows)
        .note("moves", moves)
        .note("pages_asked", served.pages)
        .note("rounds_repeated", served.repeated)
        .note("windows_halved", served.halved)
        .note("brought_by_the_reread_only", unseen)
        .note("in_minutes_that_never_rested", narrow)
        .note("gone_and_marked", gone);
    measured
}

/// Rows of the table by account and id, with whether they are marked missing.
async fn there(pool: &PgPool) -> BTreeMap<(u64, String), bool> {
    let rows: Vec<(String, String, bool)> = sqlx::query_as(
        "SELECT account, source_transaction_id, missing_since IS NOT NULL FROM fuel.transaction ORDER BY 1, 2",
    )
    .fetch_all(pool)
    .await
    .expect("the table");
    rows.into_iter().map(|(account, id, marked)| ((account[1..].parse().expect("an account"), id), marked)).collect()
}

/// Passes of processes that remember nothing, on a clock that is put.
struct Passes {
    config: Config,
    warehouse: Warehouse,
    clock: Arc<ManualClock>,
}

impl Passes {
    async fn new(url: &str, database: &str, hours: u64) -> Self {
        let accounts: Vec<_> = (0..ACCOUNTS)
            .map(|account| {
                format!(
                    "[[hecone]]\nname = \"a{account}\"\nbase_url = \"{url}/{account}\"\nclient_id = \"a\"\n\
                     client_secret = \"b\"\nstart = \"{}\"\nwindow = \"1h\"\npage_limit = {LIMIT}\n\
                     requests_per_second = 10000\n\n",
                    start().format("%Y-%m-%dT%H:%M:%SZ")
                )
            })
            .collect();
        let text = format!("[database]\nurl = {database:?}\nmigrate = true\n\n{}", accounts.concat());
        let mut config = Config::from_text("pages.toml", &text, std::iter::empty()).expect("a configuration");
        // Every window is due in every pass, and none is read twice in one.
        config.sync.reread =
            vec![Reread { younger_than: Duration::from_hours(24 * 10_000), every: Duration::from_secs(1) }];
        config.sync.overlap = Duration::ZERO;
        config.sync.publish_delay = Duration::ZERO;
        let warehouse = Warehouse::new(&config.database, &database.into()).expect("a warehouse");
        warehouse.migrate().await.expect("migrations");
        let end = start() + TimeDelta::hours(i64::try_from(hours).expect("hours"));
        Self { config, warehouse, clock: Arc::new(ManualClock::at(end)) }
    }

    async fn pass(&self) -> Summary {
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.clock);
        let app = App::new(self.config.clone(), clock).expect("an app");
        app.passes(self.warehouse.clone(), |_, _| true).pass(&CancellationToken::new()).await
    }
}
