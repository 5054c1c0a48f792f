//! All SQL: what the program writes to and asks from `PostgreSQL`.
//!
//! [`load`] writes a window in one transaction; [`lease`] says who may; [`ledger`] holds what was read; the others are
//! small. Every statement runs in a [`tx`], whose connection is closed when anything goes wrong.

pub mod activity;
pub mod certificate;
pub mod checkpoint;
mod columns;
pub mod copy;
pub mod coverage;
pub mod error;
mod fields;
pub mod forget;
pub mod forgotten;
pub mod grants;
pub mod incoming;
pub mod invoices;
mod known;
pub mod lease;
pub mod ledger;
pub mod load;
pub mod migrate;
mod packed;
pub mod quarantine;
mod remade;
pub mod remap;
pub mod report;
pub mod run;
pub mod spool;
pub mod standing;
mod statement;
mod stored;
pub mod sums;
mod tx;
pub mod verify;

use std::{str::FromStr, sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    ConnectOptions, Connection as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::{Semaphore, SemaphorePermit};

pub use error::{Disposition, WarehouseError};
pub use tx::Tx;

use crate::config;

/// How long a connection of the pool may take to say that it lives.
const TEST: Duration = Duration::from_secs(2);

/// The warehouse: a pool of connections to the user's database.
#[derive(Debug, Clone)]
pub struct Warehouse {
    pool: PgPool,
    limits: Limits,
    /// Turns at writing windows: there are fewer than connections, so that leases are renewed meanwhile.
    turns: Arc<Semaphore>,
}

/// How long this process waits for the database.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// A short transaction, all of it.
    statement: Duration,
    /// A lock: whoever holds a row longer than that is not one of us.
    lock: Duration,
}

impl Warehouse {
    /// Prepares a pool; connects when first asked. `url` holds what `database.url` does, or the embedded server's.
    pub fn new(settings: &config::Database, url: &SecretString) -> Result<Self, WarehouseError> {
        // The error of a bad URL may repeat its password: it is not passed on.
        let mut options = PgConnectOptions::from_str(url.expose_secret())
            .map_err(|_| WarehouseError::Refused("database.url is not a PostgreSQL connection URL".into()))?
            .application_name("fuelsync")
            // Poolers refuse startup parameters that they do not know, and no float is read.
            .extra_float_digits(None)
            .statement_cache_capacity(settings.statement_cache)
            .disable_statement_logging();
        if let Some(password) = &settings.password {
            options = options.password(password.expose_secret());
        }
        if settings.statement_cache == 0 {
            statement::without_names();
        }
        // Leaves time to connect anew to whoever met a connection that does not answer.
        let test = TEST.min(settings.connect_timeout / 2);
        let pool = PgPoolOptions::new()
            .max_connections(settings.max_connections)
            .acquire_timeout(settings.connect_timeout)
            .idle_timeout(Duration::from_mins(5))
            .max_lifetime(Duration::from_mins(30))
            // The pool's own test waits for ever on a wire that was cut without a word: whoever asks would find one such
            // connection after the other, and those on their way back would keep their places in the pool. On the way back it
            // makes its own test all the same, after this one: a round trip more, which nobody waits for.
            .test_before_acquire(false)
            .before_acquire(move |connection, _| Box::pin(answers(connection, test)))
            .after_release(move |connection, _| Box::pin(answers(connection, test)))
            .connect_lazy_with(options);
        let limits = Limits { statement: settings.statement_timeout, lock: settings.lock_timeout };
        Ok(Self { pool, limits, turns: Arc::new(Semaphore::new(writers(settings.max_connections))) })
    }

    /// Closes every connection, waiting a moment for those in use.
    pub async fn close(&self) {
        let _ = tokio::time::timeout(Duration::from_millis(500), self.pool.close()).await;
    }

    fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Waits for a turn at a long transaction. Whoever waits holds no connection, and its deadline goes on.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, WarehouseError> {
        self.turns.acquire().await.map_err(|_| WarehouseError::NoConnection("the warehouse is closed".into()))
    }
}

/// Whether a connection lives; one that does not is closed. That is no fault of anybody's who reads the log: another one is made.
async fn answers(connection: &mut PgConnection, limit: Duration) -> Result<bool, sqlx::Error> {
    let answered = tokio::time::timeout(limit, connection.ping()).await;
    let lives = matches!(answered, Ok(Ok(())));
    if !lives {
        tracing::debug!("a connection to the database was lost; another one is made");
    }
    Ok(lives)
}

/// How many may write windows at once: for each a connection, one that renews its lease, and one for all else.
fn writers(connections: u32) -> usize {
    usize::try_from(connections.saturating_sub(1) / 2).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS)
}
