//! Rows of the three Alexela queries as they are at a time, each with what the warehouse should make of it.

use chrono::{DateTime, Utc};

use crate::{
    domain::{Flag, Kind, SourceKind, Unit},
    sandbox::{
        dirt::{Dirt, quoted},
        row::{Row, masked, shown},
        world::{
            World,
            card::{CardSale, Slip, card_id},
            charging::EvSale,
            dice::tag,
            life::Fault,
        },
    },
};

/// A row, and what keeps it from being one.
#[derive(Debug)]
pub(crate) struct AlexelaRow {
    /// The record.
    pub row: Row,
    /// Its id; none when it has none.
    pub id: Option<String>,
    /// The key of its line, before numbering.
    pub line: String,
    /// The field at fault, when it cannot be normalized.
    pub rejected: Option<&'static str>,
}

/// A quantity that no `numeric(18,4)` holds.
const TOO_LARGE: [&str; 3] = ["123456789012345678", "1e15", "\"100000000000000.5\""];
/// Times that are none.
const NO_TIMES: [&str; 4] = ["\"yesterday\"", "\"2026-13-45T99:00:00Z\"", "\"n/a\"", "true"];

/// The vendor's number of a charging session.
pub(crate) fn ev_id(index: u64) -> String {
    (5_200_000 + index).to_string()
}

fn id_field(row: &mut Row, dirt: Dirt, fault: Option<Fault>, id: &str, number: bool) {
    if fault == Some(Fault::NoId) {
        match dirt.way("no id", 3) {
            0 => {}
            1 => row.raw("transactionId", "null"),
            _ => row.raw("transactionId", "\"\""),
        }
    } else {
        row.id("transactionId", "source_transaction_id", id, number);
    }
}

fn time_field(row: &mut Row, dirt: Dirt, fault: Option<Fault>, occurred: DateTime<Utc>) {
    match fault {
        Some(Fault::NoTime) if dirt.way("no time", 2) == 0 => {}
        Some(Fault::NoTime) => row.raw("transactionTime", "null"),
        Some(Fault::BadTime) => row.raw("transactionTime", NO_TIMES[dirt.way("bad time", NO_TIMES.len())]),
        _ => row.time("transactionTime", "occurred_at", occurred),
    }
}

fn rejected(fault: Option<Fault>) -> Option<&'static str> {
    fault.map(|fault| match fault {
        Fault::NoId => "transactionId",
        Fault::NoTime | Fault::BadTime => "transactionTime",
        Fault::TooLarge => "quantity",
    })
}

fn quantity_field(row: &mut Row, dirt: Dirt, fault: Option<Fault>, quantity: i64) {
    if fault == Some(Fault::TooLarge) {
        row.raw("quantity", TOO_LARGE[dirt.way("too large", TOO_LARGE.len())]);
    } else {
        row.number("quantity", "quantity", Some(quantity));
        if quantity < 0 {
            row.flags.insert(Flag::NegativeQuantity);
        }
    }
}

/// One line of a card or bonus-card receipt.
pub(crate) fn card_row(
    world: &World,
    source: SourceKind,
    sale: &CardSale,
    line: usize,
    at: DateTime<Utc>,
    truth: bool,
) -> AlexelaRow {
    let fleet = &world.fleet;
    let bonus = source == SourceKind::AlexelaBonus;
    let card = if bonus { &fleet.bonus[sale.card] } else { &fleet.cards[sale.card] };
    let station = &fleet.stations[sale.station];
    let sold = &sale.lines[line];
    let product = sold.product;
    let dirty = world.options.dirt && !sale.planted;
    let dirt = Dirt::new(dirty, &[world.options.seed, tag("dirt"), tag(source.as_str()), sale.index, sold.mark]);
    let fault = sale.garbage.and_then(|g| g.at(at));
    let id = card_id(source, sale.index);
    let figures = sale.figures(line, station.vat, at);
    let invoice = if bonus { None } else { sale.invoice(card.contract, at) };
    let mut row = Row::new(dirt, truth);

    id_field(&mut row, dirt, fault, &id, false);
    row.word("terminalId", "terminal_id", Some(&station.terminals[sale.terminal]));
    row.id("stationId", "site_id", &station.id.to_string(), false);
    row.word("receiptNo", "receipt_no", Some(&format!("{}-{}", station.id, sale.receipt)));
    row.word("authorizationCode", "authorization_code", Some(&format!("{:06}", sale.authorization)));
    row.raw("cardNumber", quoted(&card.number));
    row.set("card_number", || Some(masked(&card.number)));
    row.text("currency", "currency", station.currency);
    let code = (!dirt.happens("no code", 30)).then_some(product.code);
    match code {
        Some(code) => row.text("occProductCode", "product_code", code),
        None => row.raw("occProductCode", "null"),
    }
    row.text("occProductName", "product_name", product.name);
    // Without its type only what is known by its name has a kind.
    let known = product.bare_kind != Kind::Other;
    let typed = !bonus && (!known || !dirt.happens("no type", 60));
    if typed {
        let name = if dirt.happens("misspelt", 1_500) { "occProdyctType" } else { "occProductType" };
        row.text(name, "product_type", product.group);
    }
    row.word("plateNumber", "license_plate", Some(&card.plate));
    row.name("driverName", "driver_name", Some(&card.driver));
    row.loose_time("statusDate", "status_at", Some(sale.status_at(invoice.as_ref(), at)));
    if !bonus {
        if let Some(invoice) = &invoice {
            let day = invoice.date.format("%Y-%m-%d").to_string();
            let text = match dirt.way("invoice day", 6) {
                0 => format!("{day}T00:00:00Z"),
                1 => format!("{day}T00:00:00"),
                2 => format!("{day}T02:00:00+02:00"),
                _ => day,
            };
            row.raw("invoiceDate", quoted(&text));
            row.set("invoiced_at", || Some(shown(invoice.date)));
            row.text("invoiceNo", "invoice_no", &invoice.number);
        } else {
            row.loose_time("invoiceDate", "invoiced_at", None);
            row.word("invoiceNo", "invoice_no", None);
        }
    }
    time_field(&mut row, dirt, fault, sale.occurred);
    quantity_field(&mut row, dirt, fault, figures.quantity);
    row.fine("netPricePerUnit", "net_unit_price", figures.net_price_fine);
    row.loose_number("discountPerUnit", "unit_discount", sold.discount);
    row.number("pricePerUnit", "unit_price", Some(figures.price));
    row.number("totalPrice", "gross_amount", Some(figures.gross));
    row.loose_number("vatRate", "vat_rate", figures.vat_rate);
    row.number("vatAmount", "vat_amount", Some(figures.vat));
    row.number("netAmount", "net_amount", Some(figures.net));
    row.integer("odometerReadout", "odometer_km", sale.odometer);
    row.unknown();

    row.set("kind", || Some((if typed { product.kind } else { product.bare_kind }).as_str().to_owned()));
    row.set("state", || Some((if invoice.is_some() { "invoiced" } else { "posted" }).to_owned()));
    row.set("product", || product.canonical.map(str::to_owned));
    row.set("unit", || Some(product.unit.as_str().to_owned()));
    if !bonus {
        row.set("contract_no", || fleet.contracts.get(card.contract).cloned());
    }
    match sold.slip {
        Slip::None => {}
        Slip::Amount => _ = row.flags.insert(Flag::AmountMismatch),
        Slip::Vat => _ = row.flags.insert(Flag::VatMismatch),
    }
    if sold.twin {
        row.flags.insert(Flag::IdenticalLines);
    }
    AlexelaRow {
        row,
        id: (fault != Some(Fault::NoId)).then_some(id),
        line: code.unwrap_or("-").to_owned(),
        rejected: rejected(fault),
    }
}

/// One charging session.
pub(crate) fn ev_row(world: &World, sale: &EvSale, at: DateTime<Utc>, truth: bool) -> AlexelaRow {
    let station = &world.fleet.stations[sale.station];
    let dirt = Dirt::new(world.options.dirt, &[world.options.seed, tag("dirt"), tag("ev"), sale.index]);
    let fault = sale.garbage.and_then(|g| g.at(at));
    let id = ev_id(sale.index);
    let status = sale.status(at);
    let mut row = Row::new(dirt, truth);
    id_field(&mut row, dirt, fault, &id, true);
    row.id("stationId", "site_id", &station.id.to_string(), true);
    row.name("chargerId", "terminal_id", Some(&station.chargers[sale.charger]));
    row.text("transactionStatus", "source_state", status);
    time_field(&mut row, dirt, fault, sale.occurred);
    row.loose_time("transactionStartTime", "started_at", Some(sale.started));
    quantity_field(&mut row, dirt, fault, sale.quantity(at));
    row.integer("connectorNumber", "point", sale.connector);
    row.unknown();
    row.set("kind", || Some(Kind::EvCharging.as_str().to_owned()));
    row.set("product", || Some("electricity".to_owned()));
    row.set("unit", || Some(Unit::KilowattHour.as_str().to_owned()));
    row.set("state", || {
        Some(match status {
            "confirmed" => "posted".to_owned(),
            "cancelled" => "cancelled".to_owned(),
            _ => "provisional".to_owned(),
        })
    });
    AlexelaRow { row, id: (fault != Some(Fault::NoId)).then_some(id), line: "1".to_owned(), rejected: rejected(fault) }
}
