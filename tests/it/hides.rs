//! What is to be hidden is hidden everywhere: in images and quarantine by a remap, in what cannot be taken apart by forgetting.

use std::{sync::Arc, time::Duration};

use fuelsync::{
    app::App,
    clock::Clock,
    config::Rule,
    privacy::{pattern, plain},
    sandbox,
    sync::remap,
    warehouse::remap::{Remap, Remapped},
};
use tokio_util::sync::CancellationToken;
use unicode_normalization::UnicodeNormalization as _;

use crate::support::{
    Fuelsync, TestDatabase, ends,
    fleet::{Fleet, start},
    traces::traces,
};

async fn open_fleet() -> Fleet {
    let mut fleet = Fleet::new(1_500, |_| {}).await;
    let privacy = &mut fleet.config.privacy;
    (privacy.card_number, privacy.driver_name, privacy.license_plate) = (Rule::Keep, Rule::Keep, Rule::Keep);
    for days in [0, 2, 3, 30] {
        fleet.clock.advance(Duration::from_hours(24 * days));
        fleet.pass().await;
    }
    fleet
}

async fn remapped(fleet: &Fleet, dry_run: bool) -> Remapped {
    let clock: Arc<dyn Clock> = fleet.clock.clone();
    let app = App::new(fleet.config.clone(), clock).unwrap();
    fleet.warehouse.heed(&app.forgotten).await.unwrap();
    let work = Remap {
        sources: &[],
        accounts: &[],
        normalizer: &|stream| app.normalizer(stream),
        guard: &app.guard(),
        forgotten: &app.forgotten,
        present: fleet.clock.now(),
        dry_run,
        limit: Duration::from_mins(2),
    };
    let (done, _, ended) = ends("a remap", remap::run(&fleet.warehouse, &work, &CancellationToken::new())).await;
    ended.unwrap();
    done
}

async fn run(fleet: &Fleet, sql: &'static str, value: &str) -> u64 {
    sqlx::query(sql).bind(value).execute(&fleet.pool).await.unwrap().rows_affected()
}

/// Puts a record that nobody could read into quarantine, with a value in it.
const QUARANTINE: &str = "INSERT INTO fuel.quarantine (source, account, partition, fingerprint, record, field, reason) \
    SELECT 'hecone', 'north', '-', sha256(convert_to($1, 'UTF8')), json_build_object('id', 'x', 'card_number', $1, 'driver_name', $1), \
        'by hand', 'is there'";

#[tokio::test(flavor = "multi_thread")]
async fn a_remap_under_a_stricter_rule_leaves_no_whole_card_in_images_or_quarantine() {
    let mut fleet = open_fleet().await;
    let cards: Vec<String> = sqlx::query_scalar(
        "SELECT card_number FROM fuel.transaction WHERE source = 'alexela_card' AND card_number ~ '^[0-9]{16}$' \
         GROUP BY 1 ORDER BY sum(version - 1) DESC, 1 LIMIT 2",
    )
    .fetch_all(&fleet.pool)
    .await
    .unwrap();
    let [card, other] = &cards[..] else { panic!("{cards:?}") };
    assert_eq!(run(&fleet, QUARANTINE, card).await, 1);
    // Of another card's sale the product code was once another one: the source has that line no longer.
    let twin = "WITH one AS (SELECT * FROM fuel.transaction WHERE source = 'alexela_card' AND card_number = $1 \
                     AND NOT 'identical_lines' = ANY (quality) ORDER BY source_transaction_id LIMIT 1), \
                 line AS (INSERT INTO fuel.transaction (source, account, source_transaction_id, line_id, partition, kind, state, occurred_at, \
                     quality, content_hash, missing_since) SELECT source, account, source_transaction_id, 'OLD', partition, kind, state, \
                     occurred_at, quality, content_hash, now() FROM one) \
                 INSERT INTO fuel.record (source, account, source_transaction_id, line_id, raw, normalizer) \
                 SELECT r.source, r.account, r.source_transaction_id, 'OLD', '{}'::json, r.normalizer FROM fuel.record r JOIN one \
                     USING (source, account, source_transaction_id, line_id)";
    assert_eq!(run(&fleet, twin, other).await, 1);

    let there = traces(&fleet.pool, card).await;
    for table in ["quarantine.record", "record.raw", "transaction.card_number", "transaction_version.row_before"] {
        assert!(there.iter().any(|at| at.starts_with(table)), "{table}: {there:?}");
    }
    fleet.config.privacy.card_number = Rule::Mask;
    let tried = remapped(&fleet, true).await;
    assert_eq!(traces(&fleet.pool, card).await, there, "nothing was written");
    let done = remapped(&fleet, false).await;
    assert_eq!(tried, done, "what it said is what it did");
    assert!(done.versions > 0 && done.quarantined > 0 && done.missing > 0, "{done:?}");
    for card in [card, other] {
        assert_eq!(traces(&fleet.pool, card).await, Vec::<String>::new());
    }
    let again = remapped(&fleet, false).await;
    assert_eq!((again.changed, again.versions, again.quarantined), (0, 0, 0), "{again:?}");
    let kept: i64 =
        sqlx::query_scalar("SELECT count(*) FROM fuel.transaction WHERE line_id = 'OLD' AND missing_since IS NOT NULL")
            .fetch_one(&fleet.pool)
            .await
            .unwrap();
    assert_eq!(kept, 1, "what the source no longer has is still marked so");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_apart_is_no_hiding_place_and_stops_nothing() {
    let fleet = open_fleet().await;
    let plate: String = sqlx::query_scalar(
        "SELECT license_plate FROM fuel.transaction WHERE source = 'alexela_card' AND octet_length(license_plate) > 5 \
         GROUP BY 1 HAVING count(*) > 8 ORDER BY count(*) DESC, 1 LIMIT 1",
    )
    .fetch_one(&fleet.pool)
    .await
    .unwrap();
    let of = |which: &str| {
        format!(
            "(source, account, source_transaction_id, line_id) IN (SELECT source, account, source_transaction_id, line_id FROM fuel.transaction \
                 WHERE source = 'alexela_card' AND license_plate = $1 ORDER BY source_transaction_id {which} LIMIT 2)"
        )
    };
    for (sql, rows) in [
        (format!("DELETE FROM fuel.record WHERE {}", of("ASC")), 2),
        (format!("DELETE FROM fuel.transaction WHERE {}", of("DESC")), 2),
        (format!("UPDATE fuel.transaction SET quality = '{{of_a_later_version}}' WHERE {}", of("DESC")), 2),
        ("UPDATE fuel.sync_window SET last_error = 'HTTP 400: ' || $1 WHERE source = 'alexela_ev'".to_owned(), 1),
        ("UPDATE fuel.checkpoint SET last_error = 'no vehicle ' || $1 WHERE source = 'hecone'".to_owned(), 1),
        // As a browser copies it.
        ("UPDATE fuel.record SET raw = (left(raw::text, -1) || ',\"x\":\"' || left($1, 3) || chr(160) || substr($1, 4) || '\"}')::json \
             WHERE source = 'hecone'"
            .to_owned(), 1),
    ] {
        let done = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(&plate).execute(&fleet.pool).await.unwrap();
        assert!(done.rows_affected() >= rows);
    }
    let there = traces(&fleet.pool, &plate).await;
    assert!(there.iter().any(|at| at.starts_with("sync_window.last_error")), "{there:?}");
    let spaced: i64 = sqlx::query_scalar("SELECT count(*) FROM fuel.record WHERE strpos(raw::text, chr(160)) > 0")
        .fetch_one(&fleet.pool)
        .await
        .unwrap();
    assert!(spaced > 0);
    let text = sandbox::configuration(&fleet.sandbox, fleet.database.url(), start());
    let config = format!("{text}\n[privacy]\ncard_number = \"keep\"\n");
    let done = Fuelsync::new(["forget", "--plate", &plate, "--json"]).config(&config).run().await.ended_with(0).json();
    assert!(done["lines"].as_u64() > Some(0), "{done}");
    assert_eq!(traces(&fleet.pool, &plate).await, Vec::<String>::new());
    let spaced: i64 = sqlx::query_scalar("SELECT count(*) FROM fuel.record WHERE strpos(raw::text, chr(160)) > 0")
        .fetch_one(&fleet.pool)
        .await
        .unwrap();
    assert_eq!(spaced, 0);
    let again = Fuelsync::new(["forget", "--plate", &plate, "--json"]).config(&config).run().await.ended_with(0).json();
    assert_eq!((&again["lines"], &again["records"]), (&0.into(), &0.into()), "{again}");
}

#[tokio::test]
async fn the_database_finds_a_value_however_its_blanks_are_written() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    let blanks: Vec<char> = ('\0'..=char::MAX).filter(|c| c.is_whitespace()).chain(['-']).collect();
    assert!(blanks.len() > 20);
    let values = ["123 ABC", "Õnne Tamm", "7077*1234", "Thế Ķēniņš"];
    for value in values {
        let pattern = pattern(&[value.to_owned()]);
        let plain_value = plain(value);
        for blank in &blanks {
            let spelt: String = plain_value.chars().flat_map(|c| [c, *blank, *blank]).collect();
            for text in [spelt.clone(), spelt.to_uppercase(), format!("x {spelt} y")] {
                let found: bool =
                    sqlx::query_scalar("SELECT $1 ~ $2").bind(&text).bind(&pattern).fetch_one(&pool).await.unwrap();
                assert!(found, "{text:?} by {pattern}");
            }
            assert_eq!(plain(&spelt), plain_value, "{blank:?}");
        }
        for apart in [plain_value.nfd().collect::<String>(), plain_value.to_uppercase().nfd().collect()] {
            let found: bool =
                sqlx::query_scalar("SELECT $1 ~ $2").bind(&apart).bind(&pattern).fetch_one(&pool).await.unwrap();
            assert!(found, "{apart:?} by {pattern}");
        }
        for other in ["123 AB", "12 3_ABC", "Õnne_Tamm", "7077.1234", ""] {
            let found: bool =
                sqlx::query_scalar("SELECT $1 ~ $2").bind(other).bind(&pattern).fetch_one(&pool).await.unwrap();
            assert!(!found, "{other:?} by {pattern}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_forgotten_whether_its_letters_and_their_marks_are_one_or_not() {
    let fleet = open_fleet().await;
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT driver_name FROM fuel.transaction WHERE source = 'alexela_card' AND driver_name ~ '[^ -~]' ORDER BY 1 LIMIT 2",
    )
    .fetch_all(&fleet.pool)
    .await
    .unwrap();
    let text = sandbox::configuration(&fleet.sandbox, fleet.database.url(), start());
    let config = format!("{text}\n[privacy]\ndriver_name = \"keep\"\n");
    let [one, other] = &names[..] else { panic!("{names:?}") };
    let apart = |name: &str| name.nfd().collect::<String>();
    assert_ne!(apart(one), *one);
    for sql in [
        "UPDATE fuel.transaction SET driver_name = normalize(driver_name, NFD) WHERE driver_name = $1 AND version = 1",
        "UPDATE fuel.record SET raw = replace(raw::text, $1, normalize($1, NFD))::json \
         WHERE source_transaction_id IN (SELECT source_transaction_id FROM fuel.transaction WHERE driver_name = normalize($1, NFD))",
    ] {
        for name in [one, other] {
            assert!(run(&fleet, sql, name).await > 0);
        }
    }
    // Said in one way and the other.
    for said in [one.clone(), apart(other)] {
        Fuelsync::new(["forget", "--driver", &said]).config(&config).run().await.ended_with(0);
    }
    for name in [one, other] {
        for form in [name.clone(), apart(name)] {
            assert_eq!(traces(&fleet.pool, &form).await, Vec::<String>::new(), "{form}");
        }
    }
}
