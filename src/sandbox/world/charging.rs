//! Alexela charging sessions: shown unconfirmed, then confirmed or cancelled hours or days later.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    dice::{Dice, tag},
    fleet::Fleet,
    life,
};

/// One charging session.
#[derive(Debug)]
pub(crate) struct EvSale {
    /// Running number; the id is made of it.
    pub index: u64,
    /// When it ended: the time of the sale.
    pub occurred: DateTime<Utc>,
    /// When it started.
    pub started: DateTime<Utc>,
    /// When the source begins to show it.
    pub published: DateTime<Utc>,
    /// Which station.
    pub station: usize,
    /// Which of the station's chargers.
    pub charger: usize,
    /// Which connector, where the charger says.
    pub connector: Option<i64>,
    /// Kilowatt hours until it is decided.
    pub quantity: i64,
    /// Kilowatt hours afterwards.
    pub decided_quantity: i64,
    /// When it is confirmed or cancelled.
    pub decided: DateTime<Utc>,
    /// Which of the two.
    pub cancelled: bool,
    /// What makes its record unreadable, and until when.
    pub garbage: Option<life::Garbage>,
}

/// The session with this running number.
pub(crate) fn sale(seed: u64, fleet: &Fleet, index: u64, occurred: DateTime<Utc>, dirt: bool) -> EvSale {
    let mut dice = Dice::new(&[seed, tag("ev"), index]);
    let station = dice.below(fleet.stations.len());
    let published = life::published(&mut dice, occurred);
    let quantity = dice.between(1_200, 92_000) * 10;
    let decided_quantity = if dice.chance(300) { quantity - quantity / 50 / 10 * 10 } else { quantity };
    let quick = dice.chance(9_000);
    let delay = if quick { dice.between(10, 12 * 60) } else { dice.between(12 * 60, 8 * 24 * 60) };
    EvSale {
        index,
        occurred,
        started: occurred - TimeDelta::seconds(dice.between(300, 5 * 3600)),
        published,
        station,
        charger: dice.below(fleet.stations[station].chargers.len()),
        connector: dice.chance(9_000).then(|| dice.between(1, 3)),
        quantity,
        decided_quantity,
        decided: published + TimeDelta::minutes(delay),
        cancelled: dice.chance(400),
        garbage: life::garbage(&mut dice, dirt, published, true),
    }
}

impl EvSale {
    /// Whether the source shows it.
    pub(crate) fn visible(&self, at: DateTime<Utc>) -> bool {
        self.published <= at
    }

    /// The source's word at a time.
    pub(crate) fn status(&self, at: DateTime<Utc>) -> &'static str {
        match (self.decided <= at, self.cancelled) {
            (false, _) => "unconfirmed",
            (true, false) => "confirmed",
            (true, true) => "cancelled",
        }
    }

    /// The kilowatt hours at a time.
    pub(crate) fn quantity(&self, at: DateTime<Utc>) -> i64 {
        if self.decided <= at { self.decided_quantity } else { self.quantity }
    }
}
