//! Alexela OCC Partners as published: five signed operations, their limits and their error texts.

pub(crate) mod auth;
pub(crate) mod query;
pub(crate) mod rows;

use std::sync::PoisonError;

use axum::{
    http::{Method, StatusCode},
    response::Response,
};
use serde_json::Value;

use self::query::{Stretch, dates};
use super::{
    dirt::quoted,
    faults,
    row::object,
    server::{Call, Server, json},
    world::{
        between,
        card::{CardSale, card_id},
    },
};
use crate::domain::SourceKind;

/// Why a request is not answered.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    text: String,
}

impl Refusal {
    /// As it is published: the envelope, with the text as its error.
    pub(crate) fn answer(self) -> Response {
        let error = quoted(&self.text);
        json(self.status, object([("success", "false"), ("data", "null"), ("error", &error), ("message", "null")]))
    }
}

/// A refusal with its text.
pub(crate) fn refuse(status: StatusCode, text: impl Into<String>) -> Refusal {
    Refusal { status, text: text.into() }
}

/// Answers one request under `/api/v1/`.
pub(crate) fn handle(server: &Server, call: &Call, operation: &str) -> Response {
    let result = auth::check(&server.options.alexela, call).and_then(|()| match (&call.method, operation) {
        (&Method::GET, "ContractNumbers") => {
            Ok(format!("[{}]", server.world.contracts().iter().map(|c| quoted(c)).collect::<Vec<_>>().join(",")))
        }
        (&Method::POST | &Method::GET, "ContractTransactions") => cards(server, call),
        (&Method::POST, "DefineBonuscards") => define(server, call),
        (&Method::POST, "GetBonuscardTransactions") => bonus(server, call),
        (&Method::GET, "EvTransactions") => charging(server, call),
        (
            _,
            "ContractNumbers"
            | "ContractTransactions"
            | "DefineBonuscards"
            | "GetBonuscardTransactions"
            | "EvTransactions",
        ) => Err(refuse(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")),
        _ => Err(refuse(StatusCode::NOT_FOUND, "Unknown operation")),
    });
    match result {
        Ok(data) if server.options.alexela.envelope => {
            json(StatusCode::OK, object([("success", "true"), ("data", &data), ("error", "null"), ("message", "null")]))
        }
        Ok(data) => json(StatusCode::OK, data),
        Err(refusal) => refusal.answer(),
    }
}

fn body(call: &Call) -> Result<Value, Refusal> {
    serde_json::from_slice(&call.body)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| refuse(StatusCode::BAD_REQUEST, "Request body is not a JSON object"))
}

/// Array elements, joined as they are served.
struct Rows {
    text: String,
    wrong: Option<faults::Rows>,
}

impl Rows {
    fn new(wrong: Option<faults::Rows>) -> Self {
        Self { text: "[".to_owned(), wrong }
    }

    fn push(&mut self, text: &str) {
        let times = match self.wrong {
            Some(faults::Rows::None) => 0,
            Some(faults::Rows::Doubled) if self.text.len() == 1 => 2,
            // There are no pages here.
            Some(faults::Rows::Doubled | faults::Rows::Early(_) | faults::Rows::Late(_) | faults::Rows::Endless)
            | None => 1,
        };
        for _ in 0..times {
            if self.text.len() > 1 {
                self.text.push(',');
            }
            self.text.push_str(text);
        }
    }

    fn finish(mut self) -> String {
        self.text.push(']');
        self.text
    }
}

fn cards(server: &Server, call: &Call) -> Result<String, Refusal> {
    let (asked, from, to): (Vec<String>, _, _) = if call.method == Method::GET {
        let pairs = call.pairs();
        let one = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let list = one("contractNumbers").unwrap_or_default();
        (
            list.split(',').map(str::trim).filter(|c| !c.is_empty()).map(str::to_owned).collect(),
            one("fromDate"),
            one("toDate"),
        )
    } else {
        let body = body(call)?;
        let asked =
            body["contractNumbers"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        (asked.collect(), query::text(&body, "fromDate"), query::text(&body, "toDate"))
    };
    if asked.is_empty() {
        return Err(refuse(StatusCode::BAD_REQUEST, "contractNumbers is required"));
    }
    let open = server.world.contracts();
    if let Some(closed) = asked.iter().find(|c| !open.contains(c)) {
        return Err(refuse(StatusCode::FORBIDDEN, format!("Contract {closed} is not allowed for this API user")));
    }
    let stretch = dates(&server.options.alexela, call.now, from.as_deref(), to.as_deref())?;
    let fleet = &server.world.fleet;
    let may = |sale: &CardSale| asked.contains(&fleet.contracts[fleet.cards[sale.card].contract]);
    Ok(receipts(server, call, SourceKind::AlexelaCard, stretch, may))
}

fn bonus(server: &Server, call: &Call) -> Result<String, Refusal> {
    let body = body(call)?;
    let (from, to) = (query::text(&body, "fromDate"), query::text(&body, "toDate"));
    let stretch = dates(&server.options.alexela, call.now, from.as_deref(), to.as_deref())?;
    let world = &server.world;
    let may = |sale: &CardSale| world.is_defined(&world.fleet.bonus[sale.card].number);
    Ok(receipts(server, call, SourceKind::AlexelaBonus, stretch, may))
}

fn receipts(
    server: &Server,
    call: &Call,
    source: SourceKind,
    stretch: Stretch,
    may: impl Fn(&CardSale) -> bool,
) -> String {
    let (world, at) = (&server.world, server.world.time(call.now));
    world.with(at, |store| {
        let list = if source == SourceKind::AlexelaBonus { &store.bonus } else { &store.card };
        let mut rows = Rows::new(call.rows);
        for sale in between(list, |s| s.occurred, stretch.from, stretch.to) {
            if sale.visible(at) && may(sale) && !world.is_hidden(source, || card_id(source, sale.index)) {
                for line in 0..sale.lines.len() {
                    rows.push(&rows::card_row(world, source, sale, line, at, false).row.json());
                }
            }
        }
        rows.finish()
    })
}

fn charging(server: &Server, call: &Call) -> Result<String, Refusal> {
    if !server.options.alexela.ev_enabled {
        return Err(refuse(StatusCode::FORBIDDEN, "EV transactions are not enabled for this partner"));
    }
    let pairs = call.pairs();
    let one = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let stretch = dates(&server.options.alexela, call.now, one("fromDate"), one("toDate"))?;
    let (world, at) = (&server.world, server.world.time(call.now));
    Ok(world.with(at, |store| {
        let mut rows = Rows::new(call.rows);
        for sale in between(&store.ev, |s| s.occurred, stretch.from, stretch.to) {
            if sale.visible(at) && !world.is_hidden(SourceKind::AlexelaEv, || rows::ev_id(sale.index)) {
                rows.push(&rows::ev_row(world, sale, at, false).row.json());
            }
        }
        rows.finish()
    }))
}

fn define(server: &Server, call: &Call) -> Result<String, Refusal> {
    let body = body(call)?;
    let mut defined = Vec::new();
    for (field, group) in [("bonuscards", "regular"), ("premiumBonuscards", "premium")] {
        match &body[field] {
            Value::Null => {}
            Value::Array(cards) => {
                for card in cards {
                    let card = card.as_str().filter(|c| !c.is_empty());
                    let card =
                        card.ok_or_else(|| refuse(StatusCode::BAD_REQUEST, format!("{field} must hold card numbers")))?;
                    defined.push((card.to_owned(), group));
                }
            }
            _ => return Err(refuse(StatusCode::BAD_REQUEST, format!("{field} must be an array"))),
        }
    }
    if defined.is_empty() {
        return Err(refuse(StatusCode::BAD_REQUEST, "No bonus cards given"));
    }
    server.world.bonus_cards.write().unwrap_or_else(PoisonError::into_inner).extend(defined);
    Ok("\"OK\"".to_owned())
}
