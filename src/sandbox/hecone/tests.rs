//! `HecOne`'s server as its callers meet it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    clock::ManualClock,
    sandbox::{
        HecOneOptions, Options,
        server::Server,
        tests::{NOW, at, call, options},
        truth::Scope,
    },
};

fn token(server: &Server) -> String {
    let body = r#"{"client_id":"sandbox-client","client_secret":"sandbox-secret"}"#;
    let (status, answer) = call(server, "POST", "/hecone/login", body, &[]);
    assert_eq!(
        (status, &answer["expires_in"], &answer["token_type"]),
        (StatusCode::OK, &json!(3600), &json!("Bearer"))
    );
    answer["access_token"].as_str().unwrap().to_owned()
}

fn ask(server: &Server, token: &str, method: &str, target: &str, body: &Value) -> (StatusCode, Value) {
    let bearer = format!("Bearer {token}");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    call(server, method, &format!("/hecone{target}"), &body, &[("authorization", &bearer), ("host", "sandbox:1")])
}

fn get(server: &Server, target: &str) -> (StatusCode, Value) {
    ask(server, &token(server), "GET", target, &Value::Null)
}

const WINDOW: &str = "start_date=2026-09-05T00:00:00Z&end_date=2026-09-12T00:00:00Z";

#[test]
fn a_token_is_good_for_its_time_and_no_longer() {
    let clock = Arc::new(ManualClock::at(at(NOW)));
    let server = Server::new(Options { clock: clock.clone(), ..options() });
    let target = format!("/transactions?{WINDOW}");
    let status = |token: &str| ask(&server, token, "GET", &target, &Value::Null).0;
    let good = token(&server);
    assert_eq!(status("nobody's"), StatusCode::UNAUTHORIZED);
    clock.advance(Duration::from_secs(3599));
    assert_eq!(status(&good), StatusCode::OK);
    clock.advance(Duration::from_secs(1));
    assert_eq!(status(&good), StatusCode::UNAUTHORIZED);
    let wrong = r#"{"client_id":"sandbox-client","client_secret":"x"}"#;
    assert_eq!(call(&server, "POST", "/hecone/login", wrong, &[]).0, StatusCode::UNAUTHORIZED);
    assert_eq!(call(&server, "POST", "/hecone/login", "{}", &[]).0, StatusCode::BAD_REQUEST);
}

#[test]
fn following_next_reads_every_transaction_once() {
    let server = Server::new(options());
    let token = token(&server);
    let (mut target, mut ids, mut total) =
        (format!("/transactions?{WINDOW}&page[limit]=7&sort=created_at"), Vec::new(), 0);
    loop {
        let (status, page) = ask(&server, &token, "GET", &target, &Value::Null);
        assert_eq!(status, StatusCode::OK);
        total = page["meta"]["total"].as_u64().unwrap().max(total);
        ids.extend(page["data"].as_array().unwrap().iter().map(|t| t["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["_links"]["next"]["href"].as_str() else { break };
        target = next.strip_prefix("http://sandbox:1/hecone").unwrap().to_owned();
    }
    let distinct: BTreeSet<_> = ids.iter().collect();
    assert_eq!((ids.len() as u64, distinct.len()), (total, ids.len()));
    assert!(total > 20);
}

#[test]
fn a_page_is_never_larger_than_the_server_allows() {
    let server =
        Server::new(Options { hecone: HecOneOptions { max_limit: 5, ..HecOneOptions::default() }, ..options() });
    let (_, page) = get(&server, &format!("/transactions?{WINDOW}&page%5Blimit%5D=100"));
    assert_eq!(page["data"].as_array().unwrap().len(), 5);
    let (_, far) = get(&server, &format!("/transactions?{WINDOW}&page[offset]=100000"));
    assert_eq!(far["data"], json!([]));
}

#[test]
fn what_is_missing_or_wrong_is_refused() {
    let server = Server::new(options());
    for query in [
        "",
        "start_date=2026-09-05T00:00:00Z",
        "start_date=x&end_date=2026-09-05T00:00:00Z",
        "start_date=2026-09-06T00:00:00Z&end_date=2026-09-05T00:00:00Z",
        &format!("{WINDOW}&sort=colour"),
        &format!("{WINDOW}&page[limit]=x"),
        &format!("{WINDOW}&mandator_id=5"),
        &format!("{WINDOW}&filter_descriptor=%7B"),
    ] {
        let (status, answer) = get(&server, &format!("/transactions?{query}"));
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert!(answer["error"]["message"].is_string());
    }
    assert_eq!(get(&server, "/transactions/not-a-uuid").0, StatusCode::BAD_REQUEST);
    assert_eq!(get(&server, "/transactions/8a159c56-1785-4d8b-a40e-22cb47f56bba").0, StatusCode::NOT_FOUND);
    assert_eq!(get(&server, &format!("/transactions/statistics?{WINDOW}")).0, StatusCode::BAD_REQUEST);
}

#[test]
fn the_list_is_ordered_as_asked() {
    let server = Server::new(options());
    let (_, page) = get(&server, &format!("/transactions?{WINDOW}&sort=-amount&page[limit]=200"));
    let amounts: Vec<_> = page["data"].as_array().unwrap().iter().filter_map(|t| t["amount"].as_f64()).collect();
    assert!(amounts.len() > 10 && amounts.is_sorted_by(|a, b| a >= b), "{amounts:?}");
}

#[test]
fn filters_and_statistics_agree() {
    let server = Server::new(options());
    let filter =
        "filter_descriptor=%7B%22field%22%3A%22state%22%2C%22operator%22%3A%22eq%22%2C%22value%22%3A%22completed%22%7D";
    let (_, page) = get(&server, &format!("/transactions?{WINDOW}&{filter}&page[limit]=200"));
    let rows = page["data"].as_array().unwrap();
    assert!(rows.len() > 10 && rows.iter().all(|t| t["state"] == "completed"));
    let mandator = server.options.hecone.mandator_id;
    let (status, answer) = get(&server, &format!("/transactions/statistics?{WINDOW}&{filter}&mandator_id={mandator}"));
    assert_eq!((status, &answer["data"][0]["count"]), (StatusCode::OK, &page["meta"]["total"]));
    assert!(answer["data"][0]["amount"].as_f64().unwrap() > 100.0);
}

#[test]
fn one_transaction_is_as_the_list_has_it() {
    let server = Server::new(options());
    let (_, page) = get(&server, &format!("/transactions?{WINDOW}&page[limit]=1"));
    let id = page["data"][0]["id"].as_str().unwrap();
    let (status, one) = get(&server, &format!("/transactions/{id}"));
    assert_eq!((status, &one["data"]), (StatusCode::OK, &page["data"]));
    let (_, more) = get(&server, &format!("/transactions/{id}?additional_info=true"));
    assert!(more["data"][0]["additional_info"].is_object());
}

#[test]
fn a_transaction_goes_through_its_states_as_its_parts_do() {
    let server = Server::new(options());
    let token = token(&server);
    let ask = |method: &str, target: &str, body: &Value| ask(&server, &token, method, target, body);
    let site = server.world.fleet.sites[0].id.to_string();
    assert_eq!(ask("POST", "/transactions", &json!({})).0, StatusCode::BAD_REQUEST);
    let (status, made) = ask("POST", "/transactions", &json!({"site_id": site}));
    assert_eq!((status, &made["data"][0]["state"]), (StatusCode::CREATED, &json!("created")));
    let target = format!("/transactions/{}", made["data"][0]["id"].as_str().unwrap());
    let article = json!({"id": "a1", "state": "ongoing", "quantity": 2, "price": 1.5, "amount": 3});
    let state = |body: &Value| {
        let (status, answer) = ask("PATCH", &target, body);
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["data"][0]["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state(&json!({"articles": [article]})), "pending");
    assert_eq!(
        state(&json!({"articles": [{"id": "a1", "state": "done"}], "payments": [{"id": "p1", "amount": 3}]})),
        "consumed"
    );
    assert_eq!(state(&json!({"payments": [{"id": "p1", "state": "collected"}]})), "completed");
    assert_eq!(ask("PATCH", &target, &json!({"articles": [{"state": "eaten"}]})).0, StatusCode::BAD_REQUEST);
    assert_eq!(ask("PUT", &target, &json!({})).0, StatusCode::METHOD_NOT_ALLOWED);
    let (_, one) = ask("GET", &target, &Value::Null);
    assert_eq!((one["data"][0]["articles"].as_array().unwrap().len(), &one["data"][0]["paid_amount"]), (1, &json!(3)));
}

#[test]
fn what_hecone_serves_is_what_the_truth_tells() {
    let server = Server::new(options());
    let token = token(&server);
    let (mut offset, mut served) = (0, BTreeSet::new());
    loop {
        let target = format!(
            "/transactions?start_date=2026-09-01T00:00:00Z&end_date=2026-12-01T00:00:00Z&page[limit]=200&page[offset]={offset}"
        );
        let (_, page) = ask(&server, &token, "GET", &target, &Value::Null);
        let rows = page["data"].as_array().unwrap();
        served.extend(rows.iter().map(|t| t["id"].as_str().unwrap().to_owned()));
        offset += rows.len();
        if rows.is_empty() {
            break;
        }
    }
    let scope = Scope { alexela: None, ..Scope::from(at("2026-09-01T00:00:00Z")) };
    let told =
        server.world.truth(at(NOW), &scope).into_iter().filter_map(|r| r.columns["source_transaction_id"].clone());
    let rejected = server.world.truth_quarantine(at(NOW), &scope).into_iter().filter_map(|r| r.id);
    assert_eq!(served, told.chain(rejected).collect::<BTreeSet<_>>());
    assert!(offset > 300);
}
