//! `[privacy]`: what happens to personal data before anything is stored or logged.

use secrecy::SecretString;

use super::{
    key::{Key, Type},
    read::Section,
};

/// What happens to one class of personal values, in columns and raw alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Stored as sent.
    Keep,
    /// `123456******1234`; other texts keep their first character.
    Mask,
    /// HMAC-SHA256 under the installation's key.
    Hash,
    /// Not stored: NULL in the column, null in raw.
    Drop,
}

/// The rules for each class. Defaults: cards masked, receipt e-mail addresses dropped, the others kept.
#[derive(Debug, Clone)]
pub struct Privacy {
    /// Card numbers.
    pub card_number: Rule,
    /// Drivers' names.
    pub driver_name: Rule,
    /// License plates.
    pub license_plate: Rule,
    /// E-mail addresses that a receipt went to.
    pub receipt_email: Rule,
    /// The key of `hash`; there whenever a rule is `hash`.
    pub hash_key: Option<SecretString>,
}

const RULES: Type = Type::Choice(&["keep", "mask", "hash", "drop"]);

/// The keys of `[privacy]`.
pub(super) const KEYS: &[Key] = &[
    Key::or("card_number", RULES, "mask", "Card numbers; mask keeps the first six and the last four digits."),
    Key::or("driver_name", RULES, "keep", "Drivers' names."),
    Key::or("license_plate", RULES, "keep", "License plates."),
    Key::or("receipt_email", RULES, "drop", "E-mail addresses that a receipt went to."),
    Key::optional("hash_key", Type::Secret(1), "The key of hash (HMAC-SHA256); needed when anything is hashed."),
];

pub(super) fn read(section: &mut Section<'_>) -> Option<Privacy> {
    let mut rule = |name| section.choice(name, &[Rule::Keep, Rule::Mask, Rule::Hash, Rule::Drop]);
    let card_number = rule("card_number");
    let driver_name = rule("driver_name");
    let license_plate = rule("license_plate");
    let receipt_email = rule("receipt_email");
    let hash_key = section.secret("hash_key");
    let hashed = [card_number, driver_name, license_plate, receipt_email].contains(&Some(Rule::Hash));
    if hashed && !section.table.contains_key("hash_key") && !section.table.contains_key("hash_key_file") {
        section.object(
            "hash_key",
            "nothing, though a rule is \"hash\"",
            "hash_key or hash_key_file: a long random text",
        );
    }
    Some(Privacy {
        card_number: card_number?,
        driver_name: driver_name?,
        license_plate: license_plate?,
        receipt_email: receipt_email?,
        hash_key,
    })
}
