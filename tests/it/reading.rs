//! A window whose records cannot be taken while its source still sends: the read ends at once and says why.

use std::time::Duration;

use chrono::{DateTime, Utc};
use fuelsync::{
    config::{Config, Sync},
    domain::{Partition, Record, SourceKind, StreamId, Window},
    http::Link,
    privacy::Forgotten,
    source::{Brought, Finding, Known, Mark, ReadEnd, ReadEvent, Source, SourceError},
    sync::{
        plan::Read,
        window::{WindowError, Windows, fetch_window},
    },
    warehouse::WarehouseError,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::load::{Stage, at, day, line, record};

/// More lines alike than are told apart in one answer.
const ALIKE: usize = 9_000;

/// A source whose first answer cannot be taken, and which goes on sending for as long as anybody listens.
#[derive(Debug)]
struct Endless;

#[async_trait::async_trait]
impl Source for Endless {
    fn account(&self) -> &'static str {
        "fleet"
    }

    fn link(&self) -> Option<&Link> {
        None
    }

    fn kinds(&self) -> Vec<SourceKind> {
        vec![SourceKind::AlexelaBonus]
    }

    async fn partitions(&self, _: SourceKind) -> Result<Vec<Partition>, SourceError> {
        Ok(vec![Partition::whole()])
    }

    async fn settle_clock(&self) -> Result<(), SourceError> {
        Ok(())
    }

    fn present(&self) -> DateTime<Utc> {
        at(48)
    }

    fn horizon(&self, _: SourceKind, _: DateTime<Utc>) -> Option<DateTime<Utc>> {
        None
    }

    fn widen(&self, _: SourceKind, stretch: Window) -> Window {
        stretch
    }

    async fn read(
        &self,
        _: &StreamId,
        _: Window,
        _: &Known,
        events: mpsc::Sender<ReadEvent>,
    ) -> Result<ReadEnd, SourceError> {
        let mark = Mark::from_bytes([1; 8]).expect("a mark");
        let alike = (0..ALIKE).map(|_| Brought::New(record("7", vec![line("d", 5, 1)]), mark)).collect();
        for event in [ReadEvent::Records(alike), ReadEvent::Complete] {
            events.send(event).await.map_err(|_| SourceError::Stopped)?;
        }
        loop {
            events.send(ReadEvent::Records(Vec::new())).await.map_err(|_| SourceError::Stopped)?;
        }
    }

    async fn read_one(&self, _: &StreamId, _: &str) -> Result<Option<Record>, SourceError> {
        Ok(None)
    }

    async fn examine(&self) -> Vec<Finding> {
        Vec::new()
    }
}

fn settings() -> Sync {
    Config::from_text("test.toml", "[database]\nurl = \"postgres://x\"\n", std::iter::empty()).unwrap().sync
}

#[tokio::test]
async fn a_read_that_cannot_be_taken_ends_though_its_source_goes_on() {
    let stage = Stage::new(SourceKind::AlexelaBonus).await;
    let with = Windows {
        warehouse: &stage.warehouse,
        source: &Endless,
        settings: &settings(),
        forgotten: &Forgotten::default(),
        stream: &stage.stream,
        recognize: true,
        stop: &CancellationToken::new(),
    };
    let read = Read { window: day(), stretch: day(), moves_watermark: false, was_read: false };
    // Its own limit is ten minutes.
    let fetched = tokio::time::timeout(Duration::from_mins(2), fetch_window(&with, &read, at(48))).await;
    let error = fetched.expect("it ends").expect_err("it is too much");
    assert!(matches!(error, WindowError::Warehouse(WarehouseError::TooMuch(_))), "{error}");
}
