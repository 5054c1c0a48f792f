//! Which windows are read again because of a replay: those whose read settles what was left, and those whose counts it
//! could not correct.

use chrono::{DateTime, Utc};
use sqlx::Row;

use super::{Again, Why};
use crate::{
    domain::Window,
    warehouse::{Tx, WarehouseError, statement},
};

/// A record that a read of its window is to settle, and when its sale took place.
pub(super) struct Doubtful {
    pub(super) id: i64,
    pub(super) why: Why,
    pub(super) at: Option<DateTime<Utc>>,
}

/// Makes the windows of some records due at the next pass, and says why each is left: where no read will come that
/// settles it, because of that.
pub(super) async fn doubtful(
    tx: &mut Tx,
    again: &Again<'_>,
    records: Vec<Doubtful>,
) -> Result<Vec<(i64, Why)>, WarehouseError> {
    let times = |record: &Doubtful| [record.at, again.met.window_start];
    let served = |record: &&Doubtful| is_served(again, record.at);
    let asked: Vec<_> = records.iter().filter(served).flat_map(times).flatten().collect();
    let windows = windows_of(tx, again, asked).await?;
    let is_read = |record: &Doubtful| {
        times(record).into_iter().flatten().any(|time| windows.iter().any(|window| window.contains(time)))
    };
    let why = |record: &Doubtful| match record.why {
        _ if !is_served(again, record.at) => Why::Unserved,
        _ if !is_read(record) => Why::Unread,
        why => why,
    };
    Ok(records.iter().map(|record| (record.id, why(record))).collect())
}

/// Makes the windows due in which some sales took place, and the one that brought them.
pub(super) async fn counts_of(
    tx: &mut Tx,
    again: &Again<'_>,
    sales: impl Iterator<Item = DateTime<Utc>> + Send,
) -> Result<(), WarehouseError> {
    let times = sales.chain(again.met.window_start).filter(|at| is_served(again, Some(*at))).collect();
    windows_of(tx, again, times).await.map(drop)
}

/// Makes those neighbours of a window due that count records in quarantine which they no longer have there: a record
/// without a readable time may come in the answers for two windows, and only the one that met it last is corrected.
pub(super) async fn neighbours(tx: &mut Tx, again: &Again<'_>, window: Window) -> Result<(), WarehouseError> {
    statement::query(include_str!("../../sql/ask_neighbours.sql"))
        .bind(again.stream.source.as_str())
        .bind(&again.stream.account)
        .bind(again.stream.partition.as_str())
        .bind(window.start())
        .bind(window.end())
        .bind(again.horizon)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn is_served(again: &Again<'_>, at: Option<DateTime<Utc>>) -> bool {
    again.horizon.zip(at).is_none_or(|(horizon, at)| at >= horizon)
}

/// Makes the windows due that some times lie in, and tells which they are.
async fn windows_of(tx: &mut Tx, again: &Again<'_>, times: Vec<DateTime<Utc>>) -> Result<Vec<Window>, WarehouseError> {
    if times.is_empty() {
        return Ok(Vec::new());
    }
    let rows = statement::query(include_str!("../../sql/ask_again.sql"))
        .bind(again.stream.source.as_str())
        .bind(&again.stream.account)
        .bind(again.stream.partition.as_str())
        .bind(times)
        .fetch_all(&mut **tx)
        .await?;
    let mut windows = Vec::with_capacity(rows.len());
    for row in rows {
        windows.extend(Window::new(row.try_get(0)?, row.try_get(1)?));
    }
    Ok(windows)
}
