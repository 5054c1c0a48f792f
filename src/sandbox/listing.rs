//! A whole world's records as texts, for whoever serves them in another way than the sandbox does.

use chrono::{DateTime, Utc};

use super::{
    World,
    alexela::rows::{card_row, ev_row},
    hecone::rows::hecone_row,
    world::card::CardSale,
};
use crate::domain::SourceKind;

/// A record as it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// When the sale took place: the time by which it is asked for.
    pub occurred_at: DateTime<Utc>,
    /// Which of [`World::contracts`] it is of; none but at `alexela_card`.
    pub contract: Option<usize>,
    /// Its text.
    pub json: String,
}

/// All that a source serves at this time of the world, in order of time.
pub fn listing(world: &World, source: SourceKind, at: DateTime<Utc>) -> Vec<Listed> {
    let receipts = |sales: &[CardSale], contract: &dyn Fn(&CardSale) -> Option<usize>| {
        let seen = sales.iter().filter(|sale| sale.visible(at));
        seen.flat_map(|sale| {
            (0..sale.lines.len()).map(|line| Listed {
                occurred_at: sale.occurred,
                contract: contract(sale),
                json: card_row(world, source, sale, line, at, false).row.json(),
            })
        })
        .collect()
    };
    world.with(at, |store| match source {
        SourceKind::AlexelaCard => receipts(&store.card, &|sale| Some(world.fleet.cards[sale.card].contract)),
        SourceKind::AlexelaBonus => receipts(&store.bonus, &|_| None),
        SourceKind::AlexelaEv => {
            let seen = store.ev.iter().filter(|sale| sale.visible(at));
            seen.map(|sale| Listed {
                occurred_at: sale.occurred,
                contract: None,
                json: ev_row(world, sale, at, false).row.json(),
            })
            .collect()
        }
        SourceKind::HecOne => {
            let seen = store.hecone.iter().filter(|sale| sale.visible(at));
            seen.map(|sale| Listed {
                occurred_at: sale.occurred,
                contract: None,
                json: hecone_row(world, sale, at, false).json(),
            })
            .collect()
        }
    })
}
