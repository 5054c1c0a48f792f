//! From one Alexela row to one line.

use crate::{
    domain::{
        Flag, Kind, Line, Outcome, Record, Rejection, SourceKind, State, Unit,
        product::{ProductWords, unit_of_kind},
    },
    source::{
        Context,
        fields::{Reader, judge, key_text, key_time, no_object, reject, short_enough},
        json::{Node, clean},
        protect::{protect, scrubbed},
    },
};

#[cfg(test)]
#[path = "normalize_tests.rs"]
mod tests;

/// One row, as sent, to one record of one line. Depends on nothing but its arguments; never panics, whatever the text.
pub fn normalize(raw: &str, context: &Context<'_>) -> Record {
    let (text, nul_removed) = clean(raw);
    let mut root = match Node::parse(&text) {
        Ok(root) if root.is_object() => root,
        Ok(_) => return no_object(scrubbed(&text, context.privacy), "is not a JSON object"),
        Err(error) => return no_object(scrubbed(&text, context.privacy), error.to_string()),
    };
    let fixed: Vec<usize> = KEY.iter().filter_map(|key| root.get(key)).map(|node| node.span.start).collect();
    let raw = protect(&mut root, &text, context.privacy, [], &fixed);
    let id = match key_text(ID, root.get(ID)) {
        Ok(id) => id,
        Err(rejection) => {
            let outcome = Outcome::Rejected(Rejection { nul_removed, ..rejection });
            return Record { id: String::new(), raw, outcome };
        }
    };
    let outcome = match line(&root, Reader::new(nul_removed), context) {
        Ok(line) => Outcome::Lines(vec![line]),
        Err(rejection) => Outcome::Rejected(Rejection { nul_removed, ..rejection }),
    };
    Record { id, raw, outcome }
}

const ID: &str = "transactionId";
const TIME: &str = "transactionTime";
const CODE: &str = "occProductCode";
/// The fields that the key depends on: privacy rules never alter them.
const KEY: [&str; 3] = [ID, TIME, CODE];
/// The vendor's field table misspells it.
const TYPE: [&str; 2] = ["occProductType", "occProdyctType"];

fn line(row: &Node<'_>, reader: Reader, context: &Context<'_>) -> Result<Line, Rejection> {
    let mut line = match context.stream.source {
        SourceKind::AlexelaEv => charge(row, reader)?,
        SourceKind::AlexelaCard | SourceKind::AlexelaBonus | SourceKind::HecOne => sale(row, reader, context)?,
    };
    judge(&mut line, context.present);
    Ok(line)
}

/// A row of `ContractTransactions` or `GetBonuscardTransactions`.
fn sale(row: &Node<'_>, mut reader: Reader, context: &Context<'_>) -> Result<Line, Rejection> {
    let occurred_at = key_time(TIME, row.get(TIME))?;
    let product_code = match row.get(CODE) {
        Some(node) if !node.is_unknown() => {
            let code = node.scalar().ok_or_else(|| reject(CODE, "is neither a text nor a number"))?.trim();
            Some(short_enough(CODE, code)?.to_owned())
        }
        _ => None,
    };
    let mut amount = |field: &str| reader.amount(field, row.get(field));
    let quantity = amount("quantity")?;
    let net_unit_price = amount("netPricePerUnit")?;
    let unit_discount = amount("discountPerUnit")?;
    let unit_price = amount("pricePerUnit")?;
    let gross_amount = amount("totalPrice")?;
    let vat_rate = amount("vatRate")?;
    let vat_amount = amount("vatAmount")?;
    let net_amount = amount("netAmount")?;

    let product_name = reader.text(row.get("occProductName"));
    let type_node = TYPE.iter().filter_map(|key| row.get(key)).find(|node| !node.is_unknown());
    let product_type = reader.text(type_node);
    let words = ProductWords {
        code: product_code.as_deref(),
        name: product_name.as_deref(),
        kind: None,
        packed: product_type.as_deref().is_some_and(|word| !word.eq_ignore_ascii_case("fuel")),
    };
    let found = context.products.find(context.stream.source, &words);
    let says_something = words.say_something();
    let kind = match product_type.as_deref().and_then(|word| kind_of_type(word, found.kind)) {
        Some(kind) if !found.kind_is_configured => kind,
        _ => found.kind.unwrap_or(Kind::Other),
    };
    let invoice_no = reader.text(row.get("invoiceNo"));
    let state = if invoice_no.is_some() { State::Invoiced } else { State::Posted };

    let mut text = |field: &str| reader.text(row.get(field));
    let mut line = Line {
        contract_no: context.stream.partition.contract_no().map(str::to_owned),
        site_id: text("stationId"),
        terminal_id: text("terminalId"),
        card_number: text("cardNumber"),
        driver_name: text("driverName"),
        license_plate: text("plateNumber"),
        receipt_no: text("receiptNo"),
        authorization_code: text("authorizationCode"),
        invoice_no,
        product_name,
        product_type,
        unit: found.unit.or_else(|| unit_of_kind(kind).filter(|_| says_something)),
        product: found.name,
        quantity,
        net_unit_price,
        unit_discount,
        unit_price,
        net_amount,
        vat_rate,
        vat_amount,
        gross_amount,
        status_at: reader.time(row.get("statusDate")),
        invoiced_at: reader.time(row.get("invoiceDate")),
        odometer_km: reader.integer(row.get("odometerReadout")),
        currency: reader.currency(row.get("currency")),
        ..Line::new(product_code.clone().unwrap_or_else(|| "-".to_owned()), kind, state, occurred_at)
    };
    line.product_code = product_code;
    line.quality = reader.quality;
    Ok(line)
}

/// A row of `EvTransactions`.
fn charge(row: &Node<'_>, mut reader: Reader) -> Result<Line, Rejection> {
    let occurred_at = key_time(TIME, row.get(TIME))?;
    let quantity = reader.amount("quantity", row.get("quantity"))?;
    let source_state = reader.text(row.get("transactionStatus"));
    let state = match source_state.as_deref().map(str::to_ascii_lowercase).as_deref() {
        Some("unconfirmed") => State::Provisional,
        Some("confirmed") => State::Posted,
        Some("cancelled" | "canceled") => State::Cancelled,
        _ => {
            reader.quality.insert(Flag::UnknownState);
            State::Provisional
        }
    };
    let mut line = Line {
        source_state,
        started_at: reader.time(row.get("transactionStartTime")),
        site_id: reader.text(row.get("stationId")),
        terminal_id: reader.text(row.get("chargerId")),
        point: reader.text(row.get("connectorNumber")),
        product: Some("electricity".to_owned()),
        quantity,
        unit: Some(Unit::KilowattHour),
        ..Line::new("1", Kind::EvCharging, state, occurred_at)
    };
    line.quality = reader.quality;
    Ok(line)
}

/// The kind that `occProductType` says, made finer by what the product is; nothing for a word that is not published.
fn kind_of_type(word: &str, product: Option<Kind>) -> Option<Kind> {
    let finer = |kinds: &[Kind], otherwise| product.filter(|kind| kinds.contains(kind)).unwrap_or(otherwise);
    Some(match word.to_ascii_lowercase().as_str() {
        "fuel" => finer(&[Kind::EvCharging], Kind::Fuel),
        "service" => finer(&[Kind::EvCharging, Kind::CarWash, Kind::Parking, Kind::Fee], Kind::Service),
        "insurance" => Kind::Service,
        "merchandise" | "package" | "stamps" => Kind::Goods,
        "balance transfer" => Kind::Fee,
        _ => return None,
    })
}
