//! The privacy rules, applied to a record's text and to what is read from it.
//!
//! Personal values are found in three ways: through the pointers that feed a personal column, by the name of the key
//! they stand under, at any depth, and by being equal to one found so, anywhere in the record. They are replaced in the
//! tree that the columns are read from and spliced into the text, so that columns and `raw` always agree.
//!
//! Where somebody is forgotten, that person's values go whatever the rules are: in the three ways above, as the number of a
//! driver or a vehicle, and, where a value tells a person by itself, anywhere in the record.
//!
//! What is only equal to a personal value may be somebody else's number. So a value that is all digits is looked for only
//! when it is long, and never where an amount, a quantity or an odometer stands; where the number of a receipt or an
//! invoice stands, only the whole number of a payment card is.

use std::{borrow::Cow, cell::OnceCell, sync::Arc};

use rustc_hash::{FxHashMap, FxHashSet};

use super::json::{Index, Node, Value, quoted, splice};
use crate::{
    config::Rule,
    privacy::{Class, Guard, Persons, is_long_enough, is_telling, is_whole_card, scrub},
};

/// Shortest personal value that is also looked for elsewhere in the record; a shorter one would meet by accident.
const REPEATED: usize = 5;
/// Fewest digits of a number that is held against the personal values.
const REPEATED_DIGITS: usize = 8;

/// As much is kept of what is no record at all.
const LONGEST_NO_RECORD: usize = 64 * 1024;

/// What a number says that is not a person's, although it may be equal to one that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// An amount, a quantity, a rate, an odometer.
    Amount,
    /// The number of a receipt, an invoice, an authorization.
    Paper,
}

/// Finds where such numbers stand in a record: the beginning of each, and what it says.
pub(super) type Numbers<'f> = &'f dyn Fn(&Node<'_>) -> Vec<(usize, Says)>;

/// Replaces the personal values of a record and returns its new text. `mapped`: the pointers that feed personal
/// columns, and the class of each. `fixed`: where values stand that make up the record's key; they are never altered.
/// `numbers`: asked only where something would be altered.
pub(super) fn protect(
    root: &mut Node<'_>,
    text: &str,
    guard: &Guard,
    mapped: Option<&Index<Class>>,
    fixed: &[usize],
    numbers: Numbers<'_>,
) -> Box<str> {
    let mut work = Work { done: fixed.iter().copied().collect(), ..Work::new(guard, text, numbers) };
    if let Some(mapped) = mapped {
        mapped.each(root, &mut |class, node| work.replace(*class, node));
    }
    work.by_name(root, None, None);
    work.found.sort_unstable_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.cmp(b)));
    work.found.dedup();
    if !work.found.is_empty() || !work.forgotten.is_empty() {
        work.repeated(root);
    }
    splice(text, work.edits)
}

/// The text of a record that is no JSON object, fit to be kept: valid JSON, without what may be a card number.
pub(super) fn scrubbed(text: &str, guard: &Guard) -> Box<str> {
    if text.len() > LONGEST_NO_RECORD {
        let text = format!("{}…", scrub(&text[..text.floor_char_boundary(LONGEST_NO_RECORD)]));
        return quoted(&guard.forgotten().taken_out_of(&text).unwrap_or(text)).into_boxed_str();
    }
    let Ok(mut node) = Node::parse(text) else {
        let left = guard.forgotten().taken_out_of(text);
        return quoted(&scrub(left.as_deref().unwrap_or(text))).into_boxed_str();
    };
    let mut work = Work::new(guard, text, &|_| Vec::new());
    work.by_name(&mut node, None, None);
    work.scrub(&node);
    splice(text, work.edits)
}

/// The name of a member that holds a record, and what forgetting leaves of one.
pub(crate) type Inner<'a> = (&'a str, &'a dyn Fn(&str) -> String);

/// A JSON text in which something of records is kept (an image of a line), without what is forgotten. `fixed`: its members
/// that are never altered. `inner`: the member that holds a record, and what forgetting leaves of that one.
pub(crate) fn forget_in(text: &str, guard: &Guard, fixed: &[&str], inner: Option<Inner<'_>>) -> String {
    let Ok(root) = Node::parse(text) else { return text.to_owned() };
    if let Some((name, left_of)) = inner
        && let Some(record) = root.get(name).filter(|record| !record.is_unknown())
    {
        let left = match &record.value {
            // What the database cannot hold as JSON of its own is kept as a text.
            Value::Text(record) => quoted(&left_of(record)),
            Value::Null | Value::Bool | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                left_of(&text[record.span.clone()])
            }
        };
        return around(&splice(text, vec![(record.span.clone(), left)]), guard, fixed, Some(name));
    }
    around(text, guard, fixed, None)
}

/// The same of what is not in the member that holds a record, which is as it shall be.
fn around(text: &str, guard: &Guard, fixed: &[&str], inner: Option<&str>) -> String {
    let Ok(mut root) = Node::parse(text) else { return text.to_owned() };
    if let Value::Object(members) = &mut root.value {
        for (_, record) in members.iter_mut().filter(|(name, _)| Some(&**name) == inner) {
            record.value = Value::Null;
        }
    }
    let places: Vec<_> = fixed.iter().filter_map(|name| root.get(name)).map(|member| member.span.start).collect();
    protect(&mut root, text, guard, None, &places, &of_columns).into()
}

/// The numbers among the columns of an image.
fn of_columns(image: &Node<'_>) -> Vec<(usize, Says)> {
    let says = |name: &str| match name {
        "odometer_km" | "quantity" | "net_unit_price" | "unit_discount" | "unit_price" | "net_amount" | "vat_rate"
        | "vat_amount" | "gross_amount" | "paid_amount" => Some(Says::Amount),
        "receipt_no" | "authorization_code" | "invoice_no" => Some(Says::Paper),
        _ => None,
    };
    image.members().filter_map(|(name, column)| Some((column.span.start, says(name)?))).collect()
}

struct Work<'g> {
    guard: &'g Guard,
    /// The record as it came, and how its numbers are found in it, once they are asked for.
    text: &'g str,
    find_numbers: Numbers<'g>,
    numbers: OnceCell<FxHashMap<usize, Says>>,
    /// Who is forgotten.
    forgotten: Arc<Persons>,
    /// Where values stand that have been decided on.
    done: FxHashSet<usize>,
    edits: Vec<(std::ops::Range<usize>, String)>,
    /// Personal values found, and what stands for each.
    found: Vec<(String, String)>,
}

impl<'g> Work<'g> {
    fn new(guard: &'g Guard, text: &'g str, find_numbers: Numbers<'g>) -> Self {
        Self {
            guard,
            text,
            find_numbers,
            numbers: OnceCell::new(),
            forgotten: guard.forgotten(),
            done: FxHashSet::default(),
            edits: Vec::new(),
            found: Vec::new(),
        }
    }

    /// What the number says that begins here, where it says something of its own.
    fn says(&self, start: usize) -> Option<Says> {
        let find = || Node::parse(self.text).map(|root| (self.find_numbers)(&root).into_iter().collect());
        self.numbers.get_or_init(|| find().unwrap_or_default()).get(&start).copied()
    }

    fn replace(&mut self, class: Class, node: &mut Node<'_>) {
        let is_kept = self.guard.rule(class) == Rule::Keep;
        if is_kept && self.forgotten.is_empty() || self.done.contains(&node.span.start) {
            return;
        }
        let Some(old) = node.scalar().map(str::to_owned) else { return };
        let new = self.guard.apply(class, &old);
        // What a rule leaves of a value may be all that could be forgotten of it.
        let is_forgotten =
            [Some(old.as_str()), new.as_deref()].into_iter().flatten().any(|value| self.forgotten.has(class, value));
        if is_kept && !is_forgotten {
            return;
        }
        let new = new.filter(|_| !is_forgotten);
        // What stays as it is need not be looked for: a card that the vendor has masked already.
        let is_repeated = old.trim().chars().count() >= REPEATED && is_long_enough(&old, class == Class::CardNumber);
        if new.as_deref() != Some(old.trim()) && is_repeated {
            self.found.push((old.trim().to_owned(), new.clone().unwrap_or_default()));
        }
        self.put(node, &old, new);
    }

    fn put(&mut self, node: &mut Node<'_>, old: &str, new: Option<String>) {
        self.done.insert(node.span.start);
        if new.as_deref() == Some(old) && matches!(node.value, Value::Text(_)) {
            return;
        }
        self.edits.push((node.span.clone(), new.as_deref().map_or_else(|| "null".to_owned(), quoted)));
        node.value = new.map_or(Value::Null, |new| Value::Text(new.into()));
    }

    /// `class`: of the key under which an array or an object stands, for what is in it.
    fn by_name(&mut self, node: &mut Node<'_>, key: Option<&str>, class: Option<Class>) {
        match &mut node.value {
            Value::Object(members) => {
                // A driver is described by more than a name: there each key speaks for itself.
                let is_person =
                    key.is_some_and(|key| ["driver", "drivers"].iter().any(|p| key.eq_ignore_ascii_case(p)));
                let around = class.filter(|_| !is_person);
                for (name, member) in members {
                    let of_key = Class::of_key(key, name);
                    if of_key.is_some() || around.is_none() {
                        self.by_name(member, Some(name), of_key);
                        self.forget_number(member, of_key, (key, &**name));
                    } else {
                        let before = self.found.len();
                        self.by_name(member, Some(name), around);
                        self.forget_descriptions(before, around);
                    }
                }
            }
            Value::Array(elements) => {
                for element in elements {
                    self.by_name(element, key, class);
                }
            }
            Value::Text(_) | Value::Number(_) => {
                if let Some(class) = class {
                    self.replace(class, node);
                }
            }
            Value::Null | Value::Bool => {}
        }
    }

    /// The number that a fleet gave a driver or a vehicle, where that is a forgotten person's value.
    fn forget_number(&mut self, node: &mut Node<'_>, of_key: Option<Class>, (parent, key): (Option<&str>, &str)) {
        if self.forgotten.is_empty() || of_key.is_some() || self.done.contains(&node.span.start) {
            return;
        }
        let Some(value) = node.scalar().map(str::to_owned) else { return };
        if Class::of_number(parent, key).is_some_and(|class| self.forgotten.has(class, &value)) {
            self.put(node, &value, None);
        }
    }

    /// Beside a card's or a plate's number stand words (a country, a type) that may stand anywhere.
    fn forget_descriptions(&mut self, before: usize, class: Option<Class>) {
        if matches!(class, Some(Class::CardNumber | Class::LicensePlate)) {
            let has_digit = |(value, _): &(String, String)| value.chars().any(char::is_numeric);
            let kept: Vec<_> = self.found.drain(before..).filter(has_digit).collect();
            self.found.extend(kept);
        }
    }

    fn repeated(&mut self, node: &mut Node<'_>) {
        match &mut node.value {
            Value::Object(members) => {
                for at in 0..members.len() {
                    self.rename(members, at);
                    self.repeated(&mut members[at].1);
                }
            }
            Value::Array(elements) => elements.iter_mut().for_each(|element| self.repeated(element)),
            Value::Text(_) if self.done.contains(&node.span.start) => {}
            Value::Text(old) => {
                let Some(mut new) = self.without(old, false) else { return };
                match self.says(node.span.start) {
                    None => {}
                    Some(Says::Amount) => return,
                    Some(Says::Paper) => match self.without(old, true) {
                        Some(left) => new = left,
                        None => return,
                    },
                }
                let old = old.clone().into_owned();
                self.put(node, &old, (!new.trim().is_empty()).then_some(new));
            }
            Value::Number(digits) => {
                let digits = (*digits).to_owned();
                if digits.len() < REPEATED_DIGITS || self.done.contains(&node.span.start) {
                    return;
                }
                let known = self.found.iter().find(|(personal, _)| *personal == digits);
                let instead = known.map(|(_, instead)| Some(instead.clone()).filter(|new| !new.is_empty()));
                let Some(instead) = instead.or_else(|| self.forgotten.has_telling(&digits).then_some(None)) else {
                    return;
                };
                match self.says(node.span.start) {
                    Some(Says::Amount) => {}
                    Some(Says::Paper) if !is_whole_card(&digits) => {}
                    Some(Says::Paper) | None => self.put(node, &digits, instead),
                }
            }
            Value::Null | Value::Bool => {}
        }
    }

    /// A text without the personal values that were found and without those that are forgotten; none where it has none.
    /// `cards`: only the whole numbers of payment cards.
    fn without(&self, old: &str, cards: bool) -> Option<String> {
        let mut new = None;
        for (personal, instead) in self.found.iter().filter(|(personal, _)| !cards || is_whole_card(personal)) {
            if let Some(replaced) = replace_word(new.as_deref().unwrap_or(old), personal, instead) {
                new = Some(replaced);
            }
        }
        let text = new.as_deref().unwrap_or(old);
        let left = if cards { self.forgotten.cards_taken_out_of(text) } else { self.forgotten.taken_out_of(text) };
        left.or(new).filter(|new| *new != old)
    }

    /// Takes personal values out of a member's own name, where somebody made a key of one.
    fn rename(&mut self, members: &mut [(Cow<'_, str>, Node<'_>)], at: usize) {
        let (name, member) = &members[at];
        // Asked for each key of each record; that of a field is letters.
        if !name.chars().any(|c| c.is_numeric() || c.is_whitespace()) {
            return;
        }
        let mut new = self.forgotten.taken_out_of(name);
        for (personal, instead) in self.found.iter().filter(|(personal, _)| is_telling(personal)) {
            if let Some(replaced) = replace_word(new.as_deref().unwrap_or(name), personal, instead) {
                new = Some(replaced);
            }
        }
        let Some(new) = new.filter(|new| **new != **name) else { return };
        let Some(span) = name_before(self.text, member.span.start) else { return };
        // Names that are the same would be one member to the database.
        let left = if new.trim().is_empty() { "-" } else { new.trim() };
        let is_free = |name: &String| !members.iter().any(|(other, _)| **other == **name);
        let mut names = std::iter::once(left.to_owned()).chain((2..=members.len() + 1).map(|n| format!("{left}#{n}")));
        let Some(new) = names.find(is_free) else { return };
        self.edits.push((span, quoted(&new)));
        members[at].0 = new.into();
    }

    fn scrub(&mut self, node: &Node<'_>) {
        match &node.value {
            Value::Object(members) => members.iter().for_each(|(_, member)| self.scrub(member)),
            Value::Array(elements) => elements.iter().for_each(|element| self.scrub(element)),
            Value::Text(_) | Value::Number(_) if self.done.contains(&node.span.start) => {}
            Value::Text(_) | Value::Number(_) => {
                if let Some(old) = node.scalar() {
                    let left = self.forgotten.taken_out_of(old);
                    let new = scrub(left.as_deref().unwrap_or(old));
                    if new != old {
                        self.edits.push((node.span.clone(), quoted(&new)));
                    }
                }
            }
            Value::Null | Value::Bool => {}
        }
    }
}

/// Replaces a personal value wherever it stands as a word of its own: not inside a longer number or name.
fn replace_word(text: &str, word: &str, instead: &str) -> Option<String> {
    // Asked for each text of each record, and hardly ever so.
    memchr::memmem::find(text.as_bytes(), word.as_bytes())?;
    let mut out = String::new();
    let mut at = 0;
    for (start, _) in text.match_indices(word) {
        let before = text[..start].chars().next_back();
        let after = text[start + word.len()..].chars().next();
        if start < at || [before, after].into_iter().flatten().any(char::is_alphanumeric) {
            continue;
        }
        out.push_str(&text[at..start]);
        out.push_str(instead);
        at = start + word.len();
    }
    (at > 0).then(|| out + &text[at..])
}

/// Where the name of a member stands whose value begins here.
fn name_before(text: &str, value: usize) -> Option<std::ops::Range<usize>> {
    let before = text.get(..value)?.trim_end().strip_suffix(':')?.trim_end();
    let inside = before.strip_suffix('"')?;
    let is_escaped = |at: usize| inside[..at].bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
    let start = inside.rmatch_indices('"').map(|(at, _)| at).find(|at| !is_escaped(*at))?;
    Some(start..before.len())
}
