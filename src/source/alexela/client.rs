//! Signed requests of one account: the clock corrected, a refusal remembered, answers unwrapped.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use serde_json::Value;

use super::{
    sign::Signer,
    verdict::{self, Verdict},
    wire::{Operation, Prepared},
};
use crate::{
    config::Alexela,
    failpoint::{Bug, planted},
    http::{Attempt, Body, HttpError, Link, Records, Rest, Transport, said_in, scrub},
    source::SourceError,
};

/// A difference of clocks that a signature's five minutes bear well.
pub(super) const TOLERABLE_SKEW: TimeDelta = TimeDelta::seconds(60);

/// How long a refusal of the credentials stands in for asking again: the streams of an account run side by side, and a
/// vendor that counts failed logins should not count each of them.
const REFUSED_FOR: Duration = Duration::from_mins(1);

/// The largest answer that is no list.
const SMALL: usize = 64 * 1024;

/// One account's client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) config: Alexela,
    pub(super) link: Link,
    signer: Signer,
    refused: Mutex<Option<(Instant, String)>>,
}

/// How the body of an answer with status 200 read.
#[derive(Debug)]
pub(super) enum Reply<T> {
    /// What was asked for.
    Given(T),
    /// `success: false`, and why.
    Denied(Option<String>),
}

/// What an exchange came to.
#[derive(Debug)]
pub(super) enum Answer<T> {
    /// What was asked for.
    Given(T),
    /// The vendor understood and does not give it.
    Denied(Verdict),
}

/// What was done about the time after a 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Correction {
    /// Its date showed a difference that the signature did not have.
    Learnt,
    /// The signature had a correction, and it did not help: without it, then.
    Dropped,
}

impl Client {
    pub(super) fn new(config: Alexela, transport: Transport) -> Self {
        let link = Link::new(transport, config.requests_per_second);
        let signer = Signer::new(&config.access_id, &config.psk);
        Self { config, link, signer, refused: Mutex::default() }
    }

    /// The contracts that this account may see, in the vendor's order, each once.
    pub(super) async fn contract_numbers(&self) -> Result<Vec<String>, SourceError> {
        self.ask(Operation::ContractNumbers, contracts).await
    }

    /// Puts bonus cards into the two groups of drivers.
    pub(super) async fn define_bonuscards(&self, regular: &[String], premium: &[String]) -> Result<(), SourceError> {
        self.ask(Operation::DefineBonuscards { regular, premium }, confirmation).await
    }

    /// Makes one exchange of which every denial is an error.
    pub(super) async fn ask<T, F>(
        &self,
        operation: Operation<'_>,
        consume: impl FnMut(Body) -> F,
    ) -> Result<T, SourceError>
    where
        F: Future<Output = Result<Reply<T>, HttpError>>,
    {
        match self.send(operation, consume).await? {
            Answer::Given(given) => Ok(given),
            Answer::Denied(verdict) => Err(verdict::error(operation, verdict)),
        }
    }

    /// Makes one exchange.
    pub(super) async fn send<T, F>(
        &self,
        operation: Operation<'_>,
        mut consume: impl FnMut(Body) -> F,
    ) -> Result<Answer<T>, SourceError>
    where
        F: Future<Output = Result<Reply<T>, HttpError>>,
    {
        self.not_refused()?;
        let prepared = Prepared::new(&self.config, operation)?;
        let mut used = TimeDelta::zero();
        let sign = |attempt: Attempt| prepared.sign(&self.signer, attempt);
        let sign_first = |attempt: Attempt| {
            used = attempt.offset;
            sign(attempt)
        };
        let mut result = self.link.call(prepared.call, sign_first, &mut consume).await;
        if result.as_ref().is_err_and(|error| error.status() == Some(401))
            && let Some(correction) = self.correct(used)
        {
            result = self.link.call(prepared.call, sign, &mut consume).await;
            if correction == Correction::Dropped && result.is_err() {
                self.link.trust_offset();
            }
        }
        let verdict = match result {
            Ok(Reply::Given(given)) => return Ok(Answer::Given(given)),
            Ok(Reply::Denied(said)) => verdict::judge(operation, None, said.as_deref())
                .unwrap_or_else(|| Verdict::Rejected(said.unwrap_or_default())),
            Err(error) => match &error {
                HttpError::Status { status, said, .. } => {
                    verdict::judge(operation, Some(*status), said.as_deref()).ok_or(error)?
                }
                HttpError::Request(_)
                | HttpError::Connect(_)
                | HttpError::Timeout(_)
                | HttpError::Broken(_)
                | HttpError::TooLarge(_)
                | HttpError::Excessive(_)
                | HttpError::Malformed(_) => return Err(error.into()),
            },
        };
        match verdict {
            Verdict::Refused(seen) => Err(self.refuse(seen)),
            verdict => Ok(Answer::Denied(verdict)),
        }
    }

    /// After a 401: puts right what may have been wrong about the time that the request was signed with. None when the
    /// time was not it.
    fn correct(&self, used: TimeDelta) -> Option<Correction> {
        if (self.link.offset() - used).abs() > TOLERABLE_SKEW {
            Some(Correction::Learnt)
        } else if used.abs() > TOLERABLE_SKEW {
            self.link.distrust_offset();
            Some(Correction::Dropped)
        } else {
            None
        }
    }

    fn refuse(&self, seen: String) -> SourceError {
        let now = self.link.clock().monotonic();
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, seen.clone()));
        SourceError::Refused(seen)
    }

    fn not_refused(&self) -> Result<(), SourceError> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.link.clock().monotonic();
        match &*refused {
            Some((at, seen)) if now.saturating_duration_since(*at) < REFUSED_FOR => {
                Err(SourceError::Refused(seen.clone()))
            }
            _ => {
                *refused = None;
                Ok(())
            }
        }
    }
}

/// What an answer that should hold a list came to: whether its rows count, or why not.
pub(super) fn unwrap_list(rest: &Rest) -> Result<Reply<()>, HttpError> {
    let success = rest.member("success");
    let said = || {
        ["error", "message"].iter().filter_map(|name| rest.member(name)).find_map(|value| {
            said_in(value.to_string().as_bytes()).or_else(|| value.as_str().map(scrub)).filter(|text| !text.is_empty())
        })
    };
    let denied = matches!(&success, Some(Value::Bool(false)))
        || matches!(&success, Some(Value::String(text)) if text.eq_ignore_ascii_case("false"));
    if denied {
        return Ok(Reply::Denied(said()));
    }
    if rest.listed || matches!(&success, Some(Value::Bool(true))) {
        return Ok(Reply::Given(()));
    }
    match said() {
        Some(said) => Ok(Reply::Denied(Some(said))),
        None => Err(HttpError::Malformed("it has no list".to_owned())),
    }
}

/// Contracts that are taken from the vendor's list: each is a stream of its own.
const CONTRACTS: usize = 10_000;
/// The longest contract number.
const LONGEST: usize = 100;

async fn contracts(body: Body) -> Result<Reply<Vec<String>>, HttpError> {
    let mut records = Records::of(body);
    let mut contracts: Vec<String> = Vec::new();
    let mut known = HashSet::new();
    while let Some(record) = records.next().await? {
        let number = match serde_json::from_str(&record) {
            Ok(Value::String(text)) => text.trim().to_owned(),
            Ok(Value::Number(_)) => record,
            Ok(_) | Err(_) => {
                return Err(HttpError::Malformed("a contract number in it is neither text nor number".to_owned()));
            }
        };
        // `-` is how the warehouse writes `no contract`.
        if number.len() > LONGEST {
            return Err(HttpError::Malformed("a contract number in it is longer than 100 bytes".to_owned()));
        }
        if !number.is_empty() && number != "-" && known.insert(number.clone()) {
            contracts.push(number);
        }
        if contracts.len() > CONTRACTS && !planted(Bug::NoLimits) {
            return Err(HttpError::Excessive(format!(
                "it lists more than {CONTRACTS} contracts; is base_url the right interface? If it is, name those to be \
                 read in `contracts`"
            )));
        }
    }
    Ok(match unwrap_list(&records.finish()?)? {
        Reply::Given(()) => Reply::Given(contracts),
        Reply::Denied(said) => Reply::Denied(said),
    })
}

/// `OK` in whatever form, unless it is an envelope that says otherwise.
async fn confirmation(body: Body) -> Result<Reply<()>, HttpError> {
    let text = body.bytes(SMALL).await?;
    Ok(match serde_json::from_slice::<Value>(&text) {
        Ok(answer) if answer.get("success") == Some(&Value::Bool(false)) => Reply::Denied(said_in(&text)),
        Ok(_) | Err(_) => Reply::Given(()),
    })
}
