//! `deploy/postgres/role.sql`, as it is, in a real database: the daemon's role does all that the daemon does and no more, the
//! analysts' reads what it should and writes nothing, and `check` names what is missing or too much.

use std::{path::Path, process::Command, sync::Arc, time::Duration};

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use fuelsync::{
    clock::{Clock, ManualClock, SystemClock},
    config::Config,
    domain::SourceKind,
    sandbox::{self, Sandbox, WorldOptions},
    sync::summary::Outcome,
    warehouse::Warehouse,
};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use url::Url;

use crate::{
    support::{Fuelsync, TestDatabase, fleet::Fleet},
    verify::BY_HAND,
};

const PASSWORD: &str = "of-a-test";

/// What `check` says of a right: whether it only warns, what it saw, the statement that mends it.
type Said = (bool, String, String);

/// The three roles of one database: roles are the whole server's, so they bear its name.
pub(crate) struct Roles {
    pub(crate) admin: String,
    pub(crate) owner: String,
    pub(crate) daemon: String,
    pub(crate) readers: String,
}

impl Roles {
    /// Makes the owner, as docs/OPERATING.md has it, and gives it the database.
    async fn new(database: &TestDatabase) -> Self {
        let named = |what: &str| format!("{}_{what}", database.name());
        let roles = Self {
            admin: database.url().to_owned(),
            owner: named("owner"),
            daemon: named("daemon"),
            readers: named("readers"),
        };
        let owner = &roles.owner;
        roles.as_admin(&format!("CREATE ROLE {owner} LOGIN CREATEROLE PASSWORD '{PASSWORD}'")).await;
        roles.as_admin(&format!("ALTER DATABASE {} OWNER TO {owner}", database.name())).await;
        roles
    }

    async fn as_admin(&self, sql: &str) {
        run(&self.admin, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The database as one of them.
    fn url(&self, role: &str) -> String {
        let mut url: Url = self.admin.parse().unwrap();
        url.set_username(role).unwrap();
        url.set_password(Some(PASSWORD)).unwrap();
        url.into()
    }

    /// Runs the file with psql, as the owner, as its first lines say; then sets the daemon's password.
    pub(crate) async fn apply(&self, more: &[&str]) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/postgres/role.sql");
        let ran = psql(&self.url(&self.owner))
            .args(["--no-psqlrc", "--quiet", "-v", &format!("role={}", self.daemon)])
            .args(["-v", &format!("readers={}", self.readers)])
            .args(more.iter().flat_map(|variable| ["-v", variable]))
            .arg("-f")
            .arg(file)
            .output()
            .expect("psql runs");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        run(&self.url(&self.owner), &format!("ALTER ROLE {} PASSWORD '{PASSWORD}'", self.daemon)).await.unwrap();
    }

    /// Takes away what PostgreSQL lets everybody do, so that only what the file grants is left.
    pub(crate) async fn without_public(&self, database: &str) {
        self.as_admin(&format!("REVOKE ALL ON DATABASE {database} FROM PUBLIC")).await;
        self.as_admin("REVOKE ALL ON ALL FUNCTIONS IN SCHEMA fuel FROM PUBLIC").await;
    }
}

impl Drop for Roles {
    /// After the database, which they own.
    fn drop(&mut self) {
        let mut server: Url = self.admin.parse().expect("a URL");
        server.set_path("postgres");
        let drops = [&self.daemon, &self.readers, &self.owner].map(|role| format!("DROP ROLE IF EXISTS {role}"));
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                for sql in drops {
                    let _ = run(server.as_str(), &sql).await;
                }
            });
            Ok::<(), std::io::Error>(())
        });
        let _ = dropped.join();
    }
}

async fn run(url: &str, sql: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await?;
    connection.close().await
}

/// The client: on the path, or where package managers put it.
fn psql(url: &str) -> Command {
    let there = |program: &&str| Command::new(program).arg("--version").output().is_ok_and(|ran| ran.status.success());
    let programs = ["psql", "/opt/homebrew/opt/libpq/bin/psql", "/usr/local/pgsql/bin/psql"];
    let Some(program) = programs.into_iter().find(there) else {
        panic!("this test needs psql: install it (`apt-get install postgresql-client`, `brew install libpq`)");
    };
    let mut command = Command::new(program);
    // The password stands in no list of processes.
    let mut url: Url = url.parse().expect("a URL");
    command.env("PGPASSWORD", url.password().unwrap_or_default());
    let _ = url.set_password(None);
    command.args(["-d", url.as_str()]);
    command
}

/// Both vendors with twenty days of sales up to now, and a warehouse that its owner has migrated; nothing read yet.
pub(crate) struct Shop {
    pub(crate) database: TestDatabase,
    pub(crate) roles: Roles,
    sandbox: Sandbox,
    /// The vendors' time stands still: nothing changes there between two commands.
    clock: Arc<ManualClock>,
    start: DateTime<Utc>,
}

impl Shop {
    pub(crate) async fn new() -> Self {
        let midnight = SystemClock.now().date_naive().and_time(NaiveTime::MIN).and_utc();
        let start = midnight - TimeDelta::days(20);
        let world = WorldOptions { sales: 1_500, from: start, to: midnight, ..WorldOptions::default() };
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let vendors: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let options = sandbox::Options { world, clock: vendors, ..sandbox::Options::default() };
        let database = TestDatabase::new().await;
        let roles = Roles::new(&database).await;
        let shop = Self { sandbox: sandbox::start(options).await.unwrap(), roles, database, clock, start };
        shop.call(&shop.roles.owner, ["migrate"]).run().await.ended_with(0);
        shop
    }

    /// The real binary, working as a role that does not migrate by itself.
    pub(crate) fn call<'a>(&self, role: &str, args: impl IntoIterator<Item = &'a str>) -> Fuelsync {
        let text = sandbox::configuration(&self.sandbox, &self.roles.url(role), self.start);
        Fuelsync::new(args).config(&text.replace("migrate = true", "migrate = false"))
    }

    /// What `check` says of permissions: how it ended, and each line that is no praise.
    async fn permissions(&self, code: i32) -> Vec<Said> {
        self.clock.set(SystemClock.now());
        let report = self.call(&self.roles.daemon, ["check", "--json"]).run().await.ended_with(code).json();
        assert_eq!(report["ok"], code == 0, "{report:#}");
        let lines = report["checks"].as_array().unwrap().iter().filter(|line| line["check"] == "permissions");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        lines
            .filter(|line| line["todo"].is_string())
            .map(|line| (line["warning"] == true, text(&line["seen"]), text(&line["todo"])))
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemons_role_does_all_that_the_daemon_does_and_check_finds_nothing_too_much() {
    let shop = Shop::new().await;
    shop.roles.without_public(shop.database.name()).await;
    shop.roles.apply(&[]).await;
    let daemon = shop.roles.daemon.as_str();
    let call = async |args: &[&str], code| shop.call(daemon, args.iter().copied()).run().await.ended_with(code);

    // A minute between two clocks is a finding of its own.
    shop.clock.set(SystemClock.now());
    let said = call(&["check"], 0).await.stdout;
    assert!(said.contains("the role may do what the daemon does, and no more"), "{said}");
    assert!(said.contains("All is well.") && !said.contains("warning"), "{said}");

    let first = call(&["sync", "--json"], 0).await.json();
    assert_eq!(first["outcome"], "ok", "{first:#}");
    assert!(first["streams"].as_array().unwrap().len() >= 6, "{first:#}");
    call(&["status"], 0).await;
    let day = |at: DateTime<Utc>| at.format("%Y-%m-%d").to_string();
    let (from, to) = (day(shop.start), day(shop.start + TimeDelta::days(21)));
    call(&["backfill", "--from", &from, "--again"], 0).await;

    let list = call(&["quarantine", "list", "--json"], 0).await.json();
    let id = list[0]["id"].to_string();
    call(&["quarantine", "show", &id], 0).await;
    call(&["quarantine", "replay"], 0).await;
    call(&["quarantine", "drop", &id], 0).await;

    call(&["prove", "--month", &shop.start.format("%Y-%m").to_string()], 0).await;
    call(&["verify", "--from", &from, "--to", &to], 0).await;
    let pool = shop.database.pool().await;
    for statement in BY_HAND {
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    // Lines that the vendor does not have are marked by the second read without them.
    call(&["verify", "--from", &from, "--to", &to, "--repair"], 6).await;
    call(&["verify", "--from", &from, "--to", &to, "--repair"], 6).await;
    call(&["verify", "--from", &from, "--to", &to], 0).await;
    // Other rules: every record with a driver comes to another line.
    // What history has of them is the owner's to alter.
    let masked = async |role: &str, code| {
        let call = shop.call(role, ["remap", "--json"]);
        let text = std::fs::read_to_string(call.path("fuelsync.toml")).unwrap();
        call.config(&format!("{text}\n[privacy]\ndriver_name = \"mask\"\n")).run().await.ended_with(code)
    };
    let refused = masked(daemon, 4).await.stderr;
    assert!(refused.contains("Run it as the owner of the tables"), "{refused}");
    masked(&shop.roles.owner, 0).await;
    let masked: i64 = sqlx::query_scalar("SELECT count(*) FROM fuel.transaction WHERE driver_name LIKE '%***'")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert!(masked > 10, "{masked} lines are made anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn forgetting_is_the_owners_and_refused_to_the_daemon_before_anything_is_changed() {
    let shop = Shop::new().await;
    shop.roles.apply(&[]).await;
    shop.call(&shop.roles.daemon, ["sync"]).run().await.ended_with(0);
    let pool = shop.database.pool().await;
    let plate: String = sqlx::query_scalar(
        "SELECT license_plate FROM fuel.transaction WHERE license_plate IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC LIMIT 1",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    let there = async || -> (i64, i64) {
        sqlx::query_as(
            "SELECT (SELECT count(*) FROM fuel.transaction WHERE license_plate = $1), (SELECT count(*) FROM fuel.forgotten)",
        )
        .bind(&plate)
        .fetch_one(&pool)
        .await
        .unwrap()
    };
    let before = there().await;
    let args = ["forget", "--plate", &plate];
    let tried = || args.into_iter().chain(["--dry-run"]);
    for call in [shop.call(&shop.roles.daemon, args), shop.call(&shop.roles.daemon, tried())] {
        let refused = call.run().await.ended_with(4).stderr;
        assert!(refused.contains("Run it as the owner of the tables"), "{refused}");
        assert!(refused.contains("Nothing was changed"), "{refused}");
    }
    let tried = shop.call(&shop.roles.owner, tried()).run().await.ended_with(0).stdout;
    assert!(tried.contains("Nothing was changed"), "{tried}");
    assert_eq!(there().await, before);
    assert!(before.0 > 0 && before.1 == 0, "{before:?}");
    shop.call(&shop.roles.owner, args).run().await.ended_with(0);
    let after = there().await;
    assert!(after.0 == 0 && after.1 > 0, "{after:?}");
    // The daemon heeds it.
    let from = shop.start.format("%Y-%m-%d").to_string();
    shop.call(&shop.roles.daemon, ["backfill", "--from", &from, "--again"]).run().await.ended_with(0);
    assert_eq!(there().await, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn days_of_changes_are_written_by_the_daemons_role() {
    let mut fleet = Fleet::new(1_500, |_| {}).await;
    sqlx::query("DROP SCHEMA fuel CASCADE").execute(&fleet.pool).await.unwrap();
    let roles = Roles::new(&fleet.database).await;
    let warehouse = |config: &Config, role: &str| {
        Warehouse::new(&config.database, &roles.url(role).into()).expect("settings of the test")
    };
    warehouse(&fleet.config, &roles.owner).migrate().await.unwrap();
    roles.without_public(fleet.database.name()).await;
    roles.apply(&[]).await;
    fleet.warehouse = warehouse(&fleet.config, &roles.daemon);
    let pass = async |days: u64| {
        fleet.clock.advance(Duration::from_hours(24 * days));
        let summary = fleet.pass().await;
        assert_eq!(summary.outcome, Outcome::Ok, "{summary:#?}");
    };
    pass(0).await;
    fleet.is_the_truth().await;
    let first: String = sqlx::query_scalar(
        "SELECT source_transaction_id FROM fuel.transaction WHERE source = 'alexela_ev' ORDER BY occurred_at LIMIT 1",
    )
    .fetch_one(&fleet.pool)
    .await
    .unwrap();
    // It counts as removed when two reads have been without it.
    fleet.sandbox.world().hide(SourceKind::AlexelaEv, &first, true);
    for days in [1, 3, 5] {
        pass(days).await;
    }
    fleet.is_the_truth().await;
    let operations: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT operation FROM fuel.transaction_version ORDER BY 1")
            .fetch_all(&fleet.pool)
            .await
            .unwrap();
    assert!(operations.iter().any(|operation| operation == "change"), "{operations:?}");
    assert!(operations.iter().any(|operation| operation == "remove"), "{operations:?}");
    // The database goes before the roles that have rights in it.
    let Fleet { database, .. } = fleet;
    drop(database);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_right_too_few_or_too_many_is_named_with_the_statement_that_mends_it() {
    let shop = Shop::new().await;
    let Roles { owner, daemon, readers, .. } = &shop.roles;
    shop.roles.apply(&[]).await;
    assert_eq!(shop.permissions(0).await, Vec::<Said>::new());

    let database = shop.database.name();
    for sql in [
        format!("REVOKE INSERT, UPDATE ON fuel.gap FROM {daemon}"),
        format!("REVOKE USAGE ON SEQUENCE fuel.change_seq FROM {daemon}"),
        format!("GRANT DELETE, TRUNCATE ON fuel.record TO {daemon}"),
        format!("GRANT UPDATE (row_before) ON fuel.transaction_version TO {daemon}"),
        format!("GRANT SELECT ON fuel.gap TO {daemon} WITH GRANT OPTION"),
        format!("GRANT CREATE ON SCHEMA fuel TO {daemon}"),
        format!("GRANT CREATE ON DATABASE {database} TO {daemon}"),
        format!("ALTER ROLE {daemon} CREATEDB CREATEROLE"),
        format!("GRANT {readers} TO {daemon} WITH ADMIN OPTION"),
        format!("GRANT INSERT ON fuel.transaction TO {readers}"),
        "GRANT SELECT ON fuel.record TO PUBLIC".to_owned(),
    ] {
        shop.roles.as_admin(&sql).await;
    }
    let found = shop.permissions(6).await;
    let expected = [
        (
            false,
            "missing: INSERT, UPDATE on fuel.gap".to_owned(),
            format!("GRANT INSERT, UPDATE ON fuel.gap TO {daemon}"),
        ),
        (
            false,
            "missing: USAGE on SEQUENCE fuel.change_seq".to_owned(),
            format!("GRANT USAGE ON SEQUENCE fuel.change_seq TO {daemon}"),
        ),
        (true, format!("{daemon} may make databases (CREATEDB)"), format!("ALTER ROLE {daemon} NOCREATEDB")),
        (true, format!("{daemon} may make roles (CREATEROLE)"), format!("ALTER ROLE {daemon} NOCREATEROLE")),
        (
            true,
            format!("{daemon} is a member of {readers} and may let others in (ADMIN OPTION)"),
            format!("REVOKE {readers} FROM {daemon}"),
        ),
        (
            true,
            format!("{daemon} may CREATE on DATABASE {database}"),
            format!("REVOKE CREATE ON DATABASE {database} FROM {daemon}"),
        ),
        (true, format!("{daemon} may CREATE on SCHEMA fuel"), format!("REVOKE CREATE ON SCHEMA fuel FROM {daemon}")),
        (
            true,
            format!("{daemon} may DELETE, TRUNCATE on fuel.record"),
            format!("REVOKE DELETE, TRUNCATE ON fuel.record FROM {daemon}"),
        ),
        (
            true,
            format!("{daemon} may UPDATE (row_before) on fuel.transaction_version"),
            format!("REVOKE UPDATE (row_before) ON fuel.transaction_version FROM {daemon}"),
        ),
        (
            true,
            format!("{daemon} may pass on SELECT on fuel.gap"),
            format!("REVOKE GRANT OPTION FOR SELECT ON fuel.gap FROM {daemon}"),
        ),
        (
            true,
            format!("{readers} may INSERT on fuel.transaction"),
            format!("REVOKE INSERT ON fuel.transaction FROM {readers}"),
        ),
        (
            true,
            "everybody (PUBLIC) may SELECT on fuel.record".to_owned(),
            "REVOKE SELECT ON fuel.record FROM PUBLIC".to_owned(),
        ),
    ];
    let missing_from =
        |one: &[Said], other: &[Said]| one.iter().filter(|line| !other.contains(line)).cloned().collect::<Vec<_>>();
    assert_eq!((missing_from(&expected, &found), missing_from(&found, &expected)), (Vec::new(), Vec::new()));
    for (_, _, mend) in &found {
        shop.roles.as_admin(mend).await;
    }
    assert_eq!(shop.permissions(0).await, Vec::<Said>::new(), "each statement mends what it is said for");

    // The owner's rights are more than the daemon needs, and so are an administrator's.
    shop.roles.as_admin(&format!("GRANT {owner} TO {daemon}")).await;
    let found = shop.permissions(0).await;
    assert!(found.len() == 1 && found[0].1.ends_with("the owner of what is here"), "{found:?}");
    shop.roles.as_admin(&found[0].2).await;
    shop.clock.set(SystemClock.now());
    let owners = shop.call(owner, ["check"]).run().await.ended_with(0).stdout;
    assert!(owners.contains("WARN") && owners.contains("CREATEROLE") && owners.contains("SCHEMA fuel"), "{owners}");
    let text = sandbox::configuration(&shop.sandbox, &shop.roles.url(owner), shop.start);
    let migrating = Fuelsync::new(["check"]).config(&text).run().await.ended_with(0).stdout;
    assert!(!migrating.contains("SCHEMA fuel"), "with database.migrate the schema is its own: {migrating}");
    shop.roles.as_admin(&format!("ALTER ROLE {daemon} SUPERUSER")).await;
    let found = shop.permissions(0).await;
    assert!(found.len() == 1 && found[0].2 == format!("ALTER ROLE {daemon} NOSUPERUSER"), "{found:?}");

    // A role without any right hears of each, not only of the first.
    shop.roles.as_admin(&format!("ALTER ROLE {daemon} NOSUPERUSER; REVOKE ALL ON SCHEMA fuel FROM {daemon}")).await;
    let found = shop.permissions(6).await;
    assert_eq!(
        found,
        [(false, "missing: USAGE on SCHEMA fuel".to_owned(), format!("GRANT USAGE ON SCHEMA fuel TO {daemon}"))]
    );
}
