//! Sales a day by source, and what reading brought by the hour.

use std::{collections::BTreeMap, fmt::Write, sync::Arc};

use chrono::{DateTime, NaiveDate, TimeDelta, Timelike, Utc};

use super::{
    kept::Known,
    model::{SALES_DAYS, first_of},
    overview::{age, not_yet},
    svg::{self, Bar},
    words::{self, count, number, percent},
};
use crate::{
    domain::SourceKind,
    warehouse::activity::{DayOfSales, HourOfRuns},
};

/// How many hours of reading are shown.
pub(super) const HOURS: i64 = 24;

/// Lines of sales a day, a drawing for each source that has any, and the same in a table of figures.
pub(super) fn sales(known: &Known<Arc<Vec<DayOfSales>>>, now: DateTime<Utc>) -> String {
    let mut html =
        String::from("<section id=\"sales\" data-part aria-labelledby=\"sales-h\"><h2 id=\"sales-h\">Sales a day</h2>");
    let Some((asked_at, days)) = &known.value else {
        let _ = write!(html, "<p>{}.</p></section>", capital(&not_yet(known.trouble.as_deref())));
        return html;
    };
    let (first, today) = (first_of(SALES_DAYS, now), now.date_naive());
    let mut sources: BTreeMap<SourceKind, BTreeMap<NaiveDate, i64>> = BTreeMap::new();
    for day in days.iter().filter(|day| first <= day.day && day.day <= today) {
        *sources.entry(day.source).or_default().entry(day.day).or_default() += day.lines;
    }
    let _ = write!(html, "<p>Lines that took place on each of {SALES_DAYS} days (UTC), in any state.</p>");
    html.push_str(&age(*asked_at, now, known.trouble.as_deref()));
    if sources.is_empty() {
        html.push_str("<p>None.</p></section>");
        return html;
    }
    html.push_str("<div class=\"charts\">");
    for (source, by_day) in &sources {
        html.push_str(&one_source(*source, by_day, first, today));
    }
    html.push_str("</div>");
    html.push_str(&figures(&sources, first, today));
    html.push_str("</section>");
    html
}

fn one_source(source: SourceKind, by_day: &BTreeMap<NaiveDate, i64>, first: NaiveDate, today: NaiveDate) -> String {
    let bars: Vec<_> = svg::each_day(first, today)
        .map(|day| {
            let lines = by_day.get(&day).copied().unwrap_or(0);
            Bar { label: day.to_string(), plain: lines, hatched: 0, title: format!("{day}: {}", number(lines)) }
        })
        .collect();
    let without = bars.iter().filter(|bar| bar.plain == 0).count();
    let said = format!(
        "{} over {SALES_DAYS} days, {} on the day with most; {} without any.",
        count(by_day.values().sum(), "line", "lines"),
        number(by_day.values().copied().max().unwrap_or(0)),
        count(i64::try_from(without).unwrap_or(0), "day", "days")
    );
    format!(
        "<figure><figcaption>{} <small>{source}</small></figcaption>{}</figure>",
        words::source(source),
        svg::bars(&format!("sales-{source}"), &format!("Sales a day of {source}"), &said, &bars)
    )
}

/// The figures that a person would ask of the drawings.
fn figures(sources: &BTreeMap<SourceKind, BTreeMap<NaiveDate, i64>>, first: NaiveDate, today: NaiveDate) -> String {
    let mut html = String::from(
        "<div class=\"wide\" id=\"sales-box\" role=\"group\" aria-label=\"Sales in figures; scrolls sideways\" tabindex=\"0\"><table><caption>Lines of sales by source</caption><thead><tr><th scope=\"col\">Source</th>",
    );
    for name in ["Today so far", "Yesterday", "Mean of the 7 days before", "All 90 days"] {
        let _ = write!(html, "<th scope=\"col\" class=\"n\">{name}</th>");
    }
    html.push_str("</tr></thead><tbody>");
    let (yesterday, week) = (today - TimeDelta::days(1), today - TimeDelta::days(8));
    for (source, by_day) in sources {
        let sum = |from: NaiveDate, before: NaiveDate| -> i64 {
            by_day.iter().filter(|(day, _)| from <= **day && **day < before).map(|(_, lines)| lines).sum()
        };
        let cells = [
            sum(today, today + TimeDelta::days(1)),
            sum(yesterday, today),
            sum(week, yesterday) / 7,
            sum(first, today + TimeDelta::days(1)),
        ];
        let _ = write!(html, "<tr><th scope=\"row\">{source}</th>");
        for cell in cells {
            let _ = write!(html, "<td class=\"n\">{}</td>", number(cell));
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table></div>");
    html
}

/// What was read by the hour: what was new, and what reading again cost.
pub(super) fn reading(known: &Known<Arc<Vec<HourOfRuns>>>, now: DateTime<Utc>) -> String {
    let mut html = String::from(
        "<section id=\"reading\" data-part aria-labelledby=\"reading-h\"><h2 id=\"reading-h\">Reading</h2>",
    );
    let Some((asked_at, hours)) = &known.value else {
        let _ = write!(html, "<p>{}.</p></section>", capital(&not_yet(known.trouble.as_deref())));
        return html;
    };
    let sum = |of: fn(&HourOfRuns) -> i64| hours.iter().map(of).sum::<i64>();
    let (fetched, changed, unchanged) = (sum(|h| h.fetched), sum(|h| h.changed), sum(|h| h.unchanged));
    let (runs, windows, busy) = (sum(|h| h.runs), sum(|h| h.windows), sum(|h| h.busy_ms));
    let speed = if busy > 0 { fetched.saturating_mul(1000) / busy } else { 0 };
    let _ = write!(
        html,
        "<p>What passes and backfills read in the last {HOURS} hours. Windows are read again on purpose, because vendors \
         correct their sales; lines that were there already are what that costs.</p>{}<dl class=\"facts\">",
        age(*asked_at, now, known.trouble.as_deref())
    );
    let facts = [
        ("Passes", number(runs)),
        ("Windows", number(windows)),
        ("Lines read", number(fetched)),
        ("New or changed", format!("{} ({} %)", number(changed), percent(changed, fetched))),
        ("There already", format!("{} ({} %)", number(unchanged), percent(unchanged, fetched))),
        ("Lines a second of a pass", number(speed)),
    ];
    for (name, value) in facts {
        let _ = write!(html, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    html.push_str("</dl>");
    let by_hour: BTreeMap<_, _> = hours.iter().map(|hour| (hour.hour, *hour)).collect();
    let this_hour = now.date_naive().and_hms_opt(now.hour(), 0, 0).map_or(now, |at| at.and_utc());
    let bars: Vec<_> = (0..HOURS)
        .rev()
        .map(|ago| {
            let at = this_hour - TimeDelta::hours(ago);
            let hour = by_hour.get(&at).copied().unwrap_or_default();
            let label = at.format("%H:00").to_string();
            let title =
                format!("{label}: {} new or changed, {} there already", number(hour.changed), number(hour.unchanged));
            Bar { label, plain: hour.changed, hatched: hour.unchanged, title }
        })
        .collect();
    let said = format!(
        "{} over {HOURS} hours: {} new or changed, {} there already.",
        count(fetched, "line", "lines"),
        number(changed),
        number(unchanged)
    );
    let _ = write!(
        html,
        "<figure class=\"hours\"><figcaption>Lines read by the hour: plain new or changed, hatched there already</figcaption>{}</figure></section>",
        svg::bars("reading-svg", "Lines read by the hour", &said, &bars)
    );
    html
}

/// A sentence's beginning. What comes here begins with a letter.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
