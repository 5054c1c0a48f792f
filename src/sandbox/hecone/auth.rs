//! `HecOne`'s log-in and tokens.

use std::sync::PoisonError;

use axum::http::StatusCode;
use chrono::TimeDelta;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use uuid::Uuid;

use super::{Answer, Refusal, bad, refuse};
use crate::sandbox::{
    dirt::quoted,
    row::object,
    server::{Call, Server},
};

/// `POST /login`.
pub(crate) fn login(server: &Server, call: &Call) -> Answer {
    let options = &server.options.hecone;
    let body: Value = serde_json::from_slice(&call.body).map_err(|_| bad("the body is not JSON"))?;
    let field = |name: &str| body[name].as_str().ok_or_else(|| bad(format!("{name} is required")));
    let (id, secret) = (field("client_id")?, field("client_secret")?);
    if id != options.client_id || secret != options.client_secret.expose_secret() {
        return Err(refuse(StatusCode::UNAUTHORIZED, "invalid credentials"));
    }
    let random = || Uuid::new_v4().simple().to_string();
    let (access, refresh) = (format!("{}.{}.{}", random(), random(), random()), random());
    let until = call.now + TimeDelta::seconds(i64::from(options.expires_in));
    let mut tokens = server.tokens.lock().unwrap_or_else(PoisonError::into_inner);
    tokens.retain(|_, until| *until > call.now);
    tokens.insert(access.clone(), until);
    let (access, refresh, expires_in) = (quoted(&access), quoted(&refresh), options.expires_in.to_string());
    Ok((
        StatusCode::OK,
        object([
            ("access_token", access.as_str()),
            ("expires_in", &expires_in),
            ("token_type", "\"Bearer\""),
            ("refresh_token", &refresh),
        ]),
    ))
}

/// Whether the bearer token is good.
pub(crate) fn check(server: &Server, call: &Call) -> Result<(), Refusal> {
    let token = call.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let tokens = server.tokens.lock().unwrap_or_else(PoisonError::into_inner);
    match token.and_then(|token| tokens.get(token)) {
        Some(until) if call.now < *until => Ok(()),
        Some(_) => Err(refuse(StatusCode::UNAUTHORIZED, "the token has expired")),
        None => Err(refuse(StatusCode::UNAUTHORIZED, "a valid bearer token is required")),
    }
}
