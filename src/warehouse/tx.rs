//! One transaction over one connection that is closed, not returned, when anything went wrong.
//!
//! `Pool::begin` is banned: dropped at the wrong moment it puts a connection with an open transaction back into the pool
//! (sqlx #4393). Here a connection is first acquired and then told to begin, and whatever happens to the [`Tx`] other
//! than a commit that was answered, its connection is closed.
//!
//! Everything, reads too, runs inside `BEGIN … COMMIT`, and its settings are `SET LOCAL`: nothing depends on the session,
//! so that it works through a pooler in transaction mode.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use sqlx::{AssertSqlSafe, Executor, PgConnection, Postgres, pool::PoolConnection};

use super::{Warehouse, WarehouseError};

/// An open transaction. Dropping it closes its connection, and so rolls it back.
#[derive(Debug)]
pub struct Tx {
    connection: Option<PoolConnection<Postgres>>,
}

impl Warehouse {
    /// Begins a transaction whose statements may take `limit` each.
    pub(crate) async fn begin(&self, limit: Duration) -> Result<Tx, WarehouseError> {
        let mut tx = Tx { connection: Some(self.pool().acquire().await?) };
        let limit = limit.as_millis();
        // One round trip. A lock is waited for at most 10 s: whoever holds a row longer than that is not one of us.
        let begin = format!(
            "BEGIN; SET LOCAL statement_timeout = {limit}; SET LOCAL lock_timeout = '10s'; \
             SET LOCAL idle_in_transaction_session_timeout = '60s'; SET LOCAL timezone = 'UTC'; \
             SET LOCAL client_connection_check_interval = '5s'"
        );
        tx.execute(sqlx::raw_sql(AssertSqlSafe(begin))).await?;
        Ok(tx)
    }

    /// Begins a short transaction.
    pub(crate) async fn begin_short(&self) -> Result<Tx, WarehouseError> {
        self.begin(Duration::from_secs(30)).await
    }
}

impl Tx {
    /// Commits. When the answer is lost the error is `CommitUnknown`: it may have happened.
    pub(crate) async fn commit(mut self) -> Result<(), WarehouseError> {
        let committed = self.execute(sqlx::raw_sql("COMMIT")).await;
        match committed {
            Ok(_) => {
                // Only now is the connection clean; dropping it returns it to the pool.
                drop(self.connection.take());
                Ok(())
            }
            Err(e) => match WarehouseError::from(e) {
                WarehouseError::Unreachable(_) => Err(WarehouseError::CommitUnknown),
                other => Err(other),
            },
        }
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.close_on_drop();
        }
    }
}

impl Deref for Tx {
    type Target = PgConnection;

    #[expect(clippy::expect_used, reason = "taken only by commit and drop, which consume it")]
    fn deref(&self) -> &PgConnection {
        self.connection.as_ref().expect("an open transaction has its connection")
    }
}

impl DerefMut for Tx {
    #[expect(clippy::expect_used, reason = "taken only by commit and drop, which consume it")]
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("an open transaction has its connection")
    }
}
