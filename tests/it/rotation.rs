//! Another key of `hash`: what is stored says by which key it is hashed, and a read writes the change as an ordinary version.

use std::{collections::BTreeMap, time::Duration};

use fuelsync::{
    config::Rule,
    privacy::Guard,
    sandbox,
    sync::backfill::{self, Stretch},
    warehouse::load::Counts,
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::support::{
    Fuelsync, ends,
    fleet::{Fleet, start},
    traces::traces,
};

const FIRST: &str = "the first key, a long random text";
const SECOND: &str = "the second key, another long text";

fn use_key(fleet: &mut Fleet, key: &str) -> Guard {
    let privacy = &mut fleet.config.privacy;
    (privacy.driver_name, privacy.license_plate) = (Rule::Hash, Rule::Hash);
    privacy.hash_key = Some(key.to_owned().into());
    Guard::new(privacy)
}

/// A full re-read of everything, every row compared.
async fn read_again(fleet: &Fleet) -> Counts {
    let again = Stretch { from: start(), to: None, again: true, workers: 2 };
    ends("a re-read", backfill::run(&fleet.process(), again, &CancellationToken::new())).await.totals().1
}

/// How many lines have a driver or a plate that is hashed by each key; the empty one: by a hash that does not say it.
async fn by_key(fleet: &Fleet) -> BTreeMap<String, i64> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT coalesce(substring(value FROM '^([0-9a-f]{8}):[0-9a-f]{64}$'), ''), count(*) FROM fuel.transaction t \
         CROSS JOIN LATERAL (VALUES (t.driver_name), (t.license_plate)) AS p (value) WHERE value IS NOT NULL GROUP BY 1",
    )
    .fetch_all(&fleet.pool)
    .await
    .unwrap();
    rows.into_iter().collect()
}

/// What a command says, with the hashing of a key.
async fn said(fleet: &Fleet, key: &str, args: &[&str]) -> Value {
    let text = sandbox::configuration(&fleet.sandbox, fleet.database.url(), start());
    let rules = format!("[privacy]\ndriver_name = \"hash\"\nlicense_plate = \"hash\"\nhash_key = \"{key}\"\n");
    Fuelsync::new(args.iter().copied()).config(&format!("{text}\n{rules}")).run().await.ended_with(0).json()
}

/// The driver of most card sales, as the vendor writes the name.
fn a_driver(fleet: &Fleet) -> String {
    let mut names = BTreeMap::<String, usize>::new();
    for row in fleet.sandbox.world().truth(fleet.first_read, &fleet.scope()) {
        let value = |name: &str| row.columns.get(name).cloned().flatten();
        if value("source").as_deref() == Some("alexela_card") {
            *names.entry(value("driver_name").unwrap_or_default()).or_default() += 1;
        }
    }
    names.remove("");
    names.into_iter().max_by_key(|(_, count)| *count).unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_is_told_from_what_is_stored_and_comes_as_a_version() {
    let mut fleet = Fleet::new(1_500, |_| {}).await;
    let first = use_key(&mut fleet, FIRST).hash_key().unwrap().id().to_owned();
    fleet.pass().await;
    let before = by_key(&fleet).await;
    assert!(before.keys().eq([&first]) && before[&first] > 300, "{before:?}");

    // What an earlier version of the program left: the digits alone.
    let to_former = [
        "UPDATE fuel.transaction SET driver_name = replace(driver_name, $1, ''), license_plate = replace(license_plate, $1, ''), \
         content_hash = substr(sha256(content_hash), 1, 16) WHERE source = 'alexela_card'",
        "UPDATE fuel.record SET raw = replace(raw::text, $1, '')::json WHERE source = 'alexela_card'",
        // As an earlier version's mark of the source's answer: of another program.
        "UPDATE fuel.sync_window SET digest = NULL, digest_seqs = NULL, known_records = NULL WHERE $1 <> ''",
    ];
    for sql in to_former {
        sqlx::query(sql).bind(format!("{first}:")).execute(&fleet.pool).await.unwrap();
    }
    let former = by_key(&fleet).await;
    assert!(former[""] > 100 && former[&first] > 100, "{former:?}");
    let tried = said(&fleet, FIRST, &["remap", "--json"]).await;
    assert_eq!((&tried["changed"], &tried["unreadable"]), (&0.into(), &0.into()), "both are read as they are: {tried}");

    let second = use_key(&mut fleet, SECOND);
    let id = second.hash_key().unwrap().id().to_owned();
    assert_ne!(id, first);
    let tried = said(&fleet, SECOND, &["remap", "--json"]).await;
    assert_eq!(tried["changed"], 0, "nobody can make the old ones anew: {tried}");
    let (rows, sums): (i64, String) = sqlx::query_as(SUMS).fetch_one(&fleet.pool).await.unwrap();
    let hashed: i64 = sqlx::query_scalar(HASHED).fetch_one(&fleet.pool).await.unwrap();

    let counts = read_again(&fleet).await;
    assert_eq!((counts.inserted, counts.missing), (0, 0), "{counts:?}");
    assert!(i64::try_from(counts.updated).unwrap() >= hashed, "{hashed} lines have a hash: {counts:?}");
    let after = by_key(&fleet).await;
    assert!(after.keys().eq([&id]), "{after:?}");
    assert_eq!(after[&id], before[&first], "as many");
    assert_eq!(sqlx::query_as::<_, (i64, String)>(SUMS).fetch_one(&fleet.pool).await.unwrap(), (rows, sums));
    // Of lines alike in id and product the content says which is which: they may have changed places.
    let (images, single, ordinary): (i64, i64, i64) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE v.single), count(*) FILTER (WHERE v.single AND v.operation = 'change' \
             AND v.version = t.version - 1 AND v.changed_columns && ARRAY['driver_name', 'license_plate', 'raw'] \
             AND v.changed_columns <@ ARRAY['driver_name', 'license_plate', 'raw'] \
             AND ((v.row_before->>'driver_name') IS DISTINCT FROM t.driver_name) = ('driver_name' = ANY (v.changed_columns)) \
             AND coalesce(v.row_before->>'driver_name', v.row_before->>'license_plate', $1 || ':' || repeat('0', 64)) \
                 ~ ('^(' || $1 || ':)?[0-9a-f]{64}$')) \
         FROM (SELECT *, NOT EXISTS (SELECT FROM fuel.transaction o WHERE (o.source, o.account, o.source_transaction_id) = \
                 (v.source, v.account, v.source_transaction_id) AND o.line_id LIKE '%#%') AS single FROM fuel.transaction_version v) AS v \
         JOIN fuel.transaction t USING (source, account, source_transaction_id, line_id)",
    )
    .bind(&first)
    .fetch_one(&fleet.pool)
    .await
    .unwrap();
    assert_eq!(i64::try_from(counts.updated).unwrap(), images, "each has kept its image");
    assert!(
        single > 300 && single == ordinary,
        "{ordinary} of {single} are a change of these columns, with the old hash before"
    );
    let counts = read_again(&fleet).await;
    assert_eq!((counts.inserted, counts.updated, counts.missing), (0, 0, 0), "{counts:?}");
}

const SUMS: &str = "SELECT count(*), concat_ws(' ', sum(quantity), sum(gross_amount), count(driver_name), count(license_plate)) \
    FROM fuel.transaction";
const HASHED: &str = "SELECT count(*) FROM fuel.transaction WHERE coalesce(driver_name, license_plate) IS NOT NULL";

#[tokio::test(flavor = "multi_thread")]
async fn who_is_forgotten_is_found_by_each_key_and_told_of_the_others() {
    let mut fleet = Fleet::new(1_500, |_| {}).await;
    let first = use_key(&mut fleet, FIRST);
    fleet.pass().await;
    let driver = a_driver(&fleet);
    let second = use_key(&mut fleet, SECOND);
    fleet.clock.advance(Duration::from_hours(48));
    fleet.pass().await;
    read_again(&fleet).await;
    let hash_by = |guard: &Guard| guard.apply(fuelsync::privacy::Class::DriverName, &driver).unwrap();
    let (old, new) = (hash_by(&first), hash_by(&second));
    assert!(!traces(&fleet.pool, &old).await.is_empty() && !traces(&fleet.pool, &new).await.is_empty());

    let done = said(&fleet, SECOND, &["forget", "--json", "--driver", &driver]).await;
    assert!(done["lines"].as_u64() > Some(0), "{done}");
    let first_id = first.hash_key().unwrap().id();
    assert_eq!(done["hashed_by_others"][0]["key_id"], first_id, "{done}");
    assert!(
        done["hashed_by_others"][0]["values"].as_u64() > Some(0) && done["hashed_by_others"][1].is_null(),
        "{done}"
    );
    assert_eq!(traces(&fleet.pool, &new).await, Vec::<String>::new());
    let left = traces(&fleet.pool, &old).await;
    assert!(left.iter().any(|at| at.starts_with("transaction_version.row_before")), "that is why it says so: {left:?}");

    let done = said(&fleet, FIRST, &["forget", "--json", "--driver", &driver]).await;
    assert!(done["versions"].as_u64() > Some(0), "{done}");
    let counts = read_again(&fleet).await;
    assert_eq!((counts.inserted, counts.updated, counts.missing), (0, 0, 0), "{counts:?}");
    for value in [&old, &new, &driver] {
        assert_eq!(traces(&fleet.pool, value).await, Vec::<String>::new());
    }
}
