//! Lines alike in id and product are numbered by their contents, and forgetting changes these.

use std::collections::BTreeSet;

use fuelsync::{config::Rule, sandbox};

use crate::{
    accounted::{long_ago, written},
    prove::{CARDS, OCTOBER, SEPTEMBER, count, proved_of, run},
    support::{
        Fuelsync,
        fleet::{Fleet, start},
    },
};

/// Pairs of lines alike in id and product that are not the same sale.
const PAIRS: &str = "SELECT count(*) FROM fuel.transaction a JOIN fuel.transaction b USING (source, account, source_transaction_id) \
     WHERE b.line_id = a.line_id || '#2' AND a.gross_amount <> b.gross_amount AND a.card_number IS NOT NULL";

/// A month of both vendors with whole card numbers, the lines alike in id and product made sales of their own.
async fn with_pairs() -> Fleet {
    let mut fleet = Fleet::new(6_000, |options| options.world.dirt = false).await;
    fleet.config.privacy.card_number = Rule::Keep;
    fleet.pass().await;
    assert!(count(&fleet, PAIRS).await > 5, "{}", count(&fleet, PAIRS).await);
    fleet
}

/// Of each second pair the second is marked missing, with its image.
const ONE_MISSING: &str = "WITH gone AS (SELECT * FROM fuel.transaction WHERE line_id LIKE '%#2' AND source_transaction_id ~ '[02468]$'), \
         image AS (INSERT INTO fuel.transaction_version (source, account, source_transaction_id, line_id, version, operation, changed_columns, row_before) \
             SELECT source, account, source_transaction_id, line_id, version, 'remove', '{missing_since}', to_jsonb(gone) - 'absent_reads' FROM gone) \
         UPDATE fuel.transaction t SET missing_since = now(), version = t.version + 1, seq = nextval('fuel.change_seq') FROM gone \
         WHERE (t.source, t.account, t.source_transaction_id, t.line_id) = (gone.source, gone.account, gone.source_transaction_id, gone.line_id)";

async fn forget_all(fleet: &Fleet) {
    let cards: BTreeSet<String> = sqlx::query_scalar(
        "SELECT card_number FROM fuel.transaction WHERE line_id LIKE '%#2' AND card_number IS NOT NULL",
    )
    .fetch_all(&fleet.pool)
    .await
    .unwrap()
    .into_iter()
    .collect();
    let text = sandbox::configuration(&fleet.sandbox, fleet.database.url(), start());
    let text = format!("{text}\n[privacy]\ncard_number = \"keep\"\n");
    for card in cards.iter().take(12) {
        Fuelsync::new(["forget", "--json", "--card", card]).config(&text).run().await.ended_with(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_of_two_lines_alike_that_the_source_no_longer_has_is_the_same_one_when_its_card_is_forgotten() {
    let fleet = with_pairs().await;
    // As two reads leave it that bring one of the two; and as one does.
    for sql in
        [ONE_MISSING, "UPDATE fuel.transaction SET absent_reads = 1 WHERE line_id LIKE '%#2' AND missing_since IS NULL"]
    {
        assert!(run(&fleet, sql).await > 3, "{sql}");
    }
    let told = async || {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT concat_ws(' ', source, source_transaction_id, line_id, quantity, gross_amount, missing_since) \
             FROM fuel.transaction ORDER BY 1",
        )
        .fetch_all(&fleet.pool)
        .await
        .unwrap();
        rows
    };
    let before = told().await;
    forget_all(&fleet).await;
    assert_eq!(told().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_lines_alike_that_change_their_numbers_when_a_card_is_forgotten_are_no_finding() {
    let fleet = with_pairs().await;
    long_ago(&fleet).await;
    // One of each two came later: the images say nothing of their change of numbers.
    assert!(written(&fleet, "SELECT * FROM fuel.transaction WHERE line_id LIKE '%#2'", 120).await > 5);
    let without = async || {
        let mut without = 0;
        for month in [SEPTEMBER, OCTOBER] {
            let certificate = proved_of(&fleet, month, &CARDS).await;
            assert_eq!(certificate.found, 0, "{:#?}", certificate.named());
            without += certificate.without_ledger_sums;
        }
        run(&fleet, "DELETE FROM fuel.certificate").await;
        without
    };
    let before = without().await;
    forget_all(&fleet).await;
    assert!(without().await > before, "of their windows it is not known what they came to");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_forgetting_exchanges_within_a_window_leaves_its_sums() {
    let fleet = with_pairs().await;
    let without = "SELECT count(*) FROM fuel.sync_window WHERE sums IS NULL";
    let second = "SELECT hashtext(string_agg(source_transaction_id || ' ' || gross_amount, ',' ORDER BY source_transaction_id))::bigint \
         FROM fuel.transaction WHERE line_id LIKE '%#2'";
    let before = (count(&fleet, without).await, count(&fleet, second).await);
    forget_all(&fleet).await;
    assert_eq!(count(&fleet, without).await, before.0);
    assert_ne!(count(&fleet, second).await, before.1, "some have exchanged what they are");
}
