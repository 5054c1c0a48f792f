//! Filters: `filter_descriptor={"field":…,"operator":…,"value":…}`, and `composite_filter_descriptor={"logic":"and"|"or",
//! "filters":[…]}` with either inside.

use serde_json::Value;

use super::{
    Refusal, bad,
    facts::{FIELDS, compare, folded},
};

/// A filter that has been understood.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Filter {
    /// All of them.
    All(Vec<Filter>),
    /// One of them at least.
    Any(Vec<Filter>),
    /// One comparison.
    Test(String, Operator, Value),
}

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    /// Equal.
    Eq,
    /// Not equal.
    Neq,
    /// Less.
    Lt,
    /// Less or equal.
    Lte,
    /// Greater.
    Gt,
    /// Greater or equal.
    Gte,
    /// Holds the text, case aside.
    Contains,
    /// Starts with the text, case aside.
    StartsWith,
    /// Ends with the text, case aside.
    EndsWith,
    /// Unknown.
    IsNull,
    /// Known.
    IsNotNull,
}

const OPERATORS: [(&str, Operator); 11] = [
    ("eq", Operator::Eq),
    ("neq", Operator::Neq),
    ("lt", Operator::Lt),
    ("lte", Operator::Lte),
    ("gt", Operator::Gt),
    ("gte", Operator::Gte),
    ("contains", Operator::Contains),
    ("startswith", Operator::StartsWith),
    ("endswith", Operator::EndsWith),
    ("isnull", Operator::IsNull),
    ("isnotnull", Operator::IsNotNull),
];

/// The filter of a query, or none.
pub(crate) fn of_query(pairs: &[(String, String)]) -> Result<Option<Filter>, Refusal> {
    let given = pairs.iter().find(|(name, _)| name == "composite_filter_descriptor" || name == "filter_descriptor");
    let Some((name, text)) = given else { return Ok(None) };
    let value: Value = serde_json::from_str(text).map_err(|_| bad(format!("{name} is not JSON")))?;
    understood(&value, 0).map(Some)
}

fn understood(value: &Value, depth: usize) -> Result<Filter, Refusal> {
    if depth > 8 {
        return Err(bad("the filter is nested too deeply"));
    }
    if let Some(parts) = value["filters"].as_array() {
        let parts = parts.iter().map(|part| understood(part, depth + 1)).collect::<Result<Vec<_>, _>>()?;
        return match value["logic"].as_str().unwrap_or("and") {
            "and" => Ok(Filter::All(parts)),
            "or" => Ok(Filter::Any(parts)),
            other => Err(bad(format!("logic {other:?} is neither \"and\" nor \"or\""))),
        };
    }
    let field = value["field"].as_str().ok_or_else(|| bad("the filter has no field"))?;
    if !FIELDS.contains(&field) {
        return Err(bad(format!("cannot filter by {field:?}")));
    }
    let name = value["operator"].as_str().unwrap_or("eq");
    let operator = OPERATORS.iter().find(|(known, _)| *known == name).map(|(_, operator)| *operator);
    let operator = operator.ok_or_else(|| bad(format!("unknown operator {name:?}")))?;
    Ok(Filter::Test(field.to_owned(), operator, value["value"].clone()))
}

impl Filter {
    /// Whether a transaction passes.
    pub(crate) fn passes(&self, facts: &Value) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.passes(facts)),
            Self::Any(parts) => parts.iter().any(|part| part.passes(facts)),
            Self::Test(field, operator, wanted) => {
                let found = &facts[field.as_str()];
                let known = !found.is_null();
                match operator {
                    Operator::Eq => compare(found, wanted).is_eq(),
                    Operator::Neq => compare(found, wanted).is_ne(),
                    Operator::Lt => known && compare(found, wanted).is_lt(),
                    Operator::Lte => known && compare(found, wanted).is_le(),
                    Operator::Gt => known && compare(found, wanted).is_gt(),
                    Operator::Gte => known && compare(found, wanted).is_ge(),
                    Operator::Contains => known && folded(found).contains(&folded(wanted)),
                    Operator::StartsWith => known && folded(found).starts_with(&folded(wanted)),
                    Operator::EndsWith => known && folded(found).ends_with(&folded(wanted)),
                    Operator::IsNull => !known,
                    Operator::IsNotNull => known,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn passes(filter: &Value, facts: &Value) -> bool {
        understood(filter, 0).unwrap().passes(facts)
    }

    #[test]
    fn comparisons_are_by_number_time_and_text() {
        let facts =
            json!({"amount": 9.5, "created_at": "2026-11-21T10:00:00Z", "site_name": "Tartu Ringtee", "state": null});
        assert!(passes(&json!({"field": "amount", "operator": "lt", "value": "10"}), &facts));
        assert!(passes(
            &json!({"field": "created_at", "operator": "gte", "value": "2026-11-21T11:00:00+02:00"}),
            &facts
        ));
        assert!(passes(&json!({"field": "site_name", "operator": "contains", "value": "RING"}), &facts));
        assert!(passes(&json!({"field": "state", "operator": "isnull"}), &facts));
        assert!(!passes(&json!({"field": "state", "operator": "lt", "value": "x"}), &facts));
    }

    #[test]
    fn parts_are_joined_by_and_or_or() {
        let facts = json!({"amount": 5, "state": "completed"});
        let parts = json!([{"field": "amount", "value": 5}, {"field": "state", "value": "pending"}]);
        assert!(!passes(&json!({"logic": "and", "filters": parts}), &facts));
        assert!(passes(&json!({"logic": "or", "filters": parts}), &facts));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for filter in [
            json!({"field": "colour", "value": 1}),
            json!({"field": "amount", "operator": "like", "value": 1}),
            json!({"logic": "xor", "filters": []}),
            json!([]),
        ] {
            assert!(understood(&filter, 0).is_err(), "{filter}");
        }
    }
}
