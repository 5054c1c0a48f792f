//! Stretches of time: half-open, never empty, on a grid counted from 1970-01-01 UTC.

use std::{fmt, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

/// A half-open stretch of time `[start, end)`, read as a whole. Never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Window {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
}

impl Window {
    /// `[start, end)`, or nothing when it would be empty.
    pub fn new(start: DateTime<Utc>, end: DateTime<Utc>) -> Option<Self> {
        (start < end).then_some(Self { start, end })
    }

    /// The first instant inside.
    pub const fn start(&self) -> DateTime<Utc> {
        self.start
    }

    /// The first instant after.
    pub const fn end(&self) -> DateTime<Utc> {
        self.end
    }

    /// How long it is.
    pub fn length(&self) -> TimeDelta {
        self.end - self.start
    }

    /// Whether an instant lies inside.
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        self.start <= at && at < self.end
    }

    /// What two windows share.
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }

    /// The least window that holds both.
    #[must_use]
    pub fn hull(&self, other: &Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// What is left of this window once `covered` (in any order, overlapping or not) is taken out, in order of time.
    pub fn minus(&self, covered: impl IntoIterator<Item = Window>) -> Vec<Self> {
        let mut covered: Vec<_> = covered.into_iter().filter_map(|c| c.intersect(self)).collect();
        covered.sort_unstable();
        let mut left = Vec::new();
        let mut from = self.start;
        for piece in covered {
            left.extend(Self::new(from, piece.start));
            from = from.max(piece.end);
        }
        left.extend(Self::new(from, self.end));
        left
    }

    /// The two halves, cut at a multiple of `unit` since 1970 so that both stay whole units; nothing when the window
    /// is a single unit and cannot be cut.
    pub fn halves(&self, unit: Duration) -> Option<(Self, Self)> {
        let unit = i64::try_from(unit.as_millis()).ok().filter(|u| *u > 0)?;
        let (start, end) = (self.start.timestamp_millis(), self.end.timestamp_millis());
        let middle = (start + (end - start) / 2).div_euclid(unit) * unit;
        let cut = DateTime::from_timestamp_millis(if start < middle { middle } else { middle + unit })?;
        Some((Self::new(self.start, cut)?, Self::new(cut, self.end)?))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |t: DateTime<Utc>| t.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        write!(f, "[{}, {})", show(self.start), show(self.end))
    }
}

/// The grid on which a source's windows lie: cells of one length, counted from 1970-01-01 UTC, so that a window read
/// again meets its own ledger row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    seconds: i64,
}

impl Grid {
    /// A grid of cells this long; nothing for a length under a second.
    pub fn new(cell: Duration) -> Option<Self> {
        i64::try_from(cell.as_secs()).ok().filter(|s| *s > 0).map(|seconds| Self { seconds })
    }

    /// A grid of whole days.
    pub fn days(days: u32) -> Option<Self> {
        Self::new(Duration::from_secs(u64::from(days) * 86_400))
    }

    /// The cell that holds an instant.
    pub fn cell(&self, at: DateTime<Utc>) -> Option<Window> {
        let start = at.timestamp().div_euclid(self.seconds) * self.seconds;
        Window::new(DateTime::from_timestamp(start, 0)?, DateTime::from_timestamp(start + self.seconds, 0)?)
    }

    /// The cells that touch a stretch, cut to it, in order of time.
    pub fn cut(&self, stretch: Window) -> Vec<Window> {
        let mut pieces = Vec::new();
        let mut at = stretch.start;
        // Beyond the end of a stretch that ends inside a cell, that cell would be met again.
        while at < stretch.end {
            let Some(piece) = self.cell(at).and_then(|cell| cell.intersect(&stretch)) else { break };
            at = piece.end;
            pieces.push(piece);
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap_or_default()
    }

    fn window(start: i64, end: i64) -> Window {
        Window::new(at(start), at(end)).unwrap_or_else(|| unreachable!("{start} < {end}"))
    }

    #[test]
    fn an_empty_or_reversed_stretch_is_no_window() {
        assert_eq!(Window::new(at(5), at(5)), None);
        assert_eq!(Window::new(at(6), at(5)), None);
    }

    #[test]
    fn a_window_holds_its_start_and_not_its_end() {
        assert!(window(5, 7).contains(at(5)));
        assert!(!window(5, 7).contains(at(7)));
    }

    #[test]
    fn the_hull_of_two_windows_holds_what_lies_between_them() {
        assert_eq!(window(5, 7).hull(&window(1, 2)), window(1, 7));
        assert_eq!(window(1, 9).hull(&window(5, 7)), window(1, 9));
    }

    #[test]
    fn a_single_day_cannot_be_halved_by_days() {
        assert_eq!(window(0, 86_400).halves(Duration::from_hours(24)), None);
        let halves = window(0, 3 * 86_400).halves(Duration::from_hours(24));
        assert_eq!(halves, Some((window(0, 86_400), window(86_400, 3 * 86_400))));
    }

    #[test]
    fn halves_are_cut_at_a_multiple_of_the_unit_or_not_at_all() {
        let halves = |start, end, unit| window(start, end).halves(Duration::from_secs(unit));
        assert_eq!(halves(0, 100, 10), Some((window(0, 50), window(50, 100))));
        assert_eq!(halves(3, 100, 10), Some((window(3, 50), window(50, 100))));
        assert_eq!(halves(5, 19, 10), Some((window(5, 10), window(10, 19))));
        assert_eq!(halves(8, 11, 10), Some((window(8, 10), window(10, 11))), "the next multiple");
        assert_eq!(halves(10, 21, 10), Some((window(10, 20), window(20, 21))));
        assert_eq!(halves(-25, -5, 10), Some((window(-25, -20), window(-20, -5))));
        assert_eq!(halves(10, 20, 10), None, "no multiple inside");
        assert_eq!(halves(11, 19, 10), None);
        assert_eq!(halves(0, 100, 0), None);
    }

    #[test]
    fn a_grid_counts_its_cells_from_1970_before_it_too() {
        let day = Grid::days(1).unwrap();
        assert_eq!(day, Grid::new(Duration::from_hours(24)).unwrap());
        assert_eq!(day.cell(at(86_399)), Some(window(0, 86_400)));
        assert_eq!(day.cell(at(86_400)), Some(window(86_400, 172_800)));
        assert_eq!(day.cell(at(-1)), Some(window(-86_400, 0)));
        assert_eq!(Grid::days(7).unwrap().cell(at(0)), Some(window(0, 7 * 86_400)));
        assert_eq!((Grid::days(0), Grid::new(Duration::from_millis(999))), (None, None));
        assert!(Grid::new(Duration::from_secs(1)).is_some());
    }

    #[test]
    fn a_window_tells_its_length_and_shows_both_ends() {
        let window = window(0, 90);
        assert_eq!(window.length(), TimeDelta::seconds(90));
        assert_eq!(window.to_string(), "[1970-01-01T00:00:00Z, 1970-01-01T00:01:30Z)");
    }

    proptest! {
        #[test]
        fn cells_tile_a_stretch_without_hole_or_overlap(start in -1_000_000i64..1_000_000, length in 1i64..500_000, cell in 1u64..100_000) {
            let stretch = window(start, start + length);
            let grid = Grid::new(Duration::from_secs(cell)).ok_or_else(|| TestCaseError::fail("grid"))?;
            let pieces = grid.cut(stretch);
            prop_assert_eq!(pieces.first().map(Window::start), Some(stretch.start()));
            prop_assert_eq!(pieces.last().map(Window::end), Some(stretch.end()));
            for pair in pieces.windows(2) {
                prop_assert_eq!(pair[0].end(), pair[1].start());
                prop_assert_eq!(pair[0].end().timestamp().rem_euclid(i64::try_from(cell)?), 0);
            }
        }

        #[test]
        fn what_is_left_and_what_is_covered_make_the_whole(pieces in prop::collection::vec((0i64..200, 1i64..50), 0..8)) {
            let whole = window(50, 150);
            let covered: Vec<_> = pieces.iter().map(|(s, l)| window(*s, s + l)).collect();
            let left = whole.minus(covered.clone());
            for second in 50..150 {
                let is_covered = covered.iter().any(|c| c.contains(at(second)));
                let is_left = left.iter().filter(|l| l.contains(at(second))).count();
                prop_assert_eq!(is_left, usize::from(!is_covered));
            }
        }

        #[test]
        fn halves_are_whole_units_and_make_the_whole(start in 0i64..100, days in 2i64..60) {
            let day = 86_400;
            let whole = window(start * day, (start + days) * day);
            let (a, b) = whole.halves(Duration::from_hours(24)).ok_or_else(|| TestCaseError::fail("halves"))?;
            prop_assert_eq!(a.start(), whole.start());
            prop_assert_eq!(a.end(), b.start());
            prop_assert_eq!(b.end(), whole.end());
            prop_assert_eq!(a.end().timestamp() % day, 0);
        }
    }
}
