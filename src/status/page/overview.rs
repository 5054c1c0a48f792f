//! The front page: how all is, each account's streams and days, sales, and what reading costs.

use std::{collections::BTreeMap, fmt::Write};

use chrono::{DateTime, Utc};

use super::{
    charts,
    days::{self, Run, State},
    model::{Group, Health, Overview, frame, health, is_wanted},
    shell::{self, Here},
    svg, table,
    words::{self, count, escape, time},
};
use crate::status::view::{StreamView, View};

/// Streams of a group that are shown where there are several groups.
const FEW: usize = 25;
/// Streams that are shown of the one group that was asked for.
const MANY: usize = 1_000;
/// Groups that are shown with their streams.
const GROUPS: usize = 60;
/// Strips of at least so many seconds say their age.
const OLD: i64 = 60;
/// Stretches of trouble that are said beneath a strip.
const TROUBLES: usize = 6;

/// The whole document.
pub(super) fn render(model: &Overview) -> String {
    let view = &model.view;
    let groups = grouped(view, model.only.as_ref());
    let failing = groups.values().flatten().filter(|(health, _)| *health == Health::Failing).count();
    let title = match (view.database.is_ready(), failing) {
        (false, _) if view.database.reachable => "database cannot be used".to_owned(),
        (false, _) => "database out of reach".to_owned(),
        (true, 0) => "status".to_owned(),
        (true, failing) => format!("{failing} failing"),
    };
    let mut html = String::with_capacity(32 * 1024);
    let _ = write!(
        html,
        "<section id=\"summary\" data-part aria-labelledby=\"summary-h\"><h1 id=\"summary-h\">fuelsync</h1>\
         <p class=\"quiet\">Version {} · running since {} · as of {}</p>{}</section>",
        escape(&view.version),
        time(Some(view.started_at)),
        time(Some(view.taken_at)),
        verdict(model, &groups)
    );
    streams(&mut html, model, &groups);
    if model.only.is_none() {
        html.push_str(&charts::sales(&model.sales, view.taken_at));
        html.push_str(&charts::reading(&model.runs, view.taken_at));
    }
    shell::document(&title, Here::Overview, &html)
}

/// Streams by group, in each the worst first.
type Groups<'a> = BTreeMap<Group, Vec<(Health, &'a StreamView)>>;

fn grouped<'a>(view: &'a View, only: Option<&Group>) -> Groups<'a> {
    let mut groups: Groups<'a> = BTreeMap::new();
    for stream in &view.streams {
        let group = (stream.source, stream.account.clone());
        if only.is_none_or(|only| *only == group) {
            groups.entry(group).or_default().push((health(stream), stream));
        }
    }
    for streams in groups.values_mut() {
        streams.sort_by(|(a, one), (b, other)| {
            // Among the equally well those first that are furthest behind, so that the page shows who may be next.
            (a, std::cmp::Reverse(one.freshness_seconds), &one.partition).cmp(&(
                b,
                std::cmp::Reverse(other.freshness_seconds),
                &other.partition,
            ))
        });
    }
    groups
}

/// In a sentence whether all is well, and in numbers what there is.
fn verdict(model: &Overview, groups: &Groups<'_>) -> String {
    let database = &model.view.database;
    if !database.is_ready() {
        let said = database.problem.as_deref().unwrap_or("The database cannot be used.");
        return format!(
            "<p class=\"verdict bad\" role=\"alert\"><span aria-hidden=\"true\">✕</span> {}</p>\
             <p>Nothing that was committed is lost. See that the database runs; <code>fuelsync check</code> says more.</p>",
            escape(said)
        );
    }
    let streams: Vec<_> = groups.values().flatten().collect();
    let having = |wanted: Health| {
        i64::try_from(streams.iter().filter(|(health, _)| *health == wanted).count()).unwrap_or(i64::MAX)
    };
    // What is no longer configured keeps its rows and is nobody's concern.
    let all = i64::try_from(streams.len()).unwrap_or(i64::MAX) - having(Health::Retired);
    if all == 0 {
        return "<p class=\"verdict quiet\"><span aria-hidden=\"true\">○</span> No stream has been read yet.</p>"
            .to_owned();
    }
    let ill =
        [(Health::Failing, "failing"), (Health::Late, "late"), (Health::Refused, "no longer given by the vendor")];
    let ill: Vec<_> = ill.into_iter().map(|(health, word)| (having(health), word)).filter(|(n, _)| *n > 0).collect();
    let (class, sign) = match ill.first() {
        None => ("good", "✓"),
        Some((_, "failing")) => ("bad", "✕"),
        Some(_) => ("warn", "▲"),
    };
    let said = match ill.split_first() {
        None => format!("Nothing fails, and nothing is late: {}.", count(all, "stream", "streams")),
        Some(((first, word), rest)) => {
            let rest = rest.iter().map(|(n, word)| format!(", {n} {word}")).collect::<Vec<_>>().concat();
            format!("{first} of {} {word}{rest}.", count(all, "stream is", "streams are"))
        }
    };
    let sum = |of: fn(&StreamView) -> i64| streams.iter().map(|(_, stream)| of(stream)).sum::<i64>();
    let quarantine = sum(|stream| stream.quarantine);
    let facts = [
        ("Rows, by the ledger", words::number(sum(|stream| stream.rows))),
        ("In quarantine", format!("<a href=\"/quarantine\">{}</a>", words::number(quarantine))),
        ("Gaps", words::number(sum(|stream| stream.gaps))),
        ("Resting", words::number(having(Health::Resting))),
        ("Not read yet", words::number(having(Health::New))),
        ("No longer configured", words::number(having(Health::Retired))),
    ];
    let mut html =
        format!("<p class=\"verdict {class}\"><span aria-hidden=\"true\">{sign}</span> {said}</p><dl class=\"facts\">");
    for (name, value) in facts {
        let _ = write!(html, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    html.push_str("</dl>");
    html
}

fn streams(html: &mut String, model: &Overview, groups: &Groups<'_>) {
    html.push_str("<section id=\"streams\" data-part aria-labelledby=\"streams-h\"><h2 id=\"streams-h\">Streams</h2>");
    if model.only.is_some() {
        html.push_str("<p><a href=\"/\">All accounts</a></p>");
    }
    if groups.is_empty() {
        let said = if model.view.database.is_readable() {
            "No stream has been read yet. The first pass makes them appear."
        } else {
            "Not known: the database cannot be asked."
        };
        let _ = write!(html, "<p>{said}</p></section>");
        return;
    }
    // What the strips show is asked for apart, and may be older than the rest of the page.
    if let Some((asked_at, _)) = &model.coverage.value
        && (model.coverage.trouble.is_some() || (model.view.taken_at - *asked_at).num_seconds() >= OLD)
    {
        let _ = write!(
            html,
            "<p>The strips: {}</p>",
            said_age(*asked_at, model.view.taken_at, model.coverage.trouble.as_deref())
        );
    }
    // The groups with the worst stream first; a group's streams are sorted already.
    let mut order: Vec<_> = groups.iter().collect();
    order.sort_by_key(|(group, streams)| (streams.first().map(|(health, _)| *health), (*group).clone()));
    for (place, (group, streams)) in order.iter().take(GROUPS).enumerate() {
        one_group(html, model, place, group, streams);
    }
    if order.len() > GROUPS {
        let _ = write!(
            html,
            "<p>{} more, none worse than these; <code>fuelsync status</code> lists all.</p>",
            count(more(order.len(), GROUPS), "account's interface", "accounts' interfaces")
        );
    }
    let _ = write!(html, "<h3>What the strips mean</h3>{}</section>", svg::legend());
}

fn one_group(html: &mut String, model: &Overview, place: usize, group: &Group, streams: &[(Health, &StreamView)]) {
    let (source, account) = group;
    let name = format!("{source}/{account}");
    let _ = write!(
        html,
        "<h3><a href=\"{}\">{}</a> <small>{}</small></h3>",
        words::group_href(*source, account),
        escape(&name),
        words::source(*source)
    );
    if let Some(cadence) = model.cadences.accounts.get(group) {
        let _ = write!(
            html,
            "<p class=\"quiet\">{} · read by <code>{}</code> (UTC), every {} at the shortest</p>",
            count(i64::try_from(streams.len()).unwrap_or(i64::MAX), "stream", "streams"),
            escape(&cadence.schedule),
            words::duration(cadence.period.num_seconds())
        );
    }
    coverage(
        html,
        model,
        place,
        group,
        &name,
        streams.is_empty() || streams.iter().any(|(health, _)| is_wanted(*health)),
    );
    let limit = if model.only.is_some() { MANY } else { FEW };
    let caption = format!("Streams of {name}, the worst first");
    html.push_str(&table::streams(&caption, streams.iter().take(limit).copied()));
    if streams.len() > limit {
        let rest = &streams[limit..];
        let unwell = rest.iter().filter(|(health, _)| *health < Health::Resting).count();
        let said = if unwell == 0 {
            "none of them failing or late".to_owned()
        } else {
            format!("{unwell} of them failing, late or not read yet")
        };
        let where_to = if model.only.is_some() {
            "<code>fuelsync status</code> lists all.".to_owned()
        } else {
            format!("<a href=\"{}\">Show more of {}</a>.", words::group_href(*source, account), escape(&name))
        };
        let _ = write!(
            html,
            "<p class=\"more\">{} not shown, {said}. {where_to}</p>",
            count(more(streams.len(), limit), "more stream is", "more streams are")
        );
    }
}

fn more(all: usize, shown: usize) -> i64 {
    i64::try_from(all.saturating_sub(shown)).unwrap_or(i64::MAX)
}

fn coverage(html: &mut String, model: &Overview, place: usize, group: &Group, name: &str, wanted: bool) {
    let Some((_, spans)) = &model.coverage.value else {
        let _ = write!(html, "<p class=\"quiet\">Coverage: {}.</p>", not_yet(model.coverage.trouble.as_deref()));
        return;
    };
    let (source, account) = group;
    let frame = frame(*source, account, &model.cadences, model.view.taken_at, wanted);
    let runs = days::strip(spans.iter().filter(|span| span.source == *source && span.account == *account), frame);
    html.push_str(&svg::strip(&format!("strip-{place}"), name, &runs));
    html.push_str(&troubles(&runs));
}

/// What is known of an answer that is not there.
pub(super) fn not_yet(trouble: Option<&str>) -> String {
    trouble.map_or_else(|| "being asked for".to_owned(), |trouble| format!("not known: {}", escape(trouble)))
}

/// How old an answer is, where that is worth saying.
pub(super) fn age(asked_at: DateTime<Utc>, now: DateTime<Utc>, trouble: Option<&str>) -> String {
    format!("<p class=\"quiet\">{}</p>", said_age(asked_at, now, trouble))
}

fn said_age(asked_at: DateTime<Utc>, now: DateTime<Utc>, trouble: Option<&str>) -> String {
    let old = words::duration((now - asked_at).num_seconds().max(0));
    let trouble = trouble.map(|why| format!("; asking again failed: {}", escape(why))).unwrap_or_default();
    format!("Counted {old} ago{trouble}.")
}

/// What of a strip a person should look at, in words, with what to do.
pub(super) fn troubles(runs: &[Run]) -> String {
    let all: Vec<_> = runs.iter().rev().filter(|run| run.state.is_trouble()).collect();
    if all.is_empty() {
        return String::new();
    }
    let mut html = String::from("<ul class=\"troubles\">");
    for run in all.iter().take(TROUBLES) {
        let todo = match run.state {
            State::Failing => "the stream below says why.",
            State::Gap => "it cannot be read any more; ask the vendor for an export.",
            State::Soon => "see to it that it is read before the vendor forgets it.",
            State::Nothing | State::Final | State::ReadAgain | State::Read | State::Reading | State::Unread => "",
        };
        let _ = write!(
            html,
            "<li><strong>{}</strong>: {}: {todo}</li>",
            run.state.words(),
            words::days(run.from, run.through)
        );
    }
    if all.len() > TROUBLES {
        let _ = write!(html, "<li>{} earlier.</li>", count(more(all.len(), TROUBLES), "stretch", "stretches"));
    }
    html.push_str("</ul>");
    html
}
