//! The page of the quarantine: what could not be understood, by field and reason. Never the records themselves: they may
//! hold personal data, and the page has no login.

use std::{collections::BTreeMap, fmt::Write};

use super::{
    model::QuarantinePage,
    shell::{self, Here},
    words::{self, count, escape, minute, number, time},
};
use crate::warehouse::activity::InQuarantine;

/// Records that are asked for and shown.
pub(super) const SHOWN: i64 = 500;
/// Faults that are shown together.
const FAULTS: usize = 20;

/// The whole document.
pub(super) fn render(page: &QuarantinePage) -> String {
    let mut html = String::with_capacity(16 * 1024);
    let _ = write!(
        html,
        "<section id=\"quarantine\" data-part aria-labelledby=\"quarantine-h\"><h1 id=\"quarantine-h\">Quarantine</h1>\
         <p class=\"quiet\">As of {}</p>",
        time(Some(page.taken_at))
    );
    match &page.found {
        Err(problem) => {
            let _ = write!(html, "<p class=\"error\">Not known: {}</p></section>", escape(problem));
        }
        Ok(found) if found.is_empty() => {
            html.push_str(
                "<p class=\"verdict good\"><span aria-hidden=\"true\">✓</span> Nothing is in quarantine: every record could be \
                 understood.</p></section>",
            );
        }
        Ok(found) => {
            let shown = i64::try_from(found.len()).unwrap_or(i64::MAX);
            let all = page.all.unwrap_or(shown).max(shown);
            let _ = write!(
                html,
                "<p class=\"verdict warn\"><span aria-hidden=\"true\">▲</span> {} could not be understood. The rest of their \
                 windows is loaded.</p>{}</section>",
                count(all, "record", "records"),
                WHAT_TO_DO
            );
            faults(&mut html, found);
            list(&mut html, found, all - shown);
        }
    }
    shell::document("quarantine", Here::Quarantine, &html)
}

const WHAT_TO_DO: &str = "<h2>What to do</h2><ol>\
<li>Look at one: <code>fuelsync quarantine show ID</code> prints the record. It may hold personal data, so it is not shown here.</li>\
<li>The field stands elsewhere in the record: set its pointer under <code>[hecone.fields]</code>, restart fuelsync, then \
<code>fuelsync quarantine replay</code>.</li>\
<li>The record is wrong at the vendor: report it. When it is corrected, the next read of its window settles it.</li>\
<li>It will never be right: <code>fuelsync quarantine drop ID</code>.</li></ol>";

/// What is wrong most often: one cause is often behind many records.
fn faults(html: &mut String, found: &[InQuarantine]) {
    let mut faults: BTreeMap<(&str, &str, &str), i64> = BTreeMap::new();
    for one in found {
        *faults.entry((one.stream.source.as_str(), &one.field, &one.reason)).or_default() += 1;
    }
    let mut faults: Vec<_> = faults.into_iter().collect();
    faults.sort_by_key(|(fault, records)| (std::cmp::Reverse(*records), *fault));
    html.push_str(
        "<section id=\"faults\" data-part aria-labelledby=\"faults-h\"><h2 id=\"faults-h\">By fault</h2><table class=\"cards\">\
         <caption>What is wrong, the most frequent first</caption><thead><tr><th scope=\"col\">Field</th><th scope=\"col\">Reason</th>\
         <th scope=\"col\">Source</th><th scope=\"col\" class=\"n\">Records</th></tr></thead><tbody>",
    );
    for ((source, field, reason), records) in faults.iter().take(FAULTS) {
        let _ = write!(
            html,
            "<tr><th scope=\"row\"><code>{}</code></th><td data-label=\"Reason\">{}</td><td data-label=\"Source\">{source}</td>\
             <td class=\"n\" data-label=\"Records\">{}</td></tr>",
            escape(field),
            escape(reason),
            number(*records)
        );
    }
    html.push_str("</tbody></table>");
    if faults.len() > FAULTS {
        let rest = i64::try_from(faults.len() - FAULTS).unwrap_or(i64::MAX);
        let _ = write!(html, "<p class=\"more\">{} more not shown.</p>", count(rest, "fault", "faults"));
    }
    html.push_str("</section>");
}

fn list(html: &mut String, found: &[InQuarantine], more: i64) {
    html.push_str(
        "<section id=\"records\" data-part aria-labelledby=\"records-h\"><h2 id=\"records-h\">Records</h2><table class=\"cards\">\
         <caption>The newest first</caption><thead><tr><th scope=\"col\">ID</th><th scope=\"col\">Stream</th><th scope=\"col\">Field</th>\
         <th scope=\"col\">Reason</th><th scope=\"col\">Since</th><th scope=\"col\">Last met</th></tr></thead><tbody>",
    );
    for one in found {
        let _ = write!(
            html,
            "<tr><th scope=\"row\">{}</th><td data-label=\"Stream\"><a href=\"{}\">{}</a></td><td data-label=\"Field\"><code>{}</code></td>\
             <td data-label=\"Reason\">{}</td><td data-label=\"Since\">{}</td><td data-label=\"Last met\">{}</td></tr>",
            one.id,
            words::stream_href(&one.stream),
            escape(&one.stream.to_string()),
            escape(&one.field),
            escape(&one.reason),
            minute(one.first_seen_at),
            minute(one.last_seen_at)
        );
    }
    html.push_str("</tbody></table>");
    if more > 0 {
        let _ = write!(
            html,
            "<p class=\"more\">{} not shown; <code>fuelsync quarantine list</code> lists all.</p>",
            count(more, "older record", "older records")
        );
    }
    html.push_str("</section>");
}
