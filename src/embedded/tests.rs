//! A real server, made and ended: these need `PostgreSQL`'s programs, like every test of the warehouse.

use sqlx::{Connection, PgConnection};

use secrecy::ExposeSecret;

use super::*;

async fn ask(server: &Embedded, sql: &'static str) -> String {
    let mut connection = PgConnection::connect(server.url().expose_secret()).await.unwrap();
    let answer: String = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    answer
}

#[tokio::test]
async fn a_temporary_server_serves_and_leaves_nothing_behind() {
    let server = Embedded::start(EmbeddedOptions::default()).await.unwrap();
    let home = server.home.path().to_path_buf();

    assert_eq!(ask(&server, "SELECT current_database()::text").await, DATABASE);
    assert_eq!(ask(&server, "SHOW fsync").await, "off");
    assert_eq!(ask(&server, "SHOW timezone").await, "UTC");
    server.stop().await.unwrap();

    assert!(!home.exists());
}

#[tokio::test]
async fn a_kept_folder_holds_its_rows_through_a_stop_and_a_stale_pid_file() {
    let dir = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions { data_dir: Some(dir.path().join("a b/kept")), durable: true };

    let first = Embedded::start(options.clone()).await.unwrap();
    assert_eq!(ask(&first, "SHOW fsync").await, "on");
    ask(&first, "SELECT set_config('a.b', 'c', false)").await;
    let mut connection = PgConnection::connect(first.url().expose_secret()).await.unwrap();
    sqlx::query("CREATE TABLE kept AS SELECT 'here'::text AS word").execute(&mut connection).await.unwrap();
    let password = first.password.clone();
    assert!(matches!(Embedded::start(options.clone()).await, Err(EmbeddedError::InUse(_))));
    let pid_file = first.home.data().join("postmaster.pid");
    let written = std::fs::read_to_string(&pid_file).unwrap();
    drop(first);

    // What a machine that lost its power leaves, with a number that another program has by now.
    let (_, rest) = written.split_once('\n').unwrap();
    std::fs::write(&pid_file, format!("{}\n{rest}", std::process::id())).unwrap();
    let second = Embedded::start(options).await.unwrap();
    assert_eq!(ask(&second, "SELECT word FROM kept").await, "here");
    assert_eq!(second.password, password);
    second.stop().await.unwrap();
}

#[tokio::test]
async fn nobody_connects_without_the_password_and_none_of_its_texts_hold_it() {
    let server = Embedded::start(EmbeddedOptions::default()).await.unwrap();
    let open = format!("postgres://{USER}@127.0.0.1:{}/{DATABASE}", server.port());
    assert!(PgConnection::connect(&open).await.is_err());
    assert!(!format!("{server:?}").contains(&server.password));
    assert!(server.psql_line().starts_with("psql 'postgres://"));
}

#[tokio::test]
async fn a_cluster_of_a_version_that_is_not_here_is_named() {
    let found = vec![Installation { major: 15, bin: "/b".into() }];
    let error = pick(found, &[], Path::new("/kept"), Some(14)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "/kept holds a PostgreSQL 14 cluster and this machine has no PostgreSQL 14; install it (`apt-get install \
         postgresql-14`), or choose another directory"
    );
}
