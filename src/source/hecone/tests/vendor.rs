//! A small server that pages like the vendor's: tokens, offsets, totals, links, and rows that move.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::Response,
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// One request as it came.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) method: String,
    /// Path and query, as sent.
    pub(super) uri: String,
    pub(super) query: HashMap<String, String>,
    pub(super) body: Value,
}

/// How a page says what there is besides it: of (its first row, its rows, the total).
pub(super) type Around = fn(usize, usize, usize) -> Value;

pub(super) struct Inside {
    pub(super) rows: Vec<(DateTime<Utc>, Value)>,
    pub(super) seen: Vec<Seen>,
    pub(super) logins: usize,
    /// Requests that a token is good for.
    pub(super) uses: usize,
    used: usize,
}

pub(super) struct Vendor {
    pub(super) state: Mutex<Inside>,
    pub(super) secret: &'static str,
    pub(super) expires_in: Value,
    /// Answers every login with this error, and with what was sent.
    pub(super) no_login: Option<u16>,
    /// Most rows of a page, whatever is asked.
    pub(super) most: usize,
    pub(super) around: Around,
    /// Answers in place of the list, by the number of the request.
    pub(super) instead: fn(&mut Inside, &Seen) -> Option<(u16, String)>,
}

pub(super) fn total(_: usize, _: usize, total: usize) -> Value {
    json!({"meta": {"total": total}})
}

pub(super) fn nothing(_: usize, _: usize, _: usize) -> Value {
    json!({})
}

impl Vendor {
    /// Inside at these seconds after noon, with the seconds as ids.
    pub(super) fn new(seconds: &[i64]) -> Self {
        let state = Inside { rows: Vec::new(), seen: Vec::new(), logins: 0, uses: usize::MAX, used: 0 };
        let vendor = Self {
            state: Mutex::new(state),
            secret: "s3cr3t",
            expires_in: json!(3600),
            no_login: None,
            most: usize::MAX,
            around: total,
            instead: |_, _| None,
        };
        for second in seconds {
            vendor.state.lock().unwrap().add(*second);
        }
        vendor
    }

    pub(super) async fn listen(vendor: Arc<Self>) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webapi", listener.local_addr().unwrap());
        let router = Router::new().fallback(handle).with_state(vendor);
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    fn answer(&self, seen: &Seen, bearer: &str) -> (u16, String) {
        let mut state = self.state.lock().unwrap();
        let path = seen.uri.split('?').next().unwrap_or_default();
        if path == "/webapi/login" {
            state.logins += 1;
            state.used = 0;
            if let Some(status) = self.no_login {
                return (status, json!({"error": format!("not now: {}", seen.body)}).to_string());
            }
            if seen.body != json!({"client_id": "me", "client_secret": self.secret}) {
                return (401, json!({"error": format!("no such client: {}", seen.body)}).to_string());
            }
            let token = format!("token-{}", state.logins);
            return (
                200,
                json!({"access_token": token, "expires_in": self.expires_in, "token_type": "Bearer"}).to_string(),
            );
        }
        state.seen.push(seen.clone());
        state.used += 1;
        if bearer != format!("Bearer token-{}", state.logins) || state.used > state.uses {
            return (401, json!({"error": "token expired"}).to_string());
        }
        if let Some(answer) = (self.instead)(&mut state, seen) {
            return answer;
        }
        if path == "/webapi/transactions" && seen.method == "GET" {
            self.list(&state, seen)
        } else {
            (404, "{}".to_owned())
        }
    }

    fn list(&self, state: &Inside, seen: &Seen) -> (u16, String) {
        let query = |name: &str| seen.query.get(name).map(String::as_str).unwrap_or_default();
        let bound = |name: &str| query(name).parse::<DateTime<Utc>>();
        let (Ok(from), Ok(to)) = (bound("start_date"), bound("end_date")) else {
            return (400, json!({"error": "start_date and end_date are required"}).to_string());
        };
        if query("sort") != "created_at" {
            return (400, json!({"error": "sort"}).to_string());
        }
        let mut rows: Vec<_> = state.rows.iter().filter(|(at, _)| from <= *at && *at <= to).collect();
        rows.sort_by_key(|(at, _)| *at);
        let offset = query("page[offset]").parse().unwrap_or(0).min(rows.len());
        let limit = query("page[limit]").parse().unwrap_or(20).min(self.most);
        let page: Vec<_> = rows.iter().skip(offset).take(limit).map(|(_, row)| row).collect();
        let mut answer = (self.around)(offset, page.len(), rows.len());
        answer["data"] = json!(page);
        (200, answer.to_string())
    }
}

impl Inside {
    pub(super) fn add(&mut self, second: i64) {
        let at = super::noon() + chrono::TimeDelta::seconds(second);
        self.rows.push((at, json!({"id": second.to_string(), "created_at": at})));
    }

    /// How many pages were asked for.
    pub(super) fn pages(&self) -> usize {
        self.seen.len()
    }
}

async fn handle(State(vendor): State<Arc<Vendor>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let url = reqwest::Url::parse("http://x").unwrap().join(&parts.uri.to_string()).unwrap();
    let seen = Seen {
        method: parts.method.to_string(),
        uri: parts.uri.to_string(),
        query: url.query_pairs().into_owned().collect(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    let bearer = parts.headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let (status, text) = vendor.answer(&seen, bearer);
    // Its clock is the client's; the real one may be days away from both.
    let date = httpdate::fmt_http_date(super::noon().into());
    let answer = Response::builder().status(status).header("content-type", "application/json").header("date", date);
    answer.body(Body::from(text)).unwrap()
}
