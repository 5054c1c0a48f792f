//! The world: every sale of both vendors as a pure function of a seed and the time.
//!
//! [`fleet`] says who buys where, [`catalog`] and [`prices`] what and for how much, [`rhythm`] how many sales an hour
//! holds. [`card`], [`charging`] and [`session`] make one sale from its running number; [`life`] what becomes of it.
//! [`planted`] puts cases of the rules of `fuel.finding` among them, [`places`] says where everything is.
//! Nothing is drawn at the time of asking: the same seed answers the same bytes for the same world time.

pub(crate) mod card;
pub(crate) mod catalog;
pub(crate) mod charging;
pub(crate) mod dice;
pub(crate) mod fleet;
pub(crate) mod life;
pub mod places;
pub mod planted;
pub(crate) mod prices;
pub(crate) mod rhythm;
pub(crate) mod session;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{PoisonError, RwLock},
};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use self::{
    card::CardSale,
    charging::EvSale,
    dice::{Dice, tag},
    fleet::Fleet,
    places::Place,
    planted::{Plan, Planted, Sale, Vehicle},
    rhythm::Rhythm,
    session::Session,
};
use crate::domain::SourceKind;

/// What a world is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorldOptions {
    /// Everything follows from it.
    pub seed: u64,
    /// Sales (receipts, sessions, transactions) in `[from, to)`, over the four sources. They go on at that rate.
    pub sales: u64,
    /// How they are split, against each other: `hecone`, `alexela_card`, `alexela_bonus`, `alexela_ev`.
    pub shares: [u64; 4],
    /// The first hour with sales.
    pub from: DateTime<Utc>,
    /// The end of the stretch that `sales` counts.
    pub to: DateTime<Utc>,
    /// The world stands still from here on; the server's clock does not.
    pub as_of: Option<DateTime<Utc>>,
    /// Contracts of payment cards.
    pub contracts: usize,
    /// Whether records have real-life oddities.
    pub dirt: bool,
    /// Cases of each rule of `fuel.finding` among the sales of `[from, to)`, and as many sales that lie just this side of its
    /// border. With any, the other sales keep half a day between two of one vehicle.
    pub planted: u32,
}

impl WorldOptions {
    /// All sales are of one source, and none has oddities: what benchmarks load.
    pub fn only(source: SourceKind) -> Self {
        let shares = match source {
            SourceKind::HecOne => [1, 0, 0, 0],
            SourceKind::AlexelaCard => [0, 1, 0, 0],
            SourceKind::AlexelaBonus => [0, 0, 1, 0],
            SourceKind::AlexelaEv => [0, 0, 0, 1],
        };
        Self { shares, dirt: false, ..Self::default() }
    }
}

impl Default for WorldOptions {
    fn default() -> Self {
        let midnight = |day: i64| DateTime::from_timestamp(day * 86_400, 0).unwrap_or_default();
        Self {
            seed: 1,
            sales: 20_000,
            shares: [30, 40, 12, 18],
            // 2025-11-01 and 2026-11-01: fixed, so that every run of every day sees the same sales.
            from: midnight(20_393),
            to: midnight(20_758),
            as_of: None,
            contracts: 3,
            dirt: true,
            planted: 0,
        }
    }
}

/// Every sale up to some hour, in order of time.
#[derive(Debug, Default)]
pub(crate) struct Store {
    next_hour: i64,
    /// Card receipts.
    pub card: Vec<CardSale>,
    /// Bonus-card receipts.
    pub bonus: Vec<CardSale>,
    /// Charging sessions.
    pub ev: Vec<EvSale>,
    /// `HecOne` transactions.
    pub hecone: Vec<Session>,
    /// Where a `HecOne` transaction stands in its list.
    pub by_id: HashMap<Uuid, usize>,
    /// When a vehicle was last seen: by card, and by bonus card. Kept where cases are planted.
    last: HashMap<(bool, usize), DateTime<Utc>>,
}

/// Both vendors' sales, and what a test has done to them.
#[derive(Debug)]
pub struct World {
    pub(crate) options: WorldOptions,
    pub(crate) fleet: Fleet,
    rhythm: [Rhythm; 4],
    plan: Option<Plan>,
    store: RwLock<Store>,
    hidden: RwLock<BTreeSet<(SourceKind, String)>>,
    withdrawn: RwLock<BTreeSet<String>>,
    /// Bonus cards defined by the partner: number and group.
    pub(crate) bonus_cards: RwLock<HashMap<String, &'static str>>,
}

/// The sales of `[from, to)` in a list ordered by time.
pub(crate) fn between<T>(
    list: &[T],
    time: impl Fn(&T) -> DateTime<Utc>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> &[T] {
    let start = list.partition_point(|sale| time(sale) < from);
    let end = list.partition_point(|sale| time(sale) < to);
    list.get(start..end).unwrap_or(&[])
}

impl World {
    /// The world of these options. Sales are made when first looked at.
    pub fn new(options: WorldOptions) -> Self {
        let fleet = Fleet::new(options.seed, options.contracts);
        let weight = options.shares.iter().sum::<u64>().max(1);
        let mut totals = options.shares.map(|share| options.sales * share / weight);
        // What rounding left over goes to the largest, so that the total is exact.
        let rest = options.sales - totals.iter().sum::<u64>();
        if let Some(largest) = totals.iter_mut().max() {
            *largest += rest;
        }
        Self {
            plan: Plan::new(&options),
            rhythm: totals.map(|total| Rhythm::new(options.from, options.to, total)),
            store: RwLock::new(Store { next_hour: rhythm::hour_of(options.from), ..Store::default() }),
            hidden: RwLock::default(),
            withdrawn: RwLock::default(),
            bonus_cards: RwLock::new(fleet.bonus.iter().map(|c| (c.number.clone(), "regular")).collect()),
            fleet,
            options,
        }
    }

    /// The cases that are planted and published at a time, and what lies just beside them.
    pub fn planted(&self, at: DateTime<Utc>) -> Vec<Planted> {
        self.plan.map(|plan| plan.list(&self.fleet, self.time(at))).unwrap_or_default()
    }

    /// The vehicles, as their owner knows them.
    pub fn vehicles(&self) -> Vec<Vehicle> {
        planted::vehicles(self.options.seed, &self.fleet)
    }

    /// Where both vendors' sites are.
    pub fn places(&self) -> Vec<Place> {
        places::all(&self.fleet)
    }

    /// The world's time when the server's clock says `now`.
    pub fn time(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.options.as_of.map_or(now, |as_of| as_of.min(now))
    }

    /// The contract numbers that the Alexela account may see now.
    pub fn contracts(&self) -> Vec<String> {
        let withdrawn = self.withdrawn.read().unwrap_or_else(PoisonError::into_inner);
        self.fleet.contracts.iter().filter(|c| !withdrawn.contains(*c)).cloned().collect()
    }

    /// Takes a contract away from the account, or gives it back.
    pub fn withdraw(&self, contract: &str, withdrawn: bool) {
        let mut list = self.withdrawn.write().unwrap_or_else(PoisonError::into_inner);
        if withdrawn {
            list.insert(contract.to_owned());
        } else {
            list.remove(contract);
        }
    }

    /// Makes a source forget a transaction, or show it again. What is forgotten is not part of the truth.
    pub fn hide(&self, source: SourceKind, id: &str, hidden: bool) {
        let mut list = self.hidden.write().unwrap_or_else(PoisonError::into_inner);
        if hidden {
            list.insert((source, id.to_owned()));
        } else {
            list.remove(&(source, id.to_owned()));
        }
    }

    /// Whether a transaction has been hidden.
    pub(crate) fn is_hidden(&self, source: SourceKind, id: impl FnOnce() -> String) -> bool {
        let list = self.hidden.read().unwrap_or_else(PoisonError::into_inner);
        !list.is_empty() && list.contains(&(source, id()))
    }

    /// Whether the partner has defined this bonus card.
    pub(crate) fn is_defined(&self, card: &str) -> bool {
        self.bonus_cards.read().unwrap_or_else(PoisonError::into_inner).contains_key(card)
    }

    /// Makes the sales up to a time and looks at them.
    pub(crate) fn with<R>(&self, at: DateTime<Utc>, look: impl FnOnce(&Store) -> R) -> R {
        let hour = rhythm::hour_of(at);
        {
            let store = self.store.read().unwrap_or_else(PoisonError::into_inner);
            if hour < store.next_hour {
                return look(&store);
            }
        }
        let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
        while store.next_hour <= hour {
            let next = store.next_hour;
            self.fill(&mut store, next);
            store.next_hour = next + 1;
        }
        look(&store)
    }

    /// The running numbers and times of one hour's sales, in order of time.
    fn times(&self, source: SourceKind, hour: i64) -> Vec<(u64, DateTime<Utc>)> {
        let rhythm = &self.rhythm[source as usize];
        let (first, next) = (rhythm.first_index(hour), rhythm.first_index(hour + 1));
        let mut dice = Dice::new(&[self.options.seed, tag("times"), tag(source.as_str()), hour.unsigned_abs()]);
        let mut offsets: Vec<i64> = (first..next)
            .map(|_| {
                let micros = dice.between(0, 3_600_000_000 - 1);
                match dice.below(20) {
                    0 => micros,
                    1 | 2 => micros / 1_000_000 * 1_000_000,
                    _ => micros / 1000 * 1000,
                }
            })
            .collect();
        offsets.sort_unstable();
        (first..next)
            .zip(offsets)
            .map(|(n, micros)| (n, rhythm::start_of(hour) + TimeDelta::microseconds(micros)))
            .collect()
    }

    fn fill(&self, store: &mut Store, hour: i64) {
        let (seed, dirt, fleet) = (self.options.seed, self.options.dirt, &self.fleet);
        let mut sessions: Vec<_> = self
            .times(SourceKind::HecOne, hour)
            .into_iter()
            .map(|(index, at)| session::sale(seed, fleet, index, at, dirt))
            .collect();
        let receipts = |source| {
            let times = self.times(source, hour).into_iter();
            times.map(|(index, at)| card::sale(seed, fleet, source, index, at, dirt)).collect::<Vec<_>>()
        };
        let mut cards = if fleet.cards.is_empty() { Vec::new() } else { receipts(SourceKind::AlexelaCard) };
        let mut bonus = receipts(SourceKind::AlexelaBonus);
        if let Some(plan) = &self.plan {
            self.keep_apart(plan, &mut store.last, &mut sessions, &mut cards, &mut bonus);
            for sale in plan.sales(fleet, rhythm::start_of(hour), rhythm::start_of(hour + 1)) {
                match sale {
                    Sale::Card(sale) => cards.push(sale),
                    Sale::HecOne(session) => sessions.push(session),
                }
            }
            sessions.sort_by_key(|session| session.occurred);
            cards.sort_by_key(|sale| sale.occurred);
        }
        for session in sessions {
            store.by_id.insert(session.id, store.hecone.len());
            store.hecone.push(session);
        }
        store.card.extend(cards);
        store.bonus.extend(bonus);
        for (index, at) in self.times(SourceKind::AlexelaEv, hour) {
            store.ev.push(charging::sale(seed, fleet, index, at, dirt));
        }
    }

    /// Gives a sale to another vehicle where its own has bought elsewhere within half a day, or is about a case.
    fn keep_apart(
        &self,
        plan: &Plan,
        last: &mut HashMap<(bool, usize), DateTime<Utc>>,
        sessions: &mut [Session],
        cards: &mut [CardSale],
        bonus: &mut [CardSale],
    ) {
        let fleet = &self.fleet;
        let mut another = |is_bonus: bool, card: usize, at: DateTime<Utc>| {
            let all = if is_bonus { fleet.bonus.len() } else { fleet.cards.len() };
            let is_free = |card: &usize| {
                // Within one hour one vendor's sales are looked at after the other's.
                last.get(&(is_bonus, *card)).is_none_or(|seen| (at - *seen).abs() >= planted::APART)
                    && (is_bonus || !plan.reserves(fleet, *card, at))
            };
            let card = (card..all).chain(0..card).find(is_free).unwrap_or(card);
            let seen = last.entry((is_bonus, card)).or_insert(at);
            *seen = at.max(*seen);
            card
        };
        for session in sessions {
            if let Some(card) = &mut session.card {
                *card = another(false, *card, session.occurred);
                session.odometer = session.odometer.map(|_| fleet.cards[*card].odometer_at(session.occurred));
            }
        }
        for (is_bonus, list, owners) in [(false, cards, &fleet.cards), (true, bonus, &fleet.bonus)] {
            for sale in list {
                sale.card = another(is_bonus, sale.card, sale.occurred);
                sale.odometer = sale.odometer.map(|_| owners[sale.card].odometer_at(sale.occurred));
            }
        }
    }
}

#[cfg(test)]
mod tests;
