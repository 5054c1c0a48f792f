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

/// What `forget` needs beyond what the daemon does: tables of `fuel`, and the privilege.
pub const FORGETTING: &[(&str, &str)] = &[
    ("checkpoint", "UPDATE"),
    ("forgotten", "INSERT"),
    ("quarantine", "UPDATE"),
    ("record", "UPDATE"),
    ("site", "SELECT"),
    ("site", "UPDATE"),
    ("sync_window", "UPDATE"),
    ("transaction", "UPDATE"),
    ("transaction_version", "UPDATE"),
    ("vehicle", "DELETE"),
    ("vehicle", "SELECT"),
    ("vehicle", "UPDATE"),
];

/// What `remap` needs beyond it: today's rules hide in history, too.
pub const REMAPPING: &[(&str, &str)] = &[("transaction_version", "UPDATE")];

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

    /// Those of the rights that the connection's role does not have, each as it is granted.
    pub async fn lacks(&self, needed: &[(&str, &str)]) -> Result<Vec<String>, WarehouseError> {
        let (tables, privileges): (Vec<&str>, Vec<&str>) = needed.iter().copied().unzip();
        let (tables, privileges) = (&tables, &privileges);
        self.short(|mut tx| async move {
            let lacking = statement::query_scalar(
                "SELECT format('%s ON fuel.%s', privilege, name) FROM unnest($1::text[], $2::text[]) AS needed (name, privilege) \
                 WHERE NOT has_table_privilege('fuel.' || name, privilege)",
            )
            .bind(tables)
            .bind(privileges)
            .fetch_all(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(lacking)
        })
        .await
    }
}
