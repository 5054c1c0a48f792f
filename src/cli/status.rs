//! `status`: where each stream stands.

use chrono::{DateTime, Utc};
use comfy_table::{Cell, CellAlignment};

use super::{Exit, Failure, Global, args::StatusArgs, output, run, start, table};
use crate::{
    status::view::{StreamView, View},
    sync::retention::SOON_DAYS,
};

/// What is lost sooner than in so many seconds is said in words.
const SOON: i64 = SOON_DAYS.cast_signed() * 86_400;

pub(super) async fn run(args: StatusArgs, global: &Global) -> Result<Exit, Failure> {
    let config = global.load()?;
    if !args.select.account.is_empty() {
        args.select.check(&config)?;
    }
    let app = start::app(config)?;
    let warehouse = app.warehouse()?;
    warehouse.require_current().await?;
    let mut view = run::camera(&app, &warehouse, None).take().await;
    warehouse.close().await;
    if !view.database.is_readable() {
        return Err(Failure::new(Exit::Database, view.database.problem.unwrap_or_default()));
    }
    view.streams.retain(|stream| args.select.matches(stream.source, &stream.account));
    if global.json {
        output::json(&view)?;
    } else {
        output::line(&text(&view))?;
    }
    Ok(Exit::Done)
}

fn text(view: &View) -> String {
    if view.streams.is_empty() {
        return "No stream has been read yet. `fuelsync sync` reads what is due.".to_owned();
    }
    let mut table = table::plain();
    table.set_header([
        "stream",
        "watermark",
        "behind",
        "unread",
        "lost in",
        "last pass",
        "rows",
        "gaps",
        "quar.",
        "next due",
    ]);
    for stream in &view.streams {
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        table.add_row(vec![
            Cell::new(name(stream)),
            Cell::new(moment(stream.watermark, "%Y-%m-%d %H:%M")),
            right(stream.freshness_seconds.map_or_else(|| "–".to_owned(), behind)),
            right(stream.unread_age_seconds.map_or_else(|| "–".to_owned(), behind)),
            right(stream.unrecoverable_in_seconds.map_or_else(|| "–".to_owned(), behind)),
            Cell::new(moment(stream.last_pass, "%m-%d %H:%M")),
            right(stream.rows.to_string()),
            right(stream.gaps.to_string()),
            right(stream.quarantine.to_string()),
            Cell::new(moment(stream.next_due, "%H:%M:%S")),
        ]);
    }
    let mut said = vec![table.to_string()];
    if let Some(problem) = &view.database.problem {
        said.push(format!("NOTHING IS WRITTEN: {problem}"));
    }
    for stream in &view.streams {
        if stream.late && stream.watermark.is_none() {
            said.push(format!("{}: never read, though it is due", name(stream)));
        }
        if let (Some(from), Some(left)) = (stream.unread_from, stream.unrecoverable_in_seconds)
            && left < SOON
        {
            said.push(format!(
                "{}: not read from {} on, and the source serves that for {} more: it is read first; see why it was not",
                name(stream),
                from.format("%Y-%m-%d %H:%M"),
                behind(left)
            ));
        }
        if let Some(error) = &stream.last_error {
            said.push(format!("{}: {error}", name(stream)));
        }
        if let Some(owner) = &stream.lease_owner {
            said.push(format!("{}: being read by {owner}", name(stream)));
        }
    }
    said.join("\n")
}

fn name(stream: &StreamView) -> String {
    format!("{}/{}/{}", stream.source, stream.account, stream.partition)
}

fn moment(at: Option<DateTime<Utc>>, format: &str) -> String {
    at.map_or_else(|| "–".to_owned(), |at| at.format(format).to_string())
}

/// Seconds as a person says them: `40s`, `15m`, `3h`, `2d`.
fn behind(seconds: i64) -> String {
    match seconds {
        s if s < 120 => format!("{s}s"),
        s if s < 7_200 => format!("{}m", s / 60),
        s if s < 172_800 => format!("{}h", s / 3_600),
        s => format!("{}d", s / 86_400),
    }
}
