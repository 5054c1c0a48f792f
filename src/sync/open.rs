//! `HecOne` transactions that are still open, long after their window: each is fetched by its id until it is decided or
//! 30 days old (NOTES, "late changes").

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use super::{
    plan::Read,
    stream::{Reader, SETTLED_AFTER},
    summary::StreamSummary,
    window::WindowError,
};
use crate::{
    domain::{Record, StreamId},
    source::{Disposition, SourceError},
    warehouse::{incoming::Incoming, lease::Lease},
};

/// Transactions written together.
const TOGETHER: usize = 50;
/// Or as many as take so many bytes.
const TOGETHER_BYTES: usize = 2 * 1024 * 1024;

/// Failed fetches after which the rest waits for the next pass.
const ENOUGH: u32 = 5;

/// Most transactions looked after in one pass; more than a fleet ever has open.
const MOST: i64 = 5_000;

/// Fetches the open transactions that no window read of this pass covered, and writes what changed.
pub async fn refresh(
    reader: &Reader,
    stream: &StreamId,
    lease: &Lease,
    reads: &[Read],
    summary: &mut StreamSummary,
    stop: &CancellationToken,
) -> Result<(), WindowError> {
    if !stream.source.record_is_whole_transaction() {
        return Ok(());
    }
    let present = reader.source.present();
    let since = present - TimeDelta::from_std(SETTLED_AFTER).unwrap_or(TimeDelta::days(30));
    let open = reader.warehouse.open_transactions(stream, since, present, MOST).await?;
    let due = open.into_iter().filter(|(_, at)| !reads.iter().any(|read| read.stretch.contains(*at))).map(|(id, _)| id);
    let forgotten = reader.forgotten.number();
    let mut waiting = Vec::new();
    let mut failed = Failures::default();
    for id in due {
        if stop.is_cancelled() {
            break;
        }
        let fetched = tokio::select! {
            fetched = reader.source.read_one(stream, &id) => fetched,
            () = stop.cancelled() => break,
        };
        match fetched {
            Ok(Some(record)) => waiting.push(record),
            // The source no longer has it: the reads of its window decide whether it is missing.
            Ok(None) => tracing::debug!(stream = %stream, "an open transaction is no longer at the source"),
            // One transaction that cannot be had does not keep the others from being looked after.
            Err(error) => {
                if failed.are_enough(error) {
                    break;
                }
            }
        }
        if waiting.len() >= TOGETHER || waiting.iter().map(Record::size).sum::<usize>() >= TOGETHER_BYTES {
            write(reader, stream, lease, (forgotten, std::mem::take(&mut waiting)), summary).await?;
        }
    }
    write(reader, stream, lease, (forgotten, waiting), summary).await?;
    if stop.is_cancelled() {
        return Err(WindowError::Stopped);
    }
    failed.first.map_or(Ok(()), |error| Err(error.into()))
}

/// Single fetches that failed.
#[derive(Debug, Default)]
struct Failures {
    first: Option<SourceError>,
    count: u32,
}

impl Failures {
    /// Takes one more; whether there is no point in going on.
    fn are_enough(&mut self, error: SourceError) -> bool {
        self.count += 1;
        let ends = match error.disposition() {
            Disposition::NextPass | Disposition::Gap | Disposition::Rest | Disposition::SwitchOff => {
                self.count >= ENOUGH
            }
            Disposition::StopAccount | Disposition::Stop => true,
        };
        self.first.get_or_insert(error);
        ends
    }
}

async fn write(
    reader: &Reader,
    stream: &StreamId,
    lease: &Lease,
    (forgotten, records): (i64, Vec<Record>),
    summary: &mut StreamSummary,
) -> Result<(), WindowError> {
    if records.is_empty() {
        return Ok(());
    }
    let mut incoming = Incoming::unbounded(stream.source).heeding(forgotten);
    incoming.records(records)?;
    incoming.complete()?;
    let batch = incoming.finish();
    let counts = reader.warehouse.load_single(stream, lease, &batch, reader.settings.window_timeout).await?;
    reader.tallies.lines(stream, &counts);
    summary.counts += counts;
    Ok(())
}
