//! From one `HecOne` transaction to its lines: one for each article, or a single one without articles.

use std::collections::BTreeSet;

use super::{
    pointers::{self, Field, List, Pointers, Said},
    state::{Paid, Word, derive},
};
use crate::{
    domain::{
        Amount, Flag, Kind, Line, Outcome, Record, Rejection, State,
        product::{ProductWords, unit_from_word, unit_of_kind},
    },
    source::{
        Context,
        fields::{Reader, judge, key_text, key_time, no_object, reject, short_enough},
        json::{Node, RecordText, clean},
        protect::{Says, protect, scrubbed},
    },
};

#[cfg(test)]
#[path = "normalize_tests.rs"]
mod tests;

/// One transaction, as sent, to one record. Depends on nothing but its arguments; never panics, whatever the text.
pub fn normalize<'t>(raw: impl Into<RecordText<'t>>, context: &Context<'_>, pointers: &Pointers) -> Record {
    let raw = raw.into();
    let (text, nul_removed) = clean(raw.get());
    let mut root = match Node::of_record(raw, &text) {
        Ok(root) if root.is_object() => root,
        Ok(_) => return no_object(scrubbed(&text, context.privacy), "is not a JSON object"),
        Err(error) => return no_object(scrubbed(&text, context.privacy), error.to_string()),
    };
    let fixed = key_places(&root, pointers);
    let raw =
        protect(&mut root, &text, context.privacy, Some(pointers.personal()), &fixed, &|root| numbers(root, pointers));
    let record = Part::new(pointers::Part::Record, &root, String::new(), pointers);
    let id = match key_text("", record.get(Field::Id)) {
        Ok(id) => id,
        Err(rejection) => {
            let field = record.path_of(Field::Id);
            let outcome = Outcome::Rejected(Rejection { field, nul_removed, ..rejection });
            return Record { id: String::new(), raw, outcome };
        }
    };
    let outcome = match lines(&record, nul_removed, context) {
        Ok(lines) => Outcome::Lines(lines),
        Err(rejection) => Outcome::Rejected(Rejection { nul_removed, ..rejection }),
    };
    Record { id, raw, outcome }
}

/// Where the values stand that the key is made of.
fn key_places(root: &Node<'_>, pointers: &Pointers) -> Vec<usize> {
    let articles = match pointers.list(root, Field::Articles) {
        List::Elements(_, elements) => elements,
        List::NoList(_) => &[],
    };
    let whole = [Field::Id, Field::OccurredAt].into_iter().map(|field| (root, field));
    whole
        .chain(articles.iter().map(|article| (article, Field::LineId)))
        .filter_map(|(part, field)| pointers.find(part, field))
        .map(|(_, node)| node.span.start)
        .collect()
}

/// Where numbers stand that are not a person's, whatever they are equal to: wherever a field's pointers point, though
/// another one of them may decide.
fn numbers(root: &Node<'_>, pointers: &Pointers) -> Vec<(usize, Says)> {
    let mut found = Vec::new();
    let mut look = |part, node: &Node<'_>| {
        pointers.each(part, node, |field, node| found.extend(says(field).map(|says| (node.span.start, says))));
    };
    look(pointers::Part::Record, root);
    for (field, part) in [(Field::Articles, pointers::Part::Article), (Field::Payments, pointers::Part::Payment)] {
        if let List::Elements(_, elements) = pointers.list(root, field) {
            for element in elements {
                look(part, element);
            }
        }
    }
    found
}

const fn says(field: Field) -> Option<Says> {
    match field {
        Field::OdometerKm
        | Field::InvoiceAmount
        | Field::Amount
        | Field::PaidAmount
        | Field::Quantity
        | Field::UnitPrice
        | Field::NetUnitPrice
        | Field::UnitDiscount
        | Field::GrossAmount
        | Field::NetAmount
        | Field::VatRate
        | Field::VatAmount
        | Field::PaymentAmount => Some(Says::Amount),
        Field::ReceiptNo | Field::AuthorizationCode | Field::InvoiceNo => Some(Says::Paper),
        Field::Id
        | Field::State
        | Field::OccurredAt
        | Field::StartedAt
        | Field::StatusAt
        | Field::InvoicedAt
        | Field::SiteId
        | Field::SiteCode
        | Field::SiteName
        | Field::TerminalId
        | Field::TerminalName
        | Field::Point
        | Field::CardNumber
        | Field::DriverName
        | Field::DriverNo
        | Field::VehicleNo
        | Field::LicensePlate
        | Field::ReceiptEmail
        | Field::SessionId
        | Field::Currency
        | Field::Articles
        | Field::Payments
        | Field::LineId
        | Field::ArticleState
        | Field::ProductCode
        | Field::ProductName
        | Field::ProductType
        | Field::Unit
        | Field::ArticleCurrency
        | Field::PaymentMethod
        | Field::PaymentState
        | Field::PaymentCurrency => None,
    }
}

/// The record, an article or a payment, in which fields are looked for.
struct Part<'n, 'a, 'p> {
    said: Said<'n, 'a>,
    /// Its path in the record, with a slash at its end; empty for the record.
    path: String,
    pointers: &'p Pointers,
}

impl<'n, 'a, 'p> Part<'n, 'a, 'p> {
    fn new(part: pointers::Part, node: &'n Node<'a>, path: String, pointers: &'p Pointers) -> Self {
        Self { said: pointers.read(part, node), path, pointers }
    }

    fn get(&self, field: Field) -> Option<&'n Node<'a>> {
        self.said.of(field)
    }

    fn list(&self, field: Field) -> List<'p, 'n, 'a> {
        List::of(field, self.said.found(self.pointers, field))
    }

    /// Where a field stands, or is looked for first.
    fn path_of(&self, field: Field) -> String {
        let first = || self.pointers.of(field).first();
        let pointer = self.said.found(self.pointers, field).map(|(pointer, _)| pointer).or_else(first);
        format!("{}{}", self.path, pointer.map_or_else(|| field.name(), |pointer| pointer.path()))
    }

    fn amount(&self, reader: &mut Reader, field: Field) -> Result<Option<Amount>, Rejection> {
        let Some(node) = self.get(field) else { return Ok(None) };
        reader.amount("", Some(node)).map_err(|rejection| Rejection { field: self.path_of(field), ..rejection })
    }

    fn text(&self, reader: &mut Reader, field: Field) -> Option<String> {
        reader.text(self.get(field))
    }

    fn word(&self, field: Field) -> Option<String> {
        Some(self.get(field)?.scalar()?.trim().to_ascii_lowercase())
    }
}

fn lines(record: &Part<'_, '_, '_>, nul_removed: bool, context: &Context<'_>) -> Result<Vec<Line>, Rejection> {
    let mut reader = Reader::new(nul_removed);
    let (path, elements) = match record.list(Field::Articles) {
        List::Elements(path, elements) => (path, elements),
        List::NoList(path) => return Err(reject(path, "is not an array of articles")),
    };
    if elements.len() > ARTICLES {
        return Err(reject(path, "has more than 1000 articles"));
    }
    let mut articles = Vec::with_capacity(elements.len());
    for (place, node) in elements.iter().enumerate() {
        let path = format!("{path}/{place}/");
        if !node.is_object() {
            return Err(reject(path.trim_end_matches('/'), "is not an article: expected an object"));
        }
        articles.push(Part::new(pointers::Part::Article, node, path, record.pointers));
    }
    let mut whole = whole(record, &mut reader)?;
    let payments = Payments::read(record, &mut reader)?;
    whole.paid_amount = record.amount(&mut reader, Field::PaidAmount)?.or_else(|| payments.collected());
    whole.payment_method = payments.methods();
    whole.currency = reader.currency(record.get(Field::Currency)).or_else(|| payments.currency.clone());
    whole.quality = reader.quality;

    // Each line repeats what all share.
    if articles.len() * whole.size() > LINES {
        return Err(reject(path, "makes lines of more than 8 MiB"));
    }
    let mut lines = Vec::with_capacity(articles.len().max(1));
    let mut ids = BTreeSet::new();
    for (place, article) in articles.iter().enumerate() {
        let mut line = self::article(article, &whole, context)?;
        if line.line_id.is_empty() {
            line.line_id = (place + 1).to_string();
        }
        short_enough(Field::LineId.name(), &line.line_id)?;
        number(&mut line.line_id, &mut ids);
        lines.push(line);
    }
    let due = due(record, &lines)?;
    if lines.is_empty() {
        lines.push(whole);
    }
    let states: Vec<_> = articles.iter().map(|article| article.word(Field::ArticleState)).collect();
    let paid = payments.reach(due, lines.first().and_then(|line| line.paid_amount));
    let derived = derive(&states, &payments.states(), paid);
    set_state(&mut lines, derived);
    for line in &mut lines {
        judge(line, context.present);
    }
    Ok(lines)
}

/// Most articles of one transaction.
const ARTICLES: usize = 1_000;
/// Memory for the lines of one transaction.
const LINES: usize = 8 * 1024 * 1024;

/// What all lines of a transaction share.
fn whole(record: &Part<'_, '_, '_>, reader: &mut Reader) -> Result<Line, Rejection> {
    let occurred_at = key_time("", record.get(Field::OccurredAt))
        .map_err(|rejection| Rejection { field: record.path_of(Field::OccurredAt), ..rejection })?;
    let mut text = |field| record.text(reader, field);
    let line = Line {
        source_state: text(Field::State),
        site_id: text(Field::SiteId),
        site_code: text(Field::SiteCode),
        site_name: text(Field::SiteName),
        terminal_id: text(Field::TerminalId),
        terminal_name: text(Field::TerminalName),
        point: text(Field::Point),
        card_number: text(Field::CardNumber),
        driver_name: text(Field::DriverName),
        driver_no: text(Field::DriverNo),
        vehicle_no: text(Field::VehicleNo),
        license_plate: text(Field::LicensePlate),
        receipt_no: text(Field::ReceiptNo),
        authorization_code: text(Field::AuthorizationCode),
        invoice_no: text(Field::InvoiceNo),
        session_id: text(Field::SessionId),
        ..Line::new("-", Kind::Other, State::Provisional, occurred_at)
    };
    Ok(Line {
        started_at: reader.time(record.get(Field::StartedAt)),
        status_at: reader.time(record.get(Field::StatusAt)),
        invoiced_at: reader.time(record.get(Field::InvoicedAt)),
        odometer_km: reader.integer(record.get(Field::OdometerKm)),
        ..line
    })
}

/// One article: what all lines share, and what is its own. Its id is empty when it has none.
fn article(article: &Part<'_, '_, '_>, whole: &Line, context: &Context<'_>) -> Result<Line, Rejection> {
    let mut reader = Reader { quality: whole.quality.clone() };
    let mut amount = |field| article.amount(&mut reader, field);
    let mut line = Line {
        quantity: amount(Field::Quantity)?,
        net_unit_price: amount(Field::NetUnitPrice)?,
        unit_discount: amount(Field::UnitDiscount)?,
        unit_price: amount(Field::UnitPrice)?,
        net_amount: amount(Field::NetAmount)?,
        vat_rate: amount(Field::VatRate)?,
        vat_amount: amount(Field::VatAmount)?,
        gross_amount: amount(Field::GrossAmount)?,
        ..whole.clone()
    };
    line.line_id = article.text(&mut reader, Field::LineId).unwrap_or_default();
    line.product_code = article.text(&mut reader, Field::ProductCode);
    line.product_name = article.text(&mut reader, Field::ProductName);
    line.product_type = article.text(&mut reader, Field::ProductType);
    line.currency = reader.currency(article.get(Field::ArticleCurrency)).or(line.currency);
    let words = ProductWords {
        code: line.product_code.as_deref(),
        name: line.product_name.as_deref(),
        kind: line.product_type.as_deref(),
        packed: false,
    };
    let found = context.products.find(context.stream.source, &words);
    line.kind = found.kind.unwrap_or(Kind::Other);
    let said = article.text(&mut reader, Field::Unit);
    let read = said.as_deref().and_then(unit_from_word);
    if said.is_some() && read.is_none() {
        reader.quality.insert(Flag::UnknownUnit);
    }
    let by_product = found.unit.or_else(|| unit_of_kind(line.kind).filter(|_| words.say_something()));
    line.unit = read.or(by_product);
    line.product = found.name;
    line.quality = reader.quality;
    Ok(line)
}

/// An id that an earlier article of the transaction has gets `#2`, and so on: the lines are keys.
fn number(id: &mut String, ids: &mut BTreeSet<String>) {
    if ids.contains(id) {
        let numbered = (2..ids.len() + 3).map(|n| format!("{id}#{n}")).find(|numbered| !ids.contains(numbered));
        *id = numbered.unwrap_or_default();
    }
    ids.insert(id.clone());
}

/// What has to be paid: the invoice's amount, else the transaction's, else the articles' sum.
fn due(record: &Part<'_, '_, '_>, lines: &[Line]) -> Result<Option<Amount>, Rejection> {
    let mut reader = Reader::default();
    for field in [Field::InvoiceAmount, Field::Amount] {
        if let Some(amount) = record.amount(&mut reader, field)? {
            return Ok(Some(amount));
        }
    }
    let zero = Amount::default();
    Ok(lines.iter().try_fold(zero, |sum, line| sum.checked_add(line.gross_amount.or_else(|| line_total(line))?)))
}

/// Quantity × price, to the cent.
fn line_total(line: &Line) -> Option<Amount> {
    let exact = i128::from(line.quantity?.ten_thousandths()) * i128::from(line.unit_price?.ten_thousandths());
    let cents = (exact + 500_000).div_euclid(1_000_000);
    Amount::from_ten_thousandths(i64::try_from(cents * 100).ok()?)
}

/// The record's own state; the derived one where it has none, or a word that is not published.
fn set_state(lines: &mut [Line], derived: Option<Word>) {
    for line in lines {
        let said = line.source_state.as_deref();
        let word = said.and_then(Word::parse);
        if said.is_some() && word.is_none() || word.or(derived).is_none() {
            line.quality.insert(Flag::UnknownState);
        }
        if word.is_some() && derived.is_some() && word != derived {
            line.quality.insert(Flag::StateMismatch);
        }
        line.state = word.or(derived).map_or(State::Provisional, Word::state);
    }
}

struct Payment {
    state: Option<String>,
    method: Option<String>,
    amount: Option<Amount>,
}

impl Payment {
    fn is_collected(&self) -> bool {
        self.state.as_deref() == Some("collected")
    }
}

struct Payments {
    all: Vec<Payment>,
    currency: Option<String>,
}

impl Payments {
    fn read(record: &Part<'_, '_, '_>, reader: &mut Reader) -> Result<Self, Rejection> {
        let mut payments = Self { all: Vec::new(), currency: None };
        let (path, elements) = match record.list(Field::Payments) {
            List::Elements(path, elements) => (path, elements),
            List::NoList(path) => return Err(reject(path, "is not an array of payments")),
        };
        for (place, node) in elements.iter().enumerate() {
            let path = format!("{path}/{place}/");
            if !node.is_object() {
                return Err(reject(path.trim_end_matches('/'), "is not a payment: expected an object"));
            }
            let part = Part::new(pointers::Part::Payment, node, path, record.pointers);
            payments.all.push(Payment {
                state: part.word(Field::PaymentState),
                method: part.text(reader, Field::PaymentMethod),
                amount: part.amount(reader, Field::PaymentAmount)?,
            });
            let currency = reader.currency(part.get(Field::PaymentCurrency));
            payments.currency = payments.currency.or(currency);
        }
        Ok(payments)
    }

    fn states(&self) -> Vec<Option<String>> {
        self.all.iter().map(|payment| payment.state.clone()).collect()
    }

    /// The sum of what was collected; nothing when nothing was, or an amount is missing.
    fn collected(&self) -> Option<Amount> {
        let mut collected = self.all.iter().filter(|payment| payment.is_collected()).map(|payment| payment.amount);
        let first = collected.next()??;
        collected.try_fold(first, |sum, amount| sum.checked_add(amount?))
    }

    /// How it was paid: the methods of what was collected, else of all payments, each once.
    fn methods(&self) -> Option<String> {
        let none_collected = !self.all.iter().any(Payment::is_collected);
        let mut methods: Vec<&str> = Vec::new();
        for payment in self.all.iter().filter(|payment| none_collected || payment.is_collected()) {
            if let Some(method) = payment.method.as_deref().filter(|method| !methods.contains(method)) {
                methods.push(method);
            }
        }
        (!methods.is_empty()).then(|| methods.join(","))
    }

    /// Whether what was collected reaches what is due, which for a refund lies below zero. `paid`: what the record itself
    /// says was paid.
    fn reach(&self, due: Option<Amount>, paid: Option<Amount>) -> Paid {
        let any_collected = self.all.iter().any(Payment::is_collected);
        let collected = if any_collected { self.collected().or(paid) } else { Some(Amount::default()) };
        match (collected, due) {
            (Some(collected), Some(due)) => {
                let reached = if due < Amount::default() { collected <= due } else { collected >= due };
                if reached { Paid::Reached } else { Paid::Short }
            }
            _ => Paid::Unknown,
        }
    }
}
