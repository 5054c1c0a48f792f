//! What a world promises.

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn options() -> WorldOptions {
    WorldOptions {
        sales: 3_000,
        from: at("2026-06-01T00:00:00Z"),
        to: at("2026-11-01T00:00:00Z"),
        ..WorldOptions::default()
    }
}

#[test]
fn the_default_period_is_a_year_of_whole_days() {
    let options = WorldOptions::default();
    assert_eq!((options.from, options.to), (at("2025-11-01T00:00:00Z"), at("2026-11-01T00:00:00Z")));
}

#[test]
fn a_period_holds_exactly_the_sales_ordered() {
    let world = World::new(options());
    world.with(at("2026-11-05T00:00:00Z"), |store| {
        let to = options().to;
        let from = options().from;
        let count = between(&store.card, |s| s.occurred, from, to).len()
            + between(&store.bonus, |s| s.occurred, from, to).len()
            + between(&store.ev, |s| s.occurred, from, to).len()
            + between(&store.hecone, |s| s.occurred, from, to).len();
        assert_eq!(count, 3_000);
        assert!(store.card.len() > 1_200, "sales go on after the period");
        assert!(store.card.is_sorted_by_key(|s| s.occurred) && store.hecone.is_sorted_by_key(|s| s.occurred));
    });
}

#[test]
fn the_past_does_not_depend_on_when_it_is_looked_at() {
    let (stepwise, at_once) = (World::new(options()), World::new(options()));
    for day in ["2026-06-20T10:30:00Z", "2026-08-01T00:00:00Z", "2026-10-01T00:00:00Z"] {
        stepwise.with(at(day), |_| ());
    }
    let shown = |world: &World| {
        world.with(at("2026-10-01T00:00:00Z"), |s| format!("{:?}{:?}{:?}{:?}", s.card, s.bonus, s.ev, s.hecone))
    };
    assert_eq!(shown(&stepwise), shown(&at_once));
}

#[test]
fn sales_live_through_all_that_can_happen_to_them() {
    let world = World::new(WorldOptions { sales: 20_000, ..options() });
    world.with(at("2026-11-20T00:00:00Z"), |store| {
        let seen: std::collections::BTreeSet<_> =
            store.hecone.iter().flat_map(|s| s.course.iter().map(|c| c.1)).collect();
        assert_eq!(seen.len(), 6);
        assert!(store.hecone.iter().any(|s| !s.settled(s.published)));
        assert!(store.hecone.iter().any(|s| s.mismatch));
        assert!(store.ev.iter().any(|s| s.cancelled) && store.ev.iter().any(|s| s.quantity != s.decided_quantity));
        assert!(store.card.iter().any(|s| s.corrected.is_some()) && store.card.iter().any(|s| s.garbage.is_some()));
        assert!(store.card.iter().any(|s| s.lines.iter().any(|l| l.twin)));
        assert!(store.card.iter().any(|s| s.published - s.occurred > TimeDelta::days(1)));
    });
}

#[test]
fn a_receipt_stands_on_the_first_invoice_after_it_was_published() {
    let world = World::new(options());
    world.with(at("2026-11-01T00:00:00Z"), |store| {
        for sale in &store.card {
            assert_eq!(sale.invoice(1, sale.published), None);
            let invoice = sale.invoice(1, sale.published + TimeDelta::days(40)).unwrap();
            assert!(sale.published < invoice.issued && invoice.issued - sale.published < TimeDelta::days(35));
        }
    });
}

#[test]
fn the_world_stands_still_when_told_to() {
    let world = World::new(WorldOptions { as_of: Some(at("2026-10-01T00:00:00Z")), ..options() });
    assert_eq!(world.time(at("2026-11-01T00:00:00Z")), at("2026-10-01T00:00:00Z"));
    assert_eq!(world.time(at("2026-09-01T00:00:00Z")), at("2026-09-01T00:00:00Z"));
}
