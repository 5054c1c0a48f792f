//! A small server as strict as the vendor: it checks type, date, MD5 and signature by itself, one contract a request,
//! the 60 days and the 5 months.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicI64, Ordering},
};

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, Response},
};
use base64::Engine as _;
use chrono::{DateTime, Months, NaiveDate, TimeDelta, Utc};
use hmac::{KeyInit as _, Mac as _};
use md5::Digest as _;
use serde_json::{Value, json};

/// The client's time; the server's is ahead of it by `Strict::ahead`.
pub(super) const NOW: &str = "2026-11-21T12:00:00Z";
pub(super) const PSK: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// One request that passed the checks.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) operation: String,
    pub(super) uri: String,
    pub(super) crm_account_id: Option<String>,
    pub(super) body: Value,
    pub(super) days: Option<(NaiveDate, NaiveDate)>,
}

pub(super) type Behave = Box<dyn Fn(usize, &Seen) -> Option<(u16, String)> + Send + Sync>;

pub(super) struct Strict {
    /// Server minus client, in seconds; and what its `Date` header adds to that.
    pub(super) ahead: AtomicI64,
    pub(super) date_lies: AtomicI64,
    pub(super) psk: String,
    pub(super) longest: i64,
    /// Days less than 5 months that are served.
    pub(super) short_by: i64,
    /// What it answers instead of a row a day.
    pub(super) behave: Behave,
    pub(super) seen: Mutex<Vec<Seen>>,
    pub(super) asked: Mutex<usize>,
}

impl Strict {
    pub(super) fn new() -> Self {
        Self {
            ahead: 0.into(),
            date_lies: 0.into(),
            psk: PSK.to_owned(),
            longest: 60,
            short_by: 0,
            behave: Box::new(|_, _| None),
            seen: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    pub(super) fn behaving(behave: impl Fn(usize, &Seen) -> Option<(u16, String)> + Send + Sync + 'static) -> Self {
        Self { behave: Box::new(behave), ..Self::new() }
    }

    fn now(&self) -> DateTime<Utc> {
        NOW.parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(self.ahead.load(Ordering::Relaxed))
    }

    fn signed(&self, method: &str, uri: &str, headers: &HeaderMap, body: &[u8]) -> Result<(), &'static str> {
        let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let date = httpdate::parse_http_date(header("date")).map_err(|_| "no date")?;
        if (DateTime::<Utc>::from(date) - self.now()).abs() > TimeDelta::minutes(5) {
            return Err("the signature has expired");
        }
        if header("content-type") != "application/json" || (method == "GET") != body.is_empty() {
            return Err("content");
        }
        let digest = u128::from_be_bytes(md5::Md5::digest(body).into());
        let md5 = if body.is_empty() { String::new() } else { format!("{digest:032x}") };
        let uri = &uri[uri.find("/api/").ok_or("no api")?..];
        let text = format!("application/json,{md5},{uri},{}", header("date"));
        let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(self.psk.as_bytes()).unwrap();
        mac.update(text.as_bytes());
        let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
        let expected = format!("APIAuth-HMAC-SHA256 partner-1:{signature}");
        if header("authorization") == expected { Ok(()) } else { Err("wrong signature") }
    }

    fn answer(&self, seen: &Seen) -> (u16, String) {
        if let Some(answer) = (self.behave)(self.seen.lock().unwrap().len(), seen) {
            return answer;
        }
        let Some((from, to)) = seen.days else { return (200, json!(["22297", 123, " 123 ", "-"]).to_string()) };
        if to - from > TimeDelta::days(self.longest) {
            return (400, denied("Only 60 days of search at one time is supported"));
        }
        let oldest = self.now().date_naive() - Months::new(5) + TimeDelta::days(1 + self.short_by);
        if from < oldest {
            return (400, denied("Only search over last 5 months of transactions is supported"));
        }
        let rows: Vec<_> =
            from.iter_days().take_while(|day| *day < to).map(|day| json!({"transactionId": day})).collect();
        (200, json!(rows).to_string())
    }
}

pub(super) fn denied(error: &str) -> String {
    json!({"success": false, "data": null, "error": error, "message": null}).to_string()
}

pub(super) async fn handle(State(strict): State<Arc<Strict>>, request: Request) -> Response<Body> {
    *strict.asked.lock().unwrap() += 1;
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let uri = parts.uri.to_string();
    let signed = strict.signed(parts.method.as_str(), &uri, &parts.headers, &body);
    let (status, body) = signed.map_or_else(
        |reason| (401, denied(reason)),
        |()| {
            let seen = Seen::of(parts.method.as_str(), uri.clone(), &parts.headers, &body);
            let answer = strict.answer(&seen);
            strict.seen.lock().unwrap().push(seen);
            answer
        },
    );
    let date = strict.now() + TimeDelta::seconds(strict.date_lies.load(Ordering::Relaxed));
    Response::builder()
        .status(status)
        .header("date", httpdate::fmt_http_date(date.into()))
        .body(Body::from(body))
        .unwrap()
}

impl Seen {
    fn of(method: &str, uri: String, headers: &HeaderMap, body: &[u8]) -> Self {
        let (path, query) = uri.split_once('?').unwrap_or((&uri, ""));
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let parameter = |name: &str| {
            let by_query = query.split('&').filter_map(|p| p.split_once('=')).find(|(key, _)| *key == name);
            by_query.map(|(_, value)| value.to_owned()).or_else(|| body[name].as_str().map(str::to_owned))
        };
        let day = |name: &str| parameter(name)?.get(..10)?.parse::<NaiveDate>().ok();
        let operation = path.rsplit('/').next().unwrap().to_owned();
        if operation == "ContractTransactions" && method == "POST" {
            assert_eq!(body["contractNumbers"].as_array().map(Vec::len), Some(1), "one contract a request");
        }
        Self {
            method: method.to_owned(),
            operation,
            crm_account_id: headers.get("crm_account_id").map(|v| v.to_str().unwrap().to_owned()),
            days: day("fromDate").zip(day("toDate")),
            body,
            uri,
        }
    }
}
