//! What of a read is worth keeping, and when.

use super::*;
use crate::source::known::MOST;

/// The first of so many sales, each known by its number.
fn sales(numbers: std::ops::Range<u8>, known: &Known) -> Vec<Brought> {
    let sale = |n: u8| {
        let mark = Mark::from_bytes([n + 1; 8]).expect("a mark");
        let new = || Brought::New(record(&n.to_string(), "{}", vec![line("d", 5, 1)]), mark);
        known.find(mark).map_or_else(new, Brought::Known)
    };
    numbers.map(sale).collect()
}

fn read_of(numbers: std::ops::Range<u8>, known: Known) -> Batch {
    read_of_two(numbers, 0..0, known)
}

/// The same in two answers.
fn read_of_two(first: std::ops::Range<u8>, second: std::ops::Range<u8>, known: Known) -> Batch {
    let mut incoming = Incoming::knowing(SourceKind::AlexelaCard, window(), Arc::new(known));
    for numbers in [first, second] {
        let sales = sales(numbers, &incoming.known);
        incoming.brought(sales).expect("room");
        incoming.complete().expect("whole");
    }
    incoming.finish()
}

/// How many records are kept anew; none when what was kept stays.
fn kept_of(batch: &Batch) -> Option<usize> {
    match batch.kept(at(0), |_| true).expect("it waits") {
        Kept::AsItWas => None,
        Kept::Anew(kept) => Some(kept.map_or(0, |kept| Known::of(kept, at(0)).expect("whole").len())),
    }
}

/// What is kept of so many sales.
fn known(numbers: std::ops::Range<u8>) -> Known {
    match read_of(numbers, Known::nothing()).kept(at(0), |_| true) {
        Ok(Kept::Anew(Some(kept))) => Known::of(kept, at(0)).expect("whole"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn of_fewer_than_fifty_lines_nothing_is_kept() {
    assert_eq!(kept_of(&read_of(0..49, Known::nothing())), Some(0));
    assert_eq!(kept_of(&read_of(0..50, Known::nothing())), Some(50));
    assert_eq!(kept_of(&read_of(0..49, known(0..50))), Some(0), "a window that shrank is forgotten");
}

#[test]
fn of_a_window_so_large_that_hardly_any_record_would_be_known_nothing_is_kept() {
    let read_of = |count: u64, known| {
        let mut incoming = Incoming::knowing(SourceKind::AlexelaCard, window(), Arc::new(known));
        let sale = |n: u64| {
            let mark = Mark::from_bytes((n + 1).to_le_bytes()).expect("a mark");
            Brought::New(record(&format!("00000000-0000-0000-0000-{n:012}"), "{}", vec![line("d", 5, 1)]), mark)
        };
        incoming.brought((0..count).map(sale).collect()).expect("room");
        incoming.complete().expect("whole");
        incoming.finish()
    };
    let many = MOST as u64 / 16;
    let kept = kept_of(&read_of(many, Known::nothing())).expect("anew");
    assert!(kept as u64 > many / 5, "{kept} of {many}");
    assert_eq!(kept_of(&read_of(many + 1, Known::nothing())), Some(0));
    assert_eq!(kept_of(&read_of(many + 1, known(0..60))), Some(0), "what was kept is cleared");
}

#[test]
fn of_a_read_that_brought_a_line_twice_nothing_is_kept() {
    assert_eq!(kept_of(&read_of_two(0..60, 60..80, Known::nothing())), Some(80));
    assert_eq!(kept_of(&read_of_two(0..60, 59..80, Known::nothing())), Some(0));
    assert_eq!(kept_of(&read_of_two(0..60, 58..80, Known::nothing())), Some(0));
}

#[test]
fn what_is_kept_stays_while_few_records_are_new() {
    assert_eq!(kept_of(&read_of(0..64, known(0..64))), None);
    assert_eq!(kept_of(&read_of(0..68, known(0..64))), None, "one in sixteen");
    assert_eq!(kept_of(&read_of(0..69, known(0..64))), Some(69));
}

#[test]
fn what_is_kept_stays_while_few_records_are_gone() {
    assert_eq!(kept_of(&read_of(0..64, known(0..68))), None, "one in sixteen");
    assert_eq!(kept_of(&read_of(0..64, known(0..69))), Some(64));
    assert_eq!(kept_of(&read_of(100..200, known(0..60))), Some(100), "none of them is there any more");
}

#[test]
fn what_is_not_settled_or_has_no_mark_is_not_kept() {
    let batch = read_of(0..60, Known::nothing());
    let Ok(Kept::Anew(Some(kept))) = batch.kept(at(0), |number| number >= 10) else { panic!("something is kept") };
    assert_eq!(Known::of(kept, at(0)).expect("whole").len(), 50);
    assert_eq!(batch.kept(at(0), |_| false).expect("it waits"), Kept::Anew(None));
    let mut incoming = Incoming::new(SourceKind::AlexelaCard, window());
    incoming.records((0..60).map(|n| record(&n.to_string(), "{}", vec![line("d", 5, 1)])).collect()).expect("room");
    incoming.complete().expect("whole");
    assert_eq!(kept_of(&incoming.finish()), Some(0));
}
