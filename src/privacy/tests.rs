//! What the rules leave of a value, and what a text keeps.

use proptest::prelude::*;

use secrecy::SecretString;

use super::*;

fn guard(rule: Rule) -> Guard {
    Guard::new(&Privacy {
        card_number: rule,
        driver_name: rule,
        license_plate: rule,
        receipt_email: rule,
        hash_key: Some(SecretString::from("key")),
    })
}

fn masked(card: &str) -> String {
    guard(Rule::Mask).apply(Class::CardNumber, card).unwrap_or_default()
}

#[test]
fn a_card_keeps_its_first_six_and_last_four() {
    assert_eq!(masked("1234567890121234"), "123456******1234");
    assert_eq!(masked("1234 5678 9012 1234"), "123456******1234");
    assert_eq!(masked("7077123456789012345"), "707712*********2345");
}

#[test]
fn a_short_card_shows_at_most_half_of_itself() {
    assert_eq!(masked("1234567890"), "******7890");
    assert_eq!(masked("12345"), "***45");
    assert_eq!(masked("1"), "*");
}

#[test]
fn a_number_masked_by_the_vendor_stays_as_it_is() {
    for card in ["123456******1234", "************1234", "7077***"] {
        assert_eq!(masked(card), card);
    }
    assert_eq!(masked("1234567*5678901"), "123456*****8901");
}

#[test]
fn other_texts_keep_their_first_character() {
    assert_eq!(guard(Rule::Mask).apply(Class::DriverName, "Õnne Tamm").as_deref(), Some("Õ***"));
    assert_eq!(guard(Rule::Mask).apply(Class::LicensePlate, " 123 ABC ").as_deref(), Some("1***"));
}

#[test]
fn a_hash_is_hmac_sha256_in_lower_case_behind_the_id_of_its_key() {
    // echo -n 'The quick brown fox jumps over the lazy dog' | openssl dgst -sha256 -hmac key
    const DIGITS: &str = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8";
    const FOX: &str = "The quick brown fox jumps over the lazy dog";
    let guard = guard(Rule::Hash);
    let hash = guard.apply(Class::DriverName, FOX).unwrap();
    // printf 'fuelsync: which key is it\0' | openssl dgst -sha256 -hmac key
    assert_eq!(hash, format!("72f4c181:{DIGITS}"));
    assert_eq!(guard.hash_key().map(HashKey::id), hash.split(':').next());
    assert_eq!(guard.former_hash(FOX).as_deref(), Some(DIGITS), "as earlier versions stored it");
    assert_eq!(guard.former_hash(&hash), None);
}

#[test]
fn a_hash_by_another_key_or_of_an_earlier_version_stays_as_it_is() {
    let hash = guard(Rule::Hash).apply(Class::LicensePlate, "123 ABC").unwrap();
    let other = Guard { hash_key: HashKey::new(&SecretString::from("another key")), ..guard(Rule::Hash) };
    let by_other = other.apply(Class::LicensePlate, "123 ABC").unwrap();
    assert_ne!(hash.split(':').next(), by_other.split(':').next(), "the ids tell them apart");
    for kept in [hash.as_str(), &by_other, hash.split(':').nth(1).unwrap()] {
        for guard in [&guard(Rule::Hash), &other] {
            assert_eq!(guard.apply(Class::LicensePlate, kept).as_deref(), Some(kept));
        }
    }
    for no_hash in [&hash[1..], &format!("{hash}0"), &hash.to_uppercase(), &hash.replace(':', "-")] {
        assert_ne!(other.apply(Class::LicensePlate, no_hash).as_deref(), Some(no_hash));
    }
    assert_ne!(other.in_words(), guard(Rule::Hash).in_words(), "what was known of records is known no more");
}

#[test]
fn without_a_key_nothing_is_stored_instead_of_a_hash() {
    let guard = Guard { hash_key: None, ..guard(Rule::Hash) };
    assert_eq!(guard.apply(Class::CardNumber, "1234567890121234"), None);
    assert_eq!(guard.former_hash("1234567890121234"), None);
}

#[test]
fn dropped_and_empty_values_are_nothing() {
    assert_eq!(guard(Rule::Drop).apply(Class::ReceiptEmail, "a@b.ee"), None);
    assert_eq!(guard(Rule::Keep).apply(Class::ReceiptEmail, "  "), None);
}

#[test]
fn a_key_tells_its_class_alone_or_with_its_parent() {
    for (parent, key, class) in [
        (None, "cardNumber", Some(Class::CardNumber)),
        (Some("card"), "number", Some(Class::CardNumber)),
        (Some("customer_data"), "license-plate", Some(Class::LicensePlate)),
        (Some("driver"), "first_name", Some(Class::DriverName)),
        (Some("receipt"), "Email", Some(Class::ReceiptEmail)),
        (None, "card_driver_number", None),
        (None, "customer_vehicle_number", None),
        (Some("site"), "name", None),
        (Some("receipt"), "number", None),
    ] {
        assert_eq!(Class::of_key(parent, key), class, "{parent:?} {key}");
    }
}

#[test]
fn a_guard_shows_no_key() {
    let guard = Guard { hash_key: HashKey::new(&SecretString::from("canary")), ..guard(Rule::Hash) };
    let shown = format!("{guard:?}");
    assert!(!shown.contains("canary") && shown.contains("HashKey { id:"), "{shown}");
}

#[test]
fn a_vendors_text_loses_what_may_be_personal_or_secret() {
    for (text, left) in [
        ("Wrong date format", "Wrong date format"),
        ("card 7077123412341234 unknown", "card *** unknown"),
        ("card 7077 1234 1234 1234 unknown", "card *** unknown"),
        ("mail to mari.maasikas@example.ee failed", "mail to *** failed"),
        ("Only 60 days of search, from 2026-11-21", "Only 60 days of search, from 2026-11-21"),
        ("token eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIi", "token ***"),
        ("line\nbreak", "line break"),
        ("contract 22297", "contract 22297"),
    ] {
        assert_eq!(scrub(text), left);
    }
}

proptest! {
    #[test]
    fn every_rule_leaves_its_own_result_as_it_is(value in ".{0,40}") {
        for rule in [Rule::Keep, Rule::Mask, Rule::Hash, Rule::Drop] {
            for class in Class::ALL {
                if let Some(once) = guard(rule).apply(class, &value) {
                    prop_assert_eq!(guard(rule).apply(class, &once), Some(once));
                }
            }
        }
    }

    #[test]
    fn a_mask_never_shows_a_whole_card(card in "[0-9]{2,24}") {
        let masked = masked(&card);
        let shown = masked.chars().filter(|c| *c != '*').count();
        prop_assert!(shown <= card.len() / 2 || card.len() >= 13 && shown == 10);
        prop_assert!(!masked.contains(&card));
    }

    #[test]
    fn no_long_run_of_digits_is_left(text in "[0-9a-z @./:=-]{0,60}") {
        let left = scrub(&text);
        let longest = left.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0);
        prop_assert!(longest < 8, "{}", left);
    }
}
