//! What stands around every page: head, navigation, footer, style and script.

use std::fmt::Write;

use super::{svg, words::escape};

/// The style sheet. Its hash is in the answer's policy, so it stands in the page byte for byte.
pub(in crate::status) const STYLE: &str = include_str!("page.css");
/// The script, which fetches the page again: as with the style sheet.
pub(in crate::status) const SCRIPT: &str = include_str!("page.js");

/// Which page it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Here {
    /// The front page.
    Overview,
    /// What is in quarantine.
    Quarantine,
    /// None of those in the navigation.
    Elsewhere,
}

const PAGES: [(Here, &str, &str); 2] =
    [(Here::Overview, "/", "Status"), (Here::Quarantine, "/quarantine", "Quarantine")];

/// The whole document around `main`, which is markup already; `title` is not.
pub(super) fn document(title: &str, here: Here, main: &str) -> String {
    let mut html = String::with_capacity(STYLE.len() + SCRIPT.len() + main.len() + 4096);
    // Without JavaScript the browser loads the page again by itself.
    let _ = write!(
        html,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <noscript><meta http-equiv=\"refresh\" content=\"15\"></noscript>\
         <title>{} · fuelsync</title><style>{STYLE}</style></head><body>\
         <a class=\"skip\" href=\"#main\">To the content</a><header><nav aria-label=\"Pages\">",
        escape(title)
    );
    for (page, href, name) in PAGES {
        let current = if page == here { " aria-current=\"page\"" } else { "" };
        let _ = write!(html, "<a href=\"{href}\"{current}>{name}</a>");
    }
    let _ = write!(
        html,
        "</nav></header>{}<p id=\"lost\" role=\"status\" hidden></p><main id=\"main\" tabindex=\"-1\">{main}</main>\
         <footer><p>For programs: <a href=\"/api/status\">/api/status</a>, <a href=\"/metrics\">/metrics</a>, \
         <a href=\"/healthz\">/healthz</a>, <a href=\"/readyz\">/readyz</a>. All times are UTC. Nothing can be changed \
         from here; <code>fuelsync help</code> names the commands that do.</p></footer><script>{SCRIPT}</script></body></html>",
        svg::PATTERNS
    );
    html
}

/// There is no such page. What was asked for is not repeated.
pub(super) fn not_found(said: &str) -> String {
    let main = format!(
        "<section id=\"none\" data-part aria-labelledby=\"none-h\"><h1 id=\"none-h\">Not found</h1><p>{}</p>\
         <p><a href=\"/\">The status of all streams</a></p></section>",
        escape(said)
    );
    document("not found", Here::Elsewhere, &main)
}

/// The database cannot be asked.
pub(super) fn unavailable(said: &str) -> String {
    let main = format!(
        "<section id=\"none\" data-part aria-labelledby=\"none-h\"><h1 id=\"none-h\">Not known</h1>\
         <p class=\"verdict bad\"><span aria-hidden=\"true\">✕</span> {}</p><p>Nothing that was committed is lost. See that \
         the database runs; <code>fuelsync check</code> says more.</p></section>",
        escape(said)
    );
    document("database out of reach", Here::Elsewhere, &main)
}
