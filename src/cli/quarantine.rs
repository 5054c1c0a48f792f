//! `quarantine list`, `show`, `replay`, `drop`: the records that could not be normalised.

use super::{
    Exit, Failure, Global,
    args::{QuarantineDropArgs, QuarantineListArgs, QuarantineReplayArgs, QuarantineShowArgs},
    output, start, table,
};
use crate::{
    lifecycle::Signal,
    sync::{
        replay::{Replay, Replayed},
        summary::Outcome,
    },
    warehouse::{Disposition, Warehouse},
};

async fn warehouse(global: &Global) -> Result<Warehouse, Failure> {
    let warehouse = start::app(global.load()?)?.warehouse()?;
    warehouse.require_current().await?;
    Ok(warehouse)
}

pub(super) async fn list(args: QuarantineListArgs, global: &Global) -> Result<Exit, Failure> {
    let mut rows = warehouse(global).await?.quarantined(None, args.all).await?;
    rows.retain(|row| row.source.parse().is_ok_and(|source| args.select.matches(source, &row.account)));
    if global.json {
        output::json(&rows)?;
        return Ok(Exit::Done);
    }
    if rows.is_empty() {
        output::line("Nothing is in quarantine.")?;
        return Ok(Exit::Done);
    }
    let mut table = table::plain();
    table.set_header(["id", "stream", "transaction", "field", "reason", "last seen"]);
    for row in &rows {
        let stream = format!("{}/{}/{}", row.source, row.account, row.partition);
        let seen = row.last_seen_at.format("%Y-%m-%d %H:%M").to_string();
        let transaction = row.source_transaction_id.clone().unwrap_or_else(|| "–".to_owned());
        let resolved = row.resolved_at.map_or("", |_| " (resolved)");
        table.add_row([
            row.id.to_string(),
            stream,
            transaction,
            row.field.clone(),
            format!("{}{resolved}", row.reason),
            seen,
        ]);
    }
    output::line(&table.to_string())?;
    Ok(Exit::Done)
}

pub(super) async fn show(args: QuarantineShowArgs, global: &Global) -> Result<Exit, Failure> {
    let rows = warehouse(global).await?.quarantined(Some(args.id), true).await?;
    let Some(row) = rows.first() else { return Err(unknown(args.id)) };
    if global.json {
        output::json(row)?;
    } else {
        let resolved =
            row.resolved_at.map_or_else(|| "open".to_owned(), |at| format!("resolved {}", at.format("%Y-%m-%d %H:%M")));
        output::line(&format!(
            "{} of {}/{}/{}, transaction {}, {resolved}\nfield   {}\nreason  {}\nfirst   {}\nlast    {}\n\n{}",
            row.id,
            row.source,
            row.account,
            row.partition,
            row.source_transaction_id.as_deref().unwrap_or("–"),
            row.field,
            row.reason,
            row.first_seen_at.format("%Y-%m-%d %H:%M:%S"),
            row.last_seen_at.format("%Y-%m-%d %H:%M:%S"),
            row.record.as_deref().unwrap_or_default()
        ))?;
    }
    Ok(Exit::Done)
}

pub(super) async fn replay(args: QuarantineReplayArgs, global: &Global) -> Result<Exit, Failure> {
    let work = start::Work::begin_checked(global, &args.select).await?;
    let mut open = work.warehouse.open_quarantine().await?;
    open.retain(|record| args.select.matches(record.stream.source, &record.stream.account));
    if !args.id.is_empty() {
        let unknown: Vec<_> = args.id.iter().filter(|id| !open.iter().any(|record| record.id == **id)).collect();
        if !unknown.is_empty() {
            let named = unknown.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(Failure::usage(format!("no open record in quarantine has the id {named}"))
                .next("Nothing was replayed. `fuelsync quarantine list` shows what there is."));
        }
        open.retain(|record| args.id.contains(&record.id));
    }
    let run = work.warehouse.begin_run("replay", &work.app.host).await?;
    let replay = Replay {
        warehouse: &work.warehouse,
        settings: &work.app.config.sync,
        owner: &work.app.owner,
        normalizer: &|stream| work.app.normalizer(stream),
        present: work.app.clock.now(),
    };
    let (done, ended) = replay.run(&open, &work.life.token()).await;
    let outcome = match &ended {
        Ok(()) if done.stopped => Outcome::Stopped,
        Ok(()) => Outcome::Ok,
        Err(error) if error.disposition() == Disposition::StopPass => Outcome::NoDatabase,
        Err(_) => Outcome::Partial,
    };
    if let Err(error) = work.warehouse.end_run(run, outcome.as_str(), 0, &done.counts).await {
        tracing::warn!(error = %error, "the run's row in fuel.sync_run could not be closed");
    }
    work.warehouse.close().await;
    if let Err(error) = ended {
        tracing::error!(replayed = done.replayed.len(), "the replay ends here; what it wrote is committed");
        return Err(error.into());
    }
    if global.json {
        output::json(&done)?;
    } else {
        output::line(&said(&done))?;
    }
    Ok(if done.stopped { work.life.signal().map_or(Exit::Interrupted, Signal::exit) } else { Exit::Done })
}

/// One line, and below it why each of the others is where it was.
fn said(done: &Replayed) -> String {
    if done.replayed.is_empty() && done.still.is_empty() && done.left.is_empty() {
        return "Nothing is in quarantine.".to_owned();
    }
    let (replayed, still, left) = (done.replayed.len(), done.still.len(), done.left.len());
    let mut said = vec![format!(
        "{replayed} replayed ({} new lines, {} changed), {still} still in quarantine, {left} left.",
        done.counts.inserted + done.counts.outside,
        done.counts.updated
    )];
    said.extend(
        done.still.iter().map(|still| format!("{}: still in quarantine: {} {}", still.id, still.field, still.reason)),
    );
    said.extend(done.left.iter().map(|left| format!("{}: left: {}", left.id, left.why)));
    said.join("\n")
}

pub(super) async fn drop(args: QuarantineDropArgs, global: &Global) -> Result<Exit, Failure> {
    let warehouse = warehouse(global).await?;
    let mut dropped = Vec::new();
    let mut unknown_ids = Vec::new();
    for id in args.id {
        if warehouse.drop_quarantined(id).await? { dropped.push(id) } else { unknown_ids.push(id) }
    }
    if dropped.is_empty()
        && let Some(id) = unknown_ids.first()
    {
        return Err(unknown(*id));
    }
    if global.json {
        output::json(&serde_json::json!({ "dropped": dropped, "unknown": unknown_ids }))?;
    } else {
        output::line(&format!("{} record(s) dropped; met again, they stay resolved.", dropped.len()))?;
    }
    unknown_ids.first().map_or(Ok(Exit::Done), |id| Err(unknown(*id)))
}

fn unknown(id: i64) -> Failure {
    Failure::usage(format!("no open record in quarantine has the id {id}"))
        .next("`fuelsync quarantine list` shows them.")
}
