//! `HecOne` transactions: most are completed when first seen; some are created, consumed and paid over hours or days;
//! some are declined or fail.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{
    card::Slip,
    catalog::{HECONE_PRODUCTS, Product},
    dice::{Dice, tag},
    fleet::{self, Fleet},
    life,
    prices::{self, Figures},
};
use crate::domain::Kind;

/// Where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Announced; nothing chosen yet.
    Created,
    /// Being consumed.
    Pending,
    /// Consumed, not paid.
    Consumed,
    /// Paid.
    Completed,
    /// Refused.
    Declined,
    /// Failed.
    Error,
}

impl Stage {
    /// The vendor's word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Pending => "pending",
            Self::Consumed => "consumed",
            Self::Completed => "completed",
            Self::Declined => "declined",
            Self::Error => "error",
        }
    }
}

/// One transaction.
#[derive(Debug)]
pub(crate) struct Session {
    /// Running number.
    pub index: u64,
    /// The vendor's id.
    pub id: Uuid,
    /// When it was created.
    pub occurred: DateTime<Utc>,
    /// When the source begins to show it.
    pub published: DateTime<Utc>,
    /// What it becomes and from when, in order of time; the first is what it is when published.
    pub course: Vec<(DateTime<Utc>, Stage)>,
    /// Which site.
    pub site: usize,
    /// Which of the site's devices.
    pub device: usize,
    /// Which of the site's points.
    pub point: usize,
    /// The card used, where one was.
    pub card: Option<usize>,
    /// What is sold.
    pub articles: Vec<Article>,
    /// How it is paid: one method, or two that share.
    pub methods: Vec<&'static str>,
    /// The terminal's number for it.
    pub terminal_number: i64,
    /// Charging session.
    pub charging: Option<Uuid>,
    /// The odometer, where the driver typed it.
    pub odometer: Option<i64>,
    /// When the first article is corrected, if ever.
    pub corrected: Option<DateTime<Utc>>,
    /// Whether its payment says less than its state.
    pub mismatch: bool,
    /// What makes its record unreadable, and until when.
    pub garbage: Option<life::Garbage>,
    /// Whether it is a case of a rule, and written without oddities.
    pub planted: bool,
}

/// One article.
#[derive(Debug)]
pub(crate) struct Article {
    /// What.
    pub product: &'static Product,
    /// Its own id, where the site gives one.
    pub id: Option<Uuid>,
    /// How much in the end.
    pub quantity: i64,
    /// Price of one unit, tax included.
    pub price: i64,
    /// A fault in its figures.
    pub slip: Slip,
}

fn course(dice: &mut Dice, occurred: DateTime<Utc>) -> (DateTime<Utc>, Vec<(DateTime<Utc>, Stage)>) {
    let kind = dice.below(1000);
    if kind < 880 {
        let published = life::published(dice, occurred);
        return (published, vec![(published, Stage::Completed)]);
    }
    let published = occurred + TimeDelta::seconds(dice.between(1, 20));
    let slow = dice.chance(3_000);
    let mut later = |low: i64, high: i64| {
        let minutes = dice.between(low, if slow { high * 30 } else { high });
        TimeDelta::minutes(minutes)
    };
    let pending = published + later(1, 6);
    let consumed = pending + later(2, 50);
    let completed = consumed + later(1, 90);
    let all = [
        (published, Stage::Created),
        (pending, Stage::Pending),
        (consumed, Stage::Consumed),
        (completed, Stage::Completed),
    ];
    let course = match kind {
        880..960 => all.to_vec(),
        // Those that nobody ever finishes.
        960..963 => all[..3].to_vec(),
        963..966 => all[..2].to_vec(),
        966..978 => vec![(published, Stage::Declined)],
        978..986 => vec![all[0], (pending, Stage::Declined)],
        986..993 => vec![(published, Stage::Error)],
        _ => vec![all[0], all[1], (consumed, Stage::Error)],
    };
    (published, course)
}

/// The transaction with this running number.
pub(crate) fn sale(seed: u64, fleet: &Fleet, index: u64, occurred: DateTime<Utc>, dirt: bool) -> Session {
    let mut dice = Dice::new(&[seed, tag("hecone"), index]);
    let id = fleet::uuid(&mut dice);
    let (published, course) = course(&mut dice, occurred);
    let site = dice.below(fleet.sites.len());
    let place = &fleet.sites[site];
    let first = {
        let mut left = dice.between(0, HECONE_PRODUCTS.iter().map(|p| p.weight).sum::<i64>() - 1);
        HECONE_PRODUCTS
            .iter()
            .position(|p| {
                left -= p.weight;
                left < 0
            })
            .unwrap_or(0)
    };
    let mut chosen = vec![first];
    if dice.chance(1_500) {
        // A second article is another product: AdBlue beside diesel, parking beside charging.
        chosen.push((first + 2) % HECONE_PRODUCTS.len());
    }
    let own_ids = dice.chance(7_000);
    let returned = dice.chance(30);
    let mut articles: Vec<_> = chosen
        .into_iter()
        .map(|p| {
            let product = &HECONE_PRODUCTS[p];
            let own = fleet::uuid(&mut dice);
            let quantity = dice.between(product.amount.0, product.amount.1) * product.step;
            Article {
                product,
                id: own_ids.then_some(own),
                quantity: if returned { -quantity } else { quantity },
                price: prices::price_on(seed, product, occurred.timestamp() / 86_400, site as u64, 1000),
                slip: Slip::None,
            }
        })
        .collect();
    let slip = dice.below(1000);
    if let Some(last) = articles.last_mut()
        && dirt
        && !returned
        && slip < 4
    {
        last.slip = if slip < 2 { Slip::Amount } else { Slip::Vat };
    }
    let electric = articles.first().is_some_and(|a| a.product.kind == Kind::EvCharging);
    let charging = fleet::uuid(&mut dice);
    let instant = course.len() == 1 && course[0].1 == Stage::Completed;
    let device = dice.below(place.devices.len());
    let point = dice.below(place.points.len());
    let card = dice.chance(7_500).then(|| dice.below(fleet.cards.len()));
    let methods = [&["fleet_card"][..], &["credit_card"], &["cash"], &["fleet_card", "cash"], &["app"]];
    Session {
        index,
        id,
        occurred,
        published,
        site,
        device,
        point,
        card,
        methods: methods[dice.below(methods.len())].to_vec(),
        terminal_number: dice.between(0, 99_999),
        charging: electric.then_some(charging),
        // A roll more where it is typed, as ever: a seed's other rolls stay what they were. Without a card nobody types it.
        odometer: dice
            .chance(4_500)
            .then(|| dice.next())
            .and(card)
            .and_then(|card| fleet.cards.get(card))
            .map(|card| card.odometer_at(occurred)),
        corrected: life::sometimes(&mut dice, 100, published, 1, 200)
            .filter(|_| instant && articles.first().is_some_and(|a| a.slip == Slip::None)),
        mismatch: dice.chance(15) && dirt && instant && !returned,
        garbage: life::garbage(&mut dice, dirt && instant, published, false).filter(|g| g.fault != life::Fault::NoId),
        articles,
        course,
        planted: false,
    }
}

impl Session {
    /// Whether the source shows it.
    pub(crate) fn visible(&self, at: DateTime<Utc>) -> bool {
        self.published <= at
    }

    /// Where it stands at a time.
    pub(crate) fn stage(&self, at: DateTime<Utc>) -> Stage {
        self.course.iter().rev().find(|(from, _)| *from <= at).or(self.course.first()).map_or(Stage::Created, |c| c.1)
    }

    /// Whether the last thing that will happen to it has happened.
    #[cfg(test)]
    pub(crate) fn settled(&self, at: DateTime<Utc>) -> bool {
        self.course.last().is_some_and(|(from, _)| *from <= at)
    }

    /// The figures of one article at a time.
    pub(crate) fn figures(&self, article: usize, vat_percent: i64, at: DateTime<Utc>) -> Figures {
        let sold = &self.articles[article];
        let mut quantity = sold.quantity;
        let mut price = sold.price;
        match self.stage(at) {
            Stage::Created | Stage::Declined => quantity = 0,
            Stage::Pending => quantity = quantity / sold.product.step / 2 * sold.product.step,
            Stage::Consumed | Stage::Completed | Stage::Error => {}
        }
        if article == 0 && self.corrected.is_some_and(|c| c <= at) {
            price = price * 19 / 20 / 10 * 10;
        }
        let mut figures = Figures::of(quantity, price, vat_percent);
        match sold.slip {
            _ if quantity == 0 => {}
            Slip::None => {}
            Slip::Amount => {
                let gross = prices::rounded(i128::from(figures.gross) * 5 / 4, 100) + 20_000;
                figures = Figures::with_gross(quantity, price, gross, vat_percent);
            }
            Slip::Vat => figures.vat += 13_700,
        }
        figures
    }
}
