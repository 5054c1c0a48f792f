//! The sandbox as its callers meet it: signatures, limits, tokens, pages, and the truth against what is served.

use std::sync::Arc;

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, Method, StatusCode},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Digest as _;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    server::{Call, Server, route},
    *,
};
use crate::{clock::ManualClock, domain::SourceKind};

pub(super) const NOW: &str = "2026-11-21T12:00:00Z";

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(super) fn options() -> Options {
    let world = WorldOptions {
        sales: 4_000,
        from: at("2026-07-01T00:00:00Z"),
        to: at("2026-11-01T00:00:00Z"),
        ..WorldOptions::default()
    };
    Options { world, clock: Arc::new(ManualClock::at(at(NOW))), ..Options::default() }
}

pub(super) fn call(
    server: &Server,
    method: &str,
    target: &str,
    body: &str,
    headers: &[(&'static str, &str)],
) -> (StatusCode, Value) {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query.to_owned())));
    let headers: HeaderMap =
        headers.iter().map(|(name, value)| ((*name).parse().unwrap(), HeaderValue::from_str(value).unwrap())).collect();
    let call = Call {
        method: Method::from_bytes(method.as_bytes()).unwrap(),
        path: path.to_owned(),
        query,
        headers,
        body: Bytes::copy_from_slice(body.as_bytes()),
        now: server.now(),
        rows: None,
    };
    let response: Response = route(server, &call);
    let status = response.status();
    let bytes =
        futures_util::FutureExt::now_or_never(axum::body::to_bytes(response.into_body(), usize::MAX)).unwrap().unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// A signed request to Alexela, as the vendor's script would send it.
fn alexela(server: &Server, method: &str, target: &str, body: &str) -> (StatusCode, Value) {
    let date = httpdate::fmt_http_date(server.options.clock.now().into());
    let md5: String = if body.is_empty() { String::new() } else { hex(&md5::Md5::digest(body)) };
    let uri = &target[target.find("/api/").unwrap()..];
    let psk = server.options.alexela.psk.expose_secret();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(psk.as_bytes()).unwrap();
    mac.update(format!("application/json,{md5},{uri},{date}").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let authorization = format!("APIAuth-HMAC-SHA256 {}:{signature}", server.options.alexela.access_id);
    let headers = [("date", date.as_str()), ("authorization", &authorization), ("content-type", "application/json")];
    call(server, method, target, body, &headers)
}

const CARDS: &str = r#"{"contractNumbers":["22297"],"fromDate":"2026-09-05","toDate":"2026-09-12"}"#;

#[test]
fn the_vendors_own_signatures_are_accepted_and_others_are_not() {
    let vectors: Value = serde_json::from_str(include_str!("alexela/signature-vectors.json")).unwrap();
    for vector in vectors["vectors"].as_array().unwrap() {
        let text = |name: &str| vector[name].as_str().unwrap();
        let sent = DateTime::<Utc>::from(httpdate::parse_http_date(text("date")).unwrap());
        let mut options = options();
        options.alexela.access_id = text("access_id").to_owned();
        options.alexela.psk = text("psk").to_owned().into();
        let status = |at: DateTime<Utc>, authorization: &str| {
            let server = Server::new(Options { clock: Arc::new(ManualClock::at(at)), ..options.clone() });
            let target = if text("query").is_empty() {
                text("path").to_owned()
            } else {
                format!("{}?{}", text("path"), text("query"))
            };
            let method = if text("body").is_empty() { "GET" } else { "POST" };
            let headers =
                [("date", text("date")), ("authorization", authorization), ("content-type", "application/json")];
            call(&server, method, &target, text("body"), &headers).0
        };
        let good = text("authorization");
        assert_ne!(status(sent + TimeDelta::minutes(4), good), StatusCode::UNAUTHORIZED, "{}", text("name"));
        assert_eq!(status(sent + TimeDelta::minutes(6), good), StatusCode::UNAUTHORIZED);
        assert_eq!(status(sent - TimeDelta::minutes(6), good), StatusCode::UNAUTHORIZED);
        assert_eq!(status(sent, &good.replace("partner-1:", "partner-2:")), StatusCode::UNAUTHORIZED);
        let wrong = format!("APIAuth-HMAC-SHA256 partner-1:{}", STANDARD.encode([7; 32]));
        assert_eq!(status(sent, &wrong), StatusCode::UNAUTHORIZED);
    }
}

#[test]
fn a_prefix_before_api_is_not_signed() {
    let server = Server::new(options());
    assert_eq!(alexela(&server, "GET", "/gateway/7/api/v1/ContractNumbers", "").0, StatusCode::OK);
}

#[test]
fn get_and_post_bring_the_same_rows_and_the_envelope_wraps_them() {
    let server = Server::new(options());
    let (status, posted) = alexela(&server, "POST", "/api/v1/ContractTransactions", CARDS);
    assert_eq!(status, StatusCode::OK);
    assert!(posted.as_array().unwrap().len() > 10);
    let query = "/api/v1/ContractTransactions?contractNumbers=22297,22310&fromDate=2026-09-05&toDate=2026-09-12";
    let (_, both) = alexela(&server, "GET", query, "");
    assert!(both.as_array().unwrap().len() > posted.as_array().unwrap().len());
    let wrapped =
        Server::new(Options { alexela: AlexelaOptions { envelope: true, ..AlexelaOptions::default() }, ..options() });
    let (_, envelope) = alexela(&wrapped, "POST", "/api/v1/ContractTransactions", CARDS);
    assert_eq!((&envelope["success"], &envelope["data"]), (&Value::Bool(true), &posted));
}

#[test]
fn what_alexela_refuses_has_its_published_text() {
    let server = Server::new(options());
    let refused = |method: &str, target: &str, body: &str| {
        let (status, answer) = alexela(&server, method, target, body);
        assert_eq!((&answer["success"], &answer["data"]), (&Value::Bool(false), &Value::Null));
        (status.as_u16(), answer["error"].as_str().unwrap().to_owned())
    };
    let ev = |from: &str, to: &str| refused("GET", &format!("/api/v1/EvTransactions?fromDate={from}&toDate={to}"), "");
    assert_eq!(ev("2026-09-05", "x"), (400, "Wrong date format".to_owned()));
    assert_eq!(ev("2026-08-01", "2026-11-01"), (400, "Only 60 days of search at one time is supported".to_owned()));
    assert_eq!(
        ev("2026-06-01", "2026-06-03"),
        (400, "Only search over last 5 months of transactions is supported".to_owned())
    );
    assert_eq!(refused("POST", "/api/v1/ContractTransactions", &CARDS.replace("22297", "1")).0, 403);
    assert_eq!(refused("GET", "/api/v1/GetBonuscardTransactions", "").0, 405);
    assert_eq!(refused("GET", "/api/v1/ContractNumbers?crm_account_id=5", "").0, 401);
    server.world.withdraw("22297", true);
    assert_eq!(refused("POST", "/api/v1/ContractTransactions", CARDS).0, 403);
    let off = Server::new(Options {
        alexela: AlexelaOptions { ev_enabled: false, ..AlexelaOptions::default() },
        ..options()
    });
    let (status, _) = alexela(&off, "GET", "/api/v1/EvTransactions?fromDate=2026-09-05&toDate=2026-09-06", "");
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[test]
fn bonus_cards_sell_once_they_are_defined() {
    let alexela_options = AlexelaOptions { bonus_cards_defined: false, ..AlexelaOptions::default() };
    let server = Server::new(Options { alexela: alexela_options, ..options() });
    let rows = || {
        let (_, rows) = alexela(
            &server,
            "POST",
            "/api/v1/GetBonuscardTransactions",
            r#"{"fromDate":"2026-09-05","toDate":"2026-10-12"}"#,
        );
        rows.as_array().unwrap().len()
    };
    assert_eq!(rows(), 0);
    let cards: Vec<_> = server.world.fleet.bonus.iter().map(|c| c.number.clone()).collect();
    let body = serde_json::json!({"bonuscards": cards[..30], "premiumBonuscards": cards[30..]}).to_string();
    assert_eq!(alexela(&server, "POST", "/api/v1/DefineBonuscards", &body).0, StatusCode::OK);
    assert!(rows() > 10);
}

#[test]
fn the_same_seed_serves_the_same_bytes_and_another_does_not() {
    let rows = |seed| {
        let mut options = options();
        options.world.seed = seed;
        alexela(&Server::new(options), "POST", "/api/v1/ContractTransactions", CARDS).1.to_string()
    };
    assert_eq!(rows(3), rows(3));
    assert_ne!(rows(3), rows(4));
}

#[test]
fn what_alexela_serves_is_what_the_truth_counts() {
    let server = Server::new(options());
    let scope = truth::Scope { hecone: None, ..truth::Scope::from(at("2026-09-01T00:00:00Z")) };
    let mut served = Vec::new();
    for contract in server.world.contracts() {
        for (from, to) in [("2026-09-01", "2026-10-15"), ("2026-10-15", "2026-11-22")] {
            let body = serde_json::json!({"contractNumbers": [contract], "fromDate": from, "toDate": to}).to_string();
            served.push(alexela(&server, "POST", "/api/v1/ContractTransactions", &body).1);
        }
    }
    for (from, to) in [("2026-09-01", "2026-10-15"), ("2026-10-15", "2026-11-22")] {
        let body = serde_json::json!({"fromDate": from, "toDate": to}).to_string();
        served.push(alexela(&server, "POST", "/api/v1/GetBonuscardTransactions", &body).1);
        served.push(alexela(&server, "GET", &format!("/api/v1/EvTransactions?fromDate={from}&toDate={to}"), "").1);
    }
    let count: usize = served.iter().map(|rows| rows.as_array().unwrap().len()).sum();
    let truth = server.world.truth(at(NOW), &scope);
    assert_eq!(count, truth.len() + server.world.truth_quarantine(at(NOW), &scope).len());
    for source in [SourceKind::AlexelaCard, SourceKind::AlexelaBonus, SourceKind::AlexelaEv] {
        assert!(truth.iter().any(|r| r.columns["source"].as_deref() == Some(source.as_str())));
    }
}

#[tokio::test]
async fn a_running_sandbox_answers_with_its_own_clock_and_stops() {
    let sandbox = start(options()).await.unwrap();
    sandbox.faults().set_clock_offset(TimeDelta::minutes(-10));
    sandbox.faults().status("/hecone/login", 1, 429, Some("7"));
    let mut answers = Vec::new();
    for _ in 0..2 {
        let mut stream = tokio::net::TcpStream::connect(sandbox.addr()).await.unwrap();
        let request = "POST /hecone/login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answers.push(answer);
    }
    assert!(answers[0].starts_with("HTTP/1.1 429") && answers[0].contains("retry-after: 7"), "{}", answers[0]);
    assert!(
        answers[1].starts_with("HTTP/1.1 400") && answers[1].contains("Sat, 21 Nov 2026 11:50:00 GMT"),
        "{}",
        answers[1]
    );
    assert_eq!(sandbox.requests().count("/hecone/login"), 2);
    let addr = sandbox.addr();
    sandbox.stop().await;
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn the_configuration_points_at_the_sandbox() {
    let sandbox = start(options()).await.unwrap();
    let text = configuration(&sandbox, "postgres://u@h/d", at("2026-09-01T00:00:00Z"));
    assert!(text.contains(&format!("base_url = \"http://{}/hecone\"", sandbox.addr())), "{text}");
    assert!(text.contains("start = \"2026-09-01\""));
    assert!(sandbox.options().alexela.psk.expose_secret().len() >= 128);
    sandbox.stop().await;
}
