//! The account against a small server.

mod secrets;
mod vendor;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Value, json};

use self::{
    vendor::{Vendor, nothing},
    write::{Content, NewTransaction, TransactionUpdate},
};
use super::*;
use crate::{
    clock::{Clock, ManualClock},
    config::{self, UpdateMethod},
    domain::{Flag, Grid, Kind, Line, Outcome, State},
    http::HttpError,
    schedule::Schedule,
    source::{
        Brought,
        known::{Keeping, KnownLine},
    },
};

fn noon() -> DateTime<Utc> {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn window(from: i64, to: i64) -> Window {
    Window::new(noon() + TimeDelta::seconds(from), noon() + TimeDelta::seconds(to)).unwrap()
}

struct Setup {
    vendor: Arc<Vendor>,
    source: HecOneSource,
}

impl Setup {
    async fn new(vendor: Vendor) -> Self {
        Self::with(vendor, |_| {}).await
    }

    async fn with(vendor: Vendor, change: impl FnOnce(&mut HecOne)) -> Self {
        Self::trying(vendor, 0, change).await
    }

    /// One that asks again so often what failed.
    async fn trying(vendor: Vendor, max_retries: u32, change: impl FnOnce(&mut HecOne)) -> Self {
        let vendor = Arc::new(vendor);
        let base_url = Vendor::listen(vendor.clone()).await;
        let mut config = HecOne {
            name: "north".to_owned(),
            base_url: base_url.parse().unwrap(),
            client_id: "me".to_owned(),
            client_secret: "s3cr3t".to_owned().into(),
            schedule: Schedule::parse("0 */5 * * * *").unwrap(),
            start: noon(),
            grid: Grid::new(Duration::from_hours(6)).unwrap(),
            page_limit: 2,
            requests_per_second: 10_000,
            login_path: "/login".to_owned(),
            transactions_path: "/transactions".to_owned(),
            transaction_path: "/transactions/{transaction_id}".to_owned(),
            statistics_path: "/transactions/statistics".to_owned(),
            refresh_path: None,
            update_method: UpdateMethod::Patch,
            mandator_id: None,
            filter: None,
            fields: BTreeMap::new(),
        };
        change(&mut config);
        let http = config::Http {
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(20),
            max_retries,
            max_body: 64 << 20,
            proxy: None,
        };
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(noon()));
        let transport = Transport::new(&http, clock).unwrap().with_first_wait(Duration::from_millis(1));
        Self { vendor, source: HecOneSource::new(config, transport, Normalizer::new("", |_, _, raw| as_is(raw.get()))) }
    }

    /// Reads, and gives the records that count and how it ended.
    async fn read(&self, stretch: Window) -> (Vec<Record>, Result<ReadEnd, SourceError>) {
        let (brought, end) = self.read_knowing(stretch, &Known::nothing()).await;
        (brought.into_iter().filter_map(Brought::into_record).collect(), end)
    }

    /// The same of what is known in part.
    async fn read_knowing(&self, stretch: Window, known: &Known) -> (Vec<Brought>, Result<ReadEnd, SourceError>) {
        let (sender, mut events) = mpsc::channel(2);
        let counted = async {
            let (mut whole, mut open) = (Vec::new(), Vec::new());
            while let Some(event) = events.recv().await {
                match event {
                    ReadEvent::Records(mut records) => open.append(&mut records),
                    ReadEvent::Restart => open.clear(),
                    ReadEvent::Complete => whole.append(&mut open),
                }
            }
            whole
        };
        let stream = self.source.stream();
        let (end, records) = tokio::join!(self.source.read(&stream, stretch, known, sender), counted);
        (records, end)
    }

    async fn ids(&self, stretch: Window) -> Vec<String> {
        let (records, end) = self.read(stretch).await;
        assert!(end.unwrap().complete);
        records.into_iter().map(|record| record.id).collect()
    }

    fn logins(&self) -> usize {
        self.vendor.state.lock().unwrap().logins
    }

    fn pages(&self) -> usize {
        self.vendor.state.lock().unwrap().pages()
    }

    fn uris(&self) -> Vec<String> {
        self.vendor.state.lock().unwrap().seen.iter().map(|seen| seen.uri.clone()).collect()
    }
}

fn as_is(raw: &str) -> Record {
    let id = serde_json::from_str::<Value>(raw).unwrap()["id"].as_str().unwrap_or_default().to_owned();
    let line = Line::new("-", Kind::Other, State::Provisional, noon());
    Record { id, raw: raw.into(), outcome: Outcome::Lines(vec![line]) }
}

#[tokio::test]
async fn a_stretch_is_asked_as_published_and_read_to_its_total() {
    let setup = Setup::new(Vendor::new(&[1, 2, 3, 4, 5])).await;
    assert_eq!(setup.ids(window(0, 60)).await, ["1", "2", "3", "4", "5"]);
    let page = |offset| {
        format!(
            "/webapi/transactions?start_date=2026-11-21T12%3A00%3A00Z&end_date=2026-11-21T12%3A01%3A00Z\
             &sort=created_at&page%5Boffset%5D={offset}&page%5Blimit%5D=2"
        )
    };
    assert_eq!(setup.uris(), [page(0), page(2), page(4)]);
    assert_eq!(setup.logins(), 1);
}

#[tokio::test]
async fn mandator_and_filter_are_passed_on() {
    let setup = Setup::with(Vendor::new(&[]), |config| {
        config.mandator_id = Some("m-1".to_owned());
        config.filter = Some(("filter_descriptor".to_owned(), r#"{"a":"b c"}"#.to_owned()));
    })
    .await;
    assert!(setup.ids(window(0, 60)).await.is_empty());
    let seen = setup.vendor.state.lock().unwrap().seen[0].query.clone();
    assert_eq!((seen["mandator_id"].as_str(), seen["filter_descriptor"].as_str()), ("m-1", r#"{"a":"b c"}"#));
}

#[tokio::test]
async fn pages_shorter_than_asked_lose_nothing() {
    let vendor = Vendor { most: 1, ..Vendor::new(&[1, 2, 3]) };
    assert_eq!(Setup::new(vendor).await.ids(window(0, 60)).await, ["1", "2", "3"]);
}

#[tokio::test]
async fn without_a_total_only_an_empty_page_ends_it() {
    for around in [nothing, |_, rows, _| json!({"meta": {"count": rows}})] as [vendor::Around; 2] {
        let setup = Setup::new(Vendor { around, most: 1, ..Vendor::new(&[1, 2, 3]) }).await;
        assert_eq!(setup.ids(window(0, 60)).await, ["1", "2", "3"]);
        assert_eq!(setup.pages(), 4);
    }
}

#[tokio::test]
async fn a_link_that_skips_or_leads_elsewhere_is_not_followed() {
    // Nobody listens at the other host: following it would fail.
    let skips: vendor::Around = |offset, _, total| {
        let next = format!("?start_date=x&end_date=y&page[offset]={}", offset + 2);
        json!({"meta": {"total": total}, "_links": {"next": {"href": next}}})
    };
    let elsewhere: vendor::Around = |_, _, _| json!({"_links": {"next": "http://127.0.0.1:9/transactions?cursor=1"}});
    for around in [skips, elsewhere] {
        let setup = Setup::new(Vendor { around, most: 1, ..Vendor::new(&[1, 2, 3]) }).await;
        assert_eq!(setup.ids(window(0, 60)).await, ["1", "2", "3"]);
    }
}

#[tokio::test]
async fn a_link_on_the_own_host_is_followed() {
    let instead = |_: &mut vendor::Inside, seen: &vendor::Seen| {
        let (row, next) = match seen.query.get("cursor").map(String::as_str) {
            None => ("1", json!({"href": "/webapi/transactions?cursor=b"})),
            Some("b") => ("2", json!("?cursor=c")),
            Some(_) => ("3", Value::Null),
        };
        Some((200, json!({"data": [{"id": row}], "meta": {"total": 3}, "_links": {"next": next}}).to_string()))
    };
    let setup = Setup::new(Vendor { instead, ..Vendor::new(&[]) }).await;
    assert_eq!(setup.ids(window(0, 60)).await, ["1", "2", "3"]);
}

#[tokio::test]
async fn a_row_that_appears_while_pages_are_read_makes_it_read_again() {
    // After the first page a row appears before all others: without reading again, row 2 would come twice.
    let instead = |state: &mut vendor::Inside, _: &vendor::Seen| {
        if state.pages() == 2 {
            state.add(0);
        }
        None
    };
    let setup = Setup::new(Vendor { instead, ..Vendor::new(&[1, 2, 3, 4]) }).await;
    assert_eq!(setup.ids(window(0, 60)).await, ["0", "1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_row_that_goes_while_pages_are_read_makes_it_read_again() {
    // After the first page row 1 goes: row 3 moves to the first page, which has been read.
    let instead = |state: &mut vendor::Inside, _: &vendor::Seen| {
        if state.pages() == 2 {
            state.rows.remove(0);
        }
        None
    };
    let setup = Setup::new(Vendor { instead, ..Vendor::new(&[1, 2, 3, 4]) }).await;
    assert_eq!(setup.ids(window(0, 60)).await, ["2", "3", "4"]);
}

#[tokio::test]
async fn pages_that_keep_moving_are_halved_and_at_a_minute_accepted_and_flagged() {
    // The total is always one more than there is, in the second of the two minutes only.
    let instead = |state: &mut vendor::Inside, seen: &vendor::Seen| {
        let second_minute = seen.query["end_date"].as_str() > "2026-11-21T12:01:00Z";
        second_minute.then(|| {
            let first = seen.query["start_date"].as_str() < "2026-11-21T12:01:00Z";
            let rows: Vec<_> = state.rows.iter().filter(|_| seen.query["page[offset]"] == "0").map(|r| &r.1).collect();
            (200, json!({"data": rows[usize::from(!first).min(rows.len())..], "meta": {"total": 9}}).to_string())
        })
    };
    let setup = Setup::with(Vendor { instead, ..Vendor::new(&[1, 61]) }, |config| config.page_limit = 100).await;
    let (records, end) = setup.read(window(0, 120)).await;
    assert!(!end.unwrap().complete);
    let flagged: Vec<_> = records
        .iter()
        .map(|record| match &record.outcome {
            Outcome::Lines(lines) => (record.id.as_str(), lines[0].quality.contains(&Flag::UnstableWindow)),
            Outcome::Rejected(rejection) => panic!("{rejection:?}"),
        })
        .collect();
    assert_eq!(flagged, [("1", false), ("61", true)]);
    // Twice four rounds of two pages for what moves, one page for what does not.
    assert_eq!(setup.pages(), 17);
}

#[tokio::test]
async fn the_same_page_again_and_again_is_an_error_and_not_endless() {
    let instead =
        |_: &mut vendor::Inside, _: &vendor::Seen| Some((200, json!({"data": [{"id": "1"}, {"id": "2"}]}).to_string()));
    let setup = Setup::new(Vendor { instead, ..Vendor::new(&[]) }).await;
    let (records, end) = setup.read(window(0, 6 * 3600)).await;
    assert!(records.is_empty() && matches!(end, Err(SourceError::Rejected(_))), "{end:?}");
    assert_eq!(setup.pages(), 16);
}

#[tokio::test]
async fn pages_of_new_rows_that_go_on_and_on_are_read_once_and_say_what_to_set() {
    // Twenty thousand rows a page, and always three more pages to come.
    let instead = |state: &mut vendor::Inside, _: &vendor::Seen| {
        let from = (state.pages() - 1) * 20_000;
        let rows: Vec<Value> = (from..from + 20_000).map(|id| json!({"id": id.to_string()})).collect();
        Some((200, json!({"data": rows, "meta": {"total": from + 80_000}}).to_string()))
    };
    let setup = Setup::new(Vendor { instead, ..Vendor::new(&[]) }).await;
    let (_, end) = setup.read(window(0, 6 * 3600)).await;
    let error = end.unwrap_err().to_string();
    assert!(error.contains("set `window` of this account smaller"), "{error}");
    assert_eq!(setup.pages(), 14);
}

#[tokio::test]
async fn a_page_larger_than_memory_allows_is_refused_once_and_says_what_to_set() {
    let instead = |_: &mut vendor::Inside, _: &vendor::Seen| {
        let row = format!("{{\"id\":\"1\",\"receipt\":\"{}\"}}", "x".repeat(3_000_000));
        Some((200, format!("{{\"data\":[{}]}}", vec![row; 6].join(","))))
    };
    let setup = Setup::new(Vendor { instead, ..Vendor::new(&[]) }).await;
    let (records, end) = setup.read(window(0, 60)).await;
    let error = end.unwrap_err().to_string();
    assert!(records.is_empty() && error.contains("page_limit"), "{error}");
    assert_eq!(setup.pages(), 1);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_the_page_asked_again() {
    let vendor = Vendor::new(&[1, 2, 3, 4, 5]);
    vendor.state.lock().unwrap().uses = 2;
    let setup = Setup::new(vendor).await;
    assert_eq!(setup.ids(window(0, 60)).await, ["1", "2", "3", "4", "5"]);
    assert_eq!((setup.logins(), setup.pages()), (2, 4));
}

#[tokio::test]
async fn a_token_that_has_lived_is_renewed_before_it_is_used() {
    let vendor = Vendor { expires_in: json!("0"), ..Vendor::new(&[1, 2, 3]) };
    let setup = Setup::new(vendor).await;
    assert_eq!(setup.ids(window(0, 60)).await, ["1", "2", "3"]);
    assert_eq!((setup.logins(), setup.pages()), (2, 2));
}

#[tokio::test]
async fn many_requests_share_one_login() {
    let setup = Setup::new(Vendor::new(&[1])).await;
    let reads = (0..8).map(|_| setup.ids(window(0, 60)));
    assert!(futures_util::future::join_all(reads).await.iter().all(|ids| *ids == ["1"]));
    assert_eq!(setup.logins(), 1);
    // All eight meet a token that is good no more, and one of them renews it.
    setup.vendor.state.lock().unwrap().uses = 0;
    let reads = (0..8).map(|_| setup.read(window(0, 60)));
    let ended = futures_util::future::join_all(reads).await;
    assert!(ended.iter().all(|(_, end)| matches!(end, Err(SourceError::Refused(_)))));
    assert_eq!(setup.logins(), 2);
}

#[tokio::test]
async fn refused_credentials_are_not_tried_again_at_once_and_never_shown() {
    let setup = Setup::new(Vendor { secret: "another", ..Vendor::new(&[1]) }).await;
    for _ in 0..3 {
        let (_, end) = setup.read(window(0, 60)).await;
        let error = end.unwrap_err();
        assert!(matches!(error, SourceError::Refused(_)), "{error}");
        // The server repeats what it was sent.
        assert!(error.to_string().contains("401") && !format!("{error:?}").contains("s3cr3t"), "{error}");
    }
    assert_eq!((setup.logins(), setup.pages()), (1, 0));
}

#[tokio::test]
async fn a_good_login_that_may_not_see_the_list_is_refused() {
    let instead = |_: &mut vendor::Inside, _: &vendor::Seen| Some((403, "{}".to_owned()));
    let setup = Setup::new(Vendor { instead, ..Vendor::new(&[]) }).await;
    assert!(matches!(setup.read(window(0, 60)).await.1, Err(SourceError::Refused(_))));
    let instead = |_: &mut vendor::Inside, _: &vendor::Seen| Some((400, json!({"error": "bad filter"}).to_string()));
    let setup = Setup::new(Vendor { instead, ..Vendor::new(&[]) }).await;
    let error = setup.read(window(0, 60)).await.1.unwrap_err();
    assert!(matches!(&error, SourceError::Rejected(said) if said.contains("bad filter")), "{error}");
}

#[tokio::test]
async fn one_transaction_is_found_or_not() {
    let instead = |_: &mut vendor::Inside, seen: &vendor::Seen| match seen.uri.as_str() {
        "/webapi/transactions/a%2Fb" => Some((200, r#"{"data":[{"id":"a/b","q":1.50}]}"#.to_owned())),
        "/webapi/transactions/other" => Some((200, r#"{"id":"x"}"#.to_owned())),
        _ => None,
    };
    let setup = Setup::new(Vendor { instead, ..Vendor::new(&[]) }).await;
    let stream = setup.source.stream();
    let found = setup.source.read_one(&stream, "a/b").await.unwrap().unwrap();
    assert_eq!((found.id.as_str(), &*found.raw), ("a/b", r#"{"id":"a/b","q":1.50}"#));
    assert_eq!(setup.source.read_one(&stream, "gone").await.unwrap(), None);
    assert!(setup.source.read_one(&stream, "other").await.is_err());
}

#[tokio::test]
async fn writing_sends_what_is_published_and_gives_what_the_vendor_then_has() {
    let instead = |_: &mut vendor::Inside, seen: &vendor::Seen| {
        Some((200, json!({"data": [{"id": "new", "got": seen.body, "by": seen.method, "at": seen.uri}]}).to_string()))
    };
    let setup = Setup::with(Vendor { instead, ..Vendor::new(&[]) }, |c| c.update_method = UpdateMethod::Put).await;
    let content = Content { session_id: Some("S".to_owned()), ..Content::default() };
    let new = NewTransaction { site_id: "site".to_owned(), content: content.clone() };
    let raw = |record: Record| serde_json::from_str::<Value>(&record.raw).unwrap();
    let made = raw(setup.source.create(&new).await.unwrap());
    assert_eq!(
        made,
        json!({"id": "new", "got": {"site_id": "site", "session_id": "S"}, "by": "POST", "at": "/webapi/transactions"})
    );
    let changed = raw(setup.source.update("new", &TransactionUpdate { site_id: None, content }).await.unwrap());
    assert_eq!(
        changed,
        json!({"id": "new", "got": {"session_id": "S"}, "by": "PUT", "at": "/webapi/transactions/new"})
    );
}

#[tokio::test]
async fn statistics_need_a_mandator_and_give_what_is_found() {
    let instead = |_: &mut vendor::Inside, seen: &vendor::Seen| {
        (seen.query.get("mandator_id").map(String::as_str) == Some("m"))
            .then(|| (200, json!({"data": [{"count": 3, "amount": "1.10"}]}).to_string()))
    };
    let setup = Setup::with(Vendor { instead, ..Vendor::new(&[]) }, |c| c.mandator_id = Some("m".to_owned())).await;
    let found = setup.source.statistics(window(0, 60)).await.unwrap();
    assert_eq!((found.count, found.amount), (Some(3), "1.10".parse().ok()));
    let setup = Setup::new(Vendor::new(&[])).await;
    let error = setup.source.statistics(window(0, 60)).await.unwrap_err();
    assert!(matches!(&error, SourceError::Http(HttpError::Request(said)) if said.contains("mandator_id")), "{error}");
}

#[tokio::test]
async fn check_looks_at_login_clock_list_and_fields() {
    let setup = Setup::new(Vendor::new(&[-5])).await;
    let findings = setup.source.examine().await;
    let of = |what: &str| findings.iter().find(|finding| finding.what == what).unwrap();
    assert!(of("credentials").ok && of("transactions").ok && !of("fields").ok);
    assert_eq!(of("transactions").seen, "readable; 1 in the last day");
    assert!(of("fields").seen.contains("articles") && !of("fields").todo.is_empty());
    let setup = Setup::new(Vendor { secret: "another", ..Vendor::new(&[]) }).await;
    let findings = setup.source.examine().await;
    assert!(!findings[0].ok && findings.iter().all(|finding| finding.what != "transactions"));
}

#[test]
fn a_stretch_is_widened_to_whole_seconds() {
    let (start, end) = (noon() + TimeDelta::milliseconds(1500), noon() + TimeDelta::milliseconds(2001));
    let widened = whole_seconds(Window::new(start, end).unwrap());
    assert_eq!(widened, window(1, 3));
    assert_eq!(whole_seconds(widened), widened);
}

/// What is known of the rows with these ids.
async fn known_of(setup: &Setup, ids: &[&str]) -> Known {
    let mut keeping = Keeping::of_read(noon());
    for brought in setup.read_knowing(window(0, 60), &Known::nothing()).await.0 {
        let Brought::New(record, mark) = brought else { panic!("nothing is known") };
        if ids.contains(&record.id.as_str()) {
            assert!(keeping.add(mark, &record.id, [KnownLine { line_id: "-", hash: 1 }]));
        }
    }
    Known::of(keeping.finish(), noon()).unwrap()
}

#[tokio::test]
async fn rows_that_are_known_are_not_normalized_again_and_count_all_the_same() {
    let setup = Setup::new(Vendor::new(&[1, 2, 3, 4, 5])).await;
    let known = known_of(&setup, &["2", "5"]).await;
    let (brought, end) = setup.read_knowing(window(0, 60), &known).await;
    assert!(end.unwrap().complete);
    let ids: Vec<_> = brought
        .into_iter()
        .map(|brought| match brought {
            Brought::New(record, _) => record.id,
            Brought::Known(place) => format!("known {}", known.record(place).id),
        })
        .collect();
    assert_eq!(ids, ["1", "known 2", "3", "4", "known 5"]);
}
