//! What a repair changes, what one that fails leaves, and what is said of a comparison that was not whole.

use std::time::Duration;

use chrono::TimeDelta;
use fuelsync::{
    domain::{SourceKind, Window},
    sandbox::faults::{Fault, Script},
    sync::{
        summary::{Outcome, StreamOutcome},
        verify::{self, StreamVerified, Stretch, Verified},
    },
};
use tokio_util::sync::CancellationToken;

use crate::support::{
    ends,
    fleet::{Fleet, start},
};

async fn verified(fleet: &Fleet, repair: bool, days: i64) -> Verified {
    let window = Window::new(start(), start() + TimeDelta::days(days)).unwrap();
    let asked = Stretch { window, repair, workers: 3 };
    ends("a verification", verify::run(&fleet.process(), asked, &CancellationToken::new())).await
}

fn charging(done: &Verified) -> &StreamVerified {
    done.streams.iter().find(|stream| stream.stream.source == SourceKind::AlexelaEv).unwrap()
}

/// All that a repair might touch, as one digest a table.
async fn everything(fleet: &Fleet) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT concat('transaction ', md5(string_agg(t::text, '|' ORDER BY t::text))) FROM fuel.transaction t \
         UNION ALL SELECT concat('record ', md5(string_agg(t::text, '|' ORDER BY t::text))) FROM fuel.record t \
         UNION ALL SELECT concat('version ', md5(string_agg(t::text, '|' ORDER BY t::text))) FROM fuel.transaction_version t \
         UNION ALL SELECT concat('window ', md5(string_agg(t::text, '|' ORDER BY t::text))) FROM fuel.sync_window t \
         UNION ALL SELECT concat('quarantine ', md5(string_agg(t::text, '|' ORDER BY t::text))) FROM fuel.quarantine t \
         UNION ALL SELECT concat('checkpoint ', md5(string_agg(t::text, '|' ORDER BY t::text))) FROM fuel.checkpoint t",
    )
    .fetch_all(&fleet.pool)
    .await
    .unwrap()
}

async fn run(fleet: &Fleet, sql: &'static str) -> u64 {
    sqlx::query(sql).execute(&fleet.pool).await.unwrap().rows_affected()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_whose_vendor_fails_leaves_every_table_as_it_was() {
    let fleet = Fleet::new(600, |_| {}).await;
    fleet.pass().await;
    let windows = charging(&verified(&fleet, false, 60).await).windows;
    run(&fleet, "UPDATE fuel.transaction SET quantity = quantity + 1 WHERE source = 'alexela_ev'").await;
    for is_final in [false, true] {
        if is_final {
            assert!(run(&fleet, "UPDATE fuel.sync_window SET state = 'final', final_at = now()").await > 0);
        }
        let before = everything(&fleet).await;
        let fault = Fault::Status { status: 500, retry_after: Some("0".to_owned()) };
        fleet.sandbox.faults().script(Script {
            path: "EvTransactions".to_owned(),
            after: windows,
            times: u64::MAX,
            fault,
        });
        let done = verified(&fleet, true, 60).await;
        let failed = charging(&done);
        assert_eq!(failed.windows, windows, "all was compared before: {failed:#?}");
        assert!(failed.tally.different > 0, "{failed:#?}");
        assert_eq!((failed.outcome, failed.repaired.unwrap().windows), (StreamOutcome::Failed, 0), "{failed:#?}");
        assert_eq!(everything(&fleet).await, before, "final: {is_final}");
        fleet.sandbox.faults().clear();
    }
    // What a pass would note of such a window is not noted either.
    let stream = charging(&verified(&fleet, false, 1).await).stream.clone();
    let before = everything(&fleet).await;
    let window = Window::new(start(), start() + TimeDelta::days(1)).unwrap();
    let asked_at = fleet.warehouse.now().await.unwrap();
    fleet.warehouse.note_failure(&stream, window, asked_at, "no answer").await.unwrap();
    assert_eq!(everything(&fleet).await, before);

    let done = verified(&fleet, true, 60).await;
    assert_eq!((done.outcome, charging(&done).repaired.unwrap().left), (Outcome::Ok, 0), "{done:#?}");
    assert_eq!(verified(&fleet, false, 60).await.tally.differing(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_mends_all_that_was_altered_also_what_was_moved_and_touches_no_other_digest() {
    let fleet = Fleet::new(1_500, |_| {}).await;
    fleet.pass().await;
    let hashes = "SELECT count(*) FROM fuel.transaction WHERE content_hash = '\\x00'";
    let altered =
        run(&fleet, "UPDATE fuel.transaction SET gross_amount = gross_amount + 1 WHERE gross_amount IS NOT NULL").await;
    assert!(altered > 1_000, "{altered}");
    run(
        &fleet,
        "UPDATE fuel.transaction SET occurred_at = occurred_at + interval '3 days' \
                 WHERE occurred_at < (SELECT min(occurred_at) FROM fuel.transaction) + interval '12 hours'",
    )
    .await;
    // One that the source does not have keeps its digest: it is not written anew.
    run(&fleet, "INSERT INTO fuel.transaction (source, account, source_transaction_id, line_id, partition, kind, state, occurred_at, quality, content_hash) \
                 SELECT source, account, 'cafe', line_id, partition, kind, state, occurred_at, quality, content_hash \
                 FROM fuel.transaction WHERE source = 'alexela_ev' LIMIT 1").await;
    verified(&fleet, true, 60).await;
    let left: i64 = sqlx::query_scalar(hashes).fetch_one(&fleet.pool).await.unwrap();
    assert_eq!(left, 0, "no digest is left taken away");
    let after = verified(&fleet, false, 60).await;
    assert_eq!((after.tally.different, after.tally.missing_here), (0, 0), "{after:#?}");
    assert_eq!(after.tally.missing_at_source, 1, "the invented one was absent once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_puts_lines_back_under_the_contract_that_has_them() {
    let fleet = Fleet::new(1_500, |_| {}).await;
    fleet.pass().await;
    let before = fleet.table().await;
    let moved = "UPDATE fuel.transaction SET partition = CASE partition WHEN '22310' THEN '22297' ELSE '22310' END \
         WHERE source = 'alexela_card' AND occurred_at::date = '2026-09-26'";
    let moved = run(&fleet, moved).await;
    assert!(moved > 5, "{moved}");
    let done = verified(&fleet, true, 60).await;
    assert_eq!(done.tally.different, moved, "{done:#?}");
    let after = verified(&fleet, false, 60).await;
    assert_eq!(after.tally.differing(), 0, "{after:#?}");
    assert_eq!(fleet.table().await, before);
    fleet.is_the_truth().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_compared_is_not_said_to_be_the_same() {
    let fleet = Fleet::new(300, |_| {}).await;
    fleet.pass().await;
    let said = |done: &Verified| {
        let text = fuelsync::cli::verify::text(done, Duration::from_secs(1));
        text.lines().last().unwrap().to_owned()
    };
    let whole = verified(&fleet, false, 29).await;
    assert!(said(&whole).starts_with("The warehouse has what the sources have"), "{}", said(&whole));
    let beyond = verified(&fleet, false, 60).await;
    assert!(said(&beyond).contains("Not all of the stretch was compared"), "{}", said(&beyond));
    let window = Window::new(start() + TimeDelta::days(50), start() + TimeDelta::days(60)).unwrap();
    let asked = Stretch { window, repair: false, workers: 1 };
    let nothing = verify::run(&fleet.process(), asked, &CancellationToken::new()).await;
    assert_eq!(said(&nothing), "Nothing was compared.");
    assert!(!whole.has_found() && !beyond.has_found() && !nothing.has_found());

    let fault = Fault::Json { status: 200, text: r#"{"data":{"count":1}}"#.to_owned() };
    fleet.sandbox.faults().script(Script { path: "statistics".to_owned(), after: 0, times: 1, fault });
    let other = verified(&fleet, false, 29).await;
    assert!(other.has_found() && other.tally.differing() == 0, "{other:#?}");
    assert!(said(&other).contains("counts other transactions than it sent"), "{}", said(&other));
}
