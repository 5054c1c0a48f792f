//! Answers: a page of the list with what it says about the others, and a single transaction.

use std::collections::HashMap;

use reqwest::Url;
use serde_json::{Value, value::RawValue};

use super::wire::{BETWEEN, OFFSET};
use crate::{
    failpoint::{Bug, planted},
    http::{Body, HttpError, RECORD, Records, Rest, checked},
    source::json::has_too_many,
};

/// The largest single transaction, with its envelope.
const ONE: usize = RECORD + 64 * 1024;
/// Memory that the rows of one page may take until it is whole. A page of a hundred sales takes a hundredth of it.
const PAGE: usize = 16 * 1024 * 1024;
/// What a row takes besides its text.
const ROW: usize = 64;
/// The longest link that is followed.
const LINK: usize = 8 * 1024;

/// One page.
#[derive(Debug)]
pub(super) struct Page<T> {
    /// Its records.
    pub(super) rows: Vec<T>,
    /// How many rows the whole list has, if the page says so.
    pub(super) total: Option<u64>,
    /// What the page says comes next, as it is written there.
    pub(super) next: Option<String>,
}

/// Reads a page to its end: what `take` makes of the bytes of each record, and how many bytes of memory that is.
pub(super) async fn page<T>(
    body: Body,
    take: impl FnMut(&[u8]) -> Result<T, HttpError>,
    length: impl Fn(&T) -> usize,
) -> Result<Page<T>, HttpError> {
    let mut records = Records::taken(body, take);
    let (mut rows, mut held) = (Vec::new(), 0);
    while let Some(row) = records.next().await? {
        held += ROW + length(&row);
        // Planted: a page is as long as the vendor wants.
        if held > PAGE && !planted(Bug::NoLimits) {
            return Err(HttpError::Excessive(format!(
                "one page holds more than {PAGE} bytes; set `page_limit` of this account smaller, if the server heeds it"
            )));
        }
        rows.push(row);
    }
    Page::of(rows, &records.finish()?)
}

/// Reads a page to its end: its records' exact texts.
pub(super) async fn texts(body: Body) -> Result<Page<String>, HttpError> {
    page(body, |bytes| checked(bytes).map(|json| json.get().to_owned()), String::len).await
}

impl<T> Page<T> {
    /// The page that a whole document is.
    pub(super) fn of(rows: Vec<T>, rest: &Rest) -> Result<Self, HttpError> {
        let is_page = rest.listed || ["meta", "_links"].iter().any(|name| rest.member(name).is_some());
        if !is_page {
            return Err(malformed("it has no list (data)"));
        }
        Ok(Self { total: total(rest, rows.len() as u64), next: next(rest), rows })
    }
}

/// The total, under one of its names. A `count` is one only when it is more than the page has: elsewhere it counts the
/// page.
fn total(rest: &Rest, rows: u64) -> Option<u64> {
    let meta = rest.member("meta")?;
    let named = ["/total", "/total_count", "/totalCount", "/page/total"];
    named
        .iter()
        .find_map(|pointer| number(meta.pointer(pointer)?))
        .or_else(|| meta.get("count").and_then(number).filter(|count| *count > rows))
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn next(rest: &Rest) -> Option<String> {
    let links = rest.member("_links")?;
    let next = links.get("next")?;
    let text = next.as_str().or_else(|| next.get("href")?.as_str())?.trim();
    (!text.is_empty() && text.len() <= LINK).then(|| text.to_owned())
}

/// The link to the next page, if it may be followed: on the API's own host, and to the rows that come next. A link that
/// skips rows the server did not give, leads back, or forgets the stretch is not followed: where the next page is, is
/// known without it.
pub(super) fn follow(next: &str, page: &Url, offset: u64) -> Option<Url> {
    let url = page.join(next).ok()?;
    let same_host = url.origin() == page.origin() && url.username().is_empty() && url.password().is_none();
    let of = |url: &Url, wanted: &str| {
        url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    let is_next = match of(&url, OFFSET) {
        Some(place) => place.parse() == Ok(offset) && BETWEEN.iter().all(|name| of(&url, name) == of(page, name)),
        None => url.query() != page.query() || url.path() != page.path(),
    };
    (same_host && is_next).then_some(url)
}

/// Reads one transaction as it was sent: `data` as an array of one or as the object itself, or no envelope at all. None
/// when the answer holds none.
pub(super) async fn one(body: Body) -> Result<Option<String>, HttpError> {
    let text = String::from_utf8(body.bytes(ONE).await?).map_err(|_| malformed("it is not UTF-8"))?;
    one_of(&text)
}

/// The one transaction in a document.
pub(super) fn one_of(text: &str) -> Result<Option<String>, HttpError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    if has_too_many(text) {
        return Err(HttpError::Excessive("a transaction of more than 20000 values".to_owned()));
    }
    let text = text.trim_start_matches('\u{feff}').trim();
    let text = match text.as_bytes().first() {
        Some(b'{') => {
            let members: HashMap<String, &RawValue> =
                serde_json::from_str(text).map_err(|_| malformed("it is not JSON"))?;
            match members.get("data") {
                None if members.contains_key("_links") || members.contains_key("meta") => return Ok(None),
                None => return Ok((!members.is_empty()).then(|| text.to_owned())),
                Some(data) => data.get(),
            }
        }
        _ => text,
    };
    match text.as_bytes().first() {
        Some(b'{') => Ok(Some(text.to_owned())),
        Some(b'[') => {
            let rows: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| malformed("it is not JSON"))?;
            match rows.as_slice() {
                [] => Ok(None),
                [row] => Ok(Some(row.get().to_owned())),
                _ => Err(malformed("it holds several transactions where one was asked for")),
            }
        }
        _ if text == "null" => Ok(None),
        _ => Err(malformed("it holds no transaction")),
    }
}

fn malformed(why: &str) -> HttpError {
    HttpError::Malformed(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(members: &[(&str, &str)]) -> Rest {
        let members = members.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Rest { members, ..Rest::default() }
    }

    #[test]
    fn the_total_is_found_under_its_names() {
        for (meta, rows, found) in [
            (r#"{"total": 7}"#, 2, Some(7)),
            (r#"{"total_count": "7"}"#, 2, Some(7)),
            (r#"{"totalCount": 7}"#, 2, Some(7)),
            (r#"{"page": {"total": 7}}"#, 2, Some(7)),
            (r#"{"count": 7}"#, 2, Some(7)),
            (r#"{"count": 2}"#, 2, None),
            (r#"{"count": 2, "total": 9}"#, 2, Some(9)),
            (r#"{"total": null}"#, 2, None),
            ("[]", 2, None),
        ] {
            assert_eq!(total(&rest(&[("meta", meta)]), rows), found, "{meta}");
        }
        assert_eq!(total(&rest(&[]), 0), None);
    }

    #[test]
    fn the_next_link_is_a_text_or_an_object() {
        assert_eq!(next(&rest(&[("_links", r#"{"next": "/x"}"#)])).as_deref(), Some("/x"));
        assert_eq!(next(&rest(&[("_links", r#"{"next": {"href": "/x"}}"#)])).as_deref(), Some("/x"));
        for links in [r#"{"next": null}"#, r#"{"next": ""}"#, "{}", "[]"] {
            assert_eq!(next(&rest(&[("_links", links)])), None, "{links}");
        }
    }

    #[test]
    fn a_link_is_followed_on_the_apis_own_host_to_the_next_rows_only() {
        let page = "https://api.example/v1/transactions?start_date=a&end_date=b&page%5Boffset%5D=0".parse().unwrap();
        for next in [
            "https://api.example/v1/transactions?start_date=a&end_date=b&page%5Boffset%5D=50",
            "/v1/transactions?page[offset]=50&start_date=a&end_date=b",
            "?end_date=b&page[offset]=50&start_date=a",
            "/v1/transactions?cursor=abc",
        ] {
            assert!(follow(next, &page, 50).is_some(), "{next}");
        }
        for next in [
            "https://other.example/v1/transactions?cursor=abc",
            "http://api.example/v1/transactions?cursor=abc",
            "https://api.example:8443/v1/transactions?cursor=abc",
            "https://user@api.example/v1/transactions?cursor=abc",
            "//other.example/?cursor=abc",
            "?start_date=a&end_date=b&page[offset]=100",
            "?start_date=a&end_date=b&page[offset]=0",
            "?start_date=a&end_date=b&page[offset]=x",
            "?start_date=a&page[offset]=50",
            "?start_date=a&end_date=c&page[offset]=50",
            "",
        ] {
            assert!(follow(next, &page, 50).is_none(), "{next}");
        }
    }

    #[test]
    fn one_transaction_is_read_in_every_envelope() {
        let row = r#"{"id":"x","q":1.50}"#;
        for text in [
            format!(r#"{{"data":[{row}],"meta":{{}}}}"#),
            format!(r#"{{"data":{row}}}"#),
            format!("[{row}]"),
            row.to_owned(),
        ] {
            assert_eq!(one_of(&text).unwrap().as_deref(), Some(row), "{text}");
        }
        for text in [r#"{"data":[]}"#, r#"{"data":null}"#, "[]", "null", "{}", r#"{"meta":{}}"#] {
            assert_eq!(one_of(text).unwrap(), None, "{text}");
        }
        for text in [r#"{"data":[{},{}]}"#, r#"{"data":7}"#, "7", "{", "[{}"] {
            assert!(one_of(text).is_err(), "{text}");
        }
    }
}
