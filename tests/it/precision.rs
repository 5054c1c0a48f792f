//! How many of what `fuel.finding` says is so, and how much of what is so it says: on sales of the sandbox with planted cases.

use std::{collections::BTreeSet, fmt::Write as _};

use fuelsync::sandbox::{FindingRule, Planted};

use crate::support::fleet::Fleet;

/// Cases of each rule in forty days, and as many sales that it must just not find; the fleet stands at the thirty-first day.
const PLANTED: u32 = 26;
const SALES: u64 = 6_000;

/// A finding: rule, source and transaction that shows it, source and transaction that it is held against.
type Found = (String, String, String, Option<String>, Option<String>);

fn as_found(planted: &Planted) -> Found {
    let (source, id) = &planted.shown_by;
    let before = planted.before.as_ref();
    (
        planted.rule.as_str().to_owned(),
        source.as_str().to_owned(),
        id.clone(),
        before.map(|(source, _)| source.as_str().to_owned()),
        before.map(|(_, id)| id.clone()),
    )
}

/// What the sandbox tells of its vehicles and places, as a user fills it in.
async fn fill_in(fleet: &Fleet) {
    let world = fleet.sandbox.world();
    for vehicle in world.vehicles() {
        sqlx::query("INSERT INTO fuel.vehicle (license_plate, tank_l, battery_kwh) VALUES ($1, $2, $3)")
            .bind(vehicle.license_plate)
            .bind(vehicle.tank_l)
            .bind(vehicle.battery_kwh)
            .execute(&fleet.pool)
            .await
            .unwrap();
    }
    for place in world.places() {
        sqlx::query("INSERT INTO fuel.site VALUES ($1, $2, $3::numeric / 1000000, $4::numeric / 1000000)")
            .bind(place.site_id)
            .bind(place.name)
            .bind(place.latitude)
            .bind(place.longitude)
            .execute(&fleet.pool)
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_rule_finds_what_is_planted_for_it_and_little_else() {
    let fleet = Fleet::new(SALES, |options| options.world.planted = PLANTED).await;
    fleet.pass().await;
    fleet.is_the_truth().await;
    fill_in(&fleet).await;
    let mut connection = fleet.pool.acquire().await.unwrap();
    sqlx::query("SET jit = off").execute(&mut *connection).await.unwrap();
    let found: BTreeSet<Found> = sqlx::query_as(
        "SELECT rule, source, source_transaction_id, other_source, other_transaction_id FROM fuel.finding",
    )
    .fetch_all(&mut *connection)
    .await
    .unwrap()
    .into_iter()
    .collect();
    let lines: i64 =
        sqlx::query_scalar("SELECT count(*) FROM fuel.transaction").fetch_one(&mut *connection).await.unwrap();

    let planted = fleet.sandbox.world().planted(fleet.first_read);
    let mut table = format!(
        "{lines} lines\n| rule | planted | beside it | found | right | precision | recall |\n|---|---|---|---|---|---|---|\n"
    );
    let mut faults = Vec::new();
    for rule in FindingRule::ALL {
        let of_rule = |is_case: bool| {
            let of_rule = planted.iter().filter(move |planted| planted.rule == rule && planted.is_case == is_case);
            of_rule.map(as_found).collect::<BTreeSet<_>>()
        };
        let (cases, beside) = (of_rule(true), of_rule(false));
        let found: BTreeSet<Found> = found.iter().filter(|found| found.0 == rule.as_str()).cloned().collect();
        let right = found.intersection(&cases).count();
        let percent = |of: usize| match right * 1_000 / of.max(1) {
            _ if of == 0 => "-".to_owned(),
            share => format!("{}.{} %", share / 10, share % 10),
        };
        writeln!(
            table,
            "| `{}` | {} | {} | {} | {right} | {} | {} |",
            rule.as_str(),
            cases.len(),
            beside.len(),
            found.len(),
            percent(found.len()),
            percent(cases.len()),
        )
        .unwrap();
        assert!(cases.len() >= 15 && beside.len() >= 15, "{rule:?}: {} and {}", cases.len(), beside.len());
        faults.extend(cases.difference(&found).map(|missed| format!("missed: {missed:?}")));
        faults.extend(found.intersection(&beside).map(|wrong| format!("beside the border: {wrong:?}")));
        let others: Vec<_> = found.difference(&cases).filter(|other| !beside.contains(*other)).collect();
        // What a terminal left out or a driver typed wrong may look like a case, but hardly ever does.
        if others.len() > 1 {
            faults.extend(others.iter().map(|other| format!("nothing planted: {other:?}")));
        }
    }
    assert!(faults.is_empty(), "{table}\n{}", faults.join("\n"));
    // docs/QUALITY.md has it.
    insta::assert_snapshot!(table);
}
