//! An answer that the table has already is not compared with it, and is as soon as anybody has written there.

use fuelsync::domain::{Line, SourceKind};

use crate::load::{Stage, at, line, record, rejected};

const SOURCE: SourceKind = SourceKind::AlexelaBonus;

fn sales(quantities: [i64; 3]) -> Vec<fuelsync::domain::Record> {
    let lines = quantities.into_iter().enumerate();
    lines.map(|(n, quantity)| record(&n.to_string(), vec![line("1", 1, quantity)])).collect()
}

/// What the table has is made to look changed without a trace in `seq`: only a comparison finds it.
async fn tamper(stage: &Stage) {
    stage.run("UPDATE fuel.transaction SET content_hash = '\\x00'").await;
}

#[tokio::test]
async fn the_same_answer_again_is_not_compared() {
    let stage = Stage::new(SOURCE).await;
    assert_eq!(stage.load(sales([1, 2, 3])).await.unwrap().inserted, 3);
    tamper(&stage).await;
    for _ in 0..2 {
        let counts = stage.load(sales([1, 2, 3])).await.unwrap();
        assert_eq!((counts.fetched, counts.unchanged, counts.updated), (3, 3, 0));
    }
    let counts = stage.load(sales([1, 2, 4])).await.unwrap();
    assert_eq!((counts.unchanged, counts.updated), (0, 3), "another answer is compared");
}

#[tokio::test]
async fn a_row_that_was_deleted_by_hand_comes_back() {
    let stage = Stage::new(SOURCE).await;
    stage.load(sales([1, 2, 3])).await.unwrap();
    stage.run("DELETE FROM fuel.transaction WHERE source_transaction_id = '1'").await;
    let counts = stage.load(sales([1, 2, 3])).await.unwrap();
    assert_eq!((counts.inserted, counts.unchanged), (1, 2));
    stage.run("DELETE FROM fuel.transaction").await;
    assert_eq!(stage.load(sales([1, 2, 3])).await.unwrap().inserted, 3);
}

#[tokio::test]
async fn what_another_window_wrote_there_is_met() {
    let stage = Stage::new(SOURCE).await;
    stage.load(sales([1, 2, 3])).await.unwrap();
    // A neighbour's answer has a sale of this window that its own answer does not have.
    stage.load_next_day(vec![record("9", vec![line("1", 2, 9)]), record("8", vec![line("1", 30, 8)])]).await.unwrap();
    stage.load(sales([1, 2, 3])).await.unwrap();
    let counts = stage.load(sales([1, 2, 3])).await.unwrap();
    assert_eq!(counts.missing, 1, "absent from two whole answers");
    // And takes one of its sales away, which is then told of this window again.
    let moved = || {
        vec![record("0", vec![Line { occurred_at: at(26), ..line("1", 1, 1) }]), record("8", vec![line("1", 30, 8)])]
    };
    stage.run("UPDATE fuel.transaction SET missing_since = NULL, absent_reads = 0").await;
    stage.run("DELETE FROM fuel.transaction WHERE source_transaction_id = '9'").await;
    stage.load(sales([1, 2, 3])).await.unwrap();
    assert_eq!(stage.load_next_day(moved()).await.unwrap().updated, 1);
    let counts = stage.load(sales([1, 2, 3])).await.unwrap();
    assert_eq!((counts.updated, counts.unchanged), (1, 2));
}

#[tokio::test]
async fn a_row_that_was_written_since_is_compared() {
    let stage = Stage::new(SOURCE).await;
    stage.load(sales([1, 2, 3])).await.unwrap();
    tamper(&stage).await;
    stage.run("UPDATE fuel.transaction SET seq = nextval('fuel.change_seq') WHERE source_transaction_id = '2'").await;
    assert_eq!(stage.load(sales([1, 2, 3])).await.unwrap().updated, 3);
}

#[tokio::test]
async fn a_row_that_was_absent_once_is_no_longer_when_it_is_met() {
    let stage = Stage::new(SOURCE).await;
    stage.load(sales([1, 2, 3])).await.unwrap();
    // As the read of another window that reaches into this one leaves it: without a new seq.
    stage.run("UPDATE fuel.transaction SET absent_reads = 1 WHERE source_transaction_id = '1'").await;
    stage.load(sales([1, 2, 3])).await.unwrap();
    let absent = "SELECT count(*) FROM fuel.transaction WHERE absent_reads > 0";
    assert_eq!(stage.scalar(absent).await, 0);
    stage.run("UPDATE fuel.transaction SET missing_since = now() WHERE source_transaction_id = '1'").await;
    assert_eq!(stage.load(sales([1, 2, 3])).await.unwrap().updated, 1, "it is back");
}

#[tokio::test]
async fn what_was_changed_is_known_at_once() {
    let known = "SELECT count(*) FROM fuel.sync_window WHERE digest_seqs = (SELECT sum(seq) FROM fuel.transaction)";
    let with = |quantities, more: &[&str]| {
        let more = more.iter().map(|id| record(id, vec![line("1", 5, 9)]));
        sales(quantities).into_iter().chain(more).collect::<Vec<_>>()
    };
    for (answer, inserted, updated) in
        [(with([1, 2, 4], &[]), 0, 1), (with([1, 2, 3], &["9"]), 1, 0), (with([1, 3, 4], &["8", "9"]), 2, 2)]
    {
        let stage = Stage::new(SOURCE).await;
        stage.load(sales([1, 2, 3])).await.unwrap();
        let counts = stage.load(answer.clone()).await.unwrap();
        assert_eq!((counts.inserted, counts.updated), (inserted, updated));
        assert_eq!(stage.scalar(known).await, 1);
        tamper(&stage).await;
        let again = stage.load(answer.clone()).await.unwrap();
        assert_eq!((again.unchanged, again.updated), (counts.fetched, 0), "it is not compared");
        stage
            .run("UPDATE fuel.transaction SET seq = nextval('fuel.change_seq') WHERE source_transaction_id = '1'")
            .await;
        assert!(stage.load(answer).await.unwrap().updated > 0, "written since, it is");
    }
}

#[tokio::test]
async fn what_was_changed_beside_a_line_that_the_answer_lacks_is_not_known() {
    let stage = Stage::new(SOURCE).await;
    stage.load(sales([1, 2, 3])).await.unwrap();
    stage.load(sales([1, 2, 4])[1..].to_vec()).await.unwrap();
    let known = "SELECT count(*) FROM fuel.sync_window WHERE digest_seqs IS NOT NULL";
    assert_eq!(stage.scalar(known).await, 0, "there is a line that was not read");
}

#[tokio::test]
async fn an_answer_with_anything_else_in_it_is_compared_each_time() {
    let neighbours = || record("7", vec![line("1", 30, 7)]);
    for other in [rejected("x"), neighbours()] {
        let stage = Stage::new(SOURCE).await;
        let answer = || [sales([1, 2, 3]), vec![other.clone()]].concat();
        stage.load(answer()).await.unwrap();
        tamper(&stage).await;
        let counts = stage.load(answer()).await.unwrap();
        assert_eq!((counts.updated, counts.unchanged), (3, 0));
    }
}

#[tokio::test]
async fn a_transaction_replaced_as_a_set_is_known_too() {
    let stage = Stage::new(SourceKind::HecOne).await;
    let answer = || vec![record("a", vec![line("1", 1, 1), line("2", 1, 2)]), record("b", vec![line("1", 2, 3)])];
    stage.load(answer()).await.unwrap();
    tamper(&stage).await;
    assert_eq!(stage.load(answer()).await.unwrap().unchanged, 3);
    stage.run("DELETE FROM fuel.transaction WHERE line_id = '2'").await;
    let counts = stage.load(answer()).await.unwrap();
    assert_eq!(counts.fetched, counts.inserted + counts.updated + counts.unchanged);
    assert_eq!(stage.rows().await.len(), 3);
}
