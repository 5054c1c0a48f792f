//! The table of streams.

use std::fmt::Write;

use super::{
    advice,
    model::Health,
    words::{self, DASH, escape, time},
};
use crate::status::view::StreamView;

const COLUMNS: [(&str, &str); 8] = [
    ("Stream", ""),
    ("State", ""),
    ("Watermark", ""),
    ("Last pass", ""),
    ("Rows", "n"),
    ("Quarantine", "n"),
    ("Gaps", "n"),
    ("Next due", ""),
];

/// A table of some streams, in their order.
pub(super) fn streams<'a>(caption: &str, streams: impl Iterator<Item = (Health, &'a StreamView)>) -> String {
    let mut html = format!("<table class=\"cards\"><caption>{}</caption><thead><tr>", escape(caption));
    for (name, class) in COLUMNS {
        let _ = write!(html, "<th scope=\"col\" class=\"{class}\">{name}</th>");
    }
    html.push_str("</tr></thead><tbody>");
    for (health, stream) in streams {
        row(&mut html, health, stream);
    }
    html.push_str("</tbody></table>");
    html
}

/// How a stream is, as a word with a sign.
pub(super) fn badge(health: Health) -> String {
    let (class, sign, word) = (health.class(), health.sign(), health.word());
    format!("<span class=\"badge {class}\"><span aria-hidden=\"true\">{sign}</span> {word}</span>")
}

/// Its state, with the last error in words, what to do about it, and who reads it now.
pub(super) fn state(health: Health, stream: &StreamView) -> String {
    let mut html = badge(health);
    if health == Health::Retired {
        html.push_str("<p class=\"quiet\">The configuration no longer asks for it. Its rows stay.</p>");
    } else if let Some(error) = &stream.last_error {
        let _ = write!(
            html,
            "<p class=\"error\">{}</p><p class=\"todo\"><strong>What to do:</strong> {}</p>",
            escape(error),
            escape(advice::on(error))
        );
    } else if health == Health::Late && stream.is_list() {
        html.push_str(
            "<p class=\"todo\"><strong>What to do:</strong> the vendor lists no contract for this account: ask it to, or name \
             those to be read in <code>contracts</code>.</p>",
        );
    } else if health == Health::Late {
        html.push_str(
            "<p class=\"todo\"><strong>What to do:</strong> see whether a pass is under way, and what the log says.</p>",
        );
    }
    if let Some(owner) = &stream.lease_owner {
        let _ = write!(html, "<p class=\"quiet\">being read by {}</p>", escape(owner));
    }
    html
}

/// The watermark, and how far it is behind the source's time and what its schedule promises.
pub(super) fn watermark(stream: &StreamView) -> String {
    let Some(behind) = stream.freshness_seconds else { return time(stream.watermark) };
    let lag = stream.lag_seconds.filter(|lag| *lag > 0);
    let lag = lag.map(|lag| format!(", {} more than its schedule promises", words::duration(lag))).unwrap_or_default();
    format!("{}<br><small>{} behind{lag}</small>", time(stream.watermark), words::duration(behind))
}

/// How a stream is called beside its account.
pub(super) fn name(stream: &StreamView) -> String {
    if stream.is_list() { "list of contracts".to_owned() } else { words::partition(&stream.partition) }
}

fn row(html: &mut String, health: Health, stream: &StreamView) {
    let quarantine = if stream.quarantine == 0 {
        "0".to_owned()
    } else {
        format!("<a href=\"/quarantine\">{}</a>", words::number(stream.quarantine))
    };
    let cells = [
        state(health, stream),
        watermark(stream),
        time(stream.last_pass),
        words::number(stream.rows),
        quarantine,
        words::number(stream.gaps),
        stream.next_due.map_or_else(|| DASH.to_owned(), |due| time(Some(due))),
    ];
    let _ = write!(
        html,
        "<tr class=\"{}\"><th scope=\"row\"><a href=\"{}\">{}</a></th>",
        health.class(),
        words::stream_href(&stream.id()),
        escape(&name(stream))
    );
    for ((name, class), cell) in COLUMNS.into_iter().skip(1).zip(cells) {
        let _ = write!(html, "<td class=\"{class}\" data-label=\"{name}\"><div>{cell}</div></td>");
    }
    html.push_str("</tr>");
}
