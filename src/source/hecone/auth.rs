//! The token of one account: got by login, renewed in time, one renewal at a time, a refusal remembered.

use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::wire;
use crate::{
    config::HecOne,
    domain::SourceKind,
    http::{Body, Call, HttpError, Link},
    source::SourceError,
};

/// How long a refusal of the credentials stands in for asking again: a vendor that counts failed logins should not
/// count each request of each stream.
const REFUSED_FOR: Duration = Duration::from_mins(1);
/// How long a token is taken to live that does not say so.
const UNSAID: Duration = Duration::from_mins(5);
/// No token is believed to live longer than this.
const LONGEST: Duration = Duration::from_hours(24 * 30);
/// The largest answer to a login.
const SMALL: usize = 64 * 1024;

/// A token in use, and which of the account's tokens it is.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) text: SecretString,
    pub(super) number: u64,
}

/// The account's token.
#[derive(Debug, Default)]
pub(super) struct Auth {
    /// Held while a login is under way, so that the requests that wait for it make none of their own.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    held: Option<Held>,
    issued: u64,
    refused: Option<(Instant, String)>,
}

#[derive(Debug)]
struct Held {
    token: Token,
    refresh: Option<SecretString>,
    renew_at: Instant,
    ends_at: Instant,
}

/// What a login gave.
struct Issued {
    access_token: SecretString,
    refresh_token: Option<SecretString>,
    lives: Duration,
}

impl Auth {
    /// A token that is good for now.
    pub(super) async fn token(&self, config: &HecOne, link: &Link) -> Result<Token, SourceError> {
        let mut state = self.state.lock().await;
        let now = link.clock().monotonic();
        let spare = match &state.held {
            Some(held) if now < held.renew_at => return Ok(held.token.clone()),
            Some(held) if now < held.ends_at => Some(held.token.clone()),
            Some(_) | None => None,
        };
        match (state.renew(config, link).await, spare) {
            // The login does not answer, but the old token still lives.
            (Err(SourceError::Http(error)), Some(spare)) => {
                tracing::warn!(account = config.name, %error, "the token could not be renewed yet; the old one is used");
                Ok(spare)
            }
            (renewed, _) => renewed,
        }
    }

    /// Another token than the one that was refused; none is asked for if there is a newer one already.
    pub(super) async fn instead_of(&self, refused: &Token, config: &HecOne, link: &Link) -> Result<Token, SourceError> {
        let mut state = self.state.lock().await;
        match &state.held {
            Some(held) if held.token.number != refused.number => Ok(held.token.clone()),
            Some(_) | None => {
                let renewed = state.renew(config, link).await;
                if renewed.is_err() {
                    state.held = None;
                }
                renewed
            }
        }
    }

    /// A token that was just issued is refused as well: the account is, for a while.
    pub(super) async fn refuse(&self, link: &Link, seen: String) -> SourceError {
        let mut state = self.state.lock().await;
        state.held = None;
        state.refuse(link, seen)
    }
}

impl State {
    async fn renew(&mut self, config: &HecOne, link: &Link) -> Result<Token, SourceError> {
        let now = link.clock().monotonic();
        if let Some((at, seen)) = &self.refused
            && now.saturating_duration_since(*at) < REFUSED_FOR
        {
            return Err(SourceError::Refused(seen.clone()));
        }
        self.refused = None;
        let issued = match self.refresh(config, link).await {
            Some(issued) => issued,
            None => match login(config, link).await {
                Ok(issued) => issued,
                Err(SourceError::Refused(seen)) => return Err(self.refuse(link, seen)),
                Err(error) => return Err(error),
            },
        };
        self.issued += 1;
        let token = Token { text: issued.access_token, number: self.issued };
        self.held = Some(Held {
            token: token.clone(),
            refresh: issued.refresh_token,
            // Counted from before the login was sent: never later than the server's own count.
            renew_at: now + issued.lives * 4 / 5,
            ends_at: now + issued.lives,
        });
        tracing::debug!(account = config.name, lives_s = issued.lives.as_secs(), "logged in");
        Ok(token)
    }

    /// By the refresh token, where the server is said to have a path for it; whatever goes wrong, there is the login.
    async fn refresh(&self, config: &HecOne, link: &Link) -> Option<Issued> {
        let (path, token) = (config.refresh_path.as_deref()?, self.held.as_ref()?.refresh.as_ref()?);
        let body = json!({ "refresh_token": token.expose_secret() });
        exchange(config, link, path, &body).await.ok()
    }

    fn refuse(&mut self, link: &Link, seen: String) -> SourceError {
        self.refused = Some((link.clock().monotonic(), seen.clone()));
        SourceError::Refused(seen)
    }
}

async fn login(config: &HecOne, link: &Link) -> Result<Issued, SourceError> {
    let body = json!({ "client_id": config.client_id, "client_secret": config.client_secret.expose_secret() });
    exchange(config, link, &config.login_path, &body).await.map_err(|error| match &error {
        HttpError::Status { status: 400 | 401 | 403, .. } => SourceError::Refused(format!("{error} to the login")),
        HttpError::Status { status: 404 | 405, .. } => {
            SourceError::Rejected(format!("{error} to the login; check base_url and login_path"))
        }
        HttpError::Status { .. }
        | HttpError::Request(_)
        | HttpError::Connect(_)
        | HttpError::Timeout(_)
        | HttpError::Broken(_)
        | HttpError::TooLarge(_)
        | HttpError::Excessive(_)
        | HttpError::Malformed(_) => SourceError::Http(error),
    })
}

async fn exchange(config: &HecOne, link: &Link, path: &str, body: &Value) -> Result<Issued, HttpError> {
    // Logging in twice does no harm: the second token counts.
    let call = Call { source: SourceKind::HecOne, method: "POST", path, harmless: true, secret_body: true };
    link.call(call, |_| wire::post(config, path, body), issued).await
}

async fn issued(body: Body) -> Result<Issued, HttpError> {
    let answer: Value = body.json(SMALL).await?;
    let text = |name: &str| match &answer[name] {
        Value::String(text) if !text.is_empty() => Some(SecretString::from(text.as_str())),
        _ => None,
    };
    let access_token =
        text("access_token").ok_or_else(|| HttpError::Malformed("the login gave no access_token".to_owned()))?;
    let seconds = match &answer["expires_in"] {
        Value::Number(number) => number.to_string().split('.').next().and_then(|whole| whole.parse::<i64>().ok()),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let lives = seconds.map_or(UNSAID, |seconds| Duration::from_secs(seconds.max(0).unsigned_abs()));
    Ok(Issued { access_token, refresh_token: text("refresh_token"), lives: lives.min(LONGEST) })
}
