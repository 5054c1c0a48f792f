//! Who is forgotten: what a record is told by that must lose a value before anything of it is stored.
//!
//! Nothing but keyed digests is known of the values, so a record's texts are digested and looked up. That is done only
//! where somebody has been forgotten at all. A value is told whatever its case, its blanks and its hyphens,
//! and whether a letter's marks are one with it or stand by themselves.

use std::{
    fmt,
    ops::Range,
    sync::{Arc, PoisonError, RwLock},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use rustc_hash::FxHashMap;
use sha2::Sha256;
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

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
/// The same of a value that is all digits: receipts, invoices and odometers have five of them, too.
const TELLING_DIGITS: usize = 10;
/// The same of a card's number.
const TELLING_CARD: usize = 8;
/// Digits of a payment card's whole number: no other number has as many.
const WHOLE_CARD: usize = 13;
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
        if self.is_empty() || !is_telling(value) {
            return false;
        }
        let kinds = self.kinds(value);
        kinds != 0 && is_long_enough(value, kinds & Person::Card.bit() != 0)
    }

    fn kinds(&self, value: &str) -> u8 {
        let of =
            |value: &str| self.digest(value).and_then(|digest| self.digests.get(&digest)).copied().unwrap_or_default();
        // A plate is one with its dots and without, as in `fuel.plate_key`.
        let as_plate = || of(&value.replace('.', "")) & Person::Plate.bit();
        of(value) | if value.contains('.') { as_plate() } else { 0 }
    }

    /// A text without the forgotten values that stand in it as words of their own and tell a person by themselves; none
    /// where there is no such value in it.
    pub fn taken_out_of(&self, text: &str) -> Option<String> {
        self.cut(text, |value| self.has_telling(value))
    }

    /// What is left of a text that may name somebody.
    pub fn left_of(&self, text: String) -> String {
        self.taken_out_of(&text).unwrap_or(text)
    }

    /// The same, of the numbers of forgotten payment cards alone: for a text that is itself a number.
    pub fn cards_taken_out_of(&self, text: &str) -> Option<String> {
        self.cut(text, |value| is_whole_card(value) && self.has(Class::CardNumber, value))
    }

    fn cut(&self, text: &str, is_told: impl Fn(&str) -> bool) -> Option<String> {
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
                is_told(&text[run])
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

/// A value as it is told: without blanks and hyphens, without what stands around it, in small letters, each letter one with
/// its marks.
pub fn plain(value: &str) -> String {
    let value = value.trim_matches(|c| !is_of_word(c));
    value.nfc().filter(|c| !c.is_whitespace() && *c != '-').flat_map(char::to_lowercase).nfc().collect()
}

/// A regular expression of the database's that every text matches in which one of these values stands, however it is
/// written; but for escapes. What matches may be something else all the same.
pub fn pattern(values: &[String]) -> String {
    let between = format!("[[:space:]{BLANKS}.-]*");
    let each = values.iter().map(|value| plain(value)).filter(|value| !value.is_empty());
    each.map(|value| value.chars().map(spelt).collect::<Vec<_>>().join(&between)).collect::<Vec<_>>().join("|")
}

/// The blanks that are white space to us, and to the database only in some locales.
const BLANKS: &str = "\u{85}\u{a0}\u{1680}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\u{2007}\u{2008}\u{2009}\
    \u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}";

/// A character in either case, as one and taken apart into a letter and its marks. The database's own folding depends on its
/// locale, and it takes no letters apart.
fn spelt(c: char) -> String {
    let apart: Vec<char> = c.nfd().collect();
    let [letter, marks @ ..] = apart.as_slice() else { return cased(c) };
    if marks.is_empty() {
        return cased(c);
    }
    let any: String = marks.iter().collect();
    // Of several marks some may be one with the letter.
    let with = (0..marks.len()).filter_map(|count| {
        let mut begun = [*letter].into_iter().chain(marks[..count].iter().copied()).nfc();
        begun.next().filter(|_| begun.next().is_none())
    });
    let apart: Vec<_> = with.map(|begun| format!("{}[{any}]+", cased(begun))).collect();
    format!("({}|{})", cased(c), apart.join("|"))
}

/// A character in either case.
fn cased(c: char) -> String {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(upper), None) if upper != c => format!("[{c}{upper}]"),
        _ if c.is_alphanumeric() => c.to_string(),
        _ => format!("\\{c}"),
    }
}

/// A star is of a word: it stands for what a mask hides. So is a letter's mark that stands by itself.
fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '*' || is_combining_mark(c)
}

/// Whether a value tells a person wherever it stands: long enough, and no common word, for it has a digit or several parts.
pub fn is_telling(value: &str) -> bool {
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

/// Whether a value that is all digits has so many that it is not met by accident; any other has.
pub fn is_long_enough(value: &str, is_card: bool) -> bool {
    let least = if is_card { TELLING_CARD } else { TELLING_DIGITS };
    digits(value).is_none_or(|digits| digits >= least)
}

/// Whether a value is the whole number of a payment card.
pub fn is_whole_card(value: &str) -> bool {
    digits(value).is_some_and(|digits| digits >= WHOLE_CARD)
}

/// How many digits a value has that is nothing else, but for what divides them.
fn digits(value: &str) -> Option<usize> {
    value.chars().filter(|c| is_of_word(*c)).try_fold(0, |digits, c| c.is_numeric().then_some(digits + 1))
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
            (Class::LicensePlate, "123.ABC", true),
            (Class::LicensePlate, "12.3-abc.", true),
            (Class::DriverName, "Õnne.Tamm", false),
            (Class::CardNumber, "7077.1234", false),
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
            ("van 123.ABC is clean", Some("van  is clean")),
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
    fn a_value_of_digits_tells_nobody_unless_it_is_long() {
        let persons = forgotten(&[
            (Person::Driver, "10234"),
            (Person::Plate, "123456789"),
            (Person::Driver, "1234567890"),
            (Person::Card, "7077123"),
            (Person::Card, "70771234"),
            (Person::Card, "7077123412341234"),
        ]);
        for (text, left) in [
            ("10234", None),
            ("2026-10234", None),
            ("10234.67", None),
            ("123 456 789", None),
            ("1234567890", Some("")),
            ("card 7077123", None),
            ("card 7077-1234", Some("card ")),
        ] {
            assert_eq!(persons.taken_out_of(text).as_deref(), left, "{text}");
        }
        assert_eq!(persons.cards_taken_out_of("70771234 1234567890"), None);
        assert_eq!(persons.cards_taken_out_of("2026/7077123412341234").as_deref(), Some("2026/"));
        assert!(persons.has(Class::DriverName, "10234"), "where a driver's name stands it is one");
    }

    #[test]
    fn a_pattern_spells_each_character_in_either_case_with_what_may_stand_between() {
        let pattern = pattern(&["1*ä ".to_owned(), "-".to_owned(), "b".to_owned()]);
        assert_eq!(pattern.replace(BLANKS, ""), "1[[:space:].-]*\\*[[:space:].-]*([äÄ]|[aA][\u{308}]+)|[bB]");
        let all = || ('\0'..=char::MAX).filter(|c| c.is_whitespace());
        assert!(all().filter(|c| !c.is_ascii()).all(|c| BLANKS.contains(c)), "every blank is named");
        assert!(BLANKS.chars().all(|c| all().any(|blank| blank == c)), "and nothing else");
    }

    #[test]
    fn letters_with_their_marks_and_apart_from_them_are_the_same() {
        let (one, apart) = ("Jānis Ķēniņš", "Ja\u{304}nis K\u{327}e\u{304}nin\u{327}s\u{30c}");
        for (told, met) in [(one, apart), (apart, one), (apart, apart)] {
            let persons = forgotten(&[(Person::Driver, told)]);
            assert!(persons.has(Class::DriverName, met));
            let text = format!("by {met}, yesterday");
            assert_eq!(persons.taken_out_of(&text).as_deref(), Some("by , yesterday"), "{met}");
            assert_eq!(persons.taken_out_of("by Janis Kenins, yesterday"), None);
        }
        assert_eq!(plain(one), plain(apart));
        assert_eq!(pattern(&["ế".to_owned()]), "([ếẾ]|[eE][\u{302}\u{301}]+|[êÊ][\u{302}\u{301}]+)");
    }

    #[test]
    fn what_is_known_of_them_shows_no_digest() {
        assert_eq!(format!("{:?}", forgotten(&[(Person::Card, "123456")])), "Persons { number: 1, values: 1, .. }");
    }
}
