//! `backfill`: loads a stretch of history beside a running daemon.

use super::{
    Exit, Failure, Global,
    args::{BackfillArgs, stretch},
    bar::Bar,
    output, start, summary,
};
use crate::sync::{
    backfill::{self, Stretch},
    summary::Outcome,
};

pub(super) async fn run(args: BackfillArgs, global: &Global) -> Result<Exit, Failure> {
    if let Some(to) = args.to {
        stretch(args.from, to)?;
    }
    let work = start::Work::begin(global, &args.select).await?;
    if args.from >= work.app.clock.now() {
        return Err(Failure::usage(format!("--from {} has not come yet", args.from))
            .next("A backfill loads what was sold; give an earlier time."));
    }
    let run = work.warehouse.begin_run("backfill", &work.app.host).await?;
    // They take turns at writing; but each claims its windows, and more than there are connections would wait for those.
    let most = usize::try_from(work.app.config.database.max_connections).unwrap_or(usize::MAX);
    let workers = args.workers.map_or(work.app.config.sync.workers, usize::from).min(most.max(1));
    let bar = Bar::follow(&work.passes.progress);
    let asked = Stretch { from: args.from, to: args.to, again: args.again, workers };
    let done = backfill::run(&work.passes, asked, &work.life.token()).await;
    bar.finish();
    work.end(run, &done).await;
    summary::print(&done, global.json)?;
    if !global.json && done.outcome == Outcome::Ok && done.totals().0 == 0 {
        output::line("Nothing to do: every window of the stretch has been read before; --again reads them again.")?;
    }
    Ok(summary::exit(&done, work.life.signal()))
}
