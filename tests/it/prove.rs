//! `prove`: the completeness certificate of a month, and what it finds that was done by hand.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use fuelsync::{
    app::App,
    cli,
    clock::Clock,
    domain::{SourceKind, Window},
    sandbox,
    sync::prove::{Certificate, Prove, Proved, State},
    warehouse::certificate::Reason,
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    remap::remap_with,
    support::{
        Fuelsync,
        fleet::{Fleet, start},
    },
    verify::{BY_HAND, Shop},
};

impl Shop {
    /// The certificates of the months that its days lie in.
    async fn prove(&self, code: i32) -> Vec<Value> {
        let mut certificates = Vec::new();
        for month in self.months() {
            let ran = self.call(["prove", "--json", "--month", &month]).run().await;
            certificates.push((ran.code, ran.json()));
        }
        assert_eq!(certificates.iter().filter_map(|(code, _)| *code).max(), Some(code), "{certificates:#?}");
        certificates.into_iter().map(|(_, certificate)| certificate).collect()
    }

    fn months(&self) -> BTreeSet<String> {
        let days = [self.start, self.start + TimeDelta::days(20)];
        days.map(|day: DateTime<Utc>| day.format("%Y-%m").to_string()).into_iter().collect()
    }
}

/// Source, what and columns of each finding.
fn findings(certificates: &[Value]) -> Vec<(String, String, String)> {
    let all = certificates.iter().flat_map(|certificate| certificate["findings"].as_array().unwrap());
    let mut found: Vec<_> = all
        .map(|finding| {
            let columns = finding["columns"].as_array().map_or_else(String::new, |columns| {
                columns.iter().map(|column| column.as_str().unwrap()).collect::<Vec<_>>().join(",")
            });
            let text = |name: &str| finding[name].as_str().unwrap().to_owned();
            (text("source"), text("what"), columns)
        })
        .collect();
    found.sort();
    found
}

/// The statement of docs/PROVE.md: what the last certificate has as its root, what SQL makes of the tables, and how many
/// windows differ.
async fn recomputed(pool: &sqlx::PgPool) -> (String, String, i64) {
    let docs = include_str!("../../docs/PROVE.md");
    let sql = docs.split("```sql\n").nth(1).unwrap().split("```").next().unwrap();
    sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_one(pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_warehouse_has_no_finding_and_sql_alone_comes_to_the_same_root() {
    let shop = Shop::new(3_000).await;
    let certificates = shop.prove(0).await;
    let rows: u64 = certificates.iter().map(|certificate| certificate["rows"].as_u64().unwrap()).sum();
    let there: i64 = sqlx::query_scalar("SELECT count(*) FROM fuel.transaction").fetch_one(&shop.pool).await.unwrap();
    assert_eq!(i64::try_from(rows).unwrap(), there, "every line is in one of the months");
    for certificate in &certificates {
        assert_eq!(certificate["other_rules"], 0, "{certificate:#}");
        assert_eq!(
            (&certificate["found"], &certificate["complete"]),
            (&0.into(), &false.into()),
            "too young to be final"
        );
        assert!(certificate["states"]["provisional"].as_u64() > Some(0), "{certificate:#}");
    }
    let last = certificates.last().unwrap();
    let (kept, made, differing) = recomputed(&shop.pool).await;
    assert_eq!((Some(kept.as_str()), &kept, differing), (last["root"].as_str(), &made, 0));
    let again = shop.prove(0).await;
    assert_eq!(again.last().unwrap()["root"], last["root"], "nothing has changed");
    let since = &again.last().unwrap()["streams"][0]["since"];
    assert_eq!((&since["certificate"], &since["counts"]), (&last["certificate"], &serde_json::json!({})), "{since:#}");
    let text = shop.call(["prove", "--month", shop.months().last().unwrap()]).run().await.ended_with(0).stdout;
    assert!(text.contains(last["root"].as_str().unwrap()) && text.contains("provisional"), "{text}");
    shop.call(["prove", "--month", "2026-13"]).run().await.ended_with(2);
    shop.call(["prove", "--month", "2026-01", "--account", "nobody"]).run().await.ended_with(2);
    let one =
        shop.call(["prove", "--json", "--month", "2001-01", "--source", "hecone"]).run().await.ended_with(0).json();
    assert_eq!((&one["rows"], &one["states"]), (&0.into(), &serde_json::json!({"not_covered": 1})), "{one:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_row_altered_one_deleted_and_one_invented_are_each_named() {
    let shop = Shop::new(3_000).await;
    let good = shop.prove(0).await;
    for sql in BY_HAND {
        assert_eq!(shop.run(sql).await, 4);
    }
    let certificates = shop.prove(6).await;
    let sources = ["alexela_bonus", "alexela_card", "alexela_ev", "hecone"];
    let expected: Vec<_> = sources
        .into_iter()
        .flat_map(|source| {
            [("altered", "quantity"), ("deleted", ""), ("invented", "")]
                .map(|(what, columns)| (source.to_owned(), what.to_owned(), columns.to_owned()))
        })
        .collect();
    assert_eq!(findings(&certificates), expected, "{certificates:#?}");
    assert_ne!(certificates.last().unwrap()["root"], good.last().unwrap()["root"]);
    let text = shop.call(["prove", "--month", shop.months().last().unwrap()]).run().await.stdout;
    assert!(text.contains("finding(s)"), "{text}");
    let (kept, made, differing) = recomputed(&shop.pool).await;
    assert!(kept != made && differing > 0, "and by SQL alone it is seen, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_deleted_with_its_record_is_missed_by_the_ledger_and_by_the_last_certificate() {
    let shop = Shop::new(1_500).await;
    shop.prove(0).await;
    let with_record = "WITH one AS (SELECT source, source_transaction_id FROM fuel.transaction WHERE source = 'alexela_ev' \
             ORDER BY occurred_at DESC OFFSET 3 LIMIT 1), \
         record AS (DELETE FROM fuel.record r USING one WHERE r.source = one.source AND r.source_transaction_id = one.source_transaction_id) \
         DELETE FROM fuel.transaction t USING one WHERE t.source = one.source AND t.source_transaction_id = one.source_transaction_id";
    assert_eq!(shop.run(with_record).await, 1);
    // What was found once is not taken for what it ought to be: also where the ledger says nothing.
    for ledger in ["SELECT 1", "UPDATE fuel.sync_window SET sums = NULL, digest_seqs = NULL", "SELECT 1"] {
        shop.run(ledger).await;
        let found = findings(&shop.prove(6).await);
        let is_it = |(source, what, _): &(String, String, String)| source == "alexela_ev" && what == "unexplained";
        assert!(!found.is_empty() && found.iter().all(is_it), "{found:?}");
    }
    shop.call(["sync"]).run().await.ended_with(0);
}

/// The certificate of a month, by the fleet's clock.
pub(crate) async fn proved(fleet: &Fleet, month: (&str, &str)) -> Certificate {
    proved_of(fleet, month, &SourceKind::ALL).await
}

/// The same of some sources.
pub(crate) async fn proved_of(fleet: &Fleet, month: (&str, &str), sources: &[SourceKind]) -> Certificate {
    let app = App::new(fleet.config.clone(), fleet.clock.clone()).unwrap();
    fleet.warehouse.heed(&app.forgotten).await.unwrap();
    let selected = |kind: SourceKind, _: &str| sources.contains(&kind);
    let prove = Prove {
        warehouse: &fleet.warehouse,
        settings: &app.config.sync,
        host: "test",
        accounts: &cli::prove::accounts(&fleet.config, &selected),
        selected: &selected,
        normalizer: &|stream| app.normalizer(stream),
        present: fleet.clock.now(),
    };
    let window = Window::new(month.0.parse().unwrap(), month.1.parse().unwrap()).unwrap();
    prove.run(window, &CancellationToken::new()).await.unwrap()
}

pub(crate) const SEPTEMBER: (&str, &str) = ("2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z");
pub(crate) const OCTOBER: (&str, &str) = ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");

fn reasons(certificate: &Certificate) -> Vec<Reason> {
    let since = certificate.streams.iter().filter_map(|stream| stream.since.as_ref());
    let reasons: BTreeSet<_> = since.flat_map(|since| since.since.counts.keys().copied()).collect();
    reasons.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_certificate_says_what_changed_and_why_line_by_line() {
    let fleet = Fleet::new(4_000, |_| {}).await;
    fleet.pass().await;
    let first = proved(&fleet, OCTOBER).await;
    assert_eq!((first.found, first.other_rules), (0, 0), "{:#?}", first.named());
    let hidden: String = sqlx::query_scalar(
        "SELECT source_transaction_id FROM fuel.transaction WHERE source = 'alexela_ev' AND occurred_at > '2026-10-05' ORDER BY occurred_at LIMIT 1",
    )
    .fetch_one(&fleet.pool)
    .await
    .unwrap();
    fleet.sandbox.world().hide(SourceKind::AlexelaEv, &hidden, true);
    for _ in 0..4 {
        fleet.clock.advance(Duration::from_hours(25));
        fleet.pass().await;
    }
    let second = proved(&fleet, OCTOBER).await;
    assert_eq!((second.found, second.other_rules), (0, 0), "{:#?}", second.named());
    assert_ne!(second.root, first.root);
    let all = reasons(&second);
    for reason in [Reason::Late, Reason::Corrected, Reason::Removed] {
        assert!(all.contains(&reason), "{all:?}");
    }
    let changes = || second.streams.iter().filter_map(|stream| stream.since.as_ref()).flat_map(|s| &s.since.changes);
    let removed = changes().find(|change| change.source_transaction_id == hidden).unwrap();
    assert_eq!((removed.why, removed.columns.as_slice()), (Reason::Removed, &["missing_since".to_owned()][..]));
    let changed: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM fuel.transaction t WHERE occurred_at >= '2026-10-01' AND occurred_at < '2026-11-01' \
             AND seq > (SELECT max(through_seq) FROM (SELECT through_seq FROM fuel.certificate ORDER BY made_at LIMIT 1) AS c)",
    )
    .fetch_one(&fleet.pool)
    .await
    .unwrap();
    let there =
        changes().filter(|change| change.why != Reason::Removed || change.source_transaction_id == hidden).count();
    assert_eq!(i64::try_from(there).unwrap(), changed, "each line that changed, and no other");

    fleet.sandbox.world().hide(SourceKind::AlexelaEv, &hidden, false);
    // Invoices are written in the first days of the month after.
    fleet.clock.advance(Duration::from_hours(24 * 15));
    fleet.pass().await;
    let third = proved(&fleet, OCTOBER).await;
    let all = reasons(&third);
    assert!(all.contains(&Reason::Returned) && all.contains(&Reason::Invoiced), "{all:?}");
    let same = proved(&fleet, OCTOBER).await;
    assert_eq!((same.root, reasons(&same)), (third.root, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_says_what_a_month_is_made_of() {
    let fleet = Fleet::new(400, |_| {}).await;
    fleet.pass().await;
    sqlx::query("UPDATE fuel.sync_window SET state = 'final', final_at = now() WHERE window_end <= '2026-09-28'")
        .execute(&fleet.pool)
        .await
        .unwrap();
    let certificate = proved(&fleet, SEPTEMBER).await;
    let text = cli::prove::text(&certificate, Duration::from_millis(1_500));
    insta::assert_snapshot!(text.replace(&certificate.certificate.to_string(), "ID"));
}

pub(crate) async fn run(fleet: &Fleet, sql: &'static str) -> u64 {
    sqlx::query(sql).execute(&fleet.pool).await.unwrap().rows_affected()
}

pub(crate) async fn count(fleet: &Fleet, sql: &'static str) -> u64 {
    let count: i64 = sqlx::query_scalar(sql).fetch_one(&fleet.pool).await.unwrap();
    count.unsigned_abs()
}

pub(crate) const WEEK: (&str, &str) = ("2026-09-24T00:00:00Z", "2026-10-01T00:00:00Z");
pub(crate) const CARDS: [SourceKind; 2] = [SourceKind::AlexelaBonus, SourceKind::AlexelaCard];

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_that_was_hidden_by_hand_is_named() {
    let fleet = Fleet::new(1_000, |_| {}).await;
    fleet.pass().await;
    run(&fleet, "UPDATE fuel.sync_window SET state = 'final', final_at = now(), unstable = false WHERE read_through >= window_end").await;
    assert!(proved_of(&fleet, WEEK, &CARDS).await.complete);
    let hides = "UPDATE fuel.transaction SET missing_since = now() WHERE (source, source_transaction_id, line_id) = (\
         SELECT source, source_transaction_id, line_id FROM fuel.transaction WHERE source = 'alexela_card' \
         AND occurred_at >= '2026-09-25' AND occurred_at < '2026-09-26' ORDER BY gross_amount DESC LIMIT 1)";
    assert_eq!(run(&fleet, hides).await, 1);
    let spoilt = proved_of(&fleet, WEEK, &CARDS).await;
    assert_eq!(spoilt.found, 1, "{:#?}", spoilt.named());
    assert_eq!(spoilt.named()[0].columns, ["missing_since"]);
    assert!(!spoilt.complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn complete_is_said_only_of_what_is_complete() {
    let mut fleet = Fleet::new(1_000, |_| {}).await;
    fleet.pass().await;
    run(&fleet, "UPDATE fuel.sync_window SET state = 'final', final_at = now(), unstable = false WHERE read_through >= window_end").await;
    let good = proved_of(&fleet, WEEK, &CARDS).await;
    assert!(good.complete && good.found == 0, "{:?} {:?}", good.states, good.named());

    // Each spoils it, and is mended again.
    for (spoil, mend, is_complete) in [
        (
            "UPDATE fuel.sync_window SET unstable = true WHERE source = 'alexela_bonus' AND window_start = '2026-09-24'",
            "UPDATE fuel.sync_window SET unstable = false",
            false,
        ),
        (
            "INSERT INTO fuel.quarantine (source, account, partition, fingerprint, record, field, reason) VALUES ('alexela_bonus', 'fleet', '-', '\\x01', '{}', 'id', 'is missing')",
            "UPDATE fuel.quarantine SET resolved_at = now(), dropped = true WHERE fingerprint = '\\x01'",
            false,
        ),
        (
            "UPDATE fuel.quarantine SET resolved_at = NULL, dropped = false, window_start = '2026-09-25' WHERE fingerprint = '\\x01'",
            "UPDATE fuel.quarantine SET resolved_at = now(), dropped = true WHERE fingerprint = '\\x01'",
            false,
        ),
        (
            "UPDATE fuel.quarantine SET resolved_at = NULL, dropped = false, window_start = '2025-01-01' WHERE fingerprint = '\\x01'",
            "UPDATE fuel.quarantine SET resolved_at = now(), dropped = true, window_start = NULL WHERE fingerprint = '\\x01'",
            true,
        ),
        (
            "INSERT INTO fuel.record (source, account, source_transaction_id, line_id, raw, normalizer) VALUES ('alexela_bonus', 'fleet', 'nothing', '-', '{}', 1)",
            "DELETE FROM fuel.record WHERE source_transaction_id = 'nothing'",
            false,
        ),
        (
            "INSERT INTO fuel.checkpoint (source, account, partition) VALUES ('petrol', 'fleet', '-')",
            "DELETE FROM fuel.checkpoint WHERE source = 'petrol'",
            false,
        ),
    ] {
        assert_eq!(run(&fleet, spoil).await, 1, "{spoil}");
        let spoilt = proved_of(&fleet, WEEK, &CARDS).await;
        assert_eq!((spoilt.complete, spoilt.found), (is_complete, 0), "{spoil}: {:?}", spoilt.states);
        run(&fleet, mend).await;
    }
    let dropped = proved_of(&fleet, WEEK, &CARDS).await;
    assert_eq!((dropped.complete, dropped.root), (true, good.root));
    let named: Vec<_> = dropped.streams.iter().flat_map(|of| &of.dropped).map(|of| of.reason.as_str()).collect();
    assert_eq!(named, ["is missing"]);
    let text = cli::prove::text(&dropped, Duration::from_secs(1));
    assert!(text.contains("alexela_bonus/fleet/-: 1 record(s) were dropped by hand"), "{text}");

    let mut contracts: Vec<String> = Vec::new();
    for of in &good.streams {
        contracts
            .extend((of.stream.source == SourceKind::AlexelaCard).then(|| of.stream.partition.as_str().to_owned()));
    }
    fleet.config.alexela[0].contracts = contracts.clone();
    assert!(proved_of(&fleet, WEEK, &CARDS).await.complete, "all that are named are read");
    fleet.config.alexela[0].contracts.push("99999".to_owned());
    let one_more = proved_of(&fleet, WEEK, &CARDS).await;
    let never = one_more.streams.iter().find(|of| of.stream.partition.as_str() == "99999").unwrap();
    assert_eq!((one_more.complete, never.states().contains_key(&State::Missing)), (false, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_that_the_ledger_does_not_vouch_for_are_counted() {
    let fleet = Fleet::new(1_000, |options| options.world.dirt = false).await;
    fleet.pass().await;
    let vouched = proved_of(&fleet, WEEK, &CARDS).await;
    assert_eq!(vouched.without_ledger_digest, 0, "each was read once, and nothing else is there");
    assert!(!cli::prove::text(&vouched, Duration::from_secs(1)).contains("vouched for"));
    let unknown =
        "UPDATE fuel.sync_window SET digest_seqs = NULL WHERE source = 'alexela_card' AND window_start = '2026-09-24'";
    let contracts = run(&fleet, unknown).await;
    assert!(contracts > 1);
    let some = proved_of(&fleet, WEEK, &CARDS).await;
    assert_eq!((some.without_ledger_digest, some.found), (contracts, 0));
    let told: Vec<_> = some.streams.iter().flat_map(|of| &of.windows).map(|w| w.without_ledger_digest).collect();
    assert_eq!(told.iter().filter(|without| **without).count() as u64, contracts, "and each says so");
    let text = cli::prove::text(&some, Duration::from_secs(1));
    assert!(
        text.contains(&format!("{contracts} window(s) that were read are not vouched for by the ledger")),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_window_with_lines_that_were_never_settled_is_not_final() {
    let fleet = Fleet::new(4_000, |_| {}).await;
    fleet.pass().await;
    run(&fleet, "UPDATE fuel.sync_window SET state = 'final', final_at = now(), unstable = false WHERE read_through >= window_end").await;
    let certificate = proved(&fleet, OCTOBER).await;
    let windows = || certificate.streams.iter().flat_map(|of| &of.windows);
    let unsettled: Vec<_> = windows().filter(|w| w.lines.unsettled > 0 && w.state != State::NotCovered).collect();
    assert!(!unsettled.is_empty(), "{:?}", certificate.states);
    assert!(unsettled.iter().all(|w| w.state == State::Provisional), "{unsettled:#?}");
    assert!(unsettled.iter().any(|w| w.why.contains("were not settled by the source")), "{unsettled:#?}");
    let lines = "SELECT count(*) FROM fuel.transaction WHERE state = 'provisional' AND missing_since IS NULL \
         AND occurred_at >= '2026-10-01' AND occurred_at < '2026-11-01'";
    assert_eq!(windows().map(|w| w.lines.unsettled).sum::<u64>(), count(&fleet, lines).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_of_which_nothing_is_left_is_missed_by_the_last_certificate() {
    let fleet = Fleet::new(1_000, |options| options.world.dirt = false).await;
    fleet.pass().await;
    let whole = proved_of(&fleet, WEEK, &CARDS).await;
    for table in ["transaction", "record", "sync_window", "checkpoint"] {
        let of = if table == "record" {
            "source_transaction_id NOT IN (SELECT source_transaction_id FROM fuel.transaction WHERE source = 'alexela_card')"
        } else {
            "partition = '22323'"
        };
        let sql = format!("DELETE FROM fuel.{table} WHERE source = 'alexela_card' AND {of}");
        assert!(
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&fleet.pool).await.unwrap().rows_affected() > 0,
            "{table}"
        );
    }
    for _ in 0..2 {
        let left = proved_of(&fleet, WEEK, &CARDS).await;
        let of_it = left.named().iter().all(|finding| finding.partition.as_deref() == Some("22323"));
        assert!(left.found > 0 && of_it && left.rows < whole.rows, "{:#?}", left.named());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_no_longer_read_ends_where_its_reading_ended() {
    let mut fleet = Fleet::new(1_000, |_| {}).await;
    fleet.pass().await;
    run(&fleet, "UPDATE fuel.sync_window SET state = 'final', final_at = now(), unstable = false WHERE read_through >= window_end").await;
    let two_weeks = ("2026-09-24T00:00:00Z", "2026-10-08T00:00:00Z");
    run(
        &fleet,
        "DELETE FROM fuel.record r USING fuel.transaction t WHERE r.source = 'alexela_bonus' AND t.source = r.source \
         AND t.source_transaction_id = r.source_transaction_id AND t.occurred_at >= '2026-10-01'",
    )
    .await;
    run(&fleet, "DELETE FROM fuel.transaction WHERE source = 'alexela_bonus' AND occurred_at >= '2026-10-01'").await;
    assert!(
        run(&fleet, "DELETE FROM fuel.sync_window WHERE source = 'alexela_bonus' AND window_start >= '2026-10-01'")
            .await
            > 0
    );
    let of = |certificate: &Certificate| -> Proved {
        certificate.streams.iter().find(|of| of.stream.source == SourceKind::AlexelaBonus).unwrap().clone()
    };
    let open = proved_of(&fleet, two_weeks, &CARDS).await;
    assert_eq!((open.complete, of(&open).ended, of(&open).states().contains_key(&State::Missing)), (false, None, true));
    for outcome in ["withdrawn", "not_enabled"] {
        sqlx::query("UPDATE fuel.checkpoint SET last_outcome = $1 WHERE source = 'alexela_bonus'")
            .bind(outcome)
            .execute(&fleet.pool)
            .await
            .unwrap();
        let ended = proved_of(&fleet, two_weeks, &CARDS).await;
        assert!(ended.complete && of(&ended).ended.is_some(), "{outcome}: {:?}", ended.states);
        assert_eq!(of(&ended).windows.iter().map(|w| w.state).collect::<Vec<_>>(), [State::Final, State::NotCovered]);
        let text = cli::prove::text(&ended, Duration::from_secs(1));
        assert!(text.contains("read up to 2026-10-01 00:00, and what is behind is not waited for"), "{text}");
        assert!(text.contains("Complete and final as far as it was to be read: 1 stream(s) ended before"), "{text}");
        assert_eq!(ended.cut_short, 1);
    }
    run(&fleet, "UPDATE fuel.checkpoint SET last_outcome = NULL").await;
    fleet.config.alexela[0].sources.retain(|source| *source != SourceKind::AlexelaBonus);
    let without = proved_of(&fleet, two_weeks, &CARDS).await;
    assert!(without.complete && of(&without).ended == Some("no account of the configuration reads it"));
    // A hole before the end is one all the same.
    assert!(
        run(&fleet, "DELETE FROM fuel.sync_window WHERE source = 'alexela_card' AND window_start = '2026-09-24'").await
            > 0
    );
    run(&fleet, "UPDATE fuel.checkpoint SET last_outcome = 'withdrawn' WHERE source = 'alexela_card'").await;
    let hole = proved_of(&fleet, two_weeks, &CARDS).await;
    assert!(!hole.complete && hole.states.contains_key(&State::Missing), "{:?}", hole.states);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_forgotten_or_normalized_by_other_rules_is_not_laid_to_the_vendor() {
    let mut fleet = Fleet::new(1_500, |_| {}).await;
    fleet.config.hecone[0].fields.insert("unit_price".to_owned(), vec!["/nowhere".to_owned()]);
    fleet.pass().await;
    proved(&fleet, OCTOBER).await;
    let driver: String = sqlx::query_scalar(
        "SELECT driver_name FROM fuel.transaction WHERE source = 'alexela_card' AND driver_name IS NOT NULL \
             AND occurred_at >= '2026-10-01' AND occurred_at < '2026-11-01' GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1",
    )
    .fetch_one(&fleet.pool)
    .await
    .unwrap();
    let text = sandbox::configuration(&fleet.sandbox, fleet.database.url(), start());
    Fuelsync::new(["forget", "--json", "--driver", &driver]).config(&text).run().await.ended_with(0);
    let forgotten = proved(&fleet, OCTOBER).await;
    assert_eq!((forgotten.found, reasons(&forgotten)), (0, vec![Reason::Forgotten]), "{:#?}", forgotten.named());

    fleet.config.hecone[0].fields.clear();
    assert!(remap_with(&fleet, false).await.changed > 0);
    let remapped = proved(&fleet, OCTOBER).await;
    assert_eq!((remapped.found, reasons(&remapped)), (0, vec![Reason::Remapped]), "{:#?}", remapped.named());
}
