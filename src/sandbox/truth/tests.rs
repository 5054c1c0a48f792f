//! What the truth promises. That it equals what is served is tested with the servers.

use super::*;
use crate::sandbox::world::WorldOptions;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn world() -> World {
    World::new(WorldOptions {
        sales: 20_000,
        from: at("2026-06-01T00:00:00Z"),
        to: at("2026-11-01T00:00:00Z"),
        ..WorldOptions::default()
    })
}

#[test]
fn every_key_is_there_once_and_every_flag_of_the_plan_occurs() {
    let (now, scope) = (at("2026-11-21T12:00:00Z"), Scope::from(at("2026-06-01T00:00:00Z")));
    let world = world();
    let rows = world.truth(now, &scope);
    let key =
        |row: &TruthRow| ["source", "account", "source_transaction_id", "line_id"].map(|c| row.columns[c].clone());
    let keys: std::collections::BTreeSet<_> = rows.iter().map(key).collect();
    assert_eq!(keys.len(), rows.len());
    assert!(rows.iter().all(|r| r.columns.len() == COLUMNS.len() && r.columns["occurred_at"].is_some()));
    let flags: std::collections::BTreeSet<_> = rows
        .iter()
        .filter_map(|r| r.columns["quality"].clone())
        .flat_map(|q| q.trim_matches(['{', '}']).split(',').map(str::to_owned).collect::<Vec<_>>())
        .collect();
    for flag in [
        Flag::NulRemoved,
        Flag::Rounded,
        Flag::IdenticalLines,
        Flag::NegativeQuantity,
        Flag::AmountMismatch,
        Flag::VatMismatch,
        Flag::StateMismatch,
    ] {
        assert!(flags.contains(flag.as_str()), "{flag:?} is missing in {flags:?}");
    }
    assert!(!world.truth_quarantine(now, &scope).is_empty());
}

#[test]
fn later_changes_are_part_of_the_later_truth_only() {
    let (world, scope) = (world(), Scope::from(at("2026-08-01T00:00:00Z")));
    let count = |now: &str, state: &str| {
        world.truth(at(now), &scope).iter().filter(|r| r.columns["state"].as_deref() == Some(state)).count()
    };
    assert_eq!(count("2026-08-25T00:00:00Z", "invoiced"), 0);
    assert!(count("2026-09-04T00:00:00Z", "invoiced") > 500);
    assert!(count("2026-08-25T00:00:00Z", "provisional") > 0);
    assert!(count("2026-09-30T00:00:00Z", "cancelled") > count("2026-08-25T00:00:00Z", "cancelled"));
}

#[test]
fn what_alexela_no_longer_serves_was_never_seen() {
    assert_eq!(alexela_horizon(at("2026-11-21T12:00:00Z")), at("2026-06-22T00:00:00Z"));
    let scope = Scope::from(at("2026-06-01T00:00:00Z"));
    let rows = world().truth(at("2026-11-21T12:00:00Z"), &scope);
    let oldest = |source: &str| {
        rows.iter()
            .filter(|r| r.columns["source"].as_deref() == Some(source))
            .filter_map(|r| r.columns["occurred_at"].clone())
            .min()
    };
    assert!(oldest("alexela_card").is_some_and(|t| t.as_str() >= "2026-06-22"));
    assert!(oldest("hecone").is_some_and(|t| t.as_str() < "2026-06-02"));
}

#[test]
fn a_hidden_transaction_is_not_in_the_truth() {
    let (world, scope) = (world(), Scope::from(at("2026-10-01T00:00:00Z")));
    let now = at("2026-10-10T00:00:00Z");
    let before = world.truth(now, &scope);
    let id = before[0].columns["source_transaction_id"].clone().unwrap();
    world.hide(SourceKind::HecOne, &id, true);
    assert!(
        world.truth(now, &scope).iter().all(|r| r.columns["source_transaction_id"].as_deref() != Some(id.as_str()))
    );
    world.hide(SourceKind::HecOne, &id, false);
    assert_eq!(world.truth(now, &scope), before);
}
