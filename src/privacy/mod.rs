//! The rules for personal data, applied before anything is stored or logged.
//!
//! A [`Guard`] holds the installation's rule for each [`Class`] of personal values and turns a value into what may be
//! stored. Every rule leaves its own result as it is, so that a stored record can be normalized again. Beside the rules
//! stands who is [`Forgotten`]: a value of theirs is dropped, whatever the rule.

mod forgotten;
mod hash;
mod names;
mod scrub;
#[cfg(test)]
mod tests;

pub use forgotten::{Digest, Forgotten, Person, Persons, is_long_enough, is_telling, is_whole_card, pattern, plain};
pub use hash::HashKey;
pub use scrub::scrub;

use crate::config::{Privacy, Rule};

/// A class of personal values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Number of a payment or bonus card.
    CardNumber,
    /// Name of a driver.
    DriverName,
    /// License plate of a vehicle.
    LicensePlate,
    /// E-mail address that a receipt went to.
    ReceiptEmail,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::CardNumber, Self::DriverName, Self::LicensePlate, Self::ReceiptEmail];

    /// The class of what stands under a key of a record, by the key's name; case, `_` and `-` aside. The parent's name
    /// is taken into account: `name` under `driver` is a driver's name.
    pub fn of_key(parent: Option<&str>, key: &str) -> Option<Self> {
        names::class_of(parent, key)
    }

    /// The class of persons whom a number under this key may stand for (`driver_no`, `vehicle_no`): no rule is applied to
    /// it, but where it is a forgotten person's value it goes with that.
    pub fn of_number(parent: Option<&str>, key: &str) -> Option<Self> {
        names::number_of(parent, key)
    }
}

/// The installation's rules, ready to be applied.
#[derive(Debug, Clone)]
pub struct Guard {
    card_number: Rule,
    driver_name: Rule,
    license_plate: Rule,
    receipt_email: Rule,
    hash_key: Option<HashKey>,
    forgotten: Forgotten,
}

impl Guard {
    /// The rules as configured.
    pub fn new(privacy: &Privacy) -> Self {
        Self {
            card_number: privacy.card_number,
            driver_name: privacy.driver_name,
            license_plate: privacy.license_plate,
            receipt_email: privacy.receipt_email,
            hash_key: privacy.hash_key.as_ref().and_then(HashKey::new),
            forgotten: Forgotten::default(),
        }
    }

    /// No rule at all; only who is forgotten is.
    pub fn keeping(forgotten: Forgotten) -> Self {
        let rule = Rule::Keep;
        Self {
            card_number: rule,
            driver_name: rule,
            license_plate: rule,
            receipt_email: rule,
            hash_key: None,
            forgotten,
        }
    }

    /// The same rules, and these persons are forgotten.
    #[must_use]
    pub fn heeding(self, forgotten: Forgotten) -> Self {
        Self { forgotten, ..self }
    }

    /// Who is forgotten now.
    pub fn forgotten(&self) -> std::sync::Arc<Persons> {
        self.forgotten.persons()
    }

    /// What a rule would leave of a value, whatever the configured one is: the forms in which the warehouse may hold it.
    /// None of `hash` without a key.
    pub fn form(&self, rule: Rule, class: Class, value: &str) -> Option<String> {
        let guard =
            Self { card_number: rule, driver_name: rule, license_plate: rule, receipt_email: rule, ..self.clone() };
        guard.apply(class, value)
    }

    /// The hash of a value as it was stored before hashes said by which key they were made; none without a key, or of what
    /// is a hash already.
    pub fn former_hash(&self, value: &str) -> Option<String> {
        let value = value.trim();
        if value.is_empty() || hash::is_hash(value) { None } else { self.hash_key.as_ref()?.digits(value) }
    }

    /// The key of `hash`, when there is one.
    pub const fn hash_key(&self) -> Option<&HashKey> {
        self.hash_key.as_ref()
    }

    /// The rule for a class.
    pub const fn rule(&self, class: Class) -> Rule {
        match class {
            Class::CardNumber => self.card_number,
            Class::DriverName => self.driver_name,
            Class::LicensePlate => self.license_plate,
            Class::ReceiptEmail => self.receipt_email,
        }
    }

    /// All the rules, and the key of `hash` by its id and by what it makes of a text: other rules, other words.
    pub fn in_words(&self) -> String {
        let rules = Class::ALL.map(|class| (class, self.rule(class)));
        format!("{rules:?} {:?}", self.hash("which key is it"))
    }

    /// What may be stored of a value; nothing for an empty one.
    pub fn apply(&self, class: Class, value: &str) -> Option<String> {
        let value = value.trim();
        if value.is_empty() {
            return None;
        }
        match self.rule(class) {
            Rule::Keep => Some(value.to_owned()),
            Rule::Mask if class == Class::CardNumber => Some(mask_card(value)),
            Rule::Mask => Some(mask_text(value)),
            Rule::Hash => self.hash(value),
            Rule::Drop => None,
        }
    }

    /// Without a key nothing is stored: the configuration asks for one, and a keyless hash of a plate is no secret.
    fn hash(&self, value: &str) -> Option<String> {
        if hash::is_hash(value) {
            return Some(value.to_owned());
        }
        self.hash_key.as_ref()?.hash(value)
    }
}

/// The first six and the last four, as card networks allow; of a number too short for that only its end, never more
/// than half.
fn mask_card(card: &str) -> String {
    /// Shortest number of which first six and last four may be shown.
    const LONG: usize = 13;
    let card: Vec<char> = card.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let (start, end) = if card.len() >= LONG { (6, 4) } else { (0, (card.len() / 2).min(4)) };
    let hidden = start..card.len() - end;
    let masked = is_masked(&card);
    card.iter().enumerate().map(|(i, c)| if !masked && hidden.contains(&i) { '*' } else { *c }).collect()
}

/// Whether a number is masked already, by a vendor or by us: at least three stars in one run, with no more than six
/// characters before and four behind them.
fn is_masked(card: &[char]) -> bool {
    let Some(first) = card.iter().position(|c| *c == '*') else { return false };
    let stars = card[first..].iter().take_while(|c| **c == '*').count();
    stars >= 3 && first <= 6 && card.len() - first - stars <= 4
}

fn mask_text(text: &str) -> String {
    text.chars().next().map(|first| format!("{first}***")).unwrap_or_default()
}
