//! A fresh, empty database for one test.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, postgres::PgPoolOptions};
use url::Url;
use uuid::Uuid;

use super::server::Server;

/// A database of its own, dropped at the end of the test.
#[derive(Debug)]
pub(crate) struct TestDatabase {
    name: String,
    url: String,
    server: Server,
}

impl TestDatabase {
    /// Makes the database, on the server of this process.
    pub(crate) async fn new() -> Self {
        let server = Server::shared().await;
        let name = format!("fuelsync_test_{}", Uuid::new_v4().simple());
        // A container's image starts its server twice, the first time for a moment only.
        let mut tries = 0;
        while let Err(error) = on_server(&server.url, format!("CREATE DATABASE {name}")).await {
            tries += 1;
            assert!(tries < 20, "the test server does not make a database: {error}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let mut url: Url = server.url.parse().expect("the test server's URL");
        url.set_path(&name);
        Self { name, url: url.into(), server }
    }

    /// Where it is, with its password.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A few connections.
    pub(crate) async fn pool(&self) -> PgPool {
        PgPoolOptions::new().max_connections(8).connect(&self.url).await.expect("the test database")
    }

    /// One connection.
    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.expect("the test database")
    }
}

async fn on_server(url: &str, sql: String) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await?;
    connection.close().await
}

impl Drop for TestDatabase {
    /// On a thread of its own: the test's runtime may be ending, and a panic may be under way.
    fn drop(&mut self) {
        let (url, sql) = (self.server.url.clone(), format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| runtime.block_on(on_server(&url, sql)))
        });
        let _ = dropped.join();
    }
}
