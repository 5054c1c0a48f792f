//! Cases of each rule of `fuel.finding` among the other sales, and beside each a sale that the rule must just not find.
//!
//! A case has a vehicle to itself for half a day before and behind it, and the other sales of a world with cases keep half a
//! day between two of one vehicle: so what a rule finds is either planted or a false alarm. What the cases are is a function of
//! the options, as all of the world is; [`World::planted`](super::World::planted) lists them.

mod cases;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::{
    WorldOptions,
    card::{CardSale, card_id},
    fleet::Fleet,
    session::Session,
};
use crate::domain::SourceKind;

/// A rule of `fuel.finding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingRule {
    /// More litres than the tanks hold.
    OverTank,
    /// More kWh than the battery holds.
    OverBattery,
    /// One vehicle at two places in too short a time.
    TwoPlaces,
    /// An odometer that goes back.
    OdometerBack,
    /// The same fill at both vendors.
    TwiceAtBoth,
    /// A price far from the day's median.
    PriceOffMedian,
}

impl FindingRule {
    /// All of them, in the order in which they are planted.
    pub const ALL: [Self; 6] = [
        Self::OverTank,
        Self::OverBattery,
        Self::TwoPlaces,
        Self::OdometerBack,
        Self::TwiceAtBoth,
        Self::PriceOffMedian,
    ];

    /// The word in `fuel.finding.rule`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OverTank => "over_tank",
            Self::OverBattery => "over_battery",
            Self::TwoPlaces => "two_places",
            Self::OdometerBack => "odometer_back",
            Self::TwiceAtBoth => "twice_at_both",
            Self::PriceOffMedian => "price_off_median",
        }
    }
}

/// A transaction by source and id.
pub type Named = (SourceKind, String);

/// Something planted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Planted {
    /// For which rule.
    pub rule: FindingRule,
    /// Whether the rule must find it; else it lies just this side of the rule's border.
    pub is_case: bool,
    /// The transaction that shows it.
    pub shown_by: Named,
    /// The earlier one that it is held against, where there are two.
    pub before: Option<Named>,
}

/// A vehicle as its owner knows it: what goes into `fuel.vehicle`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vehicle {
    /// Its plate.
    pub license_plate: String,
    /// Litres that its tanks hold.
    pub tank_l: i64,
    /// Kilowatt hours that its battery holds.
    pub battery_kwh: i64,
}

/// A planted sale.
#[derive(Debug)]
pub(crate) enum Sale {
    Card(CardSale),
    HecOne(Session),
}

impl Sale {
    pub(crate) const fn occurred(&self) -> DateTime<Utc> {
        match self {
            Self::Card(sale) => sale.occurred,
            Self::HecOne(session) => session.occurred,
        }
    }

    const fn published(&self) -> DateTime<Utc> {
        match self {
            Self::Card(sale) => sale.published,
            Self::HecOne(session) => session.published,
        }
    }

    fn named(&self) -> Named {
        match self {
            Self::Card(sale) => (SourceKind::AlexelaCard, card_id(SourceKind::AlexelaCard, sale.index)),
            Self::HecOne(session) => (SourceKind::HecOne, session.id.to_string()),
        }
    }
}

/// Longest time between the two sales of a case.
const LONGEST: TimeDelta = TimeDelta::hours(10);
/// How long a vehicle does nothing else before and behind a case, and how long at least lies between two other sales of one.
/// From one end of the map to the other it is seven hours and a half at 130 km/h.
pub(crate) const APART: TimeDelta = TimeDelta::hours(12);

/// When what is planted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    seed: u64,
    first: DateTime<Utc>,
    step: TimeDelta,
    slots: i64,
}

/// What stands in one place of the plan.
#[derive(Debug, Clone, Copy)]
struct Slot {
    number: u64,
    rule: FindingRule,
    is_case: bool,
    /// Counts those of one rule, cases and others apart.
    turn: u64,
    at: DateTime<Utc>,
}

impl Plan {
    /// The plan of these options; none where nothing is planted.
    pub(crate) fn new(options: &WorldOptions) -> Option<Self> {
        let slots = i64::from(options.planted) * 2 * i64::try_from(FindingRule::ALL.len()).unwrap_or(0);
        // A day at either end is left out: its median is of few sales.
        let first = options.from + TimeDelta::days(1);
        let seconds = (options.to - TimeDelta::days(1) - first).num_seconds();
        (slots > 0 && seconds >= slots).then(|| Self {
            seed: options.seed,
            first,
            step: TimeDelta::seconds(seconds / slots),
            slots,
        })
    }

    fn slot(&self, number: i64) -> Slot {
        let count = u64::try_from(number).unwrap_or(0);
        let rules = FindingRule::ALL.len() as u64;
        let (round, place) = (count / rules, usize::try_from(count % rules).unwrap_or(0));
        Slot {
            number: count,
            rule: FindingRule::ALL[place],
            is_case: round.is_multiple_of(2),
            turn: round / 2,
            at: self.first + TimeDelta::seconds(self.step.num_seconds() * number),
        }
    }

    /// The numbers of the slots that begin in `[from, to]`.
    fn slots_between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> std::ops::Range<i64> {
        let step = self.step.num_seconds();
        let after = |at: DateTime<Utc>| (at - self.first).num_seconds();
        let (low, high) = ((after(from) + step - 1).div_euclid(step), after(to).div_euclid(step) + 1);
        low.clamp(0, self.slots)..high.clamp(0, self.slots)
    }

    /// Which vehicle a slot is about.
    fn card(slot: u64, fleet: &Fleet) -> usize {
        // Neighbours in time are far from each other in the list, and none comes again soon.
        usize::try_from(slot * 37 + 5).unwrap_or(0) % fleet.cards.len().max(1)
    }

    /// Whether a vehicle stands still at a time but for a case of its own.
    pub(crate) fn reserves(&self, fleet: &Fleet, card: usize, at: DateTime<Utc>) -> bool {
        self.slots_between(at - LONGEST - APART, at + APART)
            .any(|slot| Self::card(u64::try_from(slot).unwrap_or(0), fleet) == card)
    }

    /// The planted sales of `[from, to)`, in no order.
    pub(crate) fn sales(&self, fleet: &Fleet, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<Sale> {
        let made = self.slots_between(from - LONGEST, to).flat_map(|slot| self.made(fleet, self.slot(slot)));
        made.filter(|sale| (from..to).contains(&sale.occurred())).collect()
    }

    /// What is planted of which all is published at a time.
    pub(crate) fn list(&self, fleet: &Fleet, at: DateTime<Utc>) -> Vec<Planted> {
        let mut list = Vec::new();
        for number in 0..self.slots {
            let slot = self.slot(number);
            let sales = self.made(fleet, slot);
            if sales.iter().all(|sale| sale.published() <= at)
                && let [earlier @ .., shown_by] = sales.as_slice()
            {
                list.push(Planted {
                    rule: slot.rule,
                    is_case: slot.is_case,
                    shown_by: shown_by.named(),
                    before: earlier.first().map(Sale::named),
                });
            }
        }
        list
    }
}

/// The vehicles of both kinds of cards, each plate once. None is told that two cards share.
pub(super) fn vehicles(seed: u64, fleet: &Fleet) -> Vec<Vehicle> {
    let cards = || fleet.cards.iter().chain(&fleet.bonus);
    let is_shared = |plate: &str| cards().filter(|card| card.plate == plate).count() > 1;
    cards()
        .filter(|card| !is_shared(&card.plate))
        .map(|card| {
            let (tank_l, battery_kwh) = cases::sizes(seed, card);
            Vehicle { license_plate: card.plate.clone(), tank_l, battery_kwh }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::World, *};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn options() -> WorldOptions {
        let (from, to) = (at("2026-06-01T00:00:00Z"), at("2026-07-01T00:00:00Z"));
        WorldOptions { sales: 3_000, planted: 10, from, to, ..WorldOptions::default() }
    }

    #[test]
    fn as_many_of_each_rule_as_were_ordered_and_as_many_beside_them() {
        let world = World::new(options());
        let list = world.planted(at("2026-07-02T00:00:00Z"));
        for rule in FindingRule::ALL {
            for is_case in [true, false] {
                let count = list.iter().filter(|planted| planted.rule == rule && planted.is_case == is_case).count();
                assert_eq!(count, 10, "{rule:?} {is_case}");
            }
        }
        assert!(world.planted(at("2026-06-10T00:00:00Z")).len() < list.len());
        assert!(World::new(WorldOptions { planted: 0, ..options() }).planted(at("2026-07-02T00:00:00Z")).is_empty());
    }

    #[test]
    fn each_planted_sale_is_in_the_world_once_and_in_order() {
        let world = World::new(options());
        let now = at("2026-07-02T00:00:00Z");
        let list = world.planted(now);
        world.with(now, |store| {
            assert!(store.card.is_sorted_by_key(|s| s.occurred) && store.hecone.is_sorted_by_key(|s| s.occurred));
            let ids: Vec<Named> = store
                .card
                .iter()
                .map(|s| (SourceKind::AlexelaCard, card_id(SourceKind::AlexelaCard, s.index)))
                .chain(store.hecone.iter().map(|s| (SourceKind::HecOne, s.id.to_string())))
                .collect();
            for named in list.iter().flat_map(|planted| [Some(&planted.shown_by), planted.before.as_ref()]).flatten() {
                assert_eq!(ids.iter().filter(|id| *id == named).count(), 1, "{named:?}");
            }
            for (place, session) in store.hecone.iter().enumerate() {
                assert_eq!(store.by_id[&session.id], place);
            }
        });
    }

    #[test]
    fn a_vehicle_keeps_half_a_day_between_sales_but_for_its_cases() {
        let world = World::new(options());
        let now = at("2026-07-02T00:00:00Z");
        world.with(now, |store| {
            let mut seen: Vec<(usize, DateTime<Utc>, bool)> = store
                .card
                .iter()
                .map(|s| (s.card, s.occurred, s.planted))
                .chain(store.hecone.iter().filter_map(|s| Some((s.card?, s.occurred, s.planted))))
                .collect();
            seen.sort_unstable();
            for pair in seen.windows(2) {
                let ((card, before, planted_before), (same, after, planted)) = (pair[0], pair[1]);
                let apart = after - before;
                assert!(card != same || planted && planted_before && apart <= LONGEST || apart >= APART, "{pair:?}");
            }
        });
    }
}
