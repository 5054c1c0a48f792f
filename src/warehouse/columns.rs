//! A few rows as the parameters of one statement, each column an array.
//!
//! COPY sends its rows and then, apart, its end, and the end waits until the other side has said that the rows arrived: the
//! driver leaves Nagle's algorithm on (sqlx #4335), and the other side has no reason to hurry. That is 40 ms for each COPY,
//! several times what else a window with a little news takes. A statement with its parameters goes out as a whole. What is
//! a field in COPY's form is an element of an array in the form of parameters, so nothing is written anew.

use std::io;

use sqlx::{
    Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo, types::Oid},
    query::Query,
};

use super::copy::{self, ContentHash, FIELDS, QUALITY};

/// Rows that are sent so, and their bytes. More of them go cheaper by COPY, 40 ms and all.
pub(super) const FEW: usize = 1_000;
const BYTES: usize = 2 * 1024 * 1024;

/// A type, and that of its arrays, by the numbers that `PostgreSQL` gives them.
type Element = (u32, u32);

const TEXT: Element = (25, 1009);
const TIME: Element = (1184, 1185);
const WHOLE: Element = (20, 1016);
const NUMERIC: Element = (1700, 1231);
const BYTEA: Element = (17, 1001);
const BOOL: Element = (16, 1000);
const JSON: Element = (114, 199);

/// The type of a line's field, by its place in [`copy::fields`]. Flags go as the text of a list: an array of lists would need all of
/// them equally long.
const fn element(place: usize) -> Element {
    match place {
        5..=8 => TIME,
        21 => WHOLE,
        30 | 32..=39 => NUMERIC,
        _ => TEXT,
    }
}

/// A column.
#[derive(Debug)]
struct Column {
    element: Element,
    rows: i32,
    has_nulls: bool,
    /// The elements, each with its length.
    elements: Vec<u8>,
}

impl Column {
    const fn of(element: Element) -> Self {
        Self { element, rows: 0, has_nulls: false, elements: Vec::new() }
    }

    /// One more row: a field with its length.
    fn push(&mut self, field: &[u8]) {
        self.rows += 1;
        self.has_nulls |= field == copy::NULL;
        self.elements.extend_from_slice(field);
    }

    /// One more row.
    fn push_value(&mut self, value: &[u8]) {
        self.rows += 1;
        copy::bytes(&mut self.elements, value);
    }
}

impl Type<Postgres> for Column {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(TEXT.1))
    }
}

impl Encode<'_, Postgres> for Column {
    /// Dimensions, whether there are NULLs, the type of the elements, how many there are, and the number of the first.
    fn encode_by_ref(&self, into: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let element = i32::try_from(self.element.0)?;
        for number in [1, i32::from(self.has_nulls), element, self.rows, 1] {
            into.extend_from_slice(&number.to_be_bytes());
        }
        into.extend_from_slice(&self.elements);
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(Oid(self.element.1)))
    }

    fn size_hint(&self) -> usize {
        5 * 4 + self.elements.len()
    }
}

/// Rows of a table.
#[derive(Debug)]
pub(super) struct Columns {
    columns: Vec<Column>,
    bytes: usize,
}

impl Columns {
    /// For lines: their fields, the digest of their content, and whether they lie outside the window.
    pub(super) fn of_lines() -> Self {
        let fields = (0..FIELDS).map(element);
        Self { columns: fields.chain([BYTEA, BOOL]).map(Column::of).collect(), bytes: 0 }
    }

    /// For records: id, line, text.
    pub(super) fn of_records() -> Self {
        Self { columns: [TEXT, TEXT, JSON].map(Column::of).into(), bytes: 0 }
    }

    /// One more line.
    ///
    /// # Errors
    /// The fields are cut off: in arrays of unequal lengths the values of other lines would move into this one's place.
    pub(super) fn line(&mut self, fields: &[u8], hash: &ContentHash, outside: bool) -> io::Result<()> {
        self.bytes += fields.len();
        for (place, (column, field)) in self.columns.iter_mut().zip(copy::each(fields)).enumerate() {
            if place == QUALITY {
                column.push_value(format!("{{{}}}", copy::flag_names(field).join(",")).as_bytes());
            } else {
                column.push(field);
            }
        }
        self.values(FIELDS, &[hash, &[u8::from(outside)]]);
        if self.columns.iter().any(|column| column.rows != self.columns[0].rows) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a line that waits is cut off"));
        }
        Ok(())
    }

    /// One more record.
    pub(super) fn record(&mut self, id: &str, line_id: &str, raw: &[u8]) {
        self.bytes += raw.len();
        self.values(0, &[id.as_bytes(), line_id.as_bytes(), raw]);
    }

    fn values(&mut self, from: usize, values: &[&[u8]]) {
        for (column, value) in self.columns[from..].iter_mut().zip(values) {
            column.push_value(value);
        }
    }

    /// Whether they are more than go out at once.
    pub(super) const fn are_many(&self) -> bool {
        self.bytes > BYTES
    }

    /// As the first parameters of a statement: of the columns the first `wanted`.
    pub(super) fn bind(
        self,
        statement: Query<'_, Postgres, PgArguments>,
        wanted: usize,
    ) -> Query<'_, Postgres, PgArguments> {
        self.columns.into_iter().take(wanted).fold(statement, Query::bind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Kind, Line, State};

    /// Where each type stands is written down twice: here against the fields that a full line has.
    #[test]
    fn each_field_has_the_length_of_its_type() {
        let at = chrono::DateTime::UNIX_EPOCH;
        let amount = "1.5".parse().ok();
        let line = Line {
            started_at: Some(at),
            status_at: Some(at),
            invoiced_at: Some(at),
            odometer_km: Some(7),
            quantity: amount,
            net_unit_price: amount,
            unit_discount: amount,
            unit_price: amount,
            net_amount: amount,
            vat_rate: amount,
            vat_amount: amount,
            gross_amount: amount,
            paid_amount: amount,
            ..Line::new("1", Kind::Fuel, State::Posted, at)
        };
        let mut fields = Vec::new();
        copy::fields(&mut fields, "7", &line);
        for (place, field) in copy::each(&fields).enumerate().take(QUALITY) {
            let length = match element(place) {
                TIME | WHOLE => 8,
                // Two digits of base 10,000.
                NUMERIC => 12,
                _ if field == copy::NULL => 0,
                _ => field.len() - 4,
            };
            assert!(field == copy::NULL || field.len() == 4 + length, "field {place} has {} bytes", field.len());
            assert!(!matches!(element(place), TIME | WHOLE | NUMERIC) || field != copy::NULL, "field {place} is set");
        }
    }

    #[test]
    fn a_line_that_is_cut_off_is_an_error() {
        let mut fields = Vec::new();
        copy::fields(&mut fields, "7", &Line::new("1", Kind::Fuel, State::Posted, chrono::DateTime::UNIX_EPOCH));
        let mut columns = Columns::of_lines();
        assert!(columns.line(&fields, &[0; 16], false).is_ok());
        fields.truncate(fields.len() - 40);
        assert!(columns.line(&fields, &[0; 16], false).is_err());
    }
}
