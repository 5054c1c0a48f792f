//! What the analysts' role of `deploy/postgres/role.sql` may ask, and that it may nothing else.

use sqlx::{AssertSqlSafe, Executor as _, PgPool};

use crate::role::Shop;

/// Runs a statement as an analyst, who is in the readers' group.
async fn analyst(pool: &PgPool, readers: &str, sql: &str) -> Result<u64, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    connection.execute(sqlx::raw_sql(AssertSqlSafe(format!("SET ROLE {readers}")))).await?;
    let ran = connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
    connection.execute(sqlx::raw_sql("RESET ROLE")).await?;
    Ok(ran?.rows_affected())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_analysts_role_reads_every_view_and_writes_nothing() {
    let shop = Shop::new().await;
    shop.roles.without_public(shop.database.name()).await;
    shop.roles.apply(&[]).await;
    shop.call(&shop.roles.daemon, ["sync"]).run().await.ended_with(0);
    let (pool, readers) = (shop.database.pool().await, shop.roles.readers.as_str());
    let refused = async |sql: &str| {
        let error = analyst(&pool, readers, sql).await.expect_err(sql);
        let code =
            error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default().into_owned();
        assert_eq!(code, "42501", "{sql}: {error}");
    };
    let read = async |sql: &str| analyst(&pool, readers, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));

    let views: Vec<String> =
        sqlx::query_scalar("SELECT viewname::text FROM pg_views WHERE schemaname = 'fuel' ORDER BY 1")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert!(views.len() >= 7, "{views:?}");
    for view in &views {
        let sql = format!("SELECT * FROM fuel.{view}");
        if view == "transaction_with_raw" {
            refused(&sql).await;
        } else {
            read(&sql).await;
        }
    }
    for sql in [
        "SELECT * FROM fuel.transaction",
        "SELECT * FROM fuel.changes(0, 10)",
        "SELECT * FROM fuel.gap",
        "SELECT * FROM fuel.certificate JOIN fuel.certificate_window USING (certificate_id)",
        "SELECT source, window_start, count(*) FROM fuel.quarantine WHERE resolved_at IS NULL GROUP BY 1, 2",
    ] {
        read(sql).await;
    }
    refused("SELECT record FROM fuel.quarantine").await;
    // The questions of the documents are theirs, but for those that say whose history they need.
    let questions = include_str!("../../docs/QUERIES.md").split("\n## ").skip(1);
    let (mut asked, mut of_history) = (0, 0);
    for question in questions {
        for sql in question.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
            if question.contains("`raw=yes`") {
                of_history += 1;
            } else {
                asked += 1;
                read(sql).await;
            }
        }
    }
    assert!(asked > 8 && of_history == 2, "{asked} {of_history}");
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'fuel'::regnamespace AND c.relkind = 'r' ORDER BY 1",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    for table in &tables {
        for sql in ["INSERT INTO fuel.{} DEFAULT VALUES", "DELETE FROM fuel.{}", "TRUNCATE fuel.{}"] {
            refused(&sql.replace("{}", table)).await;
        }
    }
    let personal =
        ["record", "transaction_version", "quarantine", "forgotten", "forgotten_key", "transaction_with_raw"];
    for table in personal {
        refused(&format!("SELECT * FROM fuel.{table}")).await;
    }
    for sql in [
        "UPDATE fuel.transaction SET quantity = 0",
        "UPDATE fuel.checkpoint SET watermark = NULL",
        "SELECT setval('fuel.change_seq', 1)",
        "SELECT nextval('fuel.change_seq')",
        "SELECT * FROM fuel.transaction_as_of(now())",
        "CREATE TABLE fuel.mine ()",
    ] {
        refused(sql).await;
    }

    shop.roles.apply(&["raw=yes"]).await;
    read("SELECT * FROM fuel.transaction_with_raw").await;
    for table in ["record", "transaction_version", "quarantine"] {
        read(&format!("SELECT * FROM fuel.{table}")).await;
        refused(&format!("DELETE FROM fuel.{table}")).await;
    }
    read("SELECT * FROM fuel.transaction_as_of(now())").await;
    refused("SELECT * FROM fuel.forgotten_key").await;
    // Applied again without it, the file takes it back.
    shop.roles.apply(&[]).await;
    refused("SELECT * FROM fuel.record").await;
}
