//! The keys of `[[alexela]]`, and how they are read.

use super::{Alexela, AlexelaMethod, DateFormat, Section, name};
use crate::{
    config::{
        key::{Key, Type},
        product::words,
    },
    domain::{Grid, SourceKind},
};

const KINDS: [SourceKind; 3] = [SourceKind::AlexelaCard, SourceKind::AlexelaBonus, SourceKind::AlexelaEv];
const SOURCES: [&str; 3] = words(KINDS);

/// Shorter keys are not keys of this vendor.
const PSK_CHARACTERS: usize = 128;

/// The keys of `[[alexela]]`.
pub(in crate::config) const KEYS: &[Key] = &[
    Key::required("name", Type::Text, "Unique among the accounts of this vendor; stands in every row."),
    Key::required("base_url", Type::Base("/api/"), "The API's address, up to and with /api/v1."),
    Key::required("access_id", Type::Text, "The access id, part of every signature."),
    Key::required("psk", Type::Secret(PSK_CHARACTERS), "The pre-shared key, exactly as issued."),
    Key::or(
        "sources",
        Type::Choices(&SOURCES),
        r#"["alexela_card", "alexela_bonus", "alexela_ev"]"#,
        "Which interfaces are read.",
    ),
    Key::or("contracts", Type::Texts, "[]", "Contracts to read; empty for all that ContractNumbers lists."),
    Key::or("schedule", Type::Schedule, "0 */15 * * * *", "When run polls: six cron fields, seconds first, UTC."),
    Key::required("start", Type::Moment, "The first day (or time) ever to read."),
    Key::or("window_days", Type::Count(1, 366), "7", "How many days a window of this account has."),
    Key::or("requests_per_second", Type::Count(1, 10_000), "2", "Rate limit; one second's worth is allowed at once."),
    Key::optional("crm_account_id", Type::Text, "Sent in the query and as a header when set."),
    Key::or(
        "date_format",
        Type::Choice(&["date", "datetime"]),
        "date",
        "How fromDate and toDate are written: 2026-11-21 or 2026-11-21T00:00:00Z.",
    ),
    Key::or("max_window_days", Type::Count(1, 366), "59", "Most days that one request may span."),
    Key::or("method", Type::Choice(&["POST", "GET"]), "POST", "How ContractTransactions is asked."),
];

pub(in crate::config) fn read(section: &mut Section<'_>) -> Option<Alexela> {
    let name = name(section);
    let base_url = section.base_url("base_url");
    let access_id = section.text("access_id");
    let psk = section.secret("psk");
    let sources = section.choices("sources", &KINDS);
    let contracts = section.texts("contracts");
    let schedule = section.schedule("schedule");
    let start = section.moment("start");
    let window_days = section.count::<u32>("window_days");
    let requests_per_second = section.count("requests_per_second");
    let crm_account_id = section.text("crm_account_id");
    let date_format = section.choice("date_format", &[DateFormat::Date, DateFormat::DateTime]);
    let max_window_days = section.count("max_window_days");
    let method = section.choice("method", &[AlexelaMethod::Post, AlexelaMethod::Get]);
    if let (Some(days), Some(most)) = (window_days, max_window_days)
        && days > most
    {
        section.object("window_days", format!("{days} days"), format!("at most max_window_days, which is {most}"));
    }
    // The signature's header is `access_id:signature`, and the warehouse's word for "no contract" is `-`.
    if access_id.as_ref().is_some_and(|id| id.contains(|c: char| c == ':' || c.is_control() || !c.is_ascii())) {
        section.object("access_id", "a text with a character that no header can carry", "the access id as issued");
    }
    if contracts.iter().flatten().any(|contract| contract == "-") {
        section.object("contracts", "the contract \"-\"", "contract numbers");
    }
    Some(Alexela {
        name: name?,
        base_url: base_url?,
        access_id: access_id?,
        psk: psk?,
        sources: sources?,
        contracts: contracts?,
        schedule: schedule?,
        start: start?,
        grid: Grid::days(window_days?)?,
        max_window_days: max_window_days?,
        requests_per_second: requests_per_second?,
        crm_account_id,
        date_format: date_format?,
        method: method?,
    })
}
