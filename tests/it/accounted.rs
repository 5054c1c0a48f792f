//! What accounts for a window that came to other sums when it was read: lines that `prove` names, lines of which nobody can say
//! what they were then, and nothing else.

use std::time::Duration;

use fuelsync::{
    cli,
    sync::prove::State,
    warehouse::certificate::{Finding, What},
};

use crate::{
    forget::read_again,
    prove::{CARDS, OCTOBER, SEPTEMBER, WEEK, count, proved, proved_of, run},
    remap::remap_with,
    support::fleet::Fleet,
};

/// What is written now is written long after.
const LONG_AGO: [&str; 3] = [
    "UPDATE fuel.sync_window SET digest_seqs = NULL",
    "UPDATE fuel.sync_window SET last_read_at = last_read_at - interval '3 hours', sums_at = sums_at - interval '3 hours'",
    "UPDATE fuel.transaction SET changed_at = changed_at - interval '3 hours', first_seen_at = first_seen_at - interval '3 hours'",
];

/// As if all was read three hours ago, and the ledger has no digest of it.
pub(crate) async fn long_ago(fleet: &Fleet) {
    for sql in LONG_AGO {
        run(fleet, sql).await;
    }
}

/// A month of both vendors, read long ago; the ledger has nothing but sums to miss a line by.
async fn read_long_ago() -> Fleet {
    let fleet = Fleet::new(3_000, |options| options.world.dirt = false).await;
    fleet.pass().await;
    long_ago(&fleet).await;
    assert_eq!(proved_of(&fleet, WEEK, &CARDS).await.found, 0);
    forget_certificates(&fleet).await;
    fleet
}

/// An earlier certificate would tell, too.
async fn forget_certificates(fleet: &Fleet) {
    run(fleet, "DELETE FROM fuel.certificate").await;
}

/// What is found in the week, and how many windows of it nobody can say anything of.
async fn found(fleet: &Fleet) -> (Vec<Finding>, u64) {
    let certificate = proved_of(fleet, WEEK, &CARDS).await;
    assert_eq!(certificate.found, certificate.named().len() as u64);
    let text = cli::prove::text(&certificate, Duration::ZERO);
    let said = format!("{} window(s): the ledger has other sums.", certificate.unsure_ledger_sums);
    assert_eq!(text.contains(&said), certificate.unsure_ledger_sums > 0, "{text}");
    forget_certificates(fleet).await;
    (certificate.named().to_vec(), certificate.unsure_ledger_sums)
}

/// Of each card window of the week with some sales the first.
const FIRST_OF_EACH: &str = "SELECT t.* FROM fuel.sync_window w CROSS JOIN LATERAL ( \
         SELECT t.* FROM fuel.transaction t WHERE t.source = w.source AND t.account = w.account AND t.partition = w.partition \
             AND t.occurred_at >= w.window_start AND t.occurred_at < w.window_end AND t.state IN ('posted', 'invoiced') \
         ORDER BY t.occurred_at LIMIT 1) AS t \
     WHERE w.source = 'alexela_card' AND w.window_end > '2026-09-24' AND w.window_start < '2026-10-01' \
         AND (SELECT count(*) FROM fuel.sale s WHERE s.source = w.source AND s.account = w.account AND s.partition = w.partition \
             AND s.occurred_at >= w.window_start AND s.occurred_at < w.window_end) > 3";

/// Makes some lines such as were written so long after the last read of their windows, which has not seen them; how many.
pub(crate) async fn written(fleet: &Fleet, lines: &str, minutes_after: i32) -> u64 {
    let beside = format!("CREATE TABLE public.beside AS {lines}");
    sqlx::query(sqlx::AssertSqlSafe(beside)).execute(&fleet.pool).await.unwrap();
    for sql in [
        "DELETE FROM fuel.transaction t USING public.beside b \
         WHERE (t.source, t.account, t.source_transaction_id, t.line_id) = (b.source, b.account, b.source_transaction_id, b.line_id)",
        "UPDATE fuel.sync_window w SET sums = (fuel.window_sums(w.source, w.account, w.partition, w.window_start, w.window_end)).sums \
         WHERE sums IS NOT NULL",
        "INSERT INTO fuel.transaction SELECT * FROM public.beside",
    ] {
        run(fleet, sql).await;
    }
    sqlx::query(
        "UPDATE fuel.transaction t SET first_seen_at = w.last_read_at + make_interval(mins => $1), changed_at = w.last_read_at + make_interval(mins => $1) \
         FROM fuel.sync_window w, public.beside b \
         WHERE (t.source, t.account, t.source_transaction_id, t.line_id) = (b.source, b.account, b.source_transaction_id, b.line_id) \
             AND (w.source, w.account, w.partition) = (b.source, b.account, b.partition) \
             AND w.window_start <= b.occurred_at AND w.window_end > b.occurred_at",
    )
    .bind(minutes_after)
    .execute(&fleet.pool)
    .await
    .unwrap()
    .rows_affected()
}

/// Changes them once more, two hours later: the line no longer says when it came, its image does.
const CHANGED_AGAIN: &str = "\
    WITH one AS (SELECT t.* FROM fuel.transaction t JOIN public.beside USING (source, account, source_transaction_id, line_id)), \
    image AS (INSERT INTO fuel.transaction_version (source, account, source_transaction_id, line_id, version, operation, changed_columns, row_before, replaced_at) \
        SELECT source, account, source_transaction_id, line_id, version, 'change', '{receipt_no}', to_jsonb(one) - 'absent_reads', changed_at + interval '2 hours' FROM one) \
    UPDATE fuel.transaction t SET changed_at = t.changed_at + interval '2 hours', version = t.version + 1, seq = nextval('fuel.change_seq') FROM one \
    WHERE (t.source, t.account, t.source_transaction_id, t.line_id) = (one.source, one.account, one.source_transaction_id, one.line_id)";

/// Deletes the sales of the window of the first of them with their records.
const ALL_GONE: &str = "\
    WITH gone AS (SELECT t.* FROM fuel.transaction t, fuel.sync_window w, (SELECT * FROM public.beside ORDER BY occurred_at LIMIT 1) AS b \
        WHERE w.source = b.source AND w.account = b.account AND w.partition = b.partition \
            AND w.window_start <= b.occurred_at AND w.window_end > b.occurred_at \
            AND t.source = w.source AND t.account = w.account AND t.partition = w.partition \
            AND t.occurred_at >= w.window_start AND t.occurred_at < w.window_end), \
    record AS (DELETE FROM fuel.record r USING gone WHERE r.source = gone.source AND r.source_transaction_id = gone.source_transaction_id) \
    DELETE FROM fuel.transaction t USING gone WHERE t.source = gone.source AND t.source_transaction_id = gone.source_transaction_id";

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_was_being_written_while_its_window_was_read_accounts_for_itself_and_for_no_other() {
    let fleet = read_long_ago().await;
    // By a transaction that began before the read and was committed after it.
    let windows = written(&fleet, FIRST_OF_EACH, -5).await;
    assert!(windows > 2, "{windows}");
    assert_eq!(found(&fleet).await, (vec![], windows), "whether the read saw them nobody can say");
    assert_eq!(run(&fleet, CHANGED_AGAIN).await, windows);
    assert_eq!(found(&fleet).await, (vec![], windows), "not when they change again, either");
    // What was written beside is one line; all are more.
    assert!(run(&fleet, ALL_GONE).await > 3);
    let (found, unsure) = found(&fleet).await;
    assert_eq!((found.len(), unsure), (1, windows - 1), "{found:#?}");
    assert!(found[0].what == What::Unexplained && found[0].why.contains(": sales "), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_altered_by_hand_is_no_lasting_finding_once_a_remap_has_mended_it() {
    let fleet = read_long_ago().await;
    // So that what the windows came to is asked of the images.
    let windows = written(&fleet, FIRST_OF_EACH, 120).await;
    assert_eq!(found(&fleet).await, (vec![], 0), "what came later is taken out");
    let altered = "UPDATE fuel.transaction SET gross_amount = gross_amount + 1, driver_name = 'Keegi Teine' \
         WHERE (source, source_transaction_id, line_id) IN ( \
         SELECT DISTINCT ON (partition, occurred_at::date) source, source_transaction_id, line_id FROM fuel.sale \
         WHERE source = 'alexela_card' AND occurred_at >= '2026-09-24' AND occurred_at < '2026-10-01' \
         ORDER BY partition, occurred_at::date, source_transaction_id, line_id)";
    let altered = run(&fleet, altered).await;
    let (named, unsure) = found(&fleet).await;
    assert!(named.iter().all(|finding| finding.what == What::Altered) && unsure == 0, "{named:#?}");
    assert_eq!(named.len() as u64, altered);
    assert_eq!(remap_with(&fleet, false).await.altered.lines, altered);
    assert_eq!(found(&fleet).await, (vec![], windows), "what they were before nobody can say");
    // Their images without a person who is forgotten are still those of altered lines.
    let zeros = "SELECT count(*) FROM fuel.transaction_version WHERE row_before ->> 'content_hash' = '\\x00'";
    assert_eq!(count(&fleet, zeros).await, altered);
    let privacy = "[privacy]\ndriver_name = \"keep\"\n";
    crate::forget::forget(&fleet, privacy, &["--driver", "Keegi Teine"]).await;
    assert_eq!(
        count(
            &fleet,
            "SELECT count(*) FROM fuel.transaction_version WHERE row_before ->> 'driver_name' = 'Keegi Teine'"
        )
        .await,
        0
    );
    assert_eq!((count(&fleet, zeros).await, found(&fleet).await), (altered, (vec![], windows)));
    // The next whole read adds up what is there.
    run(&fleet, "UPDATE fuel.sync_window SET full_read_at = full_read_at - interval '60 days' WHERE final_at IS NULL")
        .await;
    fleet.pass().await;
    assert_eq!(found(&fleet).await, (vec![], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mended_line_accounts_for_what_was_altered_in_it_and_where_it_had_been_put() {
    let fleet = read_long_ago().await;
    written(&fleet, FIRST_OF_EACH, 120).await;
    let of = "(source, source_transaction_id, line_id) = (SELECT source, source_transaction_id, line_id FROM fuel.sale \
         WHERE source = 'alexela_card' AND partition = '22297' AND occurred_at::date = '2026-09-27' ORDER BY gross_amount DESC LIMIT 1)";
    // Into the next window.
    let sql = format!("UPDATE fuel.transaction SET occurred_at = occurred_at + interval '7 days' WHERE {of}");
    assert_eq!(sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&fleet.pool).await.unwrap().rows_affected(), 1);
    assert_eq!(remap_with(&fleet, false).await.altered.lines, 1);
    let (named, unsure) = found(&fleet).await;
    assert!(named.is_empty() && unsure == 1, "{unsure}: {named:#?}");
    // A driver's name makes no other sums, and hides no sale that went.
    let sql = "UPDATE fuel.transaction SET driver_name = 'Keegi Teine' WHERE (source, source_transaction_id, line_id) = (\
         SELECT source, source_transaction_id, line_id FROM fuel.sale WHERE source = 'alexela_card' AND partition = '22310' \
         AND occurred_at::date = '2026-09-27' ORDER BY gross_amount DESC LIMIT 1)";
    assert_eq!(run(&fleet, sql).await, 1);
    assert_eq!(remap_with(&fleet, false).await.altered.lines, 1);
    assert_eq!(found(&fleet).await, (vec![], 1));
    let gone = "WITH one AS (SELECT source_transaction_id FROM fuel.sale WHERE source = 'alexela_card' AND partition = '22310' \
             AND occurred_at::date = '2026-09-28' ORDER BY 1 LIMIT 1), \
         record AS (DELETE FROM fuel.record r USING one WHERE r.source = 'alexela_card' AND r.source_transaction_id = one.source_transaction_id) \
         DELETE FROM fuel.transaction t USING one WHERE t.source = 'alexela_card' AND t.source_transaction_id = one.source_transaction_id";
    assert!(run(&fleet, gone).await > 0);
    let (named, _) = found(&fleet).await;
    assert!(named.len() == 1 && named[0].what == What::Unexplained, "{named:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_whose_time_was_altered_by_hand_is_one_finding() {
    let fleet = read_long_ago().await;
    let moved = "UPDATE fuel.transaction SET occurred_at = occurred_at - interval '24 hours' WHERE (source, source_transaction_id, line_id) = (\
         SELECT source, source_transaction_id, line_id FROM fuel.sale WHERE source = 'alexela_card' \
         AND occurred_at >= '2026-09-26' AND occurred_at < '2026-09-27' ORDER BY gross_amount DESC LIMIT 1)";
    assert_eq!(run(&fleet, moved).await, 1);
    let (named, unsure) = found(&fleet).await;
    assert_eq!((named.len(), unsure), (1, 0), "{named:#?}");
    assert_eq!((named[0].what, named[0].columns.as_slice()), (What::Altered, &["occurred_at"][..]));
    let day = chrono::TimeDelta::hours(24);
    assert_eq!(named[0].was_at, named[0].occurred_at.map(|at| at + day), "and it is said when it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_was_put_under_another_contract_by_hand_is_one_finding() {
    let fleet = read_long_ago().await;
    let moved = "UPDATE fuel.transaction SET partition = '22310' WHERE (source, source_transaction_id, line_id) = (\
         SELECT source, source_transaction_id, line_id FROM fuel.sale WHERE source = 'alexela_card' AND partition = '22297' \
         AND occurred_at >= '2026-09-26' AND occurred_at < '2026-09-27' ORDER BY gross_amount DESC LIMIT 1)";
    assert_eq!(run(&fleet, moved).await, 1);
    let (named, unsure) = found(&fleet).await;
    assert_eq!((named.len(), unsure), (1, 0), "{named:#?}");
    assert_eq!((named[0].partition.as_deref(), named[0].was_of.as_deref()), (Some("22310"), Some("22297")));
    assert_eq!((named[0].what, named[0].columns.as_slice()), (What::Altered, &["partition"][..]));
    assert_eq!(remap_with(&fleet, false).await.changed, 0, "its record does not say of which contract it is");
    assert_eq!(found(&fleet).await, (named, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_line_of_one_contract_does_not_account_for_what_went_from_another() {
    let fleet = read_long_ago().await;
    // The first sale of each of two contracts, on the same day.
    let two = "CREATE TABLE public.two AS SELECT DISTINCT ON (partition) * FROM fuel.sale \
         WHERE source = 'alexela_card' AND occurred_at >= '2026-09-25' AND occurred_at < '2026-09-26' ORDER BY partition, occurred_at";
    run(&fleet, two).await;
    run(&fleet, "DELETE FROM public.two WHERE partition NOT IN (SELECT partition FROM public.two ORDER BY 1 LIMIT 2)")
        .await;
    assert_eq!(count(&fleet, "SELECT count(*) FROM public.two").await, 2);
    let line = "DELETE FROM fuel.transaction t USING public.two WHERE (t.source, t.source_transaction_id) = (two.source, two.source_transaction_id)";
    assert!(run(&fleet, line).await >= 2);
    let (named, _) = found(&fleet).await;
    assert!(named.len() >= 2 && named.iter().all(|finding| finding.what == What::Deleted), "{named:#?}");
    let record = "DELETE FROM fuel.record r USING (SELECT * FROM public.two ORDER BY partition DESC LIMIT 1) AS two \
         WHERE (r.source, r.source_transaction_id) = (two.source, two.source_transaction_id)";
    assert!(run(&fleet, record).await > 0);
    let (named, _) = found(&fleet).await;
    let unexplained = named.iter().filter(|finding| finding.what == What::Unexplained).count();
    assert!(unexplained == 1 && named.len() >= 2, "{named:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_went_from_the_quarantine_leaves_its_window_open() {
    let fleet = Fleet::new(3_000, |_| {}).await;
    fleet.pass().await;
    let quarantined = async || {
        let mut said = Vec::new();
        for month in [SEPTEMBER, OCTOBER] {
            let certificate = proved(&fleet, month).await;
            assert_eq!(certificate.found, 0, "{:#?}", certificate.named());
            let windows = certificate.streams.into_iter().flat_map(|of| of.windows);
            said.extend(windows.filter(|window| window.state == State::Quarantined).map(|window| window.why));
        }
        said
    };
    let before = quarantined().await;
    assert_eq!(before.len(), 3, "{before:?}");
    // By hand: one is deleted, one is said to be settled, one is dropped as it ought to be.
    let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM fuel.quarantine WHERE window_start IS NOT NULL ORDER BY id")
        .fetch_all(&fleet.pool)
        .await
        .unwrap();
    let [one, another, third] = ids[..] else { panic!("{ids:?}") };
    for (sql, id) in [
        ("DELETE FROM fuel.quarantine WHERE id = $1", one),
        ("UPDATE fuel.quarantine SET resolved_at = now() WHERE id = $1", another),
    ] {
        sqlx::query(sql).bind(id).execute(&fleet.pool).await.unwrap();
    }
    assert!(fleet.warehouse.drop_quarantined(third).await.unwrap());
    let after = quarantined().await;
    let gone = "1 record(s) that its last read could not normalize went from the quarantine, and came to no line: backfill --again";
    assert_eq!(after.iter().filter(|why| *why == gone).count(), 2, "{before:?} {after:?}");
    assert_eq!(after.len(), before.len() - 1, "the one that was dropped is settled");
    read_again(&fleet).await;
    let again = quarantined().await;
    assert!(again.len() == after.len() && !again.iter().any(|why| *why == gone), "they are back: {again:?}");
}
