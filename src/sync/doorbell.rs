//! When to look again: a bell for each schedule, rung by `tokio-cron-scheduler` and, when that is silent, by us.
//!
//! The cron scheduler is a doorbell and nothing more. It starts every run detached, may stop for good, stops for as long
//! as a clock is set back, and does not wait when it is shut down; so its job does a `try_send` into a channel of one
//! place, and the worker behind it decides what is due from checkpoint and clock. Rings while a worker is busy fall
//! together into one.
//!
//! Beside it a monotonic interval looks whether a ring is overdue. It projects the time from the last ring with the
//! monotonic clock, so a wall clock that steps back or a scheduler that died delays a poll by half a period and never
//! stops it; and outside its hours a schedule stays quiet.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use croner::{Cron, parser::CronParser};
use tokio::{sync::mpsc, task::JoinSet, time::MissedTickBehavior};
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tokio_util::sync::CancellationToken;

use crate::{clock::Clock, schedule::Schedule};

/// How often the second bell looks, at most and at least.
const LOOKS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Under this a silent bell is not yet a fault, however short the schedule.
const SILENCE: Duration = Duration::from_mins(1);

/// Why the bells cannot be hung.
#[derive(Debug, thiserror::Error)]
pub enum DoorbellError {
    /// The scheduler refuses.
    #[error("the scheduler does not start: {0}")]
    Scheduler(#[from] JobSchedulerError),
    /// A schedule that does not parse here.
    #[error("the schedule {0:?} does not parse")]
    Schedule(String),
}

/// The bells of a process. They ring until `stop`.
#[derive(Debug)]
pub struct Doorbell {
    pulse: Pulse,
    ringers: JoinSet<()>,
}

impl Doorbell {
    /// Hangs one bell for each schedule and rings each once, so that a start begins with a pass. The receivers come in
    /// the order of the schedules; each holds at most one ring.
    pub async fn start(
        schedules: &[Schedule],
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
    ) -> Result<(Self, Vec<mpsc::Receiver<()>>), DoorbellError> {
        let bells: Vec<Bell> = schedules
            .iter()
            .map(|schedule| Bell::new(schedule.as_str(), schedule.period()))
            .collect::<Result<_, _>>()?;
        Self::hang(bells, clock, stop).await
    }

    async fn hang(
        bells: Vec<Bell>,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
    ) -> Result<(Self, Vec<mpsc::Receiver<()>>), DoorbellError> {
        let mut scheduler = JobScheduler::new().await?;
        let mut ringers = JoinSet::new();
        let mut doors = Vec::new();
        let mut beats = Vec::new();
        let started = clock.monotonic();
        for bell in bells {
            let (cron, rings) = mpsc::channel(1);
            let job = Job::new_tz(bell.expression.as_str(), Utc, move |_, _| {
                // Full: a ring is waiting already. Closed: the process is stopping.
                let _ = cron.try_send(());
            })?;
            scheduler.add(job).await?;
            let (door, opened) = mpsc::channel(1);
            doors.push(opened);
            let beat = Arc::new(Beat { started, last: AtomicU64::new(0), limit: SILENCE.max(bell.period * 2) });
            beats.push(Arc::clone(&beat));
            ringers.spawn(ring(bell, rings, door, Arc::clone(&clock), beat, stop.clone()));
        }
        scheduler.start().await?;
        ringers.spawn(async move {
            stop.cancelled().await;
            // It does not wait for its jobs, and ours leave nothing to wait for.
            let _ = scheduler.shutdown().await;
        });
        Ok((Self { pulse: Pulse { beats: beats.into(), clock }, ringers }, doors))
    }

    /// For `/healthz`.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Waits until the bells have stopped, after `stop` was cancelled.
    pub async fn stopped(mut self) {
        while self.ringers.join_next().await.is_some() {}
    }
}

/// One schedule.
#[derive(Debug)]
struct Bell {
    expression: String,
    period: Duration,
    cron: Cron,
}

impl Bell {
    /// Reads the expression as the scheduler does: six fields, day of month and day of week both must fit.
    fn new(expression: &str, period: Duration) -> Result<Self, DoorbellError> {
        CronParser::builder()
            .seconds(croner::parser::Seconds::Required)
            .dom_and_dow(true)
            .build()
            .parse(expression)
            .map(|cron| Self { expression: expression.to_owned(), period, cron })
            .map_err(|_| DoorbellError::Schedule(expression.to_owned()))
    }

    /// Whether a ring should have come by now: `elapsed` after the last one the schedule has passed one of its times by
    /// more than half a period.
    fn overdue(&self, rang: DateTime<Utc>, elapsed: Duration) -> bool {
        let due = self.cron.find_next_occurrence(&rang, false).ok();
        let projected = TimeDelta::from_std(elapsed.saturating_sub(self.period / 2))
            .ok()
            .and_then(|elapsed| rang.checked_add_signed(elapsed));
        due.zip(projected).is_some_and(|(due, projected)| due <= projected)
    }
}

/// Passes the scheduler's rings on, and rings itself when they stay away.
async fn ring(
    bell: Bell,
    mut rings: mpsc::Receiver<()>,
    door: mpsc::Sender<()>,
    clock: Arc<dyn Clock>,
    beat: Arc<Beat>,
    stop: CancellationToken,
) {
    let mut looks = tokio::time::interval((bell.period / 4).clamp(LOOKS.0, LOOKS.1));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut scheduler_lives = true;
    let mut last: Option<(DateTime<Utc>, Instant)> = None;
    loop {
        let rung = tokio::select! {
            () = stop.cancelled() => return,
            ring = rings.recv(), if scheduler_lives => {
                scheduler_lives = ring.is_some();
                scheduler_lives
            }
            _ = looks.tick() => match last {
                None => true,
                Some((rang, at)) => {
                    let overdue = bell.overdue(rang, clock.monotonic().saturating_duration_since(at));
                    if overdue {
                        tracing::warn!(schedule = bell.expression, last_ring = %rang, "the scheduler is silent; ringing for it");
                    }
                    overdue
                }
            },
        };
        if rung {
            last = Some((clock.now(), clock.monotonic()));
            // Full: the worker is busy and will look again.
            let _ = door.try_send(());
        }
        beat.mark(clock.monotonic());
    }
}

/// When a bell was last heard from.
#[derive(Debug)]
struct Beat {
    started: Instant,
    /// Milliseconds after `started`.
    last: AtomicU64,
    limit: Duration,
}

impl Beat {
    fn mark(&self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.started).as_millis();
        self.last.store(u64::try_from(elapsed).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// For how long it has been silent, when that is too long.
    fn too_silent(&self, now: Instant) -> Option<Duration> {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        let silent = now.saturating_duration_since(self.started).saturating_sub(last);
        (silent > self.limit).then_some(silent)
    }
}

/// Whether the bells live: neither the scheduler nor the interval may be silent for twice a schedule's period.
#[derive(Debug, Clone)]
pub struct Pulse {
    beats: Arc<[Arc<Beat>]>,
    clock: Arc<dyn Clock>,
}

impl Pulse {
    /// A pulse that nothing has to keep up: for a process without schedules.
    pub fn without_bells(clock: Arc<dyn Clock>) -> Self {
        Self { beats: Arc::from([]), clock }
    }

    /// Since when the most silent bell has not been heard from, when that is too long.
    pub fn too_silent(&self) -> Option<Duration> {
        let now = self.clock.monotonic();
        self.beats.iter().filter_map(|beat| beat.too_silent(now)).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn minutes(minutes: u64) -> Duration {
        Duration::from_mins(minutes)
    }

    #[test]
    fn a_ring_is_overdue_half_a_period_after_its_time() {
        let bell = Bell::new("0 */10 * * * *", minutes(10)).unwrap();
        let rang = at("2026-11-21T08:00:00.4Z");
        assert!(!bell.overdue(rang, minutes(10)));
        assert!(!bell.overdue(rang, minutes(14)));
        assert!(bell.overdue(rang, minutes(15)));
    }

    #[test]
    fn outside_its_hours_a_schedule_owes_no_ring() {
        let bell = Bell::new("0 */10 8-17 * * *", minutes(10)).unwrap();
        let rang = at("2026-11-21T17:50:00.4Z");
        assert!(!bell.overdue(rang, minutes(14 * 60)));
        assert!(bell.overdue(rang, minutes(14 * 60 + 16)));
    }

    #[test]
    fn a_schedule_that_never_comes_is_never_overdue() {
        let bell = Bell::new("0 0 0 30 2 *", minutes(1)).unwrap();
        assert!(!bell.overdue(at("2026-11-21T00:00:00Z"), minutes(60 * 24 * 400)));
    }

    #[test]
    fn five_fields_are_refused() {
        assert!(Bell::new("*/5 * * * *", minutes(5)).is_err());
    }

    #[test]
    fn a_bell_is_too_silent_after_its_limit_and_not_before() {
        let started = SystemClock.monotonic();
        let beat = Beat { started, last: AtomicU64::new(0), limit: minutes(10) };
        beat.mark(started + minutes(7));
        assert_eq!(beat.too_silent(started + minutes(17)), None);
        assert_eq!(beat.too_silent(started + minutes(18)), Some(minutes(11)));
    }

    #[tokio::test]
    async fn it_rings_at_the_start_and_then_by_the_schedule() {
        let stop = CancellationToken::new();
        let bell = Bell::new("* * * * * *", Duration::from_secs(1)).unwrap();
        let (doorbell, mut doors) = Doorbell::hang(vec![bell], Arc::new(SystemClock), stop.clone()).await.unwrap();
        for _ in 0..3 {
            doors[0].recv().await.unwrap();
        }
        assert_eq!(doorbell.pulse().too_silent(), None);
        stop.cancel();
        doorbell.stopped().await;
        while doors[0].recv().await.is_some() {}
    }

    #[tokio::test]
    async fn a_scheduler_that_died_delays_and_does_not_stop() {
        let (dead, rings) = mpsc::channel(1);
        drop(dead);
        let (door, mut opened) = mpsc::channel(1);
        let bell = Bell::new("* * * * * *", Duration::from_secs(1)).unwrap();
        let clock = Arc::new(SystemClock);
        let beat = Arc::new(Beat { started: clock.monotonic(), last: AtomicU64::new(0), limit: SILENCE });
        let stop = CancellationToken::new();
        let ringer = tokio::spawn(ring(bell, rings, door, clock, beat, stop.clone()));
        for _ in 0..3 {
            opened.recv().await.unwrap();
        }
        stop.cancel();
        ringer.await.unwrap();
    }

    #[tokio::test]
    async fn rings_fall_together_while_nobody_opens() {
        let (cron, rings) = mpsc::channel(1);
        let (door, mut opened) = mpsc::channel(1);
        let bell = Bell::new("0 0 0 1 1 *", minutes(60)).unwrap();
        let clock = Arc::new(SystemClock);
        let beat = Arc::new(Beat { started: clock.monotonic(), last: AtomicU64::new(0), limit: SILENCE });
        let stop = CancellationToken::new();
        let ringer = tokio::spawn(ring(bell, rings, door, clock, beat, stop.clone()));
        for _ in 0..5 {
            cron.send(()).await.unwrap();
        }
        // The ringer has taken the last of the five when there is room for another.
        drop(cron.reserve().await.unwrap());
        opened.recv().await.unwrap();
        stop.cancel();
        ringer.await.unwrap();
        assert_eq!(opened.recv().await, None);
    }
}
