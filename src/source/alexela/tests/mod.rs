//! The account against a small server as strict as the vendor.

mod strict;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::Router;
use chrono::TimeDelta;
use serde_json::{Value, json};

use self::strict::{NOW, PSK, Strict, denied, handle};
use super::*;
use crate::{
    clock::ManualClock,
    config::{self, AlexelaMethod, DateFormat},
    domain::{Grid, Outcome, record::Rejection},
    schedule::Schedule,
    source::Brought,
};

struct Setup {
    strict: Arc<Strict>,
    source: AlexelaSource,
}

impl Setup {
    async fn new(strict: Strict) -> Self {
        Self::with(strict, |_| {}).await
    }

    async fn with(strict: Strict, change: impl FnOnce(&mut Alexela)) -> Self {
        let strict = Arc::new(strict);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/gateway/api/v1", listener.local_addr().unwrap());
        let router = Router::new().fallback(handle).with_state(strict.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let http = config::Http {
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(20),
            max_retries: 2,
            max_body: 64 << 20,
            proxy: None,
        };
        let mut config = account(&base_url);
        change(&mut config);
        let clock = Arc::new(ManualClock::at(NOW.parse().unwrap()));
        let transport = Transport::new(&http, clock).unwrap();
        Self {
            strict,
            source: AlexelaSource::new(config, transport, Normalizer::new("", |_, _, raw| as_is(raw.get()))),
        }
    }

    /// Reads and gives the ids that count, the days asked, and how it ended.
    async fn read(&self, stream: &StreamId, from: &str, to: &str) -> (Vec<String>, Result<ReadEnd, SourceError>) {
        let stretch = Window::new(day(from), day(to)).unwrap();
        let (sender, mut events) = mpsc::channel(2);
        let counted = async {
            let (mut whole, mut open) = (Vec::new(), Vec::new());
            while let Some(event) = events.recv().await {
                match event {
                    ReadEvent::Records(records) => {
                        open.extend(records.into_iter().filter_map(Brought::into_record).map(|record| record.id));
                    }
                    ReadEvent::Restart => open.clear(),
                    ReadEvent::Complete => whole.append(&mut open),
                }
            }
            assert!(open.is_empty(), "records after the last Complete: {open:?}");
            whole
        };
        let nothing = Known::nothing();
        let (end, ids) = tokio::join!(self.source.read(stream, stretch, &nothing, sender), counted);
        (ids, end)
    }

    fn spans(&self) -> Vec<String> {
        let seen = self.strict.seen.lock().unwrap();
        seen.iter().filter_map(|s| s.days).map(|(from, to)| format!("{from}..{to}")).collect()
    }

    fn asked(&self) -> usize {
        *self.strict.asked.lock().unwrap()
    }
}

fn account(base_url: &str) -> Alexela {
    Alexela {
        name: "fleet".to_owned(),
        base_url: base_url.parse().unwrap(),
        access_id: "partner-1".to_owned(),
        psk: PSK.to_owned().into(),
        sources: vec![SourceKind::AlexelaCard, SourceKind::AlexelaBonus, SourceKind::AlexelaEv],
        contracts: vec![],
        schedule: Schedule::parse("0 */15 * * * *").unwrap(),
        start: NOW.parse().unwrap(),
        grid: Grid::days(7).unwrap(),
        max_window_days: 59,
        requests_per_second: 1000,
        crm_account_id: None,
        date_format: DateFormat::Date,
        method: AlexelaMethod::Post,
    }
}

fn as_is(raw: &str) -> Record {
    let id = serde_json::from_str::<Value>(raw).unwrap()["transactionId"].as_str().unwrap_or_default().to_owned();
    let outcome =
        Outcome::Rejected(Rejection { field: String::new(), reason: "not looked at".into(), nul_removed: false });
    Record { id, raw: raw.into(), outcome }
}

fn day(text: &str) -> DateTime<Utc> {
    format!("{text}T00:00:00Z").parse().unwrap()
}

fn card() -> StreamId {
    StreamId::new(SourceKind::AlexelaCard, "fleet", Partition::contract("22297"))
}

fn ev() -> StreamId {
    StreamId::new(SourceKind::AlexelaEv, "fleet", Partition::whole())
}

const SIX_DAYS: (&str, &str) = ("2026-11-15", "2026-11-21");

#[tokio::test]
async fn contracts_are_listed_once_each_as_text() {
    let setup = Setup::new(Strict::new()).await;
    let found = setup.source.partitions(SourceKind::AlexelaCard).await.unwrap();
    assert_eq!(found, [Partition::contract("22297"), Partition::contract("123")]);
    let enveloped = json!({"success": true, "data": ["22297"], "error": null, "message": null}).to_string();
    let setup = Setup::new(Strict::behaving(move |_, _| Some((200, enveloped.clone())))).await;
    assert_eq!(setup.source.partitions(SourceKind::AlexelaCard).await.unwrap(), [Partition::contract("22297")]);
    assert_eq!(setup.source.partitions(SourceKind::AlexelaEv).await.unwrap(), [Partition::whole()]);
}

#[tokio::test]
async fn contracts_beyond_any_fleets_are_refused_and_the_error_says_what_to_set() {
    let many = Value::from((0..10_001).collect::<Vec<_>>()).to_string();
    let setup = Setup::new(Strict::behaving(move |_, _| Some((200, many.clone())))).await;
    let error = setup.source.partitions(SourceKind::AlexelaCard).await.unwrap_err().to_string();
    assert!(error.contains("name those to be read in `contracts`"), "{error}");
    let long = format!("[\"{}\"]", "1".repeat(101));
    let setup = Setup::new(Strict::behaving(move |_, _| Some((200, long.clone())))).await;
    assert!(setup.source.partitions(SourceKind::AlexelaCard).await.is_err());
}

#[tokio::test]
async fn configured_contracts_are_not_asked_for() {
    let setup = Setup::with(Strict::new(), |c| c.contracts = vec!["7".to_owned()]).await;
    assert_eq!(setup.source.partitions(SourceKind::AlexelaCard).await.unwrap(), [Partition::contract("7")]);
    assert_eq!(setup.asked(), 0);
}

#[tokio::test]
async fn each_operation_is_asked_as_published() {
    let setup = Setup::new(Strict::new()).await;
    let bonus = StreamId::new(SourceKind::AlexelaBonus, "fleet", Partition::whole());
    for stream in [card(), bonus, ev()] {
        let (ids, end) = setup.read(&stream, SIX_DAYS.0, SIX_DAYS.1).await;
        assert_eq!(end.unwrap(), ReadEnd { present: NOW.parse().unwrap(), complete: true, served_from: None });
        assert_eq!((ids.len(), ids[0].as_str()), (6, "2026-11-15"));
    }
    setup.source.define_bonuscards(&["1".to_owned()], &["2".to_owned()]).await.unwrap();
    let seen = setup.strict.seen.lock().unwrap();
    let asked: Vec<_> = seen.iter().map(|s| (s.method.as_str(), s.uri.as_str(), s.body.clone())).collect();
    let days = "fromDate=2026-11-15&toDate=2026-11-21";
    assert_eq!(
        asked,
        [
            (
                "POST",
                "/gateway/api/v1/ContractTransactions",
                json!({"contractNumbers": ["22297"], "fromDate": "2026-11-15", "toDate": "2026-11-21"})
            ),
            (
                "POST",
                "/gateway/api/v1/GetBonuscardTransactions",
                json!({"fromDate": "2026-11-15", "toDate": "2026-11-21"})
            ),
            ("GET", &format!("/gateway/api/v1/EvTransactions?{days}"), Value::Null),
            ("POST", "/gateway/api/v1/DefineBonuscards", json!({"bonuscards": ["1"], "premiumBonuscards": ["2"]})),
        ]
    );
}

#[tokio::test]
async fn by_get_everything_is_in_the_query_and_signed_as_sent() {
    let setup = Setup::with(Strict::new(), |c| {
        c.method = AlexelaMethod::Get;
        c.date_format = DateFormat::DateTime;
        c.crm_account_id = Some("A-17".to_owned());
    })
    .await;
    let stream = StreamId::new(SourceKind::AlexelaCard, "fleet", Partition::contract("22297,12 3/ä"));
    let (ids, end) = setup.read(&stream, SIX_DAYS.0, SIX_DAYS.1).await;
    assert!(end.is_ok(), "{end:?}");
    assert_eq!(ids.len(), 6);
    let seen = setup.strict.seen.lock().unwrap();
    assert_eq!(
        seen[0].uri,
        "/gateway/api/v1/ContractTransactions?contractNumbers=22297,12%203%2F%C3%A4\
         &fromDate=2026-11-15T00:00:00Z&toDate=2026-11-21T00:00:00Z&crm_account_id=A-17"
    );
    assert_eq!(seen[0].crm_account_id.as_deref(), Some("A-17"));
}

#[tokio::test]
async fn a_long_stretch_is_asked_in_parts_of_59_days() {
    let setup = Setup::new(Strict::new()).await;
    let (ids, end) = setup.read(&card(), "2026-07-01", "2026-11-22").await;
    assert!(end.unwrap().complete);
    assert_eq!(ids.len(), 144);
    assert_eq!(setup.spans(), ["2026-07-01..2026-08-29", "2026-08-29..2026-10-27", "2026-10-27..2026-11-22"]);
}

#[tokio::test]
async fn a_server_that_wants_less_than_60_days_gets_halves() {
    let setup = Setup::new(Strict { longest: 15, ..Strict::new() }).await;
    let (ids, end) = setup.read(&card(), "2026-10-01", "2026-11-10").await;
    assert!(end.unwrap().complete);
    let mut once = ids.clone();
    once.dedup();
    assert_eq!((ids.len(), once.len()), (40, 40));
    assert_eq!(setup.spans()[..3], ["2026-10-01..2026-11-10", "2026-10-01..2026-10-21", "2026-10-01..2026-10-11"]);
}

#[tokio::test]
async fn the_beginning_moves_on_by_a_day_when_less_than_five_months_are_served() {
    let setup = Setup::new(Strict { short_by: 3, ..Strict::new() }).await;
    let horizon = setup.source.horizon(SourceKind::AlexelaCard, setup.source.present()).unwrap();
    assert_eq!(horizon, day("2026-06-22"));
    let (ids, end) = setup.read(&card(), "2026-06-22", "2026-06-29").await;
    assert_eq!(end.unwrap().served_from, Some(day("2026-06-25")));
    assert_eq!(ids, ["2026-06-25", "2026-06-26", "2026-06-27", "2026-06-28"]);
}

#[tokio::test]
async fn what_is_beyond_the_horizon_for_good_is_said_with_the_last_day_refused() {
    for (from, to, last, asked) in
        [("2026-06-01", "2026-06-29", "2026-06-04", 4), ("2026-06-01", "2026-06-03", "2026-06-02", 2)]
    {
        let setup = Setup::new(Strict::new()).await;
        let (ids, end) = setup.read(&card(), from, to).await;
        assert!(matches!(end, Err(SourceError::BeyondHorizon { from, .. }) if from == day(last)), "{end:?}");
        assert_eq!((ids.len(), setup.asked()), (0, asked));
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_taken_back_and_asked_again() {
    let rows: Vec<_> = (0..1200).map(|n| json!({"transactionId": n.to_string()})).collect();
    let whole = json!(rows).to_string();
    let setup = Setup::new(Strict::behaving(move |asked, _| match asked {
        0 => Some((200, whole[..whole.len() - 9].to_owned())),
        1 => Some((502, "<html>".to_owned())),
        _ => Some((200, whole.clone())),
    }))
    .await;
    let (ids, end) = setup.read(&card(), SIX_DAYS.0, SIX_DAYS.1).await;
    assert!(end.is_ok());
    assert_eq!((ids.len(), setup.asked()), (1200, 3));
}

#[tokio::test]
async fn success_false_is_an_error_whatever_the_status_and_its_rows_do_not_count() {
    let rows: Vec<_> = (0..600).map(|n| json!({"transactionId": n.to_string()})).collect();
    let body = json!({"data": rows, "success": false, "error": "Wrong Date format"}).to_string();
    let setup = Setup::new(Strict::behaving(move |_, _| Some((200, body.clone())))).await;
    let (ids, end) = setup.read(&card(), SIX_DAYS.0, SIX_DAYS.1).await;
    assert_eq!(end.unwrap_err().to_string(), "the vendor answered Wrong Date format");
    assert_eq!((ids.len(), setup.asked()), (0, 1));
}

#[tokio::test]
async fn the_limits_are_understood_in_an_answer_with_status_200_too() {
    let setup = Setup::new(Strict::behaving(|asked, _| {
        (asked == 0).then(|| (200, denied("Only 60 days of search at one time is supported")))
    }))
    .await;
    let (ids, end) = setup.read(&card(), SIX_DAYS.0, SIX_DAYS.1).await;
    assert!(end.is_ok());
    assert_eq!((ids.len(), setup.asked()), (6, 3));
}

#[tokio::test]
async fn an_object_without_a_list_is_no_empty_answer() {
    let setup = Setup::new(Strict::behaving(|_, _| Some((200, r#"{"hello":1}"#.to_owned())))).await;
    let (_, end) = setup.read(&card(), SIX_DAYS.0, SIX_DAYS.1).await;
    assert!(matches!(end, Err(SourceError::Http(crate::http::HttpError::Malformed(_)))), "{end:?}");
    let empty = r#"{"success":true,"data":null,"error":null}"#;
    let setup = Setup::new(Strict::behaving(move |_, _| Some((200, empty.to_owned())))).await;
    assert!(setup.read(&card(), SIX_DAYS.0, SIX_DAYS.1).await.1.unwrap().complete);
}

#[tokio::test]
async fn a_refused_contract_rests_and_a_refused_operation_is_not_enabled() {
    for status in [403, 404] {
        let setup = Setup::new(Strict::behaving(move |_, _| Some((status, denied("no access"))))).await;
        let (_, end) = setup.read(&card(), SIX_DAYS.0, SIX_DAYS.1).await;
        assert!(matches!(end, Err(SourceError::Withdrawn { contract, .. }) if contract == "22297"));
        let (_, end) = setup.read(&ev(), SIX_DAYS.0, SIX_DAYS.1).await;
        assert!(matches!(end, Err(SourceError::NotEnabled("EvTransactions", _))));
        assert_eq!(setup.asked(), 2);
    }
}

#[tokio::test]
async fn a_wrong_key_is_asked_once_for_all_streams_of_the_account() {
    let setup = Setup::new(Strict { psk: "another".to_owned(), ..Strict::new() }).await;
    for stream in [card(), ev(), card()] {
        let (_, end) = setup.read(&stream, SIX_DAYS.0, SIX_DAYS.1).await;
        let error = end.unwrap_err();
        assert!(matches!(&error, SourceError::Refused(seen) if seen == "HTTP 401: wrong signature"), "{error}");
    }
    assert!(setup.source.partitions(SourceKind::AlexelaCard).await.is_err());
    assert_eq!(setup.asked(), 1);
}

#[tokio::test]
async fn a_clock_that_is_off_is_corrected_after_one_refusal() {
    for ahead in [7200, -7200] {
        let setup = Setup::new(Strict { ahead: ahead.into(), ..Strict::new() }).await;
        let (ids, end) = setup.read(&ev(), "2026-11-15", "2026-11-21").await;
        let off = end.unwrap().present - NOW.parse::<DateTime<Utc>>().unwrap() - TimeDelta::seconds(ahead);
        assert!(off.abs() <= TimeDelta::seconds(1), "the end of the read is in the server's time, off by {off}");
        assert_eq!((ids.len(), setup.asked()), (6, 2));
        assert!(setup.read(&card(), "2026-11-15", "2026-11-21").await.1.is_ok());
        assert_eq!(setup.asked(), 3, "the next request is right at once");
    }
}

#[tokio::test]
async fn a_date_that_lies_is_dropped_when_signing_by_it_does_not_help() {
    let setup = Setup::new(Strict { date_lies: 7200.into(), ..Strict::new() }).await;
    for asked in [1, 3, 4] {
        assert!(setup.read(&ev(), "2026-11-15", "2026-11-21").await.1.is_ok());
        assert_eq!(setup.asked(), asked);
    }
    assert_eq!(setup.source.present(), NOW.parse::<DateTime<Utc>>().unwrap());
}

#[tokio::test]
async fn a_clock_set_right_meanwhile_is_believed_again() {
    let setup = Setup::new(Strict { ahead: 7200.into(), ..Strict::new() }).await;
    assert!(setup.read(&ev(), "2026-11-15", "2026-11-21").await.1.is_ok());
    setup.strict.ahead.store(0, Ordering::Relaxed);
    assert!(setup.read(&ev(), "2026-11-15", "2026-11-21").await.1.is_ok());
    assert_eq!(setup.source.present(), NOW.parse::<DateTime<Utc>>().unwrap());
}

#[tokio::test]
async fn a_reader_that_is_gone_ends_the_read() {
    let setup = Setup::new(Strict::new()).await;
    let (sender, events) = mpsc::channel(1);
    drop(events);
    let stretch = Window::new(day("2026-11-15"), day("2026-11-21")).unwrap();
    assert!(matches!(setup.source.read(&card(), stretch, &Known::nothing(), sender).await, Err(SourceError::Stopped)));
    assert_eq!(setup.asked(), 1);
}

async fn findings(strict: Strict) -> Vec<(String, bool, String)> {
    let found = Setup::new(strict).await.source.examine().await;
    assert!(found.iter().all(|f| f.ok == f.todo.is_empty()));
    found.into_iter().map(|f| (f.what, f.ok, f.seen)).collect()
}

#[tokio::test]
async fn check_says_what_an_account_may_see() {
    let found = findings(Strict::behaving(|_, seen| {
        (seen.operation == "EvTransactions").then(|| (403, denied("not enabled for partner")))
    }))
    .await;
    let expected = [
        ("credentials", true, "accepted"),
        ("clock", true, "within 1 s of the server's"),
        ("contracts", true, "2 visible: 22297, 123"),
        ("alexela_bonus", true, "enabled; 1 rows today"),
        (
            "alexela_ev",
            false,
            "EvTransactions is not enabled for this account at the vendor (HTTP 403: not enabled for partner); ask the vendor to enable it, or take it out of `sources`",
        ),
        ("rate", true, "at most 1000 requests in any second (requests_per_second)"),
    ];
    assert_eq!(found, expected.map(|(what, ok, seen)| (what.to_owned(), ok, seen.to_owned())));
}

#[tokio::test]
async fn check_says_that_a_key_is_wrong_or_a_clock() {
    let found = findings(Strict { psk: "another".to_owned(), ..Strict::new() }).await;
    assert_eq!(found[0], ("credentials".into(), false, "refused (HTTP 401: wrong signature)".into()));
    let found = findings(Strict { ahead: 7200.into(), ..Strict::new() }).await;
    assert_eq!(found[0].2, "accepted");
    let clock = "this machine is 7200 s behind the server; requests are dated by the server's clock";
    assert_eq!(found[1], ("clock".into(), false, clock.into()));
}
