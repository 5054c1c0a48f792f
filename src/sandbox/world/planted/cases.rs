//! What each case is made of.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    super::{
        card::{self, CardLine, Slip},
        catalog::{ALEXELA_FUELS, HECONE_PRODUCTS, Product},
        dice::{Dice, tag},
        fleet::{Card, Fleet},
        places, prices,
        session::{self, Article, Stage},
    },
    FindingRule, Plan, Sale, Slot,
};
use crate::domain::SourceKind;

/// Running numbers of planted sales begin here: no other sale has one.
const FIRST_INDEX: u64 = 50_000_000;
/// Diesel and fast charging, at Alexela and at `HecOne`.
static DIESEL: [&Product; 2] = [&ALEXELA_FUELS[0], &HECONE_PRODUCTS[0]];
static CHARGE: [&Product; 2] = [&ALEXELA_FUELS[11], &HECONE_PRODUCTS[6]];
/// A hundredth of a litre or a kilowatt hour.
const HUNDREDTH: i64 = 100;
const WHOLE: i64 = 10_000;

/// Litres and kilowatt hours that a vehicle holds: more than any sale that is not planted brings, two tanks together.
pub(super) fn sizes(seed: u64, card: &Card) -> (i64, i64) {
    let mut dice = Dice::new(&[seed, tag("vehicle"), tag(&card.number)]);
    (dice.between(190, 420), dice.between(80, 130))
}

/// One sale of a case, before it is a vendor's.
#[derive(Debug, Clone)]
struct Made {
    /// Whether `HecOne` sells.
    at_hecone: bool,
    at: DateTime<Utc>,
    /// Which of the towns where both sell.
    town: usize,
    products: [&'static Product; 2],
    /// One line each.
    quantities: Vec<i64>,
    /// The price against the day's, in per cent.
    percent: i64,
    odometer: Option<i64>,
}

impl Made {
    fn new(at_hecone: bool, at: DateTime<Utc>, town: usize, quantity: i64) -> Self {
        Self { at_hecone, at, town, products: DIESEL, quantities: vec![quantity], percent: 100, odometer: None }
    }

    fn hundredths(quantity: i64) -> i64 {
        quantity / HUNDREDTH * HUNDREDTH
    }
}

impl Plan {
    /// The sales of one slot, in order of time.
    pub(super) fn made(&self, fleet: &Fleet, slot: Slot) -> Vec<Sale> {
        let card = Self::card(slot.number, fleet);
        let Some(owner) = fleet.cards.get(card) else { return Vec::new() };
        let mut dice = Dice::new(&[self.seed, tag("planted"), slot.number]);
        let made = match slot.rule {
            FindingRule::OverTank => self.over_tank(slot, owner, &mut dice),
            FindingRule::OverBattery => self.over_battery(slot, owner, &mut dice),
            FindingRule::TwoPlaces => two_places(slot, &mut dice),
            FindingRule::OdometerBack => odometer_back(slot, owner, &mut dice),
            FindingRule::TwiceAtBoth => twice_at_both(slot, &mut dice),
            FindingRule::PriceOffMedian => price_off_median(slot, &mut dice),
        };
        let numbers = FIRST_INDEX + slot.number * 2..;
        made.into_iter().zip(numbers).map(|(made, index)| self.sold(fleet, card, index, &made)).collect()
    }

    fn over_tank(&self, slot: Slot, owner: &Card, dice: &mut Dice) -> Vec<Made> {
        let tank = sizes(self.seed, owner).0 * WHOLE;
        let percent = if slot.is_case { dice.between(102, 160) } else { dice.between(92, 99) };
        let quantity = Made::hundredths(tank * percent / 100);
        let mut made = Made::new(slot.turn % 3 == 2, slot.at, dice.below(places::SHARED), quantity);
        if slot.turn % 3 == 1 {
            // Two tanks, neither of them more than all that the vehicle holds.
            let first = Made::hundredths(quantity * 11 / 20);
            made.quantities = vec![first, quantity - first];
        }
        vec![made]
    }

    fn over_battery(&self, slot: Slot, owner: &Card, dice: &mut Dice) -> Vec<Made> {
        let battery = sizes(self.seed, owner).1 * WHOLE;
        // What the charger counts may be 15 % more than what arrives.
        let percent = if slot.is_case { dice.between(117, 170) } else { dice.between(100, 114) };
        let quantity = Made::hundredths(battery * percent / 100);
        let town = dice.below(places::SHARED);
        vec![Made { products: CHARGE, ..Made::new(slot.turn % 2 == 1, slot.at, town, quantity) }]
    }

    /// The sale at its vendor.
    fn sold(&self, fleet: &Fleet, card: usize, index: u64, made: &Made) -> Sale {
        let day = made.at.timestamp().div_euclid(86_400);
        let published = made.at + TimeDelta::seconds(90);
        let priced = |product, place, rate| {
            prices::price_on(self.seed, product, day, place, rate) * made.percent / 100 / 10 * 10
        };
        if made.at_hecone {
            let product = made.products[1];
            let base = session::sale(self.seed, fleet, index, made.at, false);
            let price = priced(product, made.town as u64, 1000);
            let article = |(place, quantity): (usize, &i64)| Article {
                product,
                id: base.articles.first().and_then(|article| article.id).filter(|_| place == 0),
                quantity: *quantity,
                price,
                slip: Slip::None,
            };
            let place = &fleet.sites[made.town];
            return Sale::HecOne(session::Session {
                published,
                course: vec![(published, Stage::Completed)],
                site: made.town,
                device: base.device % place.devices.len(),
                point: base.point % place.points.len(),
                card: Some(card),
                articles: made.quantities.iter().enumerate().map(article).collect(),
                charging: None,
                odometer: made.odometer,
                corrected: None,
                mismatch: false,
                garbage: None,
                planted: true,
                ..base
            });
        }
        let product = made.products[0];
        let place = &fleet.stations[made.town];
        let base = card::sale(self.seed, fleet, SourceKind::AlexelaCard, index, made.at, false);
        let price = priced(product, u64::from(place.id), place.rate);
        let line = |(mark, quantity): (u64, &i64)| CardLine {
            product,
            quantity: *quantity,
            price,
            discount: 0,
            mark,
            twin: false,
            slip: Slip::None,
        };
        Sale::Card(card::CardSale {
            published,
            card,
            station: made.town,
            terminal: base.terminal % place.terminals.len(),
            odometer: made.odometer,
            lines: (0..).zip(&made.quantities).map(line).collect(),
            corrected: None,
            garbage: None,
            planted: true,
            ..base
        })
    }
}

/// A few litres, of which no two sales of one vehicle have the same.
fn some(dice: &mut Dice, turn: i64) -> i64 {
    dice.between(2_000, 3_500) * HUNDREDTH + turn * 2_000 * HUNDREDTH
}

/// Which vendor has the first and which the second sale.
const fn vendors(turn: u64) -> (bool, bool) {
    match turn % 4 {
        0 => (false, false),
        1 => (true, true),
        2 => (true, false),
        _ => (false, true),
    }
}

fn two_places(slot: Slot, dice: &mut Dice) -> Vec<Made> {
    let here = dice.below(places::SHARED);
    let there = (here + 1 + dice.below(places::SHARED - 1)) % places::SHARED;
    // Seconds for the way at 130 km/h.
    let way = places::metres(places::of_site(here), places::of_site(there)) * 3600 / 130_000;
    // A minute is given for clocks that differ.
    let seconds = if slot.is_case { dice.between(way / 10, way * 9 / 10 - 60) } else { dice.between(way, way + 5_400) };
    let (first, second) = vendors(slot.turn);
    vec![
        Made::new(first, slot.at, here, some(dice, 0)),
        Made::new(second, slot.at + TimeDelta::seconds(seconds), there, some(dice, 1)),
    ]
}

fn odometer_back(slot: Slot, owner: &Card, dice: &mut Dice) -> Vec<Made> {
    let town = dice.below(places::SHARED);
    let then = slot.at + TimeDelta::hours(dice.between(1, 8));
    let (true_before, true_then) = (owner.odometer_at(slot.at), owner.odometer_at(then));
    let (before, after) = match (slot.is_case, slot.turn % 2) {
        (true, 0) => (true_before, true_before - dice.between(11, 2_900)),
        // One digit too many: the reading before was the wrong one.
        (true, _) => (true_before + dice.between(1_000, 90_000), true_then),
        // As far as two who read it may differ.
        (false, _) => (true_before, true_before - dice.between(1, 10)),
    };
    let (first, second) = vendors(slot.turn);
    vec![
        Made { odometer: Some(before), ..Made::new(first, slot.at, town, some(dice, 0)) },
        Made { odometer: Some(after), ..Made::new(second, then, town, some(dice, 1)) },
    ]
}

fn twice_at_both(slot: Slot, dice: &mut Dice) -> Vec<Made> {
    let town = dice.below(places::SHARED);
    let quantity = some(dice, 0);
    let (seconds, other) = match (slot.is_case, slot.turn % 2) {
        (true, _) => (dice.between(30, 600), quantity),
        (false, 0) => (dice.between(601, 2_400), quantity),
        (false, _) => (dice.between(30, 600), quantity + HUNDREDTH),
    };
    let first = slot.turn % 4 < 2;
    vec![
        Made::new(first, slot.at, town, quantity),
        Made::new(!first, slot.at + TimeDelta::seconds(seconds), town, other),
    ]
}

fn price_off_median(slot: Slot, dice: &mut Dice) -> Vec<Made> {
    let is_dear = dice.chance(5_000);
    let percent = match (slot.is_case, is_dear) {
        (true, true) => dice.between(136, 190),
        (true, false) => dice.between(35, 66),
        (false, true) => dice.between(108, 117),
        (false, false) => dice.between(83, 92),
    };
    let made = Made::new(slot.turn % 2 == 1, slot.at, dice.below(places::SHARED), some(dice, 0));
    vec![Made { percent, ..made }]
}
