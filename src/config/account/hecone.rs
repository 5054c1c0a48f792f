//! The keys of `[[hecone]]`, and how they are read.

use std::time::Duration;

use super::{HecOne, Section, UpdateMethod, name};
use crate::{
    config::{
        given::{Given, Parsed},
        key::{Key, Type},
    },
    domain::Grid,
};

/// The keys of `[[hecone]]`.
pub(in crate::config) const KEYS: &[Key] = &[
    Key::required("name", Type::Text, "Unique among the accounts of this vendor; stands in every row."),
    Key::required("base_url", Type::Base(""), "The server's address; the paths below are appended."),
    Key::required("client_id", Type::Text, "Who logs in."),
    Key::required("client_secret", Type::Secret(1), "With what."),
    Key::or("schedule", Type::Schedule, "0 */5 * * * *", "When run polls: six cron fields, seconds first, UTC."),
    Key::required("start", Type::Moment, "The first day (or time) ever to read."),
    Key::or("window", Type::Duration(Duration::from_mins(1)), "6h", "How long a window of this account is."),
    Key::or("page_limit", Type::Count(1, 100_000), "100", "Rows asked for in one page."),
    Key::or("requests_per_second", Type::Count(1, 10_000), "5", "Rate limit; one second's worth is allowed at once."),
    Key::or("login_path", Type::Path(""), "/login", "Path of the login."),
    Key::or("transactions_path", Type::Path(""), "/transactions", "Path of list and create."),
    Key::or(
        "transaction_path",
        Type::Path("{transaction_id}"),
        "/transactions/{transaction_id}",
        "Path of one transaction.",
    ),
    Key::or("statistics_path", Type::Path(""), "/transactions/statistics", "Path of the statistics."),
    Key::or("update_method", Type::Choice(&["PATCH", "PUT", "POST"]), "PATCH", "Verb of the update."),
    Key::optional(
        "refresh_path",
        Type::Path(""),
        "Path of the token refresh, where a server has one; off when absent.",
    ),
    Key::optional("mandator_id", Type::Text, "Sent to the list when set; the statistics require it."),
    Key::optional("filter", Type::Filter, "A filter descriptor that is passed through to the list."),
    Key::optional("fields", Type::Pointers, "JSON pointers that replace the shipped ones, for each field."),
];

pub(in crate::config) fn read(section: &mut Section<'_>) -> Option<HecOne> {
    let name = name(section);
    let base_url = section.base_url("base_url");
    let client_id = section.text("client_id");
    let client_secret = section.secret("client_secret");
    let schedule = section.schedule("schedule");
    let start = section.moment("start");
    let window = section.duration("window");
    let page_limit = section.count("page_limit");
    let requests_per_second = section.count("requests_per_second");
    let login_path = section.path("login_path");
    let transactions_path = section.path("transactions_path");
    let transaction_path = section.path("transaction_path");
    let statistics_path = section.path("statistics_path");
    let update_method = section.choice("update_method", &[UpdateMethod::Patch, UpdateMethod::Put, UpdateMethod::Post]);
    let refresh_path = section.path("refresh_path");
    let mandator_id = section.text("mandator_id");
    let filter = section.special("filter", filter);
    let fields = section.special("fields", Given::pointers).unwrap_or_default();
    if window.is_some_and(|window| window.subsec_nanos() != 0) {
        section.object("window", "a window with a part of a second", "whole seconds, such as \"6h\"");
    }
    Some(HecOne {
        name: name?,
        base_url: base_url?,
        client_id: client_id?,
        client_secret: client_secret?,
        schedule: schedule?,
        start: start?,
        grid: Grid::new(window?)?,
        page_limit: page_limit?,
        requests_per_second: requests_per_second?,
        login_path: login_path?,
        transactions_path: transactions_path?,
        transaction_path: transaction_path?,
        statistics_path: statistics_path?,
        refresh_path,
        update_method: update_method?,
        mandator_id,
        filter,
        fields,
    })
}

const FILTERS: [&str; 2] = ["composite_filter_descriptor", "filter_descriptor"];

/// The filter as (parameter, JSON text). `{ parameter = "…", json = … }`, `{ composite_filter_descriptor = … }`, or the
/// descriptor itself: with `filters` in it, it is a composite one.
fn filter(given: Given<'_>) -> Parsed<(String, String)> {
    use serde_json::Value;

    let text = |descriptor: &Value| match descriptor {
        Value::String(text) => {
            let parsed: Result<Value, _> = serde_json::from_str(text);
            parsed.map_err(|e| format!("its JSON text: {e}")).and_then(|json| match json {
                Value::Object(_) | Value::Array(_) => Ok(text.clone()),
                _ => Err("a JSON text that is no object".to_owned()),
            })
        }
        Value::Object(_) | Value::Array(_) => Ok(descriptor.to_string()),
        _ => Err("a descriptor that is no object".to_owned()),
    };
    let object = given.json_object()?;
    if let Some(parameter) = object.get("parameter") {
        let Some(parameter) = FILTERS.into_iter().find(|known| parameter == known) else {
            return Err("an unknown parameter".to_owned());
        };
        if let Some(other) = object.keys().find(|key| !["parameter", "json"].contains(&key.as_str())) {
            return Err(format!("the unknown key {other:?}"));
        }
        let descriptor = object.get("json").ok_or_else(|| "no json".to_owned())?;
        return Ok((parameter.to_owned(), text(descriptor)?));
    }
    let named: Vec<_> = FILTERS.into_iter().filter(|known| object.contains_key(*known)).collect();
    match (named.as_slice(), object.len()) {
        ([parameter], 1) => Ok(((*parameter).to_owned(), text(object.get(*parameter).unwrap_or(&Value::Null))?)),
        ([], 1..) => {
            let parameter = if object.contains_key("filters") { FILTERS[0] } else { FILTERS[1] };
            Ok((parameter.to_owned(), Value::Object(object).to_string()))
        }
        _ => Err(String::new()),
    }
}
