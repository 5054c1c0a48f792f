//! An answer of the database that is kept for a while, and asked for again behind the reader's back.
//!
//! A page must not wait for what is slow, and watchers must not ask for it again and again: whoever finds the answer old
//! has it fetched and waits a moment at most; all others are shown what is there, with its age. What took long is kept the
//! longer, so that asking never takes more than a small share of the database's time.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use tokio::sync::Semaphore;

use crate::clock::Clock;

/// How long the one who asks waits for the answer before it shows what is there.
const MOMENT: Duration = Duration::from_secs(1);
/// An answer that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Of the time between two askings, at most one part in so many is spent on an answer.
const SHARE: u32 = 60;

/// What is known, and from when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known<T> {
    /// The last answer, with when it was asked for; none before the first.
    pub(super) value: Option<(DateTime<Utc>, T)>,
    /// Why there is no younger one, when asking failed.
    pub(super) trouble: Option<String>,
}

impl<T> Known<T> {
    /// Nothing yet.
    pub(super) const fn nothing() -> Self {
        Self { value: None, trouble: None }
    }
}

/// One answer, kept.
#[derive(Debug)]
pub(super) struct Kept<T> {
    known: Mutex<Known<Arc<T>>>,
    /// When it may be asked for again; none: at once.
    next: Mutex<Option<Instant>>,
    max_age: Duration,
    /// An answer that takes longer is given up.
    patience: Duration,
    clock: Arc<dyn Clock>,
    /// All that is kept takes one connection together.
    turn: Arc<Semaphore>,
}

impl<T: Send + Sync + 'static> Kept<T> {
    pub(super) fn new(max_age: Duration, clock: Arc<dyn Clock>, turn: Arc<Semaphore>) -> Arc<Self> {
        Arc::new(Self {
            known: Mutex::new(Known::nothing()),
            next: Mutex::new(None),
            max_age,
            patience: PATIENCE,
            clock,
            turn,
        })
    }

    /// What is known; asked for anew by `look` when it is old.
    pub(super) async fn get<F>(self: &Arc<Self>, look: F) -> Known<Arc<T>>
    where
        F: Future<Output = Result<T, String>> + Send + 'static,
    {
        if self.is_due() {
            let kept = Arc::clone(self);
            let asking = tokio::spawn(async move { kept.ask(look).await });
            // Whether it came in time or not, what is there is shown.
            let _ = tokio::time::timeout(MOMENT, asking).await;
        }
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the caller is to ask. Nobody else is then, until it has had the time that it may take.
    fn is_due(&self) -> bool {
        let now = self.clock.monotonic();
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let due = next.is_none_or(|next| next <= now);
        if due {
            *next = Some(now + 2 * self.patience);
        }
        due
    }

    async fn ask(&self, look: impl Future<Output = Result<T, String>>) {
        let asked_at = self.clock.now();
        let turn = tokio::time::timeout(self.patience, self.turn.acquire()).await;
        let began = self.clock.monotonic();
        let answer = match turn {
            Ok(Ok(_turn)) => tokio::time::timeout(self.patience, look).await.unwrap_or_else(|_| Err(self.too_slow())),
            Ok(Err(_)) | Err(_) => Err(self.too_slow()),
        };
        let took = self.clock.monotonic().saturating_duration_since(began);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(value) => *known = Known { value: Some((asked_at, Arc::new(value))), trouble: None },
            Err(trouble) => known.trouble = Some(trouble),
        }
        drop(known);
        let pause = self.max_age.max(took * SHARE);
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.clock.monotonic() + pause);
    }

    fn too_slow(&self) -> String {
        format!("the database did not answer within {:?}", self.patience)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::clock::ManualClock;

    fn kept(max_age: Duration) -> Arc<Kept<usize>> {
        let clock = Arc::new(ManualClock::at("2026-11-27T10:00:00Z".parse().unwrap()));
        Kept::new(max_age, clock, Arc::new(Semaphore::new(1)))
    }

    #[tokio::test]
    async fn an_answer_is_kept_for_its_time() {
        let (kept, asked) = (kept(Duration::from_hours(1)), Arc::new(AtomicUsize::new(0)));
        for _ in 0..3 {
            let asked = Arc::clone(&asked);
            let known = kept.get(async move { Ok(asked.fetch_add(1, Ordering::Relaxed)) }).await;
            assert_eq!(known.value.map(|(_, value)| *value), Some(0));
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn what_fails_leaves_the_older_answer_and_says_why() {
        let kept = kept(Duration::ZERO);
        kept.get(async { Ok(7) }).await;
        let known = loop {
            // What was asked takes a share of the time: the next asking may be a moment away.
            let known = kept.get(async { Err("no".to_owned()) }).await;
            if known.trouble.is_some() {
                break known;
            }
        };
        assert_eq!(known.value.map(|(_, value)| *value), Some(7));
        assert_eq!(known.trouble.as_deref(), Some("no"));
    }

    #[tokio::test]
    async fn a_slow_answer_keeps_nobody_and_comes_later() {
        let kept = kept(Duration::from_hours(1));
        let (answer, answered) = tokio::sync::oneshot::channel();
        let slow = async { answered.await.map_err(|_| "gone".to_owned()) };
        assert_eq!(kept.get(slow).await.value, None);
        assert_eq!(kept.get(async { Ok(2) }).await.value, None, "nobody else asks meanwhile");
        answer.send(1).unwrap();
        let value = loop {
            tokio::task::yield_now().await;
            if let Some((_, value)) = kept.get(async { Ok(2) }).await.value {
                break *value;
            }
        };
        assert_eq!(value, 1);
    }

    #[tokio::test]
    async fn what_never_answers_is_given_up() {
        let mut kept = kept(Duration::from_hours(1));
        Arc::get_mut(&mut kept).unwrap().patience = Duration::from_millis(10);
        let known = kept.get(std::future::pending()).await;
        assert!(known.value.is_none() && known.trouble.unwrap().contains("did not answer"));
    }
}
