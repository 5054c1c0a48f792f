//! What the fuzz targets ask of Alexela's answers and requests.

use axum::http::{HeaderMap, Method};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    client::{Reply, unwrap_list},
    sign::Signer,
    wire::{Operation, Prepared},
};
use crate::{
    config::Alexela,
    domain::Window,
    http::{Attempt, HttpError, Rest},
    sandbox::{alexela::auth, options::AlexelaOptions, server::Call},
};

/// Whether the rows of an answer count: false when the vendor denies it.
pub fn counts(rest: &Rest) -> Result<bool, HttpError> {
    Ok(match unwrap_list(rest)? {
        Reply::Given(()) => true,
        Reply::Denied(_) => false,
    })
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a> {
    /// `ContractNumbers`
    ContractNumbers,
    /// `ContractTransactions` of one contract
    Contract(&'a str, Window),
    /// `GetBonuscardTransactions`
    Bonus(Window),
    /// `EvTransactions`
    Charging(Window),
    /// `DefineBonuscards`: regular and premium ones
    Define(&'a [String], &'a [String]),
}

/// A request as it goes over the wire.
#[derive(Debug)]
pub struct Sent {
    /// The verb.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The query, without the question mark.
    pub query: Option<String>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; empty without one.
    pub body: Bytes,
}

/// The signed request for what is asked.
pub fn request(config: &Alexela, asked: Asked<'_>, at: DateTime<Utc>) -> Result<Sent, HttpError> {
    let operation = match asked {
        Asked::ContractNumbers => Operation::ContractNumbers,
        Asked::Contract(contract, window) => Operation::ContractTransactions(contract, window),
        Asked::Bonus(window) => Operation::BonuscardTransactions(window),
        Asked::Charging(window) => Operation::EvTransactions(window),
        Asked::Define(regular, premium) => Operation::DefineBonuscards { regular, premium },
    };
    let signer = Signer::new(&config.access_id, &config.psk);
    let attempt = Attempt { at, offset: TimeDelta::zero(), number: 0 };
    let request = Prepared::new(config, operation)?.sign(&signer, attempt)?;
    let body = request.body().and_then(reqwest::Body::as_bytes).map(Bytes::copy_from_slice).unwrap_or_default();
    Ok(Sent {
        method: request.method().clone(),
        path: request.url().path().to_owned(),
        query: request.url().query().map(str::to_owned),
        headers: request.headers().clone(),
        body,
    })
}

/// Whether the sandbox's server, which reads what was sent and computes the signature for itself, takes a request.
pub fn server_accepts(config: &Alexela, sent: &Sent, now: DateTime<Utc>) -> bool {
    let options =
        AlexelaOptions { access_id: config.access_id.clone(), psk: config.psk.clone(), ..AlexelaOptions::default() };
    let call = Call {
        method: sent.method.clone(),
        path: sent.path.clone(),
        query: sent.query.clone(),
        headers: sent.headers.clone(),
        body: sent.body.clone(),
        now,
        rows: None,
    };
    auth::check(&options, &call).is_ok()
}
