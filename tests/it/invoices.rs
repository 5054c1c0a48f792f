//! Invoices, as a supplier would write them, against a warehouse: what matches and what does not, with the real binary.

use fuelsync::sandbox;
use serde_json::Value;

use crate::support::{
    Fuelsync,
    fleet::{Fleet, start},
};

/// Of the invoice with most rows: its number, and each row's day, transaction, receipt, product, quantity and amount.
async fn invoice(fleet: &Fleet) -> (String, Vec<[String; 6]>) {
    let number: String = sqlx::query_scalar(
        "SELECT invoice_no FROM fuel.transaction WHERE invoice_no IS NOT NULL AND missing_since IS NULL \
             AND state NOT IN ('cancelled', 'declined', 'error') GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1",
    )
    .fetch_one(&fleet.pool)
    .await
    .unwrap();
    let rows: Vec<(String, String, String, String, String, String)> = sqlx::query_as(
        "SELECT occurred_at::date::text, source_transaction_id, coalesce(receipt_no, ''), coalesce(product_name, ''), \
             coalesce(quantity::text, ''), coalesce(gross_amount, 0)::text \
         FROM fuel.transaction WHERE invoice_no = $1 AND missing_since IS NULL AND gross_amount IS NOT NULL \
             AND state NOT IN ('cancelled', 'declined', 'error') ORDER BY source_transaction_id, line_id",
    )
    .bind(&number)
    .fetch_all(&fleet.pool)
    .await
    .unwrap();
    (number, rows.into_iter().map(|(a, b, c, d, e, f)| [a, b, c, d, e, f]).collect())
}

fn call(fleet: &Fleet, file: &str, args: &[&str]) -> Fuelsync {
    let text = sandbox::configuration(&fleet.sandbox, fleet.database.url(), start());
    let all = ["invoices", "match", "--file", "invoice.csv"].iter().chain(args).copied();
    Fuelsync::new(all).config(&text).file("invoice.csv", file)
}

fn count(said: &Value, verdict: &str) -> u64 {
    said["invoices"][0]["verdicts"][verdict].as_u64().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_is_matched_to_the_cent() {
    let fleet = Fleet::new(2_000, |_| {}).await;
    fleet.pass().await;
    // An invoice is in one currency; the sandbox numbers those of all contracts alike.
    sqlx::query(
        "UPDATE fuel.transaction SET invoice_no = concat_ws('-', invoice_no, currency) WHERE invoice_no IS NOT NULL",
    )
    .execute(&fleet.pool)
    .await
    .unwrap();
    let (number, rows) = invoice(&fleet).await;
    assert!(rows.len() > 3, "{number} has {} rows", rows.len());
    let of = |rows: &[[String; 6]]| {
        let lines = rows.iter().map(|[day, id, receipt, product, quantity, amount]| {
            format!("{number},{day},{id},{receipt},\"{}\",{quantity},{amount}\n", product.replace('"', "\"\""))
        });
        format!("invoice_no,date,transaction_id,receipt_no,product,quantity,amount\n{}", lines.collect::<String>())
    };
    let whole = call(&fleet, &of(&rows), &["--json"]).run().await.ended_with(0).json();
    assert_eq!((count(&whole, "matched"), &whole["agrees"]), (rows.len() as u64, &true.into()), "{whole}");
    let said = call(&fleet, &of(&rows), &[]).run().await.ended_with(0).stdout;
    assert!(said.contains("Everything agrees.") && said.contains(&number), "{said}");

    // One line dearer, one by a cent, and one of another sale, so that its row is on no line.
    let mut other = rows.clone();
    let dearer = |amount: &str, by: &str| -> String {
        let (amount, by): (fuelsync::domain::Amount, fuelsync::domain::Amount) =
            (amount.parse().unwrap(), by.parse().unwrap());
        amount.checked_add(by).unwrap().to_string()
    };
    other[0][5] = dearer(&other[0][5], "3");
    other[1][5] = dearer(&other[1][5], "0.01");
    other[2][1] = "never".to_owned();
    let found = call(&fleet, &of(&other), &["--json"]).run().await.ended_with(6).json();
    let counts = ["price differs", "rounding", "missing here", "missing there"].map(|verdict| count(&found, verdict));
    assert_eq!(counts, [2, 0, 1, 1], "{found}");
    assert!(found["invoices"][0]["findings"].as_array().unwrap().iter().any(|f| f["what"] == "sum"), "{found}");
    let said = call(&fleet, &of(&other), &["--source", "alexela_card"]).run().await.ended_with(6).stdout;
    assert!(said.contains("missing here, line 4") && said.contains("price differs, line 2"), "{said}");
    insta::assert_snapshot!(said);

    let total: String = sqlx::query_scalar("SELECT sum(gross_amount)::text FROM fuel.transaction WHERE invoice_no = $1 AND missing_since IS NULL AND state NOT IN ('cancelled', 'declined', 'error')")
        .bind(&number)
        .fetch_one(&fleet.pool)
        .await
        .unwrap();
    // Without a date all rows are looked at; with one that is far from the sales, none is found.
    let by_total =
        |date: &str, total: &str| format!("invoice_no;date;total\n{number};{date};{}\n", total.replace('.', ","));
    for (date, total, code) in
        [("", &total, 0), (&rows[0][0], &total, 0), ("2020-01-31", &total, 6), ("", &dearer(&total, "1000"), 6)]
    {
        call(&fleet, &by_total(date, total), &["--json"]).run().await.ended_with(code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_is_told_line_by_line_before_anything_is_asked() {
    let fleet = Fleet::new(100, |_| {}).await;
    let bad = call(&fleet, "invoice_no,date,total\nA1,tomorrow,7\n,2026-01-01,seven\n", &[]).run().await.ended_with(2);
    for fault in ["line 2: date", "line 3: invoice_no", "line 3: total"] {
        assert!(bad.stderr.contains(fault), "{fault}: {}", bad.stderr);
    }
    assert!(!bad.stderr.contains("tomorrow") && !bad.stderr.contains("seven"));
    Fuelsync::new(["invoices", "match", "--file", "nothing.csv"]).run().await.ended_with(2);
    let text = sandbox::configuration(&fleet.sandbox, fleet.database.url(), start());
    let nowhere = text.replace(fleet.database.url(), "postgres://nobody@127.0.0.1:1/nothing");
    let far = Fuelsync::new(["invoices", "match", "--file", "a.csv"])
        .config(&nowhere)
        .file("a.csv", "invoice_no,total\nA,1\n");
    far.run().await.ended_with(4);
}
