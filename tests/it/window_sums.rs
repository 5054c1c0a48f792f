//! What the sales of each window come to is kept in the ledger, and `prove` holds the table against it.

use std::time::Duration;

use chrono::TimeDelta;
use fuelsync::{
    clock::Clock,
    domain::{Partition, SourceKind, StreamId, Window},
    sync::prove::Certificate,
    warehouse::certificate::{LedgerSums, What},
};

use crate::{
    forget::read_again,
    prove::{CARDS, OCTOBER, SEPTEMBER, WEEK, count, proved, proved_of, run},
    support::fleet::Fleet,
};

/// Windows whose kept sums are not those of the sales that count, in the form of a table; without those that got a line by
/// another read since (of a neighbour, or of one transaction by its id).
const UNLIKE: &str = "\
    WITH ledger AS ( \
        SELECT w.* FROM fuel.sync_window w WHERE w.sums IS NOT NULL AND NOT EXISTS ( \
            SELECT FROM fuel.transaction t WHERE t.source = w.source AND t.account = w.account AND t.partition = w.partition \
                AND t.occurred_at >= w.window_start AND t.occurred_at < w.window_end AND t.changed_at > w.last_read_at) \
    ), kept AS ( \
        SELECT w.source, w.account, w.partition, w.window_start, s.product, s.currency, s.unit, \
            s.rows, s.quantity::numeric, s.net::numeric, s.vat::numeric, s.gross::numeric \
        FROM ledger w, jsonb_to_recordset(w.sums) AS s ( \
            product text, currency text, unit text, rows bigint, quantity text, net text, vat text, gross text) \
    ), there AS ( \
        SELECT w.source, w.account, w.partition, w.window_start, t.product, t.currency, t.unit, \
            count(*), coalesce(sum(t.quantity), 0), coalesce(sum(t.net_amount), 0), coalesce(sum(t.vat_amount), 0), \
            coalesce(sum(t.gross_amount), 0) \
        FROM ledger w \
        JOIN fuel.sale t ON t.source = w.source AND t.account = w.account AND t.partition = w.partition \
            AND t.occurred_at >= w.window_start AND t.occurred_at < w.window_end \
        GROUP BY 1, 2, 3, 4, 5, 6, 7 \
    ) \
    SELECT count(*) FROM ((TABLE kept EXCEPT TABLE there) UNION ALL (TABLE there EXCEPT TABLE kept)) AS d";

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_keeps_what_the_sales_of_each_window_come_to() {
    let fleet = Fleet::new(3_000, |_| {}).await;
    fleet.pass().await;
    fleet.is_the_truth().await;
    assert_eq!(count(&fleet, UNLIKE).await, 0);
    assert_eq!(
        count(&fleet, "SELECT count(*) FROM fuel.sync_window WHERE sums IS NULL").await,
        0,
        "all were read whole"
    );
    let sums = "SELECT coalesce(sum((s ->> 'rows')::bigint), 0)::bigint FROM fuel.sync_window, jsonb_array_elements(sums) AS s";
    assert_eq!(count(&fleet, sums).await, count(&fleet, "SELECT count(*) FROM fuel.sale").await, "each sale is in one");
    let quarantined = "SELECT count(*) FROM fuel.sync_window WHERE quarantined > 0 AND sums <> '[]'";
    assert!(count(&fleet, quarantined).await > 0, "also beside records that cannot be normalized");

    // Corrections, invoices, late sales; and reads of the windows' ends alone.
    fleet.clock.advance(Duration::from_mins(20));
    fleet.pass().await;
    assert!(
        count(&fleet, "SELECT count(*) FROM fuel.sync_window WHERE sums IS NULL").await > 0,
        "of a part nothing is said"
    );
    assert_eq!(count(&fleet, UNLIKE).await, 0);
    for _ in 0..3 {
        fleet.clock.advance(Duration::from_hours(49));
        fleet.pass().await;
        assert_eq!(count(&fleet, UNLIKE).await, 0);
    }
    assert!(count(&fleet, "SELECT count(*) FROM fuel.sync_window WHERE updated > 0 AND sums <> '[]'").await > 0);
    fleet.is_the_truth().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_has_none_gets_them_by_the_next_read_and_keeps_them() {
    let fleet = Fleet::new(1_000, |_| {}).await;
    fleet.pass().await;
    // As an earlier version leaves them.
    let bare =
        run(&fleet, "UPDATE fuel.sync_window SET sums = NULL, sums_at = NULL WHERE window_end <= '2026-10-18'").await;
    let due = "UPDATE fuel.sync_window SET full_read_at = full_read_at - interval '60 days' WHERE final_at IS NULL";
    run(&fleet, due).await;
    fleet.pass().await;
    let without =
        "SELECT count(*) FROM fuel.sync_window WHERE sums IS NULL AND final_at IS NULL AND window_end <= '2026-10-18'";
    assert_eq!(count(&fleet, without).await, 0);
    let again = "SELECT count(*) FROM fuel.sync_window WHERE sums <> '[]' AND unchanged = fetched AND window_end <= '2026-10-18'";
    assert!(count(&fleet, again).await > 0, "of those with nothing new, too, of {bare}");
    assert_eq!(count(&fleet, UNLIKE).await, 0);

    // What was not added up again is what it was, also where it is not what it would be.
    let wrong =
        "UPDATE fuel.sync_window SET sums = '[]' WHERE digest_seqs IS NOT NULL AND final_at IS NULL AND sums <> '[]'";
    let wrong = run(&fleet, wrong).await;
    run(&fleet, due).await;
    fleet.pass().await;
    let kept = "SELECT count(*) FROM fuel.sync_window WHERE sums = '[]' AND unchanged > 0 AND sums_at = last_read_at";
    assert!(wrong > 0 && count(&fleet, kept).await >= wrong, "an answer that is there already is not added up");
    // A version that does not know of them reads a window, and leaves them behind.
    run(&fleet, "UPDATE fuel.sync_window SET last_read_at = last_read_at + interval '1 second'").await;
    assert_eq!(proved_of(&fleet, WEEK, &CARDS).await.found, 0, "they say nothing");
    let read = proved_of(&fleet, WEEK, &CARDS).await;
    let windows = read.streams.iter().flat_map(|of| &of.windows).filter(|w| w.state.is_read() && w.lines.rows > 0);
    assert_eq!(read.without_ledger_sums, windows.count() as u64);
    run(&fleet, due).await;
    fleet.pass().await;
    assert_eq!(count(&fleet, UNLIKE).await, 0, "added up anew");
    assert_eq!(proved_of(&fleet, WEEK, &CARDS).await.without_ledger_sums, 0);
}

/// Deletes a card sale with its record, from a window of which some records are in quarantine: the ledger has no digest of
/// such a one.
const FROM_UNVOUCHED: &str = "\
    WITH one AS ( \
        SELECT t.source, t.account, t.source_transaction_id FROM fuel.sync_window w \
        JOIN fuel.sale t ON t.source = w.source AND t.account = w.account AND t.partition = w.partition \
            AND t.occurred_at >= w.window_start AND t.occurred_at < w.window_end \
        WHERE w.source = 'alexela_card' AND w.digest_seqs IS NULL AND w.quarantined > 0 \
        ORDER BY w.window_start, t.source_transaction_id LIMIT 1 \
    ), record AS ( \
        DELETE FROM fuel.record r USING one \
        WHERE r.source = one.source AND r.account = one.account AND r.source_transaction_id = one.source_transaction_id \
    ) \
    DELETE FROM fuel.transaction t USING one \
    WHERE t.source = one.source AND t.account = one.account AND t.source_transaction_id = one.source_transaction_id";

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_that_went_without_a_trace_is_missed_by_the_sums_and_how_much_it_was_is_said() {
    let fleet = Fleet::new(3_000, |_| {}).await;
    fleet.pass().await;
    assert_eq!(proved(&fleet, SEPTEMBER).await.found + proved(&fleet, OCTOBER).await.found, 0);
    // The earlier certificates would tell, too.
    run(&fleet, "DELETE FROM fuel.certificate").await;
    assert!(run(&fleet, FROM_UNVOUCHED).await > 0);
    let spoilt = [proved(&fleet, SEPTEMBER).await, proved(&fleet, OCTOBER).await];
    let found: Vec<_> = spoilt.iter().flat_map(Certificate::named).collect();
    assert_eq!(found.len(), 1, "{found:#?}");
    let why = &found[0].why;
    assert!(
        found[0].source_transaction_id.is_none() && why.contains(" EUR L: sales ") && why.contains("gross"),
        "{why}"
    );
    assert!(why.starts_with("the sales of the window ") && why.ends_with("make the difference"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_that_were_altered_in_the_ledger_are_named_and_lines_that_were_are_named_once() {
    let fleet = Fleet::new(1_000, |options| options.world.dirt = false).await;
    fleet.pass().await;
    assert_eq!(proved_of(&fleet, WEEK, &CARDS).await.found, 0);
    run(&fleet, "DELETE FROM fuel.certificate").await;
    let altered = "UPDATE fuel.sync_window SET sums = jsonb_set(sums, '{0,gross}', '\"1.0000\"') \
         WHERE source = 'alexela_bonus' AND window_start <= '2026-09-24' AND window_end > '2026-09-24' AND sums <> '[]'";
    assert_eq!(run(&fleet, altered).await, 1);
    let named = proved_of(&fleet, WEEK, &CARDS).await;
    assert_eq!(named.found, 1, "{:#?}", named.named());
    let why = &named.named()[0].why;
    assert!(why.starts_with("the sales of the window ") && why.contains(": gross 1.0000 then and "), "{why}");
    assert!(!why.contains("quantity"), "what differs is said, and nothing else: {why}");
    run(&fleet, "UPDATE fuel.sync_window SET sums = '{}' WHERE sums @> '[{\"gross\": \"1.0000\"}]'").await;
    assert_eq!(proved_of(&fleet, WEEK, &CARDS).await.found, 1, "what is no list of sums is another one");

    read_again(&fleet).await;
    assert_eq!(proved_of(&fleet, WEEK, &CARDS).await.found, 0, "until the window is read whole again");
    run(&fleet, "DELETE FROM fuel.certificate").await;
    let line = "UPDATE fuel.transaction SET gross_amount = gross_amount + 1 WHERE (source, source_transaction_id, line_id) = (\
         SELECT source, source_transaction_id, line_id FROM fuel.sale WHERE source = 'alexela_card' \
         AND occurred_at >= '2026-09-25' AND occurred_at < '2026-09-26' ORDER BY gross_amount DESC LIMIT 1)";
    assert_eq!(run(&fleet, line).await, 1);
    let once = proved_of(&fleet, WEEK, &CARDS).await;
    assert_eq!((once.found, once.named()[0].columns.as_slice()), (1, &["gross_amount"][..]), "{:#?}", once.named());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_have_made_the_difference_does_not_hide_it() {
    let fleet = Fleet::new(3_000, |_| {}).await;
    fleet.pass().await;
    assert!(run(&fleet, FROM_UNVOUCHED).await > 0);
    // In each window of cards another line is altered by hand.
    let drivers = "UPDATE fuel.transaction SET driver_name = 'Keegi Teine' WHERE (source, source_transaction_id, line_id) IN (\
         SELECT DISTINCT ON (partition, occurred_at::date) source, source_transaction_id, line_id FROM fuel.transaction \
         WHERE source = 'alexela_card' ORDER BY partition, occurred_at::date, source_transaction_id, line_id)";
    assert!(run(&fleet, drivers).await > 20);
    let named = |certificate: &Certificate| {
        let unexplained = certificate.named().iter().filter(|finding| finding.what == What::Unexplained);
        unexplained.count()
    };
    assert_eq!(named(&proved(&fleet, SEPTEMBER).await) + named(&proved(&fleet, OCTOBER).await), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_were_written_since_hide_nothing_and_are_no_finding() {
    let fleet = Fleet::new(1_000, |options| options.world.dirt = false).await;
    fleet.pass().await;
    // A line of each window is written anew, as a read of one transaction by its id does: its image stays.
    let written = "WITH one AS (SELECT DISTINCT ON (partition, occurred_at::date) t.* FROM fuel.transaction t \
             WHERE source = 'alexela_card' ORDER BY partition, occurred_at::date, source_transaction_id, line_id), \
         image AS (INSERT INTO fuel.transaction_version (source, account, source_transaction_id, line_id, version, operation, changed_columns, row_before, replaced_at) \
             SELECT source, account, source_transaction_id, line_id, version, 'change', '{receipt_no}', to_jsonb(one) - 'absent_reads', now() + interval '2 hours' FROM one) \
         UPDATE fuel.transaction t SET changed_at = now() + interval '2 hours', version = t.version + 1, seq = nextval('fuel.change_seq') FROM one \
         WHERE (t.source, t.account, t.source_transaction_id, t.line_id) = (one.source, one.account, one.source_transaction_id, one.line_id)";
    assert!(run(&fleet, written).await > 20);
    let good = proved_of(&fleet, WEEK, &CARDS).await;
    assert_eq!(good.found, 0, "{:#?}", good.named());
    run(&fleet, "DELETE FROM fuel.certificate").await;
    let gone = "WITH one AS (SELECT source_transaction_id FROM fuel.sale WHERE source = 'alexela_card' AND version = 1 \
             AND occurred_at >= '2026-09-24' AND occurred_at < '2026-10-01' ORDER BY 1 LIMIT 1), \
         record AS (DELETE FROM fuel.record r USING one WHERE r.source = 'alexela_card' AND r.source_transaction_id = one.source_transaction_id) \
         DELETE FROM fuel.transaction t USING one WHERE t.source = 'alexela_card' AND t.source_transaction_id = one.source_transaction_id";
    assert!(run(&fleet, gone).await > 0);
    let missed = proved_of(&fleet, WEEK, &CARDS).await;
    assert_eq!(missed.found, 1, "{:#?}", missed.named());
    assert!(missed.named()[0].why.starts_with("the sales of the window "), "{:#?}", missed.named());
}

/// Writes a line of each window of cards anew, one euro more, as a read of one transaction by its id does two hours later: its
/// image stays.
const WRITTEN_SINCE: &str = "WITH one AS (SELECT DISTINCT ON (partition, occurred_at::date) t.* FROM fuel.sale t \
         WHERE source = 'alexela_card' ORDER BY partition, occurred_at::date, source_transaction_id, line_id), \
     image AS (INSERT INTO fuel.transaction_version (source, account, source_transaction_id, line_id, version, operation, changed_columns, row_before, replaced_at) \
         SELECT source, account, source_transaction_id, line_id, version, 'change', '{gross_amount}', to_jsonb(one) - 'absent_reads' - 'vehicle_key', now() + interval '2 hours' FROM one) \
     UPDATE fuel.transaction t SET gross_amount = t.gross_amount + 1, changed_at = now() + interval '2 hours', version = t.version + 1, seq = nextval('fuel.change_seq') FROM one \
     WHERE (t.source, t.account, t.source_transaction_id, t.line_id) = (one.source, one.account, one.source_transaction_id, one.line_id)";

#[tokio::test(flavor = "multi_thread")]
async fn what_sales_came_to_is_found_in_the_history_of_their_lines() {
    let fleet = Fleet::new(1_000, |options| options.world.dirt = false).await;
    fleet.pass().await;
    assert!(run(&fleet, WRITTEN_SINCE).await > 20);
    let partitions: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT partition FROM fuel.sync_window WHERE source = 'alexela_card'")
            .fetch_all(&fleet.pool)
            .await
            .unwrap();
    let mut snapshot = fleet.warehouse.snapshot(Duration::from_mins(1)).await.unwrap();
    let all = Window::new(fleet.start, fleet.clock.now()).unwrap();
    let (mut windows, mut open) = (0, 0);
    for partition in partitions {
        let stream = StreamId::new(SourceKind::AlexelaCard, "fleet", Partition::contract(partition));
        let (ledger, _) = snapshot.ledger(&stream, all).await.unwrap();
        let read: Vec<_> = ledger.iter().map(|entry| (entry.window, entry.last_read_at.unwrap())).collect();
        for (entry, then) in ledger.iter().zip(snapshot.sums_then(&stream, &read).await.unwrap()) {
            assert_eq!((then.fewer, then.more), (0, 0), "{entry:?}");
            assert_eq!(entry.sums, LedgerSums::Known(then.sums));
            windows += 1;
        }
        // Of what was being written when a window was read, nobody knows whether it was read before or after.
        for minutes in [-5, 5] {
            let beside: Vec<_> = read.iter().map(|(window, at)| (*window, *at + TimeDelta::minutes(minutes))).collect();
            for (entry, then) in ledger.iter().zip(snapshot.sums_then(&stream, &beside).await.unwrap()) {
                assert!(then.fewer.max(then.more) <= entry.fetched, "{minutes}: {entry:?}");
                // What was begun before is in the table's sums, and what was begun later is not.
                assert!(
                    if minutes > 0 { then.fewer <= then.more } else { then.more <= then.fewer },
                    "{minutes}: {then:?}"
                );
                open += u64::from(then.fewer + then.more > 0);
            }
        }
    }
    assert!(windows > 10 && open > 10, "{windows} {open}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_reaches_over_the_end_is_held_whole_against_its_sums() {
    let fleet = Fleet::new(1_000, |options| options.world.dirt = false).await;
    fleet.pass().await;
    // Of the ledger's digests nothing is left, and so it is the sums alone.
    run(&fleet, "UPDATE fuel.sync_window SET digest_seqs = NULL").await;
    let across = "SELECT count(*) FROM fuel.sync_window WHERE source = 'alexela_bonus' AND sums <> '[]' \
         AND window_start = '2026-09-24' AND window_end = '2026-10-01'";
    assert_eq!(count(&fleet, across).await, 1);
    let halves = [("2026-09-20T00:00:00Z", "2026-09-27T00:00:00Z"), ("2026-09-27T00:00:00Z", "2026-10-04T00:00:00Z")];
    for half in halves {
        assert_eq!(proved(&fleet, half).await.found, 0);
    }
    run(&fleet, "DELETE FROM fuel.certificate").await;
    run(&fleet, "CREATE TABLE public.set_aside (LIKE fuel.transaction)").await;
    // What is named beyond the end is no finding here.
    for (spoil, mend) in [
        (
            "UPDATE fuel.transaction SET gross_amount = gross_amount + 1 WHERE (source, source_transaction_id, line_id) = (\
              SELECT source, source_transaction_id, line_id FROM fuel.sale WHERE source = 'alexela_bonus' \
              AND occurred_at >= '2026-09-28' AND occurred_at < '2026-10-01' ORDER BY 2 LIMIT 1)",
            "UPDATE fuel.transaction SET gross_amount = gross_amount - 1 WHERE (source, source_transaction_id, line_id) = (\
              SELECT source, source_transaction_id, line_id FROM fuel.sale WHERE source = 'alexela_bonus' \
              AND occurred_at >= '2026-09-28' AND occurred_at < '2026-10-01' ORDER BY 2 LIMIT 1)",
        ),
        (
            "WITH gone AS (DELETE FROM fuel.transaction WHERE (source, source_transaction_id, line_id) = (\
              SELECT source, source_transaction_id, line_id FROM fuel.sale WHERE source = 'alexela_bonus' \
              AND occurred_at >= '2026-09-28' AND occurred_at < '2026-10-01' ORDER BY 2 LIMIT 1) RETURNING *) \
          INSERT INTO public.set_aside SELECT * FROM gone",
            "INSERT INTO fuel.transaction SELECT * FROM public.set_aside",
        ),
        (
            "UPDATE fuel.transaction SET missing_since = now() WHERE (source, source_transaction_id, line_id) = (\
              SELECT source, source_transaction_id, line_id FROM fuel.sale WHERE source = 'alexela_bonus' \
              AND occurred_at >= '2026-09-28' AND occurred_at < '2026-10-01' ORDER BY 2 LIMIT 1)",
            "UPDATE fuel.transaction SET missing_since = NULL WHERE missing_since IS NOT NULL",
        ),
    ] {
        assert_eq!(run(&fleet, spoil).await, 1);
        let found = [proved(&fleet, halves[0]).await.found, proved(&fleet, halves[1]).await.found];
        assert_eq!(found, [0, 1], "{spoil}");
        assert_eq!(run(&fleet, mend).await, 1);
        run(&fleet, "DELETE FROM fuel.certificate").await;
    }
    let one = "WITH one AS (SELECT source_transaction_id FROM fuel.sale WHERE source = 'alexela_bonus' \
             AND occurred_at >= '2026-09-28' AND occurred_at < '2026-10-01' ORDER BY 1 LIMIT 1), \
         record AS (DELETE FROM fuel.record r USING one WHERE r.source = 'alexela_bonus' AND r.source_transaction_id = one.source_transaction_id) \
         DELETE FROM fuel.transaction t USING one WHERE t.source = 'alexela_bonus' AND t.source_transaction_id = one.source_transaction_id";
    assert!(run(&fleet, one).await > 0);
    for half in halves {
        let found = proved(&fleet, half).await;
        assert_eq!(found.found, 1, "{:#?}", found.named());
    }
}
