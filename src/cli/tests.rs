//! The command line as people meet it: what parses, what does not, how help reads.

use clap::{CommandFactory, Parser, error::ErrorKind};

use super::*;
use crate::domain::SourceKind;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("fuelsync").chain(line.split_whitespace()))
}

fn refused(line: &str) -> clap::Error {
    parse(line).map(|cli| format!("{cli:?}")).expect_err(line)
}

#[test]
fn the_definitions_are_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_of_the_contract_parses() {
    for line in [
        "demo --once --keep /tmp/x",
        "demo --listen 0.0.0.0:9464",
        "demo --listen [::1]:0 --keep /tmp/x",
        "run",
        "sync --source hecone --source alexela_ev --account north --account fleet",
        "backfill --from 2026-01-01",
        "backfill --from 2026-01-01T06:00:00+02:00 --to 2026-02-01 --workers 8 --account north",
        "check --json",
        "status --source alexela_card",
        "preview --source hecone",
        "verify --from 2026-01-01 --to 2026-02-01 --repair --account north",
        "quarantine list --source hecone",
        "quarantine show 17",
        "quarantine drop 17 18",
        "prove --month 2026-01",
        "invoices match --file invoice.csv",
        "forget --card 700001",
        "forget --plate 123ABC --dry-run",
        "forget --driver Tamm --masked --json",
        "forget --card -",
        "remap --dry-run",
        "migrate --check",
        "bonuscards define --file cards.csv --dry-run",
        "sandbox",
        "config show --json",
        "config schema",
        "completions bash",
        "completions zsh",
        "completions fish",
        "man",
    ] {
        assert!(parse(line).is_ok(), "{line}: {}", parse(line).expect_err(line));
    }
}

#[test]
fn global_options_stand_before_or_behind_the_command() {
    for line in ["--config a.toml --json status -vv", "status --config a.toml --json -vv"] {
        let global = parse(line).expect(line).global;
        assert_eq!(global.config.as_deref(), Some(std::path::Path::new("a.toml")));
        assert_eq!((global.json, global.verbose), (true, 2));
    }
}

#[test]
fn wrong_usage_ends_with_two() {
    for (line, kind) in [
        ("synch", ErrorKind::InvalidSubcommand),
        ("sync --source shell", ErrorKind::InvalidValue),
        ("backfill", ErrorKind::MissingRequiredArgument),
        ("backfill --from yesterday", ErrorKind::ValueValidation),
        ("backfill --from 2026-01-01 --workers 0", ErrorKind::ValueValidation),
        ("preview", ErrorKind::MissingRequiredArgument),
        ("forget", ErrorKind::MissingRequiredArgument),
        ("forget --card 1 --plate 2", ErrorKind::ArgumentConflict),
        ("prove --month 2026-13", ErrorKind::ValueValidation),
        ("status -v -q", ErrorKind::ArgumentConflict),
        ("demo --listen 9464", ErrorKind::ValueValidation),
        ("demo --once --listen 127.0.0.1:0", ErrorKind::ArgumentConflict),
        ("quarantine drop", ErrorKind::MissingRequiredArgument),
    ] {
        let error = refused(line);
        assert_eq!((error.kind(), error.exit_code()), (kind, i32::from(Exit::Usage.code())), "{line}");
    }
}

#[test]
fn a_date_is_its_utc_midnight() {
    let Command::Backfill(args) =
        parse("backfill --from 2026-01-01 --to 2026-01-01T02:00:00+02:00").expect("ok").command
    else {
        panic!("backfill")
    };
    assert_eq!(Some(args.from), args.to);
    assert!(args::stretch(args.from, args.from).is_err());
}

#[test]
fn a_month_is_a_stretch() {
    let Command::Prove(args) = parse("prove --month 2026-12").expect("ok").command else { panic!("prove") };
    assert_eq!(args.month.window().expect("a stretch").to_string(), "[2026-12-01T00:00:00Z, 2027-01-01T00:00:00Z)");
}

#[test]
fn a_selection_must_leave_something() {
    let config =
        crate::config::Config::from_text("sample", include_str!("../../config/fuelsync.toml"), std::iter::empty())
            .expect("the sample");
    let select = |source: &[SourceKind], account: &[&str]| args::Select {
        source: source.to_vec(),
        account: account.iter().map(|name| (*name).to_owned()).collect(),
    };
    assert!(select(&[], &[]).check(&config).is_ok());
    assert!(select(&[SourceKind::HecOne], &["north"]).check(&config).is_ok());
    let unknown = select(&[], &["nort"]).check(&config).expect_err("a failure");
    assert_eq!(unknown.exit(), Exit::Usage);
    assert!(unknown.to_string().contains("north, fleet"), "{unknown}");
    assert!(select(&[SourceKind::HecOne], &["fleet"]).check(&config).is_err());
    assert!(select(&[], &["fleet"]).matches(SourceKind::AlexelaEv, "fleet"));
    assert!(!select(&[SourceKind::HecOne], &[]).matches(SourceKind::AlexelaEv, "fleet"));
}

#[test]
fn the_person_to_forget_is_in_no_debug_text() {
    assert!(!format!("{:?}", parse("forget --driver Tamm").expect("ok")).contains("Tamm"));
}

#[test]
fn the_help_names_every_exit_code_with_its_meaning() {
    for exit in Exit::ALL {
        let line = format!("  {:>3}  {}\n", exit.code(), exit.meaning());
        assert!(format!("{AFTER_LONG}\n").contains(&line), "{line}");
        assert!(man::page().expect("a page").contains(&exit.code().to_string()));
    }
    assert!(AFTER_LONG.contains(EXAMPLES.split("\n\n").next().expect("examples")));
}

#[test]
fn logs_are_for_people_on_a_terminal_and_for_machines_elsewhere() {
    let plain = Global::default();
    assert_eq!(plain.logging(true, false).format, LogFormat::Human);
    assert_eq!(plain.logging(false, false).format, LogFormat::Json);
    assert!(!plain.logging(false, false).colour && !plain.logging(false, false).priorities);
    let asked = parse("status --log-format human -q").expect("ok").global;
    let quiet = asked.logging(false, false);
    assert_eq!((quiet.format, quiet.verbosity), (LogFormat::Human, -1));
}

#[test]
fn the_journal_gets_priorities_whatever_the_format_and_others_when_they_ask() {
    let (plain, human) = (Global::default(), parse("status --log-format human").expect("ok").global);
    assert_eq!((plain.logging(false, true).format, plain.logging(false, true).priorities), (LogFormat::Json, true));
    assert_eq!((human.logging(false, true).format, human.logging(false, true).priorities), (LogFormat::Human, true));
    let asked = parse("run --log-format journal").expect("ok").global.logging(false, false);
    assert_eq!((asked.format, asked.priorities), (LogFormat::Journal, true));
}

#[test]
fn help_reads_well() {
    // `wrap_help` would wrap at the width of whoever runs the tests.
    let mut command = Cli::command().term_width(100);
    insta::assert_snapshot!("help", command.render_help());
    insta::assert_snapshot!("help_long", command.render_long_help());
    command.build();
    for name in [
        "demo",
        "sync",
        "backfill",
        "check",
        "preview",
        "verify",
        "quarantine",
        "prove",
        "forget",
        "remap",
        "sandbox",
        "config",
    ] {
        let command = command.find_subcommand_mut(name).expect(name);
        insta::assert_snapshot!(format!("help_{name}"), command.render_help());
    }
    let invoices = command.find_subcommand_mut("invoices").expect("invoices");
    let matching = invoices.find_subcommand_mut("match").expect("match");
    insta::assert_snapshot!("help_invoices_match", matching.render_help());
}
