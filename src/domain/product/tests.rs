//! What the rules make of the words that sources use.

use proptest::prelude::*;

use super::*;

fn find(name: &str) -> Product {
    ProductRules::default().find(SourceKind::AlexelaCard, &ProductWords { name: Some(name), ..ProductWords::default() })
}

#[test]
fn names_in_many_languages_are_one_product() {
    for (product, names) in [
        (
            "diesel",
            &[
                "Diislikütus",
                "Diisel",
                "D",
                "DK",
                "Diesel B7",
                "dīzeļdegviela",
                "Dyzelinas",
                "Futura D diesel",
                "Olej napędowy",
                "Talvine diislikütus",
                "Premium Diesel",
                "Polttoaine, diesel",
                "D B7",
            ][..],
        ),
        ("diesel_hvo", &["Neste MY", "HVO100", "Neste MY Renewable Diesel", "Diesel XTL", "HVO diisel"][..]),
        (
            "petrol_95",
            &[
                "Bensiin 95",
                "95",
                "95 E10",
                "E10",
                "E5",
                "A-95",
                "Super 95",
                "95E10",
                "Benzīns 95",
                "Benzyna PB95",
                "Futura 95",
                "Bensin 95 E10",
                "Bensiin 95 E10",
                "Miles 95",
            ][..],
        ),
        ("petrol_98", &["Bensiin 98", "98", "98E5", "Super Plus 98", "Benzinas A-98", "98 E5"][..]),
        ("petrol_e85", &["E85", "Etanool E85", "Bioethanol E85"][..]),
        ("adblue", &["AdBlue", "Ad-Blue", "DEF", "Urea", "Karbamiid"][..]),
        ("lpg", &["LPG", "Autogaas", "Autogas"][..]),
        ("cng", &["CNG", "Biometaan", "Surugaas", "CNG (biometaan)", "Biogas"][..]),
        ("lng", &["LNG", "bio LNG"][..]),
        ("hydrogen", &["Vesinik", "Hydrogen H2", "Wasserstoff"][..]),
        ("heating_oil", &["Kütteõli", "Heating oil", "Kevyt polttoöljy", "Heizöl"][..]),
        ("electricity", &["Elekter", "Electricity", "EV charging", "Sähkö"][..]),
        ("electricity_ac", &["AC", "Elekter AC", "Charging Type2 22 kW", "AC 22 kW"][..]),
        ("electricity_dc", &["DC", "CCS", "CHAdeMO", "Charging DC 150kW", "Elekter DC"][..]),
    ] {
        for name in names {
            assert_eq!(find(name).name.as_deref(), Some(product), "{name}");
        }
    }
}

#[test]
fn a_number_or_letter_inside_something_else_is_no_fuel() {
    for name in
        ["order 95123", "Kinkekaart 95 EUR", "Vitamin D", "Snickers 95g", "D-vitamiin 98", "Room 95", "Latte 95"]
    {
        let product = find(name);
        assert!(product.kind != Some(Kind::Fuel) && product.name.is_none(), "{name}: {product:?}");
    }
}

#[test]
fn a_package_that_bears_a_fuels_name_is_no_fuel() {
    for name in ["AdBlue 10L kanister", "Diesel lisand 250ml", "Mootoriõli diesel 5W-30", "Charging cable USB"] {
        assert_ne!(find(name).kind, Some(Kind::Fuel), "{name}");
        assert_eq!(find(name).name, None, "{name}");
    }
}

#[test]
fn a_lone_letter_says_nothing_about_what_is_no_fuel() {
    let words = ProductWords { name: Some("95"), packed: true, ..ProductWords::default() };
    assert_eq!(ProductRules::default().find(SourceKind::AlexelaCard, &words), Product::default());
}

#[test]
fn goods_and_services_have_a_kind_and_no_product() {
    for name in ["Autopesula", "Car wash", "Pesu programm 3"] {
        assert_eq!((find(name).kind, find(name).unit), (Some(Kind::CarWash), Some(Unit::Piece)), "{name}");
    }
    for name in ["Parkimine", "Parking-Tariff", "Parkschein"] {
        assert_eq!((find(name).kind, find(name).unit), (Some(Kind::Parking), Some(Unit::Minute)), "{name}");
    }
    assert_eq!(find("Kohv, suur").kind, Some(Kind::Goods));
    assert_eq!(find("Teenustasu").kind, Some(Kind::Fee));
    assert_eq!(find("Kohv, suur").name, None);
}

#[test]
fn the_code_is_asked_where_the_name_says_nothing() {
    let words = ProductWords { name: Some("Kütus"), code: Some("D"), ..ProductWords::default() };
    assert_eq!(ProductRules::default().find(SourceKind::AlexelaCard, &words).name.as_deref(), Some("diesel"));
}

#[test]
fn a_configured_rule_stands_before_the_shipped_ones_and_for_its_source_only() {
    let rule = ProductRule {
        source: Some(SourceKind::AlexelaCard),
        code: Some("x1".into()),
        name_contains: None,
        product: "diesel_hvo".into(),
        kind: None,
        unit: None,
    };
    let rules = ProductRules::new(vec![rule]);
    let words = ProductWords { name: Some("Diesel"), code: Some("X1"), ..ProductWords::default() };
    let found = rules.find(SourceKind::AlexelaCard, &words);
    assert_eq!(
        (found.name.as_deref(), found.kind, found.unit),
        (Some("diesel_hvo"), Some(Kind::Fuel), Some(Unit::Litre))
    );
    assert_eq!(rules.find(SourceKind::HecOne, &words).name.as_deref(), Some("diesel"));
}

#[test]
fn a_unit_is_known_by_many_words() {
    for (word, unit) in [
        ("L", Unit::Litre),
        ("ltr.", Unit::Litre),
        ("KWH", Unit::KilowattHour),
        ("m³", Unit::CubicMetre),
        (" kg ", Unit::Kilogram),
        ("Stk", Unit::Piece),
        ("tk", Unit::Piece),
        ("min", Unit::Minute),
    ] {
        assert_eq!(unit_from_word(word), Some(unit), "{word}");
    }
    assert_eq!(unit_from_word("furlong"), None);
}

#[test]
fn every_product_of_the_rules_has_a_kind_and_a_unit() {
    for name in ["D", "95", "98", "E85", "AC", "DC", "Elekter", "CNG", "Parking", "Pesula"] {
        let product = find(name);
        assert!(product.kind.is_some() && product.unit.is_some(), "{name}: {product:?}");
    }
}

proptest! {
    #[test]
    fn no_name_makes_it_panic(name in ".{0,40}") {
        let _ = find(&name);
        let _ = unit_from_word(&name);
    }
}
