//! The operations as they go over the wire.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{
    Method, Request, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    config::{HecOne, UpdateMethod},
    domain::{SourceKind, Window},
    http::{Call, HttpError},
    source::time::wire,
};

/// What a path or a query may hold as it is; brackets are percent-encoded.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The parameter of a page's place.
pub(super) const OFFSET: &str = "page[offset]";
/// The parameters of the stretch.
pub(super) const BETWEEN: [&str; 2] = ["start_date", "end_date"];
const ID: &str = "{transaction_id}";

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operation<'a> {
    /// One page of a stretch, by its place; so many rows at most.
    Page { window: Window, offset: u64, limit: u32 },
    /// The page that the vendor says comes next. Its host has been looked at.
    Next(&'a Url),
    /// One transaction.
    One(&'a str),
    /// The vendor's totals.
    Statistics(Window),
    /// A new transaction: its body.
    Create(&'a str),
    /// A change of a transaction: its id, the body.
    Update(&'a str, &'a str),
}

/// An operation, ready to be sent with any token.
pub(super) struct Prepared<'a> {
    pub(super) call: Call<'a>,
    pub(super) url: Url,
    method: Method,
    body: Option<&'a str>,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(config: &'a HecOne, operation: Operation<'a>) -> Result<Self, HttpError> {
        let (method, path, body) = match operation {
            Operation::Page { .. } | Operation::Next(_) => (Method::GET, &config.transactions_path, None),
            Operation::One(_) => (Method::GET, &config.transaction_path, None),
            Operation::Statistics(_) => (Method::GET, &config.statistics_path, None),
            Operation::Create(body) => (Method::POST, &config.transactions_path, Some(body)),
            Operation::Update(_, body) => (verb(config.update_method), &config.transaction_path, Some(body)),
        };
        let url = match operation {
            Operation::Next(url) => url.clone(),
            Operation::Page { window, offset, limit } => {
                let mut query = between(window);
                query.push(("sort", "created_at".to_owned()));
                query.push((OFFSET, offset.to_string()));
                query.push(("page[limit]", limit.to_string()));
                query.extend(config.mandator_id.clone().map(|id| ("mandator_id", id)));
                query.extend(config.filter.as_ref().map(|(name, json)| (name.as_str(), json.clone())));
                url(config, path, &query)?
            }
            Operation::Statistics(window) => {
                let mandator = config.mandator_id.clone().ok_or_else(no_mandator)?;
                let mut query = vec![("mandator_id", mandator)];
                query.extend(between(window));
                query.extend(config.filter.as_ref().map(|(name, json)| (name.as_str(), json.clone())));
                url(config, path, &query)?
            }
            Operation::One(id) | Operation::Update(id, _) => {
                url(config, &path.replace(ID, &utf8_percent_encode(id, PLAIN).to_string()), &[])?
            }
            Operation::Create(_) => url(config, path, &[])?,
        };
        let name = match method {
            Method::GET => "GET",
            Method::POST => "POST",
            Method::PUT => "PUT",
            _ => "PATCH",
        };
        let call =
            Call { source: SourceKind::HecOne, method: name, path, harmless: body.is_none(), secret_body: false };
        Ok(Self { call, url, method, body })
    }

    /// The request, with this token.
    pub(super) fn with(&self, token: &SecretString) -> Result<Request, HttpError> {
        let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()));
        let mut bearer = bearer.map_err(|_| unsendable("the token that the login gave"))?;
        bearer.set_sensitive(true);
        let mut request = Request::new(self.method.clone(), self.url.clone());
        request.headers_mut().insert(ACCEPT, JSON);
        request.headers_mut().insert(AUTHORIZATION, bearer);
        if let Some(body) = self.body {
            request.headers_mut().insert(CONTENT_TYPE, JSON);
            *request.body_mut() = Some(body.to_owned().into());
        }
        Ok(request)
    }
}

/// A POST of a JSON body without a token: login and refresh.
pub(super) fn post(config: &HecOne, path: &str, body: &serde_json::Value) -> Result<Request, HttpError> {
    let mut request = Request::new(Method::POST, url(config, path, &[])?);
    request.headers_mut().insert(ACCEPT, JSON);
    request.headers_mut().insert(CONTENT_TYPE, JSON);
    *request.body_mut() = Some(body.to_string().into());
    Ok(request)
}

fn between(window: Window) -> Vec<(&'static str, String)> {
    BETWEEN.into_iter().zip([wire(window.start()), wire(window.end())]).collect()
}

const fn verb(method: UpdateMethod) -> Method {
    match method {
        UpdateMethod::Patch => Method::PATCH,
        UpdateMethod::Put => Method::PUT,
        UpdateMethod::Post => Method::POST,
    }
}

fn url(config: &HecOne, path: &str, query: &[(&str, String)]) -> Result<Url, HttpError> {
    let mut text = format!("{}{path}", config.base_url.as_str().trim_end_matches('/'));
    for (at, (key, value)) in query.iter().enumerate() {
        text.push(if at == 0 { '?' } else { '&' });
        text.extend(utf8_percent_encode(key, PLAIN));
        text.push('=');
        text.extend(utf8_percent_encode(value, PLAIN));
    }
    Url::parse(&text).map_err(|_| unsendable("base_url"))
}

fn no_mandator() -> HttpError {
    HttpError::Request("statistics need mandator_id, which is not set".to_owned())
}

fn unsendable(what: &str) -> HttpError {
    HttpError::Request(format!("{what} cannot be sent"))
}
