//! Alexela card and bonus-card receipts: what was bought, and what becomes of it later.

use chrono::{DateTime, Datelike, Months, NaiveTime, TimeDelta, Utc};

use super::{
    catalog::{ALEXELA_EXTRAS, ALEXELA_FUELS, BARE_EXTRAS, Product},
    dice::{Dice, tag},
    fleet::Fleet,
    life,
    prices::{self, Figures},
};
use crate::domain::SourceKind;

/// One receipt.
#[derive(Debug)]
pub(crate) struct CardSale {
    /// Running number in its source; ids are made of it.
    pub index: u64,
    /// When it took place.
    pub occurred: DateTime<Utc>,
    /// When the source begins to show it.
    pub published: DateTime<Utc>,
    /// Which card of its list.
    pub card: usize,
    /// Which station.
    pub station: usize,
    /// Which of the station's terminals.
    pub terminal: usize,
    /// The receipt's number.
    pub receipt: i64,
    /// The payment terminal's authorization.
    pub authorization: i64,
    /// The odometer, where the driver typed it.
    pub odometer: Option<i64>,
    /// What was bought: one line or more.
    pub lines: Vec<CardLine>,
    /// When the first line is corrected, if ever.
    pub corrected: Option<DateTime<Utc>>,
    /// What makes its record unreadable, and until when.
    pub garbage: Option<life::Garbage>,
    /// Whether it is a case of a rule, and written without oddities.
    pub planted: bool,
}

/// One product on a receipt.
#[derive(Debug, Clone)]
pub(crate) struct CardLine {
    /// What.
    pub product: &'static Product,
    /// How much.
    pub quantity: i64,
    /// Price of one unit, tax included, in the station's currency.
    pub price: i64,
    /// Discount in it.
    pub discount: i64,
    /// What tells its dirt from that of the receipt's other lines; twins share it.
    pub mark: u64,
    /// Whether another line is alike in everything.
    pub twin: bool,
    /// A fault in its figures.
    pub slip: Slip,
}

/// A fault in a line's figures that the warehouse should flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slip {
    /// None.
    None,
    /// The total is far from quantity × price.
    Amount,
    /// Net and tax do not make the total.
    Vat,
}

/// An invoice that a receipt stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invoice {
    /// Its number.
    pub number: String,
    /// Its day, at midnight.
    pub date: DateTime<Utc>,
    /// When the rows show it.
    pub issued: DateTime<Utc>,
}

/// The vendor's number of a card transaction.
pub(crate) fn card_id(source: SourceKind, index: u64) -> String {
    let base = if source == SourceKind::AlexelaBonus { 810_000_000 } else { 7_100_000_000_u64 };
    (base + index).to_string()
}

fn weighted(dice: &mut Dice, products: &'static [Product]) -> &'static Product {
    let mut left = dice.between(0, products.iter().map(|p| p.weight).sum::<i64>() - 1);
    products
        .iter()
        .find(|p| {
            left -= p.weight;
            left < 0
        })
        .unwrap_or(&products[0])
}

/// The receipt with this running number.
pub(crate) fn sale(
    seed: u64,
    fleet: &Fleet,
    source: SourceKind,
    index: u64,
    occurred: DateTime<Utc>,
    dirt: bool,
) -> CardSale {
    let mut dice = Dice::new(&[seed, tag(source.as_str()), index]);
    let cards = if source == SourceKind::AlexelaBonus { &fleet.bonus } else { &fleet.cards };
    let card = dice.below(cards.len());
    let station = dice.below(fleet.stations.len());
    let place = &fleet.stations[station];
    let mut lines: Vec<CardLine> = Vec::with_capacity(1);
    let mut add = |dice: &mut Dice, product: &'static Product, mark: u64| {
        let price = prices::price_on(seed, product, occurred.timestamp() / 86_400, u64::from(place.id), place.rate);
        let discount = if dice.chance(6_000) { price / 40 / 10 * 10 } else { 0 };
        lines.push(CardLine {
            product,
            quantity: dice.between(product.amount.0, product.amount.1) * product.step,
            price: price - discount,
            discount,
            mark,
            twin: false,
            slip: Slip::None,
        });
    };
    let only_extras = dice.chance(900);
    if !only_extras {
        let fuel =
            if dice.chance(8_500) { &ALEXELA_FUELS[cards[card].fuel] } else { weighted(&mut dice, &ALEXELA_FUELS) };
        add(&mut dice, fuel, 0);
        if dice.chance(200) {
            // The second tank: the same product again, with a quantity of its own.
            add(&mut dice, fuel, 1);
        }
    }
    let extras = if only_extras { dice.between(1, 3) } else { [0, 0, 0, 0, 1, 2][dice.below(6)] };
    // Without a type, as on bonus cards, only what is known by its name has a kind.
    let extras_sold =
        if source == SourceKind::AlexelaBonus { &ALEXELA_EXTRAS[..BARE_EXTRAS] } else { &ALEXELA_EXTRAS[..] };
    let first = dice.below(extras_sold.len());
    for extra in 0..usize::try_from(extras).unwrap_or(0) {
        add(&mut dice, &extras_sold[(first + extra * 3) % extras_sold.len()], 2 + extra as u64);
    }
    finish(&mut dice, &mut lines, dirt);
    let published = life::published(&mut dice, occurred);
    let correctable = lines.len() == 1 && lines[0].slip == Slip::None;
    let corrected = life::sometimes(&mut dice, 120, published, 1, 240).filter(|_| correctable);
    let garbage = life::garbage(&mut dice, dirt && lines.len() == 1, published, true);
    // A roll more where it is typed, as ever: a seed's other rolls stay what they were.
    let odometer = dice.chance(7_000).then(|| dice.next()).map(|_| cards[card].odometer_at(occurred));
    CardSale {
        index,
        occurred,
        published,
        card,
        station,
        terminal: dice.below(place.terminals.len()),
        receipt: dice.between(100_000, 9_999_999),
        authorization: dice.between(0, 999_999),
        odometer,
        lines,
        corrected,
        garbage,
        planted: false,
    }
}

/// Returns, second tanks, two coffees, and figures that are wrong.
fn finish(dice: &mut Dice, lines: &mut Vec<CardLine>, dirt: bool) {
    // Two tanks filled with the very same quantity would be alike by accident.
    if let [first, second, ..] = lines.as_mut_slice()
        && first.product.code == second.product.code
        && first.quantity == second.quantity
    {
        second.quantity += second.product.step;
    }
    if let [first, second, ..] = lines.as_mut_slice()
        && first.product.code == second.product.code
    {
        second.discount = first.discount;
        second.price = first.price;
    }
    let returned = dice.chance(60);
    let slip = dice.below(1000);
    let twins = dice.chance(1_500);
    let Some(last) = lines.last_mut() else { return };
    if returned {
        last.quantity = -last.quantity;
    }
    if dirt && slip < 4 && last.quantity > 0 {
        last.slip = if slip < 2 { Slip::Amount } else { Slip::Vat };
    }
    if twins && last.mark >= 2 && last.slip == Slip::None {
        last.twin = true;
        let twin = last.clone();
        lines.push(twin);
    }
}

impl CardSale {
    /// Whether the source shows it.
    pub(crate) fn visible(&self, at: DateTime<Utc>) -> bool {
        self.published <= at
    }

    /// The figures of one of its lines as they are at a time.
    pub(crate) fn figures(&self, line: usize, vat_percent: i64, at: DateTime<Utc>) -> Figures {
        let sold = &self.lines[line];
        let corrected = line == 0 && self.corrected.is_some_and(|c| c <= at);
        let (mut quantity, mut price) = (sold.quantity, sold.price);
        if corrected && sold.quantity.abs() >= sold.product.step * 10 {
            quantity = quantity / sold.product.step * 9 / 10 * sold.product.step;
        } else if corrected {
            price = price * 9 / 10 / 10 * 10;
        }
        let mut figures = Figures::of(quantity, price, vat_percent);
        match sold.slip {
            Slip::None => {}
            Slip::Amount => {
                let gross = prices::rounded(i128::from(figures.gross) * 5 / 4, 100) + 20_000;
                figures = Figures::with_gross(quantity, price, gross, vat_percent);
            }
            Slip::Vat => figures.vat += 13_700,
        }
        figures
    }

    /// The invoice it stands on at a time: the run of its contract in the first days of the month after it was
    /// published.
    pub(crate) fn invoice(&self, contract: usize, at: DateTime<Utc>) -> Option<Invoice> {
        let run = |day: DateTime<Utc>| -> Option<Invoice> {
            let month = day.date_naive().with_day(1)?;
            let shift = i64::try_from(contract % 3).unwrap_or(0);
            let date = (month + TimeDelta::days(shift)).and_time(NaiveTime::MIN).and_utc();
            let number = format!("{}{:02}01-{}", month.year(), month.month(), 19_091 + contract);
            Some(Invoice { number, date, issued: date + TimeDelta::hours(5) })
        };
        let invoice = run(self.published.checked_add_months(Months::new(1))?)?;
        (invoice.issued <= at).then_some(invoice)
    }

    /// When its status last changed: published, corrected, invoiced.
    pub(crate) fn status_at(&self, invoice: Option<&Invoice>, at: DateTime<Utc>) -> DateTime<Utc> {
        let corrected = self.corrected.filter(|c| *c <= at).unwrap_or(self.published);
        invoice.map_or(corrected, |i| i.issued.max(corrected))
    }
}
