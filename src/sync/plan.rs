//! What of a stream is to be read now: a function of its ledger, its watermark and the source's time.
//!
//! The stream's time is tiled by windows that never overlap: those that the ledger has, and grid cells where it has
//! none. Three reasons make a tile due:
//!
//! - **fill**: it was never read, or not to its end, and lies before the watermark (an earlier `start`, a window that a
//!   backfill gave up, a source whose clock was ahead for a while);
//! - **head**: it touches `[watermark − overlap, present)`;
//! - **again**: its age says so (`sync.reread`).
//!
//! Fill and head come first, in order of time, so that the watermark follows and what the source forgets first is read
//! first; then what is read again, longest ago first. Which stream goes first says [`retention`](super::retention).

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::{
    config::Reread,
    domain::{Grid, Window},
    warehouse::ledger::Entry,
};

/// What two looks at one clock may differ by.
const AHEAD: chrono::TimeDelta = chrono::TimeDelta::minutes(1);

/// What planning needs to know of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The first instant ever to read.
    pub start: DateTime<Utc>,
    /// The grid of new windows.
    pub grid: Grid,
    /// The watermark stays this far behind the source's time.
    pub publish_delay: Duration,
    /// How far before the watermark each pass starts again.
    pub overlap: Duration,
    /// When windows are read again, by age.
    pub reread: &'a [Reread],
    /// Age past which a row that can still change is no longer looked after; none for ever.
    pub settled_after: Option<Duration>,
}

/// Where a stream stands.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// Its watermark.
    pub watermark: Option<DateTime<Utc>>,
    /// Its ledger, in order of time.
    pub ledger: &'a [Entry],
    /// Stretches known to be lost at the source.
    pub gaps: &'a [Window],
    /// The source's time.
    pub present: DateTime<Utc>,
    /// The oldest instant that the source serves.
    pub horizon: Option<DateTime<Utc>>,
}

/// A read to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// The window: a row of the ledger, there already or new.
    pub window: Window,
    /// The stretch of it to ask for.
    pub stretch: Window,
    /// Whether the watermark moves with it.
    pub moves_watermark: bool,
    /// Whether something of the window was read before.
    pub was_read: bool,
}

/// What is to be done for a stream, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Stretches newly found to be lost at the source.
    pub lost: Vec<Window>,
    /// Where the watermark may go without reading anything: over what is read already, or lost.
    pub advance: Option<DateTime<Utc>>,
    /// Windows to read.
    pub reads: Vec<Read>,
    /// Windows that need not be read again.
    pub settled: Vec<Window>,
    /// Windows that fail, were never read and of which nothing is to be had any more: they lie wholly in what is lost, or
    /// before `start`.
    pub given_up: Vec<Window>,
    /// A window that a backfill is reading, at which the watermark waits.
    pub waits_for: Option<Window>,
}

impl Read {
    /// Where the watermark may go once this was read at source time `present`.
    pub fn watermark(&self, present: DateTime<Utc>, publish_delay: Duration) -> Option<DateTime<Utc>> {
        self.moves_watermark.then(|| self.window.end().min(present - publish_delay))
    }
}

/// Plans a stream.
pub fn plan(rules: &Rules<'_>, standing: &Standing<'_>) -> Plan {
    let mut plan = Plan::default();
    let present = standing.present;
    let floor = standing.horizon.map_or(rules.start, |horizon| horizon.max(rules.start));
    plan.lost = lost(rules, standing);
    let position = position(rules, standing, floor);
    plan.advance =
        (standing.watermark.is_none_or(|watermark| watermark < position) && position > rules.start).then_some(position);

    // Without a watermark nothing was read in order yet: the position, and so the head, is the floor.
    // A watermark ahead of the present (a clock that was wrong once) does not keep the present from being read.
    let head = (position.min(present) - rules.overlap).max(floor);
    for tile in tiles(rules, standing, floor) {
        let Some(served) = clip(tile.window, oldest_served(standing.horizon, standing.gaps, tile.window), present)
        else {
            continue;
        };
        let in_head = tile.window.end() > head;
        let was_read = tile.entry.is_some_and(|entry| is_read(entry, in_head, present));
        if was_read && !in_head {
            continue;
        }
        if tile.entry.is_some_and(|entry| entry.is_claimed) {
            // A backfill is at it; what lies behind must wait for it, or the watermark would pass a window not read.
            if tile.window.end() > position {
                plan.waits_for.get_or_insert(tile.window);
            }
            continue;
        }
        if plan.waits_for.is_some() {
            break;
        }
        let whole = !was_read || tile.entry.is_some_and(|entry| is_due(rules, entry, present));
        let Some(stretch) = (if whole { Some(served) } else { clip(served, head, present) }) else { continue };
        plan.reads.push(Read { window: tile.window, stretch, moves_watermark: in_head, was_read });
    }
    again(rules, standing, head, &mut plan);
    plan.given_up = given_up(rules, standing);
    plan
}

/// Whether a window counts as read. Behind the head it must have been read to its end, and nobody has read the future: a
/// source whose clock was ahead for a while leaves windows and a watermark that say otherwise.
fn is_read(entry: &Entry, in_head: bool, present: DateTime<Utc>) -> bool {
    entry.read_through.is_some_and(|through| (in_head || through >= entry.window.end()) && through <= present + AHEAD)
}

/// The part of a window between two instants.
fn clip(window: Window, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<Window> {
    Window::new(window.start().max(from), window.end().min(to))
}

/// From where on the source serves a window: behind its horizon, and behind what it is known to have lost of it.
pub(super) fn oldest_served(horizon: Option<DateTime<Utc>>, gaps: &[Window], window: Window) -> DateTime<Utc> {
    let oldest = horizon.map_or(window.start(), |horizon| horizon.max(window.start()));
    gaps.iter().filter(|gap| gap.start() <= oldest).map(Window::end).fold(oldest, DateTime::max)
}

/// What `start` asks for, the source no longer serves, was never read and is not yet recorded.
fn lost(rules: &Rules<'_>, standing: &Standing<'_>) -> Vec<Window> {
    let Some(wanted) = standing.horizon.and_then(|horizon| Window::new(rules.start, horizon.min(standing.present)))
    else {
        return Vec::new();
    };
    let read = standing.ledger.iter().filter_map(read_part);
    wanted.minus(read.chain(standing.gaps.iter().copied()))
}

/// The part of a ledger's window that has been read.
pub fn read_part(entry: &Entry) -> Option<Window> {
    Window::new(entry.window.start(), entry.window.end().min(entry.read_through?))
}

/// Up to where everything has been read without a gap, with what is lost left behind.
fn position(rules: &Rules<'_>, standing: &Standing<'_>, floor: DateTime<Utc>) -> DateTime<Utc> {
    let read = standing.ledger.iter().filter_map(|entry| {
        let read_through = entry.read_through?;
        Window::new(entry.window.start(), entry.window.end().min(read_through - rules.publish_delay))
    });
    let mut settled: Vec<_> = read.chain(standing.gaps.iter().copied()).collect();
    settled.sort_unstable();
    let start = standing.watermark.map_or(floor, |watermark| watermark.max(floor));
    settled
        .into_iter()
        .fold(start, |position, piece| if piece.start() <= position { position.max(piece.end()) } else { position })
}

/// A window of the ledger, or a new one.
struct Tile<'a> {
    window: Window,
    entry: Option<&'a Entry>,
}

/// The tiles from the floor to the present, in order of time.
fn tiles<'a>(rules: &Rules<'_>, standing: &Standing<'a>, floor: DateTime<Utc>) -> Vec<Tile<'a>> {
    let Some(reach) = rules.grid.cell(standing.present).and_then(|cell| Window::new(floor, cell.end())) else {
        return Vec::new();
    };
    let known = standing.ledger.iter().filter(|entry| entry.window.intersect(&reach).is_some());
    let mut tiles: Vec<_> = known.map(|entry| Tile { window: entry.window, entry: Some(entry) }).collect();
    let new = reach.minus(standing.ledger.iter().map(|entry| entry.window));
    tiles
        .extend(new.into_iter().flat_map(|stretch| rules.grid.cut(stretch)).map(|window| Tile { window, entry: None }));
    tiles.sort_unstable_by_key(|tile| tile.window);
    tiles
}

/// The pace at which a window of this age is read again: the first rule that it is young enough for, or the last one
/// while it holds a row that can still change.
fn pace(rules: &Rules<'_>, entry: &Entry, present: DateTime<Utc>) -> Option<Duration> {
    let age = (present - entry.window.end()).to_std().unwrap_or(Duration::ZERO);
    let by_age = rules.reread.iter().find(|rule| age < rule.younger_than);
    let changing = entry.can_change && rules.settled_after.is_none_or(|limit| age < limit);
    by_age.or_else(|| rules.reread.last().filter(|_| changing)).map(|rule| rule.every)
}

fn is_due(rules: &Rules<'_>, entry: &Entry, present: DateTime<Utc>) -> bool {
    pace(rules, entry, present).is_some_and(|every| {
        entry
            .full_read_at
            .is_none_or(|read| present - read >= chrono::TimeDelta::from_std(every).unwrap_or(chrono::TimeDelta::MAX))
    })
}

/// What is read again by its age, and what no longer needs to be.
fn again(rules: &Rules<'_>, standing: &Standing<'_>, head: DateTime<Utc>, plan: &mut Plan) {
    let mut due = Vec::new();
    for entry in standing.ledger {
        if entry.is_final || entry.read_through.is_none() || entry.is_claimed || entry.window.end() > head {
            continue;
        }
        let oldest = oldest_served(standing.horizon, standing.gaps, entry.window);
        if entry.window.end() <= oldest {
            plan.settled.push(entry.window);
            continue;
        }
        let Some(served) = clip(entry.window, oldest, standing.present) else { continue };
        // Asked for by a replay of the quarantine, at any age: not one that the source serves only in part, which would
        // never be read whole.
        let within_horizon = standing.horizon.map_or(entry.window.start(), |from| from.max(entry.window.start()));
        let asked_for = entry.full_read_at.is_none() && oldest == within_horizon;
        if pace(rules, entry, standing.present).is_none() && !asked_for {
            plan.settled.push(entry.window);
        } else if asked_for || is_due(rules, entry, standing.present) {
            due.push((
                entry.full_read_at,
                Read { window: entry.window, stretch: served, moves_watermark: false, was_read: true },
            ));
        }
    }
    due.sort_unstable_by_key(|(read_at, read)| (*read_at, read.window));
    plan.reads.extend(due.into_iter().map(|(_, read)| read));
}

/// What fails and was never read, and cannot or need not be read any more. What is newly lost is so at the next pass, once
/// it stands in `fuel.gap`.
fn given_up(rules: &Rules<'_>, standing: &Standing<'_>) -> Vec<Window> {
    let failing = standing.ledger.iter().filter(|entry| entry.is_failing && entry.read_through.is_none());
    let over = failing.filter(|entry| {
        let before_start = Window::new(entry.window.start(), rules.start);
        !entry.is_claimed && entry.window.minus(standing.gaps.iter().copied().chain(before_start)).is_empty()
    });
    over.map(|entry| entry.window).collect()
}

#[cfg(test)]
mod tests;
