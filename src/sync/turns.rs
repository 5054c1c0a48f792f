//! Turns at reading: so many at a time over the whole process, and of the streams that wait the most urgent one first.
//!
//! No stream has a second turn while one that waited before it asked again has had none: in an account of a thousand
//! contracts, whatever is urgent there, another account is read in every round.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

use super::retention::Urgency;
use crate::domain::StreamId;

/// How long it is waited for others that a bell rang with this one.
const GATHER: Duration = Duration::from_millis(20);

/// Turns at reading.
#[derive(Debug, Clone)]
pub(super) struct Turns(Arc<Mutex<State>>);

/// A turn; it ends when dropped.
#[derive(Debug)]
pub(super) struct Turn(Turns);

#[derive(Debug)]
struct State {
    free: usize,
    /// By round, urgency and order of asking.
    waiting: BTreeMap<(u64, Urgency, u64), (StreamId, oneshot::Sender<Turn>)>,
    asked: u64,
    /// The round under way, and the streams that have had their turn in it.
    round: u64,
    served: HashSet<StreamId>,
}

impl Turns {
    pub(super) fn new(free: usize) -> Self {
        let served = HashSet::new();
        Self(Arc::new(Mutex::new(State { free, waiting: BTreeMap::new(), asked: 0, round: 0, served })))
    }

    /// Waits for a turn.
    pub(super) async fn take(&self, stream: &StreamId, urgency: Urgency) -> Turn {
        let turn = self.ask(stream, urgency);
        tokio::time::sleep(GATHER).await;
        self.grant();
        match turn.await {
            Ok(turn) => turn,
            // Never: whoever waits is kept as long as there is one to wait.
            Err(_) => std::future::pending().await,
        }
    }

    fn ask(&self, stream: &StreamId, urgency: Urgency) -> oneshot::Receiver<Turn> {
        let (sender, turn) = oneshot::channel();
        let mut state = self.state();
        state.asked += 1;
        let round = state.round + u64::from(state.served.contains(stream));
        let place = (round, urgency, state.asked);
        state.waiting.insert(place, (stream.clone(), sender));
        turn
    }

    /// Gives the free turns away.
    fn grant(&self) {
        loop {
            let next = self.state().next();
            let Some(next) = next else { return };
            // Of one who no longer waits it comes back, by being dropped.
            let _ = next.send(Turn(self.clone()));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        if self.free == 0 {
            return None;
        }
        let ((round, ..), (stream, sender)) = self.waiting.pop_first()?;
        if round > self.round {
            self.round = round;
            self.served.clear();
        }
        self.served.insert(stream);
        self.free -= 1;
        Some(sender)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.state().free += 1;
        self.0.grant();
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use futures_util::FutureExt as _;

    use super::*;
    use crate::domain::{Partition, SourceKind};

    fn stream(name: &str) -> StreamId {
        StreamId::new(SourceKind::AlexelaCard, "fleet", Partition::contract(name))
    }

    fn days(days: i64) -> Urgency {
        Urgency::In(TimeDelta::days(days))
    }

    /// Whose turn it is, of those who wait.
    fn got(waiting: &mut Vec<(&'static str, oneshot::Receiver<Turn>)>) -> Vec<(&'static str, Turn)> {
        let mut got = Vec::new();
        waiting.retain_mut(|(name, turn)| match turn.now_or_never() {
            Some(turn) => {
                got.push((*name, turn.unwrap()));
                false
            }
            None => true,
        });
        got
    }

    fn names(got: &[(&'static str, Turn)]) -> Vec<&'static str> {
        got.iter().map(|(name, _)| *name).collect()
    }

    #[test]
    fn what_is_lost_soonest_goes_first() {
        let turns = Turns::new(1);
        let asked = [("d", Urgency::Never), ("b", days(20)), ("c", days(150)), ("a", days(3))];
        let mut waiting: Vec<_> = asked.map(|(name, urgency)| (name, turns.ask(&stream(name), urgency))).into();
        turns.grant();
        for name in ["a", "b", "c", "d"] {
            let one = got(&mut waiting);
            assert_eq!(names(&one), [name], "one at a time");
        }
    }

    #[test]
    fn nobody_goes_twice_before_one_who_waits_has_gone_once() {
        let turns = Turns::new(1);
        let mut waiting = vec![("a", turns.ask(&stream("a"), days(1))), ("z", turns.ask(&stream("z"), Urgency::Never))];
        turns.grant();
        let first = got(&mut waiting);
        assert_eq!(names(&first), ["a"]);
        // It asks again while it reads, and is as urgent as before; another comes that has had no turn.
        waiting.push(("a", turns.ask(&stream("a"), days(1))));
        waiting.push(("b", turns.ask(&stream("b"), days(9))));
        drop(first);
        for name in ["b", "z", "a"] {
            assert_eq!(names(&got(&mut waiting)), [name]);
        }
    }

    #[test]
    fn who_no_longer_waits_keeps_nobody_waiting() {
        let turns = Turns::new(2);
        drop((turns.ask(&stream("a"), days(1)), turns.ask(&stream("b"), days(1))));
        let mut waiting: Vec<_> = ["c", "d", "e"].map(|name| (name, turns.ask(&stream(name), Urgency::Never))).into();
        turns.grant();
        let two = got(&mut waiting);
        assert_eq!(names(&two), ["c", "d"]);
        drop(two);
        assert_eq!(names(&got(&mut waiting)), ["e"]);
    }

    #[tokio::test]
    async fn what_a_bell_rings_together_is_put_in_order_before_the_first_begins() {
        let turns = Turns::new(1);
        let order = Arc::new(Mutex::new(Vec::new()));
        let rung = [("late", days(100)), ("never", Urgency::Never), ("soon", days(1))].map(|(name, urgency)| {
            let (turns, order) = (turns.clone(), Arc::clone(&order));
            async move {
                let _turn = turns.take(&stream(name), urgency).await;
                order.lock().unwrap().push(name);
            }
        });
        futures_util::future::join_all(rung).await;
        assert_eq!(*order.lock().unwrap(), ["soon", "late", "never"]);
    }
}
