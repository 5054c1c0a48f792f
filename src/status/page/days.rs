//! What to say of each day of a strip: the worst that any of its pieces says. Pure.

use chrono::{Days, NaiveDate};

use crate::{
    sync::retention,
    warehouse::coverage::{Span, Standing},
};

/// How many days a strip shows: more than the five months that Alexela serves, so that what is about to be lost is on it.
pub(super) const SHOWN: u64 = 160;
/// What is unread and leaves the source's memory within so many days is said to be unrecoverable soon.
pub(super) const SOON: u64 = retention::SOON_DAYS;

/// How a day stands, the better before the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// Nothing was asked of it.
    Nothing,
    /// Read, and not read again.
    Final,
    /// Read more than once.
    ReadAgain,
    /// Read once.
    Read,
    /// It lasts still, or the watermark stands in it.
    Reading,
    /// To be read.
    Unread,
    /// Lost at the source.
    Gap,
    /// Its last read failed.
    Failing,
    /// To be read, and soon the source serves it no longer.
    Soon,
}

impl State {
    /// All of them, in the order of a legend.
    pub(super) const ALL: [Self; 9] = [
        Self::Final,
        Self::ReadAgain,
        Self::Read,
        Self::Reading,
        Self::Unread,
        Self::Failing,
        Self::Gap,
        Self::Soon,
        Self::Nothing,
    ];

    /// In words.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Nothing => "not asked for",
            Self::Final => "final: not read again",
            Self::ReadAgain => "read again",
            Self::Read => "read once",
            Self::Reading => "being read",
            Self::Unread => "not read yet",
            Self::Gap => "gap: lost at the source",
            Self::Failing => "failing",
            Self::Soon => "not read, unrecoverable soon",
        }
    }

    /// As classes and patterns are named by.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Final => "final",
            Self::ReadAgain => "again",
            Self::Read => "read",
            Self::Reading => "reading",
            Self::Unread => "unread",
            Self::Gap => "gap",
            Self::Failing => "failing",
            Self::Soon => "soon",
        }
    }

    /// Whether a person should look at it.
    pub(super) const fn is_trouble(self) -> bool {
        match self {
            Self::Gap | Self::Failing | Self::Soon => true,
            Self::Nothing | Self::Final | Self::ReadAgain | Self::Read | Self::Reading | Self::Unread => false,
        }
    }
}

/// Days side by side that stand alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// The first day.
    pub(super) from: NaiveDate,
    /// The last day, itself included.
    pub(super) through: NaiveDate,
    /// How they stand.
    pub(super) state: State,
    /// How many windows, gaps or streams say so, on the day on which most do.
    pub(super) pieces: i64,
}

impl Run {
    /// How many days it has.
    pub(super) fn days(&self) -> i64 {
        (self.through - self.from).num_days() + 1
    }
}

/// What limits a strip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// The last day: today, UTC.
    pub(super) today: NaiveDate,
    /// The first day that the configuration asks for.
    pub(super) start: Option<NaiveDate>,
    /// The oldest day that the source serves; none when it serves all.
    pub(super) horizon: Option<NaiveDate>,
}

impl Frame {
    /// The first day of the strip.
    pub(super) fn first(&self) -> NaiveDate {
        self.today.checked_sub_days(Days::new(SHOWN - 1)).unwrap_or(NaiveDate::MIN)
    }

    /// How an unread day stands.
    fn unread(&self, day: NaiveDate) -> State {
        if self.start.is_some_and(|start| day < start) {
            return State::Nothing;
        }
        let endangered = self.horizon.and_then(|horizon| horizon.checked_add_days(Days::new(SOON)));
        match endangered {
            // The source has forgotten it; the next pass records it as a gap.
            Some(_) if self.horizon.is_some_and(|horizon| day < horizon) => State::Gap,
            Some(before) if day < before => State::Soon,
            Some(_) | None => State::Unread,
        }
    }
}

/// The strip of some spans: every day from the frame's first to today, cut into runs.
pub(super) fn strip<'a>(spans: impl IntoIterator<Item = &'a Span>, frame: Frame) -> Vec<Run> {
    let first = frame.first();
    let mut days: Vec<(NaiveDate, State, i64)> =
        first.iter_days().take_while(|day| *day <= frame.today).map(|day| (day, State::Nothing, 0)).collect();
    let mut mark = |from: NaiveDate, through: NaiveDate, pieces: i64, state: &dyn Fn(NaiveDate) -> State| {
        let skipped = usize::try_from((from - first).num_days()).unwrap_or(0);
        for (day, worst, count) in days.iter_mut().skip(skipped).take_while(|(day, ..)| *day <= through) {
            let state = state(*day);
            if state > *worst {
                (*worst, *count) = (state, pieces);
            } else if state == *worst {
                *count += pieces;
            }
        }
    };
    let yesterday = frame.today.pred_opt().unwrap_or(frame.today);
    for span in spans {
        let (from, through) = (span.from.unwrap_or(first), span.through.unwrap_or(first));
        let pieces = span.pieces;
        match span.standing {
            Standing::Final => mark(from, through, pieces, &|_| State::Final),
            Standing::ReadAgain => mark(from, through, pieces, &|_| State::ReadAgain),
            Standing::Read => mark(from, through, pieces, &|_| State::Read),
            Standing::Open => mark(from, through, pieces, &|_| State::Reading),
            Standing::Gap => mark(from, through, pieces, &|_| State::Gap),
            Standing::Unread => mark(from, through, pieces, &|day| frame.unread(day)),
            Standing::Failing => mark(from, through, pieces, &|_| State::Failing),
            Standing::FailingUnread => {
                mark(from, through, pieces, &|day| frame.unread(day).max(State::Failing));
            }
            // A watermark of today, or of yesterday just after midnight, is where it should be.
            Standing::Watermark if span.from.is_some_and(|from| from >= yesterday) => {
                mark(from, frame.today, pieces, &|_| State::Reading);
            }
            Standing::Watermark => {
                let behind = match span.from {
                    Some(at) => {
                        mark(at, at, pieces, &|_| State::Reading);
                        at.succ_opt().unwrap_or(at)
                    }
                    None => frame.start.unwrap_or(first).max(first),
                };
                mark(behind, frame.today, pieces, &|day| frame.unread(day));
            }
        }
    }
    let mut runs: Vec<Run> = Vec::new();
    for (day, state, pieces) in days {
        let is_asked = frame.start.is_some_and(|start| day >= start);
        // The configuration asks for it and nobody has taken it up: an earlier `start`, and no pass since.
        let state = if state == State::Nothing && is_asked { frame.unread(day) } else { state };
        match runs.last_mut() {
            Some(run) if run.state == state => {
                run.through = day;
                run.pieces = run.pieces.max(pieces);
            }
            Some(_) | None => runs.push(Run { from: day, through: day, state, pieces }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SourceKind;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn span(standing: Standing, from: &str, through: &str) -> Span {
        Span {
            source: SourceKind::AlexelaCard,
            account: "fleet".into(),
            standing,
            from: Some(day(from)),
            through: Some(day(through)),
            pieces: 1,
        }
    }

    fn frame() -> Frame {
        Frame { today: day("2026-11-27"), start: None, horizon: Some(day("2026-06-28")) }
    }

    fn on(runs: &[Run], at: &str) -> State {
        runs.iter().find(|run| run.from <= day(at) && day(at) <= run.through).unwrap().state
    }

    #[test]
    fn a_strip_has_every_day_once_and_ends_today() {
        let runs = strip(&[span(Standing::Final, "2026-07-01", "2026-07-31")], frame());
        assert_eq!(runs.iter().map(Run::days).sum::<i64>(), i64::try_from(SHOWN).unwrap());
        assert_eq!(runs.first().unwrap().from, day("2026-06-21"));
        assert_eq!(runs.last().unwrap().through, day("2026-11-27"));
        assert!(runs.windows(2).all(|pair| pair[0].through.succ_opt() == Some(pair[1].from)));
    }

    #[test]
    fn the_worst_of_a_day_is_what_is_said_of_it() {
        let spans = [
            span(Standing::Final, "2026-08-01", "2026-08-31"),
            span(Standing::ReadAgain, "2026-08-05", "2026-08-05"),
            span(Standing::Failing, "2026-08-10", "2026-08-12"),
            span(Standing::Gap, "2026-08-12", "2026-08-13"),
            span(Standing::Failing, "2026-08-10", "2026-08-10"),
        ];
        let runs = strip(&spans, frame());
        assert_eq!(on(&runs, "2026-08-01"), State::Final);
        assert_eq!(on(&runs, "2026-08-05"), State::ReadAgain);
        assert_eq!(on(&runs, "2026-08-12"), State::Failing);
        assert_eq!(on(&runs, "2026-08-13"), State::Gap);
        assert_eq!(on(&runs, "2026-09-01"), State::Nothing);
        assert_eq!(runs.iter().find(|run| run.state == State::Failing).unwrap().pieces, 2);
    }

    #[test]
    fn what_is_unread_and_old_is_unrecoverable_soon() {
        let spans = [span(Standing::Unread, "2026-06-28", "2026-08-01")];
        let runs = strip(&spans, frame());
        assert_eq!(on(&runs, "2026-07-11"), State::Soon);
        assert_eq!(on(&runs, "2026-07-12"), State::Unread);
        let served_for_ever = strip(&spans, Frame { horizon: None, ..frame() });
        assert_eq!(on(&served_for_ever, "2026-07-11"), State::Unread);
        let forgotten = strip(&[span(Standing::Unread, "2026-06-25", "2026-07-01")], frame());
        assert_eq!((on(&forgotten, "2026-06-27"), on(&forgotten, "2026-06-28")), (State::Gap, State::Soon));
        let failing = strip(&[span(Standing::FailingUnread, "2026-07-11", "2026-07-12")], frame());
        assert_eq!((on(&failing, "2026-07-11"), on(&failing, "2026-07-12")), (State::Soon, State::Failing));
    }

    #[test]
    fn behind_an_old_watermark_days_are_unread_and_behind_a_young_one_they_are_being_read() {
        let old = strip(&[span(Standing::Watermark, "2026-11-20", "2026-11-20")], frame());
        assert_eq!(on(&old, "2026-11-19"), State::Nothing);
        assert_eq!(on(&old, "2026-11-20"), State::Reading);
        assert_eq!((on(&old, "2026-11-21"), on(&old, "2026-11-27")), (State::Unread, State::Unread));
        for young in ["2026-11-26", "2026-11-27"] {
            let runs = strip(&[span(Standing::Watermark, young, young)], frame());
            assert_eq!(on(&runs, "2026-11-27"), State::Reading);
        }
    }

    #[test]
    fn a_stream_never_read_is_unread_from_where_it_is_to_begin() {
        let never = Span { from: None, through: None, ..span(Standing::Watermark, "2026-11-27", "2026-11-27") };
        let runs = strip(&[never], Frame { start: Some(day("2026-11-01")), ..frame() });
        assert_eq!((on(&runs, "2026-10-31"), on(&runs, "2026-11-01")), (State::Nothing, State::Unread));
    }

    #[test]
    fn days_asked_for_that_no_window_has_are_unread() {
        let spans = [span(Standing::Final, "2026-09-01", "2026-11-27")];
        let runs = strip(&spans, Frame { start: Some(day("2026-08-01")), ..frame() });
        assert_eq!((on(&runs, "2026-07-31"), on(&runs, "2026-08-31")), (State::Nothing, State::Unread));
    }
}
