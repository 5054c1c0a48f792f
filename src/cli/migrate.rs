//! `migrate`: applies the migrations, or says which are missing.

use serde::Serialize;

use super::{Exit, Failure, Global, args::MigrateArgs, output, start};

#[derive(Serialize)]
struct Said {
    applied: usize,
    missing: Vec<String>,
    unknown: Vec<i64>,
    altered: Vec<i64>,
}

pub(super) async fn run(args: MigrateArgs, global: &Global) -> Result<Exit, Failure> {
    let app = start::app(global.load()?)?;
    let warehouse = app.warehouse()?;
    if !args.check {
        warehouse.migrate().await?;
    }
    let state = warehouse.migration_state().await?;
    warehouse.close().await;
    let current = state.is_current();
    let said = Said {
        applied: state.applied,
        missing: state.missing.iter().map(|(number, name)| format!("{number:04} {name}")).collect(),
        unknown: state.unknown,
        altered: state.altered,
    };
    if global.json {
        output::json(&said)?;
    } else if current {
        output::line(&format!("The database is up to date: {} migration(s) applied.", said.applied))?;
    } else {
        let mut text = vec![format!("{} migration(s) applied.", said.applied)];
        for missing in &said.missing {
            text.push(format!("missing: {missing}  (run `fuelsync migrate`)"));
        }
        for version in &said.unknown {
            text.push(format!("unknown: {version:04}  (applied by a later fuelsync: use that version)"));
        }
        for version in &said.altered {
            text.push(format!("altered: {version:04}  (applied with another text: use the fuelsync that applied it)"));
        }
        output::line(&text.join("\n"))?;
    }
    Ok(if current { Exit::Done } else { Exit::Found })
}
