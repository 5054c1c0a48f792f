//! `prove`: the completeness certificate of a month, and what it finds that was done by hand.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use fuelsync::{
    app::App,
    cli,
    clock::Clock,
    domain::{SourceKind, Window},
    sync::prove::{Certificate, Prove},
    warehouse::certificate::Reason,
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    support::fleet::Fleet,
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
    let found = findings(&shop.prove(6).await);
    assert!(
        !found.is_empty() && found.iter().all(|(source, what, _)| source == "alexela_ev" && what == "unexplained"),
        "{found:?}"
    );
    shop.call(["sync"]).run().await.ended_with(0);
}

/// The certificate of a month, by the fleet's clock.
async fn proved(fleet: &Fleet, month: (&str, &str)) -> Certificate {
    let app = App::new(fleet.config.clone(), fleet.clock.clone()).unwrap();
    let selected = |_: SourceKind, _: &str| true;
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

const SEPTEMBER: (&str, &str) = ("2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z");
const OCTOBER: (&str, &str) = ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");

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
