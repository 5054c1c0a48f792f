//! `kill`: SIGKILL at random moments and at every failpoint loses nothing and makes nothing twice.
//!
//! A history is a database in which runs are killed one after the other, until one ends or there were enough; then one is
//! left alone, and all tables must be those of a history in which nobody was killed. Every second history begins with the
//! world as it was days before, so that the kills meet changes, versions and rows that are gone, not only first loads.

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
const SYNC: &str = "lease = \"5s\"\nreread = [{younger_than = \"400d\", every = \"1h\"}]";
/// The days by which the world is younger in which every second history begins.
const EARLIER: i64 = 5;

#[derive(Default)]
struct Tally {
    /// Ended by SIGKILL from outside.
    at_random: AtomicU64,
    /// Ended at a failpoint.
    at_points: AtomicU64,
    /// Of those at random moments: after a window was committed in the history.
    midway: AtomicU64,
    /// Runs that ended before they could be killed.
    ended: AtomicU64,
    /// Histories: a database, killed again and again, then led to its end.
    histories: AtomicU64,
}

/// Makes `size` kills, and each failpoint for each of the first few times that it is reached.
pub(crate) async fn measure(run: Run) -> Measured {
    let mut measured = Measured::default();
    let yard = Yard::new(SALES, run.seed, |_| {}).await;
    let earlier = Yard::new(SALES, run.seed, |options| {
        options.world.as_of = options.world.as_of.map(|as_of| as_of - chrono::TimeDelta::days(EARLIER));
    })
    .await;
    let store = Store::new().await;
    let begun = now();
    let mut expected = Vec::new();
    let mut usual = Duration::ZERO;
    let worlds = Worlds { yard, earlier };
    for changing in [false, true] {
        store.empty().await;
        worlds.begin(&store, changing).await;
        let faults = worlds.last(&store, None, "the uninterrupted run").await;
        for fault in faults {
            measured.fault(fault);
        }
        expected.push(store.checksum(worlds.yard.as_of).await);
        // A first load's.
        if !changing {
            usual = begun.elapsed();
        }
    }
    let changes = store.number("SELECT count(*) FROM fuel.transaction_version").await;
    measured.goal(changes > 0, || "nothing changes in this world".to_owned());
    let worlds = Arc::new(worlds);
    let tally = Arc::new(Tally::default());
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..SIDE_BY_SIDE {
        let (worlds, expected, tally) = (Arc::clone(&worlds), expected.clone(), Arc::clone(&tally));
        let dice = ChaCha8Rng::seed_from_u64(run.seed.wrapping_mul(1_000).wrapping_add(worker));
        workers.spawn(async move { work(&worlds, &expected, &tally, dice, usual, run.size, worker).await });
    }
    while let Some(faults) = workers.join_next().await {
        faults.expect("a worker").into_iter().for_each(|fault| _ = measured.fault(fault));
    }
    measured
        .note("kills_at_random_moments", tally.at_random.load(Ordering::Relaxed))
        .note("kills_at_failpoints", tally.at_points.load(Ordering::Relaxed))
        .note("failpoints", Point::ALL.len())
        .note("kills_after_something_was_committed", tally.midway.load(Ordering::Relaxed))
        .note("runs_that_ended_first", tally.ended.load(Ordering::Relaxed))
        .note("histories", tally.histories.load(Ordering::Relaxed))
        .note("changes_in_a_history", changes)
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
    worlds: &Worlds,
    expected: &[String],
    tally: &Tally,
    mut dice: ChaCha8Rng,
    usual: Duration,
    size: u64,
    worker: u64,
) -> Vec<String> {
    let (store, mut faults, yard) = (Store::new().await, Vec::new(), &worlds.yard);
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
                // A backfill claims whole cells of the grid, where a pass begins at `start`: other windows, the same sales.
                let expected = (point != Point::Claimed).then(|| expected[0].as_str());
                faults.extend(worlds.last(&store, expected, &format!("{}@{times}", point.name())).await);
                tally.histories.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    while tally.at_random.load(Ordering::Relaxed) < size && faults.len() < 20 {
        store.empty().await;
        let changing = dice.random_bool(0.5);
        worlds.begin(&store, changing).await;
        for _ in 0..IN_A_ROW {
            let process = sync(yard, &store, &[]);
            tokio::time::sleep(usual.mul_f64(dice.random_range(0.0..1.0))).await;
            process.signal(Signal::SIGKILL);
            let ended = process.end().await;
            match ended.code {
                None => _ = tally.at_random.fetch_add(1, Ordering::Relaxed),
                Some(0) => _ = tally.ended.fetch_add(1, Ordering::Relaxed),
                Some(_) => faults.push(format!("a run after a kill ended {ended}")),
            }
            store.expire().await;
            if ended.code.is_some() {
                break;
            }
            let committed = store.number("SELECT count(*) FROM fuel.sync_window WHERE read_through IS NOT NULL").await;
            tally.midway.fetch_add(u64::from(committed > 0), Ordering::Relaxed);
        }
        let history = tally.histories.fetch_add(1, Ordering::Relaxed);
        let expected = expected[usize::from(changing)].as_str();
        faults.extend(worlds.last(&store, Some(expected), &format!("history {history}")).await);
    }
    faults
}

/// The world as it stands, and as it stood days before.
struct Worlds {
    yard: Yard,
    earlier: Yard,
}

impl Worlds {
    /// Begins a history: with nothing, or with what there was days before.
    async fn begin(&self, store: &Store, changing: bool) {
        if changing {
            let ended = sync(&self.earlier, store, &[]).end().await;
            assert_eq!(ended.code, Some(0), "the world of days before: {ended}");
            store.expire().await;
            store.age().await;
        }
    }

    /// The last run of a history is left alone: then all is there, once, as it is where nobody was killed. No window is made
    /// due again for it: reading it once more would mend what a kill had lost.
    async fn last(&self, store: &Store, expected: Option<&str>, history: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let ended = sync(&self.yard, store, &[]).end().await;
        if ended.code != Some(0) {
            faults.push(format!("{history}: the last run ended {ended}"));
        }
        match expected {
            Some(expected) if store.checksum(self.yard.as_of).await != expected => {
                let what = self.yard.untrue(store).await;
                let what =
                    what.unwrap_or_else(|| "the sales are right; versions, windows or records differ".to_owned());
                faults.push(format!("{history}: the tables differ: {what}"));
            }
            Some(_) => {}
            None => faults.extend(self.yard.untrue(store).await.map(|fault| format!("{history}: {fault}"))),
        }
        faults
    }
}
