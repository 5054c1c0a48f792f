//! `[[product]]`: product rules that stand before those shipped with the program.

use super::{
    key::{Key, Type},
    read::Section,
};
use crate::domain::{Kind, SourceKind, Unit, product::ProductRule};

const SOURCES: [&str; 4] = words(SourceKind::ALL);
const KINDS: [&str; Kind::ALL.len()] = {
    let mut words = [""; Kind::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = Kind::ALL[at].as_str();
        at += 1;
    }
    words
};
const UNITS: [&str; Unit::ALL.len()] = {
    let mut words = [""; Unit::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = Unit::ALL[at].as_str();
        at += 1;
    }
    words
};

/// The names of some sources, at compile time.
pub(super) const fn words<const N: usize>(sources: [SourceKind; N]) -> [&'static str; N] {
    let mut words = [""; N];
    let mut at = 0;
    while at < N {
        words[at] = sources[at].as_str();
        at += 1;
    }
    words
}

/// The keys of `[[product]]`.
pub(super) const KEYS: &[Key] = &[
    Key::optional("source", Type::Choice(&SOURCES), "Only for this source; for all when absent."),
    Key::optional("code", Type::Text, "The source's product code, compared whole, ASCII case aside."),
    Key::optional("name_contains", Type::Text, "A part of the source's product name, case aside."),
    Key::required("product", Type::Text, "The canonical product, such as diesel, petrol_95 or electricity_dc."),
    Key::optional("kind", Type::Choice(&KINDS), "What kind of product it is; the source's own idea when absent."),
    Key::optional("unit", Type::Choice(&UNITS), "In what its quantity is counted; the source's own idea when absent."),
];

pub(super) fn read(section: &mut Section<'_>) -> Option<ProductRule> {
    let source = section.choice("source", &SourceKind::ALL);
    let code = section.text("code");
    let name_contains = section.text("name_contains");
    let product = section.text("product");
    let kind = section.choice("kind", Kind::ALL);
    let unit = section.choice("unit", Unit::ALL);
    if ["source", "code", "name_contains"].iter().all(|key| !section.table.contains_key(*key)) {
        section.object("code", "a rule that says nothing about what it is for", "source, code or name_contains");
    }
    Some(ProductRule { source, code, name_contains, product: product?, kind, unit })
}
