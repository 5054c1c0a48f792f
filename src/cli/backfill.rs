//! `backfill`: loads a stretch of history beside a running daemon.

use super::{Exit, Failure, Global, args::BackfillArgs, args::stretch, start, summary};
use crate::sync::backfill::{self, Stretch};

pub(super) async fn run(args: BackfillArgs, global: &Global) -> Result<Exit, Failure> {
    if let Some(to) = args.to {
        stretch(args.from, to)?;
    }
    let work = start::Work::begin(global, &args.select).await?;
    let run = work.warehouse.begin_run("backfill", &work.app.host).await?;
    let workers = args.workers.map_or(work.app.config.sync.workers, usize::from);
    let bar = summary::Bar::follow(&work.passes.progress);
    let asked = Stretch { from: args.from, to: args.to, again: args.again, workers };
    let done = backfill::run(&work.passes, asked, &work.life.token()).await;
    bar.finish();
    work.end(run, &done).await;
    summary::print(&done, global.json)?;
    Ok(summary::exit(&done, work.life.signal()))
}
