//! `HecOne`'s answers, from the bytes to the lines.

use std::sync::LazyLock;

use fuelsync::{
    domain::{Outcome, SourceKind, State},
    fuzzing::hecone::{follow, page, single},
    source::hecone::{Pointers, normalize},
};

use super::{
    documents::{chunks, cut},
    records::{Setting, check, is_json},
};

static POINTERS: LazyLock<Pointers> = LazyLock::new(Pointers::default);

/// The page that a next link stands on.
const PAGE: &str = "https://api.example/v1/transactions?start_date=2026-11-20T00%3A00%3A00Z&end_date=2026-11-21T00%3A00%3A00Z\
    &page%5Boffset%5D=0&page%5Blimit%5D=100";

/// A seed for the chunks, the privacy rules, then a document that is a page. What is taken for a page has a list or says
/// that it is one; a link leads nowhere but to the same server and the rows that come next; every record comes to lines
/// or to the quarantine.
pub fn hecone_document(data: &[u8]) {
    let [seed, rules, document @ ..] = data else { return };
    let (rows, end) = cut(chunks(document, *seed));
    if let Ok(rest) = end {
        let says = ["meta", "_links"].iter().any(|name| rest.members.iter().any(|(member, _)| member == name));
        match page(rows.clone(), &rest) {
            Err(_) => assert!(!rest.listed),
            Ok((total, next)) => {
                assert!(rest.listed || says, "an object that is no page");
                assert!(total.is_none() || rest.member("meta").is_some(), "a total from nowhere");
                if let Some(next) = next {
                    assert!(!next.trim().is_empty() && rest.member("_links").is_some());
                    followed(&next, rows.len() as u64);
                }
            }
        }
    }
    for raw in &rows {
        record(raw, *rules);
    }
}

/// The privacy rules, then a document that should hold one transaction. What is taken for it is JSON and stands so in the
/// document; it comes to lines or to the quarantine.
pub fn hecone_single(data: &[u8]) {
    let Some((rules, document)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(document) else { return };
    if let Ok(Some(raw)) = single(text) {
        assert!(is_json(&raw) && text.contains(&raw));
        record(&raw, *rules);
    }
}

fn followed(next: &str, offset: u64) {
    let page = PAGE.parse().expect("an address");
    let Some(url) = follow(next, &page, offset) else { return };
    assert_eq!(url.origin(), page.origin(), "the token goes to no other server");
    assert!(url.username().is_empty() && url.password().is_none());
    assert!((url.path(), url.query()) != (page.path(), page.query()), "the same page for ever");
    let of = |wanted: &str| url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
    if let Some(place) = of("page[offset]") {
        assert_eq!(place.parse(), Ok(offset), "rows between are left out");
        assert_eq!(of("start_date").as_deref(), Some("2026-11-20T00:00:00Z"));
        assert_eq!(of("end_date").as_deref(), Some("2026-11-21T00:00:00Z"));
    }
}

fn record(raw: &str, rules: u8) {
    let setting = Setting::new(SourceKind::HecOne, rules);
    check(raw, |text| normalize(text, &setting.context(), &POINTERS));
    let Outcome::Lines(lines) = normalize(raw, &setting.context(), &POINTERS).outcome else { return };
    let Some(first) = lines.first() else { return };
    for line in &lines {
        // A transaction has one state and one time, whatever its articles say.
        assert_eq!((line.state, line.occurred_at), (first.state, first.occurred_at));
        assert_eq!((line.paid_amount, &line.payment_method), (first.paid_amount, &first.payment_method));
        assert!(!matches!(line.state, State::Invoiced | State::Cancelled), "no state of this vendor");
    }
}
