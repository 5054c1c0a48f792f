//! `sync`: one pass over all that is due, then exit.

use super::{Exit, Failure, Global, args::SyncArgs, bar::Bar, start, summary};

pub(super) async fn run(args: SyncArgs, global: &Global) -> Result<Exit, Failure> {
    let work = start::Work::begin(global, &args.select).await?;
    let run = work.warehouse.begin_run("sync", &work.app.host).await?;
    let bar = Bar::follow(&work.passes.progress);
    let done = work.passes.pass(&work.life.token()).await;
    bar.finish();
    work.end(run, &done).await;
    summary::print(&done, global.json)?;
    Ok(summary::exit(&done, work.life.signal()))
}
