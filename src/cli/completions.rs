//! `completions`: what a shell needs to complete commands, options and sources.

use clap::CommandFactory;

use super::{Cli, Exit, Failure, args::CompletionsArgs, output};

pub(super) fn run(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "fuelsync", &mut script);
    output::line(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
