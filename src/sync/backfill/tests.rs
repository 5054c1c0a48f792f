//! What of a stretch is to be read.

use super::*;

fn at(hours: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
}

fn window(from: i64, to: i64) -> Window {
    Window::new(at(from), at(to)).unwrap()
}

/// A row of the ledger, read to its end; `whole`: when it was last read whole.
fn entry(from: i64, to: i64, whole: Option<i64>) -> Entry {
    Entry {
        window: window(from, to),
        read_through: Some(at(to)),
        full_read_at: whole.map(at),
        is_final: false,
        is_failing: false,
        is_claimed: false,
        can_change: false,
    }
}

fn due(ledger: &[Entry], again: Option<i64>) -> Vec<Window> {
    let grid = Grid::new(Duration::from_hours(24)).unwrap();
    windows(window(0, 72), grid, ledger, at(100), again.map(at)).due
}

#[test]
fn what_was_read_is_left_out_and_what_is_not_in_the_ledger_is_cut_by_the_grid() {
    assert_eq!(due(&[entry(24, 48, Some(50))], None), [window(0, 24), window(48, 72)]);
    let unread = Entry { read_through: Some(at(30)), ..entry(24, 48, None) };
    assert_eq!(due(&[unread], None), [window(0, 24), window(24, 48), window(48, 72)]);
}

/// A daemon that reads the same windows all the time must not keep a backfill from its end.
#[test]
fn again_means_whole_since_the_backfill_began_by_whomever() {
    let ledger = [entry(0, 24, Some(80)), entry(24, 48, Some(81)), entry(48, 72, None)];
    assert_eq!(due(&ledger, Some(80)), [window(0, 24), window(48, 72)]);
    assert_eq!(due(&ledger, None), []);
}

#[test]
fn what_another_worker_reads_is_waited_for() {
    let grid = Grid::new(Duration::from_hours(24)).unwrap();
    let claimed = Entry { is_claimed: true, ..entry(0, 24, Some(1)) };
    let todo = windows(window(0, 24), grid, &[claimed], at(100), Some(at(80)));
    assert_eq!((todo.due.len(), todo.held), (0, 1));
}

#[test]
fn what_its_source_forgets_soonest_is_loaded_first() {
    // The first stream's source serves everything, the others' from hours 24 and 48 on.
    let horizons = [None, Some(at(24)), Some(at(48))];
    let mut work =
        vec![(0, window(0, 24)), (1, window(48, 72)), (1, window(24, 48)), (2, window(24, 72)), (2, window(96, 120))];
    in_order(&mut work, &horizons);
    let ordered =
        [(1, window(24, 48)), (2, window(24, 72)), (1, window(48, 72)), (2, window(96, 120)), (0, window(0, 24))];
    assert_eq!(work, ordered);
}
