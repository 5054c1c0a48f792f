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
use crate::failpoint::{Bug, planted};

/// An open transaction. Dropping it closes its connection, and so rolls it back.
#[derive(Debug)]
pub struct Tx {
    connection: Option<PoolConnection<Postgres>>,
}

/// Times that a short transaction is made when its connection breaks or its answer is lost.
const TRIES: u32 = 3;

/// What the server's own limit has time for before ours ends the connection: its error says more.
const SLACK: Duration = Duration::from_millis(500);

impl Warehouse {
    /// When a short transaction is over, whatever the database does.
    pub fn patience(&self) -> Duration {
        self.limits.statement.saturating_add(SLACK)
    }

    /// Begins a transaction whose statements may take `limit` each.
    pub(crate) async fn begin(&self, limit: Duration) -> Result<Tx, WarehouseError> {
        let mut tx = Tx { connection: Some(self.pool().acquire().await?) };
        let (limit, lock) = (limit.as_millis(), self.limits.lock.min(limit).as_millis());
        // One round trip. The last settings end the transaction of a peer that is gone without a word (its machine died, the
        // wire was cut) within a usual lease, whatever it was at: idle (nothing here waits for a vendor inside a transaction),
        // before a COPY's next part, or at its answer. On a socket of this machine the server leaves those of TCP alone.
        let begin = format!(
            "BEGIN; SET LOCAL statement_timeout = {limit}; SET LOCAL lock_timeout = {lock}; \
             SET LOCAL idle_in_transaction_session_timeout = '15s'; SET LOCAL timezone = 'UTC'; \
             SET LOCAL client_connection_check_interval = '5s'; SET LOCAL tcp_user_timeout = '15s'; \
             SET LOCAL tcp_keepalives_idle = 5; SET LOCAL tcp_keepalives_interval = 3; SET LOCAL tcp_keepalives_count = 3"
        );
        tx.execute(sqlx::raw_sql(AssertSqlSafe(begin))).await?;
        Ok(tx)
    }

    /// Makes a short transaction, all of it within `database.statement_timeout`; `work` commits it. It must come to the
    /// same when it is made twice: where the connection broke or the answer to COMMIT was lost, it is made again.
    pub(crate) async fn short<T, F>(&self, work: impl Fn(Tx) -> F) -> Result<T, WarehouseError>
    where
        F: Future<Output = Result<T, WarehouseError>>,
    {
        self.made((self.limits.statement, "database.statement_timeout"), work).await
    }

    /// The same for a transaction that writes much: all of it within `limit`, as a setting says, and in a turn.
    pub(crate) async fn long<T, F>(
        &self,
        limit: (Duration, &'static str),
        work: impl Fn(Tx) -> F,
    ) -> Result<T, WarehouseError>
    where
        F: Future<Output = Result<T, WarehouseError>>,
    {
        let _turn = self.turn().await?;
        self.made(limit, work).await
    }

    async fn made<T, F>(
        &self,
        (limit, setting): (Duration, &'static str),
        work: impl Fn(Tx) -> F,
    ) -> Result<T, WarehouseError>
    where
        F: Future<Output = Result<T, WarehouseError>>,
    {
        within((limit, setting), async {
            let mut tried = 1;
            loop {
                let done = async { work(self.begin(limit).await?).await };
                match done.await {
                    Err(error) if tried < TRIES && error.is_of_the_moment() => tried += 1,
                    done => return done,
                }
            }
        })
        .await
    }
}

/// Waits for the database at most this long, as a setting says. Nothing else ends a statement that a frozen server does not answer; giving
/// it up closes its connection.
pub(super) fn within<T>(
    (limit, setting): (Duration, &'static str),
    work: impl Future<Output = Result<T, WarehouseError>>,
) -> impl Future<Output = Result<T, WarehouseError>> {
    // On the heap: a window's writing is a large future, and every caller would carry it.
    let work = Box::pin(work);
    async move {
        if planted(Bug::NoDeadline) {
            return work.await;
        }
        tokio::time::timeout(limit + SLACK, work).await.unwrap_or_else(|_| Err(WarehouseError::silent(limit, setting)))
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
                WarehouseError::Unreachable(_) | WarehouseError::NoConnection(_) => Err(WarehouseError::CommitUnknown),
                other => Err(other),
            },
        }
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            // Taken out of the pool and dropped: its socket closes at once. A farewell would wait for a frozen server.
            drop(connection.detach());
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
