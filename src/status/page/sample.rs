//! Streams, days and sales for the tests of the pages.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::{
    kept::Known,
    model::{Cadence, Cadences, Overview},
};
use crate::{
    domain::{Partition, SourceKind, Window},
    status::view::{DatabaseView, StreamView, View},
    warehouse::{
        activity::{DayOfSales, HourOfRuns},
        coverage::{Span, Standing, WindowReport},
        standing::LastPass,
    },
};

/// The account of the samples.
pub(super) const ACCOUNT: &str = "fleet";

/// The time of the samples.
pub(super) fn now() -> DateTime<Utc> {
    at("2026-11-27T10:07:00Z")
}

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// A card stream that is as it should be.
pub(super) fn stream(contract: &str) -> StreamView {
    StreamView {
        source: SourceKind::AlexelaCard,
        account: ACCOUNT.to_owned(),
        partition: Partition::contract(contract),
        configured: true,
        watermark: Some(at("2026-11-27T09:45:00Z")),
        freshness_seconds: Some(22 * 60),
        lag_seconds: Some(0),
        late: false,
        last_outcome: Some(LastPass::Ok),
        last_pass: Some(at("2026-11-27T10:00:02Z")),
        rows: 12_345,
        gaps: 0,
        quarantine: 0,
        next_due: Some(at("2026-11-27T10:15:00Z")),
        last_error: None,
        lease_owner: None,
        unread_from: None,
        unread_age_seconds: None,
        unrecoverable_in_seconds: None,
    }
}

/// A schedule of a quarter of an hour.
pub(super) fn cadences() -> Cadences {
    let cadence = Cadence {
        schedule: "0 */15 * * * *".to_owned(),
        period: TimeDelta::minutes(15),
        start: at("2026-07-01T00:00:00Z"),
    };
    let accounts = BTreeMap::from([((SourceKind::AlexelaCard, ACCOUNT.to_owned()), cadence)]);
    Cadences { accounts }
}

pub(super) fn view(streams: Vec<StreamView>) -> View {
    View {
        version: "1.2.3".to_owned(),
        started_at: at("2026-11-20T08:00:00Z"),
        taken_at: now(),
        database: DatabaseView::ready(),
        streams,
        lines: Vec::new(),
    }
}

pub(super) fn span(standing: Standing, from: &str, through: &str) -> Span {
    Span {
        source: SourceKind::AlexelaCard,
        account: ACCOUNT.to_owned(),
        standing,
        from: Some(day(from)),
        through: Some(day(through)),
        pieces: 2,
    }
}

/// A front page of some streams, with all that stands beside them known.
pub(super) fn overview(streams: Vec<StreamView>) -> Overview {
    let spans = vec![
        span(Standing::Final, "2026-07-01", "2026-07-31"),
        span(Standing::ReadAgain, "2026-08-01", "2026-11-22"),
        span(Standing::Open, "2026-11-23", "2026-11-29"),
        span(Standing::Watermark, "2026-11-27", "2026-11-27"),
    ];
    let sales = |day: &str, lines| DayOfSales { source: SourceKind::AlexelaCard, day: self::day(day), lines };
    let runs = HourOfRuns {
        hour: at("2026-11-27T09:00:00Z"),
        runs: 8,
        windows: 40,
        fetched: 1_000,
        changed: 100,
        unchanged: 890,
        busy_ms: 2_000,
    };
    let known = |asked_at: &str| at(asked_at);
    Overview {
        view: view(streams),
        cadences: Arc::new(cadences()),
        coverage: Known { value: Some((now(), Arc::new(spans))), trouble: None },
        sales: Known {
            value: Some((
                known("2026-11-27T10:03:00Z"),
                Arc::new(vec![sales("2026-11-25", 70), sales("2026-11-26", 35), sales("2026-11-27", 12)]),
            )),
            trouble: None,
        },
        runs: Known { value: Some((known("2026-11-27T10:06:30Z"), Arc::new(vec![runs]))), trouble: None },
        only: None,
    }
}

/// A week's window.
pub(super) fn window(start: &str, standing: Standing, last_error: Option<&str>) -> WindowReport {
    let start = at(start);
    WindowReport {
        window: Window::new(start, start + TimeDelta::days(7)).unwrap(),
        standing,
        fetched: 100,
        inserted: 3,
        updated: 2,
        unchanged: 94,
        quarantined: 1,
        outside: 0,
        duplicate: 0,
        missing: 1,
        attempts: i32::from(last_error.is_some()) * 4,
        last_error: last_error.map(str::to_owned),
        last_read_at: Some(at("2026-11-27T10:00:02Z")),
    }
}
