//! From one Alexela row to one line.

use crate::{
    domain::{
        Flag, Kind, Line, Outcome, Record, Rejection, SourceKind, State, Unit,
        product::{ProductWords, unit_of_kind},
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

/// One row, as sent, to one record of one line. Depends on nothing but its arguments; never panics, whatever the text.
pub fn normalize<'t>(raw: impl Into<RecordText<'t>>, context: &Context<'_>) -> Record {
    let raw = raw.into();
    let (text, nul_removed) = clean(raw.get());
    let mut root = match Node::of_record(raw, &text) {
        Ok(root) if root.is_object() => root,
        Ok(_) => return no_object(scrubbed(&text, context.privacy), "is not a JSON object"),
        Err(error) => return no_object(scrubbed(&text, context.privacy), error.to_string()),
    };
    // What the key depends on is never altered by the privacy rules.
    let key = [Column::TransactionId, Column::TransactionTime, Column::ProductCode];
    let row = Row::of(&root);
    let fixed: Vec<usize> = key.into_iter().filter_map(|column| row.get(column)).map(|node| node.span.start).collect();
    let raw = protect(&mut root, &text, context.privacy, None, &fixed, &numbers);
    let row = Row::of(&root);
    let id = match key_text(Column::TransactionId.name(), row.get(Column::TransactionId)) {
        Ok(id) => id,
        Err(rejection) => {
            let outcome = Outcome::Rejected(Rejection { nul_removed, ..rejection });
            return Record { id: String::new(), raw, outcome };
        }
    };
    let outcome = match line(&row, Reader::new(nul_removed), context) {
        Ok(line) => Outcome::Lines(vec![line]),
        Err(rejection) => Outcome::Rejected(Rejection { nul_removed, ..rejection }),
    };
    Record { id, raw, outcome }
}

/// Where numbers stand that are not a person's, whatever they are equal to.
fn numbers(root: &Node<'_>) -> Vec<(usize, Says)> {
    const PAPERS: [Column; 3] = [Column::ReceiptNo, Column::AuthorizationCode, Column::InvoiceNo];
    const AMOUNTS: [Column; 9] = [
        Column::Quantity,
        Column::NetPricePerUnit,
        Column::DiscountPerUnit,
        Column::PricePerUnit,
        Column::TotalPrice,
        Column::VatRate,
        Column::VatAmount,
        Column::NetAmount,
        Column::OdometerReadout,
    ];
    // Of doubles each.
    let says = |name: &str| {
        let column = Column::named(name)? as usize;
        let is_of = |columns: &[Column]| columns.iter().any(|of| *of as usize == column);
        is_of(&AMOUNTS).then_some(Says::Amount).or_else(|| is_of(&PAPERS).then_some(Says::Paper))
    };
    root.members().filter_map(|(name, node)| Some((node.span.start, says(name)?))).collect()
}

macro_rules! columns {
    ($($variant:ident = $name:literal,)*) => {
        /// A field of a row that is read.
        #[derive(Debug, Clone, Copy)]
        enum Column { $(#[doc = concat!("`", $name, "`")] $variant,)* }

        impl Column {
            const COUNT: usize = [$($name),*].len();

            /// Its name at the vendor.
            const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// By its name at the vendor.
            fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

columns! {
    TransactionId = "transactionId",
    TransactionTime = "transactionTime",
    TransactionStartTime = "transactionStartTime",
    TransactionStatus = "transactionStatus",
    ProductCode = "occProductCode",
    ProductName = "occProductName",
    ProductType = "occProductType",
    // The vendor's field table misspells it.
    ProductTypeMisspelt = "occProdyctType",
    Quantity = "quantity",
    NetPricePerUnit = "netPricePerUnit",
    DiscountPerUnit = "discountPerUnit",
    PricePerUnit = "pricePerUnit",
    TotalPrice = "totalPrice",
    VatRate = "vatRate",
    VatAmount = "vatAmount",
    NetAmount = "netAmount",
    Currency = "currency",
    StationId = "stationId",
    TerminalId = "terminalId",
    ChargerId = "chargerId",
    ConnectorNumber = "connectorNumber",
    CardNumber = "cardNumber",
    DriverName = "driverName",
    PlateNumber = "plateNumber",
    ReceiptNo = "receiptNo",
    AuthorizationCode = "authorizationCode",
    InvoiceNo = "invoiceNo",
    InvoiceDate = "invoiceDate",
    StatusDate = "statusDate",
    OdometerReadout = "odometerReadout",
}

/// A row's fields, met in one pass over its members; of doubles the last counts.
struct Row<'n, 'a>([Option<&'n Node<'a>>; Column::COUNT]);

impl<'n, 'a> Row<'n, 'a> {
    fn of(node: &'n Node<'a>) -> Self {
        let mut row = Self([None; Column::COUNT]);
        for (name, member) in node.members() {
            if let Some(column) = Column::named(name) {
                row.0[column as usize] = Some(member);
            }
        }
        row
    }

    const fn get(&self, column: Column) -> Option<&'n Node<'a>> {
        self.0[column as usize]
    }
}

fn line(row: &Row<'_, '_>, reader: Reader, context: &Context<'_>) -> Result<Line, Rejection> {
    let mut line = match context.stream.source {
        SourceKind::AlexelaEv => charge(row, reader)?,
        SourceKind::AlexelaCard | SourceKind::AlexelaBonus | SourceKind::HecOne => sale(row, reader, context)?,
    };
    judge(&mut line, context.present);
    Ok(line)
}

/// A row of `ContractTransactions` or `GetBonuscardTransactions`.
fn sale(row: &Row<'_, '_>, mut reader: Reader, context: &Context<'_>) -> Result<Line, Rejection> {
    let occurred_at = key_time(Column::TransactionTime.name(), row.get(Column::TransactionTime))?;
    let product_code = match row.get(Column::ProductCode) {
        Some(node) if !node.is_unknown() => {
            let code = node
                .scalar()
                .ok_or_else(|| reject(Column::ProductCode.name(), "is neither a text nor a number"))?
                .trim();
            Some(short_enough(Column::ProductCode.name(), code)?.to_owned())
        }
        _ => None,
    };
    let mut amount = |column: Column| reader.amount(column.name(), row.get(column));
    let quantity = amount(Column::Quantity)?;
    let net_unit_price = amount(Column::NetPricePerUnit)?;
    let unit_discount = amount(Column::DiscountPerUnit)?;
    let unit_price = amount(Column::PricePerUnit)?;
    let gross_amount = amount(Column::TotalPrice)?;
    let vat_rate = amount(Column::VatRate)?;
    let vat_amount = amount(Column::VatAmount)?;
    let net_amount = amount(Column::NetAmount)?;

    let product_name = reader.text(row.get(Column::ProductName));
    let types = [Column::ProductType, Column::ProductTypeMisspelt];
    let type_node = types.into_iter().filter_map(|column| row.get(column)).find(|node| !node.is_unknown());
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
    let invoice_no = reader.text(row.get(Column::InvoiceNo));
    let state = if invoice_no.is_some() { State::Invoiced } else { State::Posted };

    let mut text = |column| reader.text(row.get(column));
    let mut line = Line {
        contract_no: context.stream.partition.contract_no().map(str::to_owned),
        site_id: text(Column::StationId),
        terminal_id: text(Column::TerminalId),
        card_number: text(Column::CardNumber),
        driver_name: text(Column::DriverName),
        license_plate: text(Column::PlateNumber),
        receipt_no: text(Column::ReceiptNo),
        authorization_code: text(Column::AuthorizationCode),
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
        status_at: reader.time(row.get(Column::StatusDate)),
        invoiced_at: reader.time(row.get(Column::InvoiceDate)),
        odometer_km: reader.integer(row.get(Column::OdometerReadout)),
        currency: reader.currency(row.get(Column::Currency)),
        ..Line::new(product_code.clone().unwrap_or_else(|| "-".to_owned()), kind, state, occurred_at)
    };
    line.product_code = product_code;
    line.quality = reader.quality;
    Ok(line)
}

/// A row of `EvTransactions`.
fn charge(row: &Row<'_, '_>, mut reader: Reader) -> Result<Line, Rejection> {
    let occurred_at = key_time(Column::TransactionTime.name(), row.get(Column::TransactionTime))?;
    let quantity = reader.amount(Column::Quantity.name(), row.get(Column::Quantity))?;
    let source_state = reader.text(row.get(Column::TransactionStatus));
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
        started_at: reader.time(row.get(Column::TransactionStartTime)),
        site_id: reader.text(row.get(Column::StationId)),
        terminal_id: reader.text(row.get(Column::ChargerId)),
        point: reader.text(row.get(Column::ConnectorNumber)),
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
