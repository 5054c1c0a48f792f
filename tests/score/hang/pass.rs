//! The wire to the database freezes at random messages of a pass over a stream, the last of them, too.
//!
//! A pass has `pass_timeout`. What it says of its end comes after that, and must: how it ended is noted, and the watermark
//! is asked for, each within `statement_timeout`. So the limit of the whole is the three of them together: the writing of
//! a window that freezes takes `window_timeout`, noting that takes a statement's time, and then the pass's own is over. A
//! second beyond that is what the figure allows to everybody.
//!
//! A pass whose work is done ends well though its lease cannot be given back (it expires by itself) or its end cannot be
//! noted (the log says so): from the giving back on both are right, but not that it waits longer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use fuelsync::{
    domain::{Partition, SourceKind, StreamId},
    sync::{pass::Passes, summary::StreamOutcome},
};
use rand::RngExt as _;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};
use tokio_util::sync::CancellationToken;

use super::{Case, PASS, SECOND, Yard};
use crate::{
    Run,
    support::dbproxy::{Act, At, DbProxy},
};

/// By so many messages one pass may differ from another, with a statement prepared on another connection, too.
const SLACK: u64 = 6;

/// A pass over the first stream of the first account.
pub(super) async fn of(passes: &Passes, kind: SourceKind) -> Result<(), String> {
    let account = &passes.accounts[0];
    let stream = StreamId::new(kind, account.source.account(), Partition::whole());
    let summary = passes.reader(account).pass(&stream, &CancellationToken::new()).await;
    if summary.outcome == StreamOutcome::Ok {
        Ok(())
    } else {
        Err(format!("{:?}: {:?}", summary.outcome, summary.error))
    }
}

/// A pass of an account that nobody else reads, over a wire of its own.
async fn over_a_wire(yard: &Yard, account: String) -> (DbProxy, Passes) {
    let proxy = DbProxy::new(yard.fleet.database.url()).await;
    let mut config = yard.config.clone();
    config.alexela[0].name = account;
    let warehouse = Yard::warehouse(&config, proxy.url());
    (proxy, yard.process(config, warehouse, SourceKind::AlexelaEv))
}

pub(super) async fn cases(yard: &Yard, run: Run) -> Vec<Case> {
    let (proxy, passes) = over_a_wire(yard, "calm".to_owned()).await;
    let messages = Arc::new(AtomicU64::new(0));
    let done = Arc::new(AtomicU64::new(u64::MAX));
    let (counted, noted) = (Arc::clone(&messages), Arc::clone(&done));
    let mut begun = 0;
    proxy.script(move |message| {
        let number = counted.fetch_add(1, Relaxed);
        if message.sql.starts_with("BEGIN") {
            begun = number;
        } else if message.sql.contains("SET lease_owner = NULL") {
            noted.fetch_min(begun, Relaxed);
        }
        Act::Pass
    });
    of(&passes, SourceKind::AlexelaEv).await.expect("a pass that nothing holds up");
    let (within, done) = (messages.load(Relaxed), done.load(Relaxed));
    assert!(done < within, "the lease is given back in the course of a pass");
    let mut dice = ChaCha8Rng::seed_from_u64(run.seed);
    let mut cases = Vec::new();
    for number in 0..run.size {
        let (proxy, passes) = over_a_wire(yard, format!("pass-{number}")).await;
        let mut left = dice.random_range(0..within - SLACK);
        let work_is_done = left + SLACK >= done;
        let at = [At::Before, At::In][dice.random_range(0..2_usize)];
        let name = format!("a pass frozen at message {left} of {within} (work done at {done}), {at:?}");
        let frozen = Arc::new(AtomicBool::new(false));
        let froze = Arc::clone(&frozen);
        proxy.script(move |_| {
            left = left.wrapping_sub(1);
            if left == u64::MAX {
                froze.store(true, Relaxed);
                Act::Freeze(at)
            } else {
                Act::Pass
            }
        });
        let case = Case::at_most(name, PASS + 2 * SECOND, proxy, async move {
            let ended = of(&passes, SourceKind::AlexelaEv).await;
            if ended.is_ok() && work_is_done && frozen.load(Relaxed) { Err("it ended well".to_owned()) } else { ended }
        });
        let least = if work_is_done { Duration::ZERO } else { case.least };
        cases.push(Case { least, ..case });
    }
    cases
}
