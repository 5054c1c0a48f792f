//! `[privacy]`: what happens to personal data before anything is stored or logged.

use secrecy::SecretString;

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
