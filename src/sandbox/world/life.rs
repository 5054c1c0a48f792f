//! What becomes of sales: when a source begins to show them, when they are corrected, what makes a record unreadable
//! and when that is mended. All times are decided at birth, so that the state at any instant can be computed.

use chrono::{DateTime, TimeDelta, Utc};

use super::dice::Dice;

/// What makes a record impossible to normalize.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The time of the sale is not there.
    NoTime,
    /// The time of the sale is no time.
    BadTime,
    /// The quantity does not fit `numeric(18,4)`.
    TooLarge,
    /// There is no id.
    NoId,
}

/// A record that cannot be normalized, for a while or for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Garbage {
    /// What is wrong.
    pub fault: Fault,
    /// When the vendor mends it, if ever.
    pub mended: Option<DateTime<Utc>>,
}

impl Garbage {
    /// The fault, while it lasts.
    pub(crate) fn at(self, at: DateTime<Utc>) -> Option<Fault> {
        self.mended.is_none_or(|mended| at < mended).then_some(self.fault)
    }
}

/// When a source shows a sale: within ten minutes, for a few hours or days later.
pub(crate) fn published(dice: &mut Dice, occurred: DateTime<Utc>) -> DateTime<Utc> {
    let late = dice.below(1000);
    let delay = match late {
        0..4 => TimeDelta::minutes(dice.between(60, 20 * 60)),
        4..7 => TimeDelta::minutes(dice.between(24 * 60, 6 * 24 * 60)),
        _ => TimeDelta::seconds(dice.between(0, 600)),
    };
    occurred + delay
}

/// An event that happens to some, between so many hours after.
pub(crate) fn sometimes(
    dice: &mut Dice,
    per_ten_thousand: u64,
    after: DateTime<Utc>,
    low: i64,
    high: i64,
) -> Option<DateTime<Utc>> {
    let (happens, minutes) = (dice.chance(per_ten_thousand), dice.between(low * 60, high * 60));
    happens.then(|| after + TimeDelta::minutes(minutes))
}

/// What makes a few records unreadable. One without an id is never mended: nothing says which it was.
pub(crate) fn garbage(dice: &mut Dice, may: bool, published: DateTime<Utc>, may_lack_id: bool) -> Option<Garbage> {
    let (roll, mended) = (dice.below(10_000), sometimes(dice, 5_000, published, 6, 72));
    let fault = match roll {
        0..5 => Fault::NoTime,
        5..10 => Fault::BadTime,
        10..17 => Fault::TooLarge,
        17..20 if may_lack_id => Fault::NoId,
        _ => return None,
    };
    may.then_some(Garbage { fault, mended: mended.filter(|_| fault != Fault::NoId) })
}
