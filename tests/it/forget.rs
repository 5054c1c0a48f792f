//! A forgotten person is nowhere in the warehouse, not after everything was read again either; the amounts are.

use std::{collections::BTreeSet, time::Duration};

use fuelsync::{
    config::Rule,
    domain::SourceKind,
    privacy::Person,
    sandbox,
    sync::backfill::{self, Stretch},
    warehouse::{WarehouseError, load::Counts},
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    replay::{Stage, text},
    support::{
        Fuelsync, ends,
        fleet::{Fleet, start},
        traces::traces,
    },
};

/// A month of both vendors, nothing of a person hidden, read and read again while the vendors change what they say: so
/// there are earlier images.
async fn open_fleet() -> Fleet {
    let mut fleet = Fleet::new(1_500, |_| {}).await;
    let privacy = &mut fleet.config.privacy;
    (privacy.card_number, privacy.driver_name, privacy.license_plate) = (Rule::Keep, Rule::Keep, Rule::Keep);
    for days in [0, 2, 3] {
        fleet.clock.advance(Duration::from_hours(24 * days));
        fleet.pass().await;
    }
    fleet
}

const OPEN: &str = "[privacy]\ncard_number = \"keep\"\n";

/// `fuelsync forget …` with the real binary.
fn call(fleet: &Fleet, privacy: &str, args: &[&str]) -> Fuelsync {
    let text = sandbox::configuration(&fleet.sandbox, fleet.database.url(), start());
    Fuelsync::new(["forget", "--json"].iter().chain(args).copied()).config(&format!("{text}\n{privacy}"))
}

pub(crate) async fn forget(fleet: &Fleet, privacy: &str, args: &[&str]) -> Value {
    call(fleet, privacy, args).run().await.ended_with(0).json()
}

/// A full re-read of everything, every row compared.
pub(crate) async fn read_again(fleet: &Fleet) -> Counts {
    let again = Stretch { from: start(), to: None, again: true, workers: 2 };
    ends("a re-read", backfill::run(&fleet.process(), again, &CancellationToken::new())).await.totals().1
}

async fn strings(fleet: &Fleet, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(&fleet.pool).await.unwrap()
}

/// What must not change: how many lines there are of each source, how much they sold and for how much.
const SUMS: &str = "SELECT concat_ws(' ', source, product, currency, count(*), sum(quantity), sum(net_amount), sum(gross_amount), \
    sum(paid_amount), sum(version)) FROM fuel.transaction GROUP BY source, product, currency ORDER BY 1";

/// Of each source and each column the value that stands in most lines of several versions.
const MOST: &str = "SELECT DISTINCT ON (t.source, p.kind) concat_ws('|', t.source, p.kind, p.value) \
    FROM fuel.transaction t CROSS JOIN LATERAL (VALUES ('--card', t.card_number), ('--driver', t.driver_name), \
        ('--plate', t.license_plate)) AS p (kind, value) \
    WHERE p.value IS NOT NULL AND octet_length(p.value) > 5 GROUP BY t.source, p.kind, p.value \
    ORDER BY t.source, p.kind, sum(t.version - 1) DESC, count(*) DESC, p.value";

#[tokio::test(flavor = "multi_thread")]
async fn after_a_full_reread_there_is_no_trace_of_anyone_forgotten() {
    let fleet = open_fleet().await;
    let (persons, before) = (strings(&fleet, MOST).await, strings(&fleet, SUMS).await);
    let kinds: Vec<_> = persons.iter().map(|person| person.split('|').take(2).collect::<Vec<_>>().join(" ")).collect();
    for expected in [
        "alexela_bonus --card",
        "alexela_card --card",
        "alexela_card --driver",
        "alexela_card --plate",
        "hecone --card",
        "hecone --plate",
    ] {
        assert!(kinds.iter().any(|kind| kind == expected), "{expected} is in {kinds:?}");
    }
    // The newest of them are written as a vendor may write them, with escapes, and stand in records nobody could read.
    for person in &persons {
        let value = person.split('|').nth(2).unwrap();
        escape(&fleet, value).await;
        quarantine(&fleet, value).await;
    }
    // One vendor's customer is another one's: who is forgotten is so at all of them.
    let mut known = std::collections::BTreeSet::new();
    let persons: Vec<_> = persons
        .into_iter()
        .filter(|person| {
            let of_whom = person.split_once('|').map(|(_, kind_and_value)| kind_and_value.to_uppercase());
            known.insert(of_whom.unwrap_or_default().replace([' ', '-'], ""))
        })
        .collect();
    for person in &persons {
        fill_in(&fleet, person.split('|').nth(1).unwrap(), person.split('|').nth(2).unwrap()).await;
    }
    let mut versions = 0;
    for person in &persons {
        let [_, kind, value] = person.split('|').collect::<Vec<_>>()[..] else { panic!("{person}") };
        let there = traces(&fleet.pool, value).await;
        assert!(there.iter().any(|at| at.starts_with("record.raw")), "{person} of {persons:?}: {there:?}");
        assert!(there.iter().any(|at| at.starts_with("quarantine.record")), "{there:?}");
        let tried = forget(&fleet, OPEN, &[kind, value, "--dry-run"]).await;
        assert_eq!(traces(&fleet.pool, value).await, there, "nothing was changed");
        let done = forget(&fleet, OPEN, &[kind, &spelt_otherwise(value)]).await;
        assert!(done["lines"].as_u64() > Some(0) && done["records"].as_u64() > Some(0), "{done}");
        assert!(done["quarantined"].as_u64() > Some(0), "{done}");
        assert!(done["vehicles"].as_u64() > Some(0) && done["texts"].as_u64() > Some(2), "{done}");
        for count in ["lines", "records", "versions", "quarantined", "vehicles", "texts"] {
            assert_eq!(tried[count], done[count], "{count} of {kind}: {tried} {done}");
        }
        versions += done["versions"].as_u64().unwrap();
        assert_eq!(traces(&fleet.pool, value).await, Vec::<String>::new(), "{kind}");
        let again = forget(&fleet, OPEN, &[kind, value]).await;
        assert_eq!(
            (&again["lines"], &again["records"], &again["versions"]),
            (&0.into(), &0.into(), &0.into()),
            "{again}"
        );
    }
    assert!(versions > 0, "some had earlier images");
    assert_eq!(strings(&fleet, SUMS).await, before, "every amount is there");
    // What the user filled in is there, but for who is forgotten; a row that told nothing else is gone.
    let vehicles = strings(
        &fleet,
        "SELECT concat_ws('|', name, vehicle_no, tank_l, license_plate, card_number) FROM fuel.vehicle",
    )
    .await;
    assert_eq!(vehicles.len(), persons.len(), "{vehicles:?}");
    assert!(vehicles.iter().all(|left| left.starts_with("van of|V-") && left.ends_with("|70.0000")), "{vehicles:?}");
    sqlx::query("DELETE FROM fuel.quarantine WHERE field = 'by hand'").execute(&fleet.pool).await.unwrap();

    // Records with escapes were never written so: that they were altered is not forgotten, and a re-read puts them right.
    let altered =
        strings(&fleet, "SELECT line_id FROM fuel.transaction WHERE content_hash = decode(repeat('00', 16), 'hex')")
            .await;
    let counts = read_again(&fleet).await;
    assert_eq!((counts.inserted, counts.missing), (0, 0), "{counts:?}");
    assert_eq!(usize::try_from(counts.updated).unwrap(), altered.len(), "{counts:?}");
    assert!(altered.len() < 100 && counts.unchanged > 1_500, "{counts:?}");
    let counts = read_again(&fleet).await;
    assert_eq!((counts.inserted, counts.updated, counts.missing), (0, 0, 0), "{counts:?}");
    fleet.clock.advance(Duration::from_hours(48));
    let (_, counts) = fleet.pass().await.totals();
    assert!(counts.inserted > 0 && counts.updated > 0, "the vendors go on: {counts:?}");
    for person in &persons {
        let value = person.split('|').nth(2).unwrap();
        assert_eq!(traces(&fleet.pool, value).await, Vec::<String>::new(), "after a full re-read and a later one");
    }
    let kept: Vec<String> = strings(&fleet, "SELECT digest::text FROM fuel.forgotten").await;
    assert_eq!(kept.len(), persons.len(), "one digest each");
}

/// In half of the records with a value, its first character as a JSON escape.
async fn escape(fleet: &Fleet, value: &str) {
    let first = value.chars().next().unwrap();
    let escaped = format!("\\u{:04X}{}", u32::from(first), &value[first.len_utf8()..]);
    let done = sqlx::query(
        "UPDATE fuel.record SET raw = replace(raw::text, '\"' || $1 || '\"', '\"' || $2 || '\"')::json \
         WHERE raw::text LIKE '%\"' || $1 || '\"%' AND ascii(right(source_transaction_id, 1)) % 2 = 0",
    )
    .bind(value)
    .bind(escaped)
    .execute(&fleet.pool)
    .await
    .unwrap();
    assert!(done.rows_affected() < 1_000);
}

/// A record that could not be read, with the value where a vendor may put it: under a name of its own, and in a text.
async fn quarantine(fleet: &Fleet, value: &str) {
    let record = serde_json::json!({ "id": "x", "customer_additional_info": format!("paid by {value}, thanks"), "cardNumber": value,
        "driverName": value, "plateNumber": value });
    sqlx::query(
        "INSERT INTO fuel.quarantine (source, account, partition, fingerprint, record, field, reason) \
         VALUES ('hecone', 'north', '-', sha256(convert_to($1, 'UTF8')), $1::json, 'by hand', 'is there')",
    )
    .bind(record.to_string())
    .execute(&fleet.pool)
    .await
    .unwrap();
}

/// What a user filled in: a vehicle that is told by its number as well, one that is not, and where else a value may have got to.
async fn fill_in(fleet: &Fleet, kind: &str, value: &str) {
    let (plate, card) = match kind {
        "--plate" => (Some(value.to_lowercase()), None),
        "--card" => (None, Some(value)),
        _ => (None, None),
    };
    sqlx::query("INSERT INTO fuel.vehicle (name, vehicle_no, tank_l) VALUES ('van of ' || $1, 'V-' || md5($1), 70)")
        .bind(value)
        .execute(&fleet.pool)
        .await
        .unwrap();
    if plate.is_some() || card.is_some() {
        sqlx::query("INSERT INTO fuel.vehicle (license_plate, card_number, tank_l) VALUES ($1, $2, 70)")
            .bind(plate)
            .bind(card)
            .execute(&fleet.pool)
            .await
            .unwrap();
    }
    for sql in [
        "INSERT INTO fuel.site (site_id, name, latitude, longitude) VALUES (md5($1), 'near ' || $1, 59, 25)",
        "UPDATE fuel.checkpoint SET last_error = concat_ws(', ', last_error, 'said: ' || $1)",
        "UPDATE fuel.sync_window SET last_error = concat_ws(', ', last_error, 'said: ' || $1)",
    ] {
        sqlx::query(sql).bind(value).execute(&fleet.pool).await.unwrap();
    }
}

/// The same value as somebody else would type it.
fn spelt_otherwise(value: &str) -> String {
    let (head, tail) = value.split_at(value.char_indices().nth(3).unwrap().0);
    if value.contains(' ') { value.to_lowercase() } else { format!(" {head}-{}", tail.to_lowercase()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_only_a_mask_is_there_it_says_so_and_waits_for_a_word() {
    let open = open_fleet().await;
    let card = strings(&open, MOST).await.into_iter().find(|person| person.starts_with("alexela_card|--card")).unwrap();
    let card = card.split('|').nth(2).unwrap();
    let fleet = Fleet::new(1_500, |_| {}).await;
    fleet.pass().await;
    let before = strings(&fleet, SUMS).await;
    let asked = call(&fleet, "", &["--card", card]).run().await.ended_with(2);
    assert!(asked.stderr.contains("--masked") && !asked.stderr.contains(card), "{}", asked.stderr);
    let nobody: i64 = sqlx::query_scalar("SELECT count(*) FROM fuel.forgotten").fetch_one(&fleet.pool).await.unwrap();
    assert_eq!(nobody, 0, "nothing was changed");
    let tried = forget(&fleet, "", &["--card", card, "--dry-run"]).await;
    assert!(tried["only_masked"].as_u64() > Some(0) && tried["lines"] == 0, "{tried}");
    let mask = format!("{}{}{}", &card[..6], "*".repeat(card.len() - 10), &card[card.len() - 4..]);
    assert!(!traces(&fleet.pool, &mask).await.is_empty());
    let done = forget(&fleet, "", &["--card", card, "--masked"]).await;
    assert!(done["lines"].as_u64() > Some(0), "{done}");
    assert_eq!(traces(&fleet.pool, &mask).await, Vec::<String>::new());
    let counts = read_again(&fleet).await;
    assert_eq!((counts.inserted, counts.updated, counts.missing), (0, 0, 0), "{counts:?}");
    assert_eq!(traces(&fleet.pool, &mask).await, Vec::<String>::new());
    assert_eq!(strings(&fleet, SUMS).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hashed_is_found_by_the_value() {
    let open = open_fleet().await;
    let drivers = strings(&open, MOST).await;
    let driver = drivers.iter().find(|person| person.starts_with("alexela_card|--driver")).unwrap();
    let driver = driver.split('|').nth(2).unwrap();
    let mut fleet = Fleet::new(1_500, |_| {}).await;
    fleet.config.privacy.driver_name = Rule::Hash;
    fleet.config.privacy.hash_key = Some("a long random text".to_owned().into());
    fleet.pass().await;
    let hashes = "SELECT DISTINCT driver_name FROM fuel.transaction WHERE driver_name ~ '^[0-9a-f]{8}:[0-9a-f]{64}$'";
    let before = strings(&fleet, hashes).await;
    let rules = "[privacy]\ndriver_name = \"hash\"\nhash_key = \"a long random text\"\n";
    let done = forget(&fleet, rules, &["--driver", driver]).await;
    assert!(done["lines"].as_u64() > Some(0), "{done}");
    let after = strings(&fleet, hashes).await;
    assert_eq!(after.len() + 1, before.len());
    let gone = before.iter().find(|hash| !after.contains(hash)).unwrap();
    assert_eq!(traces(&fleet.pool, gone).await, Vec::<String>::new());
    let counts = read_again(&fleet).await;
    assert_eq!((counts.inserted, counts.updated, counts.missing), (0, 0, 0), "{counts:?}");
    assert_eq!(traces(&fleet.pool, gone).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_altered_by_hand_is_forgotten_too_and_still_told_as_altered() {
    let fleet = open_fleet().await;
    let run = async |sql: &str, value: &str| {
        let done = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).bind(value).execute(&fleet.pool).await.unwrap();
        done.rows_affected()
    };
    let persons = strings(&fleet, MOST).await;
    let driver = persons.iter().find(|person| person.starts_with("alexela_card|--driver")).unwrap();
    let driver = driver.split('|').nth(2).unwrap();
    let one = |of: &str| {
        format!(
            "WHERE (source, source_transaction_id, line_id) = (SELECT source, source_transaction_id, line_id FROM fuel.transaction \
             WHERE {of} ORDER BY source, source_transaction_id, line_id LIMIT 1)"
        )
    };
    let of_driver = one("source = 'alexela_card' AND driver_name = $1");
    let dearer = format!("UPDATE fuel.transaction SET gross_amount = gross_amount + 450 {of_driver}");
    assert_eq!(run(&dearer, driver).await, 1);
    let of_nobody = one("source = 'hecone' AND driver_name IS NULL");
    assert_eq!(run(&format!("UPDATE fuel.transaction SET driver_name = $1 {of_nobody}"), "Jane Quill").await, 1);

    let of_plate = one("source = 'hecone' AND license_plate IS NOT NULL");
    assert_eq!(run(&format!("UPDATE fuel.transaction SET license_plate = $1 {of_plate}"), "QX7.731").await, 1);
    assert_eq!(forget(&fleet, OPEN, &["--plate", "qx7 731"]).await["lines"], 1);
    assert_eq!(traces(&fleet.pool, "QX7.731").await, Vec::<String>::new());
    for name in [driver, "Jane Quill"] {
        assert!(forget(&fleet, OPEN, &["--driver", name]).await["lines"].as_u64() > Some(0));
        assert_eq!(traces(&fleet.pool, name).await, Vec::<String>::new());
    }
    // The amount is not what was written; the line without the name that somebody filled in is.
    let no_digest =
        "SELECT source FROM fuel.transaction WHERE content_hash = decode(repeat('00', 16), 'hex') ORDER BY 1";
    assert_eq!(
        strings(&fleet, no_digest).await,
        ["alexela_card", "hecone"],
        "its own plate does not come back by that"
    );
    let text = sandbox::configuration(&fleet.sandbox, fleet.database.url(), start());
    let proved = Fuelsync::new(["prove", "--month", &start().format("%Y-%m").to_string(), "--json"])
        .config(&format!("{text}\n{OPEN}"));
    let proved = proved.run().await.ended_with(6).stdout;
    assert!(proved.contains("gross_amount"), "{proved}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_without_its_record_is_not_taken_for_another_one_when_somebody_is_forgotten_in_it() {
    let mut fleet = Fleet::new(1_500, |_| {}).await;
    fleet.config.privacy.driver_name = Rule::Keep;
    // Once: what was written by several reads of late is not held against the ledger.
    fleet.pass().await;
    let driver = strings(&fleet, MOST).await.into_iter().find(|person| person.starts_with("alexela_card|--driver"));
    let driver = driver.unwrap().split('|').nth(2).unwrap().to_owned();
    let text = sandbox::configuration(&fleet.sandbox, fleet.database.url(), start());
    let prove = async || {
        let month = start().format("%Y-%m").to_string();
        let proved = Fuelsync::new(["prove", "--month", &month, "--source", "alexela_card", "--json"]);
        let certificate = proved.config(&format!("{text}\n{OPEN}")).run().await.ended_with(6).json();
        let all = certificate["findings"].as_array().unwrap().clone();
        all.into_iter().map(|finding| finding["what"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let gone = sqlx::query(
        "DELETE FROM fuel.record r USING fuel.transaction t WHERE t.source = 'alexela_card' AND t.driver_name = $1 \
             AND r.source = t.source AND r.account = t.account AND r.source_transaction_id = t.source_transaction_id",
    )
    .bind(&driver)
    .execute(&fleet.pool)
    .await
    .unwrap();
    assert!(gone.rows_affected() > 0);
    assert_eq!(prove().await, BTreeSet::from(["invented".to_owned()]));
    let drawn: i64 = sqlx::query_scalar("SELECT last_value FROM fuel.change_seq").fetch_one(&fleet.pool).await.unwrap();
    assert!(forget(&fleet, OPEN, &["--driver", &driver]).await["lines"].as_u64() > Some(0));
    assert_eq!(prove().await, BTreeSet::from(["invented".to_owned()]), "no line of the windows went or came");
    let told: i64 = sqlx::query_scalar("SELECT count(*) FROM fuel.changes($1, 100000)")
        .bind(drawn)
        .fetch_one(&fleet.pool)
        .await
        .unwrap();
    assert!(told > 0, "whoever keeps a copy of these lines is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_runs_on_heeds_it_at_its_next_pass() {
    let fleet = open_fleet().await;
    let passes = fleet.process();
    passes.pass(&CancellationToken::new()).await;
    let plate = strings(&fleet, MOST).await.into_iter().find(|person| person.starts_with("hecone|--plate")).unwrap();
    let plate = plate.split('|').nth(2).unwrap();
    forget(&fleet, OPEN, &["--plate", plate]).await;
    fleet.clock.advance(Duration::from_hours(72));
    let (_, counts) = ends("a pass", passes.pass(&CancellationToken::new())).await.totals();
    assert!(counts.inserted > 0, "{counts:?}");
    assert_eq!(traces(&fleet.pool, plate).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_was_read_before_somebody_was_forgotten_is_not_written() {
    let stage = Stage::new(SourceKind::AlexelaBonus).await;
    let sale = || vec![crate::replay::good(&text("1", "d", 5, 1))];
    let number = stage.warehouse.forgotten().await.unwrap().number();
    assert_eq!(number, 0);
    let digest = stage.warehouse.forgotten().await.unwrap().digest("123 ABC").unwrap();
    stage.warehouse.forget(Person::Plate, &[digest]).await.unwrap();
    let refused = stage.write_heeding(number, sale()).await;
    assert!(matches!(refused, Err(WarehouseError::Forgotten)), "{refused:?}");
    let number = stage.warehouse.forgotten().await.unwrap().number();
    assert_eq!(stage.write_heeding(number, sale()).await.unwrap().inserted, 1);
    stage.warehouse.forget(Person::Plate, &[digest]).await.unwrap();
    assert_eq!(stage.warehouse.forgotten().await.unwrap().number(), number, "the same person twice is the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_says_what_was_done() {
    let fleet = Fleet::new(400, |_| {}).await;
    fleet.pass().await;
    let most = strings(&fleet, MOST).await;
    let value = |kind: &str| {
        let of_kind = most.iter().find(|person| person.starts_with(kind)).unwrap();
        of_kind.split('|').nth(2).unwrap().to_owned()
    };
    let (driver, plate) = (value("alexela_card|--driver"), value("hecone|--plate"));
    fill_in(&fleet, "--plate", &plate).await;
    let text = sandbox::configuration(&fleet.sandbox, fleet.database.url(), start());
    let rules = "[privacy]\ndriver_name = \"keep\"\n";
    let mut said = String::new();
    for args in [
        &["--driver", &driver, "--dry-run"][..],
        &["--driver", &driver],
        &["--driver", &driver],
        &["--plate", &plate],
        &["--card", "7033010000000000", "--dry-run"],
    ] {
        let forget = Fuelsync::new(["forget"].iter().chain(args).copied()).config(&format!("{text}\n{rules}"));
        said.push_str(&forget.run().await.ended_with(0).stdout);
    }
    assert!(!said.contains(&driver) && !said.contains(&plate), "{said}");
    insta::assert_snapshot!(said);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_do_half_of_it_does_nothing() {
    let fleet = Fleet::new(100, |_| {}).await;
    fleet.pass().await;
    let role = format!("reader_{}", std::process::id());
    for sql in [
        format!("DROP ROLE IF EXISTS {role}"),
        format!("CREATE ROLE {role} LOGIN PASSWORD 'only for this test'"),
        format!("GRANT USAGE ON SCHEMA fuel TO {role}"),
        format!("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA fuel TO {role}"),
        format!("REVOKE UPDATE ON fuel.transaction_version FROM {role}"),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&fleet.pool).await.unwrap();
    }
    let text = sandbox::configuration(&fleet.sandbox, fleet.database.url(), start());
    let mut url = url::Url::parse(fleet.database.url()).unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("only for this test")).unwrap();
    let text = text.replace(fleet.database.url(), url.as_str());
    let refused = Fuelsync::new(["forget", "--driver", "Kanaari Lind"]).config(&text).run().await.ended_with(4);
    assert!(
        refused.stderr.contains("UPDATE ON fuel.transaction_version, DELETE ON fuel.vehicle"),
        "{}",
        refused.stderr
    );
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM fuel.forgotten").fetch_one(&fleet.pool).await.unwrap();
    assert_eq!(kept, 0, "nothing was changed");
    for sql in [format!("DROP OWNED BY {role}"), format!("DROP ROLE {role}")] {
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&fleet.pool).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_say_it_wrong_has_its_code_and_repeats_no_value() {
    let fleet = Fleet::new(100, |_| {}).await;
    for args in [&[][..], &["--card", "-"], &["--card", " "], &["--card", "1", "--plate", "2"]] {
        call(&fleet, OPEN, args).run().await.ended_with(2);
    }
    let text = sandbox::configuration(&fleet.sandbox, fleet.database.url(), start());
    let nowhere = text.replace(fleet.database.url(), "postgres://nobody@127.0.0.1:1/nothing");
    let refused = Fuelsync::new(["forget", "--driver", "Kanaari Lind"]).config(&nowhere).run().await.ended_with(4);
    assert!(!refused.stderr.contains("Kanaari"), "{}", refused.stderr);
    let program = env!("CARGO_BIN_EXE_fuelsync");
    let piped =
        Fuelsync::other("sh", ["-c".to_owned(), format!("echo 'Kanaari Lind' | {program} -vv forget --driver -")]);
    let said = piped.config(&text).run().await.ended_with(0);
    assert!(said.stdout.contains("held against it"), "{}", said.stdout);
    assert!(!said.stdout.contains("Kanaari") && !said.stderr.contains("Kanaari"), "{}{}", said.stdout, said.stderr);
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM fuel.forgotten").fetch_one(&fleet.pool).await.unwrap();
    assert_eq!(kept, 1, "nobody of that name was there, and none will be");
}
