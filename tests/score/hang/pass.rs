//! The wire to the database freezes at random messages of a pass over a stream.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
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
    let counted = Arc::clone(&messages);
    proxy.script(move |_| {
        counted.fetch_add(1, Relaxed);
        Act::Pass
    });
    of(&passes, SourceKind::AlexelaEv).await.expect("a pass that nothing holds up");
    // How the pass ended is told at its end, and may go wrong without any harm to it.
    let within = messages.load(Relaxed) * 4 / 5;
    let mut dice = ChaCha8Rng::seed_from_u64(run.seed);
    let mut cases = Vec::new();
    for number in 0..run.size {
        let (proxy, passes) = over_a_wire(yard, format!("pass-{number}")).await;
        let mut left = dice.random_range(0..within);
        let at = [At::Before, At::In][dice.random_range(0..2_usize)];
        let name = format!("a pass frozen at message {left} of {within}, {at:?}");
        proxy.script(move |_| {
            left = left.wrapping_sub(1);
            if left == u64::MAX { Act::Freeze(at) } else { Act::Pass }
        });
        // The pass has its time; then it is noted how it ended and where the watermark stands.
        cases.push(Case::at_most(
            name,
            PASS + 2 * SECOND,
            proxy,
            async move { of(&passes, SourceKind::AlexelaEv).await },
        ));
    }
    cases
}
