//! Products: from a source's own words to one canonical name, kind and unit.
//!
//! The rules of the configuration stand first, those shipped with the program behind them; the first that matches
//! decides. Shipped rules compare whole words, so that `D` or `95` is a fuel only where it stands alone.

mod shipped;
#[cfg(test)]
mod tests;
mod words;

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::{
    stream::SourceKind,
    transaction::{Kind, Unit},
};

/// One rule: what must match, and what follows. The first that matches decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductRule {
    /// Only this source; any when absent.
    pub source: Option<SourceKind>,
    /// The product code, compared whole, ASCII case aside.
    pub code: Option<String>,
    /// A part of the product name, case aside.
    pub name_contains: Option<String>,
    /// The canonical product.
    pub product: String,
    /// Its kind.
    pub kind: Option<Kind>,
    /// Its unit.
    pub unit: Option<Unit>,
}

impl ProductRule {
    fn matches(&self, source: SourceKind, words: &ProductWords<'_>) -> bool {
        let code = |wanted: &String| words.code.is_some_and(|code| code.trim().eq_ignore_ascii_case(wanted.trim()));
        let name =
            |wanted: &String| words.name.is_some_and(|name| name.to_lowercase().contains(&wanted.to_lowercase()));
        self.source.is_none_or(|s| s == source)
            && self.code.as_ref().is_none_or(code)
            && self.name_contains.as_ref().is_none_or(name)
            && (self.code.is_some() || self.name_contains.is_some() || self.source.is_some())
    }
}

/// What a source says about a product, in its own words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProductWords<'a> {
    /// Its code.
    pub code: Option<&'a str>,
    /// Its name.
    pub name: Option<&'a str>,
    /// Its type, where the source has one.
    pub kind: Option<&'a str>,
    /// Whether the source's type says that it is no fuel from a pump: then a lone `D` or `95` says nothing.
    pub packed: bool,
}

impl ProductWords<'_> {
    /// Whether the source says anything about the product.
    pub fn say_something(&self) -> bool {
        self.code.is_some() || self.name.is_some() || self.kind.is_some() || self.packed
    }
}

/// What is known about a product.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Product {
    /// The canonical name.
    pub name: Option<String>,
    /// Its kind.
    pub kind: Option<Kind>,
    /// In what it is counted.
    pub unit: Option<Unit>,
    /// Whether the configuration decided on the kind: then it stands above what the source says.
    pub kind_is_configured: bool,
}

impl Product {
    /// Whether it is electricity for a vehicle, of any current.
    pub fn is_electricity(&self) -> bool {
        self.name.as_deref().is_some_and(|name| name == "electricity" || name.starts_with("electricity_"))
    }
}

/// All rules, in the order in which they are tried.
#[derive(Debug, Clone, Default)]
pub struct ProductRules {
    configured: Vec<ProductRule>,
    known: Arc<RwLock<Known>>,
}

/// What the shipped rules said about texts: a source has few products, and holding one against all rules takes longer
/// than all else that is done to a sale. By whether it was packed.
type Known = [HashMap<Box<str>, Option<Product>>; 2];

/// Texts that are remembered, and bytes of each; a source that sends others all the time gets no more.
const REMEMBERED: usize = 4_096;
const LONGEST_REMEMBERED: usize = 200;

impl ProductRules {
    /// The rules of the configuration before those shipped with the program.
    pub fn new(configured: Vec<ProductRule>) -> Self {
        Self { configured, ..Self::default() }
    }

    /// What the first matching rule says; nothing known when none matches.
    pub fn find(&self, source: SourceKind, words: &ProductWords<'_>) -> Product {
        if let Some(rule) = self.configured.iter().find(|rule| rule.matches(source, words)) {
            let (kind, unit) = canonical(&rule.product).map_or((None, None), |(kind, unit)| (Some(kind), Some(unit)));
            return Product {
                name: Some(rule.product.clone()),
                kind: rule.kind.or(kind),
                unit: rule.unit.or(unit),
                kind_is_configured: rule.kind.is_some(),
            };
        }
        // The name says most; a code only where the name says nothing.
        [words.name, words.kind, words.code]
            .into_iter()
            .flatten()
            .find_map(|text| self.shipped(text, words.packed))
            .unwrap_or_default()
    }

    /// What the shipped rules say, from memory where they have been asked before.
    fn shipped(&self, text: &str, packed: bool) -> Option<Product> {
        let of = usize::from(packed);
        if let Some(found) = self.known.read().unwrap_or_else(PoisonError::into_inner)[of].get(text) {
            return found.clone();
        }
        let found = shipped::find(text, packed);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known[of].len() < REMEMBERED && text.len() <= LONGEST_REMEMBERED {
            known[of].insert(text.into(), found.clone());
        }
        found
    }
}

/// The kind and unit of a canonical product; nothing for a name that only the configuration knows.
pub fn canonical(product: &str) -> Option<(Kind, Unit)> {
    Some(match product {
        "diesel" | "diesel_hvo" | "diesel_marked" | "petrol_95" | "petrol_98" | "petrol_e85" | "adblue" | "lpg"
        | "heating_oil" => (Kind::Fuel, Unit::Litre),
        "cng" | "lng" | "hydrogen" => (Kind::Fuel, Unit::Kilogram),
        "electricity" | "electricity_ac" | "electricity_dc" => (Kind::EvCharging, Unit::KilowattHour),
        "parking" => (Kind::Parking, Unit::Minute),
        "car_wash" => (Kind::CarWash, Unit::Piece),
        _ => return None,
    })
}

/// In what a kind is counted when its product is not known. A fuel that is not known may be sold by volume or by mass.
pub const fn unit_of_kind(kind: Kind) -> Option<Unit> {
    match kind {
        Kind::Fuel => None,
        Kind::EvCharging => Some(Unit::KilowattHour),
        Kind::Parking => Some(Unit::Minute),
        Kind::CarWash | Kind::Goods | Kind::Service | Kind::Fee | Kind::Other => Some(Unit::Piece),
    }
}

/// The unit that a source's word means; nothing for a word that is not known.
pub fn unit_from_word(word: &str) -> Option<Unit> {
    let word: String = word.trim().trim_end_matches('.').to_lowercase();
    Some(match word.as_str() {
        "l" | "lt" | "ltr" | "ltrs" | "liter" | "liters" | "litre" | "litres" | "liiter" | "litri" | "litras"
        | "litrs" | "litr" | "litraa" | "litra" | "dm3" | "dm³" => Unit::Litre,
        "kwh" | "kw/h" | "kw h" | "kilowatthour" | "kilowatthours" | "kilowatt hour" | "kilowattstunde"
        | "kilowatt_hour" => Unit::KilowattHour,
        "kg" | "kgs" | "kilo" | "kilogram" | "kilograms" | "kilogramm" => Unit::Kilogram,
        "m3" | "m³" | "cbm" | "nm3" | "nm³" | "cubic metre" | "cubic meter" | "cubicmeter" | "cubic_meter" => {
            Unit::CubicMetre
        }
        "min" | "mins" | "minute" | "minutes" | "minut" | "minuten" | "minuti" => Unit::Minute,
        "pcs" | "pc" | "piece" | "pieces" | "stk" | "stck" | "stück" | "tk" | "tükk" | "gab" | "vnt" | "szt"
        | "kpl" | "st" | "ea" | "each" | "unit" | "units" | "x" => Unit::Piece,
        _ => return None,
    })
}
