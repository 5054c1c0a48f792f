//! `HecOne` transactions as they are at a time, each with what the warehouse should make of it.

use chrono::{DateTime, Utc};

use crate::{
    domain::{Flag, SourceKind},
    sandbox::{
        dirt::{Dirt, fixed, plain, quoted},
        row::{Columns, Row, masked, object},
        world::{
            World,
            card::Slip,
            dice::tag,
            life::Fault,
            session::{Session, Stage},
        },
    },
};

/// A transaction as it is sent.
#[derive(Debug)]
pub(crate) struct HecOneRow {
    /// Its fields under their flat names.
    pub row: Row,
    /// How its names are written.
    pub style: Style,
    /// Its lines, when the truth is wanted: key, columns.
    pub lines: Vec<(String, Columns)>,
    /// The field at fault, when it cannot be normalized.
    pub rejected: Option<&'static str>,
}

/// How a record's field names are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// As in the list of filters.
    Flat,
    /// In objects of their own: `site.name`.
    Nested,
    /// `siteName`.
    Camel,
}

/// Where a flat name goes when nested.
const NESTED: [(&str, &str, &str); 16] = [
    ("site_id", "site", "id"),
    ("site_code", "site", "code"),
    ("site_name", "site", "name"),
    ("device_code", "device", "code"),
    ("device_name", "device", "name"),
    ("point_id", "point", "id"),
    ("point_number", "point", "number"),
    ("point_name", "point", "name"),
    ("license_plate", "customer_data", "license_plate"),
    ("customer_odometer", "customer_data", "odometer"),
    ("customer_driver_number", "customer_data", "driver_number"),
    ("customer_vehicle_number", "customer_data", "vehicle_number"),
    ("card_number", "card", "number"),
    ("card_driver_number", "card", "driver_number"),
    ("card_vehicle_number", "card", "vehicle_number"),
    ("receipt_state", "receipt", "state"),
];

fn camel(name: &str) -> String {
    let mut up = false;
    let mut text = String::with_capacity(name.len());
    for letter in name.chars() {
        if letter == '_' {
            up = true;
        } else if std::mem::take(&mut up) {
            text.extend(letter.to_uppercase());
        } else {
            text.push(letter);
        }
    }
    text
}

/// Fields as JSON in a style.
fn styled(fields: &[(&'static str, String)], style: Style) -> String {
    match style {
        // The card's number is no field of the list of filters: it stands with the customer.
        Style::Flat => grouped(fields, |name| (name == "card_number").then_some(("customer_data", "card_number"))),
        Style::Camel => {
            let names: Vec<_> = fields.iter().map(|(name, token)| (camel(name), token.as_str())).collect();
            let renamed: Vec<_> = names.iter().map(|(name, token)| (name.as_str(), *token)).collect();
            grouped_tokens(&renamed, |name| (name == "cardNumber").then_some(("customerData", "cardNumber")))
        }
        Style::Nested => grouped(fields, |name| {
            NESTED.iter().find(|(flat, ..)| *flat == name).map(|(_, object, key)| (*object, *key))
        }),
    }
}

fn grouped(fields: &[(&'static str, String)], place: impl Fn(&str) -> Option<(&'static str, &'static str)>) -> String {
    let tokens: Vec<_> = fields.iter().map(|(name, token)| (*name, token.as_str())).collect();
    grouped_tokens(&tokens, place)
}

fn grouped_tokens(fields: &[(&str, &str)], place: impl Fn(&str) -> Option<(&'static str, &'static str)>) -> String {
    let mut top: Vec<(&str, &str)> = Vec::with_capacity(fields.len());
    let mut groups: Vec<(&'static str, Vec<(&str, &str)>)> = Vec::new();
    for (name, token) in fields {
        match place(name) {
            None => top.push((name, token)),
            Some((group, key)) => match groups.iter_mut().find(|(g, _)| *g == group) {
                Some((_, members)) => members.push((key, token)),
                None => groups.push((group, vec![(key, token)])),
            },
        }
    }
    let groups: Vec<_> = groups.into_iter().map(|(name, members)| (name, object(members))).collect();
    object(top.into_iter().chain(groups.iter().map(|(name, text)| (*name, text.as_str()))))
}

struct Money {
    gross: i64,
    payments: Vec<(i64, &'static str, &'static str)>,
}

/// What is paid how at a time: amount, method, state.
fn payments(session: &Session, stage: Stage, gross: i64) -> Vec<(i64, &'static str, &'static str)> {
    let method = session.methods.first().copied().unwrap_or("cash");
    let odd = session.index.is_multiple_of(3);
    match stage {
        Stage::Created => Vec::new(),
        Stage::Pending if odd => Vec::new(),
        Stage::Pending => vec![(1_000_000, method, "reserved")],
        // Paid in part, or reserved, or not yet tried.
        Stage::Consumed if odd && gross > 20_000 => vec![(gross / 2 / 100 * 100, method, "collected")],
        Stage::Consumed => vec![(gross, method, if session.index.is_multiple_of(2) { "open" } else { "reserved" })],
        Stage::Completed if session.mismatch => vec![(gross, method, "reserved")],
        Stage::Completed if session.methods.len() == 2 && gross.abs() > 20_000 => {
            let first = gross / 3 / 100 * 100;
            vec![(first, method, "collected"), (gross - first, session.methods[1], "collected")]
        }
        Stage::Completed => vec![(gross, method, "collected")],
        Stage::Declined => vec![(0, method, "declined")],
        Stage::Error if odd => vec![(gross, method, "error")],
        Stage::Error => vec![(gross, method, "open")],
    }
}

fn article_state(session: &Session, stage: Stage) -> &'static str {
    match stage {
        Stage::Created => "reserved",
        Stage::Pending if session.index.is_multiple_of(2) => "released",
        Stage::Pending => "ongoing",
        Stage::Consumed | Stage::Completed => "done",
        Stage::Declined => "declined",
        Stage::Error if session.index.is_multiple_of(3) => "done",
        Stage::Error => "error",
    }
}

/// A transaction as it is at a time.
pub(crate) fn hecone_row(world: &World, session: &Session, at: DateTime<Utc>, truth: bool) -> HecOneRow {
    let dirty = world.options.dirt && !session.planted;
    let dirt = Dirt::new(dirty, &[world.options.seed, tag("dirt"), tag("hecone"), session.index]);
    let site = &world.fleet.sites[session.site];
    let stage = session.stage(at);
    let fault = session.garbage.and_then(|g| g.at(at));
    let style = match dirt.way("style", 50) {
        _ if session.garbage.is_some() => Style::Flat,
        1..=5 => Style::Nested,
        6 | 7 => Style::Camel,
        _ => Style::Flat,
    };
    let figures: Vec<_> = match stage {
        Stage::Created => Vec::new(),
        _ => (0..session.articles.len()).map(|article| session.figures(article, site.vat, at)).collect(),
    };
    let gross = figures.iter().map(|f| f.gross).sum();
    let money = Money { gross, payments: payments(session, stage, gross) };
    let mut row = Row::new(dirt, truth);

    row.text("id", "source_transaction_id", &session.id.to_string());
    match fault {
        Some(Fault::NoTime) => row.raw("created_at", "null"),
        Some(Fault::BadTime) => row.raw("created_at", "\"0000-00-00 00:00\""),
        _ => row.time("created_at", "occurred_at", session.occurred),
    }
    // A state that is left out follows from articles and payments; one that does not follow from them is kept.
    let stated = session.mismatch || stage == Stage::Created || !dirt.happens("no state", 60);
    if stated {
        row.text("state", "source_state", stage.as_str());
    }
    place(&mut row, world, session);
    customer(&mut row, world, session, dirt);
    row.word("terminal_transaction_number", "receipt_no", Some(&session.terminal_number.to_string()));
    row.word("session_id", "session_id", session.charging.map(|s| s.to_string()).as_deref());
    paid(&mut row, &money, dirt);

    row.set("kind", || Some("other".to_owned()));
    row.set("state", || {
        Some(match stage {
            Stage::Created | Stage::Pending | Stage::Consumed => "provisional".to_owned(),
            Stage::Completed => "posted".to_owned(),
            Stage::Declined => "declined".to_owned(),
            Stage::Error => "error".to_owned(),
        })
    });
    if session.mismatch {
        row.flags.insert(Flag::StateMismatch);
    }
    let mut tokens = Vec::with_capacity(figures.len());
    let mut lines = Vec::new();
    for (index, figure) in figures.iter().enumerate() {
        let article_dirt = Dirt::new(dirty, &[world.options.seed, tag("article"), session.index, index as u64]);
        let part = article(session, index, figure, article_state(session, stage), article_dirt, truth, fault);
        tokens.push(styled(&part.fields, if style == Style::Camel { style } else { Style::Flat }));
        if let (Some(whole), Some(own)) = (&row.columns, part.columns) {
            let mut columns = whole.clone();
            columns.extend(own);
            let flags: Vec<_> = row.flags.union(&part.flags).copied().collect();
            columns.insert("quality", Some(crate::sandbox::truth::quality(&flags)));
            let key = session.articles[index].id.map_or_else(|| (index + 1).to_string(), |id| id.to_string());
            lines.push((key, columns));
        }
    }
    if figures.is_empty()
        && let Some(whole) = &row.columns
    {
        let mut columns = whole.clone();
        let flags: Vec<_> = row.flags.iter().copied().collect();
        columns.insert("quality", Some(crate::sandbox::truth::quality(&flags)));
        lines.push(("-".to_owned(), columns));
    }
    row.raw("articles", format!("[{}]", tokens.join(",")));
    row.unknown();
    let rejected = fault.map(|fault| match fault {
        Fault::TooLarge => "quantity",
        Fault::NoTime | Fault::BadTime | Fault::NoId => "created_at",
    });
    HecOneRow { row, style, lines, rejected }
}

fn place(row: &mut Row, world: &World, session: &Session) {
    let site = &world.fleet.sites[session.site];
    let (device_code, device_name) = &site.devices[session.device];
    let (point_id, point_number, point_name) = &site.points[session.point];
    row.text("site_id", "site_id", &site.id.to_string());
    row.word("site_code", "site_code", Some(&site.code));
    row.name("site_name", "site_name", Some(&site.name));
    row.word("device_code", "terminal_id", Some(device_code));
    row.word("device_name", "terminal_name", Some(device_name));
    // The point is its number, else its name, else its id.
    row.raw("point_id", quoted(&point_id.to_string()));
    match session.index % 20 {
        0 => row.text("point_name", "point", point_name),
        1 => row.set("point", || Some(point_id.to_string())),
        _ => {
            row.raw("point_name", quoted(point_name));
            row.integer("point_number", "point", Some(*point_number));
        }
    }
}

fn customer(row: &mut Row, world: &World, session: &Session, dirt: Dirt) {
    let Some(card) = session.card.map(|card| &world.fleet.cards[card]) else {
        row.raw("client_type", "\"guest\"");
        row.raw("license_plate", "null");
        return;
    };
    row.raw("client_id", quoted(&format!("C-{}", card.contract + 1)));
    row.raw("client_type", "\"fleet\"");
    row.word("license_plate", "license_plate", Some(&card.plate));
    row.integer("customer_odometer", "odometer_km", session.odometer);
    if session.index.is_multiple_of(4) {
        row.raw("card_number", quoted(&card.number));
        row.set("card_number", || Some(masked(&card.number)));
    }
    // What the card says comes before what the customer typed.
    let said = dirt.dice("who says").below(4);
    if said == 1 || said == 2 {
        row.raw("customer_driver_number", "\"9999\"");
        row.raw("customer_vehicle_number", "\"V-1\"");
        row.set("driver_no", || Some("9999".to_owned()));
        row.set("vehicle_no", || Some("V-1".to_owned()));
    }
    if said < 2 {
        row.text("card_driver_number", "driver_no", &card.driver_no);
        row.text("card_vehicle_number", "vehicle_no", &card.vehicle_no);
    }
    if session.index.is_multiple_of(11) {
        row.raw("customer_additional_info", "\"cost centre 12\"");
        row.raw("receipt_state", "\"sent\"");
        row.raw("receipt_email", quoted(&format!("fleet{}@example.com", card.contract)));
    }
}

fn paid(row: &mut Row, money: &Money, dirt: Dirt) {
    let collected: Vec<_> = money.payments.iter().filter(|(.., state)| *state == "collected").collect();
    let sum: i64 = collected.iter().map(|(amount, ..)| amount).sum();
    if !money.payments.is_empty() {
        row.raw("amount", plain(money.gross));
        // What the record does not say is the sum of what was collected; where nothing was, it says 0 itself.
        if collected.is_empty() || !dirt.happens("no paid amount", 1_000) {
            row.raw("paid_amount", plain(sum));
        }
        row.set("paid_amount", || Some(fixed(sum)));
    }
    row.set("payment_method", || {
        let mut methods: Vec<&str> = Vec::new();
        // Where nothing was collected, how it was to be paid.
        let named = money.payments.iter().filter(|(.., state)| collected.is_empty() || *state == "collected");
        for (_, method, _) in named {
            if !methods.contains(method) {
                methods.push(method);
            }
        }
        (!methods.is_empty()).then(|| methods.join(","))
    });
    let payments: Vec<_> = money
        .payments
        .iter()
        .map(|(amount, method, state)| {
            let (amount, method, state) = (plain(*amount), quoted(method), quoted(state));
            object([("amount", amount.as_str()), ("method", &method), ("state", &state), ("currency", "\"EUR\"")])
        })
        .collect();
    if !payments.is_empty() {
        row.set("currency", || Some("EUR".to_owned()));
    }
    row.raw("payments", format!("[{}]", payments.join(",")));
}

fn article(
    session: &Session,
    index: usize,
    figures: &crate::sandbox::world::prices::Figures,
    state: &'static str,
    dirt: Dirt,
    truth: bool,
    fault: Option<Fault>,
) -> Row {
    let sold = &session.articles[index];
    let product = sold.product;
    let mut row = Row::new(dirt, truth);
    if let Some(id) = sold.id {
        row.raw("id", quoted(&id.to_string()));
    }
    row.raw("state", quoted(state));
    let (code, name, group) = (quoted(product.code), quoted(product.name), quoted(product.group));
    row.raw("product", object([("code", code.as_str()), ("name", &name), ("type", &group)]));
    row.set("product_code", || Some(product.code.to_owned()));
    row.set("product_name", || Some(product.name.to_owned()));
    row.set("product_type", || Some(product.group.to_owned()));
    row.set("product", || product.canonical.map(str::to_owned));
    row.set("kind", || Some(product.bare_kind.as_str().to_owned()));
    if fault == Some(Fault::TooLarge) && index == 0 {
        row.raw("quantity", "987654321098765.4321");
    } else {
        row.number("quantity", "quantity", Some(figures.quantity));
    }
    if figures.quantity < 0 {
        row.flags.insert(Flag::NegativeQuantity);
    }
    if !dirt.happens("no unit", 2_000) {
        row.raw("unit", quoted(product.unit.as_str()));
    }
    row.set("unit", || Some(product.unit.as_str().to_owned()));
    row.number("price", "unit_price", Some(figures.price));
    row.number("amount", "gross_amount", Some(figures.gross));
    row.number("net_amount", "net_amount", Some(figures.net));
    row.loose_number("vat_rate", "vat_rate", figures.vat_rate);
    row.number("vat_amount", "vat_amount", Some(figures.vat));
    row.text("currency", "currency", "EUR");
    if figures.quantity != 0 {
        match sold.slip {
            Slip::None => {}
            Slip::Amount => _ = row.flags.insert(Flag::AmountMismatch),
            Slip::Vat => _ = row.flags.insert(Flag::VatMismatch),
        }
    }
    row
}

impl HecOneRow {
    /// The record as sent.
    pub(crate) fn json(&self) -> String {
        styled(&self.row.fields, self.style)
    }

    /// The source of such records.
    pub(crate) const SOURCE: SourceKind = SourceKind::HecOne;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_one_content_in_three_styles() {
        let fields =
            [("id", "\"x\"".to_owned()), ("site_name", "\"A\"".to_owned()), ("card_number", "\"7\"".to_owned())];
        assert_eq!(styled(&fields, Style::Flat), r#"{"id":"x","site_name":"A","customer_data":{"card_number":"7"}}"#);
        assert_eq!(styled(&fields, Style::Nested), r#"{"id":"x","site":{"name":"A"},"card":{"number":"7"}}"#);
        assert_eq!(styled(&fields, Style::Camel), r#"{"id":"x","siteName":"A","customerData":{"cardNumber":"7"}}"#);
    }
}
