//! A few lines go to the database as parameters of a statement, many by COPY: the rows are the same.

use fuelsync::domain::{Amount, Flag, Line, Record, SourceKind, Unit};

use crate::load::{Stage, at, line, record};

/// More than go as parameters.
const MANY: usize = 2_500;
/// Fewer.
const FEW: usize = 500;

fn amount(number: usize) -> Option<Amount> {
    let digits = ["0", "-0.0001", "99999999999999.9999", "12.5", "10000", "-7", "0.12"];
    digits.get(number % 9)?.parse().ok()
}

fn text(number: usize) -> Option<String> {
    let texts = ["", "{a,\"b\"}", "õ \\ ' \t", "NULL", "x"];
    texts.get(number % 7).map(|text| (*text).to_owned())
}

/// A line with each column set in some and NULL in others.
fn varied(number: usize) -> Line {
    let n = |add: usize| number + add;
    Line {
        source_state: text(n(1)),
        started_at: number.is_multiple_of(2).then(|| at(1)),
        status_at: number.is_multiple_of(3).then(|| at(2)),
        invoiced_at: number.is_multiple_of(5).then(|| at(3)),
        site_id: text(n(2)),
        card_number: text(n(3)),
        license_plate: text(n(4)),
        odometer_km: number.is_multiple_of(4).then_some(i64::MAX - i64::try_from(number).unwrap()),
        invoice_no: text(n(5)),
        product_name: text(n(6)),
        quantity: amount(n(0)),
        unit: (number % 2 == 1).then_some(Unit::Litre),
        net_unit_price: amount(n(1)),
        unit_discount: amount(n(2)),
        unit_price: amount(n(3)),
        net_amount: amount(n(4)),
        vat_rate: amount(n(5)),
        vat_amount: amount(n(6)),
        gross_amount: amount(n(7)),
        paid_amount: amount(n(8)),
        payment_method: text(n(1)),
        currency: text(n(3)),
        quality: [Flag::Rounded, Flag::AmountMismatch, Flag::NulRemoved].into_iter().take(number % 4).collect(),
        ..line("d", 1, 1)
    }
}

fn records(numbers: std::ops::Range<usize>) -> Vec<Record> {
    numbers.map(|number| record(&format!("{number:05}"), vec![varied(number)])).collect()
}

/// All that the tables have, but for what a row is numbered and dated by.
async fn table(stage: &Stage) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT (to_jsonb(t) - '{seq,first_seen_at,changed_at}'::text[])::text FROM fuel.transaction_with_raw t \
         UNION ALL \
         SELECT concat(operation, changed_columns, row_before - '{seq,first_seen_at,changed_at}'::text[]) \
         FROM fuel.transaction_version ORDER BY 1",
    )
    .fetch_all(&stage.pool)
    .await
    .unwrap()
}

async fn both(source: SourceKind) {
    let (many, few) = (Stage::new(source).await, Stage::new(source).await);
    assert_eq!(many.load(records(0..MANY)).await.unwrap().inserted, MANY as u64);
    // Part by part: what is there already is not written again.
    for until in (FEW..=MANY).step_by(FEW) {
        assert_eq!(few.load(records(0..until)).await.unwrap().inserted, FEW as u64);
    }
    assert_eq!(table(&many).await, table(&few).await);
    assert_eq!(table(&many).await.len(), MANY);

    // Each of them changed: at once, and part by part.
    let changed = |upto: usize| -> Vec<Record> {
        let all = (0..MANY).map(|number| {
            let changed = Line { quantity: amount(number + 3), currency: Some("EUR".into()), ..varied(number) };
            record(&format!("{number:05}"), vec![if number < upto { changed } else { varied(number) }])
        });
        all.collect()
    };
    assert_eq!(many.load(changed(MANY)).await.unwrap().updated, MANY as u64);
    for until in (FEW..=MANY).step_by(FEW) {
        assert_eq!(few.load(changed(until)).await.unwrap().updated, FEW as u64);
    }
    let (many, few) = (table(&many).await, table(&few).await);
    assert_eq!(many.len(), 2 * MANY);
    assert!(many == few, "the first that differ: {:#?}", many.iter().zip(&few).find(|(a, b)| a != b));
}

#[tokio::test]
async fn few_lines_come_to_the_same_rows_as_many() {
    both(SourceKind::AlexelaCard).await;
}

#[tokio::test]
async fn few_whole_transactions_come_to_the_same_rows_as_many() {
    both(SourceKind::HecOne).await;
}
