//! Every command of the real binary, against both vendors' servers and a real database.

use std::sync::Arc;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use fuelsync::{
    clock::{Clock, SystemClock},
    sandbox::{self, Sandbox, WorldOptions},
};
use nix::sys::signal::Signal;
use serde_json::Value;
use sqlx::PgPool;

use crate::support::{Fuelsync, TestDatabase, ends, until};

struct Shop {
    database: TestDatabase,
    sandbox: Sandbox,
    start: DateTime<Utc>,
}

impl Shop {
    /// Both vendors with twenty days of sales up to now, and an empty database.
    async fn new() -> Self {
        let midnight = SystemClock.now().date_naive().and_time(NaiveTime::MIN).and_utc();
        let start = midnight - TimeDelta::days(20);
        let world = WorldOptions { sales: 1_500, from: start, to: midnight, ..WorldOptions::default() };
        let options = sandbox::Options { world, clock: Arc::new(SystemClock), ..sandbox::Options::default() };
        Self { database: TestDatabase::new().await, sandbox: sandbox::start(options).await.unwrap(), start }
    }

    fn configuration(&self) -> String {
        sandbox::configuration(&self.sandbox, self.database.url(), self.start)
    }

    fn call<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Fuelsync {
        Fuelsync::new(args).config(&self.configuration())
    }

    fn changed<'a>(&self, args: impl IntoIterator<Item = &'a str>, from: &str, to: &str) -> Fuelsync {
        let text = self.configuration();
        assert!(text.contains(from), "{from} stands in the configuration");
        Fuelsync::new(args).config(&text.replace(from, to))
    }

    async fn pool(&self) -> PgPool {
        self.database.pool().await
    }
}

fn sum(summary: &Value, count: &str) -> u64 {
    summary["streams"].as_array().unwrap().iter().map(|stream| stream[count].as_u64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_reads_what_is_due_and_says_it_in_one_document() {
    let shop = Shop::new().await;
    let first = shop.call(["sync", "--json"]).run().await.ended_with(0).json();
    assert_eq!(first["outcome"], "ok");
    let keys = [
        "source",
        "account",
        "partition",
        "windows",
        "fetched",
        "inserted",
        "updated",
        "unchanged",
        "quarantined",
        "outside",
        "duplicate",
        "missing",
        "watermark",
        "error",
    ];
    for stream in first["streams"].as_array().unwrap() {
        assert!(keys.iter().all(|key| stream.get(*key).is_some()), "{stream}");
        assert!(stream["inserted"].as_u64() > Some(0) && stream["watermark"].is_string(), "{stream}");
    }
    let again = shop.call(["sync", "--json"]).run().await.ended_with(0).json();
    assert!(sum(&again, "fetched") < sum(&first, "fetched") && sum(&again, "inserted") < 40, "{again}");
    let only = shop.call(["sync", "--json", "--source", "alexela_ev"]).run().await.ended_with(0).json();
    assert_eq!(only["streams"].as_array().unwrap().len(), 1);
    let status = shop.call(["status", "--json"]).run().await.ended_with(0).json();
    assert_eq!(status["streams"].as_array().unwrap().len(), first["streams"].as_array().unwrap().len());
    let table = shop.call(["status"]).run().await.ended_with(0).stdout;
    assert!(table.contains("hecone/north/-") && table.contains("alexela_card/fleet/"), "{table}");
    let runs: Vec<(String, String)> = sqlx::query_as("SELECT mode, outcome FROM fuel.sync_run ORDER BY run_id")
        .fetch_all(&shop.pool().await)
        .await
        .unwrap();
    assert_eq!(runs, vec![("sync".to_owned(), "ok".to_owned()); 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn personal_data_is_stored_as_configured_in_columns_and_records_alike() {
    let shop = Shop::new().await;
    shop.call(["sync", "--json"]).run().await.ended_with(0);
    let pool = shop.pool().await;
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM fuel.transaction WHERE card_number ~ '[0-9]{11}'")
        .fetch_one(&pool)
        .await
        .unwrap();
    let masked: i64 =
        sqlx::query_scalar("SELECT count(*) FROM fuel.transaction WHERE card_number ~ '^[0-9]{6}[*]+[0-9]{4}$'")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert!(open == 0 && masked > 100, "{open} open, {masked} masked");
    let raw: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM fuel.record WHERE raw->>'cardNumber' ~ '[0-9]{11}' OR raw::text LIKE '%@example.com%'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(raw, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_names_each_fault_and_what_to_do() {
    let shop = Shop::new().await;
    let missing =
        shop.changed(["check", "--json"], "migrate = true", "migrate = false").run().await.ended_with(6).json();
    let migrations = missing["checks"].as_array().unwrap().iter().find(|line| line["check"] == "migrations").unwrap();
    assert!(migrations["todo"].as_str().unwrap().contains("fuelsync migrate"), "{migrations}");
    shop.call(["migrate", "--check"]).run().await.ended_with(6);
    shop.call(["migrate"]).run().await.ended_with(0);
    shop.call(["migrate", "--check"]).run().await.ended_with(0);
    let good = shop.call(["check"]).run().await.ended_with(0).stdout;
    assert!(good.contains("All is well."), "{good}");
    let psk = shop.configuration().lines().find(|line| line.starts_with("psk")).unwrap().to_owned();
    let wrong = shop.changed(["check"], &psk, &format!("psk = \"{}\"", "f".repeat(128))).run().await.ended_with(6);
    assert!(
        wrong.stdout.contains("FAIL  alexela/fleet: credentials") || wrong.stdout.contains("alexela/fleet"),
        "{}",
        wrong.stdout
    );
    assert!(!wrong.stdout.contains(&"f".repeat(32)) && !wrong.stderr.contains(&"f".repeat(32)), "the key is not shown");
    let nowhere =
        shop.changed(["check"], shop.database.url(), "postgres://nobody@127.0.0.1:1/nothing").run().await.ended_with(6);
    assert!(nowhere.stdout.contains("cannot be reached"), "{}", nowhere.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_has_its_exit_code_and_nothing_is_half_written() {
    let shop = Shop::new().await;
    shop.changed(["sync"], "migrate = true", "migrate = false").run().await.ended_with(4);
    shop.changed(["sync"], shop.database.url(), "postgres://nobody@127.0.0.1:1/nothing").run().await.ended_with(4);
    let bad = shop
        .changed(["sync"], "requests_per_second = 1000", "requests_per_second = 0\nsurprise = 1")
        .run()
        .await
        .ended_with(2);
    assert!(
        bad.stderr.contains("surprise") && bad.stderr.contains("requests_per_second"),
        "every fault at once: {}",
        bad.stderr
    );
    shop.call(["sync", "--account", "nobody"]).run().await.ended_with(2);
    shop.call(["sync", "--frobnicate"]).run().await.ended_with(2);
    assert!(shop.sandbox.requests().all().is_empty(), "no request before all of this was said");

    let text = shop.configuration();
    let psk = text.lines().find(|line| line.starts_with("psk")).unwrap();
    let secret = text.lines().find(|line| line.starts_with("client_secret")).unwrap();
    let one = text.replace(psk, &format!("psk = \"{}\"", "0".repeat(128)));
    Fuelsync::new(["sync"]).config(&one).run().await.ended_with(3);
    Fuelsync::new(["sync"]).config(&one.replace(secret, "client_secret = \"wrong\"")).run().await.ended_with(5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_may_stand_in_a_file_or_in_the_environment() {
    let shop = Shop::new().await;
    let text = shop.configuration();
    let psk = text.lines().find(|line| line.starts_with("psk")).unwrap();
    let value = psk.split('"').nth(1).unwrap();
    let by_file = Fuelsync::new(["sync", "--source", "alexela_ev"])
        .file("psk", &format!("{value}\n"))
        .config(&text.replace(psk, "psk_file = \"psk\""));
    by_file.run().await.ended_with(0);
    let by_variable = Fuelsync::new(["sync", "--source", "alexela_ev"])
        .config(&text.replace(psk, ""))
        .env("FUELSYNC__ALEXELA__FLEET__PSK", value);
    by_variable.run().await.ended_with(0);
    let shown = shop.call(["config", "show"]).run().await.ended_with(0).stdout;
    assert!(!shown.contains(value) && shown.contains("***"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_loads_a_stretch_and_leaves_the_watermark_to_the_passes() {
    let shop = Shop::new().await;
    let (from, to) =
        (shop.start.format("%Y-%m-%d").to_string(), (shop.start + TimeDelta::days(10)).format("%Y-%m-%d").to_string());
    let done = shop
        .call(["backfill", "--from", &from, "--to", &to, "--workers", "3", "--json"])
        .run()
        .await
        .ended_with(0)
        .json();
    assert!(sum(&done, "inserted") > 100, "{done}");
    assert!(done["streams"].as_array().unwrap().iter().all(|stream| stream["watermark"].is_null()), "{done}");
    let again = shop.call(["backfill", "--from", &from, "--to", &to, "--json"]).run().await.ended_with(0).json();
    assert_eq!(sum(&again, "windows"), 0, "{again}");
    shop.call(["backfill", "--from", &to, "--to", &from]).run().await.ended_with(2);
    let sync = shop.call(["sync", "--json"]).run().await.ended_with(0).json();
    assert!(sync["streams"].as_array().unwrap().iter().all(|stream| stream["watermark"].is_string()), "{sync}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_stopped_by_a_signal_says_so_and_the_next_one_goes_on() {
    let shop = Shop::new().await;
    shop.sandbox.faults().script(fuelsync::sandbox::faults::Script {
        path: "/hecone/transactions".into(),
        after: 3,
        times: 1_000,
        fault: fuelsync::sandbox::faults::Fault::Latency(std::time::Duration::from_mins(1)),
    });
    let running = shop.call(["sync"]).spawn();
    // A request is counted when it is answered; the next one is not.
    until("three pages are read", || shop.sandbox.requests().count("/hecone/transactions") >= 3).await;
    running.signal(Signal::SIGTERM);
    running.wait().await.ended_with(143);
    shop.sandbox.faults().clear();
    shop.call(["sync"]).run().await.ended_with(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_lease_is_held_is_left_to_its_owner() {
    let shop = Shop::new().await;
    shop.call(["migrate"]).run().await.ended_with(0);
    sqlx::query("INSERT INTO fuel.checkpoint (source, account, partition, epoch, lease_owner, lease_expires_at) VALUES ('alexela_ev', 'fleet', '-', 1, 'elsewhere:1', now() + interval '1 hour')")
        .execute(&shop.pool().await)
        .await
        .unwrap();
    let left = shop.call(["sync", "--json", "--source", "alexela_ev"]).run().await.ended_with(0).json();
    assert!(left["streams"][0]["error"].as_str().unwrap().contains("elsewhere:1"), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn preview_shows_records_beside_their_lines_and_writes_nothing() {
    let shop = Shop::new().await;
    for source in ["hecone", "alexela_card", "alexela_bonus", "alexela_ev"] {
        let pages = shop.call(["preview", "--source", source, "--json"]).run().await.ended_with(0).json();
        let record = &pages[0]["records"][0];
        assert!(
            record["raw"].is_object()
                && (record["lines"][0]["occurred_at"].is_string() || record["quarantined"].is_string()),
            "{pages}"
        );
        let text = shop.call(["preview", "--source", source]).run().await.ended_with(0).stdout;
        assert!(text.contains("nothing was written") && text.contains("fed "), "{text}");
    }
    let there: bool =
        sqlx::query_scalar("SELECT to_regnamespace('fuel') IS NOT NULL").fetch_one(&shop.pool().await).await.unwrap();
    assert!(!there);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_in_quarantine_are_listed_shown_and_dropped() {
    let shop = Shop::new().await;
    shop.call(["sync"]).run().await.ended_with(0);
    let list = shop.call(["quarantine", "list", "--json"]).run().await.ended_with(0).json();
    let id = list[0]["id"].as_i64().expect("the sandbox has records that cannot be normalized").to_string();
    let shown = shop.call(["quarantine", "show", &id]).run().await.ended_with(0).stdout;
    assert!(shown.contains("reason"), "{shown}");
    shop.call(["quarantine", "drop", &id]).run().await.ended_with(0);
    let after = shop.call(["quarantine", "list", "--json"]).run().await.ended_with(0).json();
    assert_eq!(after.as_array().unwrap().len(), list.as_array().unwrap().len() - 1);
    shop.call(["quarantine", "show", "999999"]).run().await.ended_with(2);
}

/// The server names its time otherwise than the configuration says.
const WRONG: &str = "fields = { occurred_at = [\"/nowhere\"] }\nmandator_id";

#[tokio::test(flavor = "multi_thread")]
async fn records_are_replayed_once_the_configuration_is_set_right() {
    let shop = Shop::new().await;
    shop.changed(["sync"], "mandator_id", WRONG).run().await.ended_with(0);
    let open = shop.call(["quarantine", "list", "--json"]).run().await.ended_with(0).json();
    let open: Vec<&Value> = open.as_array().unwrap().iter().filter(|row| row["source"] == "hecone").collect();
    assert!(open.len() > 100);
    let ids: Vec<String> = open.iter().map(|row| row["id"].to_string()).collect();

    let unknown = shop.call(["quarantine", "replay", &ids[0], "999998", "999999"]).run().await.ended_with(2);
    assert!(unknown.stderr.contains("999998, 999999") && !unknown.stderr.contains(&format!(" {},", ids[0])));
    let same = shop.changed(["quarantine", "replay", &ids[0], "--json"], "mandator_id", WRONG);
    let same = same.run().await.ended_with(0).json();
    assert_eq!((&same["replayed"], &same["still"][0]["field"]), (&serde_json::json!([]), &"nowhere".into()), "{same}");

    let pool = shop.pool().await;
    sqlx::query("UPDATE fuel.checkpoint SET lease_owner = 'elsewhere:1', lease_expires_at = now() + interval '1 hour' WHERE source = 'hecone'")
        .execute(&pool)
        .await
        .unwrap();
    let held = shop.call(["quarantine", "replay", "--source", "hecone"]).run().await.ended_with(0).stdout;
    assert!(held.starts_with("0 replayed") && held.contains("held by elsewhere:1"), "{held}");
    sqlx::query("UPDATE fuel.checkpoint SET lease_owner = NULL, lease_expires_at = NULL WHERE source = 'hecone'")
        .execute(&pool)
        .await
        .unwrap();
    let renamed = shop.changed(["quarantine", "replay", &ids[0]], "name = \"north\"", "name = \"south\"");
    let renamed = renamed.run().await.ended_with(0).stdout;
    assert!(renamed.contains("1 left") && renamed.contains("no account north"), "{renamed}");

    let one = shop.call(["quarantine", "replay", &ids[0], "--json"]).run().await.ended_with(0).json();
    assert_eq!(one["replayed"].as_array().unwrap().len() + one["still"].as_array().unwrap().len(), 1, "{one}");
    let all = shop.call(["quarantine", "replay", "--source", "hecone", "--json"]).run().await.ended_with(0).json();
    assert!(all["replayed"].as_array().unwrap().len() > 100 && all["left"] == serde_json::json!([]), "{all}");
    shop.call(["quarantine", "replay", &all["replayed"][0].to_string()]).run().await.ended_with(2);
    let (faulty, held): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM fuel.sync_window w WHERE source = 'hecone' AND quarantined <> (SELECT coalesce(sum(copies), 0) FROM fuel.quarantine q \
             WHERE q.source = w.source AND q.window_start = w.window_start AND q.last_seen_at = w.last_read_at AND q.resolved_at IS NULL)), \
         (SELECT count(*) FROM fuel.checkpoint WHERE lease_owner IS NOT NULL)",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!((faulty, held), (0, 0), "the counts are those of the quarantine, and the leases are given back");
    let (mode, outcome): (String, String) =
        sqlx::query_as("SELECT mode, outcome FROM fuel.sync_run ORDER BY run_id DESC LIMIT 1")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!((mode.as_str(), outcome.as_str()), ("replay", "ok"));
    shop.call(["sync", "--source", "hecone"]).run().await.ended_with(0);
    let back: i64 =
        sqlx::query_scalar("SELECT count(*) FROM fuel.quarantine WHERE resolved_at IS NULL AND id = ANY ($1)")
            .bind(all["replayed"].as_array().unwrap().iter().map(|id| id.as_i64().unwrap()).collect::<Vec<_>>())
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(back, 0, "the next read does not bring them back");
}

#[tokio::test(flavor = "multi_thread")]
async fn bonus_cards_are_defined_from_a_file_or_not_at_all() {
    let shop = Shop::new().await;
    let good = "card_number,group\n7080001234567890,regular\n7080001234567891,premium\n";
    shop.call(["bonuscards", "define", "--file", "cards.csv", "--dry-run"])
        .file("cards.csv", good)
        .run()
        .await
        .ended_with(0);
    assert_eq!(shop.sandbox.requests().count("DefineBonuscards"), 0);
    shop.call(["bonuscards", "define", "--file", "cards.csv"]).file("cards.csv", good).run().await.ended_with(0);
    assert_eq!(shop.sandbox.requests().count("DefineBonuscards"), 1);
    let bad = shop
        .call(["bonuscards", "define", "--file", "cards.csv"])
        .file("cards.csv", "7080001234567890,gold\n")
        .run()
        .await
        .ended_with(2);
    assert!(bad.stderr.contains("line 1") && !bad.stderr.contains("7080001234567890"), "{}", bad.stderr);
    shop.call(["bonuscards", "define", "--file", "nowhere.csv"]).run().await.ended_with(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_reads_serves_its_page_and_stops_with_0() {
    let shop = Shop::new().await;
    let mut running = shop.call(["run", "--log-format", "json"]).spawn();
    let said = running.says("fuelsync is running").await;
    let page = said.split("http://127.0.0.1:").nth(1).and_then(|rest| rest.split('/').next()).unwrap().to_owned();
    let get = async |path: &str| fetch(&format!("127.0.0.1:{page}"), path).await;
    assert!(get("/healthz").await.starts_with("HTTP/1.1 200"));
    assert!(get("/readyz").await.starts_with("HTTP/1.1 200"));
    let pool = shop.pool().await;
    let read = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM fuel.checkpoint WHERE last_outcome = 'ok'")
            .fetch_one(&pool)
            .await
            .unwrap_or(0)
    };
    ends("six streams are read", async {
        while read().await < 6 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    })
    .await;
    assert!(get("/").await.contains("alexela_card"));
    assert!(get("/metrics").await.contains("fuelsync_"));
    assert!(get("/api/status").await.contains("\"watermark\""));
    running.signal(Signal::SIGTERM);
    running.wait().await.ended_with(0);
    let held: i64 = sqlx::query_scalar("SELECT count(*) FROM fuel.checkpoint WHERE lease_owner IS NOT NULL")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(held, 0, "the leases are given back");
}

/// Its stop is an ordinary end however early it comes: its manager must not take it for a failure.
#[tokio::test(flavor = "multi_thread")]
async fn run_that_is_stopped_while_its_database_says_nothing_ends_with_0() {
    let shop = Shop::new().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://nobody@{}/nothing", silent.local_addr().unwrap());
    let running = shop.changed(["run"], shop.database.url(), &url).spawn();
    let _wire = ends("run asks its database", silent.accept()).await.unwrap();
    running.signal(Signal::SIGINT);
    running.wait().await.ended_with(0);
}

/// One GET, as bytes on a socket; the whole answer.
async fn fetch(address: &str, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    socket
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_demonstration_finds_nothing_new_the_second_time() {
    let call = Fuelsync::new(["demo", "--once", "--json", "--keep", "kept"]);
    let first = call.run().await.ended_with(0).json();
    assert!(sum(&first, "inserted") > 10_000, "{first}");
    let second = call.run().await.ended_with(0).json();
    assert_eq!((sum(&second, "inserted"), sum(&second, "updated")), (0, 0), "{second}");
}

#[tokio::test]
async fn completions_are_there_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(Fuelsync::new(["completions", shell]).run().await.ended_with(0).stdout.contains("fuelsync"));
    }
    assert!(Fuelsync::new(["man"]).run().await.ended_with(0).stdout.contains(".TH"));
    assert!(Fuelsync::new(["config", "schema"]).run().await.ended_with(0).json().is_object());
}
