//! A line as `COPY … (FORMAT binary)` wants it, and what is known of it in that form.
//!
//! A line is put into this form once, when it arrives: [`fields`] are its columns, in the order of `sql/copy_lines.sql`,
//! each with its length. So it waits, so its content is told from another's, and so it is sent. Text that holds a NUL
//! cannot be stored; normalizing has taken it out, and what slipped through is taken out here rather than failing its
//! window for ever.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::domain::{Amount, Flag, Line, StreamId, Unit};

/// A digest of a line's content: the first 16 bytes of a SHA-256.
pub type ContentHash = [u8; 16];

/// Microseconds from 1970 to 2000, where `PostgreSQL` counts from.
pub(super) const EPOCH_2000: i64 = 946_684_800_000_000;

/// How many fields a line has: from `source_transaction_id` to `quality`.
pub(super) const FIELDS: usize = 43;
/// Which of them is `line_id`.
pub(super) const LINE_ID: usize = 1;
/// Which of them is `quality`.
pub(super) const QUALITY: usize = FIELDS - 1;
/// A field that is NULL.
pub(super) const NULL: [u8; 4] = (-1i32).to_be_bytes();
/// What does not change in the life of a sale: `line_id`, `kind`, `occurred_at`, `site_id`, `terminal_id`, `point`,
/// `card_number`, `receipt_no`, `product_code`, `quantity`, `unit`, `unit_price`, `gross_amount`, `currency`.
const IDENTITY: [usize; 14] = [1, 2, 5, 10, 13, 15, 16, 22, 26, 30, 31, 34, 38, 41];

/// Puts a line into its form for COPY.
pub(super) fn fields(into: &mut Vec<u8>, id: &str, line: &Line) {
    text(into, Some(id));
    text(into, Some(&line.line_id));
    text(into, Some(line.kind.as_str()));
    text(into, Some(line.state.as_str()));
    text(into, line.source_state.as_deref());
    time(into, Some(line.occurred_at));
    time(into, line.started_at);
    time(into, line.status_at);
    time(into, line.invoiced_at);
    for column in [
        &line.contract_no,
        &line.site_id,
        &line.site_code,
        &line.site_name,
        &line.terminal_id,
        &line.terminal_name,
        &line.point,
        &line.card_number,
        &line.driver_name,
        &line.driver_no,
        &line.vehicle_no,
        &line.license_plate,
    ] {
        text(into, column.as_deref());
    }
    field(into, line.odometer_km, |bytes, km| bytes.extend_from_slice(&km.to_be_bytes()));
    for column in [
        &line.receipt_no,
        &line.authorization_code,
        &line.invoice_no,
        &line.session_id,
        &line.product_code,
        &line.product_name,
        &line.product_type,
        &line.product,
    ] {
        text(into, column.as_deref());
    }
    field(into, line.quantity, numeric);
    text(into, line.unit.map(Unit::as_str));
    for amount in [
        line.net_unit_price,
        line.unit_discount,
        line.unit_price,
        line.net_amount,
        line.vat_rate,
        line.vat_amount,
        line.gross_amount,
        line.paid_amount,
    ] {
        field(into, amount, numeric);
    }
    text(into, line.payment_method.as_deref());
    text(into, line.currency.as_deref());
    flags(into, line.quality.iter().map(|flag| flag.as_str()).collect());
}

/// The fields one by one, each with its length; ends early where they are cut off.
pub(super) fn each(fields: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut left = fields;
    std::iter::from_fn(move || {
        let length = i32::from_be_bytes(left.first_chunk().copied()?);
        let (field, rest) = left.split_at_checked(4 + usize::try_from(length).unwrap_or(0))?;
        left = rest;
        Some(field)
    })
}

/// The line's own key, before lines alike are numbered.
pub(super) fn line_id(fields: &[u8]) -> &str {
    each(fields).nth(LINE_ID).and_then(|field| std::str::from_utf8(&field[4..]).ok()).unwrap_or_default()
}

/// The same line under another key of its own, flagged when it is `identical` to another.
pub(super) fn numbered(fields: &[u8], line_id: &str, identical: bool) -> Vec<u8> {
    let mut new = Vec::with_capacity(fields.len() + 32);
    for (number, field) in each(fields).enumerate() {
        match number {
            LINE_ID => text(&mut new, Some(line_id)),
            QUALITY if identical => {
                let mut names = flag_names(field);
                names.push(Flag::IdenticalLines.as_str());
                flags(&mut new, names);
            }
            _ => new.extend_from_slice(field),
        }
    }
    new
}

/// The digest of every column and of the record's raw text. It decides whether a row has changed, so two lines with one
/// digest are one content; each field is preceded by its length, so that no two contents share a spelling.
pub(super) fn content_hash(fields: &[u8], raw: &[u8]) -> ContentHash {
    let mut hasher = Sha256::new();
    hasher.update(fields);
    hasher.update(raw);
    first(hasher)
}

/// A digest of what does not change in the life of a sale: the order in which lines of the same id and product are
/// numbered, whatever the order of their arrival, and whether an invoice came meanwhile.
pub(super) fn identity_hash(fields: &[u8]) -> ContentHash {
    let mut hasher = Sha256::new();
    for (number, field) in each(fields).enumerate() {
        if IDENTITY.contains(&number) {
            hasher.update(field);
        }
    }
    first(hasher)
}

fn first(hasher: Sha256) -> ContentHash {
    let mut hash = ContentHash::default();
    hash.copy_from_slice(&hasher.finalize()[..16]);
    hash
}

/// A growing buffer of binary rows.
#[derive(Debug)]
pub(super) struct Rows {
    bytes: Vec<u8>,
}

impl Rows {
    /// Opens with the format's header.
    pub(super) fn new() -> Self {
        let mut bytes = Vec::with_capacity(96 * 1024);
        bytes.extend_from_slice(b"PGCOPY\n\xff\r\n\0");
        bytes.extend_from_slice(&[0; 8]);
        Self { bytes }
    }

    /// What there is to send, once it is worth sending; to be emptied then.
    pub(super) fn full(&mut self) -> Option<&mut Vec<u8>> {
        (self.bytes.len() >= 64 * 1024).then_some(&mut self.bytes)
    }

    /// The rest, with the format's trailer.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&(-1i16).to_be_bytes());
        self.bytes
    }

    /// One row of `stage`.
    pub(super) fn staged(&mut self, fields: &[u8], hash: &ContentHash, outside: bool) {
        self.begin(FIELDS + 2);
        self.bytes.extend_from_slice(fields);
        bytes(&mut self.bytes, hash);
        bytes(&mut self.bytes, &[u8::from(outside)]);
    }

    /// One row of `stage_record`.
    pub(super) fn staged_record(&mut self, id: &str, line_id: &str, raw: &[u8]) {
        self.begin(3);
        bytes(&mut self.bytes, id.as_bytes());
        bytes(&mut self.bytes, line_id.as_bytes());
        bytes(&mut self.bytes, raw);
    }

    /// One row of `fuel.transaction`.
    pub(super) fn line(&mut self, owner: &Owner, fields: &[u8], hash: &ContentHash) {
        self.begin(FIELDS + 1 + 3);
        self.bytes.extend_from_slice(fields);
        bytes(&mut self.bytes, hash);
        self.bytes.extend_from_slice(&owner.line);
    }

    /// One row of `fuel.record`.
    pub(super) fn record(&mut self, owner: &Owner, id: &str, line_id: &str, raw: &[u8]) {
        self.begin(3 + 3);
        bytes(&mut self.bytes, id.as_bytes());
        bytes(&mut self.bytes, line_id.as_bytes());
        bytes(&mut self.bytes, raw);
        self.bytes.extend_from_slice(&owner.record);
    }

    fn begin(&mut self, columns: usize) {
        self.bytes.extend_from_slice(&i16::try_from(columns).unwrap_or(i16::MAX).to_be_bytes());
    }
}

/// What all rows of a stream end with.
#[derive(Debug)]
pub(super) struct Owner {
    /// `source`, `account`, `partition`.
    line: Vec<u8>,
    /// `source`, `account`, `normalizer`.
    record: Vec<u8>,
}

impl Owner {
    /// Of a stream, by the rules of this version.
    pub(super) fn of(stream: &StreamId, normalizer: i32) -> Self {
        let (mut line, mut record) = (Vec::new(), Vec::new());
        for owner in [&mut line, &mut record] {
            text(owner, Some(stream.source.as_str()));
            text(owner, Some(&stream.account));
        }
        text(&mut line, Some(stream.partition.as_str()));
        bytes(&mut record, &normalizer.to_be_bytes());
        Self { line, record }
    }
}

fn text(into: &mut Vec<u8>, value: Option<&str>) {
    let Some(value) = value else { return into.extend_from_slice(&NULL) };
    if value.as_bytes().contains(&0) {
        bytes(into, value.replace('\0', "").as_bytes());
    } else {
        bytes(into, value.as_bytes());
    }
}

fn time(into: &mut Vec<u8>, value: Option<DateTime<Utc>>) {
    field(into, value, |bytes, t| bytes.extend_from_slice(&(t.timestamp_micros() - EPOCH_2000).to_be_bytes()));
}

/// A field: its length, and its bytes.
pub(super) fn bytes(into: &mut Vec<u8>, value: &[u8]) {
    into.extend_from_slice(&i32::try_from(value.len()).unwrap_or(i32::MAX).to_be_bytes());
    into.extend_from_slice(value);
}

/// A field: its length, known once it is written, and its bytes; -1 for NULL.
pub(super) fn field<T>(into: &mut Vec<u8>, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) {
    let Some(value) = value else { return into.extend_from_slice(&NULL) };
    let at = into.len();
    into.extend_from_slice(&[0; 4]);
    write(into, value);
    let length = i32::try_from(into.len() - at - 4).unwrap_or(i32::MAX);
    into[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// `numeric` in base 10,000: with four decimals the fraction is exactly one such digit.
pub(super) fn numeric(bytes: &mut Vec<u8>, amount: Amount) {
    let mut rest = amount.ten_thousandths().unsigned_abs();
    let mut digits = [0u16; 6];
    let mut count = 0;
    while rest > 0 {
        digits[count] = u16::try_from(rest % 10_000).unwrap_or(0);
        rest /= 10_000;
        count += 1;
    }
    let sign: u16 = if amount.is_negative() { 0x4000 } else { 0 };
    // digits[0] is the fraction; the weight is the power of the most significant one.
    let weight = i16::try_from(count).unwrap_or(0) - 2;
    bytes.extend_from_slice(&i16::try_from(count).unwrap_or(0).to_be_bytes());
    bytes.extend_from_slice(&weight.to_be_bytes());
    bytes.extend_from_slice(&sign.to_be_bytes());
    bytes.extend_from_slice(&4i16.to_be_bytes());
    for digit in digits[..count].iter().rev() {
        bytes.extend_from_slice(&digit.to_be_bytes());
    }
}

/// `text[]` of flags: dimensions, no NULLs, the type of the elements, and of a list that is not empty its length and
/// where its numbers begin.
pub(super) fn flags(into: &mut Vec<u8>, mut names: Vec<&str>) {
    const TEXT_OID: i32 = 25;
    names.sort_unstable();
    field(into, Some(names), |bytes, names| {
        for number in [i32::from(!names.is_empty()), 0, TEXT_OID] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        if names.is_empty() {
            return;
        }
        for number in [i32::try_from(names.len()).unwrap_or(0), 1] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        for name in names {
            text(bytes, Some(name));
        }
    });
}

/// The flags of such a field.
pub(super) fn flag_names(field: &[u8]) -> Vec<&str> {
    /// Its own length, three numbers, and two more of a list that is not empty.
    const HEAD: usize = 4 + 5 * 4;
    let names = field.get(HEAD..).map(each);
    names.into_iter().flatten().filter_map(|name| std::str::from_utf8(&name[4..]).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Kind, State};

    fn line() -> Line {
        Line::new("1", Kind::Fuel, State::Posted, DateTime::from_timestamp(1_700_000_000, 0).unwrap_or_default())
    }

    fn of(line: &Line) -> Vec<u8> {
        let mut bytes = Vec::new();
        fields(&mut bytes, "7", line);
        bytes
    }

    #[test]
    fn a_text_that_moves_to_the_next_column_is_another_content() {
        let a = of(&Line { site_code: Some("x".into()), ..line() });
        let b = of(&Line { site_name: Some("x".into()), ..line() });
        assert_ne!(content_hash(&a, b"{}"), content_hash(&b, b"{}"));
        assert_ne!(content_hash(&a, b"{}"), content_hash(&a, b"{ }"));
    }

    #[test]
    fn an_invoice_changes_the_content_and_not_the_identity() {
        let now = of(&line());
        let later = of(&Line { invoice_no: Some("2081".into()), state: State::Invoiced, ..line() });
        assert_ne!(content_hash(&now, b"{}"), content_hash(&later, b"{}"));
        assert_eq!(identity_hash(&now), identity_hash(&later));
    }

    #[test]
    fn each_part_of_the_identity_makes_another() {
        let text = || Some("x".to_owned());
        let amount = "1.5".parse().ok();
        let changed = [
            Line { line_id: "2".into(), ..line() },
            Line { kind: Kind::Goods, ..line() },
            Line { occurred_at: line().occurred_at + chrono::TimeDelta::seconds(1), ..line() },
            Line { site_id: text(), ..line() },
            Line { terminal_id: text(), ..line() },
            Line { point: text(), ..line() },
            Line { card_number: text(), ..line() },
            Line { receipt_no: text(), ..line() },
            Line { product_code: text(), ..line() },
            Line { quantity: amount, ..line() },
            Line { unit: Some(Unit::Litre), ..line() },
            Line { unit_price: amount, ..line() },
            Line { gross_amount: amount, ..line() },
            Line { currency: text(), ..line() },
        ];
        assert_eq!(changed.len(), IDENTITY.len());
        for line in changed {
            assert_ne!(identity_hash(&of(&line)), identity_hash(&of(&self::line())), "{line:?}");
        }
    }

    #[test]
    fn a_numbered_line_is_what_it_would_be_had_it_come_so() {
        for quality in [vec![], vec![Flag::FutureTime], vec![Flag::Rounded, Flag::AmountMismatch]] {
            let before = Line { quality: quality.into_iter().collect(), ..line() };
            let mut after = Line { line_id: "1#2".into(), ..before.clone() };
            assert_eq!(numbered(&of(&before), "1#2", false), of(&after));
            after.quality.insert(Flag::IdenticalLines);
            assert_eq!(numbered(&of(&before), "1#2", true), of(&after));
            assert_eq!(line_id(&of(&after)), "1#2");
            assert_eq!(each(&of(&after)).count(), FIELDS);
        }
    }

    #[test]
    fn a_nul_that_slipped_through_is_left_out() {
        assert_eq!(
            of(&Line { site_name: Some("a\0b".into()), ..line() }),
            of(&Line { site_name: Some("ab".into()), ..line() })
        );
    }
}
