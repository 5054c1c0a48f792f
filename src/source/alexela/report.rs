//! Which field of an Alexela row fed which column, and what of the row fed none: for `preview`.

use crate::{
    domain::SourceKind,
    source::json::{Node, Value, clean},
};

/// Column and the published fields that feed it, the first that is there.
const SALE: [(&str, &[&str]); 24] = [
    ("source_transaction_id", &["transactionId"]),
    ("line_id", &["occProductCode"]),
    ("occurred_at", &["transactionTime"]),
    ("status_at", &["statusDate"]),
    ("invoiced_at", &["invoiceDate"]),
    ("site_id", &["stationId"]),
    ("terminal_id", &["terminalId"]),
    ("card_number", &["cardNumber"]),
    ("driver_name", &["driverName"]),
    ("license_plate", &["plateNumber"]),
    ("odometer_km", &["odometerReadout"]),
    ("receipt_no", &["receiptNo"]),
    ("authorization_code", &["authorizationCode"]),
    ("invoice_no", &["invoiceNo"]),
    ("product_name", &["occProductName"]),
    ("product_type", &["occProductType", "occProdyctType"]),
    ("quantity", &["quantity"]),
    ("net_unit_price", &["netPricePerUnit"]),
    ("unit_discount", &["discountPerUnit"]),
    ("unit_price", &["pricePerUnit"]),
    ("gross_amount", &["totalPrice"]),
    ("vat_rate", &["vatRate"]),
    ("vat_amount", &["vatAmount"]),
    ("net_amount", &["netAmount"]),
];

const CURRENCY: (&str, &[&str]) = ("currency", &["currency"]);

const CHARGE: [(&str, &[&str]); 8] = [
    ("source_transaction_id", &["transactionId"]),
    ("site_id", &["stationId"]),
    ("terminal_id", &["chargerId"]),
    ("source_state", &["transactionStatus"]),
    ("occurred_at", &["transactionTime"]),
    ("started_at", &["transactionStartTime"]),
    ("quantity", &["quantity"]),
    ("point", &["connectorNumber"]),
];

/// Each column with the fields that fed it, and the names of the fields that fed none. Holds no values.
pub fn report(kind: SourceKind, raw: &str) -> (Vec<(String, Vec<String>)>, Vec<String>) {
    let (text, _) = clean(raw);
    let names: Vec<String> = match Node::parse(&text).map(|row| row.value) {
        Ok(Value::Object(members)) => members.into_iter().map(|(name, _)| name.into_owned()).collect(),
        Ok(_) | Err(_) => Vec::new(),
    };
    let known: Vec<(&str, &[&str])> = match kind {
        SourceKind::AlexelaEv => CHARGE.to_vec(),
        SourceKind::AlexelaCard | SourceKind::AlexelaBonus | SourceKind::HecOne => {
            SALE.into_iter().chain([CURRENCY]).collect()
        }
    };
    let there = |field: &&str| names.iter().any(|name| name == field);
    let fed = known.iter().map(|(column, fields)| {
        ((*column).to_owned(), fields.iter().filter(|field| there(field)).map(|field| (*field).to_owned()).collect())
    });
    let unused = names.iter().filter(|name| !known.iter().any(|(_, fields)| fields.contains(&name.as_str())));
    (fed.collect(), unused.cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_type_feeds_its_column_and_an_unknown_field_feeds_none() {
        let (fed, unused) =
            report(SourceKind::AlexelaCard, r#"{"transactionId":"1","occProdyctType":"Fuel","loyaltyTier":2}"#);
        assert!(fed.contains(&("product_type".to_owned(), vec!["occProdyctType".to_owned()])));
        assert!(fed.contains(&("receipt_no".to_owned(), Vec::new())));
        assert_eq!(unused, ["loyaltyTier"]);
    }
}
