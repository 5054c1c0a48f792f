//! Reads a stretch from the sources again and holds it against the warehouse. Writes nothing to the sales' tables; with
//! `repair`, windows that differ are read once more and loaded as a backfill's are.
//!
//! Every difference between the source now and the warehouse now is one, whoever made it: who reads a window only from
//! time to time has not what changed at the source since. Where that can be known (the source's own times of a change are
//! younger than the last whole read of the window) it is said beside the line. Not a difference: what the source no longer
//! serves, what lies behind the watermark, what was written while it was being compared, and a record in quarantine that
//! is in quarantine here, too. Each is said.

mod pieces;
mod report;

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;

use self::pieces::{Piece, Standing};
pub use self::{
    pieces::{Left, Why},
    report::{AmountRead, Compared, Repaired, StreamVerified, Totals, Verified},
};
use super::{
    backfill::{self, Worked},
    pass::Passes,
    plan::Read,
    stream::Reader,
    summary::StreamOutcome,
    traced,
    window::{self, Disposition, WindowError, Windows},
};
use crate::{
    domain::Window,
    telemetry::{self, Mode, Part},
    warehouse::{
        incoming::Batch,
        load::Counts,
        verify::{Against, Ends, Found, Told, What},
    },
};

/// What to verify.
#[derive(Debug, Clone, Copy)]
pub struct Stretch {
    /// From here to there.
    pub window: Window,
    /// Whether windows that differ are loaded.
    pub repair: bool,
    /// Windows read at the same time.
    pub workers: usize,
}

/// A stream being verified.
struct Verifying {
    reader: Reader,
    pieces: Vec<Piece>,
    /// The ends of all pieces, where they touch.
    ends: Option<Ends>,
    told: Told,
    done: StreamVerified,
    /// Windows that differ.
    differing: Vec<Window>,
}

/// What came of a piece.
struct Held {
    found: Found,
    counts: Counts,
    unserved: Option<Window>,
    /// Whether the source's pages kept moving.
    moving: bool,
}

/// Verifies a stretch of every stream of the accounts. Never fails: what fails is in what comes back.
pub async fn run(passes: &Passes, asked: Stretch, stop: &CancellationToken) -> Verified {
    let mut streams = Vec::new();
    let mut done = Vec::new();
    for account in &passes.accounts {
        let discovered = passes.discover(account, stop).await;
        done.extend(discovered.remarks.into_iter().map(StreamVerified::of));
        for stream in discovered.streams {
            let mut verifying = Verifying {
                reader: passes.reader(account),
                pieces: Vec::new(),
                ends: None,
                told: Told::default(),
                done: StreamVerified::new(stream),
                differing: Vec::new(),
            };
            if let Err(error) = verifying.plan(asked.window).await {
                verifying.fail(&error);
            }
            streams.push(verifying);
        }
    }
    passes.progress.plan(streams.iter().map(|verifying| verifying.pieces.len()).sum());
    hold(&mut streams, asked.workers, stop).await;
    for verifying in &mut streams {
        verifying.ask_totals().await;
        if asked.repair {
            Box::pin(verifying.repair(stop)).await;
        }
    }
    done.extend(streams.into_iter().map(|verifying| verifying.done));
    Verified::of(asked.window, done)
}

/// Reads the pieces of all streams, the oldest first, as a backfill does. A stream that fails is given up.
async fn hold(streams: &mut [Verifying], workers: usize, stop: &CancellationToken) {
    let mut work: Vec<(usize, Piece)> = Vec::new();
    for (number, verifying) in streams.iter().enumerate() {
        work.extend(verifying.pieces.iter().map(|piece| (number, *piece)));
    }
    work.sort_by_key(|(_, piece)| piece.stretch);
    let given_up: Vec<_> = streams.iter().map(|_| AtomicBool::new(false)).collect();
    let ready: &[Verifying] = streams;
    let mut held = stream::iter(work)
        .map(async |(number, piece)| {
            let (verifying, given_up) = (&ready[number], &given_up[number]);
            if given_up.load(Ordering::Relaxed) {
                return (number, piece, None);
            }
            let stream = &verifying.done.stream;
            let span = verifying.reader.telemetry.window(Mode::Verify, stream, piece.window);
            let held = span.scope(one(verifying, &piece, stop)).await;
            match &held {
                Ok(held) => traced::compared(&span, &held.counts),
                Err(error) => traced::failed(&span, error),
            }
            given_up.fetch_or(held.is_err(), Ordering::Relaxed);
            (number, piece, Some(held))
        })
        .buffer_unordered(workers.max(1));
    let mut came: Vec<(usize, Piece, Result<Held, WindowError>)> = Vec::new();
    // What waits here is sums and at most so many named lines a window; a stream names no more than that in all.
    let mut named = 0;
    while let Some((number, piece, held)) = held.next().await {
        let Some(mut held) = held else { continue };
        if let Ok(held) = &mut held {
            let room = report::NAMED.saturating_sub(named);
            held.found.named.truncate(room);
            named += held.found.named.len();
        }
        came.push((number, piece, held));
    }
    drop(held);
    came.sort_by_key(|(number, piece, _)| (*number, piece.stretch));
    for (number, piece, held) in came {
        match held {
            Ok(held) => streams[number].took(&piece, held),
            Err(error) => streams[number].fail(&error),
        }
    }
}

/// Reads a piece and holds it against the table.
#[tracing::instrument(level = "error", skip_all, fields(stream = %verifying.done.stream, window = %piece.stretch))]
async fn one(verifying: &Verifying, piece: &Piece, stop: &CancellationToken) -> Result<Held, WindowError> {
    let (reader, stream) = (&verifying.reader, &verifying.done.stream);
    if stop.is_cancelled() {
        return Err(WindowError::Stopped);
    }
    // What is read is normalized as a load would: without those who are forgotten.
    reader.warehouse.heed(&reader.forgotten).await?;
    let asked_at = reader.warehouse.now().await?;
    // Of the window only the piece is asked for: what lies outside the piece is not compared. All of it must be in the answer
    // for certain, for a line that is not there is one that somebody invented.
    let stretch = reader.source.certain(piece.stretch);
    let read = Read { window: piece.stretch, stretch, moves_watermark: false, was_read: false };
    let with = Windows {
        warehouse: &reader.warehouse,
        source: &*reader.source,
        settings: &reader.settings,
        forgotten: &reader.forgotten,
        stream,
        recognize: false,
        stop,
    };
    let (_, batch, end) = window::fetch_window(&with, &read, asked_at).await?.into_parts();
    let unserved = end.served_from.and_then(|from| Window::new(piece.stretch.start(), from.min(piece.stretch.end())));
    let stretch = match end.served_from {
        Some(from) => Window::new(from.max(piece.stretch.start()), piece.stretch.end()),
        None => Some(piece.stretch),
    };
    let mut found = Found::default();
    if let Some(stretch) = stretch {
        let _comparing = telemetry::part(Part::Compare);
        let against = Against {
            stream,
            stretch,
            asked_at,
            last_read: piece.last_read,
            ends: verifying.ends,
            told: &verifying.told,
        };
        found = Box::pin(reader.warehouse.hold(&against, &batch, reader.settings.window_timeout)).await?;
    }
    if !end.complete {
        // Pages that kept moving do not prove that a line is not there.
        found.named.retain(|difference| difference.what != What::MissingAtSource);
        found.tally.missing_at_source = 0;
    }
    reader.progress.wrote(batch.fetched());
    Ok(Held { counts: counts(&batch, &found), found, unserved, moving: !end.complete })
}

/// The counts of a read that is not written: what is inside is there, and stays as it is.
fn counts(batch: &Batch, found: &Found) -> Counts {
    let (fetched, quarantined) = (batch.fetched(), batch.quarantined());
    let (outside, duplicate) = (batch.outside(), batch.duplicate());
    Counts {
        fetched,
        unchanged: fetched.saturating_sub(quarantined + outside + duplicate),
        quarantined,
        outside,
        duplicate,
        missing: found.tally.missing_at_source,
        ..Counts::default()
    }
}

impl Verifying {
    async fn plan(&mut self, asked: Window) -> Result<(), WindowError> {
        let (reader, stream) = (&self.reader, &self.done.stream);
        reader.source.settle_clock().await?;
        let present = reader.source.present();
        let ledger = reader.warehouse.ledger(stream, DateTime::<Utc>::UNIX_EPOCH).await?;
        let gaps = reader.warehouse.gaps(stream).await?;
        let standing = Standing {
            ledger: &ledger,
            gaps: &gaps,
            horizon: reader.source.horizon(stream.source, present),
            start: reader.start,
            grid: reader.grid,
            watermark: reader.warehouse.watermark(stream).await?,
            present,
        };
        (self.pieces, self.done.left) = pieces::cut(asked, &standing);
        self.ends = pieces::whole(&self.pieces)
            .map(|pieces| Ends { pieces, asked: reader.source.widen(stream.source, pieces) });
        Ok(())
    }

    fn took(&mut self, piece: &Piece, held: Held) {
        let Held { found, counts, unserved, moving } = held;
        self.done.moving += u64::from(moving);
        self.done.windows += 1;
        self.done.counts += counts;
        self.done.transactions += found.transactions.inside;
        self.done.read += found.transactions;
        self.done.left.extend(unserved.map(|window| Left { window, why: Why::NotServed }));
        self.done.tally += found.tally;
        self.done.add(&found);
        if found.tally.differing() > 0 {
            self.differing.push(piece.window);
        }
        self.done.rows.extend(found.named);
    }

    fn fail(&mut self, error: &WindowError) {
        match error.disposition() {
            // It turned out while it was read.
            Disposition::Gap => {
                self.done.refused = true;
                self.done.remarks.push(format!("not compared: {error}"));
            }
            Disposition::NextPass
            | Disposition::StopAccount
            | Disposition::SwitchOff
            | Disposition::Rest
            | Disposition::LeaveStream
            | Disposition::Drop
            | Disposition::StopPass
            | Disposition::Stop => {
                if self.done.outcome == StreamOutcome::Ok {
                    self.done.outcome = StreamOutcome::of(error.disposition());
                    self.done.error = Some(error.to_string());
                }
            }
        }
    }

    /// The source's own totals, where it has such a thing and all of the stretch was read: against what was read, not
    /// against the table.
    async fn ask_totals(&mut self) {
        let Some(Ends { asked, .. }) = self.ends.filter(|_| self.done.outcome == StreamOutcome::Ok) else { return };
        let limit = self.reader.settings.window_timeout;
        match tokio::time::timeout(limit, self.reader.source.totals(asked)).await {
            Ok(None) => {}
            Ok(Some(Ok(statistics))) => {
                self.done.totals = Some(Totals::of(statistics, &self.done, self.reader.source.is_filtered()));
            }
            Ok(Some(Err(error))) => self.done.remarks.push(format!("no totals of the source's own: {error}")),
            Err(_) => self.done.remarks.push("no totals of the source's own: no answer in time".to_owned()),
        }
    }

    /// Loads the windows that differ, as a backfill does.
    async fn repair(&mut self, stop: &CancellationToken) {
        let mut windows = std::mem::take(&mut self.differing);
        windows.sort_unstable();
        windows.dedup();
        let mut repaired = Repaired::default();
        self.reader.progress.plan(windows.len());
        for window in windows {
            let stream = self.done.stream.clone();
            match backfill::one(&self.reader, &stream, window, backfill::Why::Repair, stop).await {
                Ok(Worked::Written(done)) => {
                    repaired.windows += 1;
                    repaired.counts += done.counts;
                }
                Ok(Worked::Lost(_) | Worked::Nothing) => repaired.left += 1,
                Ok(Worked::Overtaken(error)) => {
                    repaired.left += 1;
                    self.done.remarks.push(format!("{window} was not loaded: {error}"));
                }
                Err(error) => {
                    self.fail(&error);
                    break;
                }
            }
        }
        self.done.repaired = Some(repaired);
    }
}
