//! Both vendors' servers, real HTTP, a real database, and the whole table against the truth.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use fuelsync::{
    app::App,
    clock::{Clock, ManualClock},
    config::Config,
    sandbox::{
        self, Sandbox, World, WorldOptions,
        truth::{self, Scope},
    },
    sync::{pass::Passes, summary::Summary},
    warehouse::Warehouse,
};
use sqlx::{PgPool, Row};
use tokio_util::sync::CancellationToken;

use super::TestDatabase;

/// The first sale.
pub(crate) fn start() -> DateTime<Utc> {
    "2026-09-20T00:00:00Z".parse().unwrap()
}

/// Both vendors, a database, and a clock that stands where it is put.
pub(crate) struct Fleet {
    pub(crate) database: TestDatabase,
    pub(crate) pool: PgPool,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) sandbox: Sandbox,
    pub(crate) config: Config,
    pub(crate) warehouse: Warehouse,
    /// Where the truth begins.
    pub(crate) start: DateTime<Utc>,
    /// When the sources were first read.
    pub(crate) first_read: DateTime<Utc>,
}

impl Fleet {
    /// Both vendors with sales since `start`, at noon of the 30th day after it; nothing read yet.
    pub(crate) async fn new(sales: u64, changed: impl FnOnce(&mut sandbox::Options)) -> Self {
        let now = start() + TimeDelta::hours(30 * 24 + 12);
        let clock = Arc::new(ManualClock::at(now));
        let world = WorldOptions { sales, from: start(), to: start() + TimeDelta::days(40), ..WorldOptions::default() };
        let mut options =
            sandbox::Options { world, clock: Arc::<ManualClock>::clone(&clock), ..sandbox::Options::default() };
        changed(&mut options);
        let sandbox = sandbox::start(options).await.unwrap();
        let database = TestDatabase::new().await;
        let text = sandbox::configuration(&sandbox, database.url(), start());
        let config = Config::from_text("fleet.toml", &text, std::iter::empty()).unwrap();
        let warehouse = Warehouse::new(&config.database, &database.url().into()).unwrap();
        warehouse.migrate().await.unwrap();
        Self {
            pool: database.pool().await,
            database,
            clock,
            sandbox,
            config,
            warehouse,
            start: start(),
            first_read: now,
        }
    }

    /// A process of its own: nothing is remembered but what the database knows.
    pub(crate) fn process(&self) -> Passes {
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.clock);
        App::new(self.config.clone(), clock).unwrap().passes(self.warehouse.clone(), |_, _| true)
    }

    /// One pass of a process of its own.
    pub(crate) async fn pass(&self) -> Summary {
        super::ends("a pass", self.process().pass(&CancellationToken::new())).await
    }

    /// What `fuel.transaction` holds.
    pub(crate) async fn table(&self) -> BTreeMap<Group, Vec<Columns>> {
        table(&self.pool).await
    }

    pub(crate) fn scope(&self) -> Scope {
        Scope { first_read: Some(self.first_read), ..Scope::from(self.start) }
    }

    /// The whole table is the truth, and so is the quarantine; the counts of every window add up to it.
    pub(crate) async fn is_the_truth(&self) {
        if let Some(fault) = self.untrue().await {
            panic!("{fault}");
        }
    }

    /// What of the table, the quarantine or the counts is not the truth.
    pub(crate) async fn untrue(&self) -> Option<String> {
        untrue(&self.pool, self.sandbox.world(), self.clock.now(), &self.scope()).await
    }
}

/// What `fuel.transaction` holds.
pub(crate) async fn table(pool: &PgPool) -> BTreeMap<Group, Vec<Columns>> {
    let rows = sqlx::query(truth::sql::SELECT).fetch_all(pool).await.unwrap();
    grouped(rows.iter().map(|row| truth::COLUMNS.iter().map(|name| ((*name).to_owned(), row.get(*name))).collect()))
}

/// What of a warehouse is not the truth of a world at a time: of the table, the quarantine, or the counts.
pub(crate) async fn untrue(pool: &PgPool, world: &World, at: DateTime<Utc>, scope: &Scope) -> Option<String> {
    let truth = world.truth(at, scope).into_iter();
    let truth =
        grouped(truth.map(|row| row.columns.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()));
    let table = table(pool).await;
    let differing: Vec<_> = truth
        .keys()
        .chain(table.keys())
        .filter(|key| truth.get(*key) != table.get(*key))
        .take(3)
        .map(|key| (key, differences(truth.get(key), table.get(key))))
        .collect();
    if !differing.is_empty() {
        let (truth, there) = (truth.len(), table.len());
        return Some(format!("{truth} rows true, {there} there; the first that differ: {differing:#?}"));
    }
    let mut expected: Vec<_> = world
        .truth_quarantine(at, scope)
        .into_iter()
        .map(|rejected| (rejected.source.as_str().to_owned(), rejected.id))
        .collect();
    expected.sort();
    let there: Vec<(String, Option<String>)> = sqlx::query_as(
        "SELECT source, source_transaction_id FROM fuel.quarantine WHERE resolved_at IS NULL ORDER BY 1, 2 NULLS FIRST",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    if there != expected {
        return Some(format!("quarantine: {expected:?} true, {there:?} there"));
    }
    for (what, sql) in [
        (
            "windows whose counts do not add up",
            "SELECT count(*) FROM fuel.sync_window WHERE fetched <> inserted + updated + unchanged + quarantined + outside + duplicate",
        ),
        (
            "windows of which records went from the quarantine",
            "SELECT count(*) FROM fuel.sync_window w WHERE w.full_read_at IS NOT NULL AND w.sums_at = w.last_read_at AND w.quarantined > ( \
                SELECT coalesce(sum(q.copies), 0) FROM fuel.quarantine q \
                WHERE (q.source, q.account, q.partition) = (w.source, w.account, w.partition) \
                    AND q.window_start IN (SELECT o.window_start FROM fuel.sync_window o \
                        WHERE (o.source, o.account, o.partition) = (w.source, w.account, w.partition) \
                            AND o.window_start <= w.window_end AND o.window_end >= w.window_start) \
                    AND (q.resolved_at IS NULL OR q.dropped OR EXISTS (SELECT FROM fuel.record r \
                        WHERE (r.source, r.account, r.source_transaction_id) = (q.source, q.account, q.source_transaction_id))))",
        ),
        ("lines without their record", "SELECT count(*) FROM fuel.transaction_with_raw WHERE raw IS NULL"),
    ] {
        let count: i64 = sqlx::query_scalar(sql).fetch_one(pool).await.unwrap();
        if count != 0 {
            return Some(format!("{count} {what}"));
        }
    }
    None
}

/// A row, column by column.
pub(crate) type Columns = BTreeMap<String, Option<String>>;
/// Source, account, id, product.
pub(crate) type Group = (String, String, String, String);

/// Rows by key; lines of one product in one transaction may bear each other's number.
fn grouped(rows: impl Iterator<Item = Columns>) -> BTreeMap<Group, Vec<Columns>> {
    let mut groups: BTreeMap<Group, Vec<Columns>> = BTreeMap::new();
    for mut columns in rows {
        let line = columns.remove("line_id").flatten().unwrap();
        let base = line.split('#').next().unwrap_or_default().to_owned();
        let value = |name: &str| columns[name].clone().unwrap();
        groups
            .entry((value("source"), value("account"), value("source_transaction_id"), base))
            .or_default()
            .push(columns);
    }
    for group in groups.values_mut() {
        group.sort();
    }
    groups
}

fn differences(truth: Option<&Vec<Columns>>, table: Option<&Vec<Columns>>) -> Vec<String> {
    let (Some(truth), Some(table)) = (truth, table) else {
        return vec![format!("{} true, {} there", truth.map_or(0, Vec::len), table.map_or(0, Vec::len))];
    };
    let pairs = truth.iter().zip(table);
    pairs
        .flat_map(|(t, r)| {
            t.iter()
                .filter(|(name, value)| r.get(*name) != Some(*value))
                .map(|(name, value)| format!("{name}: {value:?} true, {:?} there", r.get(name).cloned().flatten()))
        })
        .chain((truth.len() != table.len()).then(|| format!("{} lines true, {} there", truth.len(), table.len())))
        .collect()
}
