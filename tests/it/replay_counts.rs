//! What a replay leaves behind is true: the counts of the windows, and what it says of the records that it leaves.

use chrono::{DateTime, TimeDelta, Utc};
use fuelsync::{
    domain::{SourceKind, Window},
    warehouse::load::replay::Why,
};

use crate::replay::{Stage, at, bad, good, text};

/// The starts of the windows that are due.
async fn due(stage: &Stage) -> Vec<DateTime<Utc>> {
    sqlx::query_scalar(
        "SELECT window_start FROM fuel.sync_window WHERE full_read_at IS NULL AND final_at IS NULL ORDER BY 1",
    )
    .fetch_all(&stage.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_single_fetch_of_a_record_does_not_take_it_from_the_window_that_counted_it() {
    let stage = Stage::new(SourceKind::HecOne).await;
    stage.load(vec![bad(&text("1", "a", 1, 10))]).await;
    let met = stage.warehouse.open_quarantine().await.unwrap();
    stage.load_single(bad(&text("1", "a", 1, 10))).await;
    assert_eq!(stage.warehouse.open_quarantine().await.unwrap(), met);
    let ids = stage.open().await;
    assert_eq!(stage.replay(&ids).await.unwrap().replayed, ids);
    assert_eq!(stage.ledger().await, [1, 1, 0, 0, 0, 0, 0]);
    assert!(due(&stage).await.is_empty());
}

#[tokio::test]
async fn a_record_that_only_a_single_fetch_met_belongs_to_no_window_and_its_own_is_read_again() {
    let stage = Stage::new(SourceKind::HecOne).await;
    stage.load(vec![good(&text("2", "a", 1, 10))]).await;
    stage.load_single(bad(&text("1", "a", 1, 10))).await;
    let open = stage.warehouse.open_quarantine().await.unwrap();
    assert_eq!(open[0].met.window_start, None);
    assert_eq!(stage.replay(&[open[0].id]).await.unwrap().replayed, [open[0].id]);
    assert_eq!(stage.ledger().await, [1, 1, 0, 0, 0, 0, 0], "what its read counted");
    assert_eq!(due(&stage).await, [at(0)]);
}

#[tokio::test]
async fn a_window_beside_it_that_counted_the_same_record_is_read_again() {
    let stage = Stage::new(SourceKind::AlexelaCard).await;
    let next = Window::new(at(24), at(48)).unwrap();
    // Without a time that can be read it is in the answers for both days.
    let both = text("1", "d", 26, 10);
    stage.load(vec![bad(&both), good(&text("2", "d", 2, 20))]).await;
    stage.load_window(next, vec![bad(&both), good(&text("3", "d", 30, 20))]).await;
    // A window further on has a record of its own, which waits.
    stage.load_window(Window::new(at(48), at(72)).unwrap(), vec![bad(&text("4", "d", 50, 20))]).await;
    let open = stage.warehouse.open_quarantine().await.unwrap();
    let id = open.iter().find(|open| open.met.window_start == Some(at(24))).unwrap().id;
    assert_eq!(stage.replay(&[id]).await.unwrap().replayed, [id]);
    assert_eq!(stage.ledger().await, [2, 1, 0, 0, 1, 0, 0], "not corrected");
    assert_eq!(due(&stage).await, [at(0)], "but read again; the others' counts are true");
}

#[tokio::test]
async fn what_no_read_will_settle_is_said_to_be_so() {
    let stage = Stage::new(SourceKind::AlexelaCard).await;
    let (first, second) = (text("1", "d", 1, 10), text("1", "d", 1, 11));
    stage.load(vec![good(&first), bad(&second)]).await;
    let ids = stage.open().await;
    let gone = stage.replay_served_from(Some(at(1) + TimeDelta::minutes(1)), &ids).await.unwrap();
    assert_eq!(gone.left, [(ids[0], Why::Unserved)]);
    assert!(due(&stage).await.is_empty(), "nothing is asked for that cannot be had");
    assert!(gone.left[0].1.to_string().contains("no longer serves"));

    let served = stage.replay_served_from(Some(at(1)), &ids).await.unwrap();
    assert_eq!(served.left, [(ids[0], Why::LineThere)]);
    assert_eq!(due(&stage).await, [at(0)]);

    sqlx::query("UPDATE fuel.quarantine SET window_start = NULL").execute(&stage.pool).await.unwrap();
    sqlx::query("DELETE FROM fuel.sync_window").execute(&stage.pool).await.unwrap();
    let unread = stage.replay(&ids).await.unwrap();
    assert_eq!(unread.left, [(ids[0], Why::Unread)]);
}
