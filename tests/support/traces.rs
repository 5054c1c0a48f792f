//! Looks for a value in everything that the warehouse holds, column by column, whatever tables and columns there are.

use sqlx::PgPool;

/// Where a value stands, in any case and with or without blanks and hyphens: `table.column: rows`.
pub(crate) async fn traces(pool: &PgPool, value: &str) -> Vec<String> {
    let columns: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT c.relname::text, a.attname::text, t.typname::text FROM pg_class c \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped JOIN pg_type t ON t.oid = a.atttypid \
         WHERE c.relnamespace = 'fuel'::regnamespace AND c.relkind IN ('r', 'p', 'm') \
         ORDER BY 1, 2",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    assert!(columns.len() > 120, "the tables are there: {}", columns.len());
    // As the statements squeeze a column: the database of the tests knows no other case than that of ASCII.
    let plain = value.replace(|c: char| c.is_whitespace() || c == '-', "").to_ascii_lowercase();
    let mut found = Vec::new();
    for (table, column, kind) in columns {
        let squeezed = |text: &str| {
            format!("position($1 IN regexp_replace(lower({text} COLLATE \"C\"), '[[:space:]-]', '', 'g')) > 0")
        };
        let holds = match kind.as_str() {
            // As it is written, and with its escapes undone.
            "json" => {
                let undone = squeezed(&format!("fuel.as_jsonb(\"{column}\")::text"));
                format!("({} OR {undone})", squeezed(&format!("\"{column}\"::text")))
            }
            "bytea" => format!(
                "(position(convert_to($1, 'UTF8') IN \"{column}\") > 0 OR position(convert_to($2, 'UTF8') IN \"{column}\") > 0)"
            ),
            _ => squeezed(&format!("\"{column}\"::text")),
        };
        // Both are bound, whichever the column needs.
        let sql = format!("SELECT count(*) FROM fuel.\"{table}\" WHERE {holds} AND $2::text IS NOT NULL");
        let rows: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(&plain).bind(value).fetch_one(pool).await.unwrap();
        if rows > 0 {
            found.push(format!("{table}.{column}: {rows}"));
        }
    }
    found
}
