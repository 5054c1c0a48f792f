//! A line as the columns of `fuel.transaction` that it fills, for people to read.

use chrono::{DateTime, SecondsFormat, Utc};

use super::{Amount, Line, Unit};

impl Line {
    /// Its columns by name, in the table's order, as text; `None` where a value is unknown.
    pub fn columns(&self) -> Vec<(&'static str, Option<String>)> {
        let time = |at: Option<DateTime<Utc>>| at.map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        let amount = |amount: Option<Amount>| amount.map(|amount| amount.to_string());
        let flags: Vec<_> = self.quality.iter().map(|flag| flag.as_str()).collect();
        vec![
            ("line_id", Some(self.line_id.clone())),
            ("kind", Some(self.kind.as_str().to_owned())),
            ("state", Some(self.state.as_str().to_owned())),
            ("source_state", self.source_state.clone()),
            ("occurred_at", time(Some(self.occurred_at))),
            ("started_at", time(self.started_at)),
            ("status_at", time(self.status_at)),
            ("invoiced_at", time(self.invoiced_at)),
            ("contract_no", self.contract_no.clone()),
            ("site_id", self.site_id.clone()),
            ("site_code", self.site_code.clone()),
            ("site_name", self.site_name.clone()),
            ("terminal_id", self.terminal_id.clone()),
            ("terminal_name", self.terminal_name.clone()),
            ("point", self.point.clone()),
            ("card_number", self.card_number.clone()),
            ("driver_name", self.driver_name.clone()),
            ("driver_no", self.driver_no.clone()),
            ("vehicle_no", self.vehicle_no.clone()),
            ("license_plate", self.license_plate.clone()),
            ("odometer_km", self.odometer_km.map(|km| km.to_string())),
            ("receipt_no", self.receipt_no.clone()),
            ("authorization_code", self.authorization_code.clone()),
            ("invoice_no", self.invoice_no.clone()),
            ("session_id", self.session_id.clone()),
            ("product_code", self.product_code.clone()),
            ("product_name", self.product_name.clone()),
            ("product_type", self.product_type.clone()),
            ("product", self.product.clone()),
            ("quantity", amount(self.quantity)),
            ("unit", self.unit.map(Unit::as_str).map(str::to_owned)),
            ("net_unit_price", amount(self.net_unit_price)),
            ("unit_discount", amount(self.unit_discount)),
            ("unit_price", amount(self.unit_price)),
            ("net_amount", amount(self.net_amount)),
            ("vat_rate", amount(self.vat_rate)),
            ("vat_amount", amount(self.vat_amount)),
            ("gross_amount", amount(self.gross_amount)),
            ("paid_amount", amount(self.paid_amount)),
            ("payment_method", self.payment_method.clone()),
            ("currency", self.currency.clone()),
            ("quality", (!flags.is_empty()).then(|| flags.join(", "))),
        ]
    }
}
