//! The compact index against a model that holds everything, also where digests of keys collide.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::source::known::Marker;

/// A record in few words: id, products or articles, quantity.
type Small = (u8, Vec<u8>, i64);

/// What is fed: answers, each complete or given up.
type Answers = Vec<(Vec<Small>, bool)>;

const PRODUCTS: [&str; 4] = ["d", "d#2", "e", "-"];

fn small(kind: SourceKind, (id, places, quantity): &Small) -> Record {
    let id = format!("t{id}");
    let raw = format!("{{\"id\":\"{id}\",\"q\":{quantity}}}");
    let mut named = BTreeSet::new();
    let lines = places
        .iter()
        .map(|place| PRODUCTS[usize::from(*place) % PRODUCTS.len()])
        .filter(|product| named.insert(*product))
        .map(|product| line(product, 5 + quantity % 3, *quantity));
    let lines = if kind == SourceKind::HecOne { lines.collect() } else { lines.take(1).collect() };
    record(&id, &raw, lines)
}

/// id and line → content, with all that is wrong about it.
type Model = BTreeMap<(String, String), ([u8; 16], bool)>;

/// What stands in the end; how many lines came, and how many of them a later image replaced.
fn model(kind: SourceKind, answers: &Answers) -> (Model, u64, u64) {
    type Groups = BTreeMap<(String, String), Vec<(Line, Box<str>)>>;
    let (mut all, mut fetched, mut duplicate) = (Model::new(), 0, 0);
    for (records, _) in answers.iter().filter(|(_, complete)| *complete) {
        let mut groups = Groups::new();
        for record in records.iter().map(|record| small(kind, record)) {
            let Outcome::Lines(lines) = record.outcome else { continue };
            fetched += lines.len() as u64;
            if kind == SourceKind::HecOne {
                let before = all.len();
                all.retain(|(id, _), _| *id != record.id);
                duplicate += (before - all.len()) as u64;
                for line in lines {
                    let content = content(&record.id, &line, &record.raw);
                    all.insert((record.id.clone(), line.line_id), (content, false));
                }
            } else {
                for line in lines {
                    let key = (record.id.clone(), line.line_id.clone());
                    groups.entry(key).or_default().push((line, record.raw.clone()));
                }
            }
        }
        let mut taken: BTreeSet<_> = groups.keys().cloned().collect();
        for ((id, product), mut alike) in groups {
            alike.sort_by_key(|(line, raw)| (copy::identity_hash(&fields(&id, line)), content(&id, line, raw)));
            let contents: Vec<_> = alike.iter().map(|(line, raw)| content(&id, line, raw)).collect();
            let mut next = 1;
            for (place, (mut line, raw)) in alike.into_iter().enumerate() {
                let identical = contents.iter().filter(|content| **content == contents[place]).count() > 1;
                while next > 1 && !taken.insert((id.clone(), numbered(&product, next))) {
                    next += 1;
                }
                line.line_id = numbered(&product, next);
                next += 1;
                if identical {
                    line.quality.insert(crate::domain::Flag::IdenticalLines);
                }
                let content = (content(&id, &line, &raw), identical);
                duplicate += u64::from(all.insert((id.clone(), line.line_id), content).is_some());
            }
        }
    }
    (all, fetched, duplicate)
}

/// A line as it waits.
fn fields(id: &str, line: &Line) -> Vec<u8> {
    let mut fields = Vec::new();
    copy::fields(&mut fields, id, line);
    fields
}

fn content(id: &str, line: &Line, raw: &str) -> [u8; 16] {
    copy::content_hash(&fields(id, line), raw.as_bytes())
}

fn colliding(id: &str, line_id: &str) -> Key {
    key(id, line_id) % 3
}

fn agrees(kind: SourceKind, answers: &Answers, key: fn(&str, &str) -> Key, budget: usize) -> Result<(), TestCaseError> {
    let mut incoming = Incoming { key, records: Log::new(budget), ..Incoming::new(kind, window()) };
    for (records, complete) in answers {
        for part in records.chunks(3) {
            incoming.records(part.iter().map(|record| small(kind, record)).collect()).expect("room");
        }
        if *complete {
            incoming.complete().expect("spooled");
        } else {
            incoming.restart();
        }
    }
    let batch = incoming.finish();
    let (model, fetched, duplicate) = model(kind, answers);
    prop_assert_eq!((batch.fetched(), batch.duplicate()), (fetched, duplicate));
    let mut there = Model::new();
    for (at, entry) in batch.entries() {
        let (id, raw, fields) = waits(&batch, entry);
        let (line_id, content) = (copy::line_id(&fields), copy::content_hash(&fields, raw.as_bytes()));
        prop_assert_eq!(batch.meet(&id, line_id, &content).expect("it waits"), Meeting::Same(at));
        let other = batch.meet(&id, line_id, &[9; 16]).expect("it waits");
        match other {
            Meeting::Other(found) => prop_assert_eq!(found, at),
            Meeting::Replaced(first) => prop_assert!(batch.incoming.unit_of(first).contains(&at)),
            Meeting::Same(_) | Meeting::Absent => prop_assert!(false, "{:?} for other content", other),
        }
        prop_assert!(there.insert((id, line_id.to_owned()), (content, is_flagged(&fields))).is_none(), "a key twice");
    }
    prop_assert_eq!(&there, &model);
    for id in (0..8).map(|id| format!("t{id}")) {
        let known = kind == SourceKind::HecOne && model.keys().any(|(there, _)| *there == id);
        for line_id in ["d", "d#2", "d#3", "e", "-", "zz"] {
            let meeting = batch.meet(&id, line_id, &[9; 16]).expect("spooled");
            match meeting {
                Meeting::Other(_) => prop_assert!(model.contains_key(&(id.clone(), line_id.to_owned()))),
                Meeting::Replaced(_) => prop_assert!(known),
                Meeting::Absent => prop_assert!(!known && !model.contains_key(&(id.clone(), line_id.to_owned()))),
                Meeting::Same(_) => prop_assert!(false, "no line has this content"),
            }
        }
    }
    Ok(())
}

/// A record as a source brings it: known where the mark of its text is.
fn brought(kind: SourceKind, record: &Small, known: &Known) -> Brought {
    let marker = Marker::new(&String::new().into(), "");
    // Unlike a real one's, a small record's text does not say all that its lines come from.
    let mark = marker.mark(format!("{record:?}").as_bytes());
    known.find(mark).map_or_else(|| Brought::New(small(kind, record), mark), Brought::Known)
}

fn read_knowing(kind: SourceKind, answers: &Answers, known: Known) -> Result<Batch, WarehouseError> {
    let mut incoming = Incoming::knowing(kind, window(), Arc::new(known));
    for (records, complete) in answers {
        incoming.brought(records.iter().map(|record| brought(kind, record, &incoming.known)).collect())?;
        if *complete {
            incoming.complete()?;
        } else {
            incoming.restart();
        }
    }
    Ok(incoming.finish())
}

/// Key and content of each entry that stands.
fn standing(batch: &Batch) -> Vec<(Key, u64)> {
    let mut standing: Vec<_> = batch.entries().map(|(_, entry)| (entry.key, entry.hash)).collect();
    standing.sort_unstable();
    standing
}

/// What was kept of the first answers makes no difference to what the others come to, but that records are not at hand.
fn knows(kind: SourceKind, first: &Answers, second: &Answers, is_same: bool) -> Result<(), TestCaseError> {
    let first = read_knowing(kind, first, Known::nothing()).expect("nothing is missing where nothing is known");
    let kept = match first.kept_of(&(1..=usize::MAX), at(0), |_| true).expect("spooled") {
        Kept::Anew(Some(kept)) => kept,
        Kept::Anew(None) => return Ok(()),
        Kept::AsItWas => return Err(TestCaseError::fail("nothing was known")),
    };
    let known = || Known::of(kept.clone(), at(0)).expect("whole");
    let plain = read_knowing(kind, second, Known::nothing()).expect("nothing is missing where nothing is known");
    let batch = match read_knowing(kind, second, known()) {
        Ok(batch) => batch,
        // Lines alike are told apart by their texts; where the same comes again, they were not kept.
        Err(WarehouseError::NotKept) if !is_same => return Ok(()),
        Err(other) => return Err(TestCaseError::fail(other.to_string())),
    };
    prop_assert_eq!(standing(&batch), standing(&plain));
    prop_assert_eq!((batch.fetched(), batch.duplicate()), (plain.fetched(), plain.duplicate()));
    prop_assert_eq!(batch.digest(), plain.digest());
    prop_assert_eq!(batch.units().count(), plain.units().count());
    let (ids, plain_ids) = (batch.ids().expect("spooled"), plain.ids().expect("spooled"));
    for id in (0..8).map(|id| format!("t{id}")) {
        prop_assert_eq!(ids.has(&id), plain_ids.has(&id));
    }
    let (mut lines, mut again) = (batch.lines(), 0);
    for (_, entry) in batch.entries() {
        if let Ok((packed, fields, hash)) = lines.of(entry) {
            prop_assert_eq!(hash, copy::content_hash(&fields, packed.raw));
        } else {
            prop_assert!(entry.is_known());
            again += 1;
        }
    }
    // All that can be known is, when the same comes again.
    if is_same && batch.duplicate() == 0 {
        let kept = batch.entries().filter(|(_, entry)| entry.is_its_records()).count();
        prop_assert_eq!(again, kept);
        prop_assert_eq!(batch.kept_of(&(1..=usize::MAX), at(0), |_| true).expect("spooled"), Kept::AsItWas);
    }
    // Were nothing of it settled, nothing of it would be kept.
    if plain.duplicate() == 0 && plain.len() > 0 {
        prop_assert_eq!(plain.kept_of(&(1..=usize::MAX), at(0), |_| false).expect("spooled"), Kept::Anew(None));
    }
    Ok(())
}

fn any_answers() -> impl Strategy<Value = Answers> {
    let record = (0u8..6, prop::collection::vec(0u8..4, 1..4), 1i64..5);
    prop::collection::vec((prop::collection::vec(record, 0..14), prop::bool::weighted(0.8)), 0..5)
}

proptest! {
    #[test]
    fn the_index_agrees_with_a_model_that_holds_everything(
        answers in any_answers(), hecone: bool, collide: bool, budget in prop_oneof![Just(0usize), Just(1 << 20)],
    ) {
        let kind = if hecone { SourceKind::HecOne } else { SourceKind::AlexelaCard };
        agrees(kind, &answers, if collide { colliding } else { key }, budget)?;
    }

    #[test]
    fn what_is_recognized_comes_to_what_it_came_to_before(
        first in any_answers(), second in any_answers(), same: bool, hecone: bool,
    ) {
        let kind = if hecone { SourceKind::HecOne } else { SourceKind::AlexelaCard };
        knows(kind, &first, if same { &first } else { &second }, same)?;
    }
}
