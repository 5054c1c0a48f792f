//! What becomes of Alexela's rows.

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use secrecy::SecretString;

use super::*;
use crate::{
    config::{Privacy, Rule},
    domain::{Amount, Partition, StreamId, product::ProductRules},
    privacy::{Forgotten, Guard, Person, Persons},
    source::{json, time},
};

const CARD: &str = r#"{"transactionId":"9001","terminalId":"T1","stationId":17,"receiptNo":"R-5","authorizationCode":"A1",
"cardNumber":"7077123412341234","currency":"eur","occProductCode":"D","occProductName":"Diislikütus","occProdyctType":"Fuel",
"plateNumber":"123 ABC","driverName":"Mari Maasikas","statusDate":"2026-11-20T08:00:00","invoiceDate":"0001-01-01T00:00:00",
"invoiceNo":"","transactionTime":"2026-11-20 07:59:58.123","quantity":40.00,"netPricePerUnit":"1.3115","discountPerUnit":0,
"pricePerUnit":1.6,"totalPrice":64.00,"vatRate":22,"vatAmount":11.54,"netAmount":52.46,"odometerReadout":"120345","extra":[1.10]}"#;

fn now() -> DateTime<Utc> {
    time::parse("2026-11-21T12:00:00Z").unwrap().unwrap()
}

fn guard(rule: Rule) -> Guard {
    Guard::new(&Privacy {
        card_number: rule,
        driver_name: rule,
        license_plate: rule,
        receipt_email: rule,
        hash_key: Some(SecretString::from("key")),
    })
}

fn normalized(source: SourceKind, raw: &str, rule: Rule) -> Record {
    let partition = if source == SourceKind::AlexelaCard { Partition::contract("22297") } else { Partition::whole() };
    let stream = StreamId::new(source, "fleet", partition);
    let (products, privacy) = (ProductRules::default(), guard(rule));
    normalize(raw, &Context { stream: &stream, present: now(), products: &products, privacy: &privacy })
}

fn line_of(record: &Record) -> &Line {
    match &record.outcome {
        Outcome::Lines(lines) => &lines[0],
        Outcome::Rejected(rejection) => panic!("{rejection:?}"),
    }
}

fn card(raw: &str) -> Line {
    line_of(&normalized(SourceKind::AlexelaCard, raw, Rule::Keep)).clone()
}

fn with(field: &str, value: &str) -> String {
    let start = CARD.find(&format!("\"{field}\":")).unwrap() + field.len() + 3;
    let end = start + CARD[start..].find([',', '}']).unwrap();
    format!("{}{value}{}", &CARD[..start], &CARD[end..])
}

fn flags(line: &Line) -> Vec<&'static str> {
    line.quality.iter().map(|flag| flag.as_str()).collect()
}

fn rejected(raw: &str) -> Rejection {
    match normalized(SourceKind::AlexelaCard, raw, Rule::Keep).outcome {
        Outcome::Rejected(rejection) => rejection,
        Outcome::Lines(lines) => panic!("{lines:?}"),
    }
}

#[test]
fn a_card_row_fills_its_columns() {
    let record = normalized(SourceKind::AlexelaCard, CARD, Rule::Keep);
    assert_eq!((record.id.as_str(), &*record.raw), ("9001", CARD));
    insta::assert_debug_snapshot!(line_of(&record));
}

#[test]
fn a_charge_fills_its_columns() {
    let raw = r#"{"transactionId":77,"stationId":4,"chargerId":"C-9","transactionStatus":"Confirmed",
        "transactionTime":"2026-11-20T10:00:00+02:00","transactionStartTime":"2026-11-20T07:20:00Z","quantity":"31.25","connectorNumber":2}"#;
    let record = normalized(SourceKind::AlexelaEv, raw, Rule::Keep);
    assert_eq!(record.id, "77");
    insta::assert_debug_snapshot!(line_of(&record));
}

#[test]
fn the_state_of_a_charge_is_the_sources_word() {
    for (word, state, flagged) in [
        (r#""unconfirmed""#, State::Provisional, false),
        (r#""CONFIRMED""#, State::Posted, false),
        (r#""cancelled""#, State::Cancelled, false),
        (r#""lost""#, State::Provisional, true),
        ("null", State::Provisional, true),
    ] {
        let raw = format!(r#"{{"transactionId":1,"transactionTime":"2026-11-20","transactionStatus":{word}}}"#);
        let record = normalized(SourceKind::AlexelaEv, &raw, Rule::Keep);
        let line = line_of(&record);
        assert_eq!((line.state, line.quality.contains(&Flag::UnknownState)), (state, flagged), "{word}");
    }
}

#[test]
fn an_invoice_number_makes_it_invoiced() {
    let line = card(&with("invoiceNo", r#""20810601-19091""#));
    assert_eq!((line.state, line.invoice_no.as_deref()), (State::Invoiced, Some("20810601-19091")));
    assert_eq!(card(CARD).state, State::Posted);
}

#[test]
fn only_a_card_row_has_a_contract() {
    let record = normalized(SourceKind::AlexelaBonus, CARD, Rule::Keep);
    assert_eq!(line_of(&record).contract_no, None);
    assert_eq!(card(CARD).contract_no.as_deref(), Some("22297"));
}

#[test]
fn a_row_without_product_code_is_the_line_dash() {
    for value in ["null", r#""""#, r#""  ""#] {
        assert_eq!(card(&with("occProductCode", value)).line_id, "-");
    }
    assert_eq!(card(&with("occProductCode", "12")).line_id, "12");
}

#[test]
fn digits_stay_and_a_fifth_decimal_is_rounded_and_said() {
    let line = card(&with("quantity", "0.10"));
    assert_eq!(line.quantity.map(|q| q.to_string()).as_deref(), Some("0.1000"));
    let line = card(&with("netPricePerUnit", "1.31155"));
    assert_eq!(line.net_unit_price.map(|q| q.to_string()).as_deref(), Some("1.3116"));
    assert_eq!(flags(&line), ["rounded"]);
}

#[test]
fn the_kind_is_by_type_and_made_finer_by_the_product() {
    for (word, name, kind) in [
        ("Fuel", "Diislikütus", Kind::Fuel),
        ("fuel", "Elekter DC", Kind::EvCharging),
        ("Merchandise", "Kohv", Kind::Goods),
        ("Service", "Autopesula", Kind::CarWash),
        ("Service", "Parkimine", Kind::Parking),
        ("Service", "Rehvivahetus", Kind::Service),
        ("Insurance", "Casco", Kind::Service),
        ("Package", "Pakk", Kind::Goods),
        ("Stamps", "Margid", Kind::Goods),
        ("Balance transfer", "Saldo", Kind::Fee),
        ("", "Autopesula", Kind::CarWash),
        ("", "Midagi", Kind::Other),
    ] {
        let raw = with("occProdyctType", &json::quoted(word)).replace("Diislikütus", name).replace(r#""D""#, r#""77""#);
        assert_eq!(card(&raw).kind, kind, "{word} {name}");
    }
}

#[test]
fn the_right_spelling_of_the_product_type_is_read_too() {
    let line = card(&CARD.replace("occProdyctType", "occProductType"));
    assert_eq!(line.product_type.as_deref(), Some("Fuel"));
}

#[test]
fn without_id_or_time_or_with_money_that_is_none_a_row_is_rejected_by_field() {
    for (field, value) in [
        ("transactionId", "null"),
        ("transactionId", "{}"),
        ("transactionTime", r#""soon""#),
        ("transactionTime", "1760000000"),
        ("transactionTime", r#""0001-01-01T00:00:00""#),
        ("quantity", r#""1,5""#),
        ("quantity", "true"),
        ("totalPrice", "100000000000000"),
        ("vatAmount", r#""abc""#),
    ] {
        assert_eq!(rejected(&with(field, value)).field, field, "{value}");
    }
}

#[test]
fn a_rejected_row_keeps_its_id_and_its_privacy() {
    let record = normalized(SourceKind::AlexelaCard, &with("quantity", r#""x""#), Rule::Mask);
    assert_eq!(record.id, "9001");
    assert!(!record.raw.contains("7077123412341234") && record.raw.contains("707712******1234"));
}

#[test]
fn a_personal_value_in_an_object_of_its_own_is_protected_and_what_stands_beside_it_is_not_looked_for() {
    let raw = CARD.replacen(
        '{',
        r#"{"driverName": {"first": "Leelo", "last": "Kanarik"}, "cardNumber": {"value": 7077999988887777},
            "numberPlate": {"plate": [{"text": "456 XYZ"}], "country": "Estonia"}, "place": "Estonia",
            "driver": {"number": "17", "name": {"given": "Aadu"}}, "comment": "Kanarik, 456 XYZ", "#,
        1,
    );
    let record = normalized(SourceKind::AlexelaCard, &raw, Rule::Drop);
    for gone in ["Leelo", "Kanarik", "7077999988887777", "456 XYZ", "Aadu"] {
        assert!(!record.raw.contains(gone), "{gone} in {}", record.raw);
    }
    assert!(record.raw.contains(r#""place": "Estonia""#) && record.raw.contains(r#""number": "17""#), "{}", record.raw);
    let again = normalized(SourceKind::AlexelaCard, &record.raw, Rule::Drop);
    assert_eq!(again, record);
}

#[test]
fn what_does_not_decide_the_row_is_null_and_flagged() {
    for (field, value) in [
        ("odometerReadout", r#""many""#),
        ("statusDate", r#""yesterday""#),
        ("currency", r#""€""#),
        ("driverName", "{}"),
        ("stationId", "false"),
    ] {
        assert_eq!(flags(&card(&with(field, value))), ["unreadable_field"], "{field}");
    }
    assert_eq!(card(&with("odometerReadout", "null")).odometer_km, None);
}

#[test]
fn nul_is_taken_out_of_column_and_raw_and_flagged() {
    let record =
        normalized(SourceKind::AlexelaCard, &CARD.replace("Mari Maasikas", "Mari\\u0000 \\ud800M"), Rule::Keep);
    assert_eq!(line_of(&record).driver_name.as_deref(), Some("Mari \u{fffd}M"));
    assert_eq!(flags(line_of(&record)), ["nul_removed"]);
    assert!(record.raw.contains("\"Mari \\ufffdM\""));
}

#[test]
fn privacy_touches_personal_values_and_nothing_else() {
    let raw = CARD.replace("[1.10]", r#"[1.10, "card 7077123412341234 of Mari Maasikas", 7077123412341234]"#);
    let record = normalized(SourceKind::AlexelaCard, &raw, Rule::Mask);
    let line = line_of(&record);
    assert_eq!(line.card_number.as_deref(), Some("707712******1234"));
    assert_eq!((line.driver_name.as_deref(), line.license_plate.as_deref()), (Some("M***"), Some("1***")));
    let expected = raw
        .replace(", 7077123412341234]", r#", "707712******1234"]"#)
        .replace("7077123412341234", "707712******1234")
        .replace("Mari Maasikas", "M***")
        .replace("123 ABC", "1***");
    assert_eq!(&*record.raw, expected);
}

#[test]
fn a_dropped_value_is_null_in_column_and_raw() {
    let record = normalized(SourceKind::AlexelaCard, CARD, Rule::Drop);
    assert_eq!(line_of(&record).card_number, None);
    assert!(record.raw.contains(r#""cardNumber":null"#) && record.raw.contains(r#""driverName":null"#));
}

#[test]
fn the_id_is_never_altered_even_if_it_equals_a_card() {
    let raw = with("transactionId", r#""7077123412341234""#);
    let record = normalized(SourceKind::AlexelaCard, &raw, Rule::Mask);
    assert_eq!(record.id, "7077123412341234");
    assert!(record.raw.contains(r#""transactionId":"7077123412341234""#));
}

#[test]
fn what_is_stored_normalizes_to_the_same_again() {
    for rule in [Rule::Keep, Rule::Mask, Rule::Hash, Rule::Drop] {
        let once = normalized(SourceKind::AlexelaCard, CARD, rule);
        assert_eq!(normalized(SourceKind::AlexelaCard, &once.raw, rule), once);
    }
}

#[test]
fn what_is_no_object_is_kept_without_its_long_numbers() {
    for (raw, kept) in [
        (r#"["7077123412341234", 5]"#, r#"["***", 5]"#),
        ("7077123412341234", r#""***""#),
        ("not json 7077123412341234", r#""not json ***""#),
        (r#"[{"driverName": "Mari"}]"#, r#"[{"driverName": "M***"}]"#),
    ] {
        let record = normalized(SourceKind::AlexelaCard, raw, Rule::Mask);
        assert_eq!(&*record.raw, kept);
        assert!(matches!(record.outcome, Outcome::Rejected(_)));
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_and_raw_stays_json(text in ".{0,60}", value in json::tests::any_json(), key in "[a-zA-Z_]{1,14}") {
        for raw in [text, value.clone(), format!("{{\"{key}\":{value}}}"), CARD.replace("[1.10]", &value)] {
            for source in [SourceKind::AlexelaCard, SourceKind::AlexelaEv] {
                let record = normalized(source, &raw, Rule::Mask);
                let (clean, _) = json::clean(&record.raw);
                prop_assert_eq!(&*record.raw, &*clean);
                prop_assert!(json::Node::parse(&record.raw).is_ok(), "{}", record.raw);
            }
        }
    }

    #[test]
    fn unknown_fields_stay_byte_for_byte(value in json::tests::any_json()) {
        let (value, _) = json::clean(&value);
        let raw = CARD.replace("[1.10]", &value);
        prop_assert_eq!(&*normalized(SourceKind::AlexelaCard, &raw, Rule::Keep).raw, raw.as_str());
    }

    #[test]
    fn every_digit_of_an_amount_arrives(units in -99_999_999_999_999_999i64..100_000_000_000_000_000) {
        let amount = crate::domain::Amount::from_ten_thousandths(units).ok_or_else(|| TestCaseError::fail("range"))?;
        for value in [amount.to_string(), format!("\"{amount}\"")] {
            prop_assert_eq!(card(&with("discountPerUnit", &value)).unit_discount, Some(amount));
        }
    }
}

/// The row's text without these persons, nothing else hidden, and its line.
fn forgetting(raw: &str, persons: &[(Person, &str)]) -> Record {
    let forgotten = Forgotten::default();
    let nobody = Persons::new(1, b"key", []);
    forgotten.set(persons.iter().fold(nobody, |persons, (person, value)| persons.and(*person, value)));
    let stream = StreamId::new(SourceKind::AlexelaCard, "north", Partition::contract("1"));
    let products = ProductRules::default();
    let privacy = Guard::keeping(forgotten);
    normalize(raw, &Context { stream: &stream, products: &products, privacy: &privacy, present: now() })
}

#[test]
fn forgetting_somebody_takes_no_other_numbers() {
    let persons = [(Person::Driver, "10234"), (Person::Card, "70771234"), (Person::Plate, "123 ABC")];
    let sale = |driver: &str, text: &str| {
        format!(
            r#"{{"transactionId":"1","transactionTime":"2026-11-20T10:00:00Z","occProductCode":"D","quantity":"10234","totalPrice":"10234.67",
            "vatAmount":10234.50,"netAmount":"70771234.00","odometerReadout":"10234","receiptNo":"10234","invoiceNo":"2026-10234",
            "authorizationCode":"70771234","driverName":{driver},"info":"{text}"}}"#
        )
    };
    for text in ["10234", "2026-10234", "Mari, 10234"] {
        let raw = sale("\"Mari\"", text);
        assert_eq!(&*forgetting(&raw, &persons).raw, raw, "nothing of it is theirs");
    }
    let record = forgetting(&sale("\"10234\"", "card 7077-1234 for 123 abc"), &persons);
    assert_eq!(&*record.raw, sale("null", "card  for "));
    let line = line_of(&record);
    assert_eq!((line.gross_amount, line.odometer_km), (Amount::parse("10234.67").ok().map(|(a, _)| a), Some(10_234)));
    assert_eq!((line.receipt_no.as_deref(), line.invoice_no.as_deref()), (Some("10234"), Some("2026-10234")));
    assert_eq!((line.driver_name.as_deref(), line.authorization_code.as_deref()), (None, Some("70771234")));
}

#[test]
fn a_personal_value_is_taken_out_of_a_key_and_out_of_a_number_that_says_nothing_else() {
    let persons = [(Person::Card, "70771234"), (Person::Card, "7077123412341234"), (Person::Plate, "123 ABC")];
    let sale = |more: &str| format!(r#"{{"transactionId":"1","transactionTime":"2026-11-20T10:00:00Z",{more}}}"#);
    for (there, left) in [
        (r#""cards":{"70771234":{"ref":70771234},"x":1}"#, r#""cards":{"-":{"ref":null},"x":1}"#),
        (r#""by":{"70771234" : 1, "123-abc":2, "c\"1 70771234":3}"#, r#""by":{"-" : 1, "-#2":2, "c\"1":3}"#),
        (r#""totalPrice":70771234,"receiptNo":70771234,"odometerReadout":70771234"#, ""),
        (r#""receiptNo":"1/7077123412341234","totalPrice":"1""#, r#""receiptNo":"1/","totalPrice":"1""#),
    ] {
        let left = if left.is_empty() { there } else { left };
        assert_eq!(&*forgetting(&sale(there), &persons).raw, sale(left));
    }
}

proptest! {
    #[test]
    fn forgetting_changes_no_amount(
        value in "[0-9]{5,16}", whole in 0u64..99_999_999_999, cents in "[0-9]{2}", is_text in any::<bool>(), kind in 0usize..3,
    ) {
        let (person, own) = (Person::ALL[kind], value.trim_start_matches('0'));
        let own = if own.is_empty() || own.len() > 14 { "1" } else { own };
        let quote = if is_text { "\"" } else { "" };
        let raw = format!(
            r#"{{"transactionId":"1","transactionTime":"2026-11-20T10:00:00Z","quantity":{quote}{own}{quote},"totalPrice":{quote}{own}.{cents}{quote},
            "netAmount":{quote}{whole}.{cents}{quote},"vatRate":{quote}{own}{quote},"odometerReadout":{quote}{own}{quote},"driverName":"{value}",
            "cardNumber":"{value}","plateNumber":"{value}"}}"#
        );
        let (before, after) = (forgetting(&raw, &[]), forgetting(&raw, &[(person, &value), (person, own)]));
        let amounts = |record: &Record| {
            let line = line_of(record);
            (line.quantity, line.gross_amount, line.net_amount, line.vat_rate, line.odometer_km)
        };
        prop_assert_eq!(amounts(&before), amounts(&after));
    }
}
