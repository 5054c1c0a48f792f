//! A private PostgreSQL with the settings that it comes with (fsync and all), and databases on it.

use chrono::{DateTime, Utc};
use fuelsync::{
    embedded::{Embedded, EmbeddedOptions},
    warehouse::Warehouse,
};
use secrecy::ExposeSecret as _;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use url::Url;

/// The server; ends with the process.
pub(crate) struct Server {
    embedded: Embedded,
    /// What is done to the tables of each database before it is filled.
    tables: Vec<String>,
}

/// A database.
pub(crate) struct Database {
    pub(crate) url: String,
    name: String,
    server: String,
}

impl Server {
    /// Starts it, with these statements for the server and for the tables of each database.
    pub(crate) async fn start(server: &[String], tables: Vec<String>) -> Self {
        let options = EmbeddedOptions { durable: true, ..EmbeddedOptions::default() };
        let embedded = Embedded::start(options).await.expect("PostgreSQL's programs on this machine");
        for sql in server {
            on(embedded.url().expose_secret(), sql.clone()).await;
        }
        Self { embedded, tables }
    }

    /// An empty database.
    pub(crate) async fn database(&self) -> Database {
        let server = self.embedded.url().expose_secret().to_owned();
        let name = format!("bench_{}", uuid::Uuid::new_v4().simple());
        on(&server, format!("CREATE DATABASE {name}")).await;
        let mut url: Url = server.parse().expect("the server's URL");
        url.set_path(&name);
        Database { url: url.into(), name, server }
    }

    /// A database with the tables of this version.
    pub(crate) async fn migrated(&self) -> Database {
        let database = self.database().await;
        let text = format!("[database]\nurl = \"{}\"\n", database.url);
        let config =
            fuelsync::config::Config::from_text("bench.toml", &text, std::iter::empty()).expect("a configuration");
        let warehouse = Warehouse::new(&config.database, &database.url.clone().into()).expect("a pool");
        warehouse.migrate().await.expect("the tables");
        for sql in &self.tables {
            on(&database.url, sql.clone()).await;
        }
        database
    }
}

impl Database {
    /// A connection.
    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.expect("the database")
    }

    /// One number.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&mut self.connect().await).await.expect("a number")
    }

    /// A statement about an instant.
    pub(crate) async fn run(&self, sql: &'static str, at: DateTime<Utc>) {
        sqlx::query(sql).bind(at).execute(&mut self.connect().await).await.expect("a statement");
    }

    /// Puts the rows that are there in again so many times, each time `days` earlier and under other ids: how many rows.
    pub(crate) async fn again_and_again(&self, times: u64, days: i64) -> u64 {
        if times == 0 {
            return 0;
        }
        let columns = "SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position), \
                string_agg(CASE column_name WHEN 'source_transaction_id' THEN 'source_transaction_id || ''.'' || n' \
                    WHEN 'occurred_at' THEN format('occurred_at - n * %s * interval ''1 day''', $2) \
                    WHEN 'seq' THEN 'nextval(''fuel.change_seq'')' \
                    ELSE quote_ident(column_name) END, ', ' ORDER BY ordinal_position) \
             FROM information_schema.columns WHERE table_schema = 'fuel' AND table_name = $1";
        let mut connection = self.connect().await;
        let mut rows = 0;
        for table in ["record", "transaction"] {
            let (names, values): (String, String) =
                sqlx::query_as(columns).bind(table).bind(days).fetch_one(&mut connection).await.expect("the columns");
            let again = format!(
                "INSERT INTO fuel.{table} ({names}) SELECT {values} FROM fuel.{table}, generate_series(1, {times}) AS n"
            );
            rows = sqlx::raw_sql(AssertSqlSafe(again)).execute(&mut connection).await.expect("rows").rows_affected();
        }
        rows
    }

    /// Nothing of what was written before is left to be written during what is measured next.
    pub(crate) async fn settle(&self) {
        sqlx::raw_sql("CHECKPOINT").execute(&mut self.connect().await).await.expect("a checkpoint");
    }

    /// Bytes of WAL so far.
    pub(crate) async fn wal(&self) -> i64 {
        self.number("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").await
    }

    /// Away with it.
    pub(crate) async fn drop(self) {
        on(&self.server, format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

async fn on(url: &str, sql: String) {
    let mut connection = PgConnection::connect(url).await.expect("the server");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("a statement");
}
