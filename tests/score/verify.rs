//! `verify`: a good warehouse has no false alarm, and what was done to it by hand is named, by `verify` and by `prove`.
//!
//! Both vendors' sandbox is loaded by the program. Then, at each source, one line is altered, one deleted and one invented by
//! hand; each of the two must name these and no others. The sources are asked by `verify` alone: `prove` has only the tables.

use std::{collections::BTreeSet, sync::Arc};

use fuelsync::{
    app::App,
    cli,
    clock::Clock,
    domain::{SourceKind, Window},
    sync::{
        prove::{Certificate, Prove},
        summary::Outcome,
        verify::{self, Stretch, Verified},
    },
    warehouse::{certificate, verify::What},
};
use sqlx::AssertSqlSafe;
use tokio_util::sync::CancellationToken;

use crate::{
    Measured, Run, now,
    support::fleet::{Fleet, start},
};

/// Of a hundred rows that are wanted so many sales are ordered: most have one line, and of those of the last days some are
/// not there yet.
const SALES_OF_A_HUNDRED: u64 = 108;

/// Joins the line that was chosen.
const KEY: &str = "(t.source, t.account, t.source_transaction_id, t.line_id) = \
    (one.source, one.account, one.source_transaction_id, one.line_id)";

/// A line that is named: source, transaction, how.
type Named = BTreeSet<(String, String, &'static str)>;

/// Loads `size` rows, then verifies and proves them as they are, and after they were changed by hand.
pub(crate) async fn measure(run: Run) -> Measured {
    let mut measured = Measured::default();
    let sales = run.size * SALES_OF_A_HUNDRED / 100;
    let fleet = Fleet::new(sales, |options| options.world.seed = run.seed).await;
    let begun = now();
    let loaded = fleet.pass().await;
    let load = begun.elapsed();
    let rows: i64 =
        sqlx::query_scalar("SELECT count(*) FROM fuel.transaction").fetch_one(&fleet.pool).await.expect("rows");
    sqlx::query("ANALYZE").execute(&fleet.pool).await.expect("statistics");
    measured
        .note("rows", rows)
        .goal(loaded.outcome == Outcome::Ok, || format!("the load ended {:?}", loaded.outcome))
        .goal(rows.cast_unsigned() >= run.size, || format!("{rows} rows"));

    let begun = now();
    let good = verified(&fleet).await;
    let verify_seconds = begun.elapsed().as_secs_f64();
    let begun = now();
    let certificates = proved(&fleet).await;
    let prove_seconds = begun.elapsed().as_secs_f64();
    let compared: u64 = good.streams.iter().map(|stream| stream.counts.unchanged).sum();
    let proved_rows: u64 = certificates.iter().map(|certificate| certificate.rows).sum();
    let (false_verify, false_prove) = (named_by_verify(&good), named_by_prove(&certificates));
    let other: u64 = certificates.iter().map(|certificate| certificate.other_rules + certificate.unplaced).sum();
    measured
        .goal(good.outcome == Outcome::Ok, || format!("verify ended {:?}", good.outcome))
        .goal(good.tally.differing() == 0, || format!("verify: false alarms: {:?} {false_verify:?}", good.tally))
        .goal(false_prove.is_empty() && other == 0, || format!("prove: false alarms: {false_prove:?}, {other} others"))
        // What was sold behind the watermark is not compared.
        .goal(compared * 1_000 >= rows.cast_unsigned() * 995, || format!("verify compared {compared} of {rows} rows"))
        .goal(proved_rows == rows.cast_unsigned(), || format!("prove is about {proved_rows} of {rows} rows"))
        .note("rows_compared", compared)
        .note("false_alarms", false_verify.len() + false_prove.len())
        .note("load_seconds", rounded(load.as_secs_f64()))
        .note("verify_seconds", rounded(verify_seconds))
        .note("prove_seconds", rounded(prove_seconds));

    let by_hand = by_hand(&fleet, run.seed).await;
    measured
        .note("done_by_hand", by_hand.len())
        .goal(by_hand.len() == 3 * SourceKind::ALL.len(), || format!("only {by_hand:?} were done by hand"));
    let begun = now();
    let verify = named_by_verify(&verified(&fleet).await);
    measured.note("verify_again_seconds", rounded(begun.elapsed().as_secs_f64()));
    let prove = named_by_prove(&proved(&fleet).await);
    for (who, named) in [("verify", &verify), ("prove", &prove)] {
        let missed: Vec<_> = by_hand.difference(named).collect();
        let false_ones: Vec<_> = named.difference(&by_hand).collect();
        measured
            .note(&format!("named_by_{who}"), by_hand.intersection(named).count())
            .goal(missed.is_empty(), || format!("{who} does not name {missed:?}"))
            .goal(false_ones.is_empty(), || format!("{who} names {false_ones:?}, too"));
    }
    measured
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 100.0).round() / 100.0
}

async fn verified(fleet: &Fleet) -> Verified {
    let window = Window::new(start(), start() + chrono::TimeDelta::days(60)).expect("a stretch");
    let asked = Stretch { window, repair: false, workers: 4 };
    Box::pin(verify::run(&fleet.process(), asked, &CancellationToken::new())).await
}

fn named_by_verify(verified: &Verified) -> Named {
    let rows = verified.streams.iter().flat_map(|stream| stream.rows.iter().map(move |row| (stream, row)));
    rows.filter_map(|(stream, row)| {
        let how = match row.what {
            What::Different if row.altered_here && row.columns == ["quantity"] => "altered",
            What::Different => "different",
            What::MissingHere => "deleted",
            What::MissingAtSource => "invented",
            What::Quarantined => return None,
        };
        Some((stream.stream.source.as_str().to_owned(), row.source_transaction_id.clone().unwrap_or_default(), how))
    })
    .collect()
}

/// The certificates of the two months that the sales lie in.
async fn proved(fleet: &Fleet) -> Vec<Certificate> {
    let clock: Arc<dyn Clock> = fleet.clock.clone();
    let app = App::new(fleet.config.clone(), clock).expect("the program");
    let selected = |_: SourceKind, _: &str| true;
    let prove = Prove {
        warehouse: &fleet.warehouse,
        settings: &app.config.sync,
        host: "score",
        accounts: &cli::prove::accounts(&fleet.config, &selected),
        selected: &selected,
        normalizer: &|stream| app.normalizer(stream),
        present: fleet.clock.now(),
    };
    let mut certificates = Vec::new();
    for (from, to) in
        [("2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z"), ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z")]
    {
        let month = Window::new(from.parse().expect("a time"), to.parse().expect("a time")).expect("a month");
        certificates.push(Box::pin(prove.run(month, &CancellationToken::new())).await.expect("a certificate"));
    }
    certificates
}

fn named_by_prove(certificates: &[Certificate]) -> Named {
    let findings = certificates.iter().flat_map(Certificate::named);
    findings
        .map(|finding| {
            let how = match finding.what {
                certificate::What::Altered if finding.columns == ["quantity"] => "altered",
                certificate::What::Altered => "different",
                certificate::What::Deleted => "deleted",
                certificate::What::Invented => "invented",
                certificate::What::Unexplained => "unexplained",
            };
            (finding.source.clone(), finding.source_transaction_id.clone().unwrap_or_default(), how)
        })
        .collect()
}

/// At each source one line altered, one deleted, one invented, no two of one transaction.
async fn by_hand(fleet: &Fleet, seed: u64) -> Named {
    // Of transactions with one line, of days that are read for good, in an order that only the seed knows.
    let one = |salt: &str| {
        format!(
            "WITH one AS (SELECT DISTINCT ON (t.source) t.* FROM fuel.transaction t \
                 WHERE t.occurred_at BETWEEN '2026-09-22' AND '2026-10-18' AND t.quantity IS NOT NULL AND t.missing_since IS NULL \
                     AND NOT EXISTS (SELECT FROM fuel.transaction o WHERE (o.source, o.account, o.source_transaction_id) = \
                         (t.source, t.account, t.source_transaction_id) AND o.line_id <> t.line_id) \
                 ORDER BY t.source, md5(t.source_transaction_id || '{salt}{seed}'))"
        )
    };
    let mut done = Named::new();
    for (how, sql) in [
        (
            "altered",
            format!(
                "{} UPDATE fuel.transaction t SET quantity = t.quantity + 0.01 FROM one WHERE {KEY} RETURNING t.source, t.source_transaction_id",
                one("a")
            ),
        ),
        (
            "deleted",
            format!(
                "{} DELETE FROM fuel.transaction t USING one WHERE {KEY} RETURNING t.source, t.source_transaction_id",
                one("d")
            ),
        ),
        (
            "invented",
            format!(
                "{} INSERT INTO fuel.transaction (source, account, source_transaction_id, line_id, partition, kind, state, occurred_at, \
                     contract_no, product, quantity, unit, gross_amount, currency, quality, content_hash) \
                 SELECT source, account, '00000000-0000-0000-0000-00000000cafe', line_id, partition, kind, state, occurred_at, contract_no, \
                     product, quantity, unit, gross_amount, currency, quality, content_hash FROM one RETURNING source, source_transaction_id",
                one("i")
            ),
        ),
    ] {
        let keys: Vec<(String, String)> =
            sqlx::query_as(AssertSqlSafe(sql)).fetch_all(&fleet.pool).await.expect("lines to change by hand");
        done.extend(keys.into_iter().map(|(source, id)| (source, id, how)));
    }
    done
}
