//! The page for people: one table, rendered here, with nothing from outside.

use std::fmt::Write;

use chrono::{DateTime, Utc};

use super::view::{StreamView, View};

/// The page's style sheet. Its hash is in the answer's policy, so it stands in the page byte for byte.
pub(super) const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:15px/1.45 system-ui,sans-serif;margin:2rem;max-width:90rem}\
h1{font-size:1.3rem;margin:0}\
p{margin:.4rem 0 1.2rem}\
table{border-collapse:collapse;width:100%}\
th,td{padding:.35rem .7rem;text-align:left;vertical-align:top;border-bottom:1px solid #8884}\
th{font-weight:600;white-space:nowrap}\
td{font-variant-numeric:tabular-nums}\
.number{text-align:right}\
.problem{color:#b3261e;font-weight:600}\
@media(prefers-color-scheme:dark){.problem{color:#ff8a80}}";

const COLUMNS: [(&str, &str); 12] = [
    ("Source", ""),
    ("Account", ""),
    ("Partition", ""),
    ("Watermark", ""),
    ("Behind", "number"),
    ("Last pass", ""),
    ("Rows", "number"),
    ("Gaps", "number"),
    ("Quarantine", "number"),
    ("Next due", ""),
    ("Last error", ""),
    ("Read by", ""),
];

/// The whole document.
pub(super) fn render(view: &View) -> String {
    let mut html = String::with_capacity(4096 + view.streams.len() * 512);
    html.push_str("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    html.push_str("<meta http-equiv=\"refresh\" content=\"15\"><title>fuelsync</title><style>");
    html.push_str(STYLE);
    html.push_str("</style></head><body><h1>fuelsync</h1>");
    // Writing to a string does not fail.
    let _ = write!(
        html,
        "<p>Version {} · running since {} · as of {}</p>",
        escape(&view.version),
        time(Some(view.started_at)),
        time(Some(view.taken_at))
    );
    if !view.database.is_ready() {
        let said = view.database.problem.as_deref().unwrap_or("The database cannot be used.");
        let _ = write!(html, "<p class=\"problem\">{}</p>", escape(said));
    }
    html.push_str("<table><thead><tr>");
    for (name, class) in COLUMNS {
        let _ = write!(html, "<th class=\"{class}\">{name}</th>");
    }
    html.push_str("</tr></thead><tbody>");
    for stream in &view.streams {
        row(&mut html, stream);
    }
    if view.streams.is_empty() {
        let said = if view.database.is_ready() {
            "No stream has been read yet."
        } else {
            "Not known: the database cannot be asked. Nothing that was committed is lost."
        };
        let _ = write!(html, "<tr><td colspan=\"{}\">{said}</td></tr>", COLUMNS.len());
    }
    html.push_str("</tbody></table></body></html>");
    html
}

fn row(html: &mut String, stream: &StreamView) {
    let cells = [
        stream.source.as_str().to_owned(),
        escape(&stream.account),
        escape(stream.partition.as_str()),
        time(stream.watermark),
        stream.freshness_seconds.map_or_else(dash, duration),
        time(stream.last_pass),
        stream.rows.to_string(),
        stream.gaps.to_string(),
        stream.quarantine.to_string(),
        time(stream.next_due),
        stream.last_error.as_deref().map_or_else(dash, escape),
        stream.lease_owner.as_deref().map_or_else(dash, escape),
    ];
    html.push_str("<tr>");
    for ((name, class), cell) in COLUMNS.into_iter().zip(cells) {
        let class = if name == "Last error" && stream.last_error.is_some() { "problem" } else { class };
        let _ = write!(html, "<td class=\"{class}\">{cell}</td>");
    }
    html.push_str("</tr>");
}

fn dash() -> String {
    "–".to_owned()
}

fn time(time: Option<DateTime<Utc>>) -> String {
    time.map_or_else(dash, |time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// The two largest units; a person asks whether it is minutes or days.
fn duration(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let all = seconds.unsigned_abs();
    let (days, hours, minutes, seconds) = (all / 86_400, all / 3600 % 24, all / 60 % 60, all % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{seconds} s"),
        (0, 0, _) => format!("{sign}{minutes} min {seconds} s"),
        (0, ..) => format!("{sign}{hours} h {minutes} min"),
        _ => format!("{sign}{days} d {hours} h"),
    }
}

/// Text as text, in elements and in quoted attributes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_text() {
        assert_eq!(escape(r#"<a href="x" y='z'>&"#), "&lt;a href=&quot;x&quot; y=&#39;z&#39;&gt;&amp;");
    }

    #[test]
    fn a_duration_shows_its_two_largest_units() {
        for (seconds, shown) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min 0 s"),
            (3_725, "1 h 2 min"),
            (90_000, "1 d 1 h"),
            (-61, "-1 min 1 s"),
        ] {
            assert_eq!(duration(seconds), shown);
        }
    }
}
