//! Reads the CSV of a supplier: a header whose columns are found by name, `,` or `;` between, points or commas in numbers.
//!
//! Every fault is listed, by its line, and never with the value that is wrong.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate};

use super::{Figure, Invoices, Line, Total, numbers};
use crate::domain::Amount;

/// Reads a file's text; or all that is wrong with it.
pub fn parse(text: &str) -> Result<Invoices, Vec<String>> {
    let text = text.trim_start_matches('\u{feff}');
    let divides = divider(text);
    let mut records = records(text, divides).map_err(|fault| vec![fault])?.into_iter();
    let Some((at, header)) = records.next() else { return Err(vec!["it is empty; a header is expected".to_owned()]) };
    let mut faults = Vec::new();
    let columns = Columns::of(at, &header, &mut faults);
    let is_totals = columns.has("total");
    if is_totals == columns.has("amount") {
        faults.push(format!(
            "line {at}: the header has {} of the columns total (an invoice a line) and amount (a sale a line); exactly one \
             is expected",
            if is_totals { "both" } else { "none" }
        ));
    }
    if !columns.has("invoice_no") {
        faults.push(format!("line {at}: the header has no column invoice_no"));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let records: Vec<_> = records.collect();
    let figures =
        || records.iter().flat_map(|(_, fields)| NUMBERS.iter().filter_map(|n| fields.get(columns.place(n)?)));
    let decimal = numbers::decimal_mark(figures().map(String::as_str));
    let (mut totals, mut lines) = (Vec::new(), Vec::new());
    for (at, fields) in &records {
        let at = *at;
        if fields.len() != header.len() {
            faults.push(format!("line {at}: {} field(s) where the header has {}", fields.len(), header.len()));
            continue;
        }
        let mut record = Record { at, columns: &columns, fields, decimal, faults: &mut faults };
        if is_totals { totals.extend(record.total()) } else { lines.extend(record.line()) }
    }
    // An invoice in several currencies has a line for each.
    let mut numbers: HashMap<&str, Vec<&Total>> = HashMap::new();
    for total in &totals {
        let before = numbers.entry(&total.invoice_no).or_default();
        let is_same =
            |other: &&&Total| other.currency.is_none() || total.currency.is_none() || other.currency == total.currency;
        if let Some(other) = before.iter().find(is_same) {
            faults.push(format!(
                "line {}: the same invoice stands in line {}; only one of another currency may follow it",
                total.at, other.at
            ));
        }
        before.push(total);
    }
    if faults.is_empty() && totals.is_empty() && lines.is_empty() {
        faults.push("it has no line but its header".to_owned());
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    show_alike(&mut lines);
    Ok(if is_totals { Invoices::Totals(totals) } else { Invoices::Lines(lines) })
}

/// A column shows as many decimals as the figure in it that has most: a spreadsheet leaves out the noughts at the end.
fn show_alike(lines: &mut [Line]) {
    let most = |of: fn(&Line) -> Option<Figure>| lines.iter().filter_map(of).map(|f| f.decimals).max().unwrap_or(0);
    let (quantity, price) = (most(|line| line.quantity), most(|line| line.unit_price));
    for line in lines {
        for (figure, decimals) in [(&mut line.quantity, quantity), (&mut line.unit_price, price)] {
            if let Some(figure) = figure {
                figure.decimals = decimals;
            }
        }
    }
}

/// What divides the fields: a semicolon where the header has one.
fn divider(text: &str) -> char {
    if text.lines().find(|line| !line.trim().is_empty()).is_some_and(|header| header.contains(';')) { ';' } else { ',' }
}

type Records = Vec<(usize, Vec<String>)>;

/// The records that say something, each with the line that it begins in. A quoted field may hold anything, line ends too.
fn records(text: &str, divides: char) -> Result<Records, String> {
    let (mut records, mut fields, mut field) = (Records::new(), Vec::new(), String::new());
    let (mut line, mut begun, mut quoted, mut was_quoted) = (1, 1, None, false);
    let mut chars = text.chars().peekable();
    loop {
        let next = chars.next();
        match next {
            Some('"') if quoted.is_some() => {
                if chars.next_if_eq(&'"').is_some() {
                    field.push('"');
                } else {
                    quoted = None;
                }
            }
            Some(c) if quoted.is_some() => {
                line += usize::from(c == '\n');
                field.push(c);
            }
            None if quoted.is_some() => {
                return Err(format!("line {}: a quotation mark is not closed", quoted.unwrap_or(begun)));
            }
            Some('"') if field.trim().is_empty() && !was_quoted => {
                field.clear();
                (quoted, was_quoted) = (Some(line), true);
            }
            Some('\r') => {}
            Some('\n') | None => {
                fields.push(std::mem::take(&mut field).trim().to_owned());
                let record = std::mem::take(&mut fields);
                if record.iter().any(|field| !field.is_empty()) {
                    records.push((begun, record));
                }
                line += 1;
                (begun, was_quoted) = (line, false);
                if next.is_none() {
                    return Ok(records);
                }
            }
            Some(c) if c == divides => {
                fields.push(std::mem::take(&mut field).trim().to_owned());
                was_quoted = false;
            }
            Some(c) => field.push(c),
        }
    }
}

const NAMES: [&str; 13] = [
    "invoice_no",
    "date",
    "total",
    "net",
    "vat",
    "currency",
    "transaction_id",
    "receipt_no",
    "card_number",
    "product",
    "quantity",
    "unit_price",
    "amount",
];

/// Those that hold numbers.
const NUMBERS: [&str; 6] = ["total", "net", "vat", "quantity", "unit_price", "amount"];

/// Where each column stands.
struct Columns([Option<usize>; NAMES.len()]);

impl Columns {
    /// Columns of other names are passed over: a supplier's file has more than is compared.
    fn of(at: usize, header: &[String], faults: &mut Vec<String>) -> Self {
        let mut columns = Self([None; NAMES.len()]);
        for (place, name) in header.iter().enumerate() {
            let name = name.to_lowercase().replace([' ', '-'], "_");
            let Some(number) = NAMES.iter().position(|known| *known == name) else { continue };
            if columns.0[number].replace(place).is_some() {
                faults.push(format!("line {at}: the header has the column {} twice", NAMES[number]));
            }
        }
        columns
    }

    fn place(&self, name: &str) -> Option<usize> {
        NAMES.iter().position(|known| *known == name).and_then(|number| self.0[number])
    }

    fn has(&self, name: &str) -> bool {
        self.place(name).is_some()
    }
}

struct Record<'a> {
    at: usize,
    columns: &'a Columns,
    fields: &'a [String],
    /// What stands before the decimals in this file, where its numbers say so.
    decimal: Option<char>,
    faults: &'a mut Vec<String>,
}

impl Record<'_> {
    fn text(&self, name: &str) -> Option<String> {
        let field = self.fields.get(self.columns.place(name)?)?;
        (!field.is_empty()).then(|| field.clone())
    }

    fn required<T>(&mut self, name: &str, value: Option<T>, was_read: bool) -> Option<T> {
        if value.is_none() && was_read {
            self.faults.push(format!("line {}: {name} is missing", self.at));
        }
        value
    }

    /// A number; none when it is not there. The second part: whether it could be read.
    fn amount(&mut self, name: &str) -> (Option<Amount>, bool) {
        let (figure, was_read) = self.figure(name);
        (figure.map(|figure| figure.value), was_read)
    }

    fn figure(&mut self, name: &str) -> (Option<Figure>, bool) {
        let Some(text) = self.text(name) else { return (None, true) };
        match numbers::read(&text, self.decimal) {
            Ok(figure) => (Some(figure), true),
            Err(why) => {
                self.faults.push(format!("line {}: {name} {why}", self.at));
                (None, false)
            }
        }
    }

    fn date(&mut self) -> Option<NaiveDate> {
        let text = self.text("date")?;
        let day = |format| NaiveDate::parse_from_str(&text, format).ok();
        let time = || DateTime::parse_from_rfc3339(&text).ok().map(|time| time.to_utc().date_naive());
        let date = day("%Y-%m-%d").or_else(|| day("%d.%m.%Y")).or_else(time);
        if date.is_none() {
            self.faults.push(format!(
                "line {}: date is none; expected one like 2026-05-31, 31.05.2026 or 2026-05-31T10:20:30Z",
                self.at
            ));
        }
        date
    }

    fn currency(&mut self) -> Option<String> {
        let currency = self.text("currency").map(|currency| currency.to_uppercase());
        if currency.as_deref().is_some_and(|c| c.len() != 3 || !c.bytes().all(|b| b.is_ascii_alphabetic())) {
            self.faults.push(format!("line {}: currency is none; expected three letters of ISO 4217", self.at));
        }
        currency
    }

    fn number(&mut self) -> Option<String> {
        let number = self.text("invoice_no");
        self.required("invoice_no", number, true)
    }

    fn total(&mut self) -> Option<Total> {
        let (invoice_no, date) = (self.number(), self.date());
        let (total, was_read) = self.amount("total");
        let total = self.required("total", total, was_read);
        let (net, vat) = (self.amount("net").0, self.amount("vat").0);
        let currency = self.currency();
        Some(Total { at: self.at, invoice_no: invoice_no?, date, total: total?, net, vat, currency })
    }

    fn line(&mut self) -> Option<Line> {
        let (invoice_no, date) = (self.number(), self.date());
        let (amount, was_read) = self.amount("amount");
        let amount = self.required("amount", amount, was_read);
        let (quantity, unit_price) = (self.figure("quantity").0, self.figure("unit_price").0);
        let currency = self.currency();
        Some(Line {
            at: self.at,
            invoice_no: invoice_no?,
            date,
            transaction_id: self.text("transaction_id"),
            receipt_no: self.text("receipt_no"),
            card_number: self.text("card_number"),
            product: self.text("product"),
            quantity,
            unit_price,
            currency,
            amount: amount?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Amount {
        text.parse().unwrap()
    }

    #[test]
    fn totals_are_read_in_either_spelling() {
        let comma =
            parse("\u{feff}Invoice_No,DATE,total,net,vat,currency\n2081,2026-05-31,\"1,234.50\",1011.89,222.61,eur\n");
        let semicolon = parse(
            "invoice no;date;Total;net;vat;currency;rest\r\n\"2081\";31.05.2026;1.234,50;1011,89;222,61;EUR;x\r\n\r\n",
        );
        let expected = Total {
            at: 2,
            invoice_no: "2081".to_owned(),
            date: NaiveDate::from_ymd_opt(2026, 5, 31),
            total: of("1234.50"),
            net: Some(of("1011.89")),
            vat: Some(of("222.61")),
            currency: Some("EUR".to_owned()),
        };
        assert_eq!(comma, Ok(Invoices::Totals(vec![expected.clone()])));
        assert_eq!(semicolon, Ok(Invoices::Totals(vec![expected])));
    }

    #[test]
    fn lines_are_read_with_what_there_is_and_know_where_they_stand() {
        let text = "invoice_no;receipt_no;product;quantity;amount\nA1;7;\"Diesel; \"\"B7\"\"\nwinter\";10,5;16,20\n\nA2;;;;-3\n";
        let Ok(invoices @ Invoices::Lines(_)) = parse(text) else { panic!("{:?}", parse(text)) };
        assert_eq!((invoices.numbers(), invoices.dates()), (vec!["A1".to_owned(), "A2".to_owned()], None));
        let Invoices::Lines(lines) = invoices else { panic!("lines") };
        assert_eq!(
            (lines[0].product.as_deref(), lines[0].quantity),
            (Some("Diesel; \"B7\"\nwinter"), Some(Figure { value: of("10.5"), decimals: 1 }))
        );
        assert_eq!((lines[1].at, lines[1].amount, &lines[1].receipt_no), (5, of("-3"), &None));
    }

    #[test]
    fn a_line_has_a_currency_and_a_column_as_many_decimals_as_its_longest_figure() {
        let text = "invoice_no;quantity;unit_price;currency;amount\nA1;31,2;1,5;sek;46,85\nA1;31,23;1,499;EUR;46,81\n";
        let Ok(Invoices::Lines(lines)) = parse(text) else { panic!("{:?}", parse(text)) };
        assert_eq!(lines.iter().map(|line| line.currency.as_deref()).collect::<Vec<_>>(), [Some("SEK"), Some("EUR")]);
        let decimals: Vec<_> =
            lines.iter().map(|l| (l.quantity.unwrap().decimals, l.unit_price.unwrap().decimals)).collect();
        assert_eq!(decimals, [(2, 3), (2, 3)]);
        let faults = parse("invoice_no,currency,amount\nA1,EURO,7.50\n").expect_err("a currency of four letters");
        assert!(faults[0].starts_with("line 2: currency"), "{faults:?}");
    }

    #[test]
    fn a_number_that_can_be_read_in_two_ways_is_decided_by_the_others_or_is_a_fault() {
        for (numbers, amounts) in [
            ("1.234;5,50", ["1234", "5.50"]),
            ("1.234;5.50", ["1.234", "5.50"]),
            ("1,234;5.50", ["1234", "5.50"]),
            ("1,234;1.000,50", ["1.234", "1000.50"]),
            ("0,123;0,5", ["0.123", "0.5"]),
            ("1234,567;5", ["1234.567", "5"]),
        ] {
            let lines = numbers.split(';').map(|number| format!("A1;{number}\n")).collect::<Vec<_>>().concat();
            let Ok(Invoices::Lines(lines)) = parse(&format!("invoice_no;amount\n{lines}")) else { panic!("{numbers}") };
            assert_eq!(lines.iter().map(|line| line.amount).collect::<Vec<_>>(), amounts.map(of), "{numbers}");
        }
        for numbers in ["1.234", "7\nA1;1,234", "1.234\nA1;5,50\nA1;5.50"] {
            let faults = parse(&format!("invoice_no;amount\nA1;{numbers}\n")).expect_err(numbers);
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(
                faults[0].contains(": amount can be read in two ways") && faults[0].starts_with("line "),
                "{faults:?}"
            );
        }
    }

    #[test]
    fn every_fault_is_listed_by_its_line_and_no_value_is_repeated() {
        let text = "invoice_no,date,total\nA1,yesterday,7\n,2026-01-01,x1234\nA2,2026-01-01\nA3,,1.23456\nA4,,\nA1,,1.2.3\nA5,,5\nA5,,6\n";
        let faults = parse(text).expect_err("faults");
        let places: Vec<&str> = faults.iter().map(|fault| fault.split(':').next().unwrap()).collect();
        assert_eq!(places, ["line 2", "line 3", "line 3", "line 4", "line 5", "line 6", "line 7", "line 9"]);
        assert!(!faults.join("\n").contains("x1234"));
        for (text, said) in [
            ("", "empty"),
            ("date,total\n", "no column invoice_no"),
            ("invoice_no,date\n", "none of the columns"),
            ("invoice_no,total,amount\n", "both of the columns"),
            ("invoice_no,total,total\n", "twice"),
            ("invoice_no,total\n", "no line"),
            ("invoice_no,total\n\"A,7\n", "not closed"),
        ] {
            assert!(parse(text).expect_err(text).join("\n").contains(said), "{text:?}: {:?}", parse(text));
        }
    }
}
