//! What users filled in themselves, and what was said of failures.
//!
//! A row of `fuel.vehicle` is the user's, but it names a person as a sale does: whoever is forgotten is taken out of it. What else
//! it tells stays; a row that nothing tells any more can belong to no sale, and goes.

use sqlx::Row as _;

use super::{Purge, Touched};
use crate::{
    privacy::{Class, Persons},
    warehouse::{Tx, Warehouse, WarehouseError, statement},
};

impl Warehouse {
    /// Takes what is forgotten out of vehicles, of the names of sites and of what was said of failures. These are few: it is
    /// one transaction.
    pub async fn purge_own(&self, purge: &Purge<'_>) -> Result<Touched, WarehouseError> {
        self.long(purge.limit(), |mut tx| async move {
            purge.announce(&mut tx).await?;
            let persons = purge.persons();
            let touched = Touched {
                vehicles: vehicles(&mut tx, &persons, purge.dry_run).await?,
                texts: texts(&mut tx, &persons, purge).await?,
                ..Touched::default()
            };
            tx.commit().await?;
            Ok(touched)
        })
        .await
    }
}

async fn vehicles(tx: &mut Tx, persons: &Persons, dry_run: bool) -> Result<u64, WarehouseError> {
    let rows = statement::query(
        "SELECT vehicle_id, name, license_plate, vehicle_no, card_number FROM fuel.vehicle ORDER BY vehicle_id",
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut touched = 0;
    for row in rows {
        let id: i64 = row.try_get(0)?;
        let is = Vehicle {
            name: row.try_get(1)?,
            license_plate: row.try_get(2)?,
            vehicle_no: row.try_get(3)?,
            card_number: row.try_get(4)?,
        };
        let left = is.clone().without(persons);
        if left == is {
            continue;
        }
        touched += 1;
        if dry_run {
            continue;
        }
        if left.is_told() {
            statement::query(
                "UPDATE fuel.vehicle SET name = $2, license_plate = $3, vehicle_no = $4, card_number = $5 WHERE vehicle_id = $1",
            )
            .bind(id)
            .bind(left.name)
            .bind(left.license_plate)
            .bind(left.vehicle_no)
            .bind(left.card_number)
            .execute(&mut **tx)
            .await?;
        } else {
            statement::query("DELETE FROM fuel.vehicle WHERE vehicle_id = $1").bind(id).execute(&mut **tx).await?;
        }
    }
    Ok(touched)
}

/// What a row of `fuel.vehicle` is told by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::struct_field_names, reason = "they are the columns' names")]
struct Vehicle {
    name: Option<String>,
    license_plate: Option<String>,
    vehicle_no: Option<String>,
    card_number: Option<String>,
}

impl Vehicle {
    fn without(self, persons: &Persons) -> Self {
        // A plate is compared without its dots, too (`fuel.plate_key`).
        let is_of = |class, value: &str| persons.has(class, value) || persons.has(class, &value.replace('.', ""));
        let kept = |class, value: Option<String>| value.filter(|value| !is_of(class, value));
        let name = self.name.filter(|name| !Class::ALL.iter().any(|class| is_of(*class, name)));
        Self {
            name: name.and_then(|name| without(name, persons)),
            license_plate: kept(Class::LicensePlate, self.license_plate),
            vehicle_no: kept(Class::LicensePlate, self.vehicle_no),
            card_number: kept(Class::CardNumber, self.card_number),
        }
    }

    const fn is_told(&self) -> bool {
        self.license_plate.is_some() || self.vehicle_no.is_some() || self.card_number.is_some()
    }
}

/// A text without what is forgotten; none where nothing else was in it.
fn without(text: String, persons: &Persons) -> Option<String> {
    let Some(left) = persons.taken_out_of(&text) else { return Some(text) };
    let left = left.trim();
    (!left.is_empty()).then(|| left.to_owned())
}

/// Columns in which a text may name somebody, though none should: those in which a value stands that matches, and how each such
/// text is replaced.
const TEXTS: [(&str, &str); 4] = [
    ("SELECT DISTINCT name FROM fuel.site WHERE name ~ $1", "UPDATE fuel.site SET name = $2 WHERE name = $1"),
    (
        "SELECT DISTINCT last_error FROM fuel.checkpoint WHERE last_error ~ $1",
        "UPDATE fuel.checkpoint SET last_error = $2 WHERE last_error = $1",
    ),
    (
        "SELECT DISTINCT last_error FROM fuel.sync_window WHERE last_error ~ $1",
        "UPDATE fuel.sync_window SET last_error = $2 WHERE last_error = $1",
    ),
    (
        "SELECT DISTINCT reason FROM fuel.quarantine WHERE reason ~ $1",
        "UPDATE fuel.quarantine SET reason = $2 WHERE reason = $1",
    ),
];

async fn texts(tx: &mut Tx, persons: &Persons, purge: &Purge<'_>) -> Result<u64, WarehouseError> {
    let mut touched = 0;
    for (select, update) in TEXTS {
        let found: Vec<String> = statement::query_scalar(select).bind(purge.pattern).fetch_all(&mut **tx).await?;
        for text in found {
            let Some(left) = persons.taken_out_of(&text) else { continue };
            touched += 1;
            if !purge.dry_run {
                statement::query(update).bind(text).bind(left.trim()).execute(&mut **tx).await?;
            }
        }
    }
    Ok(touched)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privacy::Person;

    fn vehicle(told: [&str; 4]) -> Vehicle {
        let [name, license_plate, vehicle_no, card_number] =
            told.map(|value| (!value.is_empty()).then(|| value.to_owned()));
        Vehicle { name, license_plate, vehicle_no, card_number }
    }

    #[test]
    fn a_vehicle_loses_what_tells_the_person_and_keeps_all_else() {
        let persons = [
            (Person::Plate, "123 ABC"),
            (Person::Driver, "Õnne Tamm"),
            (Person::Driver, "Olga"),
            (Person::Card, "70771234"),
        ]
        .into_iter()
        .fold(Persons::new(1, b"key", []), |persons, (person, value)| persons.and(person, value));
        for (is, left) in [
            (["van 7", "123.abc", "7", "70771234"], ["van 7", "", "7", ""]),
            (["Õnne Tamm's van", "999 XYZ", "", ""], ["'s van", "999 XYZ", "", ""]),
            (["olga", "", "123ABC", "7077-9999"], ["", "", "", "7077-9999"]),
            (["123-ABC", "123-ABC", "", ""], ["", "", "", ""]),
            (["Volga", "123ABD", "7", "1"], ["Volga", "123ABD", "7", "1"]),
        ] {
            let left = vehicle(left);
            assert_eq!(vehicle(is).without(&persons), left);
            assert_eq!(
                left.is_told(),
                is[1..].iter().any(|value| !value.is_empty()) && left != Vehicle::default(),
                "{left:?}"
            );
        }
    }
}
