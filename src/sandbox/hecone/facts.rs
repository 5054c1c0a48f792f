//! What can be asked of a transaction by name, whether the world made it or a caller: for filters, sorting and sums.

use std::cmp::Ordering;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{
    rows::hecone_row,
    write::{Written, flat},
};
use crate::{
    domain::Amount,
    sandbox::world::{World, session::Session},
};

/// The names that can be filtered and sorted by.
pub(crate) const FIELDS: [&str; 23] = [
    "created_at",
    "amount",
    "paid_amount",
    "client_id",
    "client_type",
    "receipt_state",
    "receipt_email",
    "site_name",
    "site_code",
    "device_name",
    "device_code",
    "point_name",
    "point_number",
    "license_plate",
    "customer_odometer",
    "customer_driver_number",
    "customer_vehicle_number",
    "customer_additional_info",
    "card_vehicle_number",
    "card_driver_number",
    "id",
    "state",
    "terminal_transaction_number",
];

/// A transaction of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Item<'a> {
    /// The world's.
    Made(&'a Session),
    /// A caller's.
    Written(&'a Written),
}

impl Item<'_> {
    /// Its id.
    pub(crate) fn id(&self) -> Uuid {
        match self {
            Self::Made(session) => session.id,
            Self::Written(written) => written.id,
        }
    }

    /// When it was created.
    pub(crate) fn created_at(&self) -> DateTime<Utc> {
        match self {
            Self::Made(session) => session.occurred,
            Self::Written(written) => written.created_at,
        }
    }

    /// As it is sent.
    pub(crate) fn json(&self, world: &World, at: DateTime<Utc>) -> String {
        match self {
            Self::Made(session) => hecone_row(world, session, at, false).json(),
            Self::Written(written) => written.fields.to_string(),
        }
    }

    /// Its fields by their flat names.
    pub(crate) fn facts(&self, world: &World, at: DateTime<Utc>) -> Value {
        let mut facts = match self {
            Self::Made(session) => flat(&hecone_row(world, session, at, false)),
            Self::Written(written) => written.fields.clone(),
        };
        facts["created_at"] = self.created_at().to_rfc3339_opts(SecondsFormat::Micros, true).into();
        facts
    }
}

/// A value as an amount, when it is one.
pub(crate) fn amount(value: &Value) -> Option<Amount> {
    match value {
        Value::Number(number) => number.to_string().parse().ok(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// How two values stand to each other: unknown first, then as numbers, as times, as texts.
pub(crate) fn compare(a: &Value, b: &Value) -> Ordering {
    if a.is_null() || b.is_null() {
        return b.is_null().cmp(&a.is_null());
    }
    if let (Some(a), Some(b)) = (amount(a), amount(b)) {
        return a.cmp(&b);
    }
    let time = |value: &Value| value.as_str().and_then(|t| t.parse::<DateTime<Utc>>().ok());
    if let (Some(a), Some(b)) = (time(a), time(b)) {
        return a.cmp(&b);
    }
    text(a).cmp(&text(b))
}

/// A value as text without its case, for `contains` and the like.
pub(crate) fn folded(value: &Value) -> String {
    if value.is_null() { String::new() } else { text(value).to_lowercase() }
}
