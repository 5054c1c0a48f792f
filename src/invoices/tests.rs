//! What matches, what does not, and that no order matters.

use proptest::prelude::*;

use super::*;
use crate::invoices::{Figure, file, pairing};

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
    let of_lines = matched.iter().flat_map(|m| &m.findings).filter(|f| f.what != "sum");
    of_lines.map(|f| (f.verdict.as_str(), f.what, f.at)).collect()
}

/// What is found of the sums of an invoice's lines.
fn sums_found(text: &str, rows: &[Row]) -> Vec<(String, String)> {
    let matched = compare(&file::parse(text).unwrap(), rows);
    let found = matched.iter().flat_map(|m| &m.findings).filter(|f| f.what == "sum");
    found.map(|f| (f.there.clone().unwrap(), f.here.clone().unwrap())).collect()
}

#[test]
fn totals_are_compared_to_the_cent() {
    let rows = [row("1", "7", "10", "15.00"), row("2", "8", "20", "30.02")];
    for (text, findings) in [
        ("invoice_no,total\nA1,45.02\n", &[][..]),
        ("invoice_no,total,net\nA1,45.02,2\n", &[]),
        ("invoice_no,total\nA1,45.01\n", &[("price differs", "total", Some(2))]),
        ("invoice_no,total\nA1,44.99\n", &[("price differs", "total", Some(2))]),
        ("invoice_no,total,vat\nA1,45.02,1\n", &[("price differs", "vat", Some(2))]),
        ("invoice_no,total,currency\nA1,45.02,SEK\n", &[("price differs", "currency", Some(2))]),
        ("invoice_no,total\nB1,1\n", &[("missing here", "total", Some(2))]),
    ] {
        assert_eq!(compared(text, &rows), findings, "{text}");
    }
}

#[test]
fn an_invoice_in_two_currencies_has_a_total_of_each() {
    let zlotys = Row { currency: Some("PLN".to_owned()), ..row("2", "8", "20", "30.02") };
    let rows = [row("1", "7", "10", "15.00"), zlotys];
    for (text, findings) in [
        ("A1,15,EUR\nA1,30.02,PLN\n", &[][..]),
        ("A1,15,EUR\nA1,30.01,PLN\n", &[("price differs", "total", Some(3))]),
        ("A1,15,EUR\n", &[("price differs", "currency", Some(2))]),
        ("A1,15,EUR\nA1,30.02,SEK\n", &[("missing here", "total", Some(3)), ("price differs", "currency", Some(2))]),
    ] {
        assert_eq!(compared(&format!("invoice_no,total,currency\n{text}"), &rows), findings, "{text}");
    }
    let both = compare(&file::parse("invoice_no,total,currency\nA1,15,EUR\nA1,30.02,PLN\n").unwrap(), &rows);
    assert_eq!((both.len(), both[0].there.as_str(), both[0].agrees()), (1, "15.0000 EUR, 30.0200 PLN", true));
    assert_eq!(both[0].here, both[0].there);
    for twice in ["A1,15,EUR\nA1,30.02,EUR\n", "A1,15,EUR\nA1,30.02,\n"] {
        let faults = file::parse(&format!("invoice_no,total,currency\n{twice}")).unwrap_err();
        assert!(faults[0].starts_with("line 3: the same invoice stands in line 2"), "{faults:?}");
    }
}

#[test]
fn lines_meet_their_rows_by_transaction_receipt_card_or_product() {
    let rows = [row("1", "7", "10", "15.00"), row("2", "8", "20", "30.02")];
    for (text, findings) in [
        ("invoice_no,transaction_id,amount\nA1,2,30.02\nA1,1,15\n", &[][..]),
        (
            "invoice_no,receipt_no,quantity,amount\nA1,8,20,30.02\nA1,7,10,15.01\n",
            &[("price differs", "amount", Some(3))],
        ),
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
fn only_what_the_rows_have_behind_their_cents_is_rounded() {
    let whole: Vec<Row> = (0..6_000).map(|n| row(&n.to_string(), &n.to_string(), "10", "15.00")).collect();
    for (total, findings) in [
        ("90000", &[][..]),
        ("89999.99", &[("price differs", "total", Some(2))]),
        ("90060", &[("price differs", "total", Some(2))]),
    ] {
        assert_eq!(compared(&format!("invoice_no,total\nA1,{total}\n"), &whole), findings, "{total}");
    }
    let lines = (0..6_000).map(|n| format!("A1,{n},15.01\n")).collect::<Vec<_>>().concat();
    let text = format!("invoice_no,receipt_no,amount\n{lines}");
    assert_eq!(compared(&text, &whole).len(), 6_000, "each line a cent too dear");
    assert_eq!(sums_found(&text, &whole), [("90060.0000".to_owned(), "90000.0000".to_owned())]);

    let split = [row("1", "7", "10", "15.0040"), row("2", "8", "20", "30.0270")];
    for (text, findings) in [
        ("invoice_no,total\nA1,45.0310\n", &[][..]),
        ("invoice_no,total\nA1,45.03\n", &[("rounding", "total", Some(2))]),
        ("invoice_no,total\nA1,45.04\n", &[("price differs", "total", Some(2))]),
        ("invoice_no,total\nA1,45.02\n", &[("price differs", "total", Some(2))]),
        (
            "invoice_no,receipt_no,amount\nA1,7,15.00\nA1,8,30.03\n",
            &[("rounding", "amount", Some(2)), ("rounding", "amount", Some(3))],
        ),
        (
            "invoice_no,receipt_no,amount\nA1,7,15.01\nA1,8,30.02\n",
            &[("price differs", "amount", Some(2)), ("price differs", "amount", Some(3))],
        ),
    ] {
        assert_eq!(compared(text, &split), findings, "{text}");
    }
}

#[test]
fn many_rows_with_a_fraction_of_a_cent_leave_no_room_for_a_coffee() {
    let verdict = |rows: &[Row], total: &str| {
        compared(&format!("invoice_no,total\nA1,{total}\n"), rows).first().map(|(verdict, ..)| *verdict)
    };
    // Their sum is 10002.50; each rounded they come to 10000.00.
    let rows: Vec<_> = (0..1_000).map(|n| row(&n.to_string(), "", "1", "10.0025")).collect();
    assert_eq!(verdict(&rows, "10002.50"), None);
    assert_eq!(verdict(&rows, "10000.00"), Some("rounding"));
    for total in ["10002.51", "10004.49", "10001.25", "9999.99"] {
        assert_eq!(verdict(&rows, total), Some("price differs"), "{total}");
    }
    // Half a cent goes either way, also below zero.
    let rows = ["0.005", "-0.005", "-0.015"].map(|amount| row(amount, "", "1", amount));
    assert_eq!(verdict(&rows, "-0.015"), None);
    for (total, expected) in
        [("-0.03", "rounding"), ("0.00", "rounding"), ("0.01", "price differs"), ("-0.04", "price differs")]
    {
        assert_eq!(verdict(&rows, total), Some(expected), "{total}");
    }
}

#[test]
fn a_currency_is_compared_and_has_a_sum_of_its_own() {
    let rows = [row("1", "7", "10", "10.00"), Row { currency: Some("SEK".to_owned()), ..row("2", "8", "10", "10.00") }];
    for (text, findings) in [
        ("invoice_no,receipt_no,currency,amount\nA1,7,EUR,10.00\nA1,8,SEK,10.00\n", &[][..]),
        (
            "invoice_no,receipt_no,currency,amount\nA1,7,SEK,10.00\nA1,8,SEK,10.00\n",
            &[("price differs", "currency", Some(2))],
        ),
        ("invoice_no,product,currency,amount\nA1,d,SEK,10.00\nA1,d,EUR,10.00\n", &[]),
    ] {
        assert_eq!(compared(text, &rows), findings, "{text}");
    }
    let other = "invoice_no,receipt_no,currency,amount\nA1,7,SEK,10.00\nA1,8,SEK,10.00\n";
    assert_eq!(sums_found(other, &rows), [("20.0000".to_owned(), "10.0000 EUR, 10.0000 SEK".to_owned())]);
    let plain = compare(&file::parse("invoice_no,receipt_no,amount\nA1,7,10.00\nA1,8,10.00\n").unwrap(), &rows);
    assert_eq!((plain[0].agrees(), plain[0].there.as_str()), (true, "10.0000 EUR, 10.0000 SEK"));
    let total = compare(&file::parse("invoice_no,total\nA1,20.00\n").unwrap(), &rows);
    assert_eq!(
        (total[0].agrees(), total[0].here.as_str()),
        (false, "10.0000 EUR, 10.0000 SEK"),
        "euros and crowns have each their sum"
    );
}

#[test]
fn a_card_that_is_not_shown_decides_nothing() {
    let text =
        "invoice_no,card_number,date,product,quantity,amount\nA1,7077 1212 3412 1234,2026-05-10,diesel,10,15.00\n";
    let with = |card: Option<&str>| [Row { card_number: card.map(str::to_owned), ..row("1", "7", "10", "15.00") }];
    let hash = "5f".repeat(32);
    for card in [
        None,
        Some(hash.as_str()),
        Some("****************"),
        Some("707712******1234"),
        Some("****1234"),
        Some("7077121234121234"),
    ] {
        assert_eq!(compared(text, &with(card)), [], "{card:?}");
    }
    for card in ["707712******1235", "****4321", "7077121234121235", "707712123412123"] {
        let found = compared(text, &with(Some(card)));
        assert_eq!(found, [("missing here", "amount", Some(2)), ("missing there", "amount", None)], "{card}");
    }
}

#[test]
fn quantity_and_price_are_compared_as_far_as_the_file_shows_them() {
    let rows = [row("1", "7", "31.2345", "46.85"), row("2", "8", "20", "30.02")];
    for (quantity, is_it) in
        [("31.23", true), ("31.2345", true), ("31.24", false), ("31.22", false), ("31.2344", false)]
    {
        let text = format!("invoice_no,receipt_no,quantity,amount\nA1,7,{quantity},46.85\nA1,8,20.00,30.02\n");
        assert_eq!(compared(&text, &rows).is_empty(), is_it, "{quantity}");
    }
    let rows = [Row { unit_price: Some(of("1.4993")), ..row("1", "7", "10", "14.99") }];
    for (price, is_it) in [("1.499", true), ("1.50", true), ("1.4993", true), ("1.498", false), ("1.51", false)] {
        let text = format!("invoice_no,receipt_no,unit_price,amount\nA1,7,{price},14.99\n");
        assert_eq!(compared(&text, &rows).is_empty(), is_it, "{price}");
    }
}

#[test]
fn the_work_grows_with_the_lines_and_not_with_their_square() {
    const SIZE: usize = 2_000;
    // Nothing is equal, everything is near: by one receipt, by one product, and all of them alike but for their cards.
    let rows: Vec<Row> = (0..SIZE)
        .map(|n| Row {
            key: format!("{n:05}"),
            card_number: Some(format!("70771200{n:04}0000")),
            quantity: Some(of("10")),
            ..row(&n.to_string(), "0", "10", "15.00")
        })
        .collect();
    let mut lines: Vec<Line> = (0..SIZE).map(|n| Line { at: n + 2, amount: of("15.01"), ..Line::default() }).collect();
    let figure = Some(Figure { value: of("10"), decimals: 0 });
    let by: [fn(&mut Line, usize, Option<Figure>); 4] = [
        |line, _, _| line.receipt_no = Some("0".to_owned()),
        |line, _, _| (line.receipt_no, line.product) = (None, Some("Diesel".to_owned())),
        |line, _, figure| (line.quantity, line.date) = (figure, chrono::NaiveDate::from_ymd_opt(2026, 5, 10)),
        |line, n, _| (line.amount, line.card_number) = ("15".parse().unwrap(), Some(format!("70771201{n:04}0000"))),
    ];
    for (turn, change) in by.into_iter().enumerate() {
        for (n, line) in lines.iter_mut().enumerate() {
            change(line, n, figure);
        }
        let paired = pairing::pair(&lines.iter().collect::<Vec<_>>(), &rows.iter().collect::<Vec<_>>());
        let most = 250 * SIZE as u64;
        assert!(paired.compared <= most, "{turn}: {} comparisons of {SIZE} lines", paired.compared);
        let met = paired.rows().iter().flatten().count();
        assert_eq!(met, if turn < 3 { SIZE } else { 0 }, "{turn}");
    }
    let equal: Vec<Line> = (0..SIZE)
        .map(|n| Line { at: n + 2, product: Some("d".to_owned()), amount: of("15"), ..Line::default() })
        .collect();
    let paired = pairing::pair(&equal.iter().collect::<Vec<_>>(), &rows.iter().collect::<Vec<_>>());
    assert_eq!(
        (paired.compared, paired.rows().iter().flatten().count()),
        (SIZE as u64, SIZE),
        "what is equal is counted off"
    );
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
            quantity: row.quantity.map(|value| Figure { value, decimals: 2 }),
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
