//! `HecOne` 360 as published: log in, list, one transaction, statistics, create, update.

pub(crate) mod auth;
pub(crate) mod facts;
pub(crate) mod filter;
pub(crate) mod list;
pub(crate) mod rows;
pub(crate) mod state;
pub(crate) mod write;

use axum::{
    http::{HeaderValue, Method, StatusCode, header},
    response::Response,
};
use uuid::Uuid;

use super::{
    dirt::quoted,
    row::object,
    server::{Call, Server, json},
};

/// Why a request is not answered.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    text: String,
}

/// A refusal with its text.
pub(crate) fn refuse(status: StatusCode, text: impl Into<String>) -> Refusal {
    Refusal { status, text: text.into() }
}

/// A refusal of what was asked.
pub(crate) fn bad(text: impl Into<String>) -> Refusal {
    refuse(StatusCode::BAD_REQUEST, text)
}

/// A parameter that must be a UUID.
pub(crate) fn uuid(name: &str, text: &str) -> Result<Uuid, Refusal> {
    Uuid::parse_str(text).map_err(|_| bad(format!("{name} must be a uuid")))
}

/// An answer: status and JSON.
pub(crate) type Answer = Result<(StatusCode, String), Refusal>;

/// Answers one request under `/hecone/`.
pub(crate) fn handle(server: &Server, call: &Call, path: &str) -> Response {
    let answer = if path == "login" {
        if call.method == Method::POST { auth::login(server, call) } else { Err(method()) }
    } else {
        auth::check(server, call).and_then(|()| transactions(server, call, path))
    };
    match answer {
        Ok((status, text)) => json(status, text),
        Err(Refusal { status, text }) => {
            let (code, text) = (status.as_u16().to_string(), quoted(&text));
            let error = object([("status", code.as_str()), ("message", &text)]);
            let mut response = json(status, object([("error", error.as_str())]));
            if status == StatusCode::UNAUTHORIZED {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            response
        }
    }
}

fn method() -> Refusal {
    refuse(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
}

fn transactions(server: &Server, call: &Call, path: &str) -> Answer {
    let is_update = call.method.as_str() == server.options.hecone.update_method;
    match path.split('/').collect::<Vec<_>>()[..] {
        ["transactions"] if call.method == Method::GET => list::list(server, call),
        ["transactions"] if call.method == Method::POST => write::create(server, call),
        ["transactions", "statistics"] if call.method == Method::GET => list::statistics(server, call),
        ["transactions", id] if call.method == Method::GET => list::one(server, call, uuid("transaction_id", id)?),
        ["transactions", id] if is_update => write::update(server, call, uuid("transaction_id", id)?),
        ["transactions"] | ["transactions", _] => Err(method()),
        _ => Err(refuse(StatusCode::NOT_FOUND, "no such resource")),
    }
}

/// The document around data.
pub(crate) fn document(links: &str, meta: &str, data: &str) -> String {
    object([("_links", links), ("meta", meta), ("data", data)])
}

#[cfg(test)]
mod tests;
