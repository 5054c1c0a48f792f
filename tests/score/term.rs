//! `term`: SIGTERM or SIGINT at a random moment ends the process soon, with the right code, and nothing half-written.

use std::time::Duration;

use nix::sys::signal::Signal;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{
    Measured, Run, now,
    yard::{Process, Store, Yard},
};

const SALES: u64 = 2_000;
/// Stops after which the store is looked at as a whole.
const TOGETHER: u64 = 25;

/// Makes `size` stops of `sync`, `backfill` and `run`.
pub(crate) async fn measure(run: Run) -> Measured {
    let mut measured = Measured::default();
    let mut dice = ChaCha8Rng::seed_from_u64(run.seed);
    let yard = Yard::new(SALES, run.seed, |_| {}).await;
    let store = Store::new().await;
    let config =
        yard.config(&store, "lease = \"5s\"").replace("[[hecone]]\n", "[[hecone]]\nschedule = \"* * * * * *\"\n");
    let begun = now();
    Process::start(&["sync", "-q"], &config, &[]).end().await;
    let usual = begun.elapsed();
    let mut times: Vec<Duration> = Vec::new();
    let (mut stopped, mut done) = (0_u64, 0_u64);
    for stop in 0..run.size {
        if stop % TOGETHER == 0 {
            store.empty().await;
        }
        let command = ["sync", "backfill", "run"][usize::try_from(stop % 3).unwrap_or(0)];
        let args: &[&str] = if command == "backfill" {
            &["backfill", "-q", "--from", "2000-01-01", "--again"]
        } else {
            &[command, "-q"]
        };
        let mut process = Process::start(args, &config, &[]);
        let signal = if dice.random_bool(0.5) { Signal::SIGTERM } else { Signal::SIGINT };
        // Not before it listens: what a signal does to a program that has not begun is the system's affair.
        tokio::time::sleep(Duration::from_millis(30) + usual.mul_f64(dice.random_range(0.0..1.0))).await;
        if process.has_ended() {
            done += 1;
            store.expire().await;
            continue;
        }
        process.signal(signal);
        let begun = now();
        let ended = process.end().await;
        times.push(begun.elapsed());
        let asked = if signal == Signal::SIGTERM { 143 } else { 130 };
        match ended.code {
            Some(0) => done += 1,
            Some(code) if code == asked && command != "run" => stopped += 1,
            _ => _ = measured.fault(format!("{command} after {signal} ended {ended}")),
        }
        if !measured.is_green() {
            break;
        }
        store.expire().await;
        if stop % TOGETHER == TOGETHER - 1 || stop + 1 == run.size {
            let ended = Process::start(&["sync", "-q"], &config, &[]).end().await;
            measured.goal(ended.code == Some(0), || format!("the run after the stops ended {ended}"));
            if let Some(fault) = yard.untrue(&store).await {
                measured.fault(fault);
            }
        }
    }
    times.sort_unstable();
    let p99 = percentile(&times, 99);
    let most = times.last().copied().unwrap_or_default();
    measured
        .goal(p99 <= Duration::from_secs(1), || format!("p99 {p99:?}"))
        .goal(most <= Duration::from_secs(5), || format!("max {most:?}"))
        .note("stopped_in_the_middle", stopped)
        .note("ended_with_0", done)
        .note("p50_ms", millis(percentile(&times, 50)))
        .note("p99_ms", millis(p99))
        .note("max_ms", millis(most));
    measured
}

/// The value that so many per cent of the sorted ones do not exceed.
pub(crate) fn percentile(sorted: &[Duration], per_cent: usize) -> Duration {
    let at = (sorted.len() * per_cent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or_default()
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
