//! One account's use of the transport, and one exchange over it, attempt by attempt.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{
    Request, Response,
    header::{AGE, DATE, HeaderMap},
};

use super::{
    Body, HttpError, Repeatable, Transport,
    error::in_short,
    limiter::Limiter,
    offset::{Offset, UNNOTICED},
    retry::{LONGEST_WAIT, backoff, retry_after},
    said::said_in,
    traffic::{Ended, Traffic},
};
use crate::{
    clock::Clock,
    domain::SourceKind,
    failpoint::{Bug, planted},
};

/// A change of the offset that an operator should see.
const NOTEWORTHY: TimeDelta = TimeDelta::seconds(60);

/// As much of an error's body is read.
const ERROR_BODY: usize = 64 * 1024;

/// What is asked, for the log and for the decision to ask again. Never a value: a path may hold an id, a query a card.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Which of the account's interfaces it counts for.
    pub source: SourceKind,
    /// The verb.
    pub method: &'a str,
    /// The path's template: `/transactions/{transaction_id}`, not the id.
    pub path: &'a str,
    /// Whether asking twice does no harm. A call that writes is repeated only when the vendor has certainly not acted.
    pub harmless: bool,
    /// Whether the body is a secret: a server may repeat it in an error, so of what that says nothing is kept.
    pub secret_body: bool,
}

/// One attempt at a call.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// The server's time now: what the date and the signature say.
    pub at: DateTime<Utc>,
    /// The correction that `at` holds.
    pub offset: TimeDelta,
    /// From 0.
    pub number: u32,
}

/// One account's use of the transport: its rate, and what is known of its server's clock.
#[derive(Debug)]
pub struct Link {
    transport: Transport,
    limiter: Limiter,
    offset: Mutex<Offset>,
    traffic: Traffic,
}

/// When a read began, by this machine, and the correction that was known then; none before the first answer.
#[derive(Debug, Clone, Copy)]
pub struct Begun {
    at: DateTime<Utc>,
    /// By a clock that does not step.
    since: Instant,
    before: Option<TimeDelta>,
    changes: u64,
}

/// Why an attempt failed, and whether the server had begun to answer.
struct Failure {
    error: HttpError,
    unanswered: bool,
}

impl Link {
    /// A link with a rate of its own.
    pub fn new(transport: Transport, requests_per_second: u32) -> Self {
        let limiter = Limiter::new(transport.clock.clone(), requests_per_second);
        Self { transport, limiter, offset: Mutex::default(), traffic: Traffic::default() }
    }

    /// The server's time: this machine's, corrected by what the answers showed.
    pub fn present(&self) -> DateTime<Utc> {
        self.transport.clock.now() + self.offset()
    }

    /// The clock that all times here come from.
    pub fn clock(&self) -> &dyn Clock {
        &*self.transport.clock
    }

    /// What was asked since the link was made.
    pub const fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The beginning of a read, of which [`placed`](Self::placed) says the server's time at its end.
    pub fn begin(&self) -> Begun {
        let (before, changes) = {
            let offset = self.clock_offset();
            (offset.seen().map(|_| offset.get()), offset.changes())
        };
        let clock = &self.transport.clock;
        Begun { at: clock.now(), since: clock.monotonic(), before, changes }
    }

    /// The server's time when a read began. If nothing was heard from the server before, it is what the read's own
    /// answers showed. Else a clock that stepped meanwhile, here or there, even there and back, makes several times of it:
    /// the earliest counts, since a watermark may stay behind what was read and must not pass it.
    pub fn placed(&self, begun: Begun) -> DateTime<Utc> {
        let offset = self.clock_offset();
        let known = begun.before.unwrap_or_else(|| offset.get());
        let placed = begun.at + offset.least_since(begun.changes).map_or(known, |least| least.min(known));
        // This machine's clock may have been wrong when it began, and right by each answer: no correction was needed.
        offset.at(begun.since).filter(|at| *at < placed - UNNOTICED).unwrap_or(placed)
    }

    /// Server minus machine, as far as it is believed.
    pub fn offset(&self) -> TimeDelta {
        self.clock_offset().get()
    }

    /// The last difference seen, believed or not; none before the first answer with a date.
    pub fn skew(&self) -> Option<TimeDelta> {
        self.clock_offset().seen()
    }

    /// The correction did not help: for ten minutes this machine's own time is used.
    pub fn distrust_offset(&self) {
        let now = self.transport.clock.monotonic();
        self.clock_offset().distrust(now);
    }

    /// Takes [`distrust_offset`](Self::distrust_offset) back: this machine's own time did not help either.
    pub fn trust_offset(&self) {
        self.clock_offset().trust();
    }

    fn clock_offset(&self) -> MutexGuard<'_, Offset> {
        self.offset.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes one exchange. `build` writes the request anew for every attempt; `consume` reads the body of an answer with
    /// a status of 200 to 299 to its end, and what it refuses (a body cut off) is an attempt failed like any other: the
    /// next attempt calls it again. Attempts that can help are made here, so an error is final for now.
    ///
    /// A 401 is not repeated: whether to correct the clock or renew a token first is the caller's to know. Its date
    /// has been taken into account by then (compare [`Attempt::offset`] with [`Link::offset`]).
    pub async fn call<T, F>(
        &self,
        call: Call<'_>,
        mut build: impl FnMut(Attempt) -> Result<Request, HttpError>,
        mut consume: impl FnMut(Body) -> F,
    ) -> Result<T, HttpError>
    where
        F: Future<Output = Result<T, HttpError>>,
    {
        let (mut number, mut failed, mut closed) = (0, 0, false);
        loop {
            let held = self.limiter.held_for();
            if held > LONGEST_WAIT {
                let said = Some("the server asked to wait longer; nothing is asked before that".to_owned());
                return Err(HttpError::Status { status: 429, retry_after: Some(held), said });
            }
            {
                let _waiting = self.traffic.wait(call.source, self.clock());
                self.limiter.wait().await;
            }
            if number > 0 {
                self.traffic.retried(call.source);
            }
            let failure = match self.attempt(call, number, &mut build, &mut consume).await {
                Ok(read) => return Ok(read),
                Err(failure) => failure,
            };
            number += 1;
            // The server closed an idle connection just when the request was sent: nobody's fault, and no reason to wait.
            if call.harmless && failure.unanswered && !closed && matches!(failure.error, HttpError::Broken(_)) {
                closed = true;
                continue;
            }
            let Some(wait) = self.wait_before_next(call, failed, &failure.error) else { return Err(failure.error) };
            failed += 1;
            tracing::info!(
                method = call.method,
                path = call.path,
                error = %failure.error,
                failed,
                wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                "request failed, trying again"
            );
            // What the vendor asked for is a wait for its rate; what is beyond it is ours.
            let asked = self.limiter.held_for().min(wait);
            {
                let _waiting = self.traffic.wait(call.source, self.clock());
                tokio::time::sleep(asked).await;
            }
            tokio::time::sleep(wait.saturating_sub(asked)).await;
        }
    }

    /// The server's lead over this machine in seconds, when it is too far to be believed and corrected.
    pub fn unbelievable_skew(&self) -> Option<i64> {
        self.skew().filter(|skew| skew.abs() > super::offset::BELIEVABLE).map(|skew| skew.num_seconds())
    }

    /// How long to wait before the next attempt; none when there is to be none.
    fn wait_before_next(&self, call: Call<'_>, failed: u32, error: &HttpError) -> Option<Duration> {
        let may = match error.repeatable() {
            Repeatable::Unsent => true,
            Repeatable::Harmless => call.harmless,
            Repeatable::Never => false,
        };
        let asked = match error {
            HttpError::Status { retry_after, .. } => *retry_after,
            HttpError::Request(_)
            | HttpError::Connect(_)
            | HttpError::Timeout(_)
            | HttpError::Broken(_)
            | HttpError::TooLarge(_)
            | HttpError::Excessive(_)
            | HttpError::Malformed(_) => None,
        };
        if !may {
            return None;
        }
        if let Some(asked) = asked {
            // It speaks for the account, not for this request alone.
            self.limiter.hold(asked);
            if asked > LONGEST_WAIT {
                return None;
            }
        }
        (failed < self.transport.max_retries)
            .then(|| backoff(self.transport.first_wait, failed).max(asked.unwrap_or_default()))
    }

    async fn attempt<T, F>(
        &self,
        call: Call<'_>,
        number: u32,
        build: &mut impl FnMut(Attempt) -> Result<Request, HttpError>,
        consume: &mut impl FnMut(Body) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, HttpError>>,
    {
        let (sent, offset) = (self.transport.clock.now(), self.offset());
        let request = build(Attempt { at: sent + offset, offset, number })
            .map_err(|error| Failure { error, unanswered: false })?;
        let under_way = self.traffic.begin(call.source, self.clock());
        let read = self.exchange(call, number, (request, sent), consume).await;
        under_way.ended(match &read {
            Ok(_) => Some(Ended::Ok),
            Err(failure) => Ended::of(&failure.error),
        });
        read
    }

    /// Sends a request, at the time by this machine that stands beside it, and reads the answer to its end.
    async fn exchange<T, F>(
        &self,
        call: Call<'_>,
        number: u32,
        (request, sent): (Request, DateTime<Utc>),
        consume: &mut impl FnMut(Body) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, HttpError>>,
    {
        let clock = &self.transport.clock;
        let answered = |error| Failure { error, unanswered: false };
        if planted(Bug::LoudLog) {
            // Deliberate: the request as it is, with its URL, its headers and its body.
            let headers: Vec<_> =
                request.headers().values().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            let body = request.body().and_then(|body| body.as_bytes()).map(String::from_utf8_lossy);
            tracing::debug!(url = %request.url(), ?headers, ?body, "sending");
        }
        let begun = clock.monotonic();
        let elapsed = || clock.monotonic().saturating_duration_since(begun);
        let said = tokio::time::timeout(self.transport.request_timeout, self.transport.client.execute(request)).await;
        let response = match said {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                return Err(Failure { error: in_short(error, self.transport.connect_timeout), unanswered: true });
            }
            Err(_) => return Err(answered(HttpError::Timeout(self.transport.request_timeout))),
        };
        self.learn(response.headers(), sent, elapsed());
        let status = response.status();
        let retry_after = retry_after(response.headers(), self.server_time(response.headers()));
        let body = self.body(response, number, elapsed());
        let read = if status.is_success() {
            consume(body).await
        } else {
            let said = body.beginning(ERROR_BODY).await;
            let said = if call.secret_body { None } else { said_in(&said) };
            Err(HttpError::Status { status: status.as_u16(), retry_after, said })
        };
        tracing::debug!(
            method = call.method,
            path = call.path,
            status = status.as_u16(),
            ms = u64::try_from(elapsed().as_millis()).unwrap_or(u64::MAX),
            attempt = number,
            ok = read.is_ok(),
            "request"
        );
        read.map_err(answered)
    }

    fn body(&self, response: Response, attempt: u32, elapsed: Duration) -> Body {
        Body {
            response,
            clock: self.transport.clock.clone(),
            left: self.transport.request_timeout.saturating_sub(elapsed),
            request_timeout: self.transport.request_timeout,
            connect_timeout: self.transport.connect_timeout,
            received: 0,
            most: self.transport.max_body,
            attempt,
        }
    }

    /// Takes the answer's date into account, unless a cache gave the answer.
    fn learn(&self, headers: &HeaderMap, sent: DateTime<Utc>, took: Duration) {
        if headers.contains_key(AGE) {
            return;
        }
        if let Some(date) = date(headers) {
            let clock = &self.transport.clock;
            let (before, after) = {
                let mut offset = self.clock_offset();
                let before = offset.get();
                offset.observe(date, (sent, clock.now()), took, clock.monotonic());
                (before, offset.get())
            };
            if (after - before).abs() > NOTEWORTHY {
                tracing::warn!(
                    server_ahead_s = after.num_seconds(),
                    before_s = before.num_seconds(),
                    "the server's clock and this machine's differ; requests are dated by the server's"
                );
            }
        }
    }

    fn server_time(&self, headers: &HeaderMap) -> DateTime<Utc> {
        date(headers).unwrap_or_else(|| self.present())
    }
}

fn date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    Some(httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?.into())
}
