//! Both vendors as one hostile server: its records are full of personal values, under the published names and odd ones,
//! and its refusals repeat whatever it knows.

use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderValue, Request, StatusCode, header},
    response::Response,
};
use chrono::{SecondsFormat, TimeDelta};
use fuelsync::clock::{Clock as _, SystemClock};
use tokio::net::TcpListener;

/// The first day read: the one before yesterday.
pub(super) fn from() -> String {
    (SystemClock.now() - TimeDelta::days(2)).format("%Y-%m-%d").to_string()
}

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// In order.
    None,
    /// Refuses what was asked, and says why.
    BadRequest,
    /// Refuses the credentials.
    Unauthorized,
    /// Forbids.
    Forbidden,
    /// A page for people, with status 200.
    Page,
    /// A page for people, with status 500.
    ServerError,
    /// Sends elsewhere.
    Redirect,
    /// Asks to wait, in words.
    TooMany,
    /// An object where a list should be.
    Object,
    /// A list that ends in a record.
    CutOff,
    /// A connection that ends in a record.
    Reset,
    /// Records that are none.
    Records,
    /// Headers that are none.
    Headers,
    /// Compressed, it says.
    Gzip,
}

impl Fault {
    pub(super) const ALL: [Self; 13] = [
        Self::BadRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::Page,
        Self::ServerError,
        Self::Redirect,
        Self::TooMany,
        Self::Object,
        Self::CutOff,
        Self::Reset,
        Self::Records,
        Self::Headers,
        Self::Gzip,
    ];
}

/// The personal values.
#[derive(Debug)]
struct People {
    cards: [String; 6],
    drivers: [&'static str; 4],
    plates: [String; 4],
    mails: [String; 3],
}

#[derive(Debug)]
struct Shared {
    people: People,
    /// What it repeats although it should not know it.
    known: Vec<String>,
    tokens: [String; 2],
    seed: u64,
    fault: Mutex<Fault>,
    seen: Mutex<Vec<u8>>,
    signatures: Mutex<BTreeSet<String>>,
    requests: Mutex<u64>,
}

/// The server; it ends with the process.
pub(super) struct Vendor {
    shared: Arc<Shared>,
    url: String,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Vendor {
    pub(super) async fn start(seed: u64, known: &[&str]) -> Self {
        let number =
            |at: u64| seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(at.wrapping_mul(0xbf58_476d_1ce4_e5b9));
        let card = |at: u64| format!("7077{:012}", number(at) % 1_000_000_000_000);
        let plate = |at: u64| {
            format!("{:03} KAN{}Q", number(at) % 1000, char::from(b'A' + u8::try_from(number(at) % 26).unwrap_or(0)))
        };
        let people = People {
            cards: [1, 2, 3, 4, 5, 6].map(card),
            drivers: ["Kanari Lind", "Õnne Kanarõ", "Žydrė Kanarinaitė", "Mari-Liis Kanarik"],
            plates: [11, 12, 13, 14].map(plate),
            mails: [21, 22, 23].map(|at| format!("kanari{}@example.ee", number(at) % 1_000_000)),
        };
        let shared = Arc::new(Shared {
            people,
            known: known.iter().map(|known| (*known).to_owned()).collect(),
            tokens: [31, 32].map(|at| format!("tok.{:016x}.{:016x}.Kanari", number(at), number(at + 10))),
            seed,
            fault: Mutex::new(Fault::None),
            seen: Mutex::default(),
            signatures: Mutex::default(),
            requests: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("a port"));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { shared, url }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn answer_with(&self, fault: Fault) {
        *locked(&self.shared.fault) = fault;
    }

    pub(super) fn personal(&self) -> BTreeSet<String> {
        let people = &self.shared.people;
        let drivers = people.drivers.iter().map(|driver| (*driver).to_owned());
        people.cards.iter().chain(&people.plates).chain(&people.mails).cloned().chain(drivers).collect()
    }

    /// The tokens that it issues.
    pub(super) fn issued(&self) -> Vec<String> {
        self.shared.tokens.to_vec()
    }

    /// The signatures that came.
    pub(super) fn signatures(&self) -> BTreeSet<String> {
        locked(&self.shared.signatures).clone()
    }

    pub(super) fn requests(&self) -> u64 {
        *locked(&self.shared.requests)
    }

    /// Whether a request had this in it.
    pub(super) fn saw(&self, text: &str) -> bool {
        String::from_utf8_lossy(&locked(&self.shared.seen)).contains(text)
    }

    pub(super) fn saw_an_issued_token(&self) -> bool {
        self.saw(&format!("Bearer {}", self.shared.tokens[0]))
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let authorization =
        parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let signature = authorization.strip_prefix("APIAuth-HMAC-SHA256 ").and_then(|rest| rest.split_once(':'));
    if let Some((_, signature)) = signature {
        locked(&shared.signatures).insert(signature.to_owned());
    }
    {
        let mut seen = locked(&shared.seen);
        // Enough to show that the secrets were used.
        if seen.len() < 1 << 20 {
            seen.extend_from_slice(authorization.as_bytes());
            seen.extend_from_slice(&body);
        }
    }
    *locked(&shared.requests) += 1;
    let path = parts.uri.path();
    let is_login = path.ends_with("/login");
    let fault = *locked(&shared.fault);
    // A token is needed before anything else can go wrong, and then the login goes wrong, too.
    let fault = if is_login && !matches!(fault, Fault::Unauthorized | Fault::Headers) { Fault::None } else { fault };
    let echo = [authorization, &String::from_utf8_lossy(&body), &parts.uri.to_string()].map(str::to_owned).join(" ");
    shared.faulty(fault, &echo).unwrap_or_else(|| shared.honest(path, fault))
}

fn response(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn json(status: StatusCode, value: &serde_json::Value) -> Response {
    response(status, "application/json", value.to_string())
}

impl Shared {
    /// All that it knows, in one sentence. Names and plates are not in it: nothing tells them from other words.
    fn gossip(&self, echo: &str) -> String {
        let People { cards, mails, .. } = &self.people;
        format!(
            "the card {} of {} with {} is refused; key {} secret {} token {} asked {echo}",
            cards[0], mails[0], cards[1], self.known[1], self.known[0], self.tokens[0]
        )
    }

    fn everyone(&self) -> String {
        let People { cards, drivers, plates, mails } = &self.people;
        format!("{} {} {} {} {} {}", cards[2], drivers[0], drivers[1], plates[0], mails[1], self.tokens[1])
    }

    fn faulty(&self, fault: Fault, echo: &str) -> Option<Response> {
        let gossip = self.gossip(echo);
        let page = || format!("<html><body>Sorry: {gossip} {}</body></html>", self.everyone());
        let said = |text: &str| serde_json::json!({ "error": { "status": 400, "message": text }, "success": false, "data": null });
        let part = self.rows("HecOne").join(",");
        let part = &part[..part.char_indices().nth(part.chars().count() * 2 / 3).map_or(0, |(at, _)| at)];
        Some(match fault {
            Fault::None | Fault::Records => return None,
            Fault::BadRequest => json(StatusCode::BAD_REQUEST, &said(&gossip)),
            Fault::Unauthorized => {
                let text =
                    serde_json::json!({ "error": "invalid_client", "error_description": gossip, "message": gossip });
                json(StatusCode::UNAUTHORIZED, &text)
            }
            Fault::Forbidden => json(
                StatusCode::FORBIDDEN,
                &serde_json::json!({ "detail": [gossip], "errors": [{ "message": gossip }] }),
            ),
            Fault::Page => response(StatusCode::OK, "text/html", page()),
            Fault::ServerError => response(StatusCode::INTERNAL_SERVER_ERROR, "text/html", page()),
            Fault::Redirect => {
                let mut away = response(StatusCode::FOUND, "text/plain", gossip.clone());
                let to = format!(
                    "http://127.0.0.1:9/{}?token={}&card={}",
                    self.people.cards[3], self.tokens[0], self.people.cards[0]
                );
                away.headers_mut().insert(header::LOCATION, HeaderValue::try_from(to).ok()?);
                away
            }
            Fault::TooMany => {
                let mut wait = json(StatusCode::TOO_MANY_REQUESTS, &said(&gossip));
                let junk = format!("{} {}", self.people.cards[0], self.tokens[0]);
                wait.headers_mut().insert(header::RETRY_AFTER, HeaderValue::try_from(junk).ok()?);
                wait
            }
            Fault::Object => json(
                StatusCode::OK,
                &serde_json::json!({ "items": self.everyone(), "cardNumber": self.people.cards[0], gossip: 1 }),
            ),
            Fault::CutOff => response(StatusCode::OK, "application/json", format!("[{part}")),
            Fault::Reset => {
                let pieces = [Ok(Bytes::from(format!("[{part}"))), Err(io::Error::other("gone"))];
                response(StatusCode::OK, "application/json", Body::from_stream(futures_util::stream::iter(pieces)))
            }
            Fault::Headers => {
                let mut odd = json(StatusCode::OK, &serde_json::json!([gossip]));
                for name in [
                    header::SET_COOKIE,
                    header::DATE,
                    header::CONTENT_ENCODING,
                    header::CONTENT_TYPE,
                    header::WWW_AUTHENTICATE,
                ] {
                    odd.headers_mut().insert(
                        name,
                        HeaderValue::try_from(format!("a={} {}", self.tokens[1], self.people.cards[4])).ok()?,
                    );
                }
                odd
            }
            Fault::Gzip => {
                let mut squeezed = response(StatusCode::OK, "application/json", format!("[{part}]"));
                squeezed.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                squeezed
            }
        })
    }

    fn honest(&self, path: &str, fault: Fault) -> Response {
        if path.ends_with("/login") {
            let [access, refresh] = &self.tokens;
            let token = serde_json::json!({ "access_token": access, "refresh_token": refresh, "expires_in": 3600, "token_type": "Bearer" });
            return json(StatusCode::OK, &token);
        }
        if path.ends_with("/ContractNumbers") {
            return response(StatusCode::OK, "application/json", "[\"22297\"]");
        }
        let kind = path.rsplit('/').next().unwrap_or_default();
        let mut rows = self.rows(kind);
        if fault == Fault::Records {
            let everyone = self.everyone();
            rows.push(serde_json::json!(self.people.cards[5]).to_string());
            rows.push(self.people.cards[5].clone());
            rows.push(serde_json::json!([self.people.cards[4], self.people.mails[2]]).to_string());
            rows.push(serde_json::json!({ "cardNumber": { "value": self.people.cards[3] }, "driverName": { "first": everyone } }).to_string());
        }
        let rows = rows.join(",");
        response(
            StatusCode::OK,
            "application/json",
            if path.contains("/hecone/") { format!(r#"{{"data":[{rows}],"meta":{{}}}}"#) } else { format!("[{rows}]") },
        )
    }

    /// Records of the last days: in order, and one that no line can be made of.
    fn rows(&self, kind: &str) -> Vec<String> {
        let People { cards, drivers, plates, mails } = &self.people;
        let now = SystemClock.now();
        let mut rows = Vec::new();
        for place in 0..4_usize {
            let at = (now - TimeDelta::hours(3) - TimeDelta::minutes(i64::try_from(place).unwrap_or(0)))
                .to_rfc3339_opts(SecondsFormat::Secs, true);
            let at = if place == 3 { "yesterday".to_owned() } else { at };
            let id = format!("{}", self.seed % 1_000_000 * 10 + place as u64);
            let [card, other, third] = [0, 1, 2].map(|step| &cards[(place + step) % 6]);
            let (driver, second) = (drivers[place % 4], drivers[(place + 1) % 4]);
            let (plate, mail) = (&plates[place % 4], &mails[place % 3]);
            let number = |card: &String| card.parse::<u64>().unwrap_or(0);
            let record = if kind == "transactions" || kind == "HecOne" {
                serde_json::json!({
                    "id": format!("00000000-0000-4000-8000-{id:0>12}"), "created_at": at, "state": "completed", "card_number": card,
                    "license_plate": plate, "receipt_email": mail,
                    "customer_data": { "driver": { "name": driver, "first_name": second }, "cardNumber": number(other), "e-mail": [mail] },
                    "card": { "PAN": third, "holder": driver, "track2": format!("{third}=2612") },
                    "note": format!("paid by {driver} with {card} for {plate}, receipt to {mail}"),
                    "articles": [{ "id": "1", "product": { "code": "D", "name": "Diesel" }, "quantity": 10, "gross_amount": 15.5, "cardholder_name": second }],
                    "payments": [{ "amount": 15.5, "state": "collected", "method": "card", "card_number": number(card) }],
                })
            } else {
                serde_json::json!({
                    "transactionId": id, "transactionTime": at, "cardNumber": card, "driverName": driver, "plateNumber": plate,
                    "occProductCode": "D", "occProductName": "Diesel", "occProductType": "Fuel", "quantity": 10, "totalPrice": 15.5,
                    "currency": "EUR", "transactionStatus": "confirmed", "stationId": 7, "receiptEmail": mail, "Licence-Plate": plate, "cardHolder": second,
                    "CARD_NO": number(other), "drivers": [driver, second], "vehicle": { "registrationNumber": plate },
                    "comment": format!("{driver} {plate} {card} {mail}"), "receiptNo": format!("{third}"), "pan": third,
                })
            };
            rows.push(record.to_string());
        }
        rows
    }
}
