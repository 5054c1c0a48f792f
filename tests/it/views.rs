//! What the views say of known rows, whole; and that what is written about the warehouse is so.

use std::collections::{BTreeMap, BTreeSet};

use fuelsync::{
    config,
    domain::{Line, SourceKind},
    warehouse::Warehouse,
};
use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};

use crate::{
    load::{Stage, line, record},
    support::TestDatabase,
};

const MAKE: &str = include_str!("../data/views/make.sql");
const SALES: &str = include_str!("../data/views/sales.sql");
const LEDGER: &str = include_str!("../data/views/ledger.sql");
const FINDINGS: &str = include_str!("../data/views/findings.sql");

struct Known {
    _database: TestDatabase,
    pool: PgPool,
}

impl Known {
    /// A migrated warehouse without a row.
    async fn empty() -> Self {
        let database = TestDatabase::new().await;
        let settings =
            config::Config::from_text("test.toml", "[database]\nurl = \"postgres://x\"\n", std::iter::empty())
                .unwrap()
                .database;
        Warehouse::new(&settings, &database.url().into()).unwrap().migrate().await.unwrap();
        Self { pool: database.pool().await, _database: database }
    }

    /// In a transaction, so that the present stands still between what is written and what is asked.
    #[expect(clippy::disallowed_methods, reason = "the test's own connection: nobody gives it up half-way")]
    async fn begin(&self, fixtures: &[&'static str]) -> Transaction<'static, Postgres> {
        let mut tx = self.pool.begin().await.unwrap();
        sqlx::raw_sql(MAKE).execute(&mut *tx).await.unwrap();
        for fixture in fixtures {
            sqlx::raw_sql(*fixture).execute(&mut *tx).await.unwrap();
        }
        tx
    }
}

async fn rows(tx: &mut Transaction<'_, Postgres>, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(&mut **tx).await.unwrap()
}

#[tokio::test]
async fn sales_that_count_and_what_they_come_to_by_day() {
    let known = Known::empty().await;
    let mut tx = known.begin(&[SALES]).await;
    let sales =
        rows(&mut tx, "SELECT ROW(source_transaction_id, line_id, vehicle_key)::text FROM fuel.sale ORDER BY 1").await;
    assert_eq!(
        sales,
        [
            "(a1,1,plate:123ABC)",
            "(a1,2,plate:123ABC)",
            "(a2,1,plate:123ABC)",
            "(a3,1,plate:123ABC)",
            "(a4,1,plate:123ABC)",
            "(a5,1,plate:123ABC)",
            "(b1,1,vehicle_no:north/7)",
            "(b2,1,vehicle_no:north/7)",
            "(b3,1,vehicle_no:south/7)",
            "(c1,1,card_mask:fleet/703301******0001)",
            "(c2,1,)",
            "(x6,1,)",
        ]
    );
    let days = rows(&mut tx, "SELECT d::text FROM fuel.daily_consumption d ORDER BY day, source, site_id, kind").await;
    assert_eq!(
        days,
        [
            "(2026-05-03,alexela_bonus,3,,,fuel,diesel,L,EUR,1,1,3.0000,,,,1,fleet)",
            "(2026-05-03,alexela_card,1,,North,fuel,diesel,L,EUR,2,2,52.0000,50.0000,10.0000,60.0000,1,fleet)",
            "(2026-05-03,alexela_card,1,,North,goods,,pcs,EUR,1,1,2.0000,4.0000,1.0000,5.0000,0,fleet)",
            "(2026-05-03,alexela_ev,1,,,ev_charging,electricity,kWh,,1,1,20.0000,,,,1,fleet)",
            "(2026-05-03,hecone,1,,,fuel,diesel,L,EUR,1,1,10.0000,,,15.0000,0,north)",
            "(2026-05-04,hecone,1,,,fuel,diesel,L,EUR,1,1,10.0000,,,15.0000,0,north)",
            "(2026-05-05,hecone,1,,,fuel,diesel,L,EUR,1,1,11.0000,,,16.0000,0,south)",
            "(2026-05-13,alexela_card,1,,,fuel,diesel,L,EUR,1,1,30.0000,40.0000,8.0000,48.0000,0,fleet)",
            "(2026-05-23,alexela_card,2,,,fuel,diesel,L,PLN,1,1,45.0000,200.0000,40.0000,240.0000,0,fleet)",
            "(2026-05-25,alexela_card,1,,,fuel,diesel,L,EUR,1,1,-5.0000,-5.0000,-1.0000,-6.0000,0,fleet)",
            "(2026-06-01,alexela_card,1,,,fuel,diesel,L,EUR,1,1,20.0000,,,,1,fleet)",
        ]
    );
}

#[tokio::test]
async fn what_a_vehicle_took_and_drove_in_a_month() {
    let known = Known::empty().await;
    let mut tx = known.begin(&[SALES]).await;
    let months =
        rows(&mut tx, "SELECT m::text FROM fuel.vehicle_month m ORDER BY month, vehicle_key, kind, currency").await;
    // 75 litres after the first reading and up to the last, in two currencies, for 1,000 km. A number whose odometer goes back
    // has driven nobody knows how far, and another account's has one reading only.
    assert_eq!(
        months,
        [
            "(2026-05-01,703301******0001,card_mask,card_mask:fleet/703301******0001,fuel,diesel,L,EUR,1,12.0000,,,,,,,)",
            "(2026-05-01,123-abc,plate,plate:123ABC,fuel,diesel,L,EUR,2,65.0000,85.0000,17.0000,102.0000,1000,2000,1000,7.50)",
            "(2026-05-01,123-abc,plate,plate:123ABC,fuel,diesel,L,PLN,1,45.0000,200.0000,40.0000,240.0000,1000,2000,1000,7.50)",
            "(2026-05-01,123-abc,plate,plate:123ABC,goods,,pcs,EUR,1,2.0000,4.0000,1.0000,5.0000,1000,2000,1000,)",
            "(2026-05-01,7,vehicle_no,vehicle_no:north/7,fuel,diesel,L,EUR,2,20.0000,,,30.0000,500,400,,)",
            "(2026-05-01,7,vehicle_no,vehicle_no:south/7,fuel,diesel,L,EUR,1,11.0000,,,16.0000,900,900,,)",
            "(2026-05-01,,,,ev_charging,electricity,kWh,,1,20.0000,,,,,,,)",
            "(2026-05-01,,,,fuel,diesel,L,EUR,1,3.0000,,,,,,,)",
            "(2026-06-01,\"123 ABC\",plate,plate:123ABC,fuel,diesel,L,EUR,1,20.0000,,,,2500,2500,,)",
        ]
    );
    let open = "SELECT ROW(source_transaction_id, line_id, occurred_at AT TIME ZONE 'UTC', age_days = extract(day FROM age), \
        card_number, license_plate, product, quantity, gross_amount, currency)::text FROM fuel.open_invoice \
        ORDER BY source_transaction_id, line_id";
    assert_eq!(
        rows(&mut tx, open).await,
        [
            "(a1,1,\"2026-05-03 08:00:00\",t,,\"123 ABC\",diesel,40.0000,60.0000,EUR)",
            "(a1,2,\"2026-05-03 08:00:00\",t,,\"123 ABC\",,2.0000,5.0000,EUR)",
            "(a2,1,\"2026-05-13 23:30:00\",t,,123-abc,diesel,30.0000,48.0000,EUR)",
            "(a3,1,\"2026-05-23 08:00:00\",t,,\"123 ABC\",diesel,45.0000,240.0000,PLN)",
            "(a4,1,\"2026-05-25 08:00:00\",t,,\"123 ABC\",diesel,-5.0000,-6.0000,EUR)",
            "(c1,1,\"2026-05-03 10:00:00\",t,703301******0001,J***,diesel,12.0000,,EUR)",
        ]
    );
}

#[tokio::test]
async fn how_far_streams_and_days_have_been_read() {
    let known = Known::empty().await;
    let mut tx = known.begin(&[LEDGER]).await;
    let streams = "SELECT ROW(source, account, partition, floor(extract(epoch FROM behind) / 86400), last_outcome, last_error, \
        failing_windows, failing_from = public.d(11), gaps, lost, quarantine)::text FROM fuel.freshness ORDER BY source, partition";
    assert_eq!(
        rows(&mut tx, streams).await.iter().filter(|row| !row.starts_with("(hecone")).collect::<Vec<_>>(),
        [
            "(alexela_card,fleet,1,10,failed,\"HTTP 503\",1,t,1,\"1 day 12:00:00\",0)",
            "(alexela_card,fleet,2,5,withdrawn,refused,0,,0,,0)",
            "(alexela_ev,fleet,-,,,,0,,0,,0)",
        ]
    );
    let hecone = "SELECT ROW(behind < interval '1 day', last_outcome, failing_windows, gaps, lost, quarantine)::text \
        FROM fuel.freshness WHERE source = 'hecone'";
    assert_eq!(rows(&mut tx, hecone).await, ["(t,ok,0,2,24:00:00,1)"]);
    // By days ago; of today it is not said how much is not read.
    let days = "SELECT ROW(source, partition, (now() AT TIME ZONE 'UTC')::date - day, state, \
        round(extract(epoch FROM public.d(0) - unread_from) / 3600), \
        CASE WHEN day < (now() AT TIME ZONE 'UTC')::date THEN unread END, lost, windows, windows_failing, windows_final, \
        fetched, quarantined, missing)::text FROM fuel.coverage ORDER BY source, partition, day";
    let days = rows(&mut tx, days).await;
    let (not_asked, days): (Vec<_>, Vec<_>) =
        days.into_iter().partition(|row| row.starts_with("(alexela_card,1,") && row.contains(",open,"));
    assert_eq!(not_asked.len(), 11, "from the failing window's end up to today: {not_asked:?}");
    assert_eq!(not_asked[0], "(alexela_card,1,10,open,240,\"1 day\",,0,0,0,,,)");
    assert_eq!(
        days,
        [
            "(alexela_card,1,15,gap,,,\"1 day\",0,0,0,0,0,0)",
            "(alexela_card,1,14,gap,,,12:00:00,1,0,0,9,0,0)",
            "(alexela_card,1,13,read,,,,1,0,0,9,0,0)",
            "(alexela_card,1,12,read,,,,1,0,0,9,0,0)",
            "(alexela_card,1,11,failing,,,,1,1,0,0,0,0)",
            "(alexela_card,2,7,read,,,,1,0,0,0,0,0)",
            "(alexela_card,2,6,read,,,,1,0,0,0,0,0)",
            "(alexela_card,2,5,read,,,,1,0,0,0,0,0)",
            "(hecone,-,6,final,,,,2,0,2,7,0,1)",
            "(hecone,-,5,re-read,,,,2,0,1,3,1,0)",
            "(hecone,-,4,read,,,,1,0,0,5,0,0)",
            "(hecone,-,3,open,60,12:00:00,,1,0,0,0,0,0)",
            "(hecone,-,2,gap,,,\"1 day\",0,0,0,0,0,0)",
            "(hecone,-,1,read,,,,1,0,0,6,0,0)",
            "(hecone,-,0,open,0,,,0,0,0,,,)",
        ]
    );
}

#[tokio::test]
async fn each_rule_finds_what_was_planted_and_nothing_that_looks_alike() {
    let known = Known::empty().await;
    let mut tx = known.begin(&[FINDINGS]).await;
    let found: Vec<(String, String, String, Option<String>)> = sqlx::query_as(
        "SELECT rule, source_transaction_id, severity, other_transaction_id FROM fuel.finding ORDER BY 1, 2",
    )
    .fetch_all(&mut *tx)
    .await
    .unwrap();
    // Of a pair the later one shows it; both lines of two tanks are one finding.
    let lines = rows(
        &mut tx,
        "SELECT DISTINCT source_transaction_id FROM fuel.transaction WHERE source_transaction_id !~ '^ok-|-a$' ORDER BY 1",
    )
    .await;
    let mut planted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in &lines {
        planted.entry(line.split('-').next().unwrap()).or_default().insert(line.as_str());
    }
    let mut by_rule: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (rule, id, ..) in &found {
        assert!(by_rule.entry(rule.as_str()).or_default().insert(id.as_str()), "{rule} says {id} twice");
    }
    assert_eq!(planted.len(), 6, "every rule has cases");
    for (rule, planted) in &planted {
        let found = by_rule.get(rule).cloned().unwrap_or_default();
        let (wrong, missed) = (found.difference(planted).count(), planted.difference(&found).count());
        assert_eq!((wrong, missed), (0, 0), "{rule}: precision and recall are 1: {found:?} {planted:?}");
    }
    assert_eq!(by_rule.len(), planted.len());
    for (rule, id, _, other) in &found {
        let earlier = id.strip_suffix("-b").map(|pair| format!("{pair}-a"));
        let alone = ["over_tank", "over_battery", "price_off_median"].contains(&rule.as_str());
        assert_eq!(*other, if alone { None } else { earlier.or_else(|| Some(id.clone())) }, "{rule} {id}");
    }
    let grave: Vec<&str> =
        found.iter().filter(|(_, _, severity, _)| severity == "critical").map(|(_, id, ..)| id.as_str()).collect();
    assert_eq!(
        grave,
        [
            "over_battery-much",
            "over_tank-old",
            "over_tank-otherwise-spaced",
            "over_tank-two-tanks",
            "twice_at_both-accounts",
            "twice_at_both-contracts-b",
            "twice_at_both-plate-b",
            "two_places-cloned-b",
            "two_places-far-b",
            "two_places-hash-b",
            "two_places-road-b",
            "two_places-unknown-b",
        ]
    );
    let told: String = sqlx::query_scalar(
        "SELECT sentence || ' ' || evidence::text FROM fuel.finding WHERE source_transaction_id = 'two_places-road-b'",
    )
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    assert!(
        told.starts_with("EEE 005 was at two sites within 40.0 minutes, 100.0 km apart: 46.2 minutes at 130 km/h. {"),
        "{told}"
    );
    assert!(told.contains("\"km_by\": \"road\"") && told.contains("\"site_before\": \"3001\""), "{told}");
}

#[tokio::test]
async fn a_plate_is_one_vehicles_at_a_time() {
    let known = Known::empty().await;
    let mut tx = known.begin(&[FINDINGS]).await;
    let again =
        sqlx::query("INSERT INTO fuel.vehicle (license_plate, tank_l) VALUES ('123-ABC', 5)").execute(&mut *tx).await;
    let error = again.unwrap_err();
    assert_eq!(error.as_database_error().and_then(|e| e.constraint()), Some("vehicle_of_plate"), "{error}");
}

/// Two accounts, and two vendors, that number their sites, vehicles and transactions alike.
const ALIKE: &str = r#"
INSERT INTO fuel.vehicle (name, vehicle_no, account, tank_l) VALUES ('North 5', '5', 'north', 50), ('Any 5', '5', NULL, 70), ('Any 6', '6', NULL, 70);
INSERT INTO fuel.site (site_id, vendor, account, latitude, longitude) VALUES
    ('1', NULL, NULL, 59.43, 24.75), ('1', 'hecone', NULL, 58.37, 26.72), ('1', 'hecone', 'south', 59.45, 24.80), ('2', NULL, NULL, 59.43, 24.75);
SELECT count(public.make(said::jsonb)) FROM (VALUES
('{"id": "1", "at": "2026-05-03T08:00Z", "source": "hecone", "account": "north", "vehicle_no": "5", "quantity": 60, "site_id": "1"}'),
('{"id": "1", "at": "2026-05-03T09:00Z", "source": "hecone", "account": "south", "vehicle_no": "5", "quantity": 60, "site_id": "1"}'),
('{"id": "2", "at": "2026-05-03T10:00Z", "source": "hecone", "account": "south", "vehicle_no": "5", "quantity": 71, "site_id": "1"}'),
('{"id": "3", "at": "2026-05-03T10:00Z", "source": "hecone", "account": "south", "vehicle_no": "6", "quantity": 71, "site_id": "1"}'),
('{"id": "7", "at": "2026-05-04T10:00Z", "license_plate": "AAA 1", "site_id": "1"}'),
('{"id": "7", "at": "2026-05-04T11:00Z", "source": "hecone", "account": "north", "license_plate": "AAA 1", "quantity": 41, "site_id": "1"}'),
('{"id": "8", "at": "2026-05-05T10:00Z", "license_plate": "AAA 2", "site_id": "1"}'),
('{"id": "8", "at": "2026-05-05T10:20Z", "source": "hecone", "account": "south", "license_plate": "AAA 2", "quantity": 41, "site_id": "1"}'),
('{"id": "9", "at": "2026-05-06T10:00Z", "license_plate": "AAA 3", "site_id": "2"}'),
('{"id": "9", "at": "2026-05-06T10:01Z", "source": "hecone", "account": "south", "license_plate": "AAA 3", "quantity": 41, "site_id": "2"}')
) AS line (said)
"#;

#[tokio::test]
async fn accounts_and_vendors_that_number_alike_are_kept_apart() {
    let known = Known::empty().await;
    let mut tx = known.begin(&[ALIKE]).await;
    let found =
        "SELECT concat_ws(' ', rule, source, account, source_transaction_id, vehicle) FROM fuel.finding ORDER BY 1";
    assert_eq!(
        rows(&mut tx, found).await,
        [
            "over_tank hecone north 1 North 5",
            "over_tank hecone south 2 Any 5",
            "over_tank hecone south 3 Any 6",
            "two_places hecone north 7 AAA 1",
        ]
    );
    let days = "SELECT concat_ws(' ', source, account, site_id, transactions, quantity) FROM fuel.daily_consumption \
        WHERE day = '2026-05-03' ORDER BY 1";
    assert_eq!(rows(&mut tx, days).await, ["hecone north 1 1 60.0000", "hecone south 1 3 202.0000"]);
    let months =
        "SELECT concat_ws(' ', vehicle, fills, quantity) FROM fuel.vehicle_month WHERE vehicle LIKE 'AAA%' ORDER BY 1";
    assert_eq!(rows(&mut tx, months).await, ["AAA 1 2 81.0000", "AAA 2 2 81.0000", "AAA 3 2 81.0000"]);
    tx.rollback().await.unwrap();
    for (again, constraint) in [
        ("INSERT INTO fuel.vehicle (vehicle_no, account, tank_l) VALUES ('5', 'north', 5)", "vehicle_of_number"),
        ("INSERT INTO fuel.site (site_id, vendor, latitude, longitude) VALUES ('1', 'hecone', 1, 1)", "site_of_one"),
    ] {
        let mut tx = known.begin(&[ALIKE]).await;
        let error = sqlx::query(again).execute(&mut *tx).await.unwrap_err();
        assert_eq!(error.as_database_error().and_then(|e| e.constraint()), Some(constraint), "{error}");
        tx.rollback().await.unwrap();
    }
}

/// After each step, the table as it stands is kept beside the time; later, the past is asked for each of these times.
#[tokio::test]
async fn the_table_is_told_as_it_was_after_each_load() {
    for source in [SourceKind::AlexelaCard, SourceKind::HecOne] {
        let stage = Stage::new(source).await;
        stage.run("CREATE TABLE public.kept AS SELECT now() AS kept_at, t.* FROM fuel.transaction t").await;
        stage.run("CREATE TABLE public.moment (at timestamptz)").await;
        let one = || record("1", vec![line("d", 1, 10)]);
        let changed = |quantity| record("2", vec![line("d", 2, quantity)]);
        let named = || record("2", vec![Line { driver_name: Some("Ülle \"Õ\" \\".into()), ..line("d", 2, 22) }]);
        let set = |lines: &[&str]| record("3", lines.iter().map(|id| line(id, 3, 30)).collect());
        let steps = [
            vec![one(), changed(20), set(&["-"])],
            vec![one(), changed(21), set(&["a", "b"])],
            vec![one(), named(), set(&["a"])],
            // The second is gone, from the second time on, and comes back.
            vec![one(), set(&["a"])],
            vec![one(), set(&["a"])],
            vec![one(), changed(22), set(&["b"])],
            vec![one(), changed(22), set(&["a", "b"])],
        ];
        for records in steps {
            stage.load(records).await.unwrap();
            stage.run("INSERT INTO public.moment SELECT clock_timestamp()").await;
            stage
                .run("INSERT INTO public.kept SELECT (SELECT max(at) FROM public.moment), t.* FROM fuel.transaction t")
                .await;
        }
        let differ = "WITH was AS ( \
                SELECT m.at, to_jsonb(t) - 'absent_reads' AS row FROM public.moment m CROSS JOIN LATERAL fuel.transaction_as_of(m.at) t \
            ), kept AS (SELECT kept_at, to_jsonb(k) - 'kept_at' - 'absent_reads' FROM public.kept k) \
            SELECT count(*) FROM ((SELECT * FROM was EXCEPT ALL SELECT * FROM kept) UNION ALL (SELECT * FROM kept EXCEPT ALL SELECT * FROM was)) AS x";
        assert_eq!(stage.scalar(differ).await, 0, "{source:?}");
        assert!(stage.scalar("SELECT count(*) FROM public.kept").await >= 18);
        assert!(stage.scalar("SELECT count(DISTINCT operation) FROM fuel.transaction_version").await >= 3);
        assert_eq!(stage.scalar("SELECT count(*) FROM fuel.transaction_as_of('-infinity')").await, 0);
    }
}

/// Two transactions that wrote one line: the one that began later came first. The past has the line once at any time.
#[tokio::test]
async fn writers_that_met_leave_one_image_a_time() {
    let known = Known::empty().await;
    let met = "SELECT public.make('{\"id\": \"1\", \"at\": \"2026-01-01T00:00Z\", \"version\": 3, \"changed_at\": \"2026-05-01T10:01Z\"}'); \
        INSERT INTO fuel.transaction_version (source, account, source_transaction_id, line_id, version, operation, changed_columns, row_before, replaced_at) \
        SELECT source, account, source_transaction_id, line_id, image.n, 'change', '{}'::text[], \
            to_jsonb(t) || jsonb_build_object('version', image.n, 'changed_at', image.began), image.ended \
        FROM fuel.transaction t, (VALUES (1, '2026-05-01 10:00Z'::timestamptz, '2026-05-01 10:02Z'::timestamptz), \
            (2, '2026-05-01 10:02Z', '2026-05-01 10:01Z')) AS image (n, began, ended)";
    let mut tx = known.begin(&[met]).await;
    let past = "SELECT concat_ws(' ', to_char(m.at AT TIME ZONE 'UTC', 'HH24:MI:SS'), t.version) \
        FROM (VALUES ('2026-05-01 09:59Z'::timestamptz), ('2026-05-01 10:00:30Z'), ('2026-05-01 10:01:30Z'), ('2026-05-01 10:03Z')) AS m (at) \
        LEFT JOIN LATERAL fuel.transaction_as_of(m.at) t ON true ORDER BY m.at";
    assert_eq!(rows(&mut tx, past).await, ["09:59:00", "10:00:30 1", "10:01:30 1", "10:03:00 3"]);
}

#[tokio::test]
async fn every_example_question_runs_on_an_empty_and_on_a_filled_warehouse() {
    let text = include_str!("../../docs/QUERIES.md");
    let questions: Vec<&str> = text.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(questions.len() >= 12, "{}", questions.len());
    let known = Known::empty().await;
    for fixtures in [&[][..], &[SALES, LEDGER, FINDINGS]] {
        let mut tx = known.begin(fixtures).await;
        for question in &questions {
            let answer = sqlx::raw_sql(AssertSqlSafe((*question).to_owned())).execute(&mut *tx).await;
            assert!(answer.is_ok(), "{question}\n{answer:?}");
        }
        tx.rollback().await.unwrap();
    }
}

/// The last month of three streams: one read whole, one from its twentieth day on, one never.
const LAST_MONTH: &str = "INSERT INTO fuel.checkpoint (source, account, partition) VALUES ('hecone', 'whole', '-'), ('hecone', 'late', '-'), ('hecone', 'never', '-'); \
    INSERT INTO fuel.checkpoint (source, account, partition, last_outcome) VALUES ('alexela_ev', 'fleet', '-', 'not_enabled'); \
    INSERT INTO fuel.sync_window (source, account, partition, window_start, window_end, state, read_through, first_read_at, last_read_at, full_read_at) \
    SELECT 'hecone', w.account, '-', w.from_at, w.to_at, 'read', w.to_at, w.to_at, w.to_at, w.to_at \
    FROM (SELECT date_trunc('month', now(), 'UTC') AS after, date_trunc('month', date_trunc('month', now(), 'UTC') - interval '1 day', 'UTC') AS first) AS m \
    CROSS JOIN LATERAL (VALUES ('whole', m.first, m.after), ('late', m.first + interval '19 days', m.after)) AS w (account, from_at, to_at)";

#[tokio::test]
async fn the_question_whether_a_month_is_complete_misses_no_stream_and_no_day() {
    let text = include_str!("../../docs/QUERIES.md");
    let question = text.split("## Is the month complete?").nth(1).unwrap().split("```sql\n").nth(1).unwrap();
    let question = question.split(';').next().unwrap();
    let known = Known::empty().await;
    let mut tx = known.begin(&[LAST_MONTH]).await;
    let count = |of: &str| {
        format!(
            "SELECT concat_ws(' ', account, state, count(*) = {of}) FROM ({question}) AS q GROUP BY account, state ORDER BY 1"
        )
    };
    let days = "extract(day FROM date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 day')";
    let of = count(&format!("CASE account WHEN 'late' THEN 19 ELSE {days} END"));
    let answer: Vec<String> = sqlx::query_scalar(AssertSqlSafe(of)).fetch_all(&mut *tx).await.unwrap();
    assert_eq!(answer, ["late never read t", "never never read t"]);
    sqlx::query("INSERT INTO fuel.quarantine (source, account, partition, fingerprint, record, field, reason) VALUES ('hecone', 'whole', '-', '\\x01', '{}', 'id', 'is missing')")
        .execute(&mut *tx)
        .await
        .unwrap();
    let answer: Vec<String> = sqlx::query_scalar(AssertSqlSafe(count("1"))).fetch_all(&mut *tx).await.unwrap();
    assert_eq!(answer.last().map(String::as_str), Some("whole in quarantine t"));
}

#[tokio::test]
async fn the_dictionary_is_what_the_comments_say() {
    let known = Known::empty().await;
    let lines: Vec<String> = sqlx::query_scalar(include_str!("../../src/warehouse/sql/dictionary.sql"))
        .fetch_all(&known.pool)
        .await
        .unwrap();
    let written = include_str!("../../docs/DICTIONARY.md");
    assert_eq!(lines.join("\n") + "\n", written, "psql -XAt -f src/warehouse/sql/dictionary.sql > docs/DICTIONARY.md");
}

#[tokio::test]
async fn everything_in_the_schema_has_a_comment() {
    let known = Known::empty().await;
    let silent: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c \
         WHERE c.relnamespace = 'fuel'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S') AND obj_description(c.oid, 'pg_class') IS NULL \
             AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'i') \
         UNION ALL \
         SELECT format('%s.%s', c.relname, a.attname) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
         WHERE c.relnamespace = 'fuel'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped \
             AND col_description(c.oid, a.attnum) IS NULL \
         UNION ALL \
         SELECT p.proname::text FROM pg_proc p WHERE p.pronamespace = 'fuel'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL",
    )
    .fetch_all(&known.pool)
    .await
    .unwrap();
    assert_eq!(silent, Vec::<String>::new());
}
