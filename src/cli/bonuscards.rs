//! `bonuscards define`: tells Alexela which bonus cards are yours.

use serde::Serialize;

use super::{Exit, Failure, Global, args::BonuscardsDefineArgs, output, start};
use crate::{
    config::{Alexela, Config},
    source::Disposition,
};

/// The cards of a file, by group.
#[derive(Debug, Default, PartialEq, Eq)]
struct Cards {
    regular: Vec<String>,
    premium: Vec<String>,
}

#[derive(Serialize)]
struct Said<'a> {
    account: &'a str,
    regular: usize,
    premium: usize,
    sent: bool,
}

pub(super) async fn define(args: BonuscardsDefineArgs, global: &Global) -> Result<Exit, Failure> {
    let shown = args.file.display().to_string();
    let text = std::fs::read_to_string(&args.file)
        .map_err(|e| Failure::usage(format!("{shown} cannot be read")).because(e))?;
    let cards = parse(&text)
        .map_err(|faults| Failure::usage(format!("{shown} has faults; nothing was sent:\n{}", faults.join("\n"))))?;
    let config = global.load_with_accounts()?;
    let account = account(&config, &args.account)?.clone();
    if !args.dry_run {
        let source = start::app(config)?.alexela(&account);
        source.define_bonuscards(&cards.regular, &cards.premium).await.map_err(|error| {
            let exit =
                if error.disposition() == Disposition::StopAccount { Exit::Credentials } else { Exit::SomeStreams };
            Failure::new(exit, format!("Alexela did not take the cards of {}", account.name))
                .because(error)
                .next("Nothing is half-done at the vendor's side that a second try would not mend.")
        })?;
    }
    let said = Said {
        account: &account.name,
        regular: cards.regular.len(),
        premium: cards.premium.len(),
        sent: !args.dry_run,
    };
    if global.json {
        output::json(&said)?;
    } else {
        let what = format!("{} regular and {} premium card(s) for {}", said.regular, said.premium, said.account);
        output::line(&if said.sent {
            format!("Defined {what}.")
        } else {
            format!("Would define {what}. Nothing was sent.")
        })?;
    }
    Ok(Exit::Done)
}

/// The account that is meant.
fn account<'a>(config: &'a Config, named: &[String]) -> Result<&'a Alexela, Failure> {
    let names = config.alexela.iter().map(|account| account.name.as_str()).collect::<Vec<_>>().join(", ");
    match (named, config.alexela.as_slice()) {
        ([], [only]) => Ok(only),
        ([], _) => Err(Failure::usage("which Alexela account the cards belong to is not said")
            .next(format!("Name one with --account: {names}."))),
        ([name], accounts) => accounts.iter().find(|account| account.name == *name).ok_or_else(|| {
            Failure::usage(format!("no Alexela account has the name {name:?}")).next(format!("There are: {names}."))
        }),
        _ => Err(Failure::usage("cards belong to one account; --account was given more than once")),
    }
}

/// Reads `card_number,group`, with or without that heading. Every fault is listed, by its line, never with the number.
fn parse(text: &str) -> Result<Cards, Vec<String>> {
    let mut cards = Cards::default();
    let mut faults = Vec::new();
    let mut seen = std::collections::HashMap::new();
    for (number, line) in
        text.trim_start_matches('\u{feff}').lines().enumerate().map(|(at, line)| (at + 1, line.trim()))
    {
        if line.is_empty() || number == 1 && line.replace([' ', '"'], "").eq_ignore_ascii_case("card_number,group") {
            continue;
        }
        let fields: Vec<_> = line.split(',').map(|field| field.trim().trim_matches('"').trim()).collect();
        let [card, group] = fields[..] else {
            faults.push(format!("line {number}: {} field(s) instead of two: card_number,group", fields.len()));
            continue;
        };
        if card.is_empty() || !card.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == ' ') {
            faults.push(format!(
                "line {number}: the card number is empty or has characters other than letters, digits, - and spaces"
            ));
        } else if let Some(before) = seen.insert(card.to_owned(), number) {
            faults.push(format!("line {number}: the same card stands in line {before}"));
        } else if group.eq_ignore_ascii_case("regular") {
            cards.regular.push(card.to_owned());
        } else if group.eq_ignore_ascii_case("premium") {
            cards.premium.push(card.to_owned());
        } else {
            faults.push(format!("line {number}: the group is {group:?}; it is regular or premium"));
        }
    }
    if faults.is_empty() && seen.is_empty() {
        faults.push("it has no card".to_owned());
    }
    if faults.is_empty() { Ok(cards) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_read_by_group_with_or_without_a_heading() {
        let cards = Cards { regular: vec!["1234".into(), "5678".into()], premium: vec!["9".into()] };
        assert_eq!(parse("card_number,group\n1234,regular\n5678, Regular\n\n\"9\",premium\n"), Ok(cards));
        assert!(parse("1234,regular").is_ok());
    }

    #[test]
    fn every_fault_is_named_by_its_line_and_no_number_is_repeated() {
        let faults =
            parse("12345678,gold\n777777,regular,x\n,regular\n55555,regular\n55555,premium").expect_err("faults");
        assert_eq!(faults.len(), 4);
        let said = faults.join("\n");
        assert!(said.contains("line 1") && said.contains("line 5") && said.contains("line 4"));
        assert!(!said.contains("12345678") && !said.contains("55555"));
        assert_eq!(parse("card_number,group\n").expect_err("faults"), ["it has no card"]);
    }
}
