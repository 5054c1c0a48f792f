//! A line in the form in which it is sent ([`copy::fields`]), read back: its columns by name, its amounts and times, and
//! the same of a row of the table.
//!
//! The database sends a row's columns in the very form in which it takes them by COPY, but for amounts: it leaves out
//! groups of zeros that [`copy::fields`] writes. Those are written anew here, so that the row of a line that nobody has
//! touched comes to the bytes, and so to the digest, that the line had.

use std::{borrow::Cow, io};

use chrono::{DateTime, Utc};
use sqlx::{Row as _, ValueRef as _, postgres::PgRow};

use super::{
    WarehouseError,
    copy::{self, FIELDS},
};
use crate::domain::{Amount, Flag};

/// The columns of the fields, in their order.
pub(super) const NAMES: [&str; FIELDS] = [
    "source_transaction_id",
    "line_id",
    "kind",
    "state",
    "source_state",
    "occurred_at",
    "started_at",
    "status_at",
    "invoiced_at",
    "contract_no",
    "site_id",
    "site_code",
    "site_name",
    "terminal_id",
    "terminal_name",
    "point",
    "card_number",
    "driver_name",
    "driver_no",
    "vehicle_no",
    "license_plate",
    "odometer_km",
    "receipt_no",
    "authorization_code",
    "invoice_no",
    "session_id",
    "product_code",
    "product_name",
    "product_type",
    "product",
    "quantity",
    "unit",
    "net_unit_price",
    "unit_discount",
    "unit_price",
    "net_amount",
    "vat_rate",
    "vat_amount",
    "gross_amount",
    "paid_amount",
    "payment_method",
    "currency",
    "quality",
];

/// Where some of them stand.
pub(super) const STATE: usize = 3;
pub(super) const OCCURRED_AT: usize = 5;
pub(super) const STATUS_AT: usize = 7;
pub(super) const INVOICED_AT: usize = 8;
pub(super) const CONTRACT_NO: usize = 9;
pub(super) const PRODUCT: usize = 29;
pub(super) const QUANTITY: usize = 30;
pub(super) const UNIT: usize = 31;
pub(super) const NET_AMOUNT: usize = 35;
pub(super) const VAT_AMOUNT: usize = 37;
pub(super) const GROSS_AMOUNT: usize = 38;
pub(super) const PAID_AMOUNT: usize = 39;
pub(super) const CURRENCY: usize = 41;

/// Whether a field is an amount.
const fn is_amount(at: usize) -> bool {
    at == QUANTITY || at > UNIT && at <= PAID_AMOUNT
}

/// The bytes of a field; none when it is unknown.
pub(super) fn value(fields: &[u8], at: usize) -> Option<&[u8]> {
    let field = copy::each(fields).nth(at)?;
    let (length, bytes) = field.split_first_chunk()?;
    (i32::from_be_bytes(*length) >= 0).then_some(bytes)
}

/// A field as text.
pub(super) fn text(fields: &[u8], at: usize) -> Option<&str> {
    std::str::from_utf8(value(fields, at)?).ok()
}

/// The field as an amount.
pub(super) fn amount(fields: &[u8], at: usize) -> Option<Amount> {
    amount_of(value(fields, at)?)
}

/// The field as a time.
pub(super) fn time(fields: &[u8], at: usize) -> Option<DateTime<Utc>> {
    let micros = i64::from_be_bytes(value(fields, at)?.try_into().ok()?);
    DateTime::from_timestamp_micros(micros.checked_add(copy::EPOCH_2000)?)
}

/// An amount as the database sends it: groups of four digits, the weight of the first, sign, places.
fn amount_of(bytes: &[u8]) -> Option<Amount> {
    let mut numbers = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let (count, weight, sign, _places) = (numbers.next()?, numbers.next()?, numbers.next()?, numbers.next()?);
    let weight = i32::from(weight.cast_signed());
    let mut size: i128 = 0;
    for (place, digits) in (0..i32::from(count)).zip(numbers) {
        // In ten-thousandths; the column has no finer ones.
        let power = u32::try_from(weight - place + 1).ok()?;
        size = size.checked_add(i128::from(digits).checked_mul(10_000_i128.checked_pow(power)?)?)?;
    }
    let size = i64::try_from(size).ok()?;
    match sign {
        0 => Amount::from_ten_thousandths(size),
        0x4000 => Amount::from_ten_thousandths(-size),
        // Not a number, or endless.
        _ => None,
    }
}

/// A row's fields, which stand in the order of [`NAMES`] from column `from` on, put into an emptied `into`.
pub(super) fn of_row(into: &mut Vec<u8>, row: &PgRow, from: usize) -> Result<(), WarehouseError> {
    into.clear();
    for at in 0..FIELDS {
        let value = row.try_get_raw(from + at)?;
        if value.is_null() {
            into.extend_from_slice(&(-1i32).to_be_bytes());
            continue;
        }
        let bytes = value.as_bytes().map_err(|_| io::Error::other("a column without its bytes"))?;
        match amount_of(bytes).filter(|_| is_amount(at)) {
            Some(amount) => copy::field(into, Some(amount), copy::numeric),
            None => copy::bytes(into, bytes),
        }
    }
    Ok(())
}

/// The columns in which two lines differ.
pub(super) fn differing(one: &[u8], other: &[u8]) -> Vec<&'static str> {
    let both = copy::each(one).zip(copy::each(other)).zip(NAMES);
    both.filter_map(|((one, other), name)| (one != other).then_some(name)).collect()
}

/// The flags that say something of the read, not of the record: which lines came beside it, when, and among which pages.
const OF_THE_READ: [Flag; 4] = [Flag::IdenticalLines, Flag::FutureTime, Flag::UnstableWindow, Flag::NulRemoved];

/// A line made of a record that is at hand, as it would be had it been read when the line of the table was: with that
/// one's number among lines alike, and its flags that a record does not show.
pub(super) fn as_read_then<'f>(made: &'f [u8], table: &[u8]) -> Cow<'f, [u8]> {
    let flags = |fields| copy::each(fields).nth(copy::QUALITY).map(copy::flag_names).unwrap_or_default();
    let of_the_read = |name: &&str| OF_THE_READ.iter().any(|flag| flag.as_str() == *name);
    let mut names: Vec<_> = flags(made).into_iter().filter(|name| !of_the_read(name)).collect();
    names.extend(flags(table).into_iter().filter(of_the_read));
    let mut new = Vec::with_capacity(made.len() + 32);
    for (at, field) in copy::each(made).enumerate() {
        match at {
            copy::LINE_ID => copy::bytes(&mut new, copy::line_id(table).as_bytes()),
            copy::QUALITY => copy::flags(&mut new, std::mem::take(&mut names)),
            _ => new.extend_from_slice(field),
        }
    }
    if new == made { Cow::Borrowed(made) } else { Cow::Owned(new) }
}

/// Whether a line's key is that of a product's line, the first or a numbered one.
pub(super) fn is_line_of(line_id: &str, product: &str) -> bool {
    line_id.strip_prefix(product).is_some_and(|rest| {
        rest.is_empty() || rest.strip_prefix('#').is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Kind, Line, State, Unit};

    fn line() -> Line {
        Line {
            product: Some("diesel".into()),
            quantity: "40.5".parse().ok(),
            unit: Some(Unit::Litre),
            net_amount: "50".parse().ok(),
            vat_amount: "12".parse().ok(),
            gross_amount: "62".parse().ok(),
            paid_amount: "-62.0001".parse().ok(),
            currency: Some("EUR".into()),
            status_at: DateTime::from_timestamp(1_700_000_100, 250_000_000),
            ..Line::new("d", Kind::Fuel, State::Posted, DateTime::from_timestamp(1_700_000_000, 0).unwrap())
        }
    }

    fn of(line: &Line) -> Vec<u8> {
        let mut bytes = Vec::new();
        copy::fields(&mut bytes, "7", line);
        bytes
    }

    #[test]
    fn the_names_are_those_of_the_statement_that_copies() {
        let sql = include_str!("sql/copy_lines.sql");
        let listed = sql.split_once('(').unwrap().1.split_once(')').unwrap().0;
        let names: Vec<_> = listed.split(',').map(str::trim).take(FIELDS).collect();
        assert_eq!(names, NAMES);
    }

    #[test]
    fn what_was_written_is_read_back() {
        let fields = of(&line());
        assert_eq!(text(&fields, 0), Some("7"));
        assert_eq!(text(&fields, PRODUCT), Some("diesel"));
        assert_eq!((text(&fields, UNIT), text(&fields, CURRENCY)), (Some("L"), Some("EUR")));
        assert_eq!(text(&fields, STATE), Some("posted"));
        let amounts = [QUANTITY, NET_AMOUNT, VAT_AMOUNT, GROSS_AMOUNT, PAID_AMOUNT].map(|at| amount(&fields, at));
        let line = line();
        assert_eq!(amounts, [line.quantity, line.net_amount, line.vat_amount, line.gross_amount, line.paid_amount]);
        assert_eq!(time(&fields, OCCURRED_AT), Some(line.occurred_at));
        assert_eq!((time(&fields, STATUS_AT), time(&fields, INVOICED_AT)), (line.status_at, None));
        assert_eq!(value(&fields, FIELDS), None);
    }

    #[test]
    fn the_columns_that_differ_are_named() {
        let other = Line { gross_amount: "1".parse().ok(), site_name: Some("x".into()), ..line() };
        assert_eq!(differing(&of(&line()), &of(&other)), ["site_name", "gross_amount"]);
        assert!(differing(&of(&line()), &of(&line())).is_empty());
    }

    #[test]
    fn a_record_at_hand_comes_to_the_line_that_the_read_made() {
        let mut read = Line { line_id: "d#2".into(), ..line() };
        read.quality.extend([Flag::IdenticalLines, Flag::FutureTime, Flag::Rounded]);
        let mut made = line();
        made.quality.insert(Flag::Rounded);
        assert_eq!(*as_read_then(&of(&made), &of(&read)), of(&read));
        made.quality.insert(Flag::NegativeQuantity);
        assert_eq!(differing(&as_read_then(&of(&made), &of(&read)), &of(&read)), ["quality"]);
        assert!(is_line_of("d#2", "d") && is_line_of("d", "d") && !is_line_of("d#x", "d") && !is_line_of("e", "d"));
    }

    proptest! {
        #[test]
        fn an_amount_is_the_same_with_and_without_its_zeros(ten_thousandths in -999_999_999_999_999_999i64..1_000_000_000_000_000_000, zeros in 0u32..5) {
            let amount = Amount::from_ten_thousandths(ten_thousandths / 10_000i64.pow(zeros) * 10_000i64.pow(zeros)).unwrap();
            let mut ours = Vec::new();
            copy::numeric(&mut ours, amount);
            prop_assert_eq!(amount_of(&ours), Some(amount));
            // As the database sends it: without groups of zeros at the end.
            let mut groups: Vec<_> = ours[8..].chunks_exact(2).map(<[u8]>::to_vec).collect();
            while groups.last().is_some_and(|group| group == &[0, 0]) {
                groups.pop();
            }
            let mut theirs = u16::try_from(groups.len()).unwrap().to_be_bytes().to_vec();
            theirs.extend_from_slice(&ours[2..8]);
            theirs.extend(groups.concat());
            prop_assert_eq!(amount_of(&theirs), Some(amount));
        }
    }
}
