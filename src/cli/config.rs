//! `config show`, `config schema`: what is in force and where it came from; what may be written.

use super::{Exit, Failure, Global, output};
use crate::config;

pub(super) fn show(global: &Global) -> Result<Exit, Failure> {
    let loaded = global.load_with_origins()?;
    if global.json {
        output::json(&config::as_json(loaded.file.as_deref(), &loaded.settings))?;
    } else {
        output::line(&config::as_text(&loaded.settings))?;
    }
    Ok(Exit::Done)
}

pub(super) fn schema() -> Result<Exit, Failure> {
    output::json(&config::schema())?;
    Ok(Exit::Done)
}
