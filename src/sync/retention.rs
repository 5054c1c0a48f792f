//! What the sources will forget: for how long each still serves what was not read, and so what is read first.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use super::pass::{Account, Passes};
use crate::{
    domain::{SourceKind, StreamId},
    warehouse::{WarehouseError, standing::Wanted},
};

/// What is unread and no longer served within so many days is said to be unrecoverable soon.
pub const SOON_DAYS: u64 = 14;

/// As far as it is looked for the day on which a source stops to serve an instant.
const DAYS_AHEAD: i64 = 400;

/// What two looks at one clock may differ by.
const AHEAD: TimeDelta = TimeDelta::minutes(1);

/// How long the warehouse may take to say what was not read: an order is not worth more.
const LIMIT: Duration = Duration::from_secs(3);

/// How soon what was not read is lost at its source: what is lost sooner is less, and goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// After so long.
    In(TimeDelta),
    /// The source serves everything for ever.
    Never,
}

impl Urgency {
    /// Of what was not read from an instant on. What lies before the horizon is lost already: no more urgent than what lies
    /// on it, which is the oldest that can be read.
    pub fn of(unread_from: DateTime<Utc>, horizon: Option<DateTime<Utc>>) -> Self {
        horizon.map_or(Self::Never, |horizon| Self::In((unread_from - horizon).max(TimeDelta::zero())))
    }
}

/// For how many seconds a source still serves an instant: until the beginning of the first day on which it does not. None
/// where it serves it for ever.
pub fn serves_for(
    instant: DateTime<Utc>,
    present: DateTime<Utc>,
    horizon: &dyn Fn(DateTime<Utc>) -> Option<DateTime<Utc>>,
) -> Option<i64> {
    horizon(present)?;
    let serves = |at: DateTime<Utc>| horizon(at).is_some_and(|horizon| horizon <= instant);
    if !serves(present) {
        return Some(0);
    }
    let midnight = present.date_naive().and_time(NaiveTime::MIN).and_utc();
    let mut days = (1..=DAYS_AHEAD).map(|day| midnight + TimeDelta::days(day));
    days.find(|day| !serves(*day)).map(|day| (day - present).num_seconds())
}

/// What is to be read of an account's interface: from its start, or from the oldest instant that the source still serves.
pub fn wanted(account: &Account, source: SourceKind) -> Wanted {
    let present = account.source.present();
    let horizon = account.source.horizon(source, present);
    Wanted {
        source,
        account: account.source.account().to_owned(),
        from: horizon.map_or(account.start, |horizon| horizon.max(account.start)),
        believed: present + AHEAD,
    }
}

/// The interfaces of some accounts that do not serve everything for ever.
pub fn forgetful(accounts: &[Account]) -> impl Iterator<Item = (&Account, SourceKind)> {
    let each = accounts.iter().flat_map(|account| account.kinds.iter().map(move |kind| (account, *kind)));
    each.filter(|(account, kind)| account.source.horizon(*kind, account.source.present()).is_some())
}

impl Passes {
    /// How soon what each of some streams has not read is lost. Where the warehouse does not say in time what that is, all
    /// are alike: the order is worth no more waiting.
    pub async fn urgencies(&self, streams: &[StreamId], stop: &CancellationToken) -> HashMap<StreamId, Urgency> {
        let wanted: Vec<_> = forgetful(&self.accounts).map(|(account, kind)| wanted(account, kind)).collect();
        let asked = async { if wanted.is_empty() { Ok(HashMap::new()) } else { self.warehouse.unread(&wanted).await } };
        let unread: Option<Result<_, WarehouseError>> = tokio::select! {
            unread = tokio::time::timeout(LIMIT, asked) => unread.ok(),
            () = stop.cancelled() => None,
        };
        let Some(Ok(unread)) = unread else {
            tracing::debug!("what was not read is not known; streams are read as they come");
            return HashMap::new();
        };
        let urgency = |stream: &StreamId| {
            let is_its_own = |of: &&Account| of.kinds.contains(&stream.source) && of.source.account() == stream.account;
            let account = self.accounts.iter().find(is_its_own)?;
            let horizon = account.source.horizon(stream.source, account.source.present());
            let of = wanted.iter().find(|of| of.source == stream.source && of.account == stream.account);
            // Of a stream without a row nothing was read.
            let from = unread.get(stream).copied().or(of.map(|of| of.from)).unwrap_or(account.start);
            Some(Urgency::of(from, horizon))
        };
        streams.iter().filter_map(|stream| Some((stream.clone(), urgency(stream)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::served_from;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn months(present: DateTime<Utc>) -> Option<DateTime<Utc>> {
        served_from(SourceKind::AlexelaCard, present)
    }

    #[test]
    fn what_is_served_for_ever_waits_for_what_is_not() {
        let horizon = Some(at("2026-06-22T00:00:00Z"));
        let old = Urgency::of(at("2026-06-23T00:00:00Z"), horizon);
        let young = Urgency::of(at("2026-11-20T00:00:00Z"), horizon);
        let ancient = Urgency::of(at("2010-01-01T00:00:00Z"), None);
        assert!(old < young && young < ancient);
        assert_eq!(Urgency::of(at("2026-01-01T00:00:00Z"), horizon), Urgency::of(at("2026-06-22T00:00:00Z"), horizon));
    }

    #[test]
    fn a_source_without_a_horizon_serves_for_ever() {
        assert_eq!(serves_for(at("2010-01-01T00:00:00Z"), at("2026-11-21T00:00:00Z"), &|_| None), None);
    }

    proptest! {
        /// The order is that of the days on which the vendor stops to serve what was not read.
        #[test]
        fn what_is_lost_sooner_goes_first(present in 0_i64..900, one in 0_i64..155 * 24, other in 0_i64..155 * 24) {
            let present = at("2026-01-01T12:07:00Z") + TimeDelta::days(present);
            let unread = |hours| present - TimeDelta::hours(hours);
            let (one, other) = (unread(one), unread(other));
            let lost = |from| serves_for(from, present, &months);
            let urgency = |from| Urgency::of(from, months(present));
            if lost(one) < lost(other) {
                prop_assert!(urgency(one) < urgency(other), "{one} {other} at {present}");
            }
        }
    }
}
