//! What can be typed: the arguments of every command, as the contract names them.

use std::{net::SocketAddr, path::PathBuf};

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, Utc};
use clap::{
    ArgGroup, Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser, ValueParser},
};

use super::Failure;
use crate::{
    config::{Config, units},
    domain::{SourceKind, Window},
    privacy::Person,
};

/// Which streams a command is about; all when nothing is selected.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Selection")]
pub struct Select {
    /// Only this source; may be repeated
    #[arg(long, value_name = "SOURCE", value_parser = source())]
    pub source: Vec<SourceKind>,
    /// Only this account, by its name in the configuration; may be repeated
    #[arg(long, value_name = "NAME")]
    pub account: Vec<String>,
}

impl Select {
    /// Whether an account's source is selected.
    pub fn matches(&self, source: SourceKind, account: &str) -> bool {
        (self.source.is_empty() || self.source.contains(&source))
            && (self.account.is_empty() || self.account.iter().any(|name| name == account))
    }

    /// Refuses names that no account has, and a selection that leaves nothing.
    pub fn check(&self, config: &Config) -> Result<(), Failure> {
        let hecone = config.hecone.iter().map(|a| (a.name.as_str(), vec![SourceKind::HecOne]));
        let alexela = config.alexela.iter().map(|a| (a.name.as_str(), a.sources.clone()));
        let accounts: Vec<_> = hecone.chain(alexela).collect();
        let known = || accounts.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        if let Some(name) = self.account.iter().find(|name| !accounts.iter().any(|(known, _)| known == name)) {
            let failure = Failure::usage(format!("no account has the name {name:?}"));
            return Err(failure.next(format!("The accounts of the configuration are: {}.", known())));
        }
        if accounts.iter().any(|(name, kinds)| kinds.iter().any(|kind| self.matches(*kind, name))) {
            return Ok(());
        }
        let next = format!("The accounts of the configuration are: {}.", known());
        Err(Failure::usage("no account of the configuration reads what is selected").next(next))
    }
}

/// The stretch of a command that has `--from` and `--to`.
pub fn stretch(from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Window, Failure> {
    Window::new(from, to).ok_or_else(|| {
        let show = |t: DateTime<Utc>| t.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        Failure::usage(format!("--from {} is not before --to {}", show(from), show(to)))
            .next("A stretch holds its start and not its end.")
    })
}

/// A source by its name, with suggestions and completions.
fn source() -> impl TypedValueParser<Value = SourceKind> {
    PossibleValuesParser::new(SourceKind::ALL.map(SourceKind::as_str)).try_map(|name| name.parse::<SourceKind>())
}

fn time() -> ValueParser {
    ValueParser::new(|text: &str| {
        units::moment(text).ok_or("not a date (2026-01-01) and not an RFC 3339 time (2026-01-01T06:00:00Z)")
    })
}

/// `demo`
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Stop after the first full pass and print its summary
    #[arg(long)]
    pub once: bool,
    /// Serve the page here, for instance on 0.0.0.0:9464 in a container [default: 127.0.0.1:9464, or a free port]
    #[arg(long, value_name = "ADDR", conflicts_with = "once")]
    pub listen: Option<SocketAddr>,
    /// Keep the database in this directory, and go on with it the next time
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// `run`
#[derive(Debug, Clone, Args)]
pub struct RunArgs {}

/// `sync`
#[derive(Debug, Clone, Args)]
pub struct SyncArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened group would replace the command's own help")]
    pub select: Select,
}

/// `backfill`
#[derive(Debug, Clone, Args)]
pub struct BackfillArgs {
    /// Start of the stretch: an RFC 3339 time, or a date (UTC midnight)
    #[arg(long, value_name = "T", value_parser = time())]
    pub from: DateTime<Utc>,
    /// End of the stretch, not included [default: the source's present]
    #[arg(long, value_name = "T", value_parser = time())]
    pub to: Option<DateTime<Utc>>,
    /// Also the windows that have been read before
    #[arg(long)]
    pub again: bool,
    /// Windows read at the same time [default: sync.workers]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened group would replace the command's own help")]
    pub select: Select,
}

/// `check`
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened group would replace the command's own help")]
    pub select: Select,
}

/// `status`
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened group would replace the command's own help")]
    pub select: Select,
}

/// `preview`
#[derive(Debug, Clone, Args)]
pub struct PreviewArgs {
    /// The source to look at; may be repeated
    #[arg(long, value_name = "SOURCE", value_parser = source(), required = true)]
    pub source: Vec<SourceKind>,
    /// Only this account, by its name in the configuration; may be repeated
    #[arg(long, value_name = "NAME")]
    pub account: Vec<String>,
}

impl PreviewArgs {
    /// What is selected.
    pub fn select(&self) -> Select {
        Select { source: self.source.clone(), account: self.account.clone() }
    }
}

/// `verify`
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// Start of the stretch: an RFC 3339 time, or a date (UTC midnight)
    #[arg(long, value_name = "T", value_parser = time())]
    pub from: DateTime<Utc>,
    /// End of the stretch, not included
    #[arg(long, value_name = "T", value_parser = time())]
    pub to: DateTime<Utc>,
    /// Load the windows that differ, as a backfill does
    #[arg(long)]
    pub repair: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened group would replace the command's own help")]
    pub select: Select,
}

/// `quarantine`
#[derive(Debug, Clone, Subcommand)]
pub enum QuarantineCommand {
    /// List the records that could not be normalised
    List(QuarantineListArgs),
    /// Show one of them: its record, the field at fault and the reason
    Show(QuarantineShowArgs),
    /// Normalise them again with today's rules
    Replay(QuarantineReplayArgs),
    /// Give some of them up; they are kept as resolved and not listed any more
    Drop(QuarantineDropArgs),
}

/// `quarantine list`
#[derive(Debug, Clone, Args)]
pub struct QuarantineListArgs {
    /// Also those that are resolved
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened group would replace the command's own help")]
    pub select: Select,
}

/// `quarantine show`
#[derive(Debug, Clone, Args)]
pub struct QuarantineShowArgs {
    /// The record's id, as `quarantine list` has it
    #[arg(value_name = "ID")]
    pub id: i64,
}

/// `quarantine replay`
#[derive(Debug, Clone, Args)]
pub struct QuarantineReplayArgs {
    /// Only these records, by their ids [default: all that are not resolved]
    #[arg(value_name = "ID")]
    pub id: Vec<i64>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened group would replace the command's own help")]
    pub select: Select,
}

/// `quarantine drop`
#[derive(Debug, Clone, Args)]
pub struct QuarantineDropArgs {
    /// The records' ids, as `quarantine list` has them
    #[arg(value_name = "ID", required = true)]
    pub id: Vec<i64>,
}

/// A calendar month in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Month(NaiveDate);

impl Month {
    /// The month as a stretch of time.
    pub fn window(self) -> Option<Window> {
        let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
        Window::new(midnight(self.0), midnight(self.0.checked_add_months(Months::new(1))?))
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d")
            .ok()
            .filter(|day| text.len() == 7 && day.year() >= 1970 && day.checked_add_days(Days::new(31)).is_some())
            .map(Self)
            .ok_or("not a month such as 2026-01")
    }
}

/// `prove`
#[derive(Debug, Clone, Args)]
pub struct ProveArgs {
    /// The month, such as 2026-01
    #[arg(long, value_name = "M", value_parser = Month::parse)]
    pub month: Month,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened group would replace the command's own help")]
    pub select: Select,
}

/// `invoices`
#[derive(Debug, Clone, Subcommand)]
pub enum InvoicesCommand {
    /// Compare a supplier's invoice with the rows that carry its number
    #[command(after_help = "Exit code 6 when they do not agree to the cent; what differs is said line by line.")]
    Match(InvoicesMatchArgs),
}

/// `invoices match`
#[derive(Debug, Clone, Args)]
pub struct InvoicesMatchArgs {
    /// A CSV file with a header: `invoice_no,date,total[,net,vat,currency]`, or lines with
    /// `invoice_no,date,transaction_id|receipt_no|card_number,product,quantity,unit_price,currency,amount`.
    /// Sales are looked for from six months before the first date to two months behind the last
    #[arg(long, value_name = "F")]
    pub file: PathBuf,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened group would replace the command's own help")]
    pub select: Select,
}

/// `forget`
#[derive(Clone, Args)]
#[group(skip)]
#[command(group(ArgGroup::new("person").required(true).multiple(false).args(["card", "plate", "driver"])))]
pub struct ForgetArgs {
    /// The card's number; - reads it from standard input
    #[arg(long, value_name = "V")]
    pub card: Option<String>,
    /// The vehicle's license plate; - reads it from standard input
    #[arg(long, value_name = "V")]
    pub plate: Option<String>,
    /// The driver's name; - reads it from standard input
    #[arg(long, value_name = "V")]
    pub driver: Option<String>,
    /// Forget also the lines that hold only the value's mask, whosever they are
    #[arg(long)]
    pub masked: bool,
    /// Say what would be changed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl ForgetArgs {
    /// Who is to be forgotten. Exactly one is given.
    pub(super) fn person(&self) -> (Person, &str) {
        let given = [(Person::Card, &self.card), (Person::Plate, &self.plate), (Person::Driver, &self.driver)];
        let mut given = given.into_iter().filter_map(|(person, value)| Some((person, value.as_deref()?)));
        given.next().unwrap_or((Person::Card, ""))
    }
}

impl std::fmt::Debug for ForgetArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The values name a person who wants to be forgotten.
        f.write_str("ForgetArgs")
    }
}

/// `remap`
#[derive(Debug, Clone, Args)]
pub struct RemapArgs {
    /// Say what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened group would replace the command's own help")]
    pub select: Select,
}

/// `migrate`
#[derive(Debug, Clone, Args)]
pub struct MigrateArgs {
    /// Only say which migrations are missing; exit 6 when some are
    #[arg(long)]
    pub check: bool,
}

/// `bonuscards`
#[derive(Debug, Clone, Subcommand)]
pub enum BonuscardsCommand {
    /// Tell Alexela which bonus cards are yours (`DefineBonuscards`)
    #[command(after_help = "The file has the columns card_number,group, with group regular or premium.")]
    Define(BonuscardsDefineArgs),
}

/// `bonuscards define`
#[derive(Debug, Clone, Args)]
pub struct BonuscardsDefineArgs {
    /// A CSV file with the columns `card_number,group`
    #[arg(long, value_name = "F")]
    pub file: PathBuf,
    /// Check the file and say what would be sent, and send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The account that the cards belong to; needed when there are several Alexela accounts
    #[arg(long, value_name = "NAME")]
    pub account: Vec<String>,
}

/// `sandbox`
#[derive(Debug, Clone, Args)]
pub struct SandboxArgs {
    /// The port on 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 9465)]
    pub port: u16,
    /// The same seed makes the same sales
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Sales in the year before today; they go on at that rate
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub sales: u64,
    /// Cases of each rule of `fuel.finding` among them, and as many sales that it must just not find; --json lists them
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub planted: u32,
}

/// `config`
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigCommand {
    /// Show what is in force and where each value came from; secrets are hidden
    Show,
    /// Print a JSON Schema of the configuration file
    Schema,
}

/// `completions`
#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// `man`
#[derive(Debug, Clone, Args)]
pub struct ManArgs {
    /// Write one page for each command into this directory, instead of the main page to standard output
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
