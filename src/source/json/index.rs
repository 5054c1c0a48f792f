//! Many pointers at once: one walk over a record meets what each of them points at.
//!
//! A record is looked at through some hundred pointers, most of which point at nothing; asking each of them alone would
//! compare every name in the record with every one of theirs.

use rustc_hash::FxHashMap;

use super::{Node, Pointer, Value};

/// Pointers, each with what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Index<T> {
    /// The first one is the record itself.
    places: Vec<Place<T>>,
}

/// A place in a record, as far as pointers tell places apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place<T> {
    /// What stands for the pointers that end here, in their order.
    ends: Vec<T>,
    /// The places below it.
    below: FxHashMap<Box<str>, usize>,
}

impl<T> Index<T> {
    /// The pointers in their order.
    pub(crate) fn new<'p>(pointers: impl IntoIterator<Item = (&'p Pointer, T)>) -> Self {
        let place = || Place { ends: Vec::new(), below: FxHashMap::default() };
        let mut places = vec![place()];
        for (pointer, stands_for) in pointers {
            let mut at = 0;
            for part in pointer.parts() {
                let next = places.len();
                at = *places[at].below.entry(part.as_str().into()).or_insert(next);
                if at == next {
                    places.push(place());
                }
            }
            places[at].ends.push(stands_for);
        }
        Self { places }
    }

    /// What the pointers point at, in no order; of an object's doubles the last, as [`Pointer::find`] has it.
    pub(crate) fn find<'n, 'a>(&self, record: &'n Node<'a>, mut met: impl FnMut(&T, &'n Node<'a>)) {
        self.find_below(0, record, &mut Vec::with_capacity(64), &mut met);
    }

    /// `seen`: places that have been met in the objects around this one, and, behind them, in this one.
    fn find_below<'n, 'a>(
        &self,
        place: usize,
        node: &'n Node<'a>,
        seen: &mut Vec<usize>,
        met: &mut impl FnMut(&T, &'n Node<'a>),
    ) {
        let Place { ends, below } = &self.places[place];
        for end in ends {
            met(end, node);
        }
        if below.is_empty() {
            return;
        }
        match &node.value {
            Value::Object(members) => {
                let around = seen.len();
                for (name, member) in members.iter().rev() {
                    if let Some(next) = below.get(&**name)
                        && !seen[around..].contains(next)
                    {
                        seen.push(*next);
                        self.find_below(*next, member, seen, met);
                    }
                }
                seen.truncate(around);
            }
            Value::Array(elements) => {
                for (part, next) in below {
                    if let Some(element) = part.parse().ok().and_then(|place: usize| elements.get(place)) {
                        self.find_below(*next, element, seen, met);
                    }
                }
            }
            Value::Null | Value::Bool | Value::Number(_) | Value::Text(_) => {}
        }
    }

    /// All that the pointers point at, of an object's doubles each. Where several point at one place, in their order.
    pub(crate) fn each<'a>(&self, record: &mut Node<'a>, met: &mut impl FnMut(&T, &mut Node<'a>)) {
        self.each_below(0, record, met);
    }

    fn each_below<'a>(&self, place: usize, node: &mut Node<'a>, met: &mut impl FnMut(&T, &mut Node<'a>)) {
        let Place { ends, below } = &self.places[place];
        for end in ends {
            met(end, node);
        }
        if below.is_empty() {
            return;
        }
        match &mut node.value {
            Value::Object(members) => {
                for (name, member) in members {
                    if let Some(next) = below.get(&**name) {
                        self.each_below(*next, member, met);
                    }
                }
            }
            Value::Array(elements) => {
                for (part, next) in below {
                    if let Some(element) = part.parse().ok().and_then(|place: usize| elements.get_mut(place)) {
                        self.each_below(*next, element, met);
                    }
                }
            }
            Value::Null | Value::Bool | Value::Number(_) | Value::Text(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::source::json::{clean, tests::any_json};

    const POINTERS: [&str; 9] = ["/a", "/b", "/a/b", "/b/a", "/a/0", "/b/1/a", "/a/a/a", "/0", "/a/b"];

    proptest! {
        /// The walk meets what each pointer, asked alone, points at.
        #[test]
        fn all_at_once_is_each_alone(parts in prop::collection::vec(("[ab01]", any_json(), "[ab01]", any_json()), 0..5)) {
            let members: Vec<_> = parts
                .iter()
                .map(|(name, value, inner, other)| {
                    format!("\"{name}\":{{\"{inner}\":{value},\"{inner}\":[{other},{{\"a\":{value}}}]}},\"{inner}\":{other}")
                })
                .collect();
            let text = format!("{{{}}}", members.join(","));
            let (text, _) = clean(&text);
            let mut record = Node::parse(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
            let pointers: Vec<_> = POINTERS.iter().filter_map(|text| Pointer::parse(text)).collect();
            let index = Index::new(pointers.iter().zip(0..));
            let mut met = BTreeMap::new();
            index.find(&record, |number, node| _ = met.insert(*number, node.span.clone()));
            for (number, pointer) in pointers.iter().enumerate() {
                let alone = pointer.find(&record).map(|node| node.span.clone());
                prop_assert_eq!(met.get(&number).cloned(), alone, "{} in {}", pointer, text);
            }
            let (mut together, mut alone) = (Vec::new(), Vec::new());
            index.each(&mut record, &mut |number, node| together.push((*number, node.span.clone())));
            for (number, pointer) in pointers.iter().enumerate() {
                pointer.each(&mut record, &mut |node| alone.push((number, node.span.clone())));
            }
            together.sort_by_key(|(number, span)| (*number, span.start, span.end));
            alone.sort_by_key(|(number, span)| (*number, span.start, span.end));
            prop_assert_eq!(together, alone);
        }
    }
}
