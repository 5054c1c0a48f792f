//! Migrations: applied by `migrate` (and where `database.migrate` says so), checked by every other command.
//!
//! The files in `migrations/` are only ever added to. Which are applied stands in `fuel._migration`.

use std::time::Duration;

use crate::warehouse::statement;
use sqlx::{
    AssertSqlSafe, Executor, Row,
    migrate::{MigrateError, Migrator},
};

use super::{Warehouse, WarehouseError, tx::within};

static FILES: Migrator = sqlx::migrate!("./migrations");

/// Longest time for all migrations together. A column or a constraint is a matter of seconds, an index over a hundred
/// million lines one of minutes; what takes longer is not a migration to be made while a service starts.
const LONGEST: Duration = Duration::from_mins(10);

/// Where the database stands against the files of this version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    /// Not yet applied: number and name, in order.
    pub missing: Vec<(i64, String)>,
    /// Applied, but not one of ours: the database was migrated by a later version.
    pub unknown: Vec<i64>,
    /// Applied with another text than ours.
    pub altered: Vec<i64>,
    /// How many are applied.
    pub applied: usize,
}

impl MigrationState {
    /// Whether the tables are exactly those of this version.
    pub fn is_current(&self) -> bool {
        self.missing.is_empty() && self.unknown.is_empty() && self.altered.is_empty()
    }

    /// Whether all that this version made is there: what a later version only added does not keep this one from reading.
    pub fn has_ours(&self) -> bool {
        self.missing.is_empty() && self.altered.is_empty()
    }

    /// What is wrong and what to do; none where the tables are those of this version.
    pub fn problem(&self) -> Option<String> {
        if self.is_current() {
            return None;
        }
        Some(if self.unknown.is_empty() && self.altered.is_empty() {
            format!(
                "{} migration(s) are not applied; run `fuelsync migrate`, or set database.migrate = true",
                self.missing.len()
            )
        } else if self.altered.is_empty() {
            format!(
                "the database is newer than this program: migrations {:?} are not known to this version; use the version of \
                 fuelsync that applied them",
                self.unknown
            )
        } else {
            format!(
                "migrations {:?} are not known to this version and {:?} differ; use the version of fuelsync that applied them",
                self.unknown, self.altered
            )
        })
    }
}

impl Warehouse {
    /// Compares what is applied with the files of this version. Changes nothing.
    pub async fn migration_state(&self) -> Result<MigrationState, WarehouseError> {
        self.short(|mut tx| async move {
            let there: bool = statement::query_scalar("SELECT to_regclass('fuel._migration') IS NOT NULL")
                .fetch_one(&mut *tx)
                .await?;
            let mut applied: Vec<(i64, Vec<u8>)> = Vec::new();
            if there {
                let rows =
                    statement::query("SELECT version, checksum FROM fuel._migration WHERE success ORDER BY version")
                        .fetch_all(&mut *tx)
                        .await?;
                for row in rows {
                    applied.push((row.try_get(0)?, row.try_get(1)?));
                }
            }
            tx.commit().await?;
            let mut state = MigrationState {
                missing: Vec::new(),
                unknown: Vec::new(),
                altered: Vec::new(),
                applied: applied.len(),
            };
            for file in FILES.iter() {
                match applied.iter().find(|(version, _)| *version == file.version) {
                    None => state.missing.push((file.version, file.description.to_string())),
                    Some((version, checksum)) if checksum[..] != *file.checksum => state.altered.push(*version),
                    Some(_) => {}
                }
            }
            state.unknown =
                applied.iter().map(|(version, _)| *version).filter(|version| !FILES.version_exists(*version)).collect();
            Ok(state)
        })
        .await
    }

    /// Applies what is missing. Several processes may try at once: one does it, under an advisory lock, which wants a
    /// direct connection rather than a pooler in transaction mode. A lock is waited for as long as `database.lock_timeout`
    /// says, and nothing longer than [`LONGEST`].
    pub async fn migrate(&self) -> Result<(), WarehouseError> {
        let mut migrator = Migrator { migrations: FILES.migrations.clone(), ..Migrator::DEFAULT };
        migrator.dangerous_set_table_name("fuel._migration");
        migrator.create_schema("fuel");
        within((LONGEST, "the limit of all migrations"), async {
            // Out of the pool: whatever happens, its socket closes, and the server gives its lock back.
            let mut connection = self.pool().acquire().await?.detach();
            let (lock, longest) = (self.limits.lock.as_millis(), LONGEST.as_millis());
            let limits = format!("SET lock_timeout = {lock}; SET statement_timeout = {longest}");
            connection.execute(sqlx::raw_sql(AssertSqlSafe(limits))).await?;
            let done = migrator.run_direct(None, &mut connection, false).await;
            // Behind a pooler the server's connection goes on to others.
            let _ = connection.execute(sqlx::raw_sql("RESET lock_timeout; RESET statement_timeout")).await;
            done.map_err(refusal)
        })
        .await
    }

    /// That the tables are those of this version, or an error that says what to do.
    pub async fn require_current(&self) -> Result<(), WarehouseError> {
        self.migration_state().await?.problem().map_or(Ok(()), |problem| Err(WarehouseError::Migrations(problem)))
    }
}

/// Why the migrations are not applied, and what an operator can do about it.
fn refusal(error: MigrateError) -> WarehouseError {
    match error {
        MigrateError::Execute(e) => match WarehouseError::from(e) {
            WarehouseError::Timeout(said) => WarehouseError::Timeout(format!(
                "{said}; another process is migrating, or a pooler kept its lock: SELECT pid FROM pg_locks WHERE locktype = \
                 'advisory'; nothing was changed"
            )),
            other => other,
        },
        MigrateError::ExecuteMigration(e, version) => match WarehouseError::from(e) {
            WarehouseError::Timeout(said) => WarehouseError::Timeout(format!(
                "{said}; another transaction holds a table that migration {version} changes: SELECT pid, query FROM \
                 pg_stat_activity WHERE state LIKE 'idle in%' OR state = 'active'; nothing of migration {version} was applied"
            )),
            other => other,
        },
        MigrateError::VersionMissing(v) => WarehouseError::Migrations(format!(
            "migration {v} is applied but not known here: a later version of fuelsync was used; update this one"
        )),
        MigrateError::VersionMismatch(v) => {
            WarehouseError::Migrations(format!("migration {v} was applied with another text"))
        }
        _ => WarehouseError::Migrations("the migrations cannot be applied".into()),
    }
}
