//! Planning, pass by pass.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).expect("a time")
}

fn window(start: i64, end: i64) -> Window {
    Window::new(at(start), at(end)).expect("a window")
}

const REREAD: [Reread; 2] = [
    Reread { younger_than: Duration::from_hours(48), every: Duration::from_hours(1) },
    Reread { younger_than: Duration::from_hours(45 * 24), every: Duration::from_hours(24) },
];

fn rules(start: i64) -> Rules<'static> {
    Rules {
        start: at(start),
        grid: Grid::new(Duration::from_hours(6)).expect("a grid"),
        publish_delay: Duration::from_mins(15),
        overlap: Duration::from_hours(2),
        reread: &REREAD,
        settled_after: None,
    }
}

fn standing(ledger: &[Entry], watermark: Option<i64>, present: i64) -> Standing<'_> {
    Standing { watermark: watermark.map(at), ledger, gaps: &[], present: at(present), horizon: None }
}

fn read_at(start: i64, end: i64, read: i64) -> Entry {
    Entry {
        window: window(start, end),
        read_through: Some(at(read)),
        full_read_at: Some(at(read)),
        is_final: false,
        is_failing: false,
        is_claimed: false,
        can_change: true,
    }
}

#[test]
fn a_new_stream_is_read_from_its_start_to_the_present_in_order() {
    let plan = plan(&rules(3 * HOUR), &standing(&[], None, 14 * HOUR));
    let windows: Vec<_> = plan.reads.iter().map(|read| (read.window, read.stretch)).collect();
    assert_eq!(
        windows,
        [
            (window(3 * HOUR, 6 * HOUR), window(3 * HOUR, 6 * HOUR)),
            (window(6 * HOUR, 12 * HOUR), window(6 * HOUR, 12 * HOUR)),
            (window(12 * HOUR, 18 * HOUR), window(12 * HOUR, 14 * HOUR)),
        ]
    );
    assert!(plan.reads.iter().all(|read| read.moves_watermark));
    assert_eq!(plan.advance, None);
}

#[test]
fn a_window_asked_for_is_read_again_at_any_age_unless_the_source_no_longer_serves_all_of_it() {
    let asked_for = Entry { full_read_at: None, can_change: false, ..read_at(0, 6 * HOUR, 7 * HOUR) };
    let old = Entry { can_change: false, ..read_at(6 * HOUR, 12 * HOUR, 13 * HOUR) };
    let ledger = [asked_for, old];
    let late = 100 * DAY;
    let standing = Standing { watermark: Some(at(late)), ..standing(&ledger, None, late) };
    let plan = plan(&rules(0), &standing);
    assert!(plan.reads.iter().any(|read| read.window == window(0, 6 * HOUR) && !read.moves_watermark));
    assert_eq!(plan.settled, [window(6 * HOUR, 12 * HOUR)]);

    let gaps = [window(-DAY, HOUR)];
    let plan = super::plan(&rules(0), &Standing { gaps: &gaps, ..standing });
    assert_eq!(plan.settled, [window(0, 6 * HOUR), window(6 * HOUR, 12 * HOUR)], "it would never be read whole");
}

#[test]
fn what_fails_and_was_never_read_is_given_up_where_all_of_it_is_lost_and_nowhere_else() {
    let failing = |start: i64, end: i64| Entry {
        read_through: None,
        full_read_at: None,
        is_failing: true,
        ..read_at(start * HOUR, end * HOUR, 0)
    };
    let read = Entry { is_failing: true, ..read_at(18 * HOUR, 24 * HOUR, 25 * HOUR) };
    let claimed = Entry { is_claimed: true, ..failing(24, 30) };
    let ledger = [failing(0, 6), failing(6, 12), failing(12, 18), read, claimed, failing(30, 36), failing(36, 42)];
    let gaps = [window(8 * HOUR, 16 * HOUR), window(16 * HOUR, 35 * HOUR)];
    let of = |start: i64, gaps: &[Window]| {
        let standing = Standing { gaps, horizon: Some(at(40 * HOUR)), ..standing(&ledger, Some(42 * HOUR), 50 * HOUR) };
        plan(&rules(start), &standing).given_up
    };
    // Two gaps that touch are one; the part before `start` and the part in a gap are together a whole window.
    assert_eq!(of(8 * HOUR, &gaps), [window(0, 6 * HOUR), window(6 * HOUR, 12 * HOUR), window(12 * HOUR, 18 * HOUR)]);
    assert_eq!(of(0, &gaps), [window(12 * HOUR, 18 * HOUR)], "what lies in a gap in part only is waited for");
    assert!(of(0, &[]).is_empty(), "the horizon alone settles nothing: the loss is recorded first");
}

#[test]
fn the_watermark_stays_behind_the_source_and_within_its_window() {
    let read =
        Read { window: window(0, 6 * HOUR), stretch: window(0, 6 * HOUR), moves_watermark: true, was_read: false };
    let delay = Duration::from_mins(15);
    assert_eq!(read.watermark(at(5 * HOUR), delay), Some(at(5 * HOUR - 900)));
    assert_eq!(read.watermark(at(9 * HOUR), delay), Some(at(6 * HOUR)));
    assert_eq!(Read { moves_watermark: false, ..read }.watermark(at(9 * HOUR), delay), None);
}

#[test]
fn the_head_starts_again_before_the_watermark_across_the_windows_it_touches() {
    let ledger = [read_at(0, 6 * HOUR, 7 * HOUR), read_at(6 * HOUR, 12 * HOUR, 7 * HOUR)];
    let mut ledger = ledger;
    for entry in &mut ledger {
        entry.full_read_at = Some(at(7 * HOUR));
    }
    let plan = plan(&rules(0), &standing(&ledger, Some(6 * HOUR + 2_700), 7 * HOUR + 600));
    let reads: Vec<_> = plan.reads.iter().map(|read| (read.window, read.stretch)).collect();
    let head = 6 * HOUR + 2_700 - 2 * HOUR;
    assert_eq!(
        reads,
        [
            (window(0, 6 * HOUR), window(head, 6 * HOUR)),
            (window(6 * HOUR, 12 * HOUR), window(6 * HOUR, 7 * HOUR + 600))
        ]
    );
}

#[test]
fn a_window_is_read_again_whole_by_its_age() {
    let now = 30 * DAY;
    let due = Entry { full_read_at: Some(at(now - DAY)), ..read_at(10 * DAY, 10 * DAY + 6 * HOUR, now - DAY) };
    let fresh = Entry { full_read_at: Some(at(now - DAY + 1)), ..read_at(11 * DAY, 11 * DAY + 6 * HOUR, now - DAY) };
    let ledger = [due.clone(), fresh];
    let plan = plan(&rules(29 * DAY), &standing(&ledger, Some(now - 900), now));
    let again: Vec<_> =
        plan.reads.iter().filter(|read| read.window.end() < at(29 * DAY)).map(|read| read.window).collect();
    assert_eq!(again, [due.window]);
}

#[test]
fn past_the_last_rule_only_a_window_that_can_still_change_is_read() {
    let now = 100 * DAY;
    let changing = read_at(10 * DAY, 10 * DAY + 6 * HOUR, 20 * DAY);
    let decided = Entry { can_change: false, ..read_at(11 * DAY, 11 * DAY + 6 * HOUR, 20 * DAY) };
    let ledger = [changing.clone(), decided.clone()];
    let plan = plan(&rules(99 * DAY), &standing(&ledger, Some(now - 900), now));
    assert!(plan.reads.iter().any(|read| read.window == changing.window));
    assert_eq!(plan.settled, [decided.window]);
    let settled = Rules { settled_after: Some(Duration::from_hours(30 * 24)), ..rules(99 * DAY) };
    let plan = super::plan(&settled, &standing(&ledger, Some(now - 900), now));
    assert_eq!(plan.settled, [changing.window, decided.window]);
}

#[test]
fn what_the_source_no_longer_serves_is_lost_once_and_left_behind() {
    let horizon = Some(at(10 * DAY));
    let known = [window(0, 5 * DAY)];
    let ledger = [read_at(7 * DAY, 7 * DAY + 6 * HOUR, 8 * DAY)];
    let lost = plan(&rules(0), &Standing { gaps: &known, horizon, ..standing(&ledger, None, 11 * DAY) });
    assert_eq!(lost.lost, [window(5 * DAY, 7 * DAY), window(7 * DAY + 6 * HOUR, 10 * DAY)]);
    assert_eq!(lost.advance, Some(at(10 * DAY)));
    assert_eq!(lost.reads.first().map(|read| read.window.start()), Some(at(10 * DAY)));
    assert_eq!(lost.settled, [ledger[0].window], "a window that is no longer served is final");
}

#[test]
fn what_a_backfill_has_read_is_passed_over_and_what_it_is_reading_is_waited_for() {
    let done = read_at(0, 6 * HOUR, 3 * DAY);
    let ledger = [done.clone()];
    let after = plan(&rules(0), &standing(&ledger, None, 3 * DAY));
    assert_eq!(after.advance, Some(at(6 * HOUR)));
    let claimed = Entry { is_claimed: true, read_through: None, full_read_at: None, ..read_at(6 * HOUR, 12 * HOUR, 0) };
    let ledger = [done, claimed];
    let waiting = plan(&rules(0), &standing(&ledger, Some(6 * HOUR), 3 * DAY));
    assert!(
        waiting.reads.iter().all(|read| read.window.end() <= at(6 * HOUR)),
        "nothing behind it moves the watermark: {waiting:?}"
    );
}

#[test]
fn an_earlier_start_is_filled_without_moving_the_watermark_back() {
    let ledger = [read_at(12 * HOUR, 18 * HOUR, 20 * HOUR)];
    let plan = plan(&rules(0), &standing(&ledger, Some(18 * HOUR), 20 * HOUR));
    let filled: Vec<_> = plan.reads.iter().filter(|read| !read.moves_watermark).map(|read| read.window).collect();
    assert_eq!(filled, [window(0, 6 * HOUR), window(6 * HOUR, 12 * HOUR)]);
    assert!(plan.advance.is_none_or(|to| to >= at(18 * HOUR)));
}

#[test]
fn a_window_of_a_time_to_come_is_not_final_and_a_watermark_of_one_does_not_hold_up_the_present() {
    let ledger = [read_at(0, 6 * HOUR, 40 * DAY), read_at(30 * DAY, 30 * DAY + 6 * HOUR, 40 * DAY)];
    let plan = plan(&rules(0), &standing(&ledger, Some(40 * DAY), 10 * DAY));
    assert!(plan.settled.is_empty(), "{plan:?}");
    let head = plan.reads.iter().filter(|read| read.stretch.end() == at(10 * DAY)).count();
    assert_eq!(head, 1, "{plan:?}");
}

#[test]
fn a_window_that_was_not_read_to_its_end_is_filled_though_the_watermark_has_passed_it() {
    // The source's clock was a day ahead for a while, the watermark with it; then its true time was met again.
    let ledger = [read_at(0, 6 * HOUR, 4 * HOUR)];
    let reads = plan(&rules(0), &standing(&ledger, Some(DAY), 30 * HOUR)).reads;
    assert_eq!(
        reads[0],
        Read { window: window(0, 6 * HOUR), stretch: window(0, 6 * HOUR), moves_watermark: false, was_read: false }
    );
}

#[test]
fn a_window_read_in_a_time_to_come_was_not_read() {
    let ledger = [read_at(0, 6 * HOUR, 5 * HOUR), read_at(6 * HOUR, 12 * HOUR, 11 * HOUR)];
    let reads = plan(&rules(0), &standing(&ledger, Some(10 * HOUR), 9 * HOUR)).reads;
    let head = reads.iter().find(|read| read.window == window(6 * HOUR, 12 * HOUR)).expect("it is read");
    assert_eq!(head.stretch, window(6 * HOUR, 9 * HOUR), "from its start, not from the overlap on");
}

#[test]
fn the_watermark_is_advanced_only_where_something_lies_behind_it() {
    let ledger = [read_at(0, 6 * HOUR, 5 * HOUR)];
    let advance = |watermark| plan(&rules(0), &standing(&ledger, watermark, 5 * HOUR)).advance;
    assert_eq!(advance(None), Some(at(5 * HOUR - 900)), "read while it was open, up to the delay before the read");
    assert_eq!(advance(Some(5 * HOUR - 901)), Some(at(5 * HOUR - 900)));
    assert_eq!(advance(Some(5 * HOUR - 900)), None);
    assert_eq!(advance(Some(5 * HOUR)), None);
}

#[test]
fn a_window_that_ends_where_the_head_begins_is_read_again_once() {
    // The head is [6 h, …): the window before it is behind it, and due by its age.
    let ledger = [read_at(0, 6 * HOUR, 6 * HOUR), read_at(6 * HOUR, 12 * HOUR, 8 * HOUR)];
    let plan = plan(&rules(0), &standing(&ledger, Some(8 * HOUR), 8 * HOUR + 900));
    let again =
        Read { window: window(0, 6 * HOUR), stretch: window(0, 6 * HOUR), moves_watermark: false, was_read: true };
    assert_eq!(plan.reads.iter().filter(|read| read.window == again.window).collect::<Vec<_>>(), [&again]);
    assert_eq!(plan.reads.len(), 2, "{plan:?}");
}

#[test]
fn a_claimed_window_holds_up_only_what_the_watermark_would_pass_it_for() {
    let claimed = |entry| Entry { is_claimed: true, ..entry };
    let behind = |ledger: &[Entry], watermark| {
        let plan = plan(&rules(0), &standing(ledger, Some(watermark), 20 * HOUR));
        plan.reads.iter().map(|read| read.window).collect::<Vec<_>>()
    };
    // Read before, within the overlap: what lies behind it goes on.
    let again = [read_at(0, 6 * HOUR, 20 * HOUR), claimed(read_at(6 * HOUR, 12 * HOUR, 20 * HOUR))];
    let rest = [window(12 * HOUR, 18 * HOUR), window(18 * HOUR, 24 * HOUR)];
    assert_eq!(behind(&again, 12 * HOUR), rest, "it ends where the watermark is");
    // Being read for the first time in front of the watermark: all behind it waits.
    let first = [read_at(0, 6 * HOUR, 6 * HOUR + 900), claimed(read_at(6 * HOUR, 12 * HOUR, 7 * HOUR))];
    assert_eq!(behind(&first, 6 * HOUR), [window(0, 6 * HOUR)]);
}

#[test]
fn what_is_known_to_be_lost_of_a_window_is_not_asked_for() {
    let stretch = |gaps: &[Window], horizon| {
        let standing = Standing { gaps, horizon, ..standing(&[], None, 6 * HOUR) };
        plan(&rules(0), &standing).reads[0].stretch
    };
    assert_eq!(stretch(&[window(0, 3 * HOUR)], None), window(3 * HOUR, 6 * HOUR));
    assert_eq!(stretch(&[window(0, 3 * HOUR)], Some(at(4 * HOUR))), window(4 * HOUR, 6 * HOUR));
    assert_eq!(stretch(&[window(2 * HOUR, 3 * HOUR)], None), window(0, 6 * HOUR), "its beginning is served");
}

#[test]
fn a_rule_holds_for_windows_younger_than_it_says() {
    let now = 30 * DAY;
    let again = |age, read_ago| {
        let ledger = [read_at(now - age - 6 * HOUR, now - age, now - read_ago)];
        let plan = plan(&rules(29 * DAY), &standing(&ledger, Some(now - 900), now));
        plan.reads.iter().any(|read| read.window == ledger[0].window)
    };
    assert!(again(48 * HOUR - 1, HOUR), "under two days old: each hour");
    assert!(!again(48 * HOUR, HOUR), "two days old: each day");
    assert!(again(48 * HOUR, DAY));

    let settled = |age, limit: u64| {
        let ledger = [read_at(200 * DAY - age - 6 * HOUR, 200 * DAY - age, 190 * DAY)];
        let rules = Rules { settled_after: Some(Duration::from_secs(limit)), ..rules(199 * DAY) };
        !plan(&rules, &standing(&ledger, Some(200 * DAY - 900), 200 * DAY)).settled.is_empty()
    };
    assert!(!settled(60 * DAY, 60 * 86_400 + 1), "a row that can change is looked after so long");
    assert!(settled(60 * DAY, 60 * 86_400));
}

#[test]
fn what_is_final_unread_or_claimed_is_not_read_again() {
    let now = 30 * DAY;
    let old = read_at(DAY, DAY + 6 * HOUR, 2 * DAY);
    let reads = |entry: Entry| {
        let plan = plan(&rules(29 * DAY), &standing(&[entry], Some(now - 900), now));
        (plan.reads.iter().any(|read| read.window == old.window), plan.settled.len())
    };
    assert_eq!(reads(old.clone()), (true, 0));
    assert_eq!(reads(Entry { is_final: true, ..old.clone() }), (false, 0));
    assert_eq!(reads(Entry { is_claimed: true, ..old.clone() }), (false, 0));
    assert_eq!(reads(Entry { read_through: None, full_read_at: None, ..old.clone() }), (false, 0));
    assert_eq!(reads(Entry { full_read_at: None, ..old.clone() }), (true, 0), "read in parts only, it is due");
}

/// Reads what a plan says, as the warehouse would note it.
fn carry_out(
    ledger: &mut Vec<Entry>,
    watermark: &mut Option<DateTime<Utc>>,
    plan: &Plan,
    present: DateTime<Utc>,
    rules: &Rules<'_>,
) {
    *watermark = (*watermark).max(plan.advance);
    for read in &plan.reads {
        let whole = read.stretch.start() <= read.window.start() && read.stretch.end() >= read.window.end().min(present);
        let known = ledger.iter().position(|entry| entry.window.start() == read.window.start());
        let at = known.unwrap_or_else(|| {
            ledger.push(Entry {
                full_read_at: None,
                ..read_at(read.window.start().timestamp(), read.window.end().timestamp(), 0)
            });
            ledger.len() - 1
        });
        ledger[at].read_through = Some(present);
        if whole {
            ledger[at].full_read_at = Some(present);
        }
        *watermark = (*watermark).max(read.watermark(present, rules.publish_delay));
    }
    ledger.sort_by_key(|entry| entry.window);
}

proptest! {
    /// Whatever the times of the passes and the grid at each, windows never overlap, everything from the start to the
    /// present has been asked for, and the watermark rises to `publish_delay` behind the present.
    #[test]
    fn nothing_is_ever_left_out(start in 0i64..100_000, steps in prop::collection::vec((1i64..200_000, 1u64..40), 1..12)) {
        let mut ledger = Vec::new();
        let mut watermark = None;
        let mut present = at(start);
        for (step, hours) in steps {
            present += TimeDelta::seconds(step);
            let rules = Rules { grid: Grid::new(Duration::from_hours(hours)).ok_or_else(|| TestCaseError::fail("grid"))?, ..rules(start) };
            let plan = plan(&rules, &Standing { watermark, ledger: &ledger, gaps: &[], present, horizon: None });
            let before = watermark;
            carry_out(&mut ledger, &mut watermark, &plan, present, &rules);
            prop_assert!(watermark >= before);
            for pair in ledger.windows(2) {
                prop_assert!(pair[0].window.end() <= pair[1].window.start(), "overlap: {:?}", pair);
            }
            let all = Window::new(at(start), present).ok_or_else(|| TestCaseError::fail("time"))?;
            prop_assert_eq!(all.minus(ledger.iter().map(|entry| entry.window)), Vec::<Window>::new());
            if present - rules.publish_delay > at(start) {
                prop_assert_eq!(watermark, Some(present - rules.publish_delay));
            }
            prop_assert!(watermark.is_none_or(|w| w <= present - rules.publish_delay || w <= at(start)));
        }
    }

    /// What was never read comes before what is read again, and of it the oldest first: the source forgets it first.
    #[test]
    fn what_the_source_forgets_first_is_read_first(
        read in prop::collection::btree_set(0i64..60, 0..50), horizon in 0i64..40, watermark in 0i64..60, late in 0i64..20 * DAY,
    ) {
        let now = 60 * 6 * HOUR + late;
        let ledger: Vec<_> = read.iter().map(|cell| read_at(cell * 6 * HOUR, (cell + 1) * 6 * HOUR, (cell + 1) * 6 * HOUR)).collect();
        let served = Standing { horizon: Some(at(horizon * 6 * HOUR)), ..standing(&ledger, Some(watermark * 6 * HOUR), now) };
        let plan = plan(&rules(0), &served);
        let firsts: Vec<_> = plan.reads.iter().filter(|read| !read.was_read).map(|read| read.window).collect();
        prop_assert!(firsts.is_sorted(), "{:?}", firsts);
        let again = plan.reads.iter().position(|read| read.was_read && !read.moves_watermark);
        let last = plan.reads.iter().rposition(|read| !read.was_read);
        prop_assert!(again.is_none() || last.is_none() || last < again, "{:?}", plan.reads);
        // All that the source still serves and nobody read is among them.
        let wanted = Window::new(at(horizon * 6 * HOUR), at(now)).ok_or_else(|| TestCaseError::fail("time"))?;
        for piece in wanted.minus(ledger.iter().map(|entry| entry.window)) {
            prop_assert_eq!(piece.minus(plan.reads.iter().map(|read| read.stretch)), Vec::<Window>::new());
        }
    }
}
