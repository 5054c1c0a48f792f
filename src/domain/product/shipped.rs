//! The rules that ship with the program: what is sold at stations between Finland and Germany, in the words found there.
//!
//! All patterns are in folded spelling (see [`words`]): lower case, without diacritics, digits apart from letters.

use super::{
    Product, canonical,
    words::{holds, words},
};
use crate::domain::transaction::{Kind, Unit};

/// Words that make a thing of the shop out of the fuel whose name it bears: `AdBlue 10 L kanister`, `Diesel lisand`.
const PACKED: &str = "kanist*|canist*|lisand*|additive*|additiv*|mootorioli*|motorol*|engine|motor|cleaner|puhasti*|\
     kaabel*|cable*|kabel*|filter*|balloon*|cylinder|flasche|pudel*|bottle|w 30|w 40|ml|g";

/// Petrol by its words; its octane decides which.
const PETROL: &str = "bensiin*|benziin*|bensin*|benzin*|benzyn*|petrol*|gasolin*|unleaded*|pliivaba*|mogas";
/// Petrol only beside its octane: `Super` alone may be a coffee.
const PETROL_BRAND: &str = "super|superplus|eurosuper|futura|miles|pb|etanool*|ethanol*";

/// A fuel or charge by words that mean nothing else, in this order.
const STRONG: &[(&str, &str)] = &[
    ("heating_oil", "kutteoli*|heating oil|heizol*|polttooljy*|eldningsolja*|olej opalowy|skystas kuras"),
    ("adblue", "adblue|ad blue|urea|karbamiid*|karbamid*|harnstoff*|def|aus 32|diesel exhaust fluid"),
    ("diesel_hvo", "hvo|xtl|neste my|my diesel|my diisel|renewable diesel|taastuvdiisel*|uusiutuva diesel"),
    ("diesel_marked", "eridiisel*|eridiislikut*|erimargis*|marked diesel|coloured diesel"),
    (
        "diesel",
        "diisel*|diislikut*|*diislikutus|*diisel|diesel*|*diesel|dizel*|dyzel*|olej napedowy|gasoil|gas oil|\
         dieselkraftstoff",
    ),
    ("lng", "lng|lbg|veeldatud maagaas|liquefied natural gas"),
    ("lpg", "lpg|autogaas*|autogas|autodujos|autogaze|auto gaas|auto gas|propaan*|nestekaasu"),
    (
        "cng",
        "cng|biocng|cbg|biometaan*|biomethan*|biometan*|biogaas*|biogas*|biokaasu|surugaas*|surumaagaas*|\
         kompressgaas*|fordonsgas|erdgas*|metaan*|maakaasu|gamtines dujos|dabasgaze|compressed natural gas",
    ),
    ("hydrogen", "vesinik*|hydrogen|vety|wasserstoff*|vandenilis|udenradis|wodor|vatgas|h 2"),
];

/// Electricity by words that mean nothing else; plug or current decide which.
const ELECTRICITY: &str = "elekter*|elektri|electric*|elektriba*|elektra|elektros|elektrizitat|sahko*|ladestrom*|strom|laadimi*|\
     elektrilaadimi*|charging|evcharging|laden|lataus|latauspiste|ladda|laddning|ikrovimas|uzlade|\
     ladowanie|kwh|ev|chademo|ccs|hpc";
const AC: &str = "ac|type 2|typ 2|tuup 2|mennekes";
const DC: &str = "dc|ccs|chademo|hpc|ultrafast|kiirlaadimi*";

/// What is no fuel: kind, unit, words. Only some have a canonical name.
const OTHERS: &[(Option<&str>, Kind, Unit, &str)] = &[
    (
        Some("car_wash"),
        Kind::CarWash,
        Unit::Piece,
        "pesula*|autopesu*|pesu|pesuprogramm*|survepesu*|kasipesu*|masinpesu*|harjapesu*|carwash*|car wash|\
         wash|autowasch*|waschprogramm|automazg*|mazgasana|autoplovykl*|plovykla|biltvatt|myjnia*",
    ),
    (
        Some("parking"),
        Kind::Parking,
        Unit::Minute,
        "parkimi*|parking*|parken|parkplatz*|parktarif*|parkgebuhr*|parkschein*|parkering*|pysakoint*|\
         stovejim*|autostavv*|stavviet*|parkavim*|parklatas*",
    ),
    (
        None,
        Kind::Fee,
        Unit::Piece,
        "teenustasu*|kuutasu*|tasu|fee|fees|gebuhr*|toll|maut|teekasutus*|vignette*|balance transfer",
    ),
    (
        None,
        Kind::Goods,
        Unit::Piece,
        "kohv*|coffee*|kaffee|kaffe|kava|kafija|kahvi*|kawa|cappuccino|latte|espresso|americano|hotdog*|\
         hot dog*|burger*|voileib*|sandwich*|vesi|water|limonaad*|coca|chips|snack*|jaatis*|mootorioli*|\
         engine oil|motor oil|motorol*|klaasipesu*|washer fluid|kaabel*|cable*",
    ),
    (None, Kind::Service, Unit::Piece, "teenus*|service|hooldus*|rehvi*|tolmuimeja*|vacuum|insurance|kindlustus*"),
];

/// What a short name may consist of when a lone letter or number in it stands for a fuel or a current.
const SHORT: &str = "95|98|85|5|10|7|100|e|a|d|b|dk|on|dp|ron|plus|pro|euro|premium|eco|ai|ac|dc|kw|type|typ|2|11|22|50|\
     150|300|350|milesplus|optima|verva|winter|arctic|talv|talvine";

/// What the first shipped rule that matches says about a text. `packed`: the source says that it is no fuel from a pump.
pub(super) fn find(text: &str, packed: bool) -> Option<Product> {
    let words = words(text);
    let any = |patterns: &str| patterns.split('|').any(|pattern| holds(&words, pattern));
    let is_fuel = !any(PACKED) && !packed_by_size(&words);
    let named = is_fuel.then(|| fuel(&any)).flatten();
    if let Some(product) = named {
        return Some(product);
    }
    for (name, kind, unit, patterns) in OTHERS {
        if any(patterns) {
            return Some(Product {
                name: name.map(str::to_owned),
                kind: Some(*kind),
                unit: Some(*unit),
                ..Product::default()
            });
        }
    }
    if is_fuel && !packed && !words.is_empty() && words.iter().all(|word| SHORT.split('|').any(|short| short == word)) {
        return short(&any);
    }
    None
}

fn fuel(any: &impl Fn(&str) -> bool) -> Option<Product> {
    if any("e 85") {
        return Some(of("petrol_e85"));
    }
    if let Some((name, _)) = STRONG.iter().find(|(_, patterns)| any(patterns)) {
        return Some(of(name));
    }
    let is_petrol = any(PETROL);
    if is_petrol || any(PETROL_BRAND) {
        let petrol = Product { kind: Some(Kind::Fuel), unit: Some(Unit::Litre), ..Product::default() };
        return octane(any).map(of).or_else(|| is_petrol.then_some(petrol));
    }
    if any(ELECTRICITY) {
        return Some(of(current(any).unwrap_or("electricity")));
    }
    None
}

fn current(any: &impl Fn(&str) -> bool) -> Option<&'static str> {
    if any(DC) {
        Some("electricity_dc")
    } else if any(AC) {
        Some("electricity_ac")
    } else {
        None
    }
}

fn octane(any: &impl Fn(&str) -> bool) -> Option<&'static str> {
    if any("98") {
        Some("petrol_98")
    } else if any("95|e 10|e 5") {
        Some("petrol_95")
    } else {
        None
    }
}

fn short(any: &impl Fn(&str) -> bool) -> Option<Product> {
    let diesel = || any("d|dk|dp|on|b 7").then_some("diesel");
    octane(any).or_else(diesel).or_else(|| current(any)).map(of)
}

/// A size behind a number (`10 L`) makes a package of it.
fn packed_by_size(words: &[String]) -> bool {
    words.windows(2).any(|pair| {
        pair[0].bytes().all(|b| b.is_ascii_digit())
            && matches!(pair[1].as_str(), "l" | "liiter" | "liter" | "litre" | "ltr")
    })
}

fn of(name: &str) -> Product {
    let (kind, unit) = canonical(name).map_or((None, None), |(kind, unit)| (Some(kind), Some(unit)));
    Product { name: Some(name.to_owned()), kind, unit, kind_is_configured: false }
}
