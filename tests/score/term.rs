//! `term`: SIGTERM or SIGINT at a random moment ends the process soon, with the right code, and nothing half-written.
//!
//! Some are stopped while a vendor is silent, which must make no difference, and some while the database is: then nothing can
//! be given back or noted, and the hard end at five seconds is what counts.

use std::time::Duration;

use nix::sys::signal::Signal;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use fuelsync::sandbox::faults::{Fault, Script};

use crate::{
    Measured, Run, now,
    support::dbproxy::DbProxy,
    yard::{Process, Store, Yard},
};

const SALES: u64 = 2_000;
const SYNC: &str = "lease = \"5s\"\nreread = [{younger_than = \"400d\", every = \"30s\"}]";
/// Stops after which the store is looked at as a whole.
const TOGETHER: u64 = 25;

/// Who does not answer while the process is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silent {
    Nobody,
    Vendor,
    Database,
}

/// Makes `size` stops of `sync`, `backfill` and `run`.
pub(crate) async fn measure(run: Run) -> Measured {
    let mut measured = Measured::default();
    let mut dice = ChaCha8Rng::seed_from_u64(run.seed);
    let yard = Yard::new(SALES, run.seed, |_| {}).await;
    let store = Store::new().await;
    let config = yard.config(&store, SYNC).replace("[[hecone]]\n", "[[hecone]]\nschedule = \"* * * * * *\"\n");
    let begun = now();
    Process::start(&["sync", "-q"], &config, &[]).end().await;
    let usual = begun.elapsed();
    // Stops that wait for nobody but perhaps a vendor, and those at which the database is silent.
    let (mut times, mut frozen): (Vec<Duration>, Vec<Duration>) = (Vec::new(), Vec::new());
    let (mut stopped, mut done, mut ended_first, mut looks) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut since_looked = 0;
    while (times.len() + frozen.len()) as u64 != run.size && measured.is_green() {
        let number = (times.len() + frozen.len()) as u64;
        if since_looked == 0 {
            store.empty().await;
        }
        let command = ["sync", "backfill", "run"][usize::try_from(number % 3).unwrap_or(0)];
        let args: &[&str] = if command == "backfill" {
            &["backfill", "-q", "--from", "2000-01-01", "--again"]
        } else {
            &[command, "-q"]
        };
        // Mostly all is well; some are stopped while the vendor, and some while the database does not answer.
        let silent = match number % 10 {
            4 => Silent::Vendor,
            8 => Silent::Database,
            _ => Silent::Nobody,
        };
        let proxy = DbProxy::new(store.url()).await;
        let text = if silent == Silent::Database { config.replace(store.url(), proxy.url()) } else { config.clone() };
        // Every window is due: there is something to be stopped in.
        store.age().await;
        let mut process = Process::start(args, &text, &[]);
        let signal = if dice.random_bool(0.5) { Signal::SIGTERM } else { Signal::SIGINT };
        process.listens().await;
        tokio::time::sleep(usual.mul_f64(dice.random_range(0.0..0.8))).await;
        match silent {
            Silent::Nobody => {}
            Silent::Vendor => yard.sandbox.faults().script(Script {
                path: String::new(),
                after: 0,
                times: u64::MAX,
                fault: Fault::Latency(Duration::from_mins(1)),
            }),
            Silent::Database => proxy.freeze(),
        }
        if process.has_ended() {
            ended_first += 1;
            measured.goal(ended_first < 20 + 10 * run.size, || "most runs end before they can be stopped".to_owned());
        } else {
            process.signal(signal);
            let begun = now();
            let ended = process.end().await;
            if silent == Silent::Database { &mut frozen } else { &mut times }.push(begun.elapsed());
            let asked = if signal == Signal::SIGTERM { 143 } else { 130 };
            match ended.code {
                Some(0) => done += 1,
                Some(code) if code == asked && command != "run" => stopped += 1,
                _ => _ = measured.fault(format!("{command} after {signal}, {silent:?} silent, ended {ended}")),
            }
        }
        proxy.cut();
        drop(proxy);
        yard.sandbox.faults().clear();
        store.expire().await;
        since_looked = (since_looked + 1) % TOGETHER;
        if since_looked == 0 || (times.len() + frozen.len()) as u64 == run.size {
            let ended = Process::start(&["sync", "-q"], &config, &[]).end().await;
            measured.goal(ended.code == Some(0), || format!("the run after the stops ended {ended}"));
            if let Some(fault) = yard.untrue(&store).await {
                measured.fault(fault);
            }
            looks += 1;
        }
    }
    times.sort_unstable();
    let p99 = percentile(&times, 99);
    frozen.sort_unstable();
    let most = times.iter().chain(&frozen).max().copied().unwrap_or_default();
    measured
        .goal(p99 <= Duration::from_secs(1), || format!("p99 {p99:?}"))
        .goal(most <= Duration::from_secs(5), || format!("max {most:?}"))
        .note("stops", times.len() + frozen.len())
        .note("stopped_in_the_middle", stopped)
        .note("runs_that_ended_first", ended_first)
        .note("looks_at_the_whole_table", looks)
        .note("with_a_silent_database", frozen.len())
        .note("with_a_silent_database_p50_ms", millis(percentile(&frozen, 50)))
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
