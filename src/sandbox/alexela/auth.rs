//! Alexela's signature: HMAC-SHA256 over content type, MD5, request URI and date, good for five minutes.

use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use secrecy::ExposeSecret as _;
use sha2::Sha256;

use super::{Refusal, refuse};
use crate::sandbox::{options::AlexelaOptions, server::Call};

const SCHEME: &str = "APIAuth-HMAC-SHA256 ";
const LIFETIME: TimeDelta = TimeDelta::minutes(5);

/// What is signed.
fn canonical(call: &Call, date: &str) -> String {
    let md5 = if call.body.is_empty() {
        String::new()
    } else {
        Md5::digest(&call.body).iter().fold(String::with_capacity(32), |mut hex, byte| {
            use std::fmt::Write as _;
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    };
    let path = call.path.find("/api/").map_or(call.path.as_str(), |at| &call.path[at..]);
    let uri = call.query.as_deref().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    format!("application/json,{md5},{uri},{date}")
}

/// Whether a request may be answered: its date, its signature, its content type, its account.
pub(crate) fn check(options: &AlexelaOptions, call: &Call) -> Result<(), Refusal> {
    let denied = |why: &str| refuse(StatusCode::UNAUTHORIZED, why);
    let date = call.header("date").ok_or_else(|| denied("Date header is missing"))?;
    let sent = httpdate::parse_http_date(date).map_err(|_| denied("Date header is not an HTTP date"))?;
    if (call.now - DateTime::<Utc>::from(sent)).abs() > LIFETIME {
        return Err(denied("Signature has expired"));
    }
    let (id, signature) = call
        .header("authorization")
        .and_then(|value| value.strip_prefix(SCHEME))
        .and_then(|value| value.split_once(':'))
        .ok_or_else(|| denied("Authorization header is missing or malformed"))?;
    let invalid = || denied("Invalid signature");
    let signature = STANDARD.decode(signature).map_err(|_| invalid())?;
    let mut mac = Hmac::<Sha256>::new_from_slice(options.psk.expose_secret().as_bytes()).map_err(|_| invalid())?;
    mac.update(canonical(call, date).as_bytes());
    if id != options.access_id || mac.verify_slice(&signature).is_err() {
        return Err(invalid());
    }
    let content_type = call.header("content-type").unwrap_or_default();
    if content_type.split(';').next().map(str::trim) != Some("application/json") {
        return Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json"));
    }
    let account = call.pairs().into_iter().find(|(name, _)| name == "crm_account_id").map(|(_, value)| value);
    if account.is_some() && account.as_deref() != call.header("crm_account_id") {
        return Err(denied("crm_account_id header does not match the query"));
    }
    Ok(())
}
