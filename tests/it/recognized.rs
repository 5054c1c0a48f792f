//! A record that comes again with the text that it had is not normalized again; and no row is the worse for it.

use std::{sync::Arc, time::Duration};

use fuelsync::{
    config::Rule,
    domain::{Grid, Line, Partition, SourceKind, StreamId},
    source::{Brought, Known, Mark},
    sync::summary::Outcome,
    warehouse::{
        WarehouseError,
        incoming::Incoming,
        lease::Taken,
        load::{Counts, Writer},
    },
};

use crate::{
    load::{Stage, at, day, line, record, whole},
    support::fleet::Fleet,
};

/// Sales of 40 days.
const SALES: u64 = 4_000;

/// A fleet whose windows hold many sales at each source.
async fn fleet() -> Fleet {
    let mut fleet = Fleet::new(SALES, |_| {}).await;
    for account in &mut fleet.config.hecone {
        account.grid = Grid::days(7).unwrap();
    }
    fleet
}

async fn count(fleet: &Fleet, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&fleet.pool).await.unwrap()
}

async fn run(fleet: &Fleet, sql: &'static str) {
    sqlx::query(sql).execute(&fleet.pool).await.unwrap();
}

/// Another pass, in which every window is due to be read again: its counts, and how many requests it made.
async fn again(fleet: &Fleet) -> (Counts, usize) {
    run(fleet, "UPDATE fuel.sync_window SET full_read_at = full_read_at - interval '8 days'").await;
    let before = fleet.sandbox.requests().all().len();
    let summary = fleet.pass().await;
    assert_eq!(summary.outcome, Outcome::Ok, "{summary:#?}");
    (summary.totals().1, fleet.sandbox.requests().all().len() - before)
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_come_again_are_recognized_and_the_table_stays_the_truth() {
    let fleet = fleet().await;
    fleet.pass().await;
    let sources = "SELECT count(DISTINCT source) FROM fuel.sync_window WHERE known_records IS NOT NULL";
    assert_eq!(count(&fleet, sources).await, 4);
    let few = "SELECT count(*) FROM fuel.sync_window WHERE known_records IS NOT NULL AND fetched < 50";
    assert_eq!(count(&fleet, few).await, 0, "few lines are normalized again as soon");
    let (counts, requests) = again(&fleet).await;
    assert_eq!((counts.inserted, counts.updated, counts.missing), (0, 0, 0));
    fleet.is_the_truth().await;

    // A row that is not what its record comes to must be written, but a recognized record is not at hand: the window is
    // asked for once more.
    let one = "WITH one AS (SELECT DISTINCT ON (source) source, account, source_transaction_id FROM fuel.transaction \
                   WHERE NOT quality && '{identical_lines,future_time}' AND line_id !~ '#' ORDER BY source, account, seq) \
               UPDATE fuel.transaction t SET quantity = 999, content_hash = '\\x00', seq = nextval('fuel.change_seq') \
               FROM one WHERE (t.source, t.account, t.source_transaction_id) = (one.source, one.account, one.source_transaction_id)";
    run(&fleet, one).await;
    let (mended, more) = again(&fleet).await;
    assert!(mended.updated >= 4 && mended.inserted == 0, "{mended:?}");
    assert!(more > requests, "{more} requests, {requests} before");
    fleet.is_the_truth().await;
    assert_eq!(again(&fleet).await.1, requests, "and then no longer");
    assert_eq!(count(&fleet, sources).await, 4, "and is known again");

    for days in [1, 3, 5] {
        fleet.clock.advance(Duration::from_hours(24 * days));
        let (counts, _) = again(&fleet).await;
        assert!(counts.inserted > 0 && counts.updated > 0, "{counts:?}");
        fleet.is_the_truth().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_rules_recognize_nothing() {
    let mut fleet = fleet().await;
    fleet.pass().await;
    let plates = "SELECT count(*) FROM fuel.transaction WHERE license_plate IS NOT NULL";
    assert!(count(&fleet, plates).await > 0);
    fleet.config.privacy.license_plate = Rule::Drop;
    let (counts, _) = again(&fleet).await;
    assert!(counts.updated > 0, "{counts:?}");
    assert_eq!(count(&fleet, plates).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_of_records_holds_nothing_of_a_person() {
    let fleet = fleet().await;
    fleet.pass().await;
    assert!(count(&fleet, "SELECT count(*) FROM fuel.sync_window WHERE known_records IS NOT NULL").await > 0);
    let ids = "SELECT count(*) FROM fuel.sync_window w JOIN fuel.transaction t USING (source, account, partition) \
         WHERE position(convert_to(t.source_transaction_id, 'UTF8') IN w.known_records) > 0";
    assert!(count(&fleet, ids).await > 0, "what is searched would be found");
    let shown = "SELECT count(*) FROM fuel.sync_window w JOIN fuel.transaction t USING (source, account, partition) \
         CROSS JOIN LATERAL unnest(ARRAY[t.card_number, t.driver_name, t.license_plate]) AS value \
         WHERE octet_length(value) > 3 AND position(convert_to(value, 'UTF8') IN w.known_records) > 0";
    assert_eq!(count(&fleet, shown).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_ledger_keeps_may_be_damaged_or_gone() {
    let fleet = fleet().await;
    fleet.pass().await;
    for damage in [
        "UPDATE fuel.sync_window SET known_records = substring(known_records FOR 100)",
        "UPDATE fuel.sync_window SET known_records = '\\x0102'",
        // A bit in the digest of the first line of the first record, and one in its mark.
        "UPDATE fuel.sync_window SET known_records = set_bit(known_records, 8 * (8 + 8 + 2 + 2 + get_byte(known_records, 18) + 2 \
             + get_byte(known_records, 20 + get_byte(known_records, 18))), \
             1 - get_bit(known_records, 8 * (8 + 8 + 2 + 2 + get_byte(known_records, 18) + 2 \
             + get_byte(known_records, 20 + get_byte(known_records, 18)))))",
        "UPDATE fuel.sync_window SET known_records = set_bit(known_records, 64, 1 - get_bit(known_records, 64))",
        "UPDATE fuel.sync_window SET known_records = NULL",
    ] {
        run(&fleet, damage).await;
        let (counts, _) = again(&fleet).await;
        assert_eq!((counts.inserted, counts.updated, counts.missing), (0, 0, 0), "{damage}");
        fleet.is_the_truth().await;
    }
}

/// Sixty sales of the first day, as a source brings them for a contract.
fn sales(contract: &str, known: &Known) -> Vec<Brought> {
    let sale = |n: u8| {
        let mark = Mark::from_bytes([n; 8]).unwrap();
        let sold = Line { contract_no: Some(contract.to_owned()), ..line("d", 5, 1) };
        let new = || Brought::New(record(&format!("s{n}"), vec![sold]), mark);
        known.find(mark).map_or_else(new, Brought::Known)
    };
    (1..=60).map(sale).collect()
}

/// Reads the sixty sales for a contract; `known`: those are recognized that are known.
async fn read(stage: &Stage, contract: &str, known: Arc<Known>) -> Result<Counts, WarehouseError> {
    let stream =
        StreamId::new(stage.stream.source, stage.stream.account.clone(), Partition::contract(contract.to_owned()));
    let Taken::Ours { lease, .. } = stage.warehouse.take_lease(&stream, "test", Duration::from_mins(1)).await? else {
        panic!("held")
    };
    let asked_at = stage.warehouse.check_lease(&stream, &lease).await?;
    let mut incoming = Incoming::knowing(stream.source, day(), Arc::clone(&known));
    incoming.brought(sales(contract, &known))?;
    incoming.complete()?;
    let read = whole(&stream, day(), asked_at, Writer::Pass { lease: &lease, watermark: None, turn: None });
    let written = stage.warehouse.load(&read, &incoming.finish(), Duration::from_mins(1)).await;
    stage.warehouse.release_lease(&stream, &lease).await?;
    written
}

/// What is known of a contract's first day.
async fn known(stage: &Stage, contract: &str) -> Arc<Known> {
    let stream =
        StreamId::new(stage.stream.source, stage.stream.account.clone(), Partition::contract(contract.to_owned()));
    Arc::new(stage.warehouse.known(&stream, day(), at(48)).await)
}

#[tokio::test]
async fn a_recognized_record_that_another_contract_took_is_wanted_in_full_once_and_not_recognized_again() {
    let stage = Stage::new(SourceKind::AlexelaCard).await;
    assert_eq!(read(&stage, "A", Arc::default()).await.unwrap().inserted, 60);
    assert_eq!(known(&stage, "A").await.len(), 60);
    assert_eq!(read(&stage, "A", known(&stage, "A").await).await.unwrap().unchanged, 60);
    // The vendor lists them under another contract, too.
    assert_eq!(read(&stage, "B", Arc::default()).await.unwrap().updated, 60);
    assert!(known(&stage, "B").await.is_empty(), "what another contract may take back is not kept");
    let recognized = read(&stage, "A", known(&stage, "A").await).await;
    assert!(matches!(recognized, Err(WarehouseError::NotKept)), "{recognized:?}");
    let window =
        StreamId::new(SourceKind::AlexelaCard, stage.stream.account.clone(), Partition::contract("A".to_owned()));
    stage.warehouse.forget_known(&window, day()).await.unwrap();
    for contract in ["A", "B", "A"] {
        let counts = read(&stage, contract, known(&stage, contract).await).await.unwrap();
        assert_eq!((counts.updated, counts.inserted), (60, 0), "to and fro, and never twice for nothing");
    }
    assert_eq!(stage.rows().await.len(), 60);
}
