//! The drawings, made here: coverage strips and bars. Whole numbers only, so that the same data is the same text.
//!
//! Nothing is told by colour alone: states differ in height or pattern, parts of a bar in pattern, and each drawing says in
//! words what it shows.

use std::fmt::Write;

use chrono::{Datelike, NaiveDate};

use super::{
    days::{Run, State},
    words::{self, count, escape, number},
};

/// Width of a day of a strip.
const DAY: i64 = 6;
/// Height of a strip.
const TALL: i64 = 24;
/// Height of bars.
const CHART: i64 = 80;

/// The patterns that the drawings refer to: once in a page.
pub(super) const PATTERNS: &str = "<svg class=\"defs\" width=\"0\" height=\"0\" aria-hidden=\"true\"><defs>\
<pattern id=\"p-failing\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">\
<path class=\"ink\" d=\"M-1 7 7 -1M-1 1 1 -1M5 7 7 5\"/></pattern>\
<pattern id=\"p-gap\" width=\"6\" height=\"5\" patternUnits=\"userSpaceOnUse\"><path class=\"ink\" d=\"M0 2.5H6\"/></pattern>\
<pattern id=\"p-soon\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\"><circle class=\"dot\" cx=\"3\" cy=\"3\" r=\"1.4\"/></pattern>\
<pattern id=\"p-same\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\"><path class=\"ink\" d=\"M-1 5 5 -1\"/></pattern>\
</defs></svg>";

/// How high a day of this state is: the more certain, the higher.
const fn height(state: State) -> i64 {
    match state {
        State::Nothing => 1,
        State::Reading => 6,
        State::Read => 12,
        State::ReadAgain => 18,
        State::Final | State::Unread | State::Gap | State::Failing | State::Soon => TALL,
    }
}

fn cell(svg: &mut String, x: i64, width: i64, state: State, title: Option<&str>) {
    let (tall, name) = (height(state), state.name());
    let y = TALL + 1 - tall;
    let title = title.map(|title| format!("<title>{}</title>", escape(title))).unwrap_or_default();
    // Writing to a string does not fail.
    let _ =
        write!(svg, "<rect class=\"s-{name}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{tall}\">{title}</rect>");
    if state.is_trouble() {
        let _ = write!(
            svg,
            "<rect class=\"over\" fill=\"url(#p-{name})\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{tall}\"/>"
        );
    }
}

/// A coverage strip. `id` is unique in the page, `name` what it is of; neither is escaped yet.
pub(super) fn strip(id: &str, name: &str, runs: &[Run]) -> String {
    let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return String::new() };
    let days = (last.through - first.from).num_days() + 1;
    let mut svg = String::with_capacity(2048);
    let _ = write!(
        svg,
        "<div class=\"wide\" id=\"{id}-box\" role=\"group\" aria-label=\"Coverage of {name}; scrolls sideways\" tabindex=\"0\">\
         <svg class=\"strip\" viewBox=\"0 0 {} 48\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
         <title id=\"{id}-t\">Coverage of {name}, {}</title><desc id=\"{id}-d\">{}.</desc>",
        days * DAY,
        words::days(first.from, last.through),
        escape(&in_words(runs)),
        name = escape(name),
    );
    for run in runs {
        let x = (run.from - first.from).num_days() * DAY;
        let title = format!("{}: {}", words::days(run.from, run.through), run.state.words());
        cell(&mut svg, x, run.days() * DAY, run.state, Some(&title));
    }
    for day in first.from.iter_days().take_while(|day| *day <= last.through).filter(|day| day.day() == 1) {
        let x = (day - first.from).num_days() * DAY;
        let _ =
            write!(svg, "<path class=\"tick\" d=\"M{x} 27V32\"/><text x=\"{x}\" y=\"43\">{}</text>", day.format("%b"));
    }
    svg.push_str("</svg></div>");
    svg
}

/// How many days stand how, the most certain first.
pub(super) fn in_words(runs: &[Run]) -> String {
    let said = State::ALL.into_iter().filter_map(|state| {
        let days: i64 = runs.iter().filter(|run| run.state == state).map(Run::days).sum();
        (days > 0).then(|| format!("{} {}", count(days, "day", "days"), state.words()))
    });
    said.collect::<Vec<_>>().join("; ")
}

/// What heights and patterns of a strip mean.
pub(super) fn legend() -> String {
    let mut html = String::from("<ul class=\"legend\">");
    for state in State::ALL {
        let _ = write!(html, "<li><svg viewBox=\"0 0 18 26\" width=\"18\" height=\"26\" aria-hidden=\"true\">");
        cell(&mut html, 0, 18, state, None);
        let _ = write!(html, "</svg> {}</li>", state.words());
    }
    html.push_str("</ul>");
    html
}

/// One bar: what it is of, its lower part, what stands on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bar {
    /// What it is of: a day, an hour.
    pub(super) label: String,
    /// The plain part, from the ground.
    pub(super) plain: i64,
    /// The hatched part on it.
    pub(super) hatched: i64,
    /// What it says when it is pointed at.
    pub(super) title: String,
}

/// Bars over time. `id` is unique in the page; `name` and `said` are what it shows and that in words, not escaped yet.
pub(super) fn bars(id: &str, name: &str, said: &str, bars: &[Bar]) -> String {
    const STEP: i64 = 10;
    let width = i64::try_from(bars.len()).unwrap_or(0) * STEP;
    let most = bars.iter().map(|bar| bar.plain.saturating_add(bar.hatched)).max().unwrap_or(0);
    let mut svg = String::with_capacity(256 + bars.len() * 140);
    let _ = write!(
        svg,
        "<svg class=\"bars\" viewBox=\"0 0 {width} {}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
         <title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc><path class=\"tick\" d=\"M0 {base}H{width}\"/>",
        CHART + 34,
        escape(name),
        escape(said),
        base = CHART + 16,
    );
    for (place, bar) in bars.iter().enumerate() {
        let x = i64::try_from(place).unwrap_or(0) * STEP + 1;
        let all = bar.plain.saturating_add(bar.hatched);
        if all <= 0 {
            continue;
        }
        let (plain, tall) = (scaled(bar.plain, most), scaled(all, most));
        let _ = write!(svg, "<g><title>{}</title>", escape(&bar.title));
        if plain > 0 {
            let _ = write!(
                svg,
                "<rect class=\"b\" x=\"{x}\" y=\"{}\" width=\"8\" height=\"{plain}\"/>",
                CHART + 16 - plain
            );
        }
        if tall > plain {
            let (y, rest) = (CHART + 16 - tall, tall - plain);
            let _ = write!(
                svg,
                "<rect class=\"b2\" x=\"{x}\" y=\"{y}\" width=\"8\" height=\"{rest}\"/>\
                 <rect fill=\"url(#p-same)\" x=\"{x}\" y=\"{y}\" width=\"8\" height=\"{rest}\"/>"
            );
        }
        svg.push_str("</g>");
    }
    let _ = write!(svg, "<text x=\"0\" y=\"11\">most: {}</text>", number(most));
    if let (Some(first), Some(last)) = (bars.first(), bars.last()) {
        let _ = write!(
            svg,
            "<text x=\"0\" y=\"{y}\">{}</text><text class=\"end\" x=\"{width}\" y=\"{y}\">{}</text>",
            escape(&first.label),
            escape(&last.label),
            y = CHART + 31
        );
    }
    svg.push_str("</svg>");
    svg
}

/// A value as a height; what is there can be seen.
fn scaled(value: i64, most: i64) -> i64 {
    if value <= 0 || most <= 0 { 0 } else { (value.saturating_mul(CHART) / most).max(1) }
}

/// The days from one to another, both included.
pub(super) fn each_day(from: NaiveDate, through: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    from.iter_days().take_while(move |day| *day <= through)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(from: &str, through: &str, state: State) -> Run {
        Run { from: from.parse().unwrap(), through: through.parse().unwrap(), state, pieces: 1 }
    }

    #[test]
    fn a_strip_says_in_words_what_it_shows() {
        let runs = [run("2026-11-01", "2026-11-20", State::Final), run("2026-11-21", "2026-11-21", State::Failing)];
        let svg = strip("c", "hecone/<b>", &runs);
        assert!(svg.contains("role=\"img\"") && svg.contains("20 days final: not read again; 1 day failing."), "{svg}");
        assert!(svg.contains("hecone/&lt;b&gt;") && !svg.contains("<b>"));
        assert!(svg.contains("url(#p-failing)"), "trouble has a pattern, too: {svg}");
    }

    #[test]
    fn every_state_is_told_without_its_colour() {
        let mut shapes: Vec<_> =
            State::ALL.into_iter().map(|state| (height(state), state.is_trouble().then(|| state.name()))).collect();
        shapes.sort_unstable();
        let all = shapes.len();
        shapes.dedup();
        // Unread is hollow, which final is not.
        assert_eq!((all, shapes.len()), (9, 8));
    }

    #[test]
    fn bars_stand_on_each_other_and_none_is_invisible() {
        let bar = |plain, hatched| Bar { label: "d".into(), plain, hatched, title: format!("{plain}+{hatched}") };
        let svg = bars("b", "Sales", "words", &[bar(1, 0), bar(0, 0), bar(500, 500)]);
        assert!(svg.contains("y=\"95\" width=\"8\" height=\"1\""), "{svg}");
        assert!(svg.contains("class=\"b2\" x=\"21\" y=\"16\" width=\"8\" height=\"40\""), "{svg}");
        assert_eq!(svg.matches("<g>").count(), 2);
    }
}
