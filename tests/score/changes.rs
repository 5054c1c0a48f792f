//! `changes`: whoever follows `fuel.changes` beside eight writers that commit, abort and stall misses nothing.
//!
//! Each writer has an account with four streams and a wire of its own to the database, and writes windows by the program's
//! own way: passes, early windows and backfills, that insert, change, remove and bring back. In about half of its
//! transactions the wire is cut or stands still somewhere between the announcement and the answer to COMMIT, with
//! numbers drawn that nobody else may be told to be past.
//!
//! Three consumers remember the last `seq` and nothing else of where they are, woken by `NOTIFY fuel_changed` and by a
//! timer: two here, that keep what they are told in memory and sometimes die before they have noted it, and
//! `deploy/examples/changes/follower.sql`, which keeps it in the database, over a wire that is cut.
//!
//! When all is still, for each consumer:
//!
//! - **missed** is a line of the table whose `seq` it was never told, or whose image in its copy is not the table's, or that
//!   its copy has and the table does not;
//! - **twice** is a `seq` that it was told, and had noted, before;
//! - **out of order** is a `seq` below one told before it;
//! - **invented** is a `seq` that no committed image of a line has, or has with another content.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use futures_util::future;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{Measured, Run, yard::Store};

mod consumer;
mod example;
mod writer;

use consumer::{Image, Key, Tail};
use example::Example;
use writer::{Done, Writer};

const WRITERS: u64 = 8;

/// The transactions of a writer whose wire was cut end when the server notices.
const QUIET: Duration = Duration::from_secs(30);

/// How much longer than it was to it runs at most, until enough has happened.
const LONGER: Duration = Duration::from_secs(90);

/// Runs for `size` seconds.
pub(crate) async fn measure(run: Run) -> Measured {
    let mut measured = Measured::default();
    let store = Store::new().await;
    Example::prepare(&store.pool).await;
    let (done, stop) = (Arc::new(Done::default()), CancellationToken::new());
    let mut writers = Vec::new();
    for number in 0..WRITERS {
        let writer = Writer::new(&store, run.seed, number, Arc::clone(&done)).await;
        writers.push(tokio::spawn(Box::pin(writer.work(stop.clone()))));
    }
    let quiet = CancellationToken::new();
    let tails = [(1, 1..40), (2, 200..1_000)].map(|(number, rows)| {
        let tail = Tail::new(store.url(), run.seed * 100 + number, rows);
        tokio::spawn(Box::pin(tail.follow(quiet.clone())))
    });
    let example = tokio::spawn(Box::pin(Example::follow(store.url().to_owned(), run.seed, quiet.clone())));
    tokio::time::sleep(Duration::from_secs(run.size)).await;
    // A slow machine takes longer until all of it has happened.
    let enough = async {
        while done.is_idle() || History::of(&store.pool).await.is_idle() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    _ = tokio::time::timeout(LONGER, enough).await;
    stop.cancel();
    for writer in future::join_all(writers).await {
        for fault in writer.expect("a writer") {
            measured.fault(fault);
        }
    }
    settle(&store, &mut measured).await;
    quiet.cancel();
    let truth = Truth::of(&store.pool).await;
    let (mut missed, mut twice, mut out_of_order, mut invented) = (0, 0, 0, 0);
    let (mut told, mut superseded, mut held_back, mut rung, mut crashes) = (0, 0, 0, 0, 0);
    for tail in future::join_all(tails).await {
        let tail = tail.expect("a consumer");
        missed += truth.missed(&tail.copy, &tail.told);
        invented += truth.invented(&tail.told);
        let seqs: HashSet<i64> = tail.told.iter().map(|(seq, _)| *seq).collect();
        twice += tail.told.len() - seqs.len();
        out_of_order += tail.told.windows(2).filter(|pair| pair[1].0 < pair[0].0).count();
        superseded += truth.committed.keys().filter(|seq| !seqs.contains(seq)).count();
        told += tail.told.len();
        held_back += tail.held_back;
        rung += tail.rung;
        crashes += tail.crashes;
    }
    let example = example.await.expect("the example");
    let of_example = example.verdict(&store.pool).await;
    missed += of_example.missed;
    twice += of_example.twice;
    out_of_order += of_example.out_of_order;
    let idle = done.is_idle()
        || truth.history.is_idle()
        || told < 1_000
        || superseded == 0
        || held_back == 0
        || rung == 0
        || crashes == 0
        || of_example.cut == 0;
    measured
        .goal(missed == 0, || format!("{missed} missed"))
        .goal(twice == 0, || format!("{twice} twice"))
        .goal(out_of_order == 0, || format!("{out_of_order} out of order"))
        .goal(invented == 0, || format!("{invented} told that were never committed so"))
        .goal(of_example.faults.is_empty(), || format!("the example: {}", of_example.faults.join("; ")))
        .goal(!idle, || "too little happened".to_owned())
        .note("writers", WRITERS)
        .note("windows_committed", done.committed.load(Relaxed))
        .note("windows_given_up", done.given_up.load(Relaxed))
        .note("written_beside_another", done.beside.load(Relaxed))
        .note("by_backfills", done.backfilled.load(Relaxed))
        .note("wires_cut", done.cut.load(Relaxed))
        .note("stalls", done.stalled.load(Relaxed))
        .note("lines", truth.lines.len())
        .note("changed", truth.history.changed)
        .note("marked_missing", truth.history.marked)
        .note("returned", truth.history.returned)
        .note("removed", truth.history.removed)
        .note("consumers", 3)
        .note("told", told)
        .note("told_to_the_example", of_example.told)
        .note("superseded_before_they_were_told", superseded)
        .note("looks_held_back", held_back)
        .note("woken_by_notify", rung)
        .note("consumers_died", crashes)
        .note("example_cut_off", of_example.cut)
        .note("missed", missed)
        .note("twice", twice)
        .note("out_of_order", out_of_order);
    measured
}

/// Waits until no transaction holds an announcement.
async fn settle(store: &Store, measured: &mut Measured) {
    let open = "SELECT count(*) FROM pg_stat_activity \
                WHERE datname = current_database() AND application_name = 'fuelsync' AND backend_xid IS NOT NULL";
    let waiting = async {
        while store.number(open).await > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let ended = tokio::time::timeout(QUIET, waiting).await;
    measured.goal(ended.is_ok(), || format!("a writer's transaction is still open after {QUIET:?}"));
}

/// What was committed.
struct Truth {
    /// The table.
    lines: HashMap<Key, Image>,
    /// Every image of a line that was ever committed, by its `seq`.
    committed: HashMap<i64, String>,
    history: History,
}

/// How often what was committed.
struct History {
    changed: i64,
    marked: i64,
    returned: i64,
    removed: i64,
}

impl History {
    async fn of(pool: &PgPool) -> Self {
        let (changed, marked, returned, removed) = sqlx::query_as(
            "SELECT count(*) FILTER (WHERE operation = 'change'), \
                 count(*) FILTER (WHERE operation = 'remove' AND changed_columns <> '{}'), \
                 count(*) FILTER (WHERE operation = 'return'), \
                 count(*) FILTER (WHERE operation = 'remove' AND changed_columns = '{}') FROM fuel.transaction_version",
        )
        .fetch_one(pool)
        .await
        .expect("the history");
        Self { changed, marked, returned, removed }
    }

    /// Whether too little of one of them has happened to say anything.
    const fn is_idle(&self) -> bool {
        self.changed < 100 || self.marked < 5 || self.returned < 5 || self.removed < 5
    }
}

impl Truth {
    async fn of(pool: &PgPool) -> Self {
        let rows: Vec<consumer::Row> = sqlx::query_as(
            "SELECT source, account, source_transaction_id, line_id, seq, content_hash::text, missing_since IS NOT NULL \
             FROM fuel.transaction",
        )
        .fetch_all(pool)
        .await
        .expect("the table");
        let lines: HashMap<_, _> = rows.into_iter().map(consumer::split).collect();
        let images: Vec<(i64, String)> = sqlx::query_as(
            "SELECT (row_before ->> 'seq')::bigint, row_before ->> 'content_hash' FROM fuel.transaction_version",
        )
        .fetch_all(pool)
        .await
        .expect("the history");
        let now = lines.values().map(|image| (image.seq, image.content.clone()));
        let committed = images.into_iter().chain(now).collect();
        Self { lines, committed, history: History::of(pool).await }
    }

    /// Lines that a consumer was not told as they are, and lines that it still has and the table does not.
    fn missed(&self, copy: &HashMap<Key, Image>, told: &[(i64, String)]) -> usize {
        let told: HashSet<i64> = told.iter().map(|(seq, _)| *seq).collect();
        let not_told =
            self.lines.iter().filter(|(key, image)| !told.contains(&image.seq) || copy.get(*key) != Some(*image));
        not_told.count() + copy.keys().filter(|key| !self.lines.contains_key(*key)).count()
    }

    /// What was told and is no image that was committed.
    fn invented(&self, told: &[(i64, String)]) -> usize {
        told.iter().filter(|(seq, content)| self.committed.get(seq) != Some(content)).count()
    }
}
