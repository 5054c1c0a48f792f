//! The five operations as they go over the wire.

use chrono::{DateTime, SecondsFormat, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{
    Method, Request, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderName, HeaderValue},
};
use serde::Serialize;

use super::sign::{self, Signer};
use crate::{
    config::{Alexela, AlexelaMethod, DateFormat},
    domain::{SourceKind, Window},
    http::{Attempt, Call, HttpError},
};

/// What a query may hold as it is. A comma stays a comma: it is signed as it is sent.
const QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b',').remove(b':');

const CRM_ACCOUNT_ID: &str = "crm_account_id";

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operation<'a> {
    ContractNumbers,
    /// One contract, so that it is known whose every row is.
    ContractTransactions(&'a str, Window),
    BonuscardTransactions(Window),
    EvTransactions(Window),
    DefineBonuscards {
        regular: &'a [String],
        premium: &'a [String],
    },
}

impl Operation<'_> {
    /// Its name in the API.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ContractNumbers => "ContractNumbers",
            Self::ContractTransactions(..) => "ContractTransactions",
            Self::BonuscardTransactions(_) => "GetBonuscardTransactions",
            Self::EvTransactions(_) => "EvTransactions",
            Self::DefineBonuscards { .. } => "DefineBonuscards",
        }
    }

    /// The interface that it counts for: of those that the account reads the first, where it does not read this one.
    fn source(self, read: &[SourceKind]) -> SourceKind {
        let source = match self {
            Self::ContractNumbers | Self::ContractTransactions(..) => SourceKind::AlexelaCard,
            Self::BonuscardTransactions(_) | Self::DefineBonuscards { .. } => SourceKind::AlexelaBonus,
            Self::EvTransactions(_) => SourceKind::AlexelaEv,
        };
        if read.contains(&source) { source } else { read.first().copied().unwrap_or(source) }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TransactionsBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    contract_numbers: Option<[&'a str; 1]>,
    from_date: String,
    to_date: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DefineBody<'a> {
    bonuscards: &'a [String],
    premium_bonuscards: &'a [String],
}

/// An operation as bytes: the URL and the body are written once; what is signed is what is sent.
pub(super) struct Prepared {
    pub(super) call: Call<'static>,
    method: Method,
    url: Url,
    body: String,
    crm_account_id: Option<HeaderValue>,
}

impl Prepared {
    pub(super) fn new(config: &Alexela, operation: Operation<'_>) -> Result<Self, HttpError> {
        let date = |at| date(config.date_format, at);
        let body = |body: &TransactionsBody<'_>| serde_json::to_string(body).map_err(|_| unsendable("its body"));
        let by_body = |contract: Option<&str>, window: Window| {
            body(&TransactionsBody {
                contract_numbers: contract.map(|contract| [contract]),
                from_date: date(window.start()),
                to_date: date(window.end()),
            })
        };
        let by_query = |window: Window| vec![("fromDate", date(window.start())), ("toDate", date(window.end()))];
        let (method, mut query, body) = match operation {
            Operation::ContractNumbers => (Method::GET, vec![], String::new()),
            Operation::ContractTransactions(contract, window) => match config.method {
                AlexelaMethod::Post => (Method::POST, vec![], by_body(Some(contract), window)?),
                AlexelaMethod::Get => {
                    let mut query = vec![("contractNumbers", contract.to_owned())];
                    query.extend(by_query(window));
                    (Method::GET, query, String::new())
                }
            },
            Operation::BonuscardTransactions(window) => (Method::POST, vec![], by_body(None, window)?),
            Operation::EvTransactions(window) => (Method::GET, by_query(window), String::new()),
            Operation::DefineBonuscards { regular, premium } => {
                let body = DefineBody { bonuscards: regular, premium_bonuscards: premium };
                (Method::POST, vec![], serde_json::to_string(&body).map_err(|_| unsendable("its body"))?)
            }
        };
        query.extend(config.crm_account_id.clone().map(|id| (CRM_ACCOUNT_ID, id)));
        let crm_account_id = config.crm_account_id.as_deref().map(HeaderValue::from_str).transpose();
        let name = match method {
            Method::GET => "GET",
            _ => "POST",
        };
        // All of them may be asked twice: four only read, and the definition of a group says the same again.
        let call = Call {
            source: operation.source(&config.sources),
            method: name,
            path: operation.name(),
            harmless: true,
            secret_body: false,
        };
        Ok(Self {
            call,
            method,
            url: url(&config.base_url, operation.name(), &query)?,
            body,
            crm_account_id: crm_account_id.map_err(|_| unsendable(CRM_ACCOUNT_ID))?,
        })
    }

    /// The request, dated and signed for one attempt.
    pub(super) fn sign(&self, signer: &Signer, attempt: Attempt) -> Result<Request, HttpError> {
        let sent = match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().to_owned(),
        };
        let date = httpdate::fmt_http_date(attempt.at.into());
        let canonical = sign::canonical(self.body.as_bytes(), sign::request_uri(&sent), &date);
        let authorization = signer.authorization(&canonical).ok_or_else(|| unsendable("its signature"))?;
        let mut authorization = HeaderValue::try_from(authorization).map_err(|_| unsendable("access_id"))?;
        authorization.set_sensitive(true);

        let mut request = Request::new(self.method.clone(), self.url.clone());
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(sign::CONTENT_TYPE));
        headers.insert(ACCEPT, HeaderValue::from_static(sign::CONTENT_TYPE));
        headers.insert(DATE, HeaderValue::try_from(date).map_err(|_| unsendable("its date"))?);
        headers.insert(AUTHORIZATION, authorization);
        if let Some(id) = &self.crm_account_id {
            headers.insert(HeaderName::from_static(CRM_ACCOUNT_ID), id.clone());
        }
        if !self.body.is_empty() {
            *request.body_mut() = Some(self.body.clone().into());
        }
        Ok(request)
    }
}

fn url(base: &Url, name: &str, query: &[(&str, String)]) -> Result<Url, HttpError> {
    let mut text = format!("{}/{name}", base.as_str().trim_end_matches('/'));
    for (at, (key, value)) in query.iter().enumerate() {
        text.push(if at == 0 { '?' } else { '&' });
        text.push_str(key);
        text.push('=');
        text.extend(utf8_percent_encode(value, QUERY));
    }
    Url::parse(&text).map_err(|_| unsendable("base_url"))
}

fn date(format: DateFormat, at: DateTime<Utc>) -> String {
    match format {
        DateFormat::Date => at.format("%Y-%m-%d").to_string(),
        DateFormat::DateTime => at.to_rfc3339_opts(SecondsFormat::Secs, true),
    }
}

fn unsendable(what: &str) -> HttpError {
    HttpError::Request(format!("{what} cannot be sent"))
}
