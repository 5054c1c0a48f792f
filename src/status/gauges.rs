//! What the metrics say of all partitions of an account's interface together. Pure.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    domain::{Partition, SourceKind, StreamId},
    sync::pass::Account,
    sync::retention::serves_for,
    warehouse::standing::{LastPass, StreamStanding},
};

/// What is known of an interface without asking the warehouse.
pub(super) struct Terms<'a> {
    /// The vendor interface.
    pub(super) source: SourceKind,
    /// The account's name in the configuration.
    pub(super) account: &'a str,
    /// The contracts that the configuration names; where it names none, the vendor does.
    pub(super) contracts: &'a [String],
    /// The first instant ever to read.
    pub(super) start: DateTime<Utc>,
    /// The source's time.
    pub(super) present: DateTime<Utc>,
    /// When the last round but one began, by the source's time; none before there were two.
    pub(super) round: Option<DateTime<Utc>>,
    /// `sync.publish_delay`.
    pub(super) publish_delay: Duration,
    /// The oldest instant that the source serves at a time; none when it serves everything.
    pub(super) horizon: &'a dyn Fn(DateTime<Utc>) -> Option<DateTime<Utc>>,
}

/// All streams of an interface together. A stream that is off counts as that and nowhere else, unless it was read before: then
/// it is behind all the same, and what it misses is about to be lost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gauges {
    /// Streams that are read.
    pub streams: u64,
    /// Those whose last pass failed.
    pub failing: u64,
    /// Those whose last pass ended because the credentials are refused.
    pub refused: u64,
    /// Streams that are not read: not enabled, or withdrawn.
    pub off: u64,
    /// Streams whose lease this process holds.
    pub leases: u64,
    /// Windows whose last read failed.
    pub windows_failing: u64,
    /// The oldest watermark; none as long as one of the streams has none.
    pub watermark: Option<DateTime<Utc>>,
    /// How far it is behind the source's time, in seconds.
    pub freshness: Option<i64>,
    /// How far the stream furthest behind is behind what the schedule promises, in seconds; none without a stream.
    pub lag: Option<i64>,
    /// When a pass over one of the streams last ended.
    pub last_pass_at: Option<DateTime<Utc>>,
    /// Records in quarantine, not resolved.
    pub quarantine: u64,
    /// Stretches lost at the source.
    pub gaps: u64,
    /// When one was last recorded.
    pub gap_recorded_at: Option<DateTime<Utc>>,
    /// When the youngest of what is in quarantine was first met.
    pub quarantined_at: Option<DateTime<Utc>>,
    /// Whether the last list of contracts could not be had; none where the vendor is not asked for one.
    pub list_failing: Option<bool>,
    /// How many seconds the source still serves the oldest instant that was not read; none where it serves everything.
    pub unrecoverable_in: Option<i64>,
}

impl Gauges {
    /// Adds the streams of an interface up; of all that are given, those that are not its own are left out.
    pub(super) fn of(terms: &Terms<'_>, standings: &[StreamStanding]) -> Self {
        let mut gauges = Self::default();
        let own: Vec<_> = standings.iter().filter(|standing| terms.is_own(&standing.stream)).collect();
        let there: BTreeSet<_> = own.iter().map(|standing| &standing.stream.partition).collect();
        let new: Vec<_> = terms
            .expected()
            .into_iter()
            .filter(|partition| !there.contains(partition))
            .map(|partition| StreamStanding::unknown(StreamId::new(terms.source, terms.account, partition)))
            .collect();
        let (mut read, mut wanted) = (Vec::with_capacity(own.len() + new.len()), Vec::new());
        for standing in own.into_iter().chain(&new) {
            match standing.last_pass {
                Some(LastPass::Withdrawn) if standing.is_retired => continue,
                Some(LastPass::Withdrawn | LastPass::NotEnabled) => {
                    gauges.off += 1;
                    if standing.watermark.is_some() {
                        wanted.push(standing);
                    }
                    continue;
                }
                Some(LastPass::Failed) => gauges.failing += 1,
                Some(LastPass::Refused) => gauges.refused += 1,
                Some(LastPass::Ok) | None => {}
            }
            read.push(standing);
        }
        let sum = |of: fn(&StreamStanding) -> u64| read.iter().map(|standing| of(standing)).sum::<u64>();
        gauges.streams = read.len() as u64;
        gauges.leases = sum(|standing| u64::from(standing.is_ours));
        gauges.windows_failing = sum(|standing| standing.failing);
        gauges.quarantine = sum(|standing| standing.quarantine);
        gauges.gaps = sum(|standing| standing.gaps);
        gauges.gap_recorded_at = read.iter().filter_map(|standing| standing.gap_recorded_at).max();
        gauges.quarantined_at = read.iter().filter_map(|standing| standing.quarantined_at).max();
        gauges.list_failing = terms.is_listed().then(|| {
            let list = standings.iter().find(|standing| terms.is_list(&standing.stream));
            list.and_then(|list| list.last_pass).is_some_and(|last| last != LastPass::Ok)
        });
        // None is the least of all.
        gauges.watermark = read.iter().map(|standing| standing.watermark).min().flatten();
        gauges.freshness = gauges.watermark.map(|watermark| (terms.present - watermark).num_seconds());
        wanted.extend(&read);
        gauges.lag = wanted.iter().map(|standing| terms.lag(standing.watermark)).max();
        gauges.last_pass_at = read.iter().filter_map(|standing| standing.last_pass_at).max();
        gauges.unrecoverable_in = terms.wanted_from().and_then(|from| {
            let unread = wanted.iter().map(|standing| standing.unread_from.unwrap_or(from)).min();
            unread.and_then(|unread| serves_for(unread, terms.present, terms.horizon))
        });
        gauges
    }
}

/// What is known at a time of an account's interface, by the configuration and the vendor's clock.
pub(super) fn with_terms<T>(
    account: &Account,
    source: SourceKind,
    now: DateTime<Utc>,
    publish_delay: Duration,
    work: impl FnOnce(&Terms<'_>) -> T,
) -> T {
    let present = account.source.present();
    work(&Terms {
        source,
        account: account.source.account(),
        contracts: &account.contracts,
        start: account.start,
        present,
        // Rounds begin by this machine's clock, watermarks stand in the source's time.
        round: account.schedule.last_but_one(now).map(|round| round + (present - now)),
        publish_delay,
        horizon: &|at| account.source.horizon(source, at),
    })
}

impl Terms<'_> {
    /// From when on something is to be read that the source will once no longer serve; none where it serves everything.
    pub(super) fn wanted_from(&self) -> Option<DateTime<Utc>> {
        (self.horizon)(self.present).map(|horizon| horizon.max(self.start))
    }

    /// A contract that is no longer in the configuration is not looked after, as an account is not.
    pub(super) fn is_own(&self, stream: &StreamId) -> bool {
        let is_read = match self.source {
            SourceKind::AlexelaCard => stream.partition.contract_no().is_some_and(|number| {
                self.contracts.is_empty() || self.contracts.iter().any(|contract| contract == number)
            }),
            SourceKind::HecOne | SourceKind::AlexelaBonus | SourceKind::AlexelaEv => true,
        };
        is_read && stream.source == self.source && stream.account == self.account
    }

    /// Whether the vendor is asked which contracts there are.
    pub(super) fn is_listed(&self) -> bool {
        self.source == SourceKind::AlexelaCard && self.contracts.is_empty()
    }

    /// Whether it stands for the list of this interface's contracts: how asking for it last ended.
    pub(super) fn is_list(&self, stream: &StreamId) -> bool {
        self.is_listed()
            && stream.source == self.source
            && stream.account == self.account
            && stream.partition.contract_no().is_none()
    }

    /// The partitions that are known without having been read.
    pub(super) fn expected(&self) -> Vec<Partition> {
        match self.source {
            SourceKind::AlexelaCard => self.contracts.iter().map(Partition::contract).collect(),
            SourceKind::HecOne | SourceKind::AlexelaBonus | SourceKind::AlexelaEv => vec![Partition::whole()],
        }
    }

    /// Seconds by which a watermark is behind what the round before the last has promised.
    pub(super) fn lag(&self, watermark: Option<DateTime<Utc>>) -> i64 {
        let delay = TimeDelta::from_std(self.publish_delay).unwrap_or(TimeDelta::MAX);
        let promised = self.round.and_then(|round| round.checked_sub_signed(delay));
        promised.map_or(0, |promised| (promised - watermark.unwrap_or(self.start)).num_seconds().max(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::served_from;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    const DAY: i64 = 86_400;

    /// An interface of the account `fleet` that rings every quarter of an hour.
    fn gauges(source: SourceKind, contracts: &[&str], standings: &[StreamStanding]) -> Gauges {
        let contracts: Vec<_> = contracts.iter().map(|contract| (*contract).to_owned()).collect();
        let terms = Terms {
            source,
            account: "fleet",
            contracts: &contracts,
            start: at("2026-08-01T00:00:00Z"),
            present: at("2026-11-21T12:07:00Z"),
            round: Some(at("2026-11-21T11:45:00Z")),
            publish_delay: Duration::from_mins(15),
            horizon: &|at| served_from(source, at),
        };
        Gauges::of(&terms, standings)
    }

    fn contract(number: &str) -> StreamStanding {
        StreamStanding {
            watermark: Some(at("2026-11-21T11:45:00Z")),
            last_pass: Some(LastPass::Ok),
            last_pass_at: Some(at("2026-11-21T12:00:05Z")),
            unread_from: Some(at("2026-11-21T12:00:00Z")),
            ..StreamStanding::unknown(StreamId::new(SourceKind::AlexelaCard, "fleet", Partition::contract(number)))
        }
    }

    fn cards(standings: &[StreamStanding]) -> Gauges {
        gauges(SourceKind::AlexelaCard, &[], standings)
    }

    #[test]
    fn what_is_read_as_it_should_be_is_not_behind() {
        let gauges = cards(&[contract("1"), contract("2")]);
        // What came on 21 November is served until the end of 20 April.
        let until = at("2027-04-21T00:00:00Z") - at("2026-11-21T12:07:00Z");
        let expected = Gauges {
            streams: 2,
            watermark: Some(at("2026-11-21T11:45:00Z")),
            freshness: Some(22 * 60),
            lag: Some(0),
            last_pass_at: Some(at("2026-11-21T12:00:05Z")),
            list_failing: Some(false),
            unrecoverable_in: Some(until.num_seconds()),
            ..Gauges::default()
        };
        assert_eq!(gauges, expected);
    }

    #[test]
    fn the_stream_furthest_behind_speaks_for_all() {
        let late = StreamStanding {
            watermark: Some(at("2026-11-21T10:30:00Z")),
            last_pass: Some(LastPass::Failed),
            failing: 2,
            quarantine: 3,
            gaps: 1,
            is_ours: true,
            ..contract("2")
        };
        let gauges = cards(&[contract("1"), late, contract("3")]);
        assert_eq!((gauges.streams, gauges.failing, gauges.windows_failing), (3, 1, 2));
        assert_eq!((gauges.quarantine, gauges.gaps, gauges.leases), (3, 1, 1));
        assert_eq!(gauges.watermark, Some(at("2026-11-21T10:30:00Z")));
        // 11:45 less a quarter is what the last round but one promised.
        assert_eq!((gauges.freshness, gauges.lag), (Some(97 * 60), Some(3_600)));
    }

    #[test]
    fn a_stream_without_a_watermark_is_behind_since_the_start() {
        let new = StreamStanding { watermark: None, last_pass: Some(LastPass::Refused), ..contract("2") };
        let gauges = cards(&[contract("1"), new]);
        assert_eq!((gauges.watermark, gauges.freshness, gauges.refused), (None, None, 1));
        let since = at("2026-11-21T11:30:00Z") - at("2026-08-01T00:00:00Z");
        assert_eq!(gauges.lag, Some(since.num_seconds()));
    }

    #[test]
    fn what_is_configured_counts_before_it_was_ever_read() {
        let named = gauges(SourceKind::AlexelaCard, &["1", "2"], &[contract("1")]);
        assert_eq!((named.streams, named.watermark), (2, None));
        assert!(named.lag > Some(100 * DAY), "{named:?}");
        let whole = gauges(SourceKind::HecOne, &[], &[]);
        assert_eq!((whole.streams, whole.unrecoverable_in), (1, None));
        // Which contracts there are is not known before the vendor has listed them.
        assert_eq!(cards(&[]), Gauges { list_failing: Some(false), ..Gauges::default() });
    }

    #[test]
    fn what_is_off_and_was_never_read_is_counted_as_that_alone_and_what_is_not_configured_not_at_all() {
        let off = |number, last_pass| StreamStanding {
            watermark: None,
            last_pass: Some(last_pass),
            quarantine: 7,
            gaps: 7,
            failing: 7,
            ..contract(number)
        };
        let (withdrawn, not_enabled) = (off("2", LastPass::Withdrawn), off("3", LastPass::NotEnabled));
        let gauges_of_all = cards(&[contract("1"), withdrawn.clone(), not_enabled]);
        assert_eq!(Gauges { off: 0, ..gauges_of_all.clone() }, cards(&[contract("1")]));
        assert_eq!(gauges_of_all.off, 2);
        let named = gauges(SourceKind::AlexelaCard, &["1"], &[contract("1"), withdrawn]);
        assert_eq!(named, Gauges { list_failing: None, ..cards(&[contract("1")]) });
        let mut strange = contract("4");
        strange.stream.account = "another".to_owned();
        assert_eq!(cards(&[contract("1"), strange]), cards(&[contract("1")]));
    }

    #[test]
    fn what_is_off_and_was_read_before_stays_behind_and_about_to_be_lost() {
        let off = StreamStanding {
            watermark: Some(at("2026-11-20T11:30:00Z")),
            last_pass: Some(LastPass::Withdrawn),
            unread_from: Some(at("2026-06-22T00:00:00Z")),
            ..contract("2")
        };
        let gauges = cards(&[contract("1"), off.clone()]);
        assert_eq!((gauges.streams, gauges.off, gauges.lag), (1, 1, Some(DAY)));
        let retired = StreamStanding { is_retired: true, ..off.clone() };
        assert_eq!(cards(&[contract("1"), retired]), cards(&[contract("1")]), "somebody knows of it");
        assert_eq!(gauges.freshness, Some(22 * 60), "of what is read");
        let left = at("2026-11-22T00:00:00Z") - at("2026-11-21T12:07:00Z");
        assert_eq!(gauges.unrecoverable_in, Some(left.num_seconds()));
    }

    #[test]
    fn a_list_of_contracts_that_cannot_be_had_is_said_whatever_the_contracts_known_say() {
        let list = |last_pass| StreamStanding {
            last_pass: Some(last_pass),
            ..StreamStanding::unknown(StreamId::new(SourceKind::AlexelaCard, "fleet", Partition::whole()))
        };
        let failing = |standings: &[StreamStanding]| cards(standings).list_failing;
        assert_eq!(failing(&[contract("1")]), Some(false));
        assert_eq!(failing(&[contract("1"), list(LastPass::Failed)]), Some(true));
        assert_eq!(failing(&[list(LastPass::Refused)]), Some(true));
        assert_eq!(failing(&[contract("1"), list(LastPass::Ok)]), Some(false));
        assert_eq!(cards(&[contract("1"), list(LastPass::Failed)]).streams, 1, "it is no stream");
        assert_eq!(gauges(SourceKind::AlexelaCard, &["1"], &[list(LastPass::Failed)]).list_failing, None);
        assert_eq!(gauges(SourceKind::HecOne, &[], &[]).list_failing, None);
    }

    #[test]
    fn the_oldest_that_was_not_read_is_served_until_the_end_of_a_day() {
        let unread = |from| {
            let unread = StreamStanding { unread_from: from, ..contract("2") };
            cards(&[contract("1"), unread]).unrecoverable_in
        };
        // On 21 November, 22 June is the oldest day served; 1 August is served until the last day of the year.
        let left = |day: &str| Some((at(day) - at("2026-11-21T12:07:00Z")).num_seconds());
        assert_eq!(unread(Some(at("2026-08-01T00:00:00Z"))), left("2027-01-01T00:00:00Z"));
        assert_eq!(unread(Some(at("2026-08-01T18:00:00Z"))), left("2027-01-01T00:00:00Z"));
        assert_eq!(unread(None), left("2027-01-01T00:00:00Z"), "nothing of it was read since the start");
        assert_eq!(unread(Some(at("2026-06-22T00:00:00Z"))), left("2026-11-22T00:00:00Z"));
        assert_eq!(unread(Some(at("2026-06-21T23:59:59Z"))), Some(0));
    }
}
