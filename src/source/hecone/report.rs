//! Which pointer fed which field of a record, and what of the record fed none: for `preview`.

use std::collections::BTreeSet;

use super::pointers::{Field, List, Part, Pointers};
use crate::source::json::{Node, Value, clean};

/// Where the fields of one record came from. Holds names and paths, no values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Each field that is looked for, and the path that it was found at; several for fields of articles and payments.
    pub fed: Vec<(&'static str, Vec<String>)>,
    /// Paths of the record's values that fed nothing. They are kept in `raw`.
    pub unused: Vec<String>,
}

/// Looks for every field of a record; an empty report for what is no JSON object.
pub fn report(raw: &str, pointers: &Pointers) -> Report {
    let (text, _) = clean(raw);
    let Ok(root) = Node::parse(&text) else { return Report::default() };
    if !root.is_object() {
        return Report::default();
    }
    let mut used = BTreeSet::new();
    let fed = Field::all().map(|field| (field.name(), found(field, &root, pointers, &mut used))).collect();
    let mut unused = Vec::new();
    leaves(&root, &mut String::new(), &mut |node, path| {
        if !used.contains(&node.span.start) {
            unused.push(path.to_owned());
        }
    });
    Report { fed, unused }
}

fn found(field: Field, root: &Node<'_>, pointers: &Pointers, used: &mut BTreeSet<usize>) -> Vec<String> {
    let list = match field.part() {
        Part::Record => None,
        Part::Article => Some(Field::Articles),
        Part::Payment => Some(Field::Payments),
    };
    let parts: Vec<(String, &Node<'_>)> = match list.map(|list| pointers.list(root, list)) {
        None => vec![(String::new(), root)],
        Some(List::NoList(_)) => Vec::new(),
        Some(List::Elements(path, elements)) => {
            elements.iter().enumerate().map(|(place, node)| (format!("/{path}/{place}"), node)).collect()
        }
    };
    if matches!(field, Field::Articles | Field::Payments) {
        return match pointers.list(root, field) {
            List::Elements(path, elements) if !elements.is_empty() => vec![format!("/{path}")],
            List::Elements(..) | List::NoList(_) => Vec::new(),
        };
    }
    let mut paths = Vec::new();
    for (path, part) in parts {
        if let Some((pointer, node)) = pointers.find(part, field) {
            used.insert(node.span.start);
            paths.push(format!("{path}{pointer}"));
        }
    }
    paths
}

/// Calls `f` with every value that is neither an object nor an array, and its path.
fn leaves(node: &Node<'_>, path: &mut String, f: &mut impl FnMut(&Node<'_>, &str)) {
    let mut inside = |key: &str, node: &Node<'_>| {
        let length = path.len();
        path.push('/');
        path.push_str(&key.replace('~', "~0").replace('/', "~1"));
        leaves(node, path, f);
        path.truncate(length);
    };
    match &node.value {
        Value::Object(members) => members.iter().for_each(|(key, node)| inside(key, node)),
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(place, node)| inside(&place.to_string(), node));
        }
        Value::Null | Value::Bool | Value::Number(_) | Value::Text(_) => f(node, path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_fed_which_field_and_what_fed_none() {
        let raw = r#"{"id": "x", "siteName": "A", "extra": {"a/b": 1}, "articles": [{"quantity": 1, "odd": 2}, {"qty": 3}],
            "payments": []}"#;
        let report = report(raw, &Pointers::default());
        let fed = |name: &str| report.fed.iter().find(|(n, _)| *n == name).map(|(_, paths)| paths.join(" "));
        assert_eq!(fed("source_transaction_id").as_deref(), Some("/id"));
        assert_eq!(fed("site_name").as_deref(), Some("/siteName"));
        assert_eq!(fed("quantity").as_deref(), Some("/articles/0/quantity /articles/1/qty"));
        assert_eq!(fed("point").as_deref(), Some(""));
        assert_eq!(report.unused, ["/extra/a~1b", "/articles/0/odd"]);
    }

    #[test]
    fn what_is_no_object_has_an_empty_report() {
        assert_eq!(report("[1]", &Pointers::default()), Report::default());
        assert_eq!(report("{", &Pointers::default()), Report::default());
    }
}
