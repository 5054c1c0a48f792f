//! Keeps certificates, and finds the last one of a stretch.

use std::collections::BTreeMap;

use sqlx::Row as _;
use uuid::Uuid;

use super::{Digest, Earlier, Lines, snapshot::Snapshot};
use crate::{
    domain::{StreamId, Window},
    warehouse::{Warehouse, WarehouseError, statement, tx::within},
};

/// A certificate to be kept.
#[derive(Debug, Clone)]
pub struct Kept<'a> {
    /// Its number.
    pub id: Uuid,
    /// What it is about.
    pub stretch: Window,
    /// Machine.
    pub host: &'a str,
    /// How much was found.
    pub findings: u64,
    /// Its root.
    pub root: Digest,
    /// Its windows: of which stream, which, in what state, with how many records in quarantine, and what they hold.
    pub windows: Vec<(&'a StreamId, Window, &'static str, u64, &'a Lines)>,
}

impl Snapshot {
    /// The last certificate of a stretch, for each stream that one had.
    pub async fn earlier(
        &mut self,
        stretch: Window,
    ) -> Result<BTreeMap<(String, String, String), Earlier>, WarehouseError> {
        let (tx, limit) = self.tx();
        within(limit, async {
            let rows = statement::query(include_str!("../sql/earlier_certificates.sql"))
                .bind(stretch.start())
                .bind(stretch.end())
                .fetch_all(&mut **tx)
                .await?;
            let mut earlier: BTreeMap<_, Earlier> = BTreeMap::new();
            for row in rows {
                let stream = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                let new = Earlier {
                    id: row.try_get(3)?,
                    made_at: row.try_get(4)?,
                    through_seq: row.try_get(5)?,
                    windows: Vec::new(),
                };
                let of = earlier.entry(stream).or_insert(new);
                let window = Window::new(row.try_get(6)?, row.try_get(7)?);
                let digest: Option<Digest> = row.try_get::<&[u8], _>(8)?.try_into().ok();
                of.windows.extend(window.zip(digest));
            }
            Ok(earlier)
        })
        .await
    }
}

impl Warehouse {
    /// Keeps a certificate of a snapshot that was taken at that time and saw all changes up to that `seq`.
    pub async fn keep_certificate(
        &self,
        certificate: &Kept<'_>,
        (made_at, through_seq): (chrono::DateTime<chrono::Utc>, i64),
    ) -> Result<(), WarehouseError> {
        let windows = &certificate.windows;
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let rows: u64 = windows.iter().map(|(.., lines)| lines.rows).sum();
        let sums: Result<Vec<String>, _> =
            windows.iter().map(|(.., lines)| serde_json::to_string(&lines.sums)).collect();
        let sums = sums.map_err(std::io::Error::other)?;
        let sums = &sums;
        self.short(|mut tx| async move {
            let done = statement::query(
                "INSERT INTO fuel.certificate (certificate_id, stretch_start, stretch_end, made_at, version, host, through_seq, rows, findings, root) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
            )
            .bind(certificate.id)
            .bind(certificate.stretch.start())
            .bind(certificate.stretch.end())
            .bind(made_at)
            .bind(env!("CARGO_PKG_VERSION"))
            .bind(certificate.host)
            .bind(through_seq)
            .bind(number(rows))
            .bind(number(certificate.findings))
            .bind(&certificate.root[..])
            .execute(&mut *tx)
            .await?;
            // Made again after a lost answer it finds its own work done.
            if done.rows_affected() == 1 {
                statement::query(include_str!("../sql/keep_certificate.sql"))
                    .bind(certificate.id)
                    .bind(windows.iter().map(|(stream, ..)| stream.source.as_str()).collect::<Vec<_>>())
                    .bind(windows.iter().map(|(stream, ..)| stream.account.as_str()).collect::<Vec<_>>())
                    .bind(windows.iter().map(|(stream, ..)| stream.partition.as_str()).collect::<Vec<_>>())
                    .bind(windows.iter().map(|(_, window, ..)| window.start()).collect::<Vec<_>>())
                    .bind(windows.iter().map(|(_, window, ..)| window.end()).collect::<Vec<_>>())
                    .bind(windows.iter().map(|(_, _, state, ..)| *state).collect::<Vec<_>>())
                    .bind(windows.iter().map(|(.., quarantined, _)| number(*quarantined)).collect::<Vec<_>>())
                    .bind(windows.iter().map(|(.., lines)| number(lines.rows)).collect::<Vec<_>>())
                    .bind(windows.iter().map(|(.., lines)| number(lines.missing)).collect::<Vec<_>>())
                    .bind(sums)
                    .bind(windows.iter().map(|(.., lines)| &lines.digest[..]).collect::<Vec<_>>())
                    .execute(&mut *tx)
                    .await?;
            }
            tx.commit().await
        })
        .await
    }
}
