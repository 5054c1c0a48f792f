//! Who is forgotten: kept as keyed digests, read at each pass, and asked again by each transaction that writes.

use sqlx::Row;

use super::{Tx, Warehouse, WarehouseError, statement};
use crate::{
    failpoint::{Bug, planted},
    privacy::{Digest, Forgotten, Person, Persons},
};

/// Announces a writer and gives the number of its transaction; refuses one whose rows were made when other persons were
/// forgotten than now. None can be added until the transaction ends.
pub(super) async fn announce(tx: &mut Tx, heeded: i64) -> Result<String, WarehouseError> {
    let asked = if planted(Bug::NotAnnounced) {
        "SELECT pg_current_xact_id()::text, fuel.forgotten_number()"
    } else {
        "SELECT pg_current_xact_id()::text, fuel.forgotten_number() FROM fuel.announce_writer()"
    };
    let row = statement::query(asked).fetch_one(&mut **tx).await?;
    if row.try_get::<i64, _>(1)? == heeded { Ok(row.try_get(0)?) } else { Err(WarehouseError::Forgotten) }
}

impl Warehouse {
    /// Brings what a process knows of the forgotten persons up to date.
    pub async fn heed(&self, forgotten: &Forgotten) -> Result<(), WarehouseError> {
        let known = forgotten.number();
        let persons = self
            .short(|mut tx| async move {
                let number: i64 = statement::query_scalar("SELECT fuel.forgotten_number()").fetch_one(&mut *tx).await?;
                if number == known {
                    tx.commit().await?;
                    return Ok(None);
                }
                let persons = read(&mut tx, number).await?;
                tx.commit().await?;
                Ok(Some(persons))
            })
            .await?;
        if let Some(persons) = persons {
            tracing::info!(
                values = persons.len(),
                "the list of forgotten persons has changed; it is heeded from now on"
            );
            forgotten.set(persons);
        }
        Ok(())
    }

    /// Brings it up to date also where there may be no warehouse yet: then nobody is forgotten.
    pub async fn heed_if_any(&self, forgotten: &Forgotten) -> Result<(), WarehouseError> {
        let is_there: bool = self
            .short(|mut tx| async move {
                // Asked of the catalog, which every role may read: a missing right must not pass for a missing table.
                let is_there = statement::query_scalar(
                    "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                     WHERE n.nspname = 'fuel' AND c.relname = 'forgotten')",
                )
                .fetch_one(&mut *tx)
                .await?;
                tx.commit().await?;
                Ok(is_there)
            })
            .await?;
        if is_there { self.heed(forgotten).await } else { Ok(()) }
    }

    /// The persons that are forgotten, with the key under which others can be.
    pub async fn forgotten(&self) -> Result<Persons, WarehouseError> {
        self.short(|mut tx| async move {
            let number: i64 = statement::query_scalar("SELECT fuel.forgotten_number()").fetch_one(&mut *tx).await?;
            let persons = read(&mut tx, number).await?;
            tx.commit().await?;
            Ok(persons)
        })
        .await
    }

    /// Adds digests to the forgotten ones, once every transaction that writes is done: what comes later is refused unless it
    /// heeds them.
    pub async fn forget(&self, person: Person, digests: &[Digest]) -> Result<(), WarehouseError> {
        self.short(|mut tx| async move {
            statement::query("SELECT pg_advisory_xact_lock(1178944513::bigint << 32)").execute(&mut *tx).await?;
            statement::query(
                "INSERT INTO fuel.forgotten (kind, digest) SELECT $1, digest FROM unnest($2::bytea[]) AS digest \
                 WHERE NOT EXISTS (SELECT FROM fuel.forgotten f WHERE f.kind = $1 AND f.digest = digest.digest)",
            )
            .bind(person.as_str())
            .bind(digests.iter().map(|digest| &digest[..]).collect::<Vec<_>>())
            .execute(&mut *tx)
            .await?;
            tx.commit().await
        })
        .await
    }
}

/// The persons for whom a number stands that was asked for in this transaction.
async fn read(tx: &mut Tx, number: i64) -> Result<Persons, WarehouseError> {
    let key: Vec<u8> = statement::query_scalar("SELECT key FROM fuel.forgotten_key").fetch_one(&mut **tx).await?;
    let rows = statement::query("SELECT kind, digest FROM fuel.forgotten").fetch_all(&mut **tx).await?;
    let mut digests = Vec::with_capacity(rows.len());
    for row in rows {
        // A kind that only a later version knows is left to it.
        let person = Person::named(row.try_get(0)?);
        let digest = <Digest>::try_from(row.try_get::<&[u8], _>(1)?).ok();
        digests.extend(person.zip(digest));
    }
    Ok(Persons::new(number, &key, digests))
}
