//! Prices that move by day, and the arithmetic of a line: whole ten-thousandths, rounded to cents where money is.

use super::{
    catalog::Product,
    dice::{Dice, tag},
};
use crate::domain::Unit;

/// What one line comes to, in ten-thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figures {
    /// How much.
    pub quantity: i64,
    /// Price of one unit, tax included.
    pub price: i64,
    /// Price of one unit before tax, in ten-millionths: it rarely comes out even.
    pub net_price_fine: i64,
    /// The line with tax, to the cent.
    pub gross: i64,
    /// The line before tax, to the cent.
    pub net: i64,
    /// The tax, to the cent.
    pub vat: i64,
    /// The rate in per cent.
    pub vat_rate: i64,
}

/// Rounds to a multiple, half away from zero.
pub(crate) fn rounded(value: i128, unit: i128) -> i64 {
    let half = if value < 0 { -unit / 2 } else { unit / 2 };
    i64::try_from((value + half) / unit * unit).unwrap_or(0)
}

/// `a × b` of two numbers in ten-thousandths, to the cent.
fn product_to_cents(a: i64, b: i64) -> i64 {
    rounded(i128::from(a) * i128::from(b), 1_000_000) / 10_000
}

impl Figures {
    /// The figures of a line whose quantity and price are known; the rate is in whole per cent.
    pub(crate) fn of(quantity: i64, price: i64, vat_percent: i64) -> Self {
        let gross = product_to_cents(quantity, price);
        Self::with_gross(quantity, price, gross, vat_percent)
    }

    /// The same with a total of its own, right or wrong; tax and net follow the total.
    pub(crate) fn with_gross(quantity: i64, price: i64, gross: i64, vat_percent: i64) -> Self {
        let share = i128::from(100 + vat_percent);
        let net = rounded(i128::from(gross) * 100 * 1000 / share, 100 * 1000) / 1000;
        Self {
            quantity,
            price,
            net_price_fine: i64::try_from(i128::from(price) * 1000 * 100 / share).unwrap_or(0),
            gross,
            net,
            vat: gross - net,
            vat_rate: vat_percent * 10_000,
        }
    }
}

/// The price of a unit on a day: the base, a slow swing, a daily step, and what the place adds. To a tenth of a cent
/// where the market moves, to five cents in the shop.
pub(crate) fn price_on(seed: u64, product: &Product, day: i64, place: u64, per_euro_thousandths: i64) -> i64 {
    let base = product.price * per_euro_thousandths / 1000;
    if product.unit == Unit::Piece || product.unit == Unit::Minute {
        let step = if product.unit == Unit::Minute { 10 } else { 500 };
        return (base / step).max(1) * step;
    }
    let swing = (day.rem_euclid(180) - 90).abs() - 45;
    let mut daily = Dice::new(&[seed, tag("price"), tag(product.code), day.unsigned_abs()]);
    let mut local = Dice::new(&[seed, tag("place"), place]);
    let per_mille = 1000 + swing * 2 + daily.between(-12, 12) + local.between(-8, 8);
    base * per_mille / 1000 / 10 * 10
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::catalog::ALEXELA_FUELS, *};

    #[test]
    fn a_line_comes_to_the_cent() {
        let figures = Figures::of(412_300, 13_790, 24);
        assert_eq!((figures.gross, figures.net, figures.vat), (568_600, 458_500, 110_100));
    }

    #[test]
    fn prices_move_from_day_to_day() {
        let prices: std::collections::BTreeSet<_> =
            (0..30).map(|day| price_on(1, &ALEXELA_FUELS[0], day, 1, 1000)).collect();
        assert!(prices.len() > 10);
        assert!(prices.iter().all(|p| p % 10 == 0 && (11_000..18_000).contains(p)));
    }

    proptest! {
        #[test]
        fn what_the_checks_of_a_clean_line_ask_for_holds(quantity in -9_000_000i64..9_000_000, price in 1i64..600_000, vat in 0i64..27) {
            let f = Figures::of(quantity, price, vat);
            prop_assert_eq!(f.net + f.vat, f.gross);
            let exact = i128::from(quantity) * i128::from(price);
            prop_assert!((exact - i128::from(f.gross) * 10_000).abs() <= 500_000);
            let tax = i128::from(f.net) * i128::from(vat) - i128::from(f.vat) * 100;
            prop_assert!(tax.abs() <= 100 * 100);
        }
    }
}
