//! What the database's role may do: what it lacks of what the daemon needs, and what it has beyond that.

use sqlx::Row;

use super::{Warehouse, WarehouseError, statement};

/// One right too few or too many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    /// The privilege and the object.
    pub said: String,
    /// The statement that mends it, for the owner or an administrator.
    pub mend: String,
}

/// How a role's rights differ from what the daemon needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rights {
    /// What it lacks.
    pub missing: Vec<Right>,
    /// What it, everybody, or another role beside the owner may do that nobody needs to.
    pub surplus: Vec<Right>,
}

impl Warehouse {
    /// How the rights of the connection's role differ from what the daemon needs. One that `migrates` owns what it makes.
    pub async fn rights(&self, migrates: bool) -> Result<Rights, WarehouseError> {
        self.short(|mut tx| async move {
            let rows = statement::query(include_str!("sql/grants.sql")).bind(migrates).fetch_all(&mut *tx).await?;
            tx.commit().await?;
            let mut rights = Rights::default();
            for row in rows {
                let right = Right { said: row.try_get("said")?, mend: row.try_get("mend")? };
                let of = if row.try_get::<bool, _>("is_missing")? { &mut rights.missing } else { &mut rights.surplus };
                of.push(right);
            }
            Ok(rights)
        })
        .await
    }

    /// That the role may take somebody out of what is stored. The daemon's may not: it cannot alter history.
    pub async fn require_forgetting(&self) -> Result<(), WarehouseError> {
        let may: bool = self
            .short(|mut tx| async move {
                let may = statement::query_scalar(
                    "SELECT has_table_privilege('fuel.forgotten', 'INSERT') \
                         AND has_table_privilege('fuel.transaction_version', 'UPDATE')",
                )
                .fetch_one(&mut *tx)
                .await?;
                tx.commit().await?;
                Ok(may)
            })
            .await?;
        if may {
            return Ok(());
        }
        Err(WarehouseError::Forbidden(
            "this role may not forget anybody, for it cannot alter what history has; nothing was changed. Run `fuelsync \
             forget` as the owner of the tables, as `fuelsync migrate`"
                .into(),
        ))
    }
}
