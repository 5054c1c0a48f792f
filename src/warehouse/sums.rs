//! How many lines, how much and for how much, by product, currency and unit.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::fields::{self, CURRENCY, GROSS_AMOUNT, NET_AMOUNT, PRODUCT, QUANTITY, UNIT, VAT_AMOUNT};
use crate::domain::Amount;

/// What lines are added up by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Of {
    /// Canonical product; none when no rule matches.
    pub product: Option<String>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// What the quantity counts.
    pub unit: Option<String>,
}

/// A sum of amounts, in ten-thousandths: it may be more than one amount can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Total(i128);

impl Total {
    /// Whether it is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    fn add(&mut self, amount: Option<Amount>) {
        self.0 += amount.map_or(0, |amount| i128::from(amount.ten_thousandths()));
    }
}

impl std::ops::AddAssign for Total {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl fmt::Display for Total {
    /// Always four decimals, as an [`Amount`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let size = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:04}", size / 10_000, size % 10_000)
    }
}

impl Serialize for Total {
    /// As text: a JSON number would go through a float where it is read.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl FromStr for Total {
    type Err = String;

    /// Of such a text; always with four decimals.
    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = match text.rsplit_once('.') {
            Some((whole, decimals)) if decimals.len() == 4 => format!("{whole}{decimals}").parse().ok(),
            Some(_) | None => None,
        };
        parsed.map(Self).ok_or_else(|| format!("{text:?} is not a sum with four decimals"))
    }
}

impl<'de> Deserialize<'de> for Total {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

/// Of some lines alike in product, currency and unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sum {
    /// How many lines.
    pub rows: u64,
    /// Their quantities, in their unit.
    pub quantity: Total,
    /// Their amounts before tax, in their currency.
    pub net: Total,
    /// Their VAT, in their currency.
    pub vat: Total,
    /// Their amounts with tax, in their currency.
    pub gross: Total,
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sums(BTreeMap<Of, Sum>);

impl Sums {
    /// One line more, in the form in which it is sent.
    pub(super) fn add(&mut self, line: &[u8]) {
        let text = |at| fields::text(line, at).map(str::to_owned);
        let sum = self.0.entry(Of { product: text(PRODUCT), currency: text(CURRENCY), unit: text(UNIT) }).or_default();
        sum.rows += 1;
        sum.quantity.add(fields::amount(line, QUANTITY));
        sum.net.add(fields::amount(line, NET_AMOUNT));
        sum.vat.add(fields::amount(line, VAT_AMOUNT));
        sum.gross.add(fields::amount(line, GROSS_AMOUNT));
    }

    /// A sum that somebody else made, of what is not among these yet.
    pub(super) fn put(&mut self, of: Of, sum: Sum) {
        self.0.insert(of, sum);
    }

    /// How many lines.
    pub fn rows(&self) -> u64 {
        self.0.values().map(|sum| sum.rows).sum()
    }

    /// Those of one product, currency and unit.
    pub fn of(&self, of: &Of) -> Sum {
        self.0.get(of).copied().unwrap_or_default()
    }

    /// What differs from others: by what it is added up, these, and the others.
    pub fn differing<'s>(&'s self, others: &'s Self) -> impl Iterator<Item = (&'s Of, Sum, Sum)> {
        let all: BTreeSet<&Of> = self.0.keys().chain(others.0.keys()).collect();
        all.into_iter().map(|of| (of, self.of(of), others.of(of))).filter(|(_, these, those)| these != those)
    }

    /// In order of product, currency and unit.
    pub fn iter(&self) -> impl Iterator<Item = (&Of, &Sum)> {
        self.0.iter()
    }
}

impl std::ops::AddAssign<&Self> for Sums {
    fn add_assign(&mut self, other: &Self) {
        for (of, more) in &other.0 {
            let sum = self.0.entry(of.clone()).or_default();
            sum.rows += more.rows;
            sum.quantity += more.quantity;
            sum.net += more.net;
            sum.vat += more.vat;
            sum.gross += more.gross;
        }
    }
}

impl Serialize for Sums {
    /// As a list of flat objects.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Flat<'s> {
            #[serde(flatten)]
            of: &'s Of,
            #[serde(flatten)]
            sum: &'s Sum,
        }
        to.collect_seq(self.0.iter().map(|(of, sum)| Flat { of, sum }))
    }
}

impl<'de> Deserialize<'de> for Sums {
    /// From such a list.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Flat {
            #[serde(flatten)]
            of: Of,
            #[serde(flatten)]
            sum: Sum,
        }
        Ok(Self(Vec::<Flat>::deserialize(from)?.into_iter().map(|Flat { of, sum }| (of, sum)).collect()))
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::{
        domain::{Kind, Line, State, Unit},
        warehouse::copy,
    };

    fn line(product: &str, quantity: &str, gross: &str) -> Vec<u8> {
        let line = Line {
            product: Some(product.into()),
            quantity: quantity.parse().ok(),
            unit: Some(Unit::Litre),
            gross_amount: gross.parse().ok(),
            currency: Some("EUR".into()),
            ..Line::new("d", Kind::Fuel, State::Posted, DateTime::UNIX_EPOCH)
        };
        let mut fields = Vec::new();
        copy::fields(&mut fields, "7", &line);
        fields
    }

    #[test]
    fn lines_add_up_by_product_currency_and_unit() {
        let mut sums = Sums::default();
        for line in [line("diesel", "40", "60.5"), line("diesel", "-1", "-1.5001"), line("adblue", "5", "")] {
            sums.add(&line);
        }
        let mut twice = sums.clone();
        twice += &sums;
        assert_eq!((sums.rows(), twice.rows()), (3, 6));
        let json = serde_json::to_value(&sums).unwrap();
        assert_eq!(
            json[1],
            serde_json::json!({"product": "diesel", "currency": "EUR", "unit": "L", "rows": 2, "quantity": "39.0000",
                "net": "0.0000", "vat": "0.0000", "gross": "58.9999"})
        );
        assert_eq!(json[0]["gross"], "0.0000", "unknown adds nothing");
        assert_eq!(serde_json::from_str::<Sums>(&json.to_string()).unwrap(), sums, "read as it was written");
        let differs: Vec<_> =
            sums.differing(&twice).map(|(of, one, two)| (of.product.as_deref(), one.rows, two.rows)).collect();
        assert_eq!(differs, [(Some("adblue"), 1, 2), (Some("diesel"), 2, 4)]);
        assert_eq!(sums.differing(&sums.clone()).count(), 0);
    }

    #[test]
    fn what_is_no_sum_is_not_taken_for_one() {
        for text in ["1", "1.5", "1.00000", "x.0000", "", "--1.0000"] {
            assert!(serde_json::from_value::<Total>(text.into()).is_err(), "{text:?}");
        }
        assert_eq!(serde_json::from_str::<Total>("\"-0.0001\"").unwrap(), Total(-1));
    }

    #[test]
    fn a_total_may_be_more_than_an_amount() {
        let mut total = Total::default();
        for _ in 0..100 {
            total.add("-99999999999999.9999".parse().ok());
        }
        assert_eq!(total.to_string(), "-9999999999999999.9900");
    }
}
