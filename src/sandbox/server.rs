//! One HTTP server for both vendors: counts, faults, routing, and the `Date` of the sandbox's clock.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header},
    response::Response,
};
use chrono::{DateTime, Utc};

use super::{
    Options, alexela,
    faults::{Fault, Faults, Rows},
    hecone::{self, write::Written},
    requests::{Requests, Seen},
    world::World,
};

/// Largest request body.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct Server {
    /// As started.
    pub options: Options,
    /// The sales.
    pub world: World,
    /// Scripted faults.
    pub faults: Faults,
    /// What was asked.
    pub requests: Requests,
    /// `HecOne` tokens and until when they are good.
    pub tokens: Mutex<HashMap<String, DateTime<Utc>>>,
    /// `HecOne` transactions created or updated by callers.
    pub written: RwLock<Vec<Written>>,
}

/// A request, read.
#[derive(Debug)]
pub(crate) struct Call {
    /// The method.
    pub method: Method,
    /// The path as on the wire.
    pub path: String,
    /// The query as on the wire, without the question mark.
    pub query: Option<String>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The server's time.
    pub now: DateTime<Utc>,
    /// What is wrong with the rows of the answer.
    pub rows: Option<Rows>,
}

impl Call {
    /// The query's pairs, decoded.
    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(self.query.as_deref().unwrap_or_default().as_bytes()).into_owned().collect()
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}

impl Server {
    /// A server that has not been asked anything.
    pub(crate) fn new(options: Options) -> Self {
        let world = World::new(options.world.clone());
        if !options.alexela.bonus_cards_defined {
            world.bonus_cards.write().unwrap_or_else(PoisonError::into_inner).clear();
        }
        Self {
            options,
            world,
            faults: Faults::default(),
            requests: Requests::default(),
            tokens: Mutex::default(),
            written: RwLock::default(),
        }
    }

    /// The server's time: the sandbox's clock, set off where a fault says so.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.options.clock.now() + self.faults.clock_offset()
    }
}

/// Answers one request.
pub(crate) async fn answer(State(server): State<Arc<Server>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let strike = server.faults.strike(&path);
    if !strike.delay.is_zero() {
        tokio::time::sleep(strike.delay).await;
    }
    let body = axum::body::to_bytes(body, MAX_BODY).await;
    let (method, query) = (parts.method.clone(), parts.uri.query().map(str::to_owned));
    let (rows, instead) = match strike.answer {
        Some(Fault::Rows(rows)) => (Some(rows), None),
        instead => (None, instead),
    };
    let mut response = match (instead, body) {
        (Some(fault), _) => faulty(&server, &path, fault),
        (None, Err(_)) => json(StatusCode::PAYLOAD_TOO_LARGE, r#"{"error":"the request body is too large"}"#),
        (None, Ok(body)) => {
            let call = Call {
                method: parts.method,
                path: path.clone(),
                query: query.clone(),
                headers: parts.headers,
                body,
                now: server.now(),
                rows,
            };
            route(&server, &call)
        }
    };
    if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(server.now().into())) {
        response.headers_mut().insert(header::DATE, date);
    }
    server.requests.push(Seen {
        method: method.to_string(),
        path,
        query: query.unwrap_or_default(),
        status: response.status().as_u16(),
    });
    response
}

pub(crate) fn route(server: &Server, call: &Call) -> Response {
    if let Some((_, operation)) = call.path.split_once("/api/v1/") {
        return alexela::handle(server, call, operation);
    }
    if let Some((_, rest)) = call.path.split_once("/hecone/") {
        return hecone::handle(server, call, rest);
    }
    json(StatusCode::NOT_FOUND, r#"{"error":"no such path; the sandbox serves /api/v1/… and /hecone/…"}"#)
}

fn faulty(server: &Server, path: &str, fault: Fault) -> Response {
    const PAGE: &str = "<html><head><title>Sorry</title></head><body>We will be back soon.</body></html>";
    let html = |status: u16| {
        let mut response = Response::new(Body::from(PAGE));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        response
    };
    match fault {
        Fault::Status { status, retry_after } => {
            let mut response = html(status);
            if let Some(value) = retry_after.and_then(|text| HeaderValue::from_str(&text).ok()) {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
            response
        }
        Fault::Html => html(200),
        Fault::Json { status, text } => json(StatusCode::from_u16(status).unwrap_or(StatusCode::OK), text),
        Fault::Forgotten => {
            server.tokens.lock().unwrap_or_else(PoisonError::into_inner).clear();
            if path.contains("/api/v1/") {
                return alexela::refuse(StatusCode::UNAUTHORIZED, "Unauthorized").answer();
            }
            json(StatusCode::UNAUTHORIZED, r#"{"error":{"status":401,"message":"a valid bearer token is required"}}"#)
        }
        // Not in place of an answer: these never come here.
        Fault::Latency(_) | Fault::Clock(_) | Fault::Rows(_) => html(500),
    }
}
