//! Tiles a stretch of a stream: what was read, and what was not and why. Pure.

use chrono::{DateTime, Utc};

use crate::{
    domain::{Grid, Window},
    warehouse::certificate::LedgerWindow,
};

/// What is known of a piece of the stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cover {
    /// It was read; the window of this number of the ledger.
    Read(usize),
    /// It was not read, and lies before the watermark or where there is none.
    Unread,
    /// The source no longer serves it, and it was never read.
    Gap,
    /// It lies before the account's `start`.
    BeforeStart,
    /// It lies behind the watermark.
    AfterWatermark,
    /// The stream is no longer read, and it lies behind all that was.
    Ended,
}

/// A piece of the stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) window: Window,
    pub(super) cover: Cover,
}

/// Where a stream stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing<'a> {
    /// The ledger, in order of time.
    pub(super) ledger: &'a [LedgerWindow],
    pub(super) gaps: &'a [Window],
    pub(super) watermark: Option<DateTime<Utc>>,
    /// The present.
    pub(super) present: DateTime<Utc>,
    /// The first instant ever to read and the grid, where the configuration has the account.
    pub(super) account: Option<(DateTime<Utc>, Grid)>,
    /// Whether the stream is no longer read.
    pub(super) has_ended: bool,
    /// Up to when it has been read, if ever.
    pub(super) read_until: Option<DateTime<Utc>>,
}

/// Tiles the stretch, in order of time: each instant lies in one piece.
pub(super) fn tile(stretch: Window, standing: &Standing<'_>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut of = |windows: Vec<Window>, cover| pieces.extend(windows.into_iter().map(|window| Piece { window, cover }));
    let gaps: Vec<_> = standing.gaps.iter().filter_map(|gap| gap.intersect(&stretch)).collect();
    let served = stretch.minus(gaps.iter().copied());
    // Gaps may touch or overlap.
    of(stretch.minus(served.iter().copied()), Cover::Gap);
    let mut open = served;
    for (number, entry) in standing.ledger.iter().enumerate() {
        let through = entry.read_through.map(|through| through.min(entry.window.end()));
        let Some(read) = through.and_then(|through| Window::new(entry.window.start(), through)) else { continue };
        of(open.iter().filter_map(|piece| piece.intersect(&read)).collect(), Cover::Read(number));
        open = open.iter().flat_map(|piece| piece.minus([read])).collect();
    }
    if standing.has_ended {
        let until = standing.read_until;
        let cut = |piece: &Window, from: Option<DateTime<Utc>>| {
            from.map_or(Some(*piece), |from| Window::new(piece.start().max(from), piece.end()))
        };
        of(open.iter().filter_map(|piece| cut(piece, until)).collect(), Cover::Ended);
        let before = |piece: &Window| until.and_then(|until| Window::new(piece.start(), piece.end().min(until)));
        open = open.iter().filter_map(before).collect();
    }
    // Without a watermark nothing was read in order; what is still to come is no one's fault all the same.
    let end = standing.watermark.unwrap_or(standing.present).min(standing.present);
    for piece in open {
        of(Window::new(piece.start().max(end), piece.end()).into_iter().collect(), Cover::AfterWatermark);
        let Some(before) = Window::new(piece.start(), piece.end().min(end)) else { continue };
        let start = standing.account.map_or(before.start(), |(start, _)| start);
        of(Window::new(before.start(), before.end().min(start)).into_iter().collect(), Cover::BeforeStart);
        let Some(unread) = Window::new(before.start().max(start), before.end()) else { continue };
        of(standing.account.map_or_else(|| vec![unread], |(_, grid)| grid.cut(unread)), Cover::Unread);
    }
    pieces.sort_unstable_by_key(|piece| piece.window);
    pieces
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

    fn entry(from: i64, to: i64, through: Option<i64>) -> LedgerWindow {
        LedgerWindow { read_through: through.map(at), ..LedgerWindow::unread(window(from, to)) }
    }

    fn shown(stretch: Window, standing: &Standing<'_>) -> Vec<(Window, Cover)> {
        tile(stretch, standing).into_iter().map(|piece| (piece.window, piece.cover)).collect()
    }

    #[test]
    fn each_part_of_a_month_says_how_it_is_covered() {
        let ledger = [entry(10, 20, Some(20)), entry(20, 30, None), entry(40, 50, Some(45))];
        let gaps = [window(5, 10)];
        let grid = Grid::new(std::time::Duration::from_hours(10)).unwrap();
        let standing = Standing {
            ledger: &ledger,
            gaps: &gaps,
            watermark: Some(at(44)),
            present: at(46),
            account: Some((at(2), grid)),
            has_ended: false,
            read_until: Some(at(45)),
        };
        assert_eq!(
            shown(window(0, 60), &standing),
            [
                (window(0, 2), Cover::BeforeStart),
                (window(2, 5), Cover::Unread),
                (window(5, 10), Cover::Gap),
                (window(10, 20), Cover::Read(0)),
                (window(20, 30), Cover::Unread),
                (window(30, 40), Cover::Unread),
                (window(40, 45), Cover::Read(2)),
                (window(45, 60), Cover::AfterWatermark),
            ]
        );
        let ended = Standing { has_ended: true, ..standing };
        assert_eq!(
            shown(window(30, 60), &ended),
            [(window(30, 40), Cover::Unread), (window(40, 45), Cover::Read(2)), (window(45, 60), Cover::Ended)]
        );
        let never = Standing { has_ended: true, read_until: None, watermark: None, ledger: &[], gaps: &[], ..standing };
        assert_eq!(shown(window(0, 60), &never), [(window(0, 60), Cover::Ended)]);
        let unknown = Standing { watermark: None, account: None, ..standing };
        assert_eq!(shown(window(0, 3), &unknown), [(window(0, 3), Cover::Unread)]);
        assert_eq!(shown(window(50, 60), &unknown), [(window(50, 60), Cover::AfterWatermark)]);
    }

    proptest! {
        #[test]
        fn every_instant_lies_in_one_piece(
            stretch in (0i64..40, 1i64..60), cells in prop::collection::btree_map(0i64..10, prop::option::of(0i64..14), 0..8),
            gaps in prop::collection::vec((0i64..90, 1i64..20), 0..4), watermark in prop::option::of(0i64..120), start in 0i64..60,
            has_ended: bool, until in prop::option::of(0i64..100),
        ) {
            let ledger: Vec<_> = cells.into_iter().map(|(cell, read)| entry(cell * 10, cell * 10 + 10, read.map(|r| cell * 10 + r))).collect();
            let gaps: Vec<_> = gaps.into_iter().map(|(from, length)| window(from, from + length)).collect();
            let grid = Grid::new(std::time::Duration::from_hours(10)).unwrap();
            let standing = Standing { ledger: &ledger, gaps: &gaps, watermark: watermark.map(at), present: at(100), account: Some((at(start), grid)), has_ended, read_until: until.map(at) };
            let stretch = window(stretch.0, stretch.0 + stretch.1);
            let pieces = tile(stretch, &standing);
            prop_assert_eq!(pieces.first().map(|piece| piece.window.start()), Some(stretch.start()));
            prop_assert_eq!(pieces.last().map(|piece| piece.window.end()), Some(stretch.end()));
            for pair in pieces.windows(2) {
                prop_assert_eq!(pair[0].window.end(), pair[1].window.start());
            }
        }
    }
}
