//! A window is copied while the one before it is still being written: it is committed in its turn, or nothing of it is.

use std::time::Duration;

use fuelsync::{domain::SourceKind, warehouse::load::Counts};
use tokio_util::sync::CancellationToken;

use crate::{
    load::{Stage, line, record},
    support::ends,
};

async fn count(stage: &Stage, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&stage.pool).await.unwrap()
}

/// Waits until a transaction of this database holds what it has copied, or none does.
async fn copied(stage: &Stage, is: bool) {
    let waiting = async {
        while is_copied(stage).await != is {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    ends("a window is copied before its turn, or that was taken back", waiting).await;
}

async fn is_copied(stage: &Stage) -> bool {
    let holds = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database JOIN pg_stat_activity a USING (pid) \
         WHERE d.datname = current_database() AND l.relation = 'fuel.record'::regclass AND l.mode = 'RowExclusiveLock' \
             AND a.state = 'idle in transaction'";
    count(stage, holds).await > 0
}

const LINES: &str = "SELECT count(*) FROM fuel.transaction";
const WINDOWS: &str = "SELECT count(*) FROM fuel.sync_window WHERE read_through IS NOT NULL";

#[tokio::test]
async fn a_window_written_beside_the_one_before_it_is_committed_after_it() {
    let stage = Stage::new(SourceKind::AlexelaCard).await;
    let turn = CancellationToken::new();
    let mut next = Box::pin(stage.load_next_day_in(Some(&turn), vec![record("2", vec![line("d", 30, 2)])]));
    tokio::select! {
        done = &mut next => panic!("its turn has not come: {done:?}"),
        () = copied(&stage, true) => {}
    }
    assert_eq!((count(&stage, LINES).await, count(&stage, WINDOWS).await), (0, 0));

    let first = stage.load(vec![record("1", vec![line("d", 1, 1)])]);
    let first = tokio::select! {
        done = &mut next => panic!("its turn has not come: {done:?}"),
        first = first => first.unwrap(),
    };
    assert_eq!(first, Counts { fetched: 1, inserted: 1, ..Counts::default() });
    assert_eq!(count(&stage, WINDOWS).await, 1);
    turn.cancel();
    assert_eq!(next.await.unwrap(), Counts { fetched: 1, inserted: 1, ..Counts::default() });
    assert_eq!((count(&stage, LINES).await, count(&stage, WINDOWS).await), (2, 2));
    // Read again, it is what the table has: the lines were counted when their turn had come.
    let again = stage.load_next_day(vec![record("2", vec![line("d", 30, 2)])]).await.unwrap();
    assert_eq!(again, Counts { fetched: 1, unchanged: 1, ..Counts::default() });
}

#[tokio::test]
async fn a_window_whose_turn_never_comes_leaves_nothing() {
    let stage = Stage::new(SourceKind::HecOne).await;
    let turn = CancellationToken::new();
    let mut next = Box::pin(stage.load_next_day_in(Some(&turn), vec![record("2", vec![line("d", 30, 2)])]));
    tokio::select! {
        done = &mut next => panic!("its turn has not come: {done:?}"),
        () = copied(&stage, true) => {}
    }
    drop(next);
    copied(&stage, false).await;
    assert_eq!((count(&stage, LINES).await, count(&stage, WINDOWS).await), (0, 0));
}

/// It may hold what the one before it waits for: it is taken back while that still may wait for a lock.
#[tokio::test]
async fn a_window_whose_turn_comes_late_is_taken_back_meanwhile_and_then_written() {
    let stage = Stage::with(SourceKind::AlexelaCard, "lock_timeout = \"1s\"\n").await;
    let turn = CancellationToken::new();
    let mut next = Box::pin(stage.load_next_day_in(Some(&turn), vec![record("2", vec![line("d", 30, 2)])]));
    for is in [true, false] {
        tokio::select! {
            done = &mut next => panic!("its turn has not come: {done:?}"),
            () = copied(&stage, is) => {}
        }
    }
    assert_eq!((count(&stage, LINES).await, count(&stage, WINDOWS).await), (0, 0));
    turn.cancel();
    assert_eq!(next.await.unwrap(), Counts { fetched: 1, inserted: 1, ..Counts::default() });
    assert_eq!((count(&stage, LINES).await, count(&stage, WINDOWS).await), (1, 1));
}

#[tokio::test]
async fn a_window_of_which_the_table_has_something_waits_for_its_turn_without_a_lock() {
    let stage = Stage::new(SourceKind::AlexelaCard).await;
    stage.load_next_day(vec![record("2", vec![line("d", 30, 2)]), record("3", vec![line("d", 31, 3)])]).await.unwrap();
    let turn = CancellationToken::new();
    let mut next = Box::pin(stage.load_next_day_in(Some(&turn), vec![record("2", vec![line("d", 30, 9)])]));
    for _ in 0..20 {
        tokio::select! {
            done = &mut next => panic!("its turn has not come: {done:?}"),
            () = tokio::time::sleep(Duration::from_millis(10)) => {}
        }
        assert!(!is_copied(&stage).await);
    }
    assert_eq!(count(&stage, "SELECT count(*) FROM fuel.transaction WHERE absent_reads > 0").await, 0);
    turn.cancel();
    assert_eq!(next.await.unwrap(), Counts { fetched: 1, updated: 1, ..Counts::default() });
    assert_eq!(count(&stage, "SELECT count(*) FROM fuel.transaction WHERE absent_reads > 0").await, 1);
}

/// A sale whose time was corrected between the reads of two windows is in both: one would wait for the other's end, which
/// waits for its own. The later window gives way; the later read stands.
#[tokio::test]
async fn a_sale_in_two_windows_keeps_neither_from_being_written() {
    let stage = Stage::with(SourceKind::AlexelaCard, "lock_timeout = \"2s\"\n").await;
    let turn = CancellationToken::new();
    let mut next = Box::pin(stage.load_next_day_in(Some(&turn), vec![record("1", vec![line("d", 30, 2)])]));
    tokio::select! {
        done = &mut next => panic!("its turn has not come: {done:?}"),
        () = copied(&stage, true) => {}
    }
    let first = stage.load(vec![record("1", vec![line("d", 1, 2)])]);
    let first = tokio::select! {
        done = &mut next => panic!("its turn has not come: {done:?}"),
        first = first => first.unwrap(),
    };
    assert_eq!(first, Counts { fetched: 1, inserted: 1, ..Counts::default() });
    turn.cancel();
    assert_eq!(next.await.unwrap(), Counts { fetched: 1, updated: 1, ..Counts::default() });
    let there =
        "SELECT count(*) FROM fuel.transaction WHERE source_transaction_id = '1' AND occurred_at >= '1970-01-01'";
    assert_eq!((count(&stage, LINES).await, count(&stage, there).await), (1, 1));
    let later: bool = sqlx::query_scalar("SELECT occurred_at = $1 FROM fuel.transaction")
        .bind(crate::load::at(30))
        .fetch_one(&stage.pool)
        .await
        .unwrap();
    assert!(later, "the later read stands");
}
