//! The tables as they are at one moment, read in one transaction.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use sqlx::{Executor as _, Row as _};

use super::{
    Dropped, Finding, Findings, LedgerSums, LedgerWindow, LeftOver, Lines, Stream, What,
    audit::{self, Group},
    lines::{Folding, OfTable, of_table},
};
use crate::{
    domain::{Outcome, Partition, Record, SourceKind, StreamId, Window},
    warehouse::{Tx, Warehouse, WarehouseError, statement, tx::within},
};

/// Makes a record of a text of a stream, with today's rules; none where there are none at hand.
pub type Normalize<'a> = dyn Fn(&StreamId, &str) -> Option<Record> + Send + Sync + 'a;

/// The tables at one moment. Dropped, its connection closes.
pub struct Snapshot {
    tx: Tx,
    limit: Duration,
    /// The database's time then.
    pub at: DateTime<Utc>,
    /// All changes up to this `seq` are in it; of later ones some may be.
    pub through_seq: i64,
}

/// As long a statement may take.
const SETTING: &str = "sync.window_timeout";

impl Warehouse {
    /// Takes a snapshot, whose statements may take `limit` each.
    pub async fn snapshot(&self, limit: Duration) -> Result<Snapshot, WarehouseError> {
        let through_seq = self.safe_seq().await?;
        within((limit, SETTING), async {
            let mut tx = self.begin(limit).await?;
            // Compiling a statement takes longer than what is asked of a window.
            let set = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL jit = off";
            tx.execute(sqlx::raw_sql(set)).await?;
            let at = statement::query_scalar("SELECT now()").fetch_one(&mut *tx).await?;
            Ok(Snapshot { tx, limit, at, through_seq })
        })
        .await
    }

    /// Up to which `seq` nothing can still appear: as `fuel.changes` knows it.
    async fn safe_seq(&self) -> Result<i64, WarehouseError> {
        self.short(|mut tx| async move {
            // Two statements: the locks must be looked at after the number was read.
            let drawn: i64 =
                statement::query_scalar("SELECT last_value FROM fuel.change_seq").fetch_one(&mut *tx).await?;
            let safe =
                statement::query_scalar(include_str!("../sql/safe_seq.sql")).bind(drawn).fetch_one(&mut *tx).await?;
            tx.commit().await?;
            Ok(safe)
        })
        .await
    }
}

fn partition(name: String) -> Partition {
    if name == "-" { Partition::whole() } else { Partition::contract(name) }
}

impl Snapshot {
    /// Ends it.
    pub async fn end(self) -> Result<(), WarehouseError> {
        let limit = self.limit;
        within((limit, SETTING), self.tx.commit()).await
    }

    /// The streams that the warehouse knows of, those of which it has only lines too; in order of source, account and
    /// partition by their bytes. Names of sources that this version does not know come beside.
    pub async fn streams(&mut self) -> Result<(Vec<Stream>, Vec<String>), WarehouseError> {
        let (limit, tx) = (self.limit, &mut self.tx);
        within((limit, SETTING), async {
            let rows = statement::query(include_str!("../sql/proved_streams.sql")).fetch_all(&mut **tx).await?;
            let (mut streams, mut unknown) = (Vec::new(), Vec::new());
            for row in rows {
                let source: String = row.try_get(0)?;
                match source.parse::<SourceKind>() {
                    Ok(kind) => streams.push(Stream {
                        id: StreamId::new(kind, row.try_get::<String, _>(1)?, partition(row.try_get(2)?)),
                        watermark: row.try_get(3)?,
                        last_outcome: row.try_get(4)?,
                        read_until: row.try_get(5)?,
                    }),
                    Err(_) => unknown.push(source),
                }
            }
            unknown.dedup();
            Ok((streams, unknown))
        })
        .await
    }

    /// The ledger of a stream, as far as it touches a stretch, in order of time; and what is lost of the stretch.
    pub async fn ledger(
        &mut self,
        stream: &StreamId,
        stretch: Window,
    ) -> Result<(Vec<LedgerWindow>, Vec<Window>), WarehouseError> {
        let (limit, tx) = (self.limit, &mut self.tx);
        within((limit, SETTING), async {
            let rows = statement::query(include_str!("../sql/proved_windows.sql"))
                .bind(stream.source.as_str())
                .bind(&stream.account)
                .bind(stream.partition.as_str())
                .bind(stretch.start())
                .bind(stretch.end())
                .fetch_all(&mut **tx)
                .await?;
            let mut windows = Vec::with_capacity(rows.len());
            for row in rows {
                let Some(window) = Window::new(row.try_get(0)?, row.try_get(1)?) else { continue };
                let digest: Option<Vec<u8>> = row.try_get(8)?;
                let fetched = row.try_get::<i64, _>(7)?.unsigned_abs();
                let sums: Option<&str> = row.try_get(9)?;
                windows.push(LedgerWindow {
                    window,
                    read_through: row.try_get(2)?,
                    last_read_at: row.try_get(3)?,
                    is_final: row.try_get(4)?,
                    unstable: row.try_get(5)?,
                    quarantined: row.try_get::<i64, _>(6)?.unsigned_abs(),
                    gone_from_quarantine: row.try_get::<i64, _>(10)?.unsigned_abs(),
                    fetched,
                    held: digest.map(|digest| (fetched, digest)),
                    sums: sums.map_or(LedgerSums::Unknown, |sums| {
                        serde_json::from_str(sums).map_or(LedgerSums::Unreadable, LedgerSums::Known)
                    }),
                });
            }
            let rows = statement::query(
                "SELECT gap_start, gap_end FROM fuel.gap WHERE source = $1 AND account = $2 AND partition = $3 \
                     AND gap_end > $4 AND gap_start < $5 ORDER BY gap_start",
            )
            .bind(stream.source.as_str())
            .bind(&stream.account)
            .bind(stream.partition.as_str())
            .bind(stretch.start())
            .bind(stretch.end())
            .fetch_all(&mut **tx)
            .await?;
            let mut gaps = Vec::new();
            for row in rows {
                gaps.extend(Window::new(row.try_get(0)?, row.try_get(1)?));
            }
            Ok((windows, gaps))
        })
        .await
    }

    /// What of a stream's quarantine belongs to no window of a stretch.
    pub async fn left_over(&mut self, stream: &StreamId, stretch: Window) -> Result<LeftOver, WarehouseError> {
        let (limit, tx) = (self.limit, &mut self.tx);
        within((limit, SETTING), async {
            let mut left = LeftOver::default();
            let mut rows = statement::query(include_str!("../sql/proved_quarantine.sql"))
                .bind(stream.source.as_str())
                .bind(&stream.account)
                .bind(stream.partition.as_str())
                .bind(stretch.start())
                .bind(stretch.end())
                .fetch(&mut **tx);
            while let Some(row) = rows.try_next().await? {
                match row.try_get::<Option<DateTime<Utc>>, _>(3)? {
                    None => left.open += 1,
                    Some(dropped_at) if left.dropped.len() < super::NAMED => left.dropped.push(Dropped {
                        id: row.try_get(0)?,
                        source_transaction_id: row.try_get(1)?,
                        reason: row.try_get(2)?,
                        dropped_at,
                    }),
                    Some(_) => {}
                }
            }
            Ok(left)
        })
        .await
    }

    /// Reads the lines of a piece of a stream, one by one: adds them up, digests them, and looks whether each is what was
    /// written.
    pub async fn lines(
        &mut self,
        stream: &StreamId,
        piece: Window,
        normalize: &Normalize<'_>,
        findings: &mut Findings,
    ) -> Result<Lines, WarehouseError> {
        let (limit, tx) = (self.limit, &mut self.tx);
        within((limit, SETTING), async {
            let mut folding = Folding::new(stream, piece);
            let mut group = Group::default();
            let whole = stream.source.record_is_whole_transaction();
            let mut rows = statement::query(include_str!("../sql/proved_rows.sql"))
                .bind(stream.source.as_str())
                .bind(&stream.account)
                .bind(stream.partition.as_str())
                .bind(piece.start())
                .bind(piece.end())
                .fetch(&mut **tx);
            while let Some(row) = rows.try_next().await? {
                let OfTable { id, line, raw, is_missing } = of_table(&row)?;
                folding.add(id, &line, is_missing);
                if !whole || group.id != id {
                    look(stream, &group, normalize, findings);
                    group = Group { id: id.to_owned(), raw: raw.map(<[u8]>::to_vec), lines: Vec::new() };
                }
                group.lines.push(line);
            }
            look(stream, &group, normalize, findings);
            Ok(folding.finish())
        })
        .await
    }

    /// The lines of a stretch that somebody hid: they are marked missing, and no read has marked them.
    pub async fn hidden(
        &mut self,
        stream: &StreamId,
        stretch: Window,
        findings: &mut Findings,
    ) -> Result<(), WarehouseError> {
        let (limit, tx) = (self.limit, &mut self.tx);
        within((limit, SETTING), async {
            let mut rows = statement::query(include_str!("../sql/hidden_by_hand.sql"))
                .bind(stream.source.as_str())
                .bind(&stream.account)
                .bind(stream.partition.as_str())
                .bind(stretch.start())
                .bind(stretch.end())
                .fetch(&mut **tx);
            while let Some(row) = rows.try_next().await? {
                findings.add(Finding {
                    what: What::Altered,
                    source: stream.source.as_str().to_owned(),
                    account: stream.account.clone(),
                    partition: Some(stream.partition.as_str().to_owned()),
                    source_transaction_id: Some(row.try_get(0)?),
                    line_id: Some(row.try_get(1)?),
                    occurred_at: Some(row.try_get(2)?),
                    was_at: None,
                    was_of: None,
                    columns: vec!["missing_since"],
                    why: "it is marked missing, and no read has marked it".to_owned(),
                });
            }
            Ok(())
        })
        .await
    }

    /// The records of an account that have no line at all, and whose sale took place in a stretch: their lines were deleted.
    /// Those of the rest of a larger stretch (`whole`) go to `beyond`.
    pub async fn deleted(
        &mut self,
        account: &StreamId,
        (stretch, whole): (Window, Window),
        normalize: &Normalize<'_>,
        findings: &mut Findings,
        beyond: &mut Findings,
    ) -> Result<(), WarehouseError> {
        let (limit, tx) = (self.limit, &mut self.tx);
        within((limit, SETTING), async {
            let is_set = account.source.record_is_whole_transaction();
            // Of what is read contract by contract the record does not say which it is of.
            let partition = (account.source != SourceKind::AlexelaCard).then(|| account.partition.as_str().to_owned());
            let mut rows = statement::query(include_str!("../sql/records_alone.sql"))
                .bind(account.source.as_str())
                .bind(&account.account)
                .bind(is_set)
                .fetch(&mut **tx);
            while let Some(row) = rows.try_next().await? {
                let (id, line_id): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
                let raw = row.try_get_raw(2)?;
                let text = raw.as_bytes().ok().and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
                let record = normalize(account, text);
                let Some(Outcome::Lines(lines)) = record.map(|record| record.outcome) else {
                    findings.unplaced += 1;
                    continue;
                };
                for line in lines.into_iter().filter(|line| whole.contains(line.occurred_at)) {
                    let to = if stretch.contains(line.occurred_at) { &mut *findings } else { &mut *beyond };
                    to.add(Finding {
                        what: What::Deleted,
                        source: account.source.as_str().to_owned(),
                        account: account.account.clone(),
                        partition: partition.clone(),
                        source_transaction_id: Some(id.to_owned()),
                        line_id: Some(if is_set { line.line_id } else { line_id.to_owned() }),
                        occurred_at: Some(line.occurred_at),
                        was_at: None,
                        was_of: None,
                        columns: Vec::new(),
                        why: "its record is there, and no line of it".to_owned(),
                    });
                }
            }
            Ok(())
        })
        .await
    }

    /// As long a statement may take.
    pub(super) const fn limit(&self) -> Duration {
        self.limit
    }

    /// The transaction, for what else is read of the same moment.
    pub(super) const fn tx(&mut self) -> (&mut Tx, (Duration, &'static str)) {
        (&mut self.tx, (self.limit, SETTING))
    }
}

/// Looks at the lines of one record.
fn look(stream: &StreamId, group: &Group, normalize: &Normalize<'_>, findings: &mut Findings) {
    if group.lines.is_empty() {
        return;
    }
    let text = group.raw.as_deref().and_then(|raw| std::str::from_utf8(raw).ok());
    let record = text.and_then(|text| normalize(stream, text));
    let audited = audit::audit(stream.source, group, record.as_ref());
    findings.other_rules += audited.other_rules;
    for verdict in audited.verdicts {
        findings.add(Finding {
            what: verdict.what,
            source: stream.source.as_str().to_owned(),
            account: stream.account.clone(),
            partition: Some(stream.partition.as_str().to_owned()),
            source_transaction_id: Some(group.id.clone()),
            line_id: Some(verdict.line_id),
            occurred_at: verdict.occurred_at,
            was_at: verdict.was_at,
            was_of: verdict.was_of,
            columns: verdict.columns,
            why: verdict.why.to_owned(),
        });
    }
}
