//! Writing: transactions created and updated by callers. They are served beside the world's; the truth knows only the
//! world's.

use std::sync::PoisonError;

use axum::http::StatusCode;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    Answer, Refusal, bad,
    facts::amount,
    list::single,
    refuse,
    rows::{HecOneRow, hecone_row},
    state::{ARTICLE_STATES, PAYMENT_STATES, derived},
    uuid,
};
use crate::{
    domain::Amount,
    sandbox::server::{Call, Server},
};

/// A transaction that a caller created or updated.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    /// Its id.
    pub id: Uuid,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Its fields, a JSON object with flat names.
    pub fields: Value,
}

/// A made transaction's fields under their flat names.
pub(crate) fn flat(row: &HecOneRow) -> Value {
    let fields = row.row.fields.iter();
    fields
        .map(|(name, token)| ((*name).to_owned(), serde_json::from_str(token).unwrap_or(Value::Null)))
        .collect::<Map<_, _>>()
        .into()
}

fn body(call: &Call) -> Result<Map<String, Value>, Refusal> {
    match serde_json::from_slice(&call.body) {
        Ok(Value::Object(fields)) => Ok(fields),
        _ => Err(bad("the body is not a JSON object")),
    }
}

/// Takes over what the body says about the transaction itself.
fn take(server: &Server, body: &Map<String, Value>, fields: &mut Map<String, Value>) -> Result<(), Refusal> {
    if let Some(site) = body.get("site_id") {
        let id = uuid("site_id", site.as_str().unwrap_or_default())?;
        let known = server.world.fleet.sites.iter().find(|s| s.id == id).ok_or_else(|| bad("no such site"))?;
        fields.insert("site_id".to_owned(), id.to_string().into());
        fields.insert("site_name".to_owned(), known.name.clone().into());
        fields.insert("site_code".to_owned(), known.code.clone().into());
    }
    if let Some(point) = body.get("point_id").filter(|p| !p.is_null()) {
        let id = uuid("point_id", point.as_str().unwrap_or_default())?;
        fields.insert("point_id".to_owned(), id.to_string().into());
    }
    for name in ["customer_data", "receipt"] {
        if let Some(part) = body.get(name).filter(|p| !p.is_null()) {
            if !part.is_object() {
                return Err(bad(format!("{name} must be an object")));
            }
            fields.insert(name.to_owned(), part.clone());
        }
    }
    for name in ["terminal_transaction_number", "session_id"] {
        if let Some(part) = body.get(name).filter(|p| !p.is_null()) {
            if !part.is_string() {
                return Err(bad(format!("{name} must be a string")));
            }
            fields.insert(name.to_owned(), part.clone());
        }
    }
    Ok(())
}

/// Adds and changes articles or payments: one with a known id is changed, any other is added.
fn merge(
    fields: &mut Map<String, Value>,
    body: &Map<String, Value>,
    name: &str,
    states: &[&str],
    numbers: &[&str],
) -> Result<(), Refusal> {
    let mut all = match fields.get(name) {
        Some(Value::Array(all)) => all.clone(),
        _ => Vec::new(),
    };
    match body.get(name) {
        None | Some(Value::Null) => {}
        Some(Value::Array(given)) => {
            for part in given {
                let part = part.as_object().ok_or_else(|| bad(format!("{name} must hold objects")))?;
                if let Some(state) = part.get("state")
                    && !state.as_str().is_some_and(|s| states.contains(&s))
                {
                    return Err(bad(format!("{name}: state must be one of {}", states.join(", "))));
                }
                if let Some(field) = numbers.iter().find(|f| part.get(**f).is_some_and(|v| amount(v).is_none())) {
                    return Err(bad(format!("{name}: {field} must be a number")));
                }
                let known = part.get("id").and_then(|id| all.iter_mut().find(|old| old.get("id") == Some(id)));
                if let Some(Value::Object(old)) = known {
                    old.extend(part.clone());
                } else {
                    let mut new = part.clone();
                    new.entry("id").or_insert_with(|| Uuid::new_v4().to_string().into());
                    new.entry("state").or_insert_with(|| states[0].into());
                    all.push(new.into());
                }
            }
        }
        Some(_) => return Err(bad(format!("{name} must be an array"))),
    }
    fields.insert(name.to_owned(), all.into());
    Ok(())
}

fn recompute(fields: &mut Map<String, Value>) {
    let parts = |name: &str| fields.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let state = |part: &Value| part["state"].as_str().unwrap_or_default().to_owned();
    let sum = |parts: &[Value]| {
        parts
            .iter()
            .filter_map(|p| amount(&p["amount"]))
            .try_fold(Amount::default(), Amount::checked_add)
            .unwrap_or_default()
    };
    let articles: Vec<_> = parts("articles").iter().map(state).collect();
    let payments: Vec<_> =
        parts("payments").iter().map(|p| (state(p), amount(&p["amount"]).unwrap_or_default())).collect();
    let invoiced = sum(parts("articles"));
    let collected: Vec<_> = parts("payments").iter().filter(|p| p["state"] == "collected").cloned().collect();
    let (articles, payments): (Vec<_>, Vec<_>) =
        (articles.iter().map(String::as_str).collect(), payments.iter().map(|(s, a)| (s.as_str(), *a)).collect());
    let derived = derived(&articles, &payments, invoiced);
    fields.insert("state".to_owned(), derived.into());
    fields.insert("amount".to_owned(), shown(invoiced));
    fields.insert("paid_amount".to_owned(), shown(sum(&collected)));
}

fn shown(amount: Amount) -> Value {
    serde_json::from_str(&crate::sandbox::dirt::plain(amount.ten_thousandths())).unwrap_or(Value::Null)
}

const ARTICLE_NUMBERS: [&str; 6] = ["quantity", "price", "amount", "net_amount", "vat_rate", "vat_amount"];

fn articles_and_payments(fields: &mut Map<String, Value>, body: &Map<String, Value>) -> Result<(), Refusal> {
    merge(fields, body, "articles", &ARTICLE_STATES, &ARTICLE_NUMBERS)?;
    merge(fields, body, "payments", &PAYMENT_STATES, &["amount"])?;
    recompute(fields);
    Ok(())
}

/// `POST /transactions`.
pub(crate) fn create(server: &Server, call: &Call) -> Answer {
    let body = body(call)?;
    if !body.contains_key("site_id") {
        return Err(bad("site_id is required"));
    }
    let (id, created_at) = (Uuid::new_v4(), server.world.time(call.now));
    let mut fields = Map::new();
    fields.insert("id".to_owned(), id.to_string().into());
    fields.insert("created_at".to_owned(), created_at.to_rfc3339_opts(SecondsFormat::Millis, true).into());
    take(server, &body, &mut fields)?;
    articles_and_payments(&mut fields, &body)?;
    // Whatever its articles say, a new transaction begins as created; the first update computes its state.
    fields.insert("state".to_owned(), "created".into());
    let fields = Value::Object(fields);
    let text = fields.to_string();
    server.written.write().unwrap_or_else(PoisonError::into_inner).push(Written { id, created_at, fields });
    Ok((StatusCode::CREATED, single(server, &text)))
}

/// `PATCH /transactions/{id}`.
pub(crate) fn update(server: &Server, call: &Call, id: Uuid) -> Answer {
    let body = body(call)?;
    let (world, at) = (&server.world, server.world.time(call.now));
    let mut written = server.written.write().unwrap_or_else(PoisonError::into_inner);
    let known = written.iter().position(|w| w.id == id);
    let mut changed = match known {
        Some(index) => written[index].clone(),
        None => world
            .with(at, |store| {
                let session = store.by_id.get(&id).and_then(|index| store.hecone.get(*index))?;
                session.visible(at).then(|| {
                    let fields = flat(&hecone_row(world, session, at, false));
                    Written { id, created_at: session.occurred, fields }
                })
            })
            .ok_or_else(|| refuse(StatusCode::NOT_FOUND, "no such transaction"))?,
    };
    let Value::Object(fields) = &mut changed.fields else {
        return Err(refuse(StatusCode::INTERNAL_SERVER_ERROR, "the transaction is no object"));
    };
    take(server, &body, fields)?;
    articles_and_payments(fields, &body)?;
    let text = changed.fields.to_string();
    match known {
        Some(index) => written[index] = changed,
        None => written.push(changed),
    }
    Ok((StatusCode::OK, single(server, &text)))
}
