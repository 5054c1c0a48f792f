//! What a read brings, numbered and counted.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::*;
use crate::domain::{Amount, Kind, Rejection, State};

mod kept;
mod model;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).expect("a time")
}

fn window() -> Window {
    Window::new(at(0), at(1_000)).expect("a window")
}

fn line(line_id: &str, seconds: i64, quantity: i64) -> Line {
    Line {
        quantity: Amount::from_ten_thousandths(quantity),
        ..Line::new(line_id, Kind::Fuel, State::Posted, at(seconds))
    }
}

fn record(id: &str, raw: &str, lines: Vec<Line>) -> Record {
    Record { id: id.into(), raw: raw.into(), outcome: Outcome::Lines(lines) }
}

fn rejected(id: &str) -> Record {
    Record {
        id: id.into(),
        raw: "{}".into(),
        outcome: Outcome::Rejected(Rejection {
            field: "transactionTime".into(),
            reason: Cow::Borrowed("missing"),
            nul_removed: false,
        }),
    }
}

/// What waits of an entry: id, the record's text, the fields of the line.
fn waits(batch: &Batch, entry: &Entry) -> (String, String, Vec<u8>) {
    let mut lines = batch.lines();
    let (packed, fields, hash) = lines.of(entry).expect("it waits");
    assert_eq!(hash, copy::content_hash(&fields, packed.raw), "the digest that waits is that of what waits");
    (packed.id.to_owned(), String::from_utf8(packed.raw.to_vec()).expect("a text"), fields.into_owned())
}

/// Whether a line is flagged as alike to another in everything.
fn is_flagged(fields: &[u8]) -> bool {
    fields.windows(15).any(|bytes| bytes == b"identical_lines")
}

fn keys(batch: &Batch) -> Vec<(String, String, bool)> {
    let mut keys: Vec<_> = batch
        .entries()
        .map(|(_, entry)| {
            let (id, _, fields) = waits(batch, entry);
            (id, copy::line_id(&fields).to_owned(), is_flagged(&fields))
        })
        .collect();
    keys.sort();
    keys
}

fn read(kind: SourceKind, answers: Vec<Vec<Record>>) -> Batch {
    let mut incoming = Incoming::new(kind, window());
    for answer in answers {
        incoming.records(answer).expect("spooled");
        incoming.complete().expect("spooled");
    }
    incoming.finish()
}

#[test]
fn two_coffees_of_one_receipt_are_two_lines_that_say_so() {
    let coffee = || record("7", "{\"c\":1}", vec![line("coffee", 5, 10_000)]);
    let batch =
        read(SourceKind::AlexelaCard, vec![vec![coffee(), coffee(), record("7", "{}", vec![line("diesel", 5, 1)])]]);
    assert_eq!(
        keys(&batch),
        [
            ("7".into(), "coffee".into(), true),
            ("7".into(), "coffee#2".into(), true),
            ("7".into(), "diesel".into(), false)
        ]
    );
    assert_eq!((batch.fetched(), batch.duplicate()), (3, 0));
}

#[test]
fn lines_of_one_product_are_numbered_alike_whatever_the_order_of_arrival() {
    let a = || record("7", "{\"q\":1}", vec![line("diesel", 5, 10)]);
    let b = || record("7", "{\"q\":2}", vec![line("diesel", 5, 20)]);
    let numbered = |records| {
        let batch = read(SourceKind::AlexelaCard, vec![records]);
        let waiting = batch.entries().map(|(_, entry)| waits(&batch, entry));
        let mut lines: Vec<_> = waiting.map(|(_, raw, fields)| (copy::line_id(&fields).to_owned(), raw)).collect();
        lines.sort();
        lines
    };
    assert_eq!(numbered(vec![a(), b()]), numbered(vec![b(), a()]));
    assert_eq!(numbered(vec![a(), b()]).len(), 2);
}

#[test]
fn a_key_of_a_second_answer_is_a_duplicate_and_the_later_image_stands() {
    let batch = read(
        SourceKind::AlexelaCard,
        vec![vec![record("7", "{}", vec![line("d", 5, 1)])], vec![record("7", "{\"q\":2}", vec![line("d", 5, 2)])]],
    );
    assert_eq!((batch.fetched(), batch.duplicate()), (2, 1));
    let Ok(Meeting::Other(at)) = batch.meet("7", "d", &[0; 16]) else { panic!("it is there") };
    let (_, entry) = batch.entries().find(|(number, _)| *number == at).expect("it stands");
    assert_eq!(waits(&batch, entry).1, "{\"q\":2}");
}

#[test]
fn a_hecone_transaction_met_again_is_replaced_whole() {
    let batch = read(
        SourceKind::HecOne,
        vec![vec![record("7", "{}", vec![line("1", 5, 1), line("2", 5, 1)]), record("7", "{}", vec![line("1", 5, 3)])]],
    );
    assert_eq!((batch.fetched(), batch.duplicate()), (3, 2));
    assert_eq!(keys(&batch), [("7".into(), "1".into(), false)]);
    assert!(batch.units().eq(std::iter::once(2..3)));
    assert_eq!(batch.meet("7", "1", &[0; 16]).expect("spooled"), Meeting::Replaced(2));
    assert_eq!(batch.meet("7", "2", &[0; 16]).expect("spooled"), Meeting::Replaced(2));
    assert_eq!(batch.meet("8", "1", &[0; 16]).expect("spooled"), Meeting::Absent);
}

#[test]
fn an_answer_that_was_broken_off_leaves_nothing() {
    let mut incoming = Incoming::new(SourceKind::AlexelaCard, window());
    incoming.records(vec![record("1", "{}", vec![line("d", 5, 1)])]).expect("spooled");
    incoming.complete().expect("spooled");
    incoming
        .records(vec![
            record("1", "{}", vec![line("d", 5, 2)]),
            record("2", "{}", vec![line("d", 5, 2)]),
            rejected("3"),
        ])
        .expect("spooled");
    incoming.restart();
    incoming.records(vec![record("4", "{}", vec![line("d", 5, 1)])]).expect("spooled");
    incoming.complete().expect("spooled");
    let batch = incoming.finish();
    assert_eq!(keys(&batch), [("1".into(), "d".into(), false), ("4".into(), "d".into(), false)]);
    assert_eq!((batch.fetched(), batch.quarantined()), (2, 0));
}

#[test]
fn a_row_outside_the_window_and_a_record_that_cannot_be_one_are_counted_apart() {
    let batch = read(
        SourceKind::AlexelaCard,
        vec![vec![
            record("1", "{}", vec![line("d", 1_000, 1)]),
            record("2", "{}", vec![line("d", 999, 1)]),
            rejected("3"),
        ]],
    );
    assert_eq!((batch.fetched(), batch.outside(), batch.quarantined()), (3, 1, 1));
    assert!(batch.is_rejected("3"));
}

#[test]
fn a_product_code_that_looks_like_a_number_of_ours_keeps_its_key() {
    for turn in 0..3 {
        let mut records = vec![
            record("7", "{\"q\":1}", vec![line("d", 5, 10)]),
            record("7", "{\"q\":2}", vec![line("d", 5, 20)]),
            record("7", "{\"q\":3}", vec![line("d#2", 5, 30)]),
        ];
        records.rotate_left(turn);
        let batch = read(SourceKind::AlexelaCard, vec![records]);
        let keys: Vec<_> = keys(&batch).into_iter().map(|(_, line_id, _)| line_id).collect();
        assert_eq!(keys, ["d", "d#2", "d#3"]);
    }
}

#[test]
fn a_read_beyond_what_is_held_says_what_to_set() {
    let mut incoming = Incoming::new(SourceKind::AlexelaCard, window());
    incoming.held = Held::none(2);
    let one = |id: &str| vec![record(id, "{}", vec![line("d", 5, 1)])];
    incoming.records(one("1")).expect("room");
    incoming.records(one("2")).expect("room");
    incoming.restart();
    incoming.records(one("1")).expect("room again");
    incoming.records(one("2")).expect("room again");
    let error = incoming.records(one("3")).expect_err("no room");
    assert!(error.to_string().contains("window_days"), "{error}");
}

#[test]
fn records_that_cannot_be_understood_are_counted_not_held_and_have_an_end() {
    let mut incoming = Incoming::new(SourceKind::AlexelaCard, window());
    for _ in 0..limits::REJECTED / 1_000 {
        incoming.records((0..1_000).map(|_| rejected("")).collect()).expect("room");
    }
    assert!(incoming.records(vec![rejected("")]).is_err());
}

#[test]
fn thousands_of_lines_of_one_product_are_not_taken_for_a_receipt() {
    let mut incoming = Incoming::new(SourceKind::AlexelaCard, window());
    incoming.records((0..9_000).map(|_| record("7", "{}", vec![line("d", 5, 1)])).collect()).expect("room");
    assert!(incoming.complete().is_err());
}
