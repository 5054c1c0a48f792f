//! What of a stretch is compared, window by window, and what is not and why. Pure.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    domain::{Grid, Window},
    warehouse::ledger::Entry,
};

/// A window, or the part of it that lies in the stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// The window: a row of the ledger, or a cell of the grid.
    pub(super) window: Window,
    /// The part that is compared.
    pub(super) stretch: Window,
    /// When it was last read whole, by the source's clock.
    pub(super) last_read: Option<DateTime<Utc>>,
}

/// Why a part of the stretch is not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The source no longer serves it.
    NotServed,
    /// It was never read, and lies before the account's `start`.
    BeforeStart,
    /// It lies behind the watermark: nobody says that it has been read.
    AfterWatermark,
}

impl Why {
    /// As people read it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NotServed => "the source no longer serves it",
            Self::BeforeStart => "before the account's start, and never read",
            Self::AfterWatermark => "after the watermark: not read yet",
        }
    }
}

/// A part of the stretch that is not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Which.
    #[serde(flatten)]
    pub window: Window,
    /// Why.
    pub why: Why,
}

/// Where a stream stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing<'a> {
    pub(super) ledger: &'a [Entry],
    /// Stretches that are lost at the source.
    pub(super) gaps: &'a [Window],
    /// The oldest instant that the source serves.
    pub(super) horizon: Option<DateTime<Utc>>,
    /// The first instant ever to read.
    pub(super) start: DateTime<Utc>,
    pub(super) grid: Grid,
    pub(super) watermark: Option<DateTime<Utc>>,
    pub(super) present: DateTime<Utc>,
}

/// Cuts a stretch into the pieces that are compared, in order of time, and those that are not.
pub(super) fn cut(asked: Window, standing: &Standing<'_>) -> (Vec<Piece>, Vec<Left>) {
    let mut left = Vec::new();
    let mut wanted = Some(asked);
    let end = standing.watermark.unwrap_or(standing.present).min(standing.present);
    if end < asked.end() {
        left.extend(
            Window::new(asked.start().max(end), asked.end()).map(|w| Left { window: w, why: Why::AfterWatermark }),
        );
        wanted = Window::new(asked.start(), end);
    }
    if let (Some(window), Some(horizon)) = (wanted, standing.horizon)
        && window.start() < horizon
    {
        let unserved = Window::new(window.start(), horizon.min(window.end()));
        left.extend(unserved.map(|window| Left { window, why: Why::NotServed }));
        wanted = Window::new(horizon, window.end());
    }
    let mut pieces = Vec::new();
    for served in wanted.into_iter().flat_map(|wanted| wanted.minus(standing.gaps.iter().copied())) {
        let of_ledger = standing.ledger.iter().filter_map(|entry| {
            let stretch = entry.window.intersect(&served)?;
            Some(Piece { window: entry.window, stretch, last_read: entry.full_read_at })
        });
        pieces.extend(of_ledger);
        for new in served.minus(standing.ledger.iter().map(|entry| entry.window)) {
            let before = Window::new(new.start(), new.end().min(standing.start));
            left.extend(before.map(|window| Left { window, why: Why::BeforeStart }));
            let Some(new) = Window::new(new.start().max(standing.start), new.end()) else { continue };
            pieces.extend(standing.grid.cut(new).into_iter().map(|stretch| Piece {
                window: own_window(standing, stretch),
                stretch,
                last_read: None,
            }));
        }
    }
    for gap in wanted.into_iter().flat_map(|wanted| standing.gaps.iter().filter_map(move |gap| gap.intersect(&wanted)))
    {
        left.push(Left { window: gap, why: Why::NotServed });
    }
    pieces.sort_unstable_by_key(|piece| piece.stretch);
    left.sort_unstable_by_key(|left| left.window);
    (pieces, left)
}

/// From the first piece's start to the last one's end, where each touches the next.
pub(super) fn whole(pieces: &[Piece]) -> Option<Window> {
    let touching = pieces.windows(2).all(|pair| pair[0].stretch.end() == pair[1].stretch.start());
    let (first, last) = pieces.first().zip(pieces.last())?;
    Window::new(first.stretch.start(), last.stretch.end()).filter(|_| touching)
}

/// The window of a stretch that the ledger does not have: the whole cell, as far as the ledger has nothing of it, so that
/// a repair meets the row of the ledger that a later pass meets.
fn own_window(standing: &Standing<'_>, stretch: Window) -> Window {
    let free = standing.grid.cell(stretch.start()).map(|cell| cell.minus(standing.ledger.iter().map(|e| e.window)));
    free.into_iter().flatten().find(|window| window.contains(stretch.start())).unwrap_or(stretch)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(hours * 3_600, 0).unwrap()
    }

    fn window(from: i64, to: i64) -> Window {
        Window::new(at(from), at(to)).unwrap()
    }

    fn entry(from: i64, to: i64) -> Entry {
        Entry {
            window: window(from, to),
            read_through: Some(at(to)),
            full_read_at: Some(at(to)),
            is_final: false,
            is_failing: false,
            is_claimed: false,
            can_change: false,
        }
    }

    fn standing<'a>(ledger: &'a [Entry], gaps: &'a [Window]) -> Standing<'a> {
        Standing {
            ledger,
            gaps,
            horizon: None,
            start: at(0),
            grid: Grid::new(std::time::Duration::from_hours(6)).unwrap(),
            watermark: Some(at(100)),
            present: at(101),
        }
    }

    #[test]
    fn windows_of_the_ledger_are_clipped_and_the_grid_fills_between_them() {
        let ledger = [entry(0, 6), entry(12, 18)];
        let (pieces, left) = cut(window(3, 14), &standing(&ledger, &[]));
        let shown: Vec<_> = pieces.iter().map(|p| (p.window, p.stretch, p.last_read.is_some())).collect();
        assert_eq!(
            shown,
            [
                (window(0, 6), window(3, 6), true),
                (window(6, 12), window(6, 12), false),
                (window(12, 18), window(12, 14), true)
            ]
        );
        assert!(left.is_empty());
    }

    #[test]
    fn what_is_not_served_not_begun_or_not_yet_read_is_said() {
        let ledger = [entry(24, 30)];
        let gaps = [window(30, 33)];
        let mut standing = standing(&ledger, &gaps);
        (standing.start, standing.watermark, standing.horizon) = (at(20), Some(at(40)), Some(at(10)));
        let (pieces, left) = cut(window(0, 50), &standing);
        assert_eq!(
            left.iter().map(|left| (left.window, left.why)).collect::<Vec<_>>(),
            [
                (window(0, 10), Why::NotServed),
                (window(10, 20), Why::BeforeStart),
                (window(30, 33), Why::NotServed),
                (window(40, 50), Why::AfterWatermark)
            ]
        );
        let stretches: Vec<_> = pieces.iter().map(|piece| piece.stretch).collect();
        assert_eq!(stretches, [window(20, 24), window(24, 30), window(33, 36), window(36, 40)]);
        let nothing = cut(window(60, 70), &standing);
        assert!(nothing.0.is_empty() && nothing.1[0].window == window(60, 70));
    }

    proptest! {
        #[test]
        fn every_instant_is_compared_or_said_and_never_both(
            asked in (0i64..80, 1i64..60), cells in prop::collection::btree_set(0i64..20, 0..8),
            gaps in prop::collection::vec((0i64..90, 1i64..10), 0..3), horizon in 0i64..60, start in 0i64..60, watermark in 0i64..120,
        ) {
            let ledger: Vec<_> = cells.into_iter().map(|cell| entry(cell * 6, cell * 6 + 6)).collect();
            let gaps: Vec<_> = gaps.into_iter().map(|(from, length)| window(from, from + length)).collect();
            let mut standing = standing(&ledger, &gaps);
            (standing.horizon, standing.start, standing.watermark) = (Some(at(horizon)), at(start), Some(at(watermark)));
            let asked = window(asked.0, asked.0 + asked.1);
            let (pieces, left) = cut(asked, &standing);
            for hour in 0..150 {
                let compared = pieces.iter().filter(|piece| piece.stretch.contains(at(hour))).count();
                let said = left.iter().any(|left| left.window.contains(at(hour)));
                prop_assert_eq!(compared + usize::from(said), usize::from(asked.contains(at(hour))), "{}", hour);
            }
        }
    }
}
