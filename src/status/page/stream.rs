//! The page of one stream: how it stands, its days, its windows and gaps.

use std::fmt::Write;

use super::{
    advice,
    days::{self, State},
    model::{Health, StreamPage, frame, health, is_wanted},
    overview::troubles,
    shell::{self, Here},
    svg, table,
    words::{self, DASH, count, escape, minute, number, time},
};
use crate::warehouse::coverage::{GapReport, Span, Standing, WindowReport};

/// Windows that are shown, the failing ones first.
const WINDOWS: usize = 150;
/// Gaps that are shown.
const GAPS: usize = 50;

/// The whole document.
pub(super) fn render(page: &StreamPage) -> String {
    let stream = &page.stream;
    let name = stream.id().to_string();
    let health = health(stream);
    let mut html = String::with_capacity(32 * 1024);
    let _ = write!(
        html,
        "<section id=\"stream\" data-part aria-labelledby=\"stream-h\"><h1 id=\"stream-h\">{}</h1>\
         <p class=\"quiet\">{}, account <a href=\"{}\">{}</a>, {} · as of {}</p>{}<dl class=\"facts\">",
        escape(&name),
        words::source(stream.source),
        words::group_href(stream.source, &stream.account),
        escape(&stream.account),
        escape(&table::name(stream)),
        time(Some(page.taken_at)),
        table::state(health, stream)
    );
    let schedule = page
        .cadences
        .accounts
        .get(&(stream.source, stream.account.clone()))
        .map_or_else(|| DASH.to_owned(), |cadence| format!("<code>{}</code>", escape(&cadence.schedule)));
    let facts = [
        ("Watermark", table::watermark(stream)),
        ("Last pass", time(stream.last_pass)),
        ("Next due", time(stream.next_due)),
        ("Schedule", schedule),
        ("Rows, by the ledger", number(stream.rows)),
        ("Quarantine", number(stream.quarantine)),
        ("Gaps", number(stream.gaps)),
    ];
    for (name, value) in facts {
        let _ = write!(html, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    html.push_str("</dl></section>");
    match &page.ledger {
        Ok(ledger) => {
            coverage(&mut html, page, health, &ledger.days);
            gap_table(&mut html, &ledger.gaps);
            window_table(&mut html, &ledger.windows, page);
        }
        Err(problem) => {
            let _ = write!(
                html,
                "<section id=\"ledger\" data-part aria-labelledby=\"ledger-h\"><h2 id=\"ledger-h\">Windows</h2>\
                 <p class=\"error\">Not known: {}</p></section>",
                escape(problem)
            );
        }
    }
    shell::document(&name, Here::Elsewhere, &html)
}

fn coverage(html: &mut String, page: &StreamPage, health: Health, spans: &[Span]) {
    let stream = &page.stream;
    let wanted = is_wanted(health);
    let frame = frame(stream.source, &stream.account, &page.cadences, page.taken_at, wanted);
    // Nobody waits for what lies behind the watermark of a stream that is no longer wanted.
    let runs = days::strip(spans.iter().filter(|span| wanted || span.standing != Standing::Watermark), frame);
    let _ = write!(
        html,
        "<section id=\"days\" data-part aria-labelledby=\"days-h\"><h2 id=\"days-h\">Days</h2>{}{}{}</section>",
        svg::strip("strip", &stream.id().to_string(), &runs),
        troubles(&runs),
        svg::legend()
    );
}

fn gap_table(html: &mut String, gaps: &[GapReport]) {
    if gaps.is_empty() {
        return;
    }
    let _ = write!(
        html,
        "<section id=\"gaps\" data-part aria-labelledby=\"gaps-h\"><h2 id=\"gaps-h\">Gaps</h2>\
         <p>{} that the source no longer serves and that {} never read. <strong>What to do:</strong> ask the vendor for an \
         export; fuelsync cannot read {} any more.</p><table class=\"cards\"><caption>Gaps, the newest first</caption><thead><tr>\
         <th scope=\"col\">From</th><th scope=\"col\">To</th><th scope=\"col\">Reason</th><th scope=\"col\">Found</th></tr></thead><tbody>",
        count(i64::try_from(gaps.len()).unwrap_or(i64::MAX), "stretch", "stretches"),
        if gaps.len() == 1 { "was" } else { "were" },
        if gaps.len() == 1 { "it" } else { "them" },
    );
    for gap in gaps.iter().take(GAPS) {
        let _ = write!(
            html,
            "<tr><th scope=\"row\">{}</th><td data-label=\"To\">{}</td><td data-label=\"Reason\">{}</td><td data-label=\"Found\">{}</td></tr>",
            minute(gap.stretch.start()),
            minute(gap.stretch.end()),
            escape(&gap.reason),
            minute(gap.recorded_at)
        );
    }
    html.push_str("</tbody></table>");
    if gaps.len() > GAPS {
        let _ = write!(html, "<p class=\"more\">{} older not shown.</p>", number(left(gaps.len(), GAPS)));
    }
    html.push_str("</section>");
}

fn left(all: usize, shown: usize) -> i64 {
    i64::try_from(all.saturating_sub(shown)).unwrap_or(i64::MAX)
}

/// How a window stands, in the words of a strip.
const fn state(standing: Standing) -> State {
    match standing {
        Standing::Final => State::Final,
        Standing::ReadAgain => State::ReadAgain,
        Standing::Read => State::Read,
        Standing::Open | Standing::Watermark => State::Reading,
        Standing::Unread => State::Unread,
        Standing::Failing | Standing::FailingUnread => State::Failing,
        Standing::Gap => State::Gap,
    }
}

const COLUMNS: [(&str, &str); 9] = [
    ("Window", ""),
    ("State", ""),
    ("Last read", ""),
    ("Lines", "n"),
    ("New", "n"),
    ("Changed", "n"),
    ("As before", "n"),
    ("Quarantine", "n"),
    ("Missing", "n"),
];

fn window_table(html: &mut String, windows: &[WindowReport], page: &StreamPage) {
    let _ = write!(
        html,
        "<section id=\"windows\" data-part aria-labelledby=\"windows-h\"><h2 id=\"windows-h\">Windows</h2>\
         <p>Each was read as a whole, with the counts of its last read; those that fail come first, then the newest.</p>"
    );
    if windows.is_empty() {
        html.push_str("<p>None yet.</p></section>");
        return;
    }
    let mut order: Vec<&WindowReport> = windows.iter().collect();
    // Stable: among each other they keep the order of time.
    order.sort_by_key(|report| state(report.standing) != State::Failing);
    let _ = write!(
        html,
        "<table class=\"cards\"><caption>Windows of {}</caption><thead><tr>",
        escape(&page.stream.id().to_string())
    );
    for (name, class) in COLUMNS {
        let _ = write!(html, "<th scope=\"col\" class=\"{class}\">{name}</th>");
    }
    html.push_str("</tr></thead><tbody>");
    for report in order.iter().take(WINDOWS) {
        row(html, report);
    }
    html.push_str("</tbody></table>");
    if order.len() > WINDOWS {
        let _ = write!(
            html,
            "<p class=\"more\">{} older not shown; <code>fuel.sync_window</code> has all.</p>",
            count(left(order.len(), WINDOWS), "window", "windows")
        );
    }
    html.push_str("</section>");
}

fn row(html: &mut String, report: &WindowReport) {
    let state = state(report.standing);
    let class = if state == State::Failing { "bad" } else { "" };
    let mut said = if state == State::Failing {
        format!(
            "<span class=\"badge bad\"><span aria-hidden=\"true\">✕</span> failing</span> <small>{}</small>",
            count(report.attempts.into(), "attempt", "attempts")
        )
    } else {
        escape(state.words())
    };
    if let Some(error) = &report.last_error {
        let _ = write!(
            said,
            "<p class=\"error\">{}</p><p class=\"todo\"><strong>What to do:</strong> {}</p>",
            escape(error),
            escape(advice::on(error))
        );
    }
    let cells = [
        said,
        report.last_read_at.map_or_else(|| DASH.to_owned(), minute),
        number(report.fetched),
        number(report.inserted),
        number(report.updated),
        number(report.unchanged),
        number(report.quarantined),
        number(report.missing),
    ];
    let _ = write!(
        html,
        "<tr class=\"{class}\"><th scope=\"row\">{} to {}</th>",
        minute(report.window.start()),
        minute(report.window.end())
    );
    for ((name, class), cell) in COLUMNS.into_iter().skip(1).zip(cells) {
        let _ = write!(html, "<td class=\"{class}\" data-label=\"{name}\"><div>{cell}</div></td>");
    }
    html.push_str("</tr>");
}
