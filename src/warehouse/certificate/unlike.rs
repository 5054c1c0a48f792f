//! What the ledger says of windows, held against the tables: the digest of their lines, and what their sales came to.
//!
//! Both are of the moment of a read. Who writes to a window's lines later leaves a trace: `changed_at`, or an image. A digest
//! is not held against lines of which any has such a trace. Sums are held against the lines as they were then.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use sqlx::Row as _;

use super::{LedgerWindow, Snapshot};
use crate::{
    domain::{StreamId, Window},
    warehouse::{
        WarehouseError, statement,
        sums::{Of, Sum, Sums},
        tx::within,
    },
};

/// What the sales of a window came to when it was read, by what the tables have now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Then {
    /// By the lines that have stood since and the images of the others.
    pub sums: Sums,
    /// Of how many lines nobody can say whether the ledger has them, which these sums have not: a transaction that wrote them may
    /// have been under way at the same time as the read, and which of the two saw the other is not known; or they had been
    /// altered by hand when a remap or a repair wrote them again.
    pub fewer: u64,
    /// Of how many it is the other way round.
    pub more: u64,
}

impl Snapshot {
    /// Since when a transaction may have begun that was committed after a read: none lasts longer than the longest statement
    /// that is let be, twice, and some.
    fn may_have_begun(&self, read_at: DateTime<Utc>) -> DateTime<Utc> {
        read_at - TimeDelta::minutes(10) - TimeDelta::from_std(2 * self.limit()).unwrap_or_default()
    }

    /// Whether the table has other lines of a window than those whose digest the ledger holds, and nothing says that any was
    /// written or went since. Of a window of which it holds none, nobody can say.
    pub async fn has_other_lines(&mut self, stream: &StreamId, entry: &LedgerWindow) -> Result<bool, WarehouseError> {
        let (Some((_, digest)), Some(read_at)) = (&entry.held, entry.last_read_at) else { return Ok(false) };
        let since = self.may_have_begun(read_at);
        let (tx, limit) = self.tx();
        within(limit, async {
            let (mut count, mut sum) = (0u64, 0u64);
            let mut rows = statement::query(include_str!("../sql/probe.sql"))
                .bind(stream.source.as_str())
                .bind(&stream.account)
                .bind(stream.partition.as_str())
                .bind(entry.window.start())
                .bind(entry.window.end())
                .fetch(&mut **tx);
            while let Some(row) = rows.try_next().await? {
                // The ledger vouches for no window with a line that is missing. One that is marked so by a read was written
                // since.
                if row.try_get::<bool, _>(4)? {
                    continue;
                }
                let content: &[u8] = row.try_get(2)?;
                count += 1;
                sum = sum.wrapping_add(content.first_chunk().copied().map_or(0, u64::from_be_bytes));
            }
            drop(rows);
            let mut hasher = Sha256::new();
            hasher.update(count.to_le_bytes());
            hasher.update(sum.to_le_bytes());
            if hasher.finalize()[..] == **digest {
                return Ok(false);
            }
            let explained: bool = statement::query_scalar(include_str!("../sql/window_explained.sql"))
                .bind(stream.source.as_str())
                .bind(&stream.account)
                .bind(stream.partition.as_str())
                .bind(entry.window.start())
                .bind(entry.window.end())
                .bind(read_at)
                .bind(since)
                .fetch_one(&mut **tx)
                .await?;
            Ok(!explained)
        })
        .await
    }

    /// What the sales of windows of a stream came to when each was read, in the same order.
    pub async fn sums_then(
        &mut self,
        stream: &StreamId,
        windows: &[(Window, DateTime<Utc>)],
    ) -> Result<Vec<Then>, WarehouseError> {
        let mut then = vec![Then::default(); windows.len()];
        if windows.is_empty() {
            return Ok(then);
        }
        let times = |of: fn(&(Window, DateTime<Utc>)) -> DateTime<Utc>| windows.iter().map(of).collect::<Vec<_>>();
        let since: Vec<_> = windows.iter().map(|(_, read_at)| self.may_have_begun(*read_at)).collect();
        let (tx, limit) = self.tx();
        within(limit, async {
            let mut rows = statement::query(include_str!("../sql/sums_as_of.sql"))
                .bind(stream.source.as_str())
                .bind(&stream.account)
                .bind(stream.partition.as_str())
                .bind(times(|(window, _)| window.start()))
                .bind(times(|(window, _)| window.end()))
                .bind(times(|(_, read_at)| *read_at))
                .bind(since)
                .fetch(&mut **tx);
            while let Some(row) = rows.try_next().await? {
                let number = usize::try_from(row.try_get::<i64, _>(0)? - 1).unwrap_or(usize::MAX);
                let Some(then) = then.get_mut(number) else { continue };
                then.fewer = row.try_get::<i64, _>(9)?.unsigned_abs();
                then.more = row.try_get::<i64, _>(10)?.unsigned_abs();
                let Some(lines) = row.try_get::<Option<i64>, _>(4)? else { continue };
                let total = |at| -> Result<_, WarehouseError> {
                    row.try_get::<&str, _>(at)?.parse().map_err(WarehouseError::Counts)
                };
                let sum = Sum {
                    rows: lines.unsigned_abs(),
                    quantity: total(5)?,
                    net: total(6)?,
                    vat: total(7)?,
                    gross: total(8)?,
                };
                then.sums.put(Of { product: row.try_get(1)?, currency: row.try_get(2)?, unit: row.try_get(3)? }, sum);
            }
            Ok(then)
        })
        .await
    }
}
