//! What becomes of a `HecOne` transaction.

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use secrecy::SecretString;

use super::*;
use crate::{
    config::{Privacy, Rule},
    domain::{Partition, SourceKind, StreamId, Unit, product::ProductRules},
    privacy::{Forgotten, Guard, Person, Persons},
    source::{json, time},
};

const SALE: &str = r#"{"id":"8a159c56-1785-4d8b-a40e-22cb47f56bba","created_at":"2026-11-20T10:00:00.5Z","state":"completed",
"site_id":"s-1","site_code":"TLN1","site_name":"Tallinn","device_code":"D7","device_name":"Kiosk","point_id":"p-1","point_number":3,
"point_name":"Pump 3","session_id":"S-9","terminal_transaction_number":"1 0042","license_plate":"123 ABC","customer_odometer":"120345",
"customer_driver_number":"77","card_driver_number":"78","customer_vehicle_number":"V1","receipt_email":"mari@example.ee",
"customer_data":{"card_number":"7077123412341234","driver_name":"Mari Maasikas"},"customer_additional_info":"to mari@example.ee",
"amount":66.20,"paid_amount":66.20,
"articles":[{"id":"a1","product":{"code":"DIE","name":"Diesel","type":"FUEL"},"quantity":40.00,"unit":"Ltr","price":1.555,"amount":62.20,
"net_amount":50.98,"vat_rate":22,"vat_amount":11.22,"currency":"EUR","state":"done"},
{"product":"Coffee","quantity":2,"price":2,"amount":4,"state":"done"}],
"payments":[{"amount":60,"method":"card","state":"collected","currency":"eur"},{"amount":6.2,"method":"cash","state":"collected"},
{"amount":9,"method":"voucher","state":"open"}]}"#;

fn now() -> DateTime<Utc> {
    time::parse("2026-11-21T12:00:00Z").unwrap().unwrap()
}

fn normalized(raw: &str, rule: Rule) -> Record {
    let stream = StreamId::new(SourceKind::HecOne, "north", Partition::whole());
    let products = ProductRules::default();
    let privacy = Guard::new(&Privacy {
        card_number: rule,
        driver_name: rule,
        license_plate: rule,
        receipt_email: rule,
        hash_key: Some(SecretString::from("key")),
    });
    let context = Context { stream: &stream, present: now(), products: &products, privacy: &privacy };
    normalize(raw, &context, &Pointers::default())
}

fn lines(raw: &str) -> Vec<Line> {
    match normalized(raw, Rule::Keep).outcome {
        Outcome::Lines(lines) => lines,
        Outcome::Rejected(rejection) => panic!("{rejection:?}"),
    }
}

fn rejected(raw: &str) -> Rejection {
    match normalized(raw, Rule::Keep).outcome {
        Outcome::Rejected(rejection) => rejection,
        Outcome::Lines(lines) => panic!("{lines:?}"),
    }
}

fn sale(articles: &str, payments: &str, more: &str) -> String {
    format!(r#"{{"id":"x","created_at":"2026-11-20","articles":{articles},"payments":{payments}{more}}}"#)
}

fn flags(line: &Line) -> Vec<&'static str> {
    line.quality.iter().map(|flag| flag.as_str()).collect()
}

fn amount(text: &str) -> Option<Amount> {
    text.parse().ok()
}

#[test]
fn a_transaction_fills_its_lines() {
    let record = normalized(SALE, Rule::Keep);
    assert_eq!(&*record.raw, SALE);
    insta::assert_debug_snapshot!(record.outcome);
}

#[test]
fn a_transaction_without_articles_is_the_line_dash() {
    for articles in ["[]", "null"] {
        let lines = lines(&sale(articles, "[]", r#","state":"created""#));
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0].line_id.as_str(), lines[0].kind, lines[0].state), ("-", Kind::Other, State::Provisional));
        assert_eq!((lines[0].unit, flags(&lines[0]).len()), (None, 0));
    }
}

#[test]
fn articles_are_known_by_id_or_place_and_never_share_a_key() {
    let lines = lines(&sale(r#"[{"id":7},{"state":"done"},{"id":"7"},{"id":"2"},{"id":"7"}]"#, "[]", ""));
    let ids: Vec<_> = lines.iter().map(|line| line.line_id.as_str()).collect();
    assert_eq!(ids, ["7", "2", "7#2", "2#2", "7#3"]);
}

#[test]
fn the_records_own_state_is_kept_and_a_difference_flagged() {
    for (said, articles, payments, state, flagged) in [
        (
            r#","state":"completed","amount":5"#,
            r#"[{"state":"done"}]"#,
            r#"[{"state":"collected","amount":5}]"#,
            State::Posted,
            &[][..],
        ),
        (
            r#","state":"completed","amount":5"#,
            r#"[{"state":"done"}]"#,
            r#"[{"state":"collected","amount":4}]"#,
            State::Posted,
            &["state_mismatch"],
        ),
        (r#","state":"Declined""#, r#"[{"state":"declined"}]"#, "[]", State::Declined, &[]),
        (r#","state":"pending""#, r#"[{"state":"reserved"}]"#, "[]", State::Provisional, &["state_mismatch"]),
        (r#","state":"melted""#, r#"[{"state":"error"}]"#, "[]", State::Error, &["unknown_state"]),
        (r#","state":"melted""#, r#"[{"state":"?"}]"#, "[]", State::Provisional, &["unknown_state"]),
        ("", r#"[{"state":"ongoing"}]"#, "[]", State::Provisional, &[]),
        ("", "[{}]", "[]", State::Provisional, &["unknown_state"]),
        (r#","amount":5"#, r#"[{"state":"done"}]"#, r#"[{"state":"collected","amount":5}]"#, State::Posted, &[]),
    ] {
        let raw = sale(articles, payments, said);
        let line = &lines(&raw)[0];
        assert_eq!((line.state, flags(line).as_slice()), (state, flagged), "{raw}");
    }
}

#[test]
fn a_refund_is_paid_when_as_much_has_gone_back() {
    let article = r#"[{"state":"done","quantity":-10,"amount":-15.5}]"#;
    let state = |payments: &str| {
        let line = &lines(&sale(article, payments, r#","amount":-15.5"#))[0];
        (line.state, line.quality.iter().any(|flag| *flag == Flag::StateMismatch))
    };
    assert_eq!(state(r#"[{"amount":-15.5,"state":"open"}]"#), (State::Provisional, false));
    assert_eq!(state(r#"[{"amount":-5,"state":"collected"}]"#), (State::Provisional, false));
    assert_eq!(state(r#"[{"amount":-15.5,"state":"collected"}]"#), (State::Posted, false));
}

#[test]
fn an_unknown_word_stands_in_source_state_as_sent() {
    assert_eq!(lines(&sale("[{}]", "[]", r#","state":"Melted""#))[0].source_state.as_deref(), Some("Melted"));
}

#[test]
fn what_is_due_is_the_invoice_else_the_amount_else_the_articles() {
    let done = r#"[{"state":"done","quantity":"40.123","price":1.559}]"#;
    let collected = r#"[{"state":"collected","amount":62.55}]"#;
    let state = |more: &str| lines(&sale(done, collected, more))[0].state;
    assert_eq!(state(""), State::Posted);
    assert_eq!(state(r#","amount":70"#), State::Provisional);
    assert_eq!(state(r#","amount":70,"invoice":{"amount":60}"#), State::Posted);
}

#[test]
fn what_was_paid_is_the_records_word_else_the_sum_of_what_was_collected() {
    let payments =
        r#"[{"state":"collected","amount":"1.5"},{"state":"open","amount":9},{"state":"collected","amount":2}]"#;
    assert_eq!(lines(&sale("[{}]", payments, ""))[0].paid_amount, amount("3.5"));
    assert_eq!(lines(&sale("[{}]", payments, r#","paid_amount":0"#))[0].paid_amount, amount("0"));
    assert_eq!(lines(&sale("[{}]", r#"[{"state":"open","amount":9,"method":"card"}]"#, ""))[0].paid_amount, None);
}

#[test]
fn methods_are_those_that_collected_else_all_each_once() {
    let of = |payments: &str| lines(&sale("[{}]", payments, ""))[0].payment_method.clone();
    let (card, cash) = (r#"{"method":"card","state":"collected"}"#, r#"{"method":"cash","state":"open"}"#);
    assert_eq!(of(&format!("[{card},{cash},{card}]")).as_deref(), Some("card"));
    assert_eq!(of(&format!("[{cash},{cash}]")).as_deref(), Some("cash"));
    assert_eq!(
        of(r#"[{"method":"b","state":"collected"},{"method":"a","state":"collected"}]"#).as_deref(),
        Some("b,a")
    );
    assert_eq!(of("[]"), None);
}

#[test]
fn an_articles_unit_stands_above_its_products() {
    let unit = |article: &str| {
        let line = lines(&sale(&format!("[{article}]"), "[]", r#","state":"created""#)).remove(0);
        (line.unit, line.quality.contains(&Flag::UnknownUnit))
    };
    assert_eq!(unit(r#"{"product_name":"CNG","unit":"m3"}"#), (Some(Unit::CubicMetre), false));
    assert_eq!(unit(r#"{"product_name":"CNG"}"#), (Some(Unit::Kilogram), false));
    assert_eq!(unit(r#"{"product_name":"CNG","unit":"furlong"}"#), (Some(Unit::Kilogram), true));
    assert_eq!(unit(r#"{"unit":"furlong"}"#), (None, true));
}

#[test]
fn one_record_that_cannot_be_read_is_one_rejection_with_its_path() {
    for (from, to, field) in [
        (r#""quantity":40.00"#, r#""quantity":987654321098765.4321"#, "articles/0/quantity"),
        (r#""amount":6.2,"#, r#""amount":"six","#, "payments/1/amount"),
        (r#""paid_amount":66.20"#, r#""paid_amount":true"#, "paid_amount"),
        (r#""created_at":"2026-11-20T10:00:00.5Z","#, "", "created_at"),
        (r#""created_at":"2026-11-20T10:00:00.5Z""#, r#""created_at":"soon""#, "created_at"),
        (r#""id":"8a159c56-1785-4d8b-a40e-22cb47f56bba","#, "", "id"),
        (r#"{"product":"Coffee","quantity":2,"price":2,"amount":4,"state":"done"}"#, "7", "articles/1"),
    ] {
        let raw = SALE.replacen(from, to, 1);
        assert_ne!(raw, SALE, "{from}");
        assert_eq!(rejected(&raw).field, field);
    }
    assert_eq!(rejected(r#"{"id":1,"created_at":"2026-11-20","articles":{}}"#).field, "articles");
}

#[test]
fn a_transaction_of_more_articles_than_can_be_lines_is_one_rejection() {
    let sale = |articles: usize, shared: &str| {
        let articles = vec![r#"{"quantity":1}"#; articles].join(",");
        format!(r#"{{"id":1,"created_at":"2026-11-20",{shared}"articles":[{articles}]}}"#)
    };
    assert_eq!(lines(&sale(ARTICLES, "")).len(), ARTICLES);
    assert_eq!(rejected(&sale(ARTICLES + 1, "")).reason, "has more than 1000 articles");
    let long = "x".repeat(1_000);
    let names = ["site_id", "site_code", "site_name", "device_name", "device_code", "point_name", "license_plate"];
    let shared = names.map(|name| format!("\"{name}\":\"{long}\",")).concat();
    let payments: Vec<_> = (0..9).map(|n| format!(r#"{{"method":"{n}{}"}}"#, &long[1..])).collect();
    let shared = format!("{shared}\"payments\":[{}],", payments.join(","));
    assert_eq!(rejected(&sale(ARTICLES, &shared)).reason, "makes lines of more than 8 MiB");
    assert_eq!(lines(&sale(10, &shared)).len(), 10);
}

#[test]
fn personal_values_are_replaced_wherever_they_stand() {
    let record = normalized(SALE, Rule::Drop);
    for personal in ["7077123412341234", "Mari Maasikas", "mari@example.ee", "123 ABC"] {
        assert!(!record.raw.contains(personal), "{personal}");
    }
    assert!(
        record.raw.contains(r#""card_driver_number":"78""#)
            && record.raw.contains(r#""customer_additional_info":"to ""#)
    );
    let record = normalized(SALE, Rule::Mask);
    assert!(record.raw.contains("707712******1234") && record.raw.contains("\"receipt_email\":\"m***\""));
    let Outcome::Lines(lines) = record.outcome else { panic!("rejected") };
    assert!(lines.iter().all(|line| line.card_number.as_deref() == Some("707712******1234")));
}

#[test]
fn what_is_stored_normalizes_to_the_same_again() {
    for rule in [Rule::Keep, Rule::Mask, Rule::Hash, Rule::Drop] {
        let once = normalized(SALE, rule);
        assert_eq!(normalized(&once.raw, rule), once);
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_and_raw_stays_json(value in json::tests::any_json(), place in 0usize..6) {
        let key = ["id", "articles", "payments", "customer_data", "quantity", "amount"][place];
        let raws = [
            value.clone(),
            format!("{{\"{key}\":{value}}}"),
            format!("{{\"id\":1,\"created_at\":\"2026-11-20\",\"{key}\":{value}}}"),
            format!("{{\"id\":1,\"created_at\":\"2026-11-20\",\"articles\":[{{\"{key}\":{value}}},{value}]}}"),
        ];
        for raw in raws {
            let record = normalized(&raw, Rule::Mask);
            prop_assert!(json::Node::parse(&record.raw).is_ok(), "{}", record.raw);
            if let Outcome::Lines(lines) = record.outcome {
                let keys: BTreeSet<_> = lines.iter().map(|line| line.line_id.clone()).collect();
                prop_assert!(!lines.is_empty() && keys.len() == lines.len());
            }
        }
    }
}

/// The record without these persons, nothing else hidden.
fn forgetting(raw: &str, persons: &[(Person, &str)]) -> Record {
    let forgotten = Forgotten::default();
    let nobody = Persons::new(1, b"key", []);
    forgotten.set(persons.iter().fold(nobody, |persons, (person, value)| persons.and(*person, value)));
    let stream = StreamId::new(SourceKind::HecOne, "north", Partition::whole());
    let products = ProductRules::default();
    let privacy = Guard::keeping(forgotten);
    let context = Context { stream: &stream, products: &products, privacy: &privacy, present: now() };
    normalize(raw, &context, &Pointers::default())
}

#[test]
fn forgetting_somebody_takes_no_other_numbers() {
    let persons = [(Person::Driver, "10234"), (Person::Card, "70771234"), (Person::Card, "7077123412341234")];
    let sale = |number: &str, pan: &str| {
        format!(
            r#"{{"id":"1","created_at":"2026-11-20T10:00:00Z","customer_odometer":"10234","receipt":{{"number":"10234"}},
            "invoice":{{"number":"2026-10234","total":70771234.00}},"amount":"10234.67","card_driver_number":{number},
            "customer_data":{{"card_number":{pan}}},"articles":[{{"id":"1","quantity":"70771234","price":70771234,"amount":"10234.67"}}],
            "payments":[{{"amount":"70771234","state":"collected"}}]}}"#
        )
    };
    let record = forgetting(&sale("\"10234\"", "\"7077123412341234\""), &persons);
    assert_eq!(&*record.raw, sale("null", "null"));
    let other = sale("\"77\"", "\"7\"");
    assert_eq!(&*forgetting(&other, &persons).raw, other, "nothing of it is theirs");
}

proptest! {
    #[test]
    fn forgetting_changes_no_amount(value in "[1-9][0-9]{4,13}", is_text in any::<bool>(), kind in 0usize..3) {
        let quote = if is_text { "\"" } else { "" };
        let raw = format!(
            r#"{{"id":"1","created_at":"2026-11-20T10:00:00Z","odometer":{quote}{value}{quote},"paid_amount":{quote}{value}{quote},
            "customer_data":{{"card_number":"{value}","driver_name":"{value}","license_plate":"{value}"}},
            "articles":[{{"id":"1","quantity":{quote}{value}{quote},"price":{quote}{value}{quote},"amount":{quote}{value}.67{quote},
            "vat":{{"rate":{quote}{value}{quote}}}}}]}}"#
        );
        let (before, after) = (forgetting(&raw, &[]), forgetting(&raw, &[(Person::ALL[kind], &value)]));
        let amounts = |record: &Record| match &record.outcome {
            Outcome::Lines(lines) => {
                let line = &lines[0];
                Some((line.quantity, line.unit_price, line.gross_amount, line.vat_rate, line.paid_amount, line.odometer_km))
            }
            Outcome::Rejected(_) => None,
        };
        prop_assert!(amounts(&before).is_some());
        prop_assert_eq!(amounts(&before), amounts(&after));
    }
}
