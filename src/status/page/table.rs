//! The table of streams.

use std::fmt::Write;

use super::{
    advice,
    model::{Cadences, Health, id},
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
pub(super) fn streams<'a>(
    caption: &str,
    streams: impl Iterator<Item = (Health, &'a StreamView)>,
    cadences: &Cadences,
) -> String {
    let mut html = format!("<table class=\"cards\"><caption>{}</caption><thead><tr>", escape(caption));
    for (name, class) in COLUMNS {
        let _ = write!(html, "<th scope=\"col\" class=\"{class}\">{name}</th>");
    }
    html.push_str("</tr></thead><tbody>");
    for (health, stream) in streams {
        row(&mut html, health, stream, cadences);
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
    if let Some(error) = &stream.last_error {
        let _ = write!(
            html,
            "<p class=\"error\">{}</p><p class=\"todo\"><strong>What to do:</strong> {}</p>",
            escape(error),
            escape(advice::on(error).todo)
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

/// The watermark, and how far it is behind against what its schedule explains.
pub(super) fn watermark(stream: &StreamView, cadences: &Cadences) -> String {
    let Some(behind) = stream.freshness_seconds else { return time(stream.watermark) };
    let allowed = cadences
        .allowed(stream.source, &stream.account)
        .map(|allowed| format!(", late beyond {}", words::duration(allowed.num_seconds())))
        .unwrap_or_default();
    format!("{}<br><small>{} behind{allowed}</small>", time(stream.watermark), words::duration(behind))
}

fn row(html: &mut String, health: Health, stream: &StreamView, cadences: &Cadences) {
    let quarantine = if stream.quarantine == 0 {
        "0".to_owned()
    } else {
        format!("<a href=\"/quarantine\">{}</a>", words::number(stream.quarantine))
    };
    let cells = [
        state(health, stream),
        watermark(stream, cadences),
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
        words::stream_href(&id(stream)),
        escape(&words::partition(&stream.partition))
    );
    for ((name, class), cell) in COLUMNS.into_iter().skip(1).zip(cells) {
        let _ = write!(html, "<td class=\"{class}\" data-label=\"{name}\"><div>{cell}</div></td>");
    }
    html.push_str("</tr>");
}
