//! `remap`: normalizes the stored records again with today's rules.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Exit, Failure, Global, args::RemapArgs, output, start, table};
use crate::{
    lifecycle::Signal,
    sync::remap,
    warehouse::{
        grants,
        remap::{Column, Remap, Remapped},
    },
};

/// What `--json` prints.
#[derive(Serialize)]
struct Said {
    dry_run: bool,
    stopped: bool,
    #[serde(flatten)]
    done: Remapped,
}

pub(super) async fn run(args: RemapArgs, global: &Global) -> Result<Exit, Failure> {
    let config = global.load_with_accounts()?;
    args.select.check(&config)?;
    let life = start::lifecycle()?;
    let app = start::app(config)?;
    let warehouse = app.warehouse()?;
    warehouse.require_current().await?;
    if !args.dry_run {
        start::may_rewrite(&warehouse, grants::REMAPPING).await?;
    }
    warehouse.heed(&app.forgotten).await?;
    let work = Remap {
        sources: &args.select.source,
        accounts: &args.select.account,
        normalizer: &|stream| app.normalizer(stream),
        guard: &app.guard(),
        forgotten: &app.forgotten,
        present: app.clock.now(),
        dry_run: args.dry_run,
        limit: app.config.sync.window_timeout,
    };
    let (done, stopped, ended) = remap::run(&warehouse, &work, &life.token()).await;
    warehouse.close().await;
    if let Err(error) = ended {
        tracing::error!(
            lines = done.looked_at,
            changed = done.changed,
            "the remap ends here; what it wrote is committed"
        );
        return Err(error.into());
    }
    let said = Said { dry_run: args.dry_run, stopped, done };
    if global.json {
        output::json(&said)?;
    } else {
        output::line(&said.text())?;
    }
    Ok(if stopped { life.signal().map_or(Exit::Interrupted, Signal::exit) } else { Exit::Done })
}

impl Said {
    /// One line, the columns that differ, and what was left as it is.
    fn text(&self) -> String {
        let Remapped { looked_at, changed, inserted, removed, columns, .. } = &self.done;
        let verb = if self.dry_run { "would change" } else { "changed" };
        let mut said = format!("{changed} of {looked_at} line(s) {verb}");
        if inserted + removed > 0 {
            // Writing to a text does not fail.
            let _ = write!(said, ", {inserted} new, {removed} removed");
        }
        said.push_str(if self.dry_run { ". Nothing was written." } else { "." });
        if self.stopped {
            said.push_str(" Stopped; run it again for the rest.");
        }
        if !columns.is_empty() {
            let mut table = table::plain();
            table.set_header(["column", "lines", "for example"]);
            for (name, column) in columns {
                table.add_row([name.clone(), column.lines.to_string(), column.examples.join("\n")]);
            }
            let _ = write!(said, "\n\n{table}");
        }
        if self.done.altered.lines > 0 {
            let verb = if self.dry_run { "would be" } else { "were" };
            let Column { lines, examples } = &self.done.altered;
            let _ = write!(
                said,
                "\n{lines} of the line(s) had been altered by hand and {verb} written by their records, for example {}.",
                examples.join(", ")
            );
            if self.done.doubtful > 0 {
                let _ = write!(
                    said,
                    " {} of them stay told as altered by `prove`: their records come to something else than was once written, and \
                     may have been altered, too. `fuelsync verify --repair` asks the vendor.",
                    self.done.doubtful
                );
            }
        }
        if self.done.versions + self.done.quarantined > 0 {
            let verb = if self.dry_run { "would take" } else { "took" };
            let Remapped { versions, quarantined, .. } = self.done;
            let _ = write!(
                said,
                "\nToday's privacy rules {verb} something out of {versions} earlier image(s) and {quarantined} record(s) in quarantine."
            );
        }
        for (count, why) in [
            (self.done.unreadable, "cannot be read by today's rules: left as they are"),
            (
                self.done.missing,
                "have a line that is no longer at the source: left as it is, at HecOne with the whole transaction",
            ),
            (self.done.unconfigured, "belong to accounts that the configuration does not have: left as they are"),
        ] {
            if count > 0 {
                let _ = write!(said, "\n{count} transaction(s) {why}.");
            }
        }
        said
    }
}
