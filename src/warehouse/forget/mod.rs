//! Takes forgotten persons out of what is stored: lines and records, their earlier images, the quarantine, and what the
//! ledger keeps of them; also what users filled in themselves. One transaction a batch; what a batch finds done already it leaves.
//!
//! What is to be left of a record is not decided here: it is normalized twice without any rule, once as it is and once with
//! the persons forgotten, and what differs between the two is what changes. So it comes to what a later read comes to.

mod lines;
mod loose;
pub(super) mod marks;
mod own;
mod quarantine;
pub(super) mod versions;

use std::{fmt, time::Duration};

pub use lines::RecordKey;
use rustc_hash::FxHashMap;
use sqlx::Row as _;

use super::{Tx, Warehouse, WarehouseError, statement};
use crate::{
    domain::{Partition, SourceKind, StreamId},
    privacy::{Class, Guard, Persons},
    source::Normalizer,
};

/// What is looked for, and what is made of it.
pub struct Purge<'a> {
    /// A regular expression of the database's that every text with a value matches, unless the text has escapes.
    pub pattern: &'a str,
    /// Keeps everything but what is forgotten.
    pub guard: &'a Guard,
    /// Normalizes a stream's record without any rule, as it is, and with the persons forgotten.
    /// None: the stream is left as it is.
    pub normalizers: &'a (dyn Fn(&StreamId) -> Option<(Normalizer, Normalizer)> + Send + Sync),
    /// Whether only to count.
    pub dry_run: bool,
    /// Most time for a batch.
    pub limit: Duration,
}

impl fmt::Debug for Purge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The pattern is the value.
        f.debug_struct("Purge").field("dry_run", &self.dry_run).finish_non_exhaustive()
    }
}

impl Purge<'_> {
    const fn limit(&self) -> (Duration, &'static str) {
        (self.limit, "sync.window_timeout")
    }

    fn persons(&self) -> std::sync::Arc<Persons> {
        self.guard.forgotten()
    }

    /// Begins to write: refused when other persons are forgotten than this heeds.
    async fn announce(&self, tx: &mut Tx) -> Result<(), WarehouseError> {
        if !self.dry_run {
            super::forgotten::announce(tx, self.persons().number()).await?;
        }
        Ok(())
    }
}

/// What was touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Touched {
    /// Lines of `fuel.transaction`.
    pub lines: u64,
    /// Records of `fuel.record`.
    pub records: u64,
    /// Images of `fuel.transaction_version`.
    pub versions: u64,
    /// Records of `fuel.quarantine`.
    pub quarantined: u64,
    /// Rows of `fuel.vehicle`.
    pub vehicles: u64,
    /// Other texts: names of sites, what was said of failures.
    pub texts: u64,
}

impl std::ops::AddAssign for Touched {
    fn add_assign(&mut self, other: Self) {
        self.lines += other.lines;
        self.records += other.records;
        self.versions += other.versions;
        self.quarantined += other.quarantined;
        self.vehicles += other.vehicles;
        self.texts += other.texts;
    }
}

/// Values that are hashed by a key.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct HashedBy {
    /// The key's id; none where the hash does not say it.
    pub key_id: Option<String>,
    /// How many.
    pub values: u64,
}

/// A batch: what it touched, and where the next one begins; none when there is no further.
pub type Batched<P> = (Touched, Option<P>);

/// The normalizers that a batch has asked for.
struct Normalizers<'a> {
    purge: &'a Purge<'a>,
    made: FxHashMap<(SourceKind, String), Option<(Normalizer, Normalizer)>>,
}

impl<'a> Normalizers<'a> {
    fn new(purge: &'a Purge<'a>) -> Self {
        Self { purge, made: FxHashMap::default() }
    }

    fn of(&mut self, stream: &StreamId) -> Option<&(Normalizer, Normalizer)> {
        let key = (stream.source, stream.account.clone());
        self.made.entry(key).or_insert_with(|| (self.purge.normalizers)(stream)).as_ref()
    }
}

/// The stream of a row.
fn stream_of(source: &str, account: &str, partition: &str) -> Option<StreamId> {
    let partition = if partition == "-" { Partition::whole() } else { Partition::contract(partition) };
    // A source that only a later version knows is left to it.
    Some(StreamId::new(source.parse().ok()?, account, partition))
}

impl Warehouse {
    /// How many lines hold exactly this as a value of a class: what a mask leaves is no proof of whose it was.
    pub async fn lines_with(&self, class: Class, value: &str, limit: Duration) -> Result<u64, WarehouseError> {
        let column = match class {
            Class::CardNumber => "SELECT count(*) FROM fuel.transaction WHERE card_number = $1",
            Class::DriverName => "SELECT count(*) FROM fuel.transaction WHERE driver_name = $1",
            Class::LicensePlate => "SELECT count(*) FROM fuel.transaction WHERE license_plate = $1",
            Class::ReceiptEmail => return Ok(0),
        };
        let count: i64 = self
            .long((limit, "sync.window_timeout"), |mut tx| async move {
                let count = statement::query_scalar(column).bind(value).fetch_one(&mut *tx).await?;
                tx.commit().await?;
                Ok(count)
            })
            .await?;
        Ok(count.unsigned_abs())
    }

    /// By which keys values of a class are hashed, in lines and in their earlier images; but by this one.
    pub async fn hashed_by_others(
        &self,
        class: Class,
        key_id: Option<&str>,
        limit: Duration,
    ) -> Result<Vec<HashedBy>, WarehouseError> {
        let column = match class {
            Class::CardNumber => "card_number",
            Class::DriverName => "driver_name",
            Class::LicensePlate => "license_plate",
            Class::ReceiptEmail => return Ok(Vec::new()),
        };
        self.long((limit, "sync.window_timeout"), |mut tx| async move {
            let rows = statement::query(include_str!("../sql/hashed_by.sql"))
                .bind(column)
                .bind(key_id)
                .fetch_all(&mut *tx)
                .await?;
            tx.commit().await?;
            rows.iter()
                .map(|row| {
                    let values: i64 = row.try_get(1)?;
                    Ok(HashedBy { key_id: row.try_get(0)?, values: values.unsigned_abs() })
                })
                .collect()
        })
        .await
    }

    /// Forgets what the ledger knows of the records of every window: whose they were is not to be told from it.
    pub async fn forget_all_known(&self, limit: Duration) -> Result<u64, WarehouseError> {
        self.long((limit, "sync.window_timeout"), |mut tx| async move {
            let done =
                statement::query("UPDATE fuel.sync_window SET known_records = NULL WHERE known_records IS NOT NULL")
                    .execute(&mut *tx)
                    .await?;
            tx.commit().await?;
            Ok(done.rows_affected())
        })
        .await
    }
}
