//! `takeover`: when the process that reads a stream is killed or frozen, another one takes the stream over as soon as the
//! lease expires, without waiting for its schedule.

use std::time::Duration;

use fuelsync::sandbox::faults::{Fault, Script};
use nix::sys::signal::Signal;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{
    Measured, Run, now,
    term::{millis, percentile},
    yard::{Process, Store, Yard},
};

/// Streams that one process holds at the same time.
const CONTRACTS: usize = 40;
const SALES: u64 = 2_000;
/// Beyond the lease's own time.
const SLACK: Duration = Duration::from_secs(2);

/// Takes over `size` streams. Small sizes use a lease of 2 s, the goal's the default of 15 s.
pub(crate) async fn measure(run: Run) -> Measured {
    let mut measured = Measured::default();
    let mut dice = ChaCha8Rng::seed_from_u64(run.seed);
    let lease = Duration::from_secs(if run.size < 500 { 2 } else { 15 });
    let yard = Yard::new(SALES, run.seed, |options| options.world.contracts = CONTRACTS).await;
    let store = Store::new().await;
    // Every five minutes, and once when it starts: a stream that waited for the schedule would wait for minutes.
    let config = yard
        .config(&store, &format!("lease = \"{}s\"\nworkers = 64", lease.as_secs()))
        .replace("[database]\n", "[database]\nmax_connections = 12\n");
    // The vendor is slow: whoever reads a stream holds it.
    let slow = Fault::Latency(Duration::from_secs(2));
    yard.sandbox.faults().script(Script {
        path: "ContractTransactions".into(),
        after: 0,
        times: u64::MAX,
        fault: slow,
    });
    let (mut taken, mut rounds, mut frozen) = (Vec::new(), 0_u64, 0_u64);
    while (taken.len() as u64) < run.size {
        store.empty().await;
        rounds += 1;
        let owner = Process::start(&["run", "-q"], &config, &[]);
        let held = held_streams(&store, CONTRACTS).await;
        measured.goal(held.len() == CONTRACTS, || format!("the first process held {} streams", held.len()));
        let heir = Process::start(&["run", "-q"], &config, &[]);
        // Until the heir has found every stream held.
        tokio::time::sleep(Duration::from_millis(1_500 + dice.random_range(0..500))).await;
        let freeze = rounds.is_multiple_of(2);
        let before = held_streams(&store, CONTRACTS).await;
        owner.signal(if freeze { Signal::SIGSTOP } else { Signal::SIGKILL });
        let begun = now();
        frozen += u64::from(freeze);
        let mut waiting = before;
        while !waiting.is_empty() && begun.elapsed() < lease + Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(15)).await;
            let owners = owners(&store).await;
            let elapsed = begun.elapsed();
            waiting.retain(|(stream, dead)| {
                let is_taken = owners.iter().any(|(other, owner)| other == stream && owner != dead);
                if is_taken {
                    taken.push(elapsed);
                }
                !is_taken
            });
        }
        measured.goal(waiting.is_empty(), || format!("{} streams were never taken over", waiting.len()));
        taken.extend(waiting.iter().map(|_| begun.elapsed()));
        // A frozen one that comes back finds its streams gone and writes nothing of what it had read.
        owner.signal(Signal::SIGCONT);
        tokio::time::sleep(Duration::from_millis(200)).await;
        owner.signal(Signal::SIGTERM);
        heir.signal(Signal::SIGTERM);
        owner.end().await;
        heir.end().await;
        if !measured.is_green() {
            break;
        }
    }
    yard.sandbox.faults().clear();
    store.expire().await;
    let last = Process::start(&["sync", "-q"], &config, &[]).end().await;
    measured.goal(last.code == Some(0), || format!("the last run ended {last}"));
    if let Some(fault) = yard.untrue(&store).await {
        measured.fault(fault);
    }
    taken.sort_unstable();
    let p99 = percentile(&taken, 99);
    measured
        .goal(p99 <= lease + SLACK, || format!("p99 {p99:?}"))
        .note("taken_over", taken.len())
        .note("rounds", rounds)
        .note("rounds_with_a_frozen_owner", frozen)
        .note("lease_ms", millis(lease))
        .note("p50_ms", millis(percentile(&taken, 50)))
        .note("p99_ms", millis(p99))
        .note("max_ms", millis(taken.last().copied().unwrap_or_default()));
    measured
}

/// Streams of cards with the owner of their lease.
async fn owners(store: &Store) -> Vec<(String, String)> {
    sqlx::query_as(
        "SELECT partition, lease_owner FROM fuel.checkpoint WHERE source = 'alexela_card' AND lease_owner IS NOT NULL",
    )
    .fetch_all(&store.pool)
    .await
    .expect("leases")
}

/// Waits until so many are held.
async fn held_streams(store: &Store, wanted: usize) -> Vec<(String, String)> {
    for _ in 0..1_000 {
        let held = owners(store).await;
        if held.len() >= wanted {
            return held;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    owners(store).await
}
