//! Requests of one account with its token, renewed once when it is refused.

use super::{
    auth::Auth,
    wire::{Operation, Prepared},
};
use crate::{
    config::HecOne,
    http::{Body, HttpError, Link, Transport},
    source::SourceError,
};

/// One account's client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) config: HecOne,
    pub(super) link: Link,
    auth: Auth,
}

impl Client {
    pub(super) fn new(config: HecOne, transport: Transport) -> Self {
        let link = Link::new(transport, config.requests_per_second);
        Self { config, link, auth: Auth::default() }
    }

    /// Logs in unless there is a token already.
    pub(super) async fn log_in(&self) -> Result<(), SourceError> {
        self.auth.token(&self.config, &self.link).await.map(|_| ())
    }

    /// Makes one exchange of which every denial is an error.
    pub(super) async fn ask<T, F>(
        &self,
        operation: Operation<'_>,
        consume: impl FnMut(Body) -> F,
    ) -> Result<T, SourceError>
    where
        F: Future<Output = Result<T, HttpError>>,
    {
        let prepared = Prepared::new(&self.config, operation)?;
        let path = prepared.call.path;
        self.send(&prepared, consume).await?.map_err(|error| denied(error, path))
    }

    /// Makes one exchange; none when what was asked for does not exist.
    pub(super) async fn find<T, F>(
        &self,
        operation: Operation<'_>,
        consume: impl FnMut(Body) -> F,
    ) -> Result<Option<T>, SourceError>
    where
        F: Future<Output = Result<T, HttpError>>,
    {
        let prepared = Prepared::new(&self.config, operation)?;
        match self.send(&prepared, consume).await? {
            Ok(found) => Ok(Some(found)),
            Err(HttpError::Status { status: 404 | 410, .. }) => Ok(None),
            Err(error) => Err(denied(error, prepared.call.path)),
        }
    }

    /// The inner error is what the exchange came to with a token that was not refused.
    async fn send<T, F>(
        &self,
        prepared: &Prepared<'_>,
        mut consume: impl FnMut(Body) -> F,
    ) -> Result<Result<T, HttpError>, SourceError>
    where
        F: Future<Output = Result<T, HttpError>>,
    {
        let token = self.auth.token(&self.config, &self.link).await?;
        let first = self.link.call(prepared.call, |_| prepared.with(&token.text), &mut consume).await;
        if !first.as_ref().is_err_and(|error| error.status() == Some(401)) {
            return Ok(first);
        }
        let token = self.auth.instead_of(&token, &self.config, &self.link).await?;
        match self.link.call(prepared.call, |_| prepared.with(&token.text), &mut consume).await {
            Err(error) if error.status() == Some(401) => {
                Err(self.auth.refuse(&self.link, format!("{error}, with a token just issued")).await)
            }
            second => Ok(second),
        }
    }
}

/// What an error status to a request with a good token means.
fn denied(error: HttpError, path: &str) -> SourceError {
    match &error {
        HttpError::Status { status: 403, .. } => {
            SourceError::Refused(format!("{error} to {path}: the login is good, but may not see this"))
        }
        HttpError::Status { status: 404 | 405, .. } => {
            SourceError::Rejected(format!("{error} to {path}; check base_url and the paths of this account"))
        }
        HttpError::Status { status: 400..=407 | 409..=424 | 426..=428 | 430..=499, .. } => {
            SourceError::Rejected(format!("{error} to {path}"))
        }
        HttpError::Status { .. }
        | HttpError::Request(_)
        | HttpError::Connect(_)
        | HttpError::Timeout(_)
        | HttpError::Broken(_)
        | HttpError::TooLarge(_)
        | HttpError::Excessive(_)
        | HttpError::Malformed(_) => SourceError::Http(error),
    }
}
