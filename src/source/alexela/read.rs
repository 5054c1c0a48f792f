//! Reads a stretch of a stream, within what the vendor allows in one request and as far back as it still serves.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;

use super::{
    calendar,
    client::{Answer, Client, Reply, unwrap_list},
    verdict::{self, Verdict},
    wire::Operation,
};
use crate::{
    domain::{SourceKind, StreamId, Window},
    http::{Body, HttpError, Records},
    source::{Brought, ReadEnd, ReadEvent, SourceError, recognize::Recognizer},
};

const DAY: Duration = Duration::from_hours(24);

/// Days that the beginning is moved on by when the vendor serves less than 5 calendar months.
const MOVES: u32 = 3;

/// A batch goes when it has so many records, or so many bytes of them.
const BATCH_RECORDS: usize = 500;
const BATCH_BYTES: usize = 1024 * 1024;

/// One read of one stream.
pub(super) struct Reading<'a> {
    client: &'a Client,
    recognizer: Recognizer<'a>,
    stream: &'a StreamId,
    events: mpsc::Sender<ReadEvent>,
    /// Whether records were sent since the last `Complete` or `Restart`.
    open: AtomicBool,
}

/// How an answer was poured out.
enum Poured {
    Whole,
    /// Nobody takes the records any more.
    Stopped,
}

/// What became of a piece of the stretch.
enum Piece {
    Whole,
    TooLong(String),
    TooOld(String),
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        client: &'a Client,
        recognizer: Recognizer<'a>,
        stream: &'a StreamId,
        events: mpsc::Sender<ReadEvent>,
    ) -> Self {
        Self { client, recognizer, stream, events, open: AtomicBool::new(false) }
    }

    /// Reads the days of the stretch. When the vendor no longer serves its beginning, up to three days are given up and
    /// the rest is read, which [`ReadEnd::served_from`] says; when that does not do, the error names the last day refused.
    pub(super) async fn run(&self, stretch: Window) -> Result<ReadEnd, SourceError> {
        let begun = self.client.link.begin();
        let mut left = calendar::pieces(calendar::whole_days(stretch), self.client.config.max_window_days);
        let (mut any, mut moves) = (false, 0);
        let mut refused: Option<(DateTime<Utc>, String)> = None;
        while let Some(piece) = left.pop_front() {
            match self.piece(piece).await? {
                Piece::Whole => any = true,
                Piece::TooLong(seen) => {
                    let (first, second) = piece.halves(DAY).ok_or(SourceError::Rejected(seen))?;
                    tracing::info!(stream = %self.stream, window = %piece, "the vendor wants shorter windows, halving");
                    left.push_front(second);
                    left.push_front(first);
                }
                Piece::TooOld(seen) if any => return Err(SourceError::Rejected(seen)),
                Piece::TooOld(seen) => {
                    let from = piece.start();
                    if moves == MOVES {
                        return Err(SourceError::BeyondHorizon { from, seen });
                    }
                    moves += 1;
                    refused = Some((from, seen));
                    if let Some(rest) = Window::new(calendar::next_day(from), piece.end()) {
                        left.push_front(rest);
                    }
                }
            }
        }
        match refused {
            Some((from, seen)) if !any => Err(SourceError::BeyondHorizon { from, seen }),
            refused => Ok(ReadEnd {
                present: self.client.link.placed(begun),
                complete: true,
                served_from: refused.map(|(from, _)| calendar::next_day(from)),
            }),
        }
    }

    async fn piece(&self, piece: Window) -> Result<Piece, SourceError> {
        let operation = self.operation(piece)?;
        match self.client.send(operation, |body| self.pour(body)).await? {
            Answer::Given(Poured::Whole) => Ok(Piece::Whole),
            Answer::Given(Poured::Stopped) => Err(SourceError::Stopped),
            Answer::Denied(Verdict::TooLong(seen)) => Ok(Piece::TooLong(seen)),
            Answer::Denied(Verdict::TooOld(seen)) => Ok(Piece::TooOld(seen)),
            Answer::Denied(verdict) => Err(verdict::error(operation, verdict)),
        }
    }

    fn operation(&self, piece: Window) -> Result<Operation<'_>, SourceError> {
        match self.stream.source {
            SourceKind::AlexelaCard => {
                let contract = self.stream.partition.contract_no();
                let contract =
                    contract.ok_or_else(|| SourceError::Rejected("nothing: the stream has no contract".to_owned()))?;
                Ok(Operation::ContractTransactions(contract, piece))
            }
            SourceKind::AlexelaBonus => Ok(Operation::BonuscardTransactions(piece)),
            SourceKind::AlexelaEv => Ok(Operation::EvTransactions(piece)),
            SourceKind::HecOne => Err(SourceError::Rejected("nothing: hecone is another vendor's".to_owned())),
        }
    }

    /// Sends the records of one answer as they arrive.
    async fn pour(&self, body: Body) -> Result<Reply<Poured>, HttpError> {
        let stopped = Ok(Reply::Given(Poured::Stopped));
        if !self.restart().await {
            return stopped;
        }
        let present = self.client.link.present();
        let mut records = Records::taken(body, |bytes| self.recognizer.brought(present, bytes));
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(record) = records.next().await? {
            bytes += record.size();
            batch.push(record);
            if batch.len() >= BATCH_RECORDS || bytes >= BATCH_BYTES {
                bytes = 0;
                if !self.send_records(std::mem::take(&mut batch)).await {
                    return stopped;
                }
            }
        }
        match unwrap_list(&records.finish()?)? {
            Reply::Denied(said) => {
                if self.restart().await {
                    Ok(Reply::Denied(said))
                } else {
                    stopped
                }
            }
            Reply::Given(()) => {
                let sent = (batch.is_empty() || self.send_records(batch).await) && self.send(ReadEvent::Complete).await;
                self.open.store(false, Ordering::Relaxed);
                if sent { Ok(Reply::Given(Poured::Whole)) } else { stopped }
            }
        }
    }

    async fn send_records(&self, batch: Vec<Brought>) -> bool {
        self.open.store(true, Ordering::Relaxed);
        self.send(ReadEvent::Records(batch)).await
    }

    /// Takes back what was sent of an answer that does not count.
    async fn restart(&self) -> bool {
        !self.open.swap(false, Ordering::Relaxed) || self.send(ReadEvent::Restart).await
    }

    async fn send(&self, event: ReadEvent) -> bool {
        self.events.send(event).await.is_ok()
    }
}
