//! Normalizes records in quarantine again, stream by stream, under each stream's lease.

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{
    config,
    domain::StreamId,
    source::{Normalizer, served_from},
    warehouse::{
        Disposition, Warehouse, WarehouseError,
        lease::{Lease, Taken},
        load::{
            Counts,
            replay::{Again, Still, Verdicts},
        },
        quarantine::Open,
    },
};

/// Records written together, and bytes of them.
const TOGETHER: usize = 200;
const TOGETHER_BYTES: u64 = 2 * 1024 * 1024;
/// Open records of one transaction, and bytes of them, that are looked at: they must be together. More than the above.
const OF_ONE: usize = 500;
const OF_ONE_BYTES: u64 = 16 * 1024 * 1024;

/// What replaying works with.
pub struct Replay<'a> {
    /// Where the records are.
    pub warehouse: &'a Warehouse,
    /// How.
    pub settings: &'a config::Sync,
    /// Who writes: host, process and a random part.
    pub owner: &'a str,
    /// What makes lines of a stream's records today; none when no account of the configuration reads it.
    pub normalizer: &'a (dyn Fn(&StreamId) -> Option<Normalizer> + Send + Sync),
    /// The time, by which a sale of the future is flagged.
    pub present: DateTime<Utc>,
}

/// A record that was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Its number.
    pub id: i64,
    /// Why.
    pub why: String,
}

/// What came of a replay: the document that `--json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Replayed {
    /// Normalized and written.
    pub replayed: Vec<i64>,
    /// Still cannot be normalized.
    pub still: Vec<Still>,
    /// Left in quarantine, and why.
    pub left: Vec<Left>,
    /// The lines written; `quarantined` are those that still cannot be normalized.
    pub counts: Counts,
    /// Whether it was stopped before its work was done.
    pub stopped: bool,
}

impl Replayed {
    fn leave(&mut self, records: &[Open], why: &str) {
        self.left.extend(records.iter().map(|record| Left { id: record.id, why: why.to_owned() }));
    }

    fn add(&mut self, verdicts: Verdicts) {
        self.replayed.extend(verdicts.replayed);
        self.still.extend(verdicts.still);
        self.left.extend(verdicts.left.into_iter().map(|(id, why)| Left { id, why: why.to_string() }));
        self.counts += verdicts.counts;
    }
}

impl Replay<'_> {
    /// Replays some records, in the order of [`Warehouse::open_quarantine`]. What the database refuses ends it; what was
    /// committed before stays, and is in what comes back beside the error.
    pub async fn run(&self, records: &[Open], stop: &CancellationToken) -> (Replayed, Result<(), WarehouseError>) {
        let mut done = Replayed::default();
        for of_stream in records.chunk_by(|a, b| a.stream == b.stream) {
            if let Err(error) = self.stream(of_stream, stop, &mut done).await {
                return (done, Err(error));
            }
        }
        done.stopped = stop.is_cancelled() && !done.left.is_empty();
        (done, Ok(()))
    }

    async fn stream(
        &self,
        records: &[Open],
        stop: &CancellationToken,
        done: &mut Replayed,
    ) -> Result<(), WarehouseError> {
        let Some(stream) = records.first().map(|record| &record.stream) else { return Ok(()) };
        if stop.is_cancelled() {
            done.leave(records, STOPPED);
            return Ok(());
        }
        let Some(normalizer) = (self.normalizer)(stream) else {
            let (source, account) = (stream.source, &stream.account);
            done.leave(records, &format!("no account {account} of the configuration reads {source}"));
            return Ok(());
        };
        self.warehouse.heed(normalizer.forgotten()).await?;
        let lease = match self.warehouse.take_lease(stream, self.owner, self.settings.lease).await? {
            Taken::Ours { lease, .. } => lease,
            Taken::Held { by, until, .. } => {
                done.leave(records, &format!("the lease of {stream} is held by {by} until {until}; left to it"));
                return Ok(());
            }
        };
        let worked = self.batches(records, &normalizer, &lease, stop, done).await;
        if let Err(error) = self.warehouse.release_lease(stream, &lease).await {
            tracing::warn!(error = %error, "the lease could not be given back; it expires by itself");
        }
        worked
    }

    async fn batches(
        &self,
        records: &[Open],
        normalizer: &Normalizer,
        lease: &Lease,
        stop: &CancellationToken,
        done: &mut Replayed,
    ) -> Result<(), WarehouseError> {
        let mut waiting = records;
        while let Some(first) = waiting.first() {
            if stop.is_cancelled() {
                done.leave(waiting, STOPPED);
                break;
            }
            let number = together(waiting);
            let (batch, rest) = waiting.split_at(number.unwrap_or_else(|too_many| too_many));
            if number.is_err() {
                done.leave(batch, TOO_MANY);
                waiting = rest;
                continue;
            }
            let ids: Vec<_> = batch.iter().map(|record| record.id).collect();
            let stream = &first.stream;
            let again = Again {
                stream,
                lease,
                ids: &ids,
                met: first.met,
                horizon: served_from(stream.source, self.present),
                forgotten: normalizer.forgotten().number(),
                normalize: &|text| normalizer.record(stream, self.present, text),
            };
            let written = tokio::select! {
                written = self.warehouse.replay(&again, self.settings.window_timeout) => written,
                error = self.keep(stream, lease) => Err(error),
            };
            match written {
                Ok(verdicts) => {
                    tracing::debug!(stream = %stream, replayed = verdicts.replayed.len(), still = verdicts.still.len(), left = verdicts.left.len(), "records normalized again");
                    done.add(verdicts);
                }
                Err(error) if error.disposition() == Disposition::LeaveStream => {
                    done.leave(waiting, &format!("{error}; left to it"));
                    break;
                }
                Err(error) => return Err(error),
            }
            waiting = rest;
        }
        Ok(())
    }

    /// Renews the lease for as long as it is asked to; returns only when the lease is lost.
    async fn keep(&self, stream: &StreamId, lease: &Lease) -> WarehouseError {
        let mut bell = tokio::time::interval(self.settings.lease / 3);
        bell.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            bell.tick().await;
            match self.warehouse.renew_lease(stream, lease, self.settings.lease).await {
                Ok(_) => {}
                Err(WarehouseError::LeaseLost) => return WarehouseError::LeaseLost,
                // The commit checks the lease itself; a renewal that fails is tried again in time.
                Err(error) => tracing::warn!(error = %error, "the lease could not be renewed; trying again"),
            }
        }
    }
}

/// Of a record that was not looked at.
const STOPPED: &str = "stopped before its turn";
/// Of the records of a transaction that has more of them than are held at once.
const TOO_MANY: &str =
    "its transaction has more than 500 open records, or more than 16 MiB of them; left to the next read of its window";

/// How many of the first records are replayed in one transaction: of one read of one window, those of a transaction
/// together. An error says how many there are of a transaction that has too many.
fn together(records: &[Open]) -> Result<usize, usize> {
    let (mut number, mut bytes) = (0, 0);
    let of_one_read = records.chunk_by(|a, b| a.met == b.met).next().unwrap_or_default();
    for of_one in of_one_read
        .chunk_by(|a, b| a.source_transaction_id.is_some() && a.source_transaction_id == b.source_transaction_id)
    {
        let size: u64 = of_one.iter().map(|record| record.size).sum();
        if number == 0 && (of_one.len() > OF_ONE || size > OF_ONE_BYTES) {
            return Err(of_one.len());
        }
        if number > 0 && (number + of_one.len() > TOGETHER || bytes + size > TOGETHER_BYTES) {
            break;
        }
        number += of_one.len();
        bytes += size;
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{Partition, SourceKind},
        warehouse::quarantine::Met,
    };

    /// Open records of one read: of these transactions, with so many bytes each.
    fn open(records: &[(&str, u64)]) -> Vec<Open> {
        let stream = StreamId::new(SourceKind::AlexelaCard, "fleet", Partition::whole());
        let met = Met { window_start: None, at: DateTime::UNIX_EPOCH };
        let of = |(id, (transaction, size)): (i64, &(&str, u64))| Open {
            id,
            stream: stream.clone(),
            source_transaction_id: Some((*transaction).to_owned()).filter(|id| !id.is_empty()),
            met,
            size: *size,
        };
        (0..).zip(records).map(of).collect()
    }

    #[test]
    fn a_batch_ends_by_number_and_by_bytes_and_never_in_a_transaction() {
        let mib = 1024 * 1024;
        assert_eq!(together(&open(&[("", 100); 450])), Ok(TOGETHER));
        assert_eq!(together(&open(&[("", 4 * mib); 3])), Ok(1), "one of the largest at a time");
        assert_eq!(together(&open(&[("1", mib), ("2", mib / 2), ("2", mib), ("3", 1)])), Ok(1));
        assert_eq!(together(&open(&[("1", 2 * mib), ("1", 2 * mib), ("2", 1)])), Ok(2), "they belong together");
        assert_eq!(together(&open(&[("1", 1); 300])), Ok(300));
    }

    #[test]
    fn a_transaction_with_more_than_is_held_is_left_by_itself() {
        let mut records = vec![("1", 1); OF_ONE + 1];
        records.push(("2", 1));
        assert_eq!(together(&open(&records)), Err(OF_ONE + 1));
        assert_eq!(together(&open(&[("1", OF_ONE_BYTES), ("1", 1), ("2", 1)])), Err(2));
    }
}
