//! Who is forgotten: what a record is told by that must lose a value before anything of it is stored.
//!
//! Nothing but keyed digests is known of the values, so a record's texts are digested and looked up. That is done only
//! where somebody has been forgotten at all. A value is told whatever its case, its blanks and its hyphens.

use std::{
    fmt,
    ops::Range,
    sync::{Arc, PoisonError, RwLock},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use rustc_hash::FxHashMap;
use sha2::Sha256;

use super::Class;

/// A digest of a value.
pub type Digest = [u8; 32];

/// Of what kind a forgotten value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Person {
    /// A card, by its number.
    Card,
    /// A vehicle, by its plate.
    Plate,
    /// A driver, by name.
    Driver,
}

impl Person {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Card, Self::Plate, Self::Driver];

    /// The word in the warehouse and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Plate => "plate",
            Self::Driver => "driver",
        }
    }

    /// By its word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|person| person.as_str() == word)
    }

    /// The class of the values that tell such a person.
    pub const fn class(self) -> Class {
        match self {
            Self::Card => Class::CardNumber,
            Self::Plate => Class::LicensePlate,
            Self::Driver => Class::DriverName,
        }
    }

    const fn of(class: Class) -> Option<Self> {
        match class {
            Class::CardNumber => Some(Self::Card),
            Class::LicensePlate => Some(Self::Plate),
            Class::DriverName => Some(Self::Driver),
            Class::ReceiptEmail => None,
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The persons that a process heeds, shared by all that normalize in it and brought up to date at each pass.
#[derive(Debug, Clone, Default)]
pub struct Forgotten(Arc<RwLock<Arc<Persons>>>);

impl Forgotten {
    /// As they are now.
    pub fn persons(&self) -> Arc<Persons> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What stands for them: other persons, another number. 0: nobody.
    pub fn number(&self) -> i64 {
        self.persons().number
    }

    /// From now on these.
    pub fn set(&self, persons: Persons) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(persons);
    }
}

/// Some forgotten persons.
#[derive(Clone, Default)]
pub struct Persons {
    number: i64,
    key: Option<Hmac<Sha256>>,
    /// For each digest, of what kinds the value is.
    digests: FxHashMap<Digest, u8>,
}

/// Fewest characters of a value that is told by itself, wherever it stands; a shorter one would be met by accident.
const TELLING: usize = 5;
/// Most words of one.
const WORDS: usize = 6;

impl Persons {
    /// Those with these digests under a key. `number` stands for them.
    pub fn new(number: i64, key: &[u8], digests: impl IntoIterator<Item = (Person, Digest)>) -> Self {
        let mut persons = Self { number, key: Hmac::new_from_slice(key).ok(), digests: FxHashMap::default() };
        for (person, digest) in digests {
            *persons.digests.entry(digest).or_default() |= person.bit();
        }
        persons
    }

    /// These, and one more value.
    #[must_use]
    pub fn and(mut self, person: Person, value: &str) -> Self {
        if let Some(digest) = self.digest(value) {
            *self.digests.entry(digest).or_default() |= person.bit();
        }
        self
    }

    /// Whether nobody is forgotten.
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    /// What stands for them.
    pub const fn number(&self) -> i64 {
        self.number
    }

    /// How many values.
    pub fn len(&self) -> usize {
        self.digests.len()
    }

    /// The digest of a value; none without a key, or of a value that says nothing.
    pub fn digest(&self, value: &str) -> Option<Digest> {
        let mut mac = self.key.clone()?;
        let plain = plain(value);
        if plain.is_empty() {
            return None;
        }
        mac.update(plain.as_bytes());
        Some(mac.finalize().into_bytes().into())
    }

    /// Whether a value of this class is that of a forgotten person.
    pub fn has(&self, class: Class, value: &str) -> bool {
        let Some(person) = Person::of(class).filter(|_| !self.is_empty()) else { return false };
        self.kinds(value) & person.bit() != 0
    }

    /// Whether a value that may be of any class is that of a forgotten person, and tells that person by itself.
    pub fn has_telling(&self, value: &str) -> bool {
        !self.is_empty() && is_telling(value) && self.kinds(value) != 0
    }

    fn kinds(&self, value: &str) -> u8 {
        self.digest(value).and_then(|digest| self.digests.get(&digest)).copied().unwrap_or_default()
    }

    /// A text without the forgotten values that stand in it as words of their own and tell a person by themselves; none
    /// where there is no such value in it.
    pub fn taken_out_of(&self, text: &str) -> Option<String> {
        if self.is_empty() || is_time(text) {
            return None;
        }
        let words = words(text);
        let (mut out, mut at, mut first) = (String::new(), 0, 0);
        while first < words.len() {
            let longest = words.len().min(first + WORDS);
            // The longest first: a part of a name may be another's.
            let found = (first + 1..=longest).rev().find(|end| {
                let run = words[first].start..words[end - 1].end;
                self.has_telling(&text[run])
            });
            match found {
                Some(end) => {
                    out.push_str(&text[at..words[first].start]);
                    at = words[end - 1].end;
                    first = end;
                }
                None => first += 1,
            }
        }
        (at > 0).then(|| out + &text[at..])
    }
}

impl fmt::Debug for Persons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Persons")
            .field("number", &self.number)
            .field("values", &self.digests.len())
            .finish_non_exhaustive()
    }
}

/// A value as it is told: without blanks and hyphens, without what stands around it, in small letters.
pub fn plain(value: &str) -> String {
    let value = value.trim_matches(|c| !is_of_word(c));
    value.chars().filter(|c| !c.is_whitespace() && *c != '-').flat_map(char::to_lowercase).collect()
}

/// A regular expression of the database's that every text matches in which one of these values stands, however it is
/// written; but for escapes.
pub fn pattern(values: &[String]) -> String {
    let each = values.iter().map(|value| plain(value)).filter(|value| !value.is_empty());
    each.map(|value| value.chars().map(spelt).collect::<Vec<_>>().join("[[:space:]-]*")).collect::<Vec<_>>().join("|")
}

/// A character in either case. The database's own folding depends on its locale.
fn spelt(c: char) -> String {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(upper), None) if upper != c => format!("[{c}{upper}]"),
        _ if c.is_alphanumeric() => c.to_string(),
        _ => format!("\\{c}"),
    }
}

/// A star is of a word: it stands for what a mask hides.
fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '*'
}

/// Whether a value tells a person wherever it stands: long enough, and no common word, for it has a digit or several parts.
fn is_telling(value: &str) -> bool {
    let (mut chars, mut has_digit, mut parts, mut inside) = (0, false, 0, false);
    for c in value.chars() {
        let is_of_word = is_of_word(c);
        chars += usize::from(is_of_word);
        has_digit |= c.is_numeric();
        parts += usize::from(is_of_word && !inside);
        inside = is_of_word;
    }
    chars >= TELLING && (has_digit || parts > 1)
}

/// Where the words of a text stand.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut inside = false;
    for (at, c) in text.char_indices() {
        let is_of_word = is_of_word(c);
        match words.last_mut() {
            Some(word) if is_of_word && inside => word.end = at + c.len_utf8(),
            _ if is_of_word => words.push(at..at + c.len_utf8()),
            _ => {}
        }
        inside = is_of_word;
    }
    words
}

/// Whether a text is a date or a date-time: a record has several, and none is anybody's name.
fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 10
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && bytes.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b':' | b'.' | b'+' | b'T' | b'Z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forgotten(values: &[(Person, &str)]) -> Persons {
        values.iter().fold(Persons::new(1, b"key", []), |persons, (person, value)| persons.and(*person, value))
    }

    #[test]
    fn a_value_is_told_however_it_is_written_and_only_as_what_it_is() {
        let persons =
            forgotten(&[(Person::Driver, "Õnne Tamm"), (Person::Plate, "123 ABC"), (Person::Card, "70771234")]);
        for (class, value, is_told) in [
            (Class::DriverName, "õnne  TAMM", true),
            (Class::DriverName, " Õnne-Tamm ", true),
            (Class::DriverName, "Õnne Tamme", false),
            (Class::LicensePlate, "123abc", true),
            (Class::CardNumber, "7077-1234", true),
            (Class::CardNumber, "123ABC", false),
            (Class::ReceiptEmail, "123ABC", false),
            (Class::DriverName, "", false),
        ] {
            assert_eq!(persons.has(class, value), is_told, "{class:?} {value}");
        }
    }

    #[test]
    fn what_tells_a_person_is_taken_out_of_a_text_and_nothing_else_is() {
        let persons = forgotten(&[
            (Person::Driver, "Õnne Tamm"),
            (Person::Driver, "Tallinn"),
            (Person::Plate, "123 ABC"),
            (Person::Card, "7077123412341234"),
            (Person::Card, "707712******1234"),
        ]);
        for (text, left) in [
            ("paid by õnne tamm, 123ABC", Some("paid by , ")),
            ("123 ABC", Some("")),
            ("card 7077 1234 1234 1234 used", Some("card  used")),
            ("card 707712******1234", Some("card ")),
            ("Tallinn Peterburi tee", None),
            ("x123ABC", None),
            ("1123 ABC", None),
            ("2026-09-20T10:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(persons.taken_out_of(text).as_deref(), left, "{text}");
        }
        assert_eq!(Persons::default().taken_out_of("123 ABC"), None);
    }

    #[test]
    fn a_pattern_spells_each_character_in_either_case_with_what_may_stand_between() {
        assert_eq!(
            pattern(&["1*ä ".to_owned(), "-".to_owned(), "b".to_owned()]),
            "1[[:space:]-]*\\*[[:space:]-]*[äÄ]|[bB]"
        );
    }

    #[test]
    fn what_is_known_of_them_shows_no_digest() {
        assert_eq!(format!("{:?}", forgotten(&[(Person::Card, "123456")])), "Persons { number: 1, values: 1, .. }");
    }
}
