//! Every statement of the warehouse begins here: named or unnamed, as the way to the database bears it.
//!
//! The driver names a prepared statement per connection of its own, from 1 on. Behind a pooler in transaction mode two of
//! its connections may share one of the server's, and then the names meet; a cache of size 0 does not keep the driver from
//! naming (measured with sqlx 0.9). Unnamed statements cost a round trip more and meet nobody.

use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::{
    FromRow, Postgres, SqlSafeStr,
    postgres::{PgArguments, PgRow},
    query::{Query, QueryAs, QueryScalar},
};

/// Whether statements are named. Once one warehouse of the process must do without, all do: it is always right.
static NAMED: AtomicBool = AtomicBool::new(true);

/// From now on statements have no names.
pub(super) fn without_names() {
    NAMED.store(false, Ordering::Relaxed);
}

fn named() -> bool {
    NAMED.load(Ordering::Relaxed)
}

/// As `sqlx::query`.
pub(super) fn query<'q>(sql: impl SqlSafeStr) -> Query<'q, Postgres, PgArguments> {
    sqlx::query(sql).persistent(named())
}

/// As `sqlx::query_scalar`.
pub(super) fn query_scalar<'q, O>(sql: impl SqlSafeStr) -> QueryScalar<'q, Postgres, O, PgArguments>
where
    (O,): for<'r> FromRow<'r, PgRow>,
{
    sqlx::query_scalar(sql).persistent(named())
}

/// As `sqlx::query_as`.
pub(super) fn query_as<'q, O>(sql: impl SqlSafeStr) -> QueryAs<'q, Postgres, O, PgArguments>
where
    O: for<'r> FromRow<'r, PgRow>,
{
    sqlx::query_as(sql).persistent(named())
}
