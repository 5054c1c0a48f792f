//! The pages as documents: what stands in them, and what never does.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{
    kept::Known,
    model::{Ledger, Overview, QuarantinePage, StreamPage},
    overview, quarantine,
    sample::{self, at, cadences, now, span, stream},
    stream as stream_of,
};
use crate::{
    domain::{Partition, SourceKind, StreamId, Window},
    status::view::{DatabaseView, StreamView},
    warehouse::{
        activity::InQuarantine,
        coverage::{GapReport, Standing},
        standing::LastPass,
    },
};

/// What stands between the navigation and the footer, an element a line.
fn main_of(html: &str) -> String {
    let main = html.split_once("<main").unwrap().1.split_once("</main>").unwrap().0;
    main.replace("><", ">\n<")
}

fn failing(contract: &str) -> StreamView {
    StreamView {
        last_outcome: Some(LastPass::Failed),
        last_error: Some("HTTP 503: try later".to_owned()),
        ..stream(contract)
    }
}

fn stream_page(stream: StreamView) -> StreamPage {
    let windows = vec![
        sample::window("2026-11-23T00:00:00Z", Standing::Open, None),
        sample::window("2026-11-16T00:00:00Z", Standing::ReadAgain, None),
        sample::window("2026-11-09T00:00:00Z", Standing::Failing, Some("HTTP 503: try later")),
        sample::window("2026-11-02T00:00:00Z", Standing::Final, None),
    ];
    let gap = GapReport {
        stretch: Window::new(at("2026-07-01T00:00:00Z"), at("2026-07-08T00:00:00Z")).unwrap(),
        reason: "older than the source serves".to_owned(),
        recorded_at: at("2026-11-20T08:00:10Z"),
    };
    let days = vec![
        span(Standing::Gap, "2026-07-01", "2026-07-07"),
        span(Standing::Final, "2026-11-02", "2026-11-08"),
        span(Standing::Failing, "2026-11-09", "2026-11-15"),
        span(Standing::ReadAgain, "2026-11-16", "2026-11-22"),
        span(Standing::Open, "2026-11-23", "2026-11-29"),
        span(Standing::Watermark, "2026-11-27", "2026-11-27"),
    ];
    let ledger = Ok(Ledger { days, windows, gaps: vec![gap] });
    StreamPage { stream, taken_at: now(), cadences: Arc::new(cadences()), ledger }
}

fn rejected(id: i64) -> InQuarantine {
    InQuarantine {
        id,
        stream: StreamId::new(SourceKind::AlexelaCard, "fleet", Partition::contract("1")),
        field: "transactionTime".to_owned(),
        reason: "is missing".to_owned(),
        first_seen_at: at("2026-11-20T08:00:00Z"),
        last_seen_at: at("2026-11-27T10:00:00Z"),
    }
}

#[test]
fn the_front_page() {
    let mut overview = sample::overview(vec![stream("1"), failing("2")]);
    overview.view.streams[0].quarantine = 3;
    insta::assert_snapshot!(main_of(&overview::render(&overview)));
}

#[test]
fn the_page_of_a_stream() {
    insta::assert_snapshot!(main_of(&stream_of::render(&stream_page(failing("2")))));
}

#[test]
fn the_page_of_the_quarantine() {
    let page = QuarantinePage { taken_at: now(), all: Some(502), found: Ok(vec![rejected(8), rejected(7)]) };
    insta::assert_snapshot!(main_of(&quarantine::render(&page)));
}

#[test]
fn a_failing_stream_is_shown_as_failing_first_with_what_to_do() {
    let html = overview::render(&sample::overview(vec![stream("1"), failing("2")]));
    assert!(html.contains("<title>1 failing · fuelsync</title>"));
    assert!(html.contains("1 of 2 streams are failing."));
    let (two, one) = (html.find("contract 2").unwrap(), html.find("contract 1").unwrap());
    assert!(two < one, "the worst first");
    let row = html.split_once("contract 2").unwrap().1.split_once("</tr>").unwrap().0;
    assert!(row.contains("failing") && row.contains("HTTP 503: try later") && row.contains("What to do:"), "{row}");
    let row = html.split_once("contract 1").unwrap().1.split_once("</tr>").unwrap().0;
    assert!(row.contains("on time") && !row.contains("failing"), "{row}");
}

#[test]
fn a_stream_behind_its_schedule_is_shown_as_late() {
    let late = StreamView { freshness_seconds: Some(7_200), lag_seconds: Some(5_400), late: true, ..stream("1") };
    let html = overview::render(&sample::overview(vec![late]));
    assert!(html.contains("1 of 1 stream is late.") && html.contains("</span> late</span>"), "{}", main_of(&html));
    assert!(html.contains("2 h 0 min behind, 1 h 30 min more than its schedule promises"));
}

#[test]
fn markup_in_names_and_errors_is_text_on_every_page() {
    let evil = "<script>alert('x')</script>\"";
    let stream = StreamView {
        account: evil.to_owned(),
        last_error: Some(evil.to_owned()),
        lease_owner: Some(evil.to_owned()),
        ..stream(evil)
    };
    let mut page = stream_page(stream.clone());
    if let Ok(ledger) = &mut page.ledger {
        ledger.windows[0].last_error = Some(evil.to_owned());
        ledger.gaps[0].reason = evil.to_owned();
    }
    let mut record = rejected(1);
    record.stream = StreamId::new(SourceKind::HecOne, evil, Partition::contract(evil));
    (record.field, record.reason) = (evil.to_owned(), evil.to_owned());
    let trouble = Known { value: None, trouble: Some(evil.to_owned()) };
    let overview = Overview {
        coverage: trouble.clone(),
        sales: Known { value: None, trouble: trouble.trouble.clone() },
        runs: Known { value: None, trouble: trouble.trouble },
        ..sample::overview(vec![stream])
    };
    for html in [
        overview::render(&overview),
        stream_of::render(&page),
        stream_of::render(&StreamPage { ledger: Err(evil.to_owned()), ..page }),
        quarantine::render(&QuarantinePage { taken_at: now(), all: None, found: Ok(vec![record]) }),
        quarantine::render(&QuarantinePage { taken_at: now(), all: None, found: Err(evil.to_owned()) }),
    ] {
        assert!(html.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;"));
        assert_eq!(html.matches("<script").count(), 1, "the page's own: {}", main_of(&html));
        assert!(!html.contains("alert('x')"));
    }
}

#[test]
fn thousands_of_contracts_stay_a_short_page_that_says_how_many_more_there_are() {
    let mut streams: Vec<_> = (0..3_000).map(|contract| stream(&contract.to_string())).collect();
    streams[2_999] = failing("2999");
    streams[1_500] = StreamView { freshness_seconds: Some(90_000), late: true, ..stream("1500") };
    let mut model = sample::overview(streams);
    let html = overview::render(&model);
    assert!(html.len() < 100_000, "{} bytes", html.len());
    let (failing, late, well) =
        (html.find("contract 2999").unwrap(), html.find("contract 1500").unwrap(), html.find("contract 0<").unwrap());
    assert!(failing < late && late < well);
    assert!(html.contains("2,975 more streams are not shown, none of them failing or late."));
    model.only = Some((SourceKind::AlexelaCard, sample::ACCOUNT.to_owned()));
    let html = overview::render(&model);
    assert!(html.contains("2,000 more streams are not shown") && html.contains("fuelsync status"));
}

#[test]
fn failing_streams_beyond_the_limit_are_said() {
    let streams = (0..40).map(|contract| failing(&contract.to_string())).collect();
    let html = overview::render(&sample::overview(streams));
    assert!(html.contains("15 more streams are not shown, 15 of them failing, late or not read yet."));
}

#[test]
fn a_gap_and_what_is_lost_soon_are_said_in_words_beside_the_strip() {
    let mut model = sample::overview(vec![StreamView { gaps: 1, ..stream("1") }]);
    let spans = vec![
        span(Standing::Gap, "2026-06-30", "2026-07-05"),
        span(Standing::FailingUnread, "2026-07-06", "2026-07-08"),
        span(Standing::ReadAgain, "2026-07-09", "2026-11-27"),
    ];
    model.coverage = Known { value: Some((now(), Arc::new(spans))), trouble: None };
    let html = overview::render(&model);
    assert!(html.contains("<strong>gap: lost at the source</strong>: 2026-06-30 to 2026-07-05"));
    assert!(html.contains("<strong>not read, unrecoverable soon</strong>: 2026-07-06 to 2026-07-08"));
    assert!(html.contains("url(#p-gap)") && html.contains("url(#p-soon)"));
}

#[test]
fn what_is_kept_says_how_old_it_is_and_what_is_not_there_says_so() {
    let mut model = sample::overview(vec![stream("1")]);
    assert!(overview::render(&model).contains("Counted 4 min 0 s ago."));
    model.sales.trouble = Some("no answer".to_owned());
    assert!(overview::render(&model).contains("Counted 4 min 0 s ago; asking again failed: no answer."));
    model.sales = Known::nothing();
    assert!(overview::render(&model).contains("Being asked for."));
}

#[test]
fn strips_that_are_old_say_how_old() {
    let mut model = sample::overview(vec![stream("1")]);
    assert!(!overview::render(&model).contains("The strips:"));
    if let Some((asked_at, _)) = &mut model.coverage.value {
        *asked_at = now() - TimeDelta::minutes(3);
    }
    assert!(overview::render(&model).contains("The strips: Counted 3 min 0 s ago."));
    model.coverage.trouble = Some("no answer".to_owned());
    assert!(overview::render(&model).contains("The strips: Counted 3 min 0 s ago; asking again failed: no answer."));
}

#[test]
fn what_was_read_and_is_no_longer_given_warns_and_what_never_was_rests() {
    let off = StreamView {
        last_outcome: Some(LastPass::Withdrawn),
        last_error: Some("the vendor no longer lists this contract; its rows stay as they are".to_owned()),
        ..stream("2")
    };
    let html = overview::render(&sample::overview(vec![stream("1"), off.clone()]));
    assert!(html.contains("1 of 2 streams are no longer given by the vendor."), "{}", main_of(&html));
    assert!(html.contains("no longer given</span>") && html.contains("retire it"));
    let never = StreamView { watermark: None, freshness_seconds: None, ..off };
    let html = overview::render(&sample::overview(vec![never.clone()]));
    assert!(html.contains("Nothing fails") && html.contains("resting</span>"));
    assert!(!html.contains("unrecoverable soon</strong>"), "nothing is asked for of it: {}", main_of(&html));
    let html = stream_of::render(&StreamPage {
        ledger: Ok(Ledger { days: Vec::new(), windows: Vec::new(), gaps: Vec::new() }),
        ..stream_page(never)
    });
    assert!(!html.contains("unrecoverable soon</strong>"), "{}", main_of(&html));
}

#[test]
fn what_is_no_longer_configured_is_outside_the_verdict() {
    let retired = StreamView { configured: false, lag_seconds: None, ..failing("2") };
    let html = overview::render(&sample::overview(vec![stream("1"), retired.clone()]));
    assert!(html.contains("Nothing fails, and nothing is late: 1 stream."), "{}", main_of(&html));
    assert!(html.contains("no longer configured</span>") && !html.contains("HTTP 503"));
    let html = overview::render(&sample::overview(vec![retired]));
    assert!(html.contains("No stream has been read yet."), "{}", main_of(&html));
}

#[test]
fn a_stream_never_read_though_it_was_due_warns_and_so_does_a_list_of_contracts() {
    let new = StreamView { watermark: None, freshness_seconds: None, last_outcome: None, late: true, ..stream("1") };
    let html = overview::render(&sample::overview(vec![new.clone()]));
    assert!(html.contains("1 of 1 stream is late."), "{}", main_of(&html));
    let list = StreamView { partition: Partition::whole(), ..new };
    let html = overview::render(&sample::overview(vec![list.clone()]));
    assert!(html.contains("list of contracts</a>") && html.contains("lists no contract for this account"));
    let list = StreamView { last_outcome: Some(LastPass::Failed), last_error: Some("HTTP 503".to_owned()), ..list };
    let html = overview::render(&sample::overview(vec![stream("1"), list]));
    assert!(html.contains("1 of 2 streams are failing."), "{}", main_of(&html));
}

#[test]
fn a_database_that_can_only_be_read_is_said_above_what_it_holds() {
    let mut model = sample::overview(vec![stream("1")]);
    model.view.database = DatabaseView {
        writable: false,
        problem: Some("the database is a standby and can only be read".to_owned()),
        ..DatabaseView::ready()
    };
    let html = overview::render(&model);
    assert!(html.contains("</span> the database is a standby") && html.contains("contract 1"), "{}", main_of(&html));
    assert!(html.contains("<title>database cannot be used"));
}

#[test]
fn what_says_that_the_server_is_silent_is_not_replaced_with_the_parts() {
    let html = overview::render(&sample::overview(vec![stream("1")]));
    let (lost, main) = (html.find("id=\"lost\"").unwrap(), html.find("<main").unwrap());
    assert!(lost < main, "the script replaces what stands in main");
}

#[test]
fn without_its_database_the_page_says_so_and_what_to_do() {
    let mut model = sample::overview(Vec::new());
    model.view.database = DatabaseView::unreachable("the database cannot be reached: refused");
    let html = overview::render(&model);
    assert!(html.contains("the database cannot be reached: refused") && html.contains("fuelsync check"));
    assert!(html.contains("<title>database out of reach"));
}

#[test]
fn an_empty_warehouse_and_an_empty_quarantine_are_no_error() {
    let html = overview::render(&sample::overview(Vec::new()));
    assert!(html.contains("No stream has been read yet."));
    let html = quarantine::render(&QuarantinePage { taken_at: now(), all: Some(0), found: Ok(Vec::new()) });
    assert!(html.contains("Nothing is in quarantine"));
}

#[test]
fn a_stream_never_read_has_no_watermark_and_is_no_failure() {
    let new = StreamView { watermark: None, freshness_seconds: None, last_pass: None, next_due: None, ..stream("1") };
    let html = overview::render(&sample::overview(vec![new]));
    assert!(html.contains("not read yet") && html.contains("Nothing fails"), "{}", main_of(&html));
}

#[test]
fn every_id_of_a_page_is_its_own_and_every_reference_leads_somewhere() {
    let two = vec![stream("1"), StreamView { source: SourceKind::HecOne, ..failing("2") }];
    for html in [overview::render(&sample::overview(two)), stream_of::render(&stream_page(failing("1")))] {
        let of = |attribute: &str| -> Vec<String> {
            html.split(&format!(" {attribute}=\""))
                .skip(1)
                .map(|rest| rest.split('"').next().unwrap().to_owned())
                .collect()
        };
        let mut ids = of("id");
        ids.sort();
        let all = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), all);
        for referred in of("aria-labelledby").iter().flat_map(|ids| ids.split(' ')) {
            assert!(ids.iter().any(|id| id == referred), "{referred}");
        }
    }
}

#[test]
fn the_age_of_the_oldest_thing_shown_is_never_negative() {
    let mut model = sample::overview(vec![stream("1")]);
    if let Some((asked_at, _)) = &mut model.sales.value {
        *asked_at = now() + TimeDelta::minutes(1);
    }
    assert!(overview::render(&model).contains("Counted 0 s ago."));
}
