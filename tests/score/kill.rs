//! `kill`: SIGKILL at random moments and at every failpoint loses nothing and makes nothing twice.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use fuelsync::failpoint::Point;
use nix::sys::signal::Signal;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{
    Measured, Run, now,
    yard::{Process, Store, Yard},
};

/// Sales of the world.
const SALES: u64 = 240;
/// Databases at work side by side.
const SIDE_BY_SIDE: u64 = 2;
/// Kills after which a run is left alone and must end the work.
const IN_A_ROW: u64 = 12;
/// What a killed run leaves for the next one waits for nothing here: leases are let expire by hand.
const SYNC: &str = "lease = \"5s\"";

#[derive(Default)]
struct Tally {
    /// Ended by SIGKILL from outside.
    at_random: AtomicU64,
    /// Ended at a failpoint.
    at_points: AtomicU64,
    /// Histories: a database, killed again and again, then led to its end.
    histories: AtomicU64,
}

/// Makes `size` kills, and each failpoint for each of the first few times that it is reached.
pub(crate) async fn measure(run: Run) -> Measured {
    let mut measured = Measured::default();
    let yard = Arc::new(Yard::new(SALES, run.seed, |_| {}).await);
    let store = Store::new().await;
    let begun = now();
    let whole = sync(&yard, &store, &[]).end().await;
    let usual = begun.elapsed();
    let expected = store.checksum().await;
    measured.goal(whole.code == Some(0), || format!("the uninterrupted run ended {whole}"));
    if let Some(fault) = yard.untrue(&store).await {
        measured.fault(format!("the uninterrupted run: {fault}"));
    }
    let tally = Arc::new(Tally::default());
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..SIDE_BY_SIDE {
        let (yard, expected, tally) = (Arc::clone(&yard), expected.clone(), Arc::clone(&tally));
        let dice = ChaCha8Rng::seed_from_u64(run.seed.wrapping_mul(1_000).wrapping_add(worker));
        workers.spawn(async move { work(&yard, &expected, &tally, dice, usual, run.size, worker).await });
    }
    while let Some(faults) = workers.join_next().await {
        faults.expect("a worker").into_iter().for_each(|fault| _ = measured.fault(fault));
    }
    measured
        .note("kills_at_random_moments", tally.at_random.load(Ordering::Relaxed))
        .note("kills_at_failpoints", tally.at_points.load(Ordering::Relaxed))
        .note("failpoints", Point::ALL.len())
        .note("histories", tally.histories.load(Ordering::Relaxed))
        .note("rows", store.number("SELECT count(*) FROM fuel.transaction").await);
    measured
}

fn sync(yard: &Yard, store: &Store, variables: &[(&str, String)]) -> Process {
    Process::start(&["sync", "-q"], &config(yard, store), variables)
}

/// A few windows a stream: most of a run is beginning and ending one, where a kill hurts.
fn config(yard: &Yard, store: &Store) -> String {
    yard.config(store, SYNC).replace("[[hecone]]\n", "[[hecone]]\nwindow = \"3d\"\n")
}

/// Histories until there were enough kills. The first worker begins with the failpoints.
async fn work(
    yard: &Yard,
    expected: &str,
    tally: &Tally,
    mut dice: ChaCha8Rng,
    usual: Duration,
    size: u64,
    worker: u64,
) -> Vec<String> {
    let (store, mut faults) = (Store::new().await, Vec::new());
    if worker == 0 {
        for point in Point::ALL {
            // A small run dies once at each point; a full one also later, and again where the last one died.
            let (moments, again): (&[u64], u64) = if size < 1_000 { (&[1], 1) } else { (&[1, 2, 5], 3) };
            for times in moments {
                store.empty().await;
                let mut killed = 0;
                for _ in 0..again {
                    let variable = ("FUELSYNC_FAILPOINT", format!("{}@{times}", point.name()));
                    let from = yard.start.format("%Y-%m-%d").to_string();
                    let args: &[&str] =
                        if point == Point::Claimed { &["backfill", "-q", "--from", &from] } else { &["sync", "-q"] };
                    let ended = Process::start(args, &config(yard, &store), &[variable]).end().await;
                    killed += u64::from(ended.code.is_none());
                    store.expire().await;
                }
                tally.at_points.fetch_add(killed, Ordering::Relaxed);
                if killed == 0 && *times == 1 {
                    faults.push(format!("no run died at {}", point.name()));
                }
                faults.extend(last(yard, &store, expected, &format!("{}@{times}", point.name())).await);
                tally.histories.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    while tally.at_random.load(Ordering::Relaxed) < size && faults.len() < 20 {
        store.empty().await;
        for _ in 0..IN_A_ROW {
            let process = sync(yard, &store, &[]);
            tokio::time::sleep(usual.mul_f64(dice.random_range(0.0..1.1))).await;
            process.signal(Signal::SIGKILL);
            let ended = process.end().await;
            match ended.code {
                None => _ = tally.at_random.fetch_add(1, Ordering::Relaxed),
                Some(0) => {}
                Some(_) => faults.push(format!("a run after a kill ended {ended}")),
            }
            store.expire().await;
        }
        let history = tally.histories.fetch_add(1, Ordering::Relaxed);
        faults.extend(last(yard, &store, expected, &format!("history {history}")).await);
    }
    faults
}

/// The last run of a history is left alone: then all is there, once.
async fn last(yard: &Yard, store: &Store, expected: &str, history: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let ended = sync(yard, store, &[]).end().await;
    if ended.code != Some(0) {
        faults.push(format!("{history}: the last run ended {ended}"));
    }
    if history.starts_with(&Point::Claimed.name()) {
        // A backfill claims whole cells of the grid, where a pass begins at `start`: other windows, the same sales.
        faults.extend(yard.untrue(store).await.map(|fault| format!("{history}: {fault}")));
    } else if store.checksum().await != expected {
        let what = yard
            .untrue(store)
            .await
            .unwrap_or_else(|| "the sales are right; versions, windows or records differ".into());
        faults.push(format!("{history}: the tables differ: {what}"));
    }
    faults
}
