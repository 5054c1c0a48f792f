//! `commit-lost`: whatever becomes of the answer to COMMIT, nothing is lost and nothing is written twice.
//!
//! Two fleets alike in everything make the same passes, one of them over a wire that is cut at COMMIT: mostly after it
//! (the answer lost), mixed with cuts before it (nothing committed) and in it (nobody knows). After each pass both
//! databases must be alike, versions and ledger included, so that a row lost or written twice cannot hide behind a later
//! read of its window.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use fuelsync::{sync::summary::Outcome, warehouse::Warehouse};
use rand::RngExt as _;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};
use serde_json::{Map, Value};
use sqlx::{PgPool, types::Json};

use crate::{
    Measured, Run,
    support::{
        dbproxy::{Act, At, DbProxy, Message},
        fleet::Fleet,
    },
};

/// Sales of each fleet: enough for rows in every window.
const SALES: u64 = 3_000;

/// Passes after which the answers must have been lost that were to be lost.
const MOST_PASSES: u64 = 200;

/// What was cut, counted where it was.
#[derive(Debug, Default)]
struct Cuts {
    /// Answers to the COMMIT of sales lost: what the figure's size counts.
    after: AtomicU64,
    /// Cut before the COMMIT of sales.
    before: AtomicU64,
    /// Cut in the COMMIT of sales.
    within: AtomicU64,
    /// COMMITs of other transactions cut.
    other: AtomicU64,
}

/// Cuts the wire at COMMITs until `size` answers are lost. The same seed cuts the same ones: one stream is read after the
/// other.
fn cutting(run: Run, cuts: Arc<Cuts>) -> impl FnMut(&Message<'_>) -> Act + Send + 'static {
    let mut dice = ChaCha8Rng::seed_from_u64(run.seed);
    // What was cut since the last that was not, of sales and of other transactions: the question what became of a COMMIT
    // is a transaction too and comes between two of sales.
    let mut in_a_row = [0; 2];
    move |message| {
        if !message.is_commit() || cuts.after.load(Relaxed) >= run.size {
            return Act::Pass;
        }
        let sales = message.commits_sales();
        let in_a_row = &mut in_a_row[usize::from(sales)];
        // Whoever is cut too often in a row gives up until the next pass, and is right to. An answer lost to sales that
        // are committed ends their row: it is found out what became of them.
        let may_cut = *in_a_row < 2;
        let at = match dice.random_range(0..100_u32) {
            roll if roll >= if sales { 70 } else { 15 } => None,
            roll if roll % 10 < 2 && may_cut => Some(At::Before),
            roll if roll % 10 < 4 && may_cut => Some(At::In),
            _ if sales || may_cut => Some(At::After),
            _ => None,
        };
        let ends = at.is_none() || (sales && at == Some(At::After));
        *in_a_row = if ends { 0 } else { *in_a_row + 1 };
        let Some(at) = at else { return Act::Pass };
        let counter = match at {
            _ if !sales => &cuts.other,
            At::Before => &cuts.before,
            At::In => &cuts.within,
            At::After => &cuts.after,
        };
        counter.fetch_add(1, Relaxed);
        Act::Cut(at)
    }
}

/// Makes passes until `size` answers are lost.
pub(crate) async fn measure(run: Run) -> Measured {
    let mut measured = Measured::default();
    let calm = fleet(run).await;
    let mut struck = fleet(run).await;
    let proxy = DbProxy::new(struck.database.url()).await;
    struck.warehouse =
        Warehouse::new(&struck.config.database, &proxy.url().into()).expect("the warehouse behind the proxy");
    let cuts = Arc::new(Cuts::default());
    proxy.script(cutting(run, Arc::clone(&cuts)));
    let (mut passes, mut inserted, mut updated) = (0, 0, 0);
    while cuts.after.load(Relaxed) < run.size && passes < MOST_PASSES {
        passes += 1;
        let (one, other) = (calm.pass().await, struck.pass().await);
        measured
            .goal(one.outcome == Outcome::Ok, || format!("pass {passes}, uninterrupted: {one:?}"))
            .goal(other.outcome == Outcome::Ok, || format!("pass {passes}: {other:?}"))
            .goal(one.totals() == other.totals(), || {
                format!("pass {passes}: {:?} uninterrupted, {:?}", one.totals(), other.totals())
            });
        if let Some(fault) = struck.untrue().await {
            measured.fault(format!("pass {passes}: {fault}"));
        }
        for difference in differences(&calm.pool, &struck.pool).await {
            measured.fault(format!("pass {passes}: {difference}"));
        }
        measured.goal(told_once(&struck.pool).await, || format!("pass {passes}: fuel.changes tells a row twice"));
        let (_, counts) = other.totals();
        (inserted, updated) = (inserted + counts.inserted, updated + counts.updated);
        // What is wrong now stays wrong.
        if !measured.red.is_empty() {
            break;
        }
        for fleet in [&calm, &struck] {
            fleet.clock.advance(Duration::from_hours(12));
        }
    }
    let (lost, was_red) = (cuts.after.load(Relaxed), !measured.red.is_empty());
    measured
        .goal(lost >= run.size || was_red, || format!("{lost} answers lost in {passes} passes"))
        .note("answers_lost", lost)
        .note("cut_before_commit", cuts.before.load(Relaxed))
        .note("cut_in_commit", cuts.within.load(Relaxed))
        .note("other_commits_cut", cuts.other.load(Relaxed))
        .note("passes", passes)
        .note("rows_inserted", inserted)
        .note("rows_updated", updated)
        .note("windows_kept_otherwise", kept_otherwise(&calm.pool, &struck.pool).await);
    measured
}

/// Both vendors, one stream read after the other, every window due in every pass.
async fn fleet(run: Run) -> Fleet {
    let mut fleet = Fleet::new(SALES, |options| options.world.seed = run.seed).await;
    fleet.config.sync.workers = 1;
    for rule in &mut fleet.config.sync.reread {
        rule.every = Duration::from_secs(1);
    }
    fleet
}

/// Windows of which the ledgers know other records, or the same from another read. It only saves work, and where the wire
/// is cut while it is asked for, the window is read in full, and what it came to is kept anew.
async fn kept_otherwise(one: &PgPool, other: &PgPool) -> usize {
    let mut kept = [Vec::<(String, String, Option<Vec<u8>>)>::new(), Vec::new()];
    for (kept, pool) in kept.iter_mut().zip([one, other]) {
        let rows = sqlx::query_as(
            "SELECT concat_ws(' ', source, account, partition), window_start::text, known_records \
             FROM fuel.sync_window ORDER BY 1, 2",
        );
        *kept = rows.fetch_all(pool).await.expect("the ledger");
    }
    let [one, other] = kept;
    one.into_iter().zip(other).filter(|(one, other)| one != other).count()
}

/// The tables, by what their rows are told apart, and what of them tells when, and in whose name, or is only there to save
/// work.
const TABLES: [(&str, &str, &str); 7] = [
    ("transaction", "source, account, source_transaction_id, line_id", "seq,first_seen_at,changed_at,missing_since"),
    ("record", "source, account, source_transaction_id, line_id", "first_seen_at,changed_at"),
    (
        "transaction_version",
        "source, account, source_transaction_id, line_id, version",
        "version_id,seq,row_before,replaced_at",
    ),
    (
        "sync_window",
        "source, account, partition, window_start",
        "first_read_at,last_read_at,final_at,asked_at,digest_seqs,known_records,sums_at",
    ),
    ("checkpoint", "source, account, partition", "epoch,updated_at,last_pass_at,seen_at"),
    ("quarantine", "source, account, source_transaction_id, reason", "id,first_seen_at,last_seen_at,resolved_at"),
    ("gap", "source, account, partition, gap_start", "recorded_at"),
];

/// A table's rows, without what may differ.
async fn rows(pool: &PgPool, (table, key, left_out): (&str, &str, &str)) -> Vec<(String, Map<String, Value>)> {
    let sql = format!(
        "SELECT concat_ws(' ', {key}), to_jsonb(t) - '{{{left_out}}}'::text[] FROM fuel.{table} AS t \
         ORDER BY {key}, (to_jsonb(t) - '{{{left_out}}}'::text[])::text"
    );
    let rows: Vec<(String, Json<Map<String, Value>>)> =
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(pool).await.expect("a table's rows");
    rows.into_iter().map(|(key, Json(row))| (key, row)).collect()
}

/// Table by table what differs: how many rows there are, or of the first that is not the same the columns.
async fn differences(one: &PgPool, other: &PgPool) -> Vec<String> {
    let mut found = Vec::new();
    for table in TABLES {
        let (one, other) = (rows(one, table).await, rows(other, table).await);
        if one.len() != other.len() {
            found.push(format!("{}: {} rows uninterrupted, {}", table.0, one.len(), other.len()));
            continue;
        }
        let mut unlike = one.iter().zip(&other).filter(|(one, other)| one != other);
        if let Some(((key, one), (other_key, other))) = unlike.next() {
            let columns: Vec<_> = one
                .iter()
                .filter(|(name, value)| other.get(*name) != Some(value))
                .map(|(name, value)| {
                    format!("{name}: {value} uninterrupted, {}", other.get(name).unwrap_or(&Value::Null))
                })
                .collect();
            let more = unlike.count();
            found.push(format!("{}: {key} and {other_key}, {}; {more} rows more", table.0, columns.join("; ")));
        }
    }
    found
}

/// Whether every row has a number of its own, and whoever follows the changes meets each row once.
async fn told_once(pool: &PgPool) -> bool {
    sqlx::query_scalar(
        "SELECT count(*) = count(DISTINCT seq) AND count(*) = (SELECT count(*) FROM fuel.changes(0, 1000000)) \
         FROM fuel.transaction",
    )
    .fetch_one(pool)
    .await
    .expect("the changes")
}
