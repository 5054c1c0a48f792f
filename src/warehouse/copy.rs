//! Rows as `COPY … (FORMAT binary)` wants them.
//!
//! The order of the columns is that of `sql/copy_lines.sql`. Text that holds a NUL cannot be stored; normalizing has
//! taken it out, and what slipped through is taken out here rather than failing its window for ever.

use chrono::{DateTime, Utc};

use crate::domain::{Amount, Line, Unit, transaction::ContentHash};

/// Microseconds from 1970 to 2000, where `PostgreSQL` counts from.
const EPOCH_2000: i64 = 946_684_800_000_000;

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

    /// What there is to send, once it is worth sending; the buffer is empty afterwards.
    pub(super) fn full(&mut self) -> Option<Vec<u8>> {
        (self.bytes.len() >= 64 * 1024).then(|| std::mem::replace(&mut self.bytes, Vec::with_capacity(96 * 1024)))
    }

    /// The rest, with the format's trailer.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&(-1i16).to_be_bytes());
        self.bytes
    }

    /// One row of `stage`.
    pub(super) fn line(&mut self, id: &str, line: &Line, hash: &ContentHash, outside: bool) {
        self.row(LINE_COLUMNS);
        self.text(Some(id));
        self.text(Some(&line.line_id));
        self.text(Some(line.kind.as_str()));
        self.text(Some(line.state.as_str()));
        self.text(line.source_state.as_deref());
        self.time(Some(line.occurred_at));
        self.time(line.started_at);
        self.time(line.status_at);
        self.time(line.invoiced_at);
        for text in [
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
            self.text(text.as_deref());
        }
        self.field(line.odometer_km, |bytes, km| bytes.extend_from_slice(&km.to_be_bytes()));
        for text in [
            &line.receipt_no,
            &line.authorization_code,
            &line.invoice_no,
            &line.session_id,
            &line.product_code,
            &line.product_name,
            &line.product_type,
            &line.product,
        ] {
            self.text(text.as_deref());
        }
        self.field(line.quantity, numeric);
        self.text(line.unit.map(Unit::as_str));
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
            self.field(amount, numeric);
        }
        self.text(line.payment_method.as_deref());
        self.text(line.currency.as_deref());
        self.field(Some(line), flags);
        self.field(Some(hash), |bytes, hash| bytes.extend_from_slice(hash));
        self.field(Some(outside), |bytes, outside| bytes.push(u8::from(outside)));
    }

    /// One row of `stage_record`.
    pub(super) fn record(&mut self, id: &str, line_id: &str, raw: &str) {
        self.row(3);
        self.text(Some(id));
        self.text(Some(line_id));
        self.text(Some(raw));
    }

    fn row(&mut self, columns: i16) {
        self.bytes.extend_from_slice(&columns.to_be_bytes());
    }

    fn text(&mut self, text: Option<&str>) {
        self.field(text, |bytes, text| {
            if text.as_bytes().contains(&0) {
                bytes.extend(text.bytes().filter(|b| *b != 0));
            } else {
                bytes.extend_from_slice(text.as_bytes());
            }
        });
    }

    fn time(&mut self, time: Option<DateTime<Utc>>) {
        self.field(time, |bytes, t| bytes.extend_from_slice(&(t.timestamp_micros() - EPOCH_2000).to_be_bytes()));
    }

    /// A field: its length, known once it is written, and its bytes; -1 for NULL.
    fn field<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) {
        let Some(value) = value else {
            self.bytes.extend_from_slice(&(-1i32).to_be_bytes());
            return;
        };
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        write(&mut self.bytes, value);
        let length = i32::try_from(self.bytes.len() - at - 4).unwrap_or(i32::MAX);
        self.bytes[at..at + 4].copy_from_slice(&length.to_be_bytes());
    }
}

const LINE_COLUMNS: i16 = 45;

/// `numeric` in base 10,000: with four decimals the fraction is exactly one such digit.
fn numeric(bytes: &mut Vec<u8>, amount: Amount) {
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

/// `text[]` of the quality flags.
fn flags(bytes: &mut Vec<u8>, line: &Line) {
    const TEXT_OID: i32 = 25;
    let dimensions = i32::from(!line.quality.is_empty());
    for number in [dimensions, 0, TEXT_OID] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    if dimensions == 0 {
        return;
    }
    let names = line.quality.iter().map(|flag| flag.as_str());
    for number in [i32::try_from(line.quality.len()).unwrap_or(0), 1] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    for name in names {
        bytes.extend_from_slice(&i32::try_from(name.len()).unwrap_or(0).to_be_bytes());
        bytes.extend_from_slice(name.as_bytes());
    }
}
