//! What matches, what does not, and that no order matters.

use proptest::prelude::*;

use super::*;
use crate::invoices::file;

fn of(text: &str) -> Amount {
    text.parse().unwrap()
}

/// A row: its transaction, receipt, quantity and amount.
fn row(id: &str, receipt: &str, quantity: &str, amount: &str) -> Row {
    Row {
        key: format!("alexela_card/fleet/{id}/D"),
        transaction_id: id.to_owned(),
        invoice_no: "A1".to_owned(),
        occurred_at: "2026-05-10T10:00:00Z".parse().unwrap(),
        receipt_no: Some(receipt.to_owned()),
        card_number: Some("707712******1234".to_owned()),
        products: [Some("D".to_owned()), Some("Diislikütus".to_owned()), Some("diesel".to_owned())],
        quantity: Some(of(quantity)),
        unit_price: Some(of("1.5")),
        gross_amount: Some(of(amount)),
        net_amount: Some(of("1")),
        vat_amount: None,
        currency: Some("EUR".to_owned()),
    }
}

fn compared(text: &str, rows: &[Row]) -> Vec<(&'static str, &'static str, Option<usize>)> {
    let matched = compare(&file::parse(text).unwrap(), rows);
    matched.iter().flat_map(|m| &m.findings).map(|f| (f.verdict.as_str(), f.what, f.at)).collect()
}

#[test]
fn totals_are_compared_to_the_cent() {
    let rows = [row("1", "7", "10", "15.00"), row("2", "8", "20", "30.02")];
    for (text, findings) in [
        ("invoice_no,total\nA1,45.02\n", &[][..]),
        ("invoice_no,total,net\nA1,45.02,2\n", &[]),
        ("invoice_no,total\nA1,45.00\n", &[("rounding", "total", Some(2))]),
        ("invoice_no,total\nA1,44.99\n", &[("price differs", "total", Some(2))]),
        ("invoice_no,total,vat\nA1,45.02,1\n", &[("price differs", "vat", Some(2))]),
        ("invoice_no,total,currency\nA1,45.02,SEK\n", &[("price differs", "currency", Some(2))]),
        ("invoice_no,total\nB1,1\n", &[("missing here", "total", Some(2))]),
    ] {
        assert_eq!(compared(text, &rows), findings, "{text}");
    }
}

#[test]
fn lines_meet_their_rows_by_transaction_receipt_card_or_product() {
    let rows = [row("1", "7", "10", "15.00"), row("2", "8", "20", "30.02")];
    for (text, findings) in [
        ("invoice_no,transaction_id,amount\nA1,2,30.02\nA1,1,15\n", &[][..]),
        ("invoice_no,receipt_no,quantity,amount\nA1,8,20,30.02\nA1,7,10,15.01\n", &[("rounding", "amount", Some(3))]),
        ("invoice_no,receipt_no,amount\nA1,8,30.02\nA1,7,15.02\n", &[("price differs", "amount", Some(3))]),
        (
            "invoice_no,receipt_no,quantity,amount\nA1,8,20,30.02\nA1,7,11,15\n",
            &[("price differs", "quantity", Some(3))],
        ),
        (
            "invoice_no,receipt_no,unit_price,amount\nA1,8,1.5,30.02\nA1,7,1.6,15\n",
            &[("price differs", "unit_price", Some(3))],
        ),
        (
            "invoice_no,card_number,date,amount\nA1,7077 9934 1234 1234,2026-05-10,15\nA1,7077121234121234,2026-05-10,30.02\n",
            &[("missing here", "amount", Some(2)), ("missing there", "amount", None)],
        ),
        ("invoice_no,product,quantity,amount\nA1,diesel,20,30.02\nA1,d,10,15\n", &[]),
        ("invoice_no,product,amount\nA1,diesel,30.02\n", &[("missing there", "amount", None)]),
        ("invoice_no,transaction_id,amount\nA1,1,15\nA1,2,30.02\nA1,3,1\n", &[("missing here", "amount", Some(4))]),
    ] {
        assert_eq!(compared(text, &rows), findings, "{text}");
    }
}

#[test]
fn two_coffees_are_two_lines() {
    let rows = [row("1", "7", "1", "2.50"), row("1", "7", "1", "2.50")];
    assert_eq!(compared("invoice_no,receipt_no,amount\nA1,7,2.5\nA1,7,2.5\n", &rows), []);
    assert_eq!(compared("invoice_no,receipt_no,amount\nA1,7,2.5\n", &rows), [("missing there", "amount", None)]);
}

proptest! {
    /// Whatever is on the invoice is matched by the same rows, in any order; one line less is missing there, one row less
    /// is missing here, and no line or row is used twice.
    #[test]
    fn an_invoice_of_the_rows_themselves_matches(
        sales in prop::collection::vec((0u8..20, 1i64..5_000, 1i64..100_000), 1..30),
        turn in 0usize..30,
        by in 0u8..3,
    ) {
        let amount = |value| Amount::from_ten_thousandths(value * 100).unwrap();
        let rows: Vec<Row> = sales.iter().enumerate().map(|(n, (id, quantity, gross))| Row {
            key: format!("alexela_card/fleet/{id}/{n}"),
            quantity: Some(amount(*quantity)),
            gross_amount: Some(amount(*gross)),
            unit_price: None,
            ..row(&id.to_string(), &format!("r{id}"), "1", "1")
        }).collect();
        let lines: Vec<Line> = rows.iter().enumerate().map(|(n, row)| Line {
            at: n + 2,
            invoice_no: "A1".to_owned(),
            transaction_id: (by == 0).then(|| row.transaction_id.clone()),
            receipt_no: (by == 1).then(|| row.receipt_no.clone()).flatten(),
            product: (by == 2).then(|| "Diesel".to_owned()),
            quantity: row.quantity,
            amount: row.gross_amount.unwrap(),
            ..Line::default()
        }).collect();
        let mut turned = lines.clone();
        turned.rotate_left(turn % lines.len());
        let whole = compare(&Invoices::Lines(turned.clone()), &rows);
        prop_assert!(whole[0].agrees(), "{:?}", whole[0].findings);
        prop_assert_eq!(whole[0].verdicts.values().sum::<usize>(), rows.len());
        turned.pop();
        if !turned.is_empty() {
            let short = compare(&Invoices::Lines(turned), &rows);
            prop_assert_eq!(short[0].verdicts.get("missing there"), Some(&1));
        }
        let fewer = compare(&Invoices::Lines(lines.clone()), &rows[1..]);
        prop_assert_eq!(fewer[0].verdicts.get("missing here"), Some(&1));
        let mut reversed = lines;
        reversed.reverse();
        let again = compare(&Invoices::Lines(reversed), &rows);
        prop_assert_eq!(&again[0].verdicts, &whole[0].verdicts);
    }
}
