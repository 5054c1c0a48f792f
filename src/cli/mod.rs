//! The command line: arguments become a call, a result becomes a table, a bar or JSON. One file a command.

pub mod args;
mod backfill;
mod bar;
mod bonuscards;
mod check;
mod completions;
mod config;
mod demo;
mod exit;
mod forget;
mod invoices;
mod man;
mod migrate;
pub mod output;
mod preview;
pub mod prove;
mod quarantine;
mod remap;
mod run;
mod sandbox;
mod start;
mod status;
mod summary;
mod sync;
mod table;
#[cfg(test)]
mod tests;
pub mod verify;

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
};

use clap::{
    ArgAction, Parser, Subcommand,
    builder::styling::{AnsiColor, Styles},
};

pub use exit::{Exit, Failure};

use crate::{
    config::{Config, Faults, Loaded},
    logging::{LogFormat, Logging, is_the_journal},
};
use args::{
    BackfillArgs, BonuscardsCommand, CheckArgs, CompletionsArgs, ConfigCommand, DemoArgs, ForgetArgs, InvoicesCommand,
    ManArgs, MigrateArgs, PreviewArgs, ProveArgs, QuarantineCommand, RemapArgs, RunArgs, SandboxArgs, StatusArgs,
    SyncArgs, VerifyArgs,
};

/// Every fuel and charging sale from HecOne and Alexela in your own PostgreSQL
///
/// Reads every sale from Hectronic HecOne and Alexela (payment cards, bonus cards, charging) into one table of your own
/// PostgreSQL, fuel.transaction: correct to the cent, nothing lost, nothing twice.
#[derive(Debug, Parser)]
#[command(name = "fuelsync", version, styles = STYLES, max_term_width = 100)]
#[command(arg_required_else_help = true, subcommand_value_name = "COMMAND", after_help = EXAMPLES)]
#[command(after_long_help = AFTER_LONG)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
}

/// What holds for every command.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// The configuration file.
    #[arg(long, value_name = "FILE", global = true, help = CONFIG_HELP)]
    pub config: Option<PathBuf>,
    /// Print one JSON document instead of a table
    #[arg(long, global = true)]
    pub json: bool,
    /// How log lines look on standard error [default: human on a terminal, json elsewhere]
    #[arg(long, value_name = "FORMAT", value_enum, global = true)]
    pub log_format: Option<LogFormat>,
    /// Log more: -v for decisions, -vv for everything of fuelsync's own
    #[arg(short, long, action = ArgAction::Count, global = true, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Log less: -q for warnings and errors, -qq for errors only
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub quiet: u8,
}

/// The commands, in the order of use.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Show everything on this machine, with nothing configured: database, both vendors, daemon, status page
    Demo(DemoArgs),
    /// Run the daemon: scheduled polling and the status server
    Run(RunArgs),
    /// Make one pass over all that is due, then exit
    Sync(SyncArgs),
    /// Load a stretch of history, beside a running daemon; resumable
    Backfill(BackfillArgs),
    /// Check configuration, database, credentials and clocks, and say what to do about each fault
    Check(CheckArgs),
    /// Show each stream's watermark, freshness, rows, gaps, quarantine and next reading
    Status(StatusArgs),
    /// Fetch one page and show raw beside normalised; writes nothing
    ///
    /// What is shown has passed the privacy rules, and nobody who is forgotten is in it. That is asked of the database: where
    /// it cannot be reached, nothing is shown (exit 4).
    Preview(PreviewArgs),
    /// Read a stretch again and compare it with the warehouse, row by row
    #[command(after_help = "Exit code 6 when a row differs; each is named.")]
    Verify(VerifyArgs),
    /// Look after the records that could not be normalised
    #[command(subcommand, arg_required_else_help = true)]
    Quarantine(QuarantineCommand),
    /// Make the completeness certificate of a month, and say what has changed since the last one
    #[command(
        after_help = "Exit code 6 when a row is not what was written: altered, deleted or invented by hand. A month that is \
                      not complete yet is said, and is no such finding: then the exit code is 0. A script that wants \
                      completeness asks for .complete of --json."
    )]
    Prove(ProveArgs),
    /// Compare invoices with the warehouse
    #[command(subcommand, arg_required_else_help = true)]
    Invoices(InvoicesCommand),
    /// Remove a person everywhere, keep the amounts, and hold against what is read later
    Forget(ForgetArgs),
    /// Normalise the stored records again with today's rules, as versions
    Remap(RemapArgs),
    /// Apply the database's migrations
    Migrate(MigrateArgs),
    /// Look after bonus cards at Alexela
    #[command(subcommand, arg_required_else_help = true)]
    Bonuscards(BonuscardsCommand),
    /// Serve both vendors' sandbox alone, for trying and testing
    Sandbox(SandboxArgs),
    /// Show the configuration in force, or its schema
    #[command(subcommand, arg_required_else_help = true)]
    Config(ConfigCommand),
    /// Print completions for a shell
    Completions(CompletionsArgs),
    /// Print the manual page
    Man(ManArgs),
}

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const CONFIG_HELP: &str = "The configuration [default: $FUELSYNC_CONFIG, ./fuelsync.toml, /etc/fuelsync/fuelsync.toml]";

const EXAMPLES: &str = "\
Examples:
  fuelsync demo                          see it work, with nothing configured
  fuelsync check                         is everything in order, and what to do if not
  fuelsync sync --source alexela_card    one pass over one source
  fuelsync backfill --from 2026-01-01    load history beside the daemon
  fuelsync status --json                 for scripts

`--help` says more than `-h`.";

const AFTER_LONG: &str = "\
Examples:
  fuelsync demo                          see it work, with nothing configured
  fuelsync check                         is everything in order, and what to do if not
  fuelsync sync --source alexela_card    one pass over one source
  fuelsync backfill --from 2026-01-01    load history beside the daemon
  fuelsync status --json                 for scripts

Times are RFC 3339 (2026-01-01T06:00:00Z) or a date (2026-01-01, its UTC midnight).
Results go to standard output, logs and progress to standard error. NO_COLOR and RUST_LOG are heeded.

Exit codes:
    0  done; gaps, quarantined rows and streams not enabled or held by another process are said
    1  unexpected failure
    2  bad usage or configuration; every fault is listed at once
    3  some streams failed; what the others read is committed
    4  the database cannot be reached or refuses
    5  every account's credentials are refused
    6  check, verify, prove, invoices match or migrate --check found something
  130  stopped by SIGINT before the work was done; nothing half-written
  143  stopped by SIGTERM before the work was done; nothing half-written";

impl Global {
    /// Starts logging as asked.
    pub fn start_logging(&self) {
        let journal = is_the_journal(std::env::var("JOURNAL_STREAM").ok().as_deref());
        let logging = self.logging(io::stderr().is_terminal(), journal);
        output::with_priorities(logging.priorities);
        logging.start(std::env::var("RUST_LOG").ok().as_deref());
    }

    fn logging(&self, terminal: bool, journal: bool) -> Logging {
        let usual = if terminal { LogFormat::Human } else { LogFormat::Json };
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let verbosity = i16::from(self.verbose) - i16::from(self.quiet);
        let format = self.log_format.unwrap_or(usual);
        Logging { format, verbosity, colour, priorities: journal || format == LogFormat::Journal }
    }

    /// The configuration; having no account is no fault.
    pub fn load(&self) -> Result<Config, Failure> {
        Ok(Config::load(self.config.as_deref(), variables())?)
    }

    /// The configuration of a command that needs an account.
    pub fn load_with_accounts(&self) -> Result<Config, Failure> {
        Ok(Config::load_with_accounts(self.config.as_deref(), variables())?)
    }

    fn load_with_origins(&self) -> Result<Loaded, Faults> {
        Loaded::load(self.config.as_deref(), variables())
    }
}

/// The environment. A name or value that is not Unicode keeps a mark of it, which the configuration refuses.
pub fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
}

impl Cli {
    /// Does what was typed.
    pub async fn run(self) -> Result<Exit, Failure> {
        let global = &self.global;
        match self.command {
            Command::Demo(args) => demo::run(args, global).await,
            Command::Run(args) => run::run(args, global).await,
            Command::Sync(args) => sync::run(args, global).await,
            Command::Backfill(args) => backfill::run(args, global).await,
            Command::Check(args) => check::run(args, global).await,
            Command::Status(args) => status::run(args, global).await,
            Command::Preview(args) => preview::run(args, global).await,
            Command::Verify(args) => verify::run(args, global).await,
            Command::Quarantine(QuarantineCommand::List(args)) => quarantine::list(args, global).await,
            Command::Quarantine(QuarantineCommand::Show(args)) => quarantine::show(args, global).await,
            Command::Quarantine(QuarantineCommand::Replay(args)) => quarantine::replay(args, global).await,
            Command::Quarantine(QuarantineCommand::Drop(args)) => quarantine::drop(args, global).await,
            Command::Prove(args) => prove::run(args, global).await,
            Command::Migrate(args) => migrate::run(args, global).await,
            Command::Bonuscards(BonuscardsCommand::Define(args)) => bonuscards::define(args, global).await,
            Command::Sandbox(args) => sandbox::run(args, global).await,
            Command::Config(ConfigCommand::Show) => config::show(global),
            Command::Config(ConfigCommand::Schema) => config::schema(),
            Command::Completions(args) => completions::run(&args),
            Command::Man(args) => man::run(&args),
            Command::Invoices(InvoicesCommand::Match(args)) => invoices::run(args, global).await,
            Command::Forget(args) => forget::run(args, global).await,
            Command::Remap(args) => remap::run(args, global).await,
        }
    }
}
