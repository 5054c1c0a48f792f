//! `leaks`: no secret and no personal value in anything that the program writes, whatever a vendor answers.
//!
//! A vendor of our own ([`vendor`]) knows the program's secrets and repeats them, with personal values, wherever an
//! answer has room: records, odd field names, error texts, pages, headers. Every command is run against it, as loud as it
//! goes, and all that it wrote is searched ([`search`]): both streams, its page and metrics, its arguments, every table,
//! and the database's own log with every statement and its parameters in it.

mod search;
mod vendor;

use std::{collections::BTreeSet, time::Duration};

use fuelsync::{
    embedded::{Embedded, EmbeddedOptions},
    failpoint::planted_now,
};
use nix::sys::signal::Signal;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use secrecy::ExposeSecret as _;
use sqlx::{AssertSqlSafe, PgPool, Row as _, postgres::PgPoolOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use self::{
    search::{Search, Written},
    vendor::{Fault, Vendor},
};
use crate::{Measured, Run, support::Fuelsync};

/// What is typed. `run` is scraped while it lives.
const COMMANDS: [&[&str]; 19] = [
    &["sync"],
    &["run"],
    &["quarantine", "list"],
    &["quarantine", "show", FIRST, "--json"],
    &["preview", "--source", "hecone"],
    &["preview", "--source", "alexela_card", "--json"],
    &["check"],
    &["check", "--json"],
    &["backfill", "--from", FROM],
    &["sync", "--json"],
    &["backfill", "--from", FROM, "--json"],
    &["preview", "--source", "alexela_bonus"],
    &["preview", "--source", "alexela_ev"],
    &["status"],
    &["status", "--json"],
    &["config", "show"],
    &["config", "show", "--json"],
    &["quarantine", "replay", "--json"],
    &["quarantine", "show", LAST],
];

/// Stands for the first day read.
const FROM: &str = "FROM";
/// Stand for numbers of records in quarantine: which are there depends on which stream was written first.
const FIRST: &str = "FIRST";
const LAST: &str = "LAST";

/// The secrets that stand in the configuration.
struct Secrets {
    database: String,
    client: String,
    psk: String,
    hash: String,
}

/// One call of the program.
#[derive(Clone, Copy)]
struct Call {
    command: &'static [&'static str],
    fault: Fault,
    json: bool,
    by_environment: bool,
}

/// Runs `size` commands, each with one of the faults, and searches all that was written.
pub(crate) async fn measure(run: Run) -> Measured {
    let mut measured = Measured::default();
    let mut dice = ChaCha8Rng::seed_from_u64(run.seed);
    let mut token = |name: &str| format!("{name}Kanari{:016x}{:016x}", dice.random::<u64>(), dice.random::<u64>());
    let secrets = Secrets {
        database: token("dbp"),
        client: token("cls"),
        psk: (0..4).map(|_| token("")).collect::<String>(),
        hash: token("hsh"),
    };
    let vendor = Vendor::start(run.seed, &[&secrets.client, &secrets.psk]).await;
    let server = Embedded::start(EmbeddedOptions::default()).await.expect("a server");
    let admin = PgPoolOptions::new().max_connections(2).connect(server.url().expose_secret()).await.expect("a server");
    for sql in [
        format!("CREATE ROLE canary LOGIN PASSWORD '{}'", secrets.database),
        "CREATE DATABASE leaks OWNER canary".to_owned(),
        // From here on the log holds every statement, its parameters, and the row that made it fail.
        "ALTER SYSTEM SET log_statement = 'all'".to_owned(),
        "ALTER SYSTEM SET log_min_duration_statement = 0".to_owned(),
        "ALTER SYSTEM SET log_min_error_statement = 'debug5'".to_owned(),
        "ALTER SYSTEM SET log_error_verbosity = 'verbose'".to_owned(),
        "ALTER SYSTEM SET log_parameter_max_length_on_error = -1".to_owned(),
        "ALTER SYSTEM SET log_connections = on".to_owned(),
        "SELECT pg_reload_conf()".to_owned(),
    ] {
        sqlx::query(AssertSqlSafe(sql)).execute(&admin).await.expect("a loud server");
    }
    let url = format!("postgres://canary@127.0.0.1:{}/leaks", server.port());

    let mut written = Vec::new();
    for call in calls(run.size, &mut ChaCha8Rng::seed_from_u64(run.seed)) {
        vendor.answer_with(call.fault);
        let (code, made) = made(&call, &vendor, &secrets, &url).await;
        measured.goal(!matches!(code, None | Some(2)), || format!("{} ended with {code:?}", call.command.join(" ")));
        written.push(made);
    }
    let pool = pool(&url, &secrets).await;
    written.push(Written::new("tables", tables(&pool).await));
    let log = server.home().join("server/data/start.log");
    let log = std::fs::read(log).expect("the server's log");
    let statements = String::from_utf8_lossy(&log).matches("statement:").count()
        + String::from_utf8_lossy(&log).matches("execute ").count();
    written.push(Written::new("database log", log));

    let personal = vendor.personal();
    let secret: BTreeSet<String> =
        [secrets.database.clone(), secrets.client.clone(), secrets.psk.clone(), secrets.hash.clone()]
            .into_iter()
            .chain(vendor.issued())
            .collect();
    let signatures = vendor.signatures();
    // Of signatures, of which each request has another, some are looked for in all forms.
    let canaries: Vec<String> = secret.iter().chain(&personal).chain(signatures.iter().take(8)).cloned().collect();
    let search = Search::new(&canaries);
    let mut found = search.all(&written);
    found.extend(Search::signatures(&signatures, &written));
    for leak in &found {
        measured.fault(leak.clone());
    }

    let bytes: usize = written.iter().map(|written| written.bytes.len()).sum();
    let hashes: i64 =
        sqlx::query_scalar("SELECT count(*) FROM fuel.transaction WHERE license_plate ~ '^[0-9a-f]{8}:[0-9a-f]{64}$'")
            .fetch_one(&pool)
            .await
            .expect("a table");
    let kept = kept(&vendor, &secrets, &admin, server.port()).await;
    let unseen: Vec<_> = personal.iter().filter(|canary| !search.is_in(canary, &kept)).collect();
    measured
        .note("canaries", secret.len() + personal.len())
        .note("signatures", signatures.len())
        .note("forms_each", search.forms())
        .note("runs", run.size)
        .note("bytes_searched", bytes as u64)
        .note("statements_in_the_log", statements as u64)
        .note("requests", vendor.requests())
        .note("found", found.len())
        .goal(search.finds_each_form(), || "a form of a canary is not found where it is".to_owned())
        .goal(secret.len() + personal.len() >= 20, || "fewer than 20 canaries".to_owned())
        .goal(vendor.saw(&secrets.client) && !signatures.is_empty(), || "the secrets were not used".to_owned())
        .goal(vendor.saw_an_issued_token(), || "no token was used".to_owned())
        .goal(hashes > 0, || "nothing was hashed under the key".to_owned())
        .goal(statements > 20, || "the database's log is not loud".to_owned())
        .goal(unseen.is_empty(), || format!("{} canaries are not in what a run without rules stores", unseen.len()));
    measured
}

/// The calls: first each command with an honest vendor, then each fault with `sync`, then all of it by the dice.
fn calls(size: u64, dice: &mut ChaCha8Rng) -> Vec<Call> {
    let honest = COMMANDS.iter().map(|command| (*command, Fault::None));
    // As text and as JSON by turns: both have the vendor's words in them.
    let sync: [&[&str]; 2] = [&["sync"], &["sync", "--json"]];
    let faulty = Fault::ALL.iter().zip(sync.iter().cycle()).map(|(fault, sync)| (*sync, *fault));
    let mut calls: Vec<_> = Vec::new();
    // Few calls have both: every second one is of either kind.
    let (mut honest, mut faulty) = (honest.collect::<Vec<_>>().into_iter(), faulty.collect::<Vec<_>>().into_iter());
    while (calls.len() as u64) < size {
        let next = if calls.len().is_multiple_of(2) {
            honest.next().or_else(|| faulty.next())
        } else {
            faulty.next().or_else(|| honest.next())
        };
        let (command, fault) = next.unwrap_or_else(|| {
            (COMMANDS[dice.random_range(0..COMMANDS.len())], Fault::ALL[dice.random_range(0..Fault::ALL.len())])
        });
        calls.push(Call { command, fault, json: calls.len() % 2 == 1, by_environment: calls.len() % 3 == 1 });
    }
    calls
}

fn configuration(vendor: &Vendor, secrets: Option<&Secrets>, database: &str, rules: &str) -> String {
    let secret =
        |name: &str, value: Option<&String>| value.map_or_else(String::new, |value| format!("{name} = \"{value}\"\n"));
    format!(
        "[database]\nurl = \"{database}\"\nmigrate = true\n{password}\n[server]\nlisten = \"127.0.0.1:0\"\n\n\
         [http]\nmax_retries = 1\nrequest_timeout = \"2s\"\n\n[privacy]\n{rules}{hash}\n\
         [[hecone]]\nname = \"north\"\nbase_url = \"{base}/hecone\"\nclient_id = \"north-id\"\n{client}start = \"{from}\"\n\
         requests_per_second = 1000\n\n\
         [[alexela]]\nname = \"fleet\"\nbase_url = \"{base}/api/v1\"\naccess_id = \"fleet-id\"\n{psk}start = \"{from}\"\n\
         requests_per_second = 1000\n",
        base = vendor.url(),
        from = vendor::from(),
        password = secret("password", secrets.map(|s| &s.database)),
        hash = secret("hash_key", secrets.map(|s| &s.hash)),
        client = secret("client_secret", secrets.map(|s| &s.client)),
        psk = secret("psk", secrets.map(|s| &s.psk)),
    )
}

const RULES: &str =
    "card_number = \"mask\"\ndriver_name = \"drop\"\nlicense_plate = \"hash\"\nreceipt_email = \"drop\"\n";
const KEEP: &str =
    "card_number = \"keep\"\ndriver_name = \"keep\"\nlicense_plate = \"keep\"\nreceipt_email = \"keep\"\n";

/// Makes one call, as loud as it goes, and gathers all that it wrote.
async fn made(call: &Call, vendor: &Vendor, secrets: &Secrets, url: &str) -> (Option<i32>, Written) {
    let given = (!call.by_environment).then_some(secrets);
    let format = if call.json { "json" } else { "human" };
    let mut args = vec!["--log-format", format];
    // -vv and RUST_LOG speak for different layers; both are tried.
    if call.json {
        args.push("-vv");
    }
    let from = vendor::from();
    let quarantined =
        if call.command.first() == Some(&"quarantine") { quarantined(url, secrets).await } else { Default::default() };
    args.extend(call.command.iter().map(|arg| match *arg {
        FROM => from.as_str(),
        FIRST => &quarantined.0,
        LAST => &quarantined.1,
        arg => arg,
    }));
    let mut program = Fuelsync::new(args)
        .config(&configuration(vendor, given, url, RULES))
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "1");
    if call.by_environment {
        for (name, value) in [
            ("FUELSYNC__DATABASE__PASSWORD", &secrets.database),
            ("FUELSYNC__PRIVACY__HASH_KEY", &secrets.hash),
            ("FUELSYNC__HECONE__NORTH__CLIENT_SECRET", &secrets.client),
            ("FUELSYNC__ALEXELA__FLEET__PSK", &secrets.psk),
        ] {
            program = program.env(name, value.as_str());
        }
    }
    if let Some(bug) = planted_now() {
        program = program.env("FUELSYNC_PLANT", bug);
    }
    let mut running = program.spawn();
    let mut bytes = running.arguments();
    if call.command == ["run"] {
        let said = running.says("fuelsync is running").await;
        let port = said.split("http://127.0.0.1:").nth(1).and_then(|rest| rest.split(['/', '"', ' ', '\n']).next());
        let page = format!("127.0.0.1:{}", port.expect("its page's address"));
        tokio::time::sleep(Duration::from_millis(700)).await;
        for path in ["/", "/metrics", "/api/status", "/healthz", "/readyz", "/nowhere"] {
            bytes.extend(fetch(&page, path).await);
        }
        running.signal(Signal::SIGTERM);
    }
    let ran = running.wait().await;
    bytes.extend(ran.stdout.into_bytes());
    bytes.extend(ran.stderr.into_bytes());
    (ran.code, Written::new(&format!("{} against {:?}", call.command.join(" "), call.fault), bytes))
}

/// The first and the last record in quarantine.
async fn quarantined(url: &str, secrets: &Secrets) -> (String, String) {
    let pool = pool(url, secrets).await;
    let numbers: (i64, i64) = sqlx::query_as("SELECT min(id), max(id) FROM fuel.quarantine")
        .fetch_one(&pool)
        .await
        .expect("records in quarantine");
    pool.close().await;
    (numbers.0.to_string(), numbers.1.to_string())
}

/// What a run without privacy rules stores, to show that the personal values were there.
async fn kept(vendor: &Vendor, secrets: &Secrets, admin: &PgPool, port: u16) -> Written {
    sqlx::query("CREATE DATABASE kept OWNER canary").execute(admin).await.expect("a database");
    let url = format!("postgres://canary@127.0.0.1:{port}/kept");
    vendor.answer_with(Fault::None);
    let ran = Fuelsync::new(["sync"]).config(&configuration(vendor, Some(secrets), &url, KEEP)).run().await;
    let mut bytes = tables(&pool(&url, secrets).await).await;
    bytes.extend(ran.stdout.into_bytes());
    bytes.extend(ran.stderr.into_bytes());
    Written::new("a run without rules", bytes)
}

async fn pool(url: &str, secrets: &Secrets) -> PgPool {
    let url = url.replace("canary@", &format!("canary:{}@", secrets.database));
    PgPoolOptions::new().max_connections(2).connect(&url).await.expect("the database")
}

/// Every row of every table, as text.
async fn tables(pool: &PgPool) -> Vec<u8> {
    let names =
        sqlx::query("SELECT relname::text FROM pg_class WHERE relnamespace = 'fuel'::regnamespace AND relkind = 'r'")
            .fetch_all(pool)
            .await
            .expect("the tables");
    let mut bytes = Vec::new();
    for name in names {
        let name: String = name.get(0);
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("SELECT t::text FROM fuel.{name} t")))
            .fetch_all(pool)
            .await
            .expect("its rows");
        for row in rows {
            bytes.extend(row.into_bytes());
        }
    }
    bytes
}

/// One GET, as bytes on a socket; the whole answer.
async fn fetch(address: &str, path: &str) -> Vec<u8> {
    let mut socket = tokio::net::TcpStream::connect(address).await.expect("the page");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("a request");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.expect("an answer");
    answer
}
