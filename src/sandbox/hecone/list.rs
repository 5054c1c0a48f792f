//! Reading: the list with its window, filters, order and pages; one transaction; statistics.

use std::{collections::BTreeMap, sync::PoisonError};

use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{
    Answer, Refusal, bad, document,
    facts::{FIELDS, Item, amount, compare},
    filter::{self, Filter},
    refuse, rows, uuid as uuid_of,
};
use crate::{
    domain::Amount,
    sandbox::{
        dirt::quoted,
        faults::Rows,
        options::Links,
        row::object,
        server::{Call, Server},
        world::between,
    },
};

struct Asked {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    filter: Option<Filter>,
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn asked(server: &Server, pairs: &[(String, String)]) -> Result<Asked, Refusal> {
    let time = |name: &str| {
        let text = value(pairs, name).ok_or_else(|| bad(format!("{name} is required")))?;
        let parsed = DateTime::parse_from_rfc3339(text).map_err(|_| bad(format!("{name} must be a date-time")))?;
        Ok::<_, Refusal>(parsed.to_utc())
    };
    let (mut from, mut to) = (time("start_date")?, time("end_date")?);
    if to < from {
        return Err(bad("end_date is before start_date"));
    }
    if server.options.hecone.start_exclusive {
        from += TimeDelta::microseconds(1);
    }
    if server.options.hecone.end_inclusive {
        to += TimeDelta::microseconds(1);
    }
    if let Some(mandator) = value(pairs, "mandator_id") {
        uuid_of("mandator_id", mandator)?;
    }
    Ok(Asked { from, to, filter: filter::of_query(pairs)? })
}

/// Everything that was asked for, in order of creation.
fn found<R>(server: &Server, call: &Call, asked: &Asked, look: impl FnOnce(Vec<Item<'_>>, DateTime<Utc>) -> R) -> R {
    let (world, at) = (&server.world, server.world.time(call.now));
    let written = server.written.read().unwrap_or_else(PoisonError::into_inner);
    world.with(at, |store| {
        let made = between(&store.hecone, |s| s.occurred, asked.from, asked.to).iter().filter(|s| {
            s.visible(at)
                && !world.is_hidden(rows::HecOneRow::SOURCE, || s.id.to_string())
                && !written.iter().any(|w| w.id == s.id)
        });
        let mut items: Vec<_> = made.map(Item::Made).collect();
        let own = written.iter().filter(|w| asked.from <= w.created_at && w.created_at < asked.to);
        items.extend(own.map(Item::Written));
        if let Some(filter) = &asked.filter {
            items.retain(|item| filter.passes(&item.facts(world, at)));
        }
        items.sort_by_key(|item| (item.created_at(), item.id()));
        look(items, at)
    })
}

fn number(pairs: &[(String, String)], name: &str, otherwise: usize) -> Result<usize, Refusal> {
    value(pairs, name).map_or(Ok(otherwise), |text| text.parse().map_err(|_| bad(format!("{name} must be a number"))))
}

/// `GET /transactions`.
pub(crate) fn list(server: &Server, call: &Call) -> Answer {
    let pairs = call.pairs();
    let asked = asked(server, &pairs)?;
    let options = &server.options.hecone;
    let offset = number(&pairs, "page[offset]", 0)?;
    let limit = number(&pairs, "page[limit]", options.default_limit)?;
    if limit == 0 {
        return Err(bad("page[limit] must be at least 1"));
    }
    let limit = limit.min(options.max_limit);
    let sort = value(&pairs, "sort").unwrap_or("created_at");
    let (field, descending) = sort.strip_prefix('-').map_or((sort, false), |field| (field, true));
    if !FIELDS.contains(&field) {
        return Err(bad(format!("cannot sort by {field:?}")));
    }
    let (data, total, count) = found(server, call, &asked, |mut items, at| {
        if field != "created_at" {
            items.sort_by_cached_key(|item| Key(item.facts(&server.world, at)[field].clone()));
        }
        if descending {
            items.reverse();
        }
        let (start, total) = shown(call.rows, offset, limit, items.len());
        let page = items.iter().skip(start).take(if call.rows == Some(Rows::None) { 0 } else { limit });
        let mut rows: Vec<_> = page.map(|item| item.json(&server.world, at)).collect();
        if call.rows == Some(Rows::Doubled)
            && let Some(first) = rows.first().cloned()
        {
            rows.insert(0, first);
        }
        (format!("[{}]", rows.join(",")), total, rows.len())
    });
    let meta = if options.total {
        format!(r#"{{"total":{total},"offset":{offset},"limit":{limit}}}"#)
    } else {
        format!(r#"{{"offset":{offset},"limit":{limit}}}"#)
    };
    Ok((StatusCode::OK, document(&links(server, call, &pairs, offset, count, limit, total), &meta, &data)))
}

/// Where a page really begins and how many rows it says there are: as asked for, unless the rows are to be wrong.
fn shown(wrong: Option<Rows>, offset: usize, limit: usize, total: usize) -> (usize, usize) {
    match wrong {
        Some(Rows::None) => (offset, 0),
        Some(Rows::Early(rows)) if offset > 0 => (offset.saturating_sub(rows), total + rows),
        Some(Rows::Late(rows)) if offset > 0 => (offset + rows, total.saturating_sub(rows)),
        Some(Rows::Endless) => (0, offset + 2 * limit),
        Some(Rows::Doubled | Rows::Early(_) | Rows::Late(_)) | None => (offset, total),
    }
}

/// A value that sorts.
struct Key(Value);

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        compare(&self.0, &other.0)
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key {}

fn links(
    server: &Server,
    call: &Call,
    pairs: &[(String, String)],
    offset: usize,
    count: usize,
    limit: usize,
    total: usize,
) -> String {
    let host = call.header("host").unwrap_or_default();
    let at = |offset: usize| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in pairs.iter().filter(|(name, _)| name != "page[offset]" && name != "page[limit]") {
            query.append_pair(name, value);
        }
        query.append_pair("page[offset]", &offset.to_string()).append_pair("page[limit]", &limit.to_string());
        format!("http://{host}{}?{}", call.path, query.finish())
    };
    let mut all = vec![("self", at(offset)), ("first", at(0))];
    if offset > 0 {
        all.push(("prev", at(offset.saturating_sub(limit))));
    }
    if count > 0 && offset + count < total {
        all.push(("next", at(offset + count)));
    }
    let written: Vec<_> = match server.options.hecone.links {
        Links::None => Vec::new(),
        Links::Strings => all.into_iter().map(|(name, link)| (name, quoted(&link))).collect(),
        Links::Objects => {
            all.into_iter().map(|(name, link)| (name, object([("href", quoted(&link).as_str())]))).collect()
        }
    };
    object(written.iter().map(|(name, token)| (*name, token.as_str())))
}

/// The document of one transaction.
pub(crate) fn single(server: &Server, data: &str) -> String {
    let data = if server.options.hecone.single_as_object { data.to_owned() } else { format!("[{data}]") };
    document("{}", r#"{"total":1}"#, &data)
}

/// `GET /transactions/{id}`.
pub(crate) fn one(server: &Server, call: &Call, id: Uuid) -> Answer {
    let (world, at) = (&server.world, server.world.time(call.now));
    let text = {
        let written = server.written.read().unwrap_or_else(PoisonError::into_inner);
        match written.iter().find(|w| w.id == id) {
            Some(written) => Some(Item::Written(written).json(world, at)),
            None if world.is_hidden(rows::HecOneRow::SOURCE, || id.to_string()) => None,
            None => world.with(at, |store| {
                let session = store.by_id.get(&id).and_then(|index| store.hecone.get(*index));
                session.filter(|s| s.visible(at)).map(|s| Item::Made(s).json(world, at))
            }),
        }
    };
    let text = text.ok_or_else(|| refuse(StatusCode::NOT_FOUND, "no such transaction"))?;
    let pairs = call.pairs();
    let text = match value(&pairs, "additional_info") {
        None | Some("false") => text,
        Some("true") => {
            let info = r#""additional_info":{"sandbox":true}"#;
            format!("{},{info}}}", text.strip_suffix('}').unwrap_or(&text))
        }
        Some(_) => return Err(bad("additional_info must be true or false")),
    };
    Ok((StatusCode::OK, single(server, &text)))
}

/// `GET /transactions/statistics`.
pub(crate) fn statistics(server: &Server, call: &Call) -> Answer {
    let pairs = call.pairs();
    let mandator = value(&pairs, "mandator_id").ok_or_else(|| bad("mandator_id is required"))?;
    let mandator = uuid_of("mandator_id", mandator)?;
    let asked = asked(server, &pairs)?;
    let mut sums = [("amount", Amount::default()), ("paid_amount", Amount::default())];
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    let own = mandator == server.options.hecone.mandator_id;
    let count = found(server, call, &asked, |items, at| {
        let items = if own { items } else { Vec::new() };
        for item in &items {
            let facts = item.facts(&server.world, at);
            for (name, sum) in &mut sums {
                *sum = amount(&facts[*name]).and_then(|more| sum.checked_add(more)).unwrap_or(*sum);
            }
            *states.entry(facts["state"].as_str().unwrap_or("unknown").to_owned()).or_default() += 1;
        }
        items.len().to_string()
    });
    let (mandator, amount, paid) = (quoted(&mandator.to_string()), sums[0].1.to_string(), sums[1].1.to_string());
    let by_currency = format!(r#"[{{"currency":"EUR","count":{count},"amount":{amount},"paid_amount":{paid}}}]"#);
    let by_state: Vec<_> = states.iter().map(|(state, count)| (state.as_str(), count.to_string())).collect();
    let by_state = object(by_state.iter().map(|(state, count)| (*state, count.as_str())));
    let data = object([
        ("mandator_id", mandator.as_str()),
        ("count", &count),
        ("amount", &amount),
        ("paid_amount", &paid),
        ("by_currency", &by_currency),
        ("by_state", &by_state),
    ]);
    Ok((StatusCode::OK, document("{}", "{}", &format!("[{data}]"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_rows_begin_elsewhere_and_the_total_goes_with_them() {
        let page = |wrong| shown(wrong, 20, 10, 25);
        assert_eq!(page(None), (20, 25));
        assert_eq!(page(Some(Rows::Doubled)), (20, 25));
        assert_eq!(page(Some(Rows::None)), (20, 0));
        assert_eq!(page(Some(Rows::Early(1))), (19, 26));
        assert_eq!(page(Some(Rows::Late(1))), (21, 24));
        assert_eq!(page(Some(Rows::Endless)), (0, 40));
        // No row can come in before the first page, or go from before it.
        assert_eq!(shown(Some(Rows::Early(1)), 0, 10, 25), (0, 25));
        assert_eq!(shown(Some(Rows::Late(1)), 0, 10, 25), (0, 25));
    }
}
