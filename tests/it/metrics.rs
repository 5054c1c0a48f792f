//! `/metrics` against what the vendors saw, what the warehouse holds, and Prometheus' own tool.

use std::{collections::BTreeMap, io::Write as _, path::PathBuf, process::Stdio, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use fuelsync::{
    clock::{Clock, ManualClock},
    sandbox::{
        faults::{Fault, Script},
        requests::Seen,
    },
    status::{meter::Meter, metrics::render},
    sync::{pass::Passes, summary::Outcome},
    warehouse::Warehouse,
};
use tokio_util::sync::CancellationToken;

use crate::support::{
    ends,
    fleet::{Fleet, start},
    until,
};

/// One process of a fleet and its metrics.
struct Watched {
    passes: Arc<Passes>,
    meter: Meter,
}

impl Watched {
    fn new(fleet: &Fleet) -> Self {
        let passes = Arc::new(fleet.process());
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&fleet.clock);
        let meter = Meter::new(fleet.warehouse.clone(), clock, Arc::clone(&passes));
        Self { passes, meter }
    }

    async fn pass(&self) -> Outcome {
        ends("a pass", self.passes.pass(&CancellationToken::new())).await.outcome
    }

    async fn scrape(&self) -> Scrape {
        Scrape::of(&render(&self.meter.read().await, true))
    }
}

/// The samples of a document, by the text before their value.
#[derive(Debug)]
struct Scrape(BTreeMap<String, String>);

impl Scrape {
    fn of(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        Self(samples.filter_map(|line| line.rsplit_once(' ')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect())
    }

    /// The value of a sample of an interface; `more` are further labels.
    fn of_interface(&self, name: &str, source: &str, more: &str) -> Option<&str> {
        let account = if source == "hecone" { "north" } else { "fleet" };
        self.0.get(&format!("fuelsync_{name}{{source=\"{source}\",account=\"{account}\"{more}}}")).map(String::as_str)
    }

    fn count(&self, name: &str, source: &str) -> u64 {
        self.of_interface(name, source, "").unwrap_or_else(|| panic!("no {name} of {source}")).parse().unwrap()
    }

    fn outcome(&self, name: &str, source: &str, outcome: &str) -> u64 {
        let more = format!(",outcome=\"{outcome}\"");
        self.of_interface(name, source, &more)
            .unwrap_or_else(|| panic!("no {outcome} {name} of {source}"))
            .parse()
            .unwrap()
    }

    /// Whole seconds.
    fn seconds(&self, name: &str, source: &str) -> Option<i64> {
        self.of_interface(name, source, "")?.split('.').next()?.parse().ok()
    }

    fn has(&self, name: &str) -> bool {
        self.0.keys().any(|series| series.split('{').next() == Some(&format!("fuelsync_{name}")))
    }
}

const SOURCES: [&str; 4] = ["hecone", "alexela_card", "alexela_bonus", "alexela_ev"];

/// Whose request it was.
fn source(seen: &Seen) -> &'static str {
    match seen.path.rsplit('/').next().unwrap() {
        "ContractNumbers" | "ContractTransactions" => "alexela_card",
        "GetBonuscardTransactions" | "DefineBonuscards" => "alexela_bonus",
        "EvTransactions" => "alexela_ev",
        _ => "hecone",
    }
}

/// What the status of an answer counts as; one with 200 that is no document counts as `broken`.
fn outcome(status: u16) -> &'static str {
    match status {
        200..=299 => "ok",
        401 | 403 => "refused",
        429 => "rate_limited",
        400..=499 => "client_error",
        _ => "server_error",
    }
}

#[tokio::test]
async fn requests_are_counted_as_the_vendors_saw_them() {
    let fleet = Fleet::new(600, |_| {}).await;
    let faults = fleet.sandbox.faults();
    faults.status("/hecone/transactions", 2, 503, None);
    faults.status("/EvTransactions", 1, 429, Some("1"));
    faults.status("/GetBonuscardTransactions", 1, 500, None);
    faults.script(Script { path: "/ContractTransactions".to_owned(), after: 1, times: 2, fault: Fault::Html });
    faults.script(Script { path: "/hecone/transactions".to_owned(), after: 9, times: 1, fault: Fault::Forgotten });
    let watched = Watched::new(&fleet);
    assert_eq!(watched.pass().await, Outcome::Ok);
    let scrape = watched.scrape().await;

    let seen = fleet.sandbox.requests().all();
    let mut expected: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for seen in &seen {
        *expected.entry((source(seen), outcome(seen.status))).or_default() += 1;
    }
    // Two of the answers with 200 were pages for people.
    *expected.get_mut(&("alexela_card", "ok")).unwrap() -= 2;
    expected.insert(("alexela_card", "broken"), 2);
    for source_of in SOURCES {
        for outcome in [
            "ok",
            "refused",
            "rate_limited",
            "client_error",
            "server_error",
            "broken",
            "timeout",
            "too_large",
            "given_up",
        ] {
            let expected = expected.get(&(source_of, outcome)).copied().unwrap_or_default();
            assert_eq!(scrape.outcome("http_requests_total", source_of, outcome), expected, "{source_of} {outcome}");
        }
        let all = seen.iter().filter(|seen| source(seen) == source_of).count() as u64;
        assert_eq!(scrape.count("http_request_duration_seconds_count", source_of), all, "{source_of}");
        let last = scrape.of_interface("http_request_duration_seconds_bucket", source_of, ",le=\"+Inf\"");
        assert_eq!(last, Some(all.to_string().as_str()));
    }
    // What was refused for its token is asked again with another one: an exchange of its own.
    let retries = SOURCES.map(|source| scrape.count("http_retries_total", source));
    assert_eq!(retries, [2, 2, 1, 1]);
    let waited = SOURCES.map(|source| scrape.seconds("rate_limit_wait_seconds_total", source).unwrap());
    assert!(
        waited[3] >= 1 && waited[0] == 0,
        "what one source of an account was told holds for the others: {waited:?}"
    );
}

#[tokio::test]
async fn lines_windows_and_passes_are_those_of_the_pass() {
    let fleet = Fleet::new(600, |_| {}).await;
    let watched = Watched::new(&fleet);
    let before = watched.scrape().await;
    for source in SOURCES {
        assert_eq!(before.outcome("passes_total", source, "ok"), 0, "there from the start");
        assert_eq!(before.outcome("lines_total", source, "inserted"), 0);
    }
    assert_eq!(watched.pass().await, Outcome::Ok);
    let first = watched.scrape().await;
    for source in SOURCES {
        let (rows, streams, windows): (i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM fuel.transaction WHERE source = $1), (SELECT count(*) FROM fuel.checkpoint WHERE source = $1), \
                 (SELECT count(*) FROM fuel.sync_window WHERE source = $1)",
        )
        .bind(source)
        .fetch_one(&fleet.pool)
        .await
        .unwrap();
        // A neighbour's line is in the table as well.
        let lines = first.outcome("lines_total", source, "inserted");
        assert!(lines > 0 && lines <= rows.unsigned_abs(), "{source}: {lines} lines, {rows} rows");
        assert_eq!(first.outcome("passes_total", source, "ok"), streams.unsigned_abs(), "{source}");
        assert_eq!(first.count("streams", source), streams.unsigned_abs(), "{source}");
        let read = ["changed", "unchanged"].map(|outcome| first.outcome("windows_total", source, outcome));
        assert_eq!(read.iter().sum::<u64>(), windows.unsigned_abs(), "{source}");
    }
    // Nothing new: what is read again changes nothing.
    assert_eq!(watched.pass().await, Outcome::Ok);
    let second = watched.scrape().await;
    for source in SOURCES {
        let of = |scrape: &Scrape, outcome| scrape.outcome("windows_total", source, outcome);
        assert_eq!(of(&second, "changed"), of(&first, "changed"), "{source}");
        assert!(of(&second, "unchanged") > of(&first, "unchanged"), "{source}");
    }
}

#[tokio::test]
async fn a_line_that_the_vendor_no_longer_has_is_counted_when_it_is_marked_and_never_again() {
    let mut fleet = Fleet::new(4_000, |_| {}).await;
    fleet.config.hecone.clear();
    fleet.config.alexela[0].sources = vec![fuelsync::domain::SourceKind::AlexelaEv];
    let watched = Watched::new(&fleet);
    watched.pass().await;
    // A sale of the head that the vendor does not know.
    sqlx::raw_sql(
        "CREATE TEMP TABLE one AS SELECT * FROM fuel.transaction ORDER BY occurred_at DESC LIMIT 1; \
         UPDATE one SET source_transaction_id = 'unknown', occurred_at = '2026-10-20T11:00Z', seq = nextval('fuel.change_seq'); \
         INSERT INTO fuel.transaction SELECT * FROM one",
    )
    .execute(&mut fleet.database.connect().await)
    .await
    .unwrap();
    let mut marked = Vec::new();
    for _ in 0..4 {
        watched.pass().await;
        marked.push(watched.scrape().await.count("lines_missing_total", "alexela_ev"));
    }
    assert_eq!(marked, [0, 1, 1, 1]);
}

#[tokio::test]
async fn what_stands_behind_its_schedule_is_said_until_it_has_come_along() {
    let mut fleet = Fleet::new(200, |_| {}).await;
    fleet.config.hecone[0].client_secret = "wrong".to_owned().into();
    fleet.sandbox.faults().status("/EvTransactions", u64::MAX, 400, None);
    let watched = Watched::new(&fleet);
    let before = watched.scrape().await;
    let since = (fleet.clock.now() - start()).num_seconds();
    // The last round but one, and a quarter of an hour before it.
    assert_eq!(before.seconds("watermark_lag_seconds", "hecone"), Some(since - 300 - 900));
    assert_eq!(before.seconds("watermark_lag_seconds", "alexela_ev"), Some(since - 900 - 900));
    assert!(!before.has("watermark_timestamp_seconds") && !before.has("clock_offset_seconds"));
    assert_eq!(before.seconds("watermark_lag_seconds", "alexela_card"), None, "its contracts are not known yet");

    assert_eq!(watched.pass().await, Outcome::Partial);
    let after = watched.scrape().await;
    for source in ["alexela_card", "alexela_bonus"] {
        assert_eq!(after.seconds("watermark_lag_seconds", source), Some(0), "{source}");
        assert_eq!(after.seconds("freshness_seconds", source), Some(900), "{source}");
        let watermark = (fleet.clock.now() - TimeDelta::minutes(15)).timestamp();
        assert_eq!(after.seconds("watermark_timestamp_seconds", source), Some(watermark), "{source}");
        assert_eq!(after.seconds("clock_offset_seconds", source), Some(0));
        // All is read: the source serves what came today for five months.
        let left = after.seconds("unrecoverable_in_seconds", source).unwrap();
        assert!((140 * 86_400..160 * 86_400).contains(&left), "{source}: {left}");
    }
    assert_eq!(after.count("streams_refused", "hecone"), 1);
    assert_eq!(after.outcome("passes_total", "hecone", "refused"), 1);
    assert_eq!(after.seconds("unrecoverable_in_seconds", "hecone"), None, "it serves everything");
    assert_eq!((after.count("streams_failing", "alexela_ev"), after.count("windows_failing", "alexela_ev")), (1, 1));
    assert_eq!(after.outcome("passes_total", "alexela_ev", "failed"), 1);
    assert_eq!(after.outcome("windows_total", "alexela_ev", "failed"), 1);
    // The first day of 20 September is served until 19 February is the present.
    let until: DateTime<Utc> = "2027-02-20T00:00:00Z".parse().unwrap();
    let left = (until - fleet.clock.now()).num_seconds();
    assert_eq!(after.seconds("unrecoverable_in_seconds", "alexela_ev"), Some(left));

    // Two rounds later nobody has read.
    fleet.clock.advance(Duration::from_mins(30));
    let later = watched.scrape().await;
    assert_eq!(later.seconds("watermark_lag_seconds", "alexela_card"), Some(900));
    assert_eq!(later.seconds("freshness_seconds", "alexela_card"), Some(900 + 1_800));
}

#[tokio::test]
async fn an_interface_that_is_not_offered_and_a_contract_never_read_that_was_withdrawn_are_off_and_nothing_else() {
    let fleet = Fleet::new(200, |options| options.alexela.ev_enabled = false).await;
    let watched = Watched::new(&fleet);
    watched.pass().await;
    let scrape = watched.scrape().await;
    assert_eq!((scrape.count("streams", "alexela_ev"), scrape.count("streams_off", "alexela_ev")), (0, 1));
    assert!(scrape.seconds("watermark_lag_seconds", "alexela_ev").is_none());
    let contracts = scrape.count("streams", "alexela_card");
    sqlx::raw_sql(
        "INSERT INTO fuel.checkpoint (source, account, partition, watermark, last_outcome, last_pass_at, last_error) \
             VALUES ('alexela_card', 'fleet', 'gone', NULL, 'withdrawn', now(), 'no longer listed'), \
                 ('alexela_card', 'fleet', 'retired', '2026-09-21', 'withdrawn', now(), NULL), \
                 ('alexela_card', 'another', 'x', NULL, 'failed', now(), 'HTTP 500')",
    )
    .execute(&fleet.pool)
    .await
    .unwrap();
    let scrape = watched.scrape().await;
    let of_cards = ["streams", "streams_off", "streams_failing"].map(|name| scrape.count(name, "alexela_card"));
    assert_eq!(of_cards, [contracts, 1, 0]);
    assert_eq!(scrape.seconds("watermark_lag_seconds", "alexela_card"), Some(0));
    assert!(scrape.0.keys().all(|series| !series.contains("another")), "{scrape:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_held_while_a_pass_goes_on_and_requests_given_up_are_counted() {
    let mut fleet = Fleet::new(50, |_| {}).await;
    fleet.config.alexela.clear();
    let slow = Fault::Latency(Duration::from_mins(1));
    fleet.sandbox.faults().script(Script { path: "/hecone/transactions".into(), after: 0, times: 1, fault: slow });
    let (watched, stop) = (Arc::new(Watched::new(&fleet)), CancellationToken::new());
    let passing = tokio::spawn({
        let (watched, stop) = (Arc::clone(&watched), stop.clone());
        async move { watched.passes.pass(&stop).await }
    });
    until("the login is answered", || fleet.sandbox.requests().count("/hecone/") == 1).await;
    ends("the lease is held", async {
        while watched.scrape().await.count("leases_held", "hecone") == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    // The request is on its way for a while.
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.cancel();
    let ended = ends("the pass stops", passing).await.unwrap();
    assert_eq!(ended.outcome, Outcome::Stopped);
    let scrape = watched.scrape().await;
    assert_eq!(scrape.count("leases_held", "hecone"), 0);
    assert_eq!(scrape.outcome("http_requests_total", "hecone", "given_up"), 1);
    assert_eq!(scrape.outcome("passes_total", "hecone", "stopped"), 1);
}

#[tokio::test]
async fn what_was_not_read_before_the_watermark_counts_as_unread() {
    let mut fleet = Fleet::new(100, |_| {}).await;
    fleet.config.hecone.clear();
    fleet.config.alexela[0].sources = vec![fuelsync::domain::SourceKind::AlexelaBonus];
    let watched = Watched::new(&fleet);
    watched.pass().await;
    let left = async || watched.scrape().await.seconds("unrecoverable_in_seconds", "alexela_bonus").unwrap();
    let all_read = left().await;
    // A hole that a changed start leaves: a window in the middle is not in the ledger.
    let hole: DateTime<Utc> = sqlx::query_scalar(
        "DELETE FROM fuel.sync_window WHERE window_start = (SELECT window_start FROM fuel.sync_window ORDER BY 1 OFFSET 2 LIMIT 1) \
         RETURNING window_start",
    )
    .fetch_one(&fleet.pool)
    .await
    .unwrap();
    let with_hole = left().await;
    assert!(with_hole < all_read && with_hole > 0, "{with_hole} of {all_read}");
    // As a gap it is settled.
    sqlx::query("INSERT INTO fuel.gap (source, account, partition, gap_start, gap_end, reason) VALUES ('alexela_bonus', 'fleet', '-', $1, $2, 'lost')")
        .bind(hole)
        .bind(hole + TimeDelta::days(7))
        .execute(&fleet.pool)
        .await
        .unwrap();
    assert_eq!(left().await, all_read);
    assert_eq!(watched.scrape().await.count("gaps", "alexela_bonus"), 1);
    // Read by a clock that was ahead: not read.
    sqlx::query("UPDATE fuel.sync_window SET read_through = $1 WHERE window_start < $2")
        .bind(fleet.clock.now() + TimeDelta::days(1))
        .bind(hole)
        .execute(&fleet.pool)
        .await
        .unwrap();
    assert!(left().await < with_hole);
}

#[tokio::test]
async fn without_the_database_the_process_still_speaks_of_itself() {
    let fleet = Fleet::new(10, |_| {}).await;
    let passes = Arc::new(fleet.process());
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&fleet.clock);
    // Nobody listens there.
    let nowhere =
        Warehouse::new(&fleet.config.database, &"postgres://nobody@127.0.0.1:9/none".to_owned().into()).unwrap();
    let meter = Meter::new(nowhere, clock, passes);
    let scrape = Scrape::of(&render(&meter.read().await, true));
    assert_eq!(scrape.0["fuelsync_database_up"], "0");
    assert_eq!(scrape.outcome("passes_total", "hecone", "ok"), 0);
    for name in ["streams", "leases_held", "watermark_lag_seconds", "quarantine"] {
        assert!(!scrape.has(name), "{name}");
    }
    assert!(!meter.database().await.reachable);

    let unmigrated = crate::support::TestDatabase::new().await;
    let empty = Warehouse::new(&fleet.config.database, &unmigrated.url().into()).unwrap();
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&fleet.clock);
    let reading = Meter::new(empty, clock, Arc::new(fleet.process())).read().await;
    let scrape = Scrape::of(&render(&reading, true));
    assert_eq!((scrape.0["fuelsync_database_up"].as_str(), scrape.0["fuelsync_ready"].as_str()), ("1", "0"));
}

/// `promtool`, on the path or where `deploy/check.sh` unpacks it.
fn promtool() -> Option<PathBuf> {
    let caches = [
        std::env::var_os("FUELSYNC_CI_CACHE").map(PathBuf::from),
        std::env::var_os("XDG_CACHE_HOME").map(|cache| PathBuf::from(cache).join("fuelsync-ci")),
        std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/fuelsync-ci")),
    ];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let unpacked = caches.into_iter().flatten().map(|cache| cache.join("deploy/usr/bin"));
    std::env::split_paths(&path).chain(unpacked).map(|folder| folder.join("promtool")).find(|tool| tool.is_file())
}

#[tokio::test]
async fn promtool_finds_no_fault_in_a_real_scrape() {
    let fleet = Fleet::new(200, |_| {}).await;
    let watched = Watched::new(&fleet);
    watched.pass().await;
    let text = render(&watched.meter.read().await, true);
    let Some(promtool) = promtool() else {
        let said = "NOT CHECKED: /metrics by promtool, which is not installed (Debian's package prometheus)";
        writeln!(std::io::stderr(), "{said}").unwrap();
        return;
    };
    let mut checking = std::process::Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    checking.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = checking.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success() && out.is_empty() && err.is_empty(), "{out}{err}\n{text}");
}
